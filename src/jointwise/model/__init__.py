"""The parts networks are made of: tensors in, tensors out; no files and no configuration."""
