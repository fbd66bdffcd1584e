"""The outer loop and what surrounds it: validation, checkpoints, processes, compiling."""
