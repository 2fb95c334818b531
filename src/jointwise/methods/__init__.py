"""Ways to train an encoder: each a module that turns a batch of clips into a loss."""
