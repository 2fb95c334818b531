"""What several checks of a recording need: sampled bodies, how tall they are, and the steps from frame to frame."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from jointwise.data.body_shape import Bodies
from jointwise.data.sequence import Bools, Floats, Sequence

JUMP = 0.3  # statures from one frame to the next, at 30 frames a second: no joint is so fast
FRAMES_SHOWN = 3  # of those in which something was found
_RADIUS = 0.28  # of a standing body in statures: the root mean square of the distances of joints from their middle

Found = tuple[str, str, str]  # name of the check, verdict, message


@dataclass(frozen=True, eq=False)
class Body:
    """A recording and what its body tells.

    Args:
        sequence: The recording (M, T, V, C).
        bodies: Sampled frames.
        height: The stature that the bones tell, in the unit of the coordinates; None where they tell none.
        size: The stature, or a guess of it from how far joints are apart; 0 where nothing is seen.
        steps: (M, T-1, V) squares of the distances from frame to frame, 0 where a joint is not seen in both.
        seen: (M, T-1, V) whether it is seen in both.
    """

    sequence: Sequence
    bodies: Bodies
    height: float | None
    size: float
    steps: Floats
    seen: Bools

    @classmethod
    def of(cls, sequence: Sequence) -> Body:
        """Look at a recording.

        Args:
            sequence: The recording.
        """
        bodies = Bodies.of(sequence)
        height = bodies.height
        seen = sequence.validity[:, 1:] & sequence.validity[:, :-1]
        with np.errstate(over="ignore", invalid="ignore"):
            steps = sequence.positions[:, 1:] - sequence.positions[:, :-1]
            steps = np.einsum("mtvc,mtvc->mtv", steps, steps)
        if not seen.all():
            steps[~seen] = 0
        return cls(sequence, bodies, height, height or _size(bodies), steps, seen)


def _size(bodies: Bodies) -> float:
    """About how tall bodies are, whatever their joints are called; 0 where nothing is seen."""
    if not len(bodies.joints):
        return 0.0
    with np.errstate(invalid="ignore", over="ignore"):
        apart = bodies.joints - np.nanmean(bodies.joints, 1, keepdims=True)
        return float(np.sqrt(np.nanmedian(np.nanmean(np.square(apart).sum(2), 1)))) / _RADIUS


def name_joints(sequence: Sequence, joints: npt.ArrayLike) -> str:
    """The names of joints (V,) bool, at most three and how many more.

    Args:
        sequence: The recording.
        joints: Which joints.
    """
    names = [sequence.skeleton.joints[place] for place in np.flatnonzero(np.asarray(joints))]
    more = f" and {len(names) - FRAMES_SHOWN} more" if len(names) > FRAMES_SHOWN else ""
    return ", ".join(names[:FRAMES_SHOWN]) + more


def name_frames(frames: Bools) -> str:
    """The numbers of frames (T,) bool, at most three and how many more.

    Args:
        frames: Which frames.

    >>> name_frames(np.array([False, True, True]))
    'frames 1, 2'
    """
    numbers = np.flatnonzero(frames).tolist()
    more = f" and {len(numbers) - FRAMES_SHOWN} more" if len(numbers) > FRAMES_SHOWN else ""
    return f"frame{'s' if len(numbers) > 1 else ''} " + ", ".join(str(frame) for frame in numbers[:FRAMES_SHOWN]) + more
