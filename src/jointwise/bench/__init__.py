"""Speed: what everything costs, as ratios to a plain implementation of the same mathematics in the same run."""
