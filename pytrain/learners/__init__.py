"""The inner loop, one file per meta-learner, and the registry of all."""
