"""Speed: what everything costs, as ratios to the same mathematics written the obvious way (`plain`), in one run."""
