"""From a trained model to a `.brain`: the graphs, and the file."""
