"""Random numbers as a function of their purpose.

They do not depend on what was drawn before, so a resumed run draws the same numbers as one that was never stopped.
"""

from __future__ import annotations

import hashlib
import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # importing torch takes a second and 170 MB, and `prepare` needs a seed only
    import torch
    from torch import Tensor

# SplitMix64 (Steele, Lea and Flood, OOPSLA 2014). Its constants are unsigned; torch has int64, whose products wrap
# around to the same bits.
_GAMMA = 0x9E3779B97F4A7C15 - 2**64
_MIX_1 = 0xBF58476D1CE4E5B9 - 2**64
_MIX_2 = 0x94D049BB133111EB - 2**64
_BITS = 24  # of a number in [0, 1): as many as fp32 holds exactly


def seed_for(*purpose: int | str) -> int:
    """A 63-bit seed for a purpose.

    Args:
        purpose: What the random numbers are for, such as (seed, "masks", step). Different purposes give unrelated
            seeds.

    >>> seed_for(0, "masks", 7) == seed_for(0, "masks", 7) != seed_for(0, "masks", 8)
    True
    """
    digest = hashlib.sha256("/".join(str(part) for part in purpose).encode()).digest()
    return int.from_bytes(digest[:8], "little") >> 1


def generator_for(*purpose: int | str) -> torch.Generator:
    """A CPU generator seeded for a purpose, see `seed_for`."""
    import torch

    return torch.Generator().manual_seed(seed_for(*purpose))


def _shift_right(bits: Tensor, by: int) -> Tensor:
    """A logical shift to the right; `>>` on int64 alone would copy the sign bit."""
    return (bits >> by) & (2 ** (64 - by) - 1)


def _mix(bits: Tensor) -> Tensor:
    """SplitMix64's finaliser: a one-to-one map of int64 in which every output bit depends on every input bit."""
    bits = (bits ^ _shift_right(bits, 30)) * _MIX_1
    bits = (bits ^ _shift_right(bits, 27)) * _MIX_2
    return bits ^ _shift_right(bits, 31)


class Draws:
    """Uniform random numbers for samples: a function of the purpose, the sample's number and the element.

    A sample therefore draws the same numbers, to the bit, in any part of the batch, in any process and on any device.

    Args:
        samples: (n,) int64 numbers of the samples, such as their places in the batch of a step.
        purpose: What the numbers are for, as in `seed_for`.
    """

    def __init__(self, samples: Tensor, *purpose: int | str) -> None:
        self.samples = samples
        self.seed = seed_for(*purpose)

    def uniform(self, *shape: int, device: torch.device | str = "cpu") -> Tensor:
        """Draws the numbers; two calls draw the same ones.

        Args:
            shape: Of the numbers of one sample. A larger first axis adds numbers and leaves the others as they are.
            device: Where they are computed.

        Returns:
            (n, *shape) fp32 in [0, 1).
        """
        import torch

        streams = _mix(self.samples.to(device) * _GAMMA + self.seed)
        elements = torch.arange(1, math.prod(shape) + 1, device=device) * _GAMMA
        bits = _mix(streams[:, None] + elements)
        return (_shift_right(bits, 64 - _BITS).float() * 2.0**-_BITS).unflatten(1, shape)
