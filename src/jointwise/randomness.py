"""Random numbers that depend on what they are for, not on what was drawn before: a resumed run draws the same ones."""

from __future__ import annotations

import hashlib

import torch


def seed_for(*place: int | str) -> int:
    """A 63-bit seed for a place such as (seed, "masks", step); different places give unrelated seeds."""
    digest = hashlib.sha256("/".join(str(part) for part in place).encode()).digest()
    return int.from_bytes(digest[:8], "little") >> 1


def generator_for(*place: int | str) -> torch.Generator:
    """A CPU generator seeded for a place, see `seed_for`."""
    return torch.Generator().manual_seed(seed_for(*place))
