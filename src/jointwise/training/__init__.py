"""The loop, the optimiser, checkpoints, run folders and model folders."""
