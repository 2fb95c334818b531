"""What one training command does: pre-train, fine-tune, evaluate, import."""
