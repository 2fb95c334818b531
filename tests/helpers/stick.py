"""A skeleton of six joints, and random sequences of it."""

import numpy as np

from jointwise.data.sequence import Sequence
from jointwise.data.skeletons import Skeleton

STICK = Skeleton(
    name="stick",
    joints=("head", "root", "left_hand", "right_hand", "left_foot", "right_foot"),
    bones=(
        *(("root", "head"), ("root", "left_hand"), ("root", "right_hand")),
        *(("root", "left_foot"), ("root", "right_foot")),
    ),
    root="root",
)


def stick_sequence(persons: int, frames: int, seed: int, missing: float = 0.2, **about: int) -> Sequence:
    """Random joints; `missing` of them invalid, and NaN there so that a leak is seen."""
    rng = np.random.default_rng(seed)
    positions = rng.normal(size=(persons, frames, len(STICK.joints), 3)).astype(np.float32)
    valid = rng.random(positions.shape[:3]) >= missing
    valid[:, 0, 0] = True  # at least one valid joint per person
    positions[~valid] = np.nan
    return Sequence(positions, STICK, valid, source=f"stick {seed}", **about)
