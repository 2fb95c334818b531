"""Random numbers that depend on what they are for, not on what was drawn before: a resumed run draws the same ones."""

from __future__ import annotations

import hashlib
import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # torch takes a second and 170 MB, and `prepare` wants a seed only
    import torch
    from torch import Tensor

# SplitMix64 (Steele, Lea and Flood, OOPSLA 2014); as signed numbers, whose products wrap around just the same
_GAMMA, _MIX_1, _MIX_2 = (number - 2**64 for number in (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB))
_BITS = 24  # of a number in [0, 1): as many as fp32 holds exactly


def seed_for(*place: int | str) -> int:
    """A 63-bit seed for a place such as (seed, "masks", step); different places give unrelated seeds."""
    digest = hashlib.sha256("/".join(str(part) for part in place).encode()).digest()
    return int.from_bytes(digest[:8], "little") >> 1


def generator_for(*place: int | str) -> torch.Generator:
    """A CPU generator seeded for a place, see `seed_for`."""
    import torch

    return torch.Generator().manual_seed(seed_for(*place))


def _shifted(bits: Tensor, by: int) -> Tensor:
    """A logical shift to the right: that of int64 copies the sign."""
    return (bits >> by) & (2 ** (64 - by) - 1)


def _mixed(bits: Tensor) -> Tensor:
    """SplitMix64's finaliser: int64 -> int64, one to one, every bit of the result depends on every bit given."""
    bits = (bits ^ _shifted(bits, 30)) * _MIX_1
    bits = (bits ^ _shifted(bits, 27)) * _MIX_2
    return bits ^ _shifted(bits, 31)


class Draws:
    """Uniform numbers for samples: a function of what they are for, of each sample's number, and of the element.

    A part of the samples thus draws what it would draw among all, in any process, to the bit on any device.

    samples: (n,) int64, such as the places of the samples in the batch of a step. place: what for, as in `seed_for`.
    """

    def __init__(self, samples: Tensor, *place: int | str) -> None:
        self.samples, self.seed = samples, seed_for(*place)

    def uniform(self, *shape: int, device: torch.device | str = "cpu") -> Tensor:
        """(n, *shape) fp32 in [0, 1), computed on `device`.

        Elements are numbered row by row: a larger first axis of `shape` adds numbers and changes none.
        """
        import torch

        streams = _mixed(self.samples.to(device) * _GAMMA + self.seed)
        elements = torch.arange(1, math.prod(shape) + 1, device=device) * _GAMMA
        bits = _mixed(streams[:, None] + elements)
        return (_shifted(bits, 64 - _BITS).float() * 2.0**-_BITS).unflatten(1, shape)
