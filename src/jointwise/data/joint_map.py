"""Which joints of one layout follow from those of another: the same names, and the synthesis of `synthesis.yaml`."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from jointwise.data.layouts import Sources, parse_sources
from jointwise.data.typed_files import read_as
from jointwise.errors import ConfigError

_NUMBERED = re.compile(r"joint_\d+")


@cache
def synthesis() -> Sources:
    """Joint -> alternatives of the joints whose mean it is; a single joint is one at nearly the same place."""
    path = Path(__file__).with_name("synthesis.yaml")
    return parse_sources(read_as(path, dict[str, Any], ConfigError, "Install jointwise again."), str(path))


@dataclass(frozen=True)
class JointMap:
    """How the joints of a layout follow from those of another.

    Args:
        matched: The joints that both have by name.
        synthetic: Joint -> the joints of the other layout whose mean it is.
        missing: The joints that do not follow. They are masked as never seen.
    """

    matched: tuple[str, ...]
    synthetic: Mapping[str, tuple[str, ...]]
    missing: tuple[str, ...]

    @property
    def sources(self) -> dict[str, tuple[str, ...]]:
        """Joint that follows -> the joints of the other layout that it is the mean of."""
        return {joint: (joint,) for joint in self.matched} | dict(self.synthetic)

    @property
    def coverage(self) -> str:
        """What follows, as text.

        >>> JointMap(("neck",), {"head": ("left_ear", "right_ear")}, ("left_foot",)).coverage
        '2 of 3 joints: 1 matched, 1 from others, missing: left_foot'
        """
        count = len(self.matched) + len(self.synthetic)
        parts = [f"{len(self.matched)} matched"]
        parts += [f"{len(self.synthetic)} from others"] if self.synthetic else []
        parts += [f"missing: {', '.join(self.missing)}"] if self.missing else []
        return f"{count} of {count + len(self.missing)} joints: {', '.join(parts)}"


def shared_names(wanted: Sequence[str], found: Sequence[str]) -> tuple[str, ...]:
    """The joints that two layouts share by name, in the order of `found`.

    A number is not a name: layouts without names share joints only if they are equal.
    """
    if tuple(wanted) == tuple(found):
        return tuple(found)
    return tuple(joint for joint in found if joint in wanted and not _NUMBERED.fullmatch(joint))


def map_joints(wanted: Sequence[str], found: Sequence[str], synthesise: bool = True) -> JointMap:
    """Find how joints follow from others.

    Args:
        wanted: The names of the joints that are wanted.
        found: The names of those that there are.
        synthesise: Whether a joint that is not there may be computed from others.

    >>> map_joints(("spine_base", "neck"), ("left_hip", "right_hip", "neck")).synthetic
    {'spine_base': ('left_hip', 'right_hip')}
    """
    shared = set(shared_names(wanted, found))
    synthetic: dict[str, tuple[str, ...]] = {}
    for joint in wanted:
        known = [parts for parts in synthesis().get(joint, ()) if set(parts) <= set(found)]
        if synthesise and known and joint not in found:
            synthetic[joint] = known[0]
    return JointMap(
        matched=tuple(joint for joint in wanted if joint in shared),
        synthetic=synthetic,
        missing=tuple(joint for joint in wanted if joint not in shared and joint not in synthetic),
    )


def columns_of(joints: Sequence[str], found: Sequence[str]) -> npt.NDArray[np.int64]:
    """The columns whose mean each joint is.

    Args:
        joints: W joints that all follow from those that there are.
        found: The names of the columns.

    Returns:
        (W, K) places in `found`. Where a joint follows from fewer than K, they are repeated equally often.

    >>> columns_of(["neck", "spine_base"], ["neck", "left_hip", "right_hip"]).tolist()
    [[0, 0], [1, 2]]
    """
    sources = map_joints(joints, found).sources
    places = [[found.index(part) for part in sources[joint]] for joint in joints]
    return np.array([row * (math.lcm(*map(len, places)) // len(row)) for row in places])
