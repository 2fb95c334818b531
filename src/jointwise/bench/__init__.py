"""What jointwise costs: readers, cutters and training steps, each measured beside the plain way of doing the same."""
