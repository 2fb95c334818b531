"""How much a body moves in a recording: what tells a person who stands still, and noise, from an action."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from jointwise.data.centring import fill_gaps
from jointwise.data.sequence import Sequence

LEAST_SHARE = 0.5  # of the smallest movement in training; less is no action
LARGEST_SHARE = 2.0  # of the largest one; more is no body


def movement(sequence: Sequence) -> float:
    """How far the joints move, in sizes of the body.

    Args:
        sequence: A recording (M, T, V, C).

    Returns:
        The largest value of all persons: the mean over joints of the way between their outermost places, each relative
        to the middle of the body, over the size of the body. 0 where nobody is seen in two frames.
    """
    most = 0.0
    filled = fill_gaps(sequence.positions, sequence.validity).astype(np.float64)  # a gap must not move the middle
    for positions, valid in zip(filled, sequence.validity, strict=True):
        frames = valid.any(1)
        places = positions[frames][:, valid.any(0)]
        if len(places) < 2:
            continue
        size = np.median(np.linalg.norm(np.ptp(places, axis=1), axis=-1))
        ways = np.linalg.norm(np.ptp(places - places.mean(1, keepdims=True), axis=0), axis=-1)
        most = max(most, float(ways.mean() / size)) if size > 0 else most
    return most


def movement_range(sequences: Iterable[Sequence]) -> tuple[float, float]:
    """How much the bodies of a data set move.

    Args:
        sequences: Recordings of its training part.

    Returns:
        Smallest and largest movement, but for the outermost hundredth on either side.
    """
    low, high = np.quantile([movement(sequence) for sequence in sequences], [0.01, 0.99])
    return float(low), float(high)


def outside(value: float, known: tuple[float, float]) -> str | None:
    """Why a movement is that of no action; None where it may be one.

    Args:
        value: The movement of a recording.
        known: Smallest and largest movement of the recordings that a model was trained on.

    Returns:
        A sentence.

    >>> outside(0.0, (0.1, 0.3))
    'The body moves less than in any recording that the model was trained on.'
    >>> outside(0.2, (0.1, 0.3)) is None
    True
    """
    low, high = known
    if value < LEAST_SHARE * low:
        return "The body moves less than in any recording that the model was trained on."
    if value > LARGEST_SHARE * high:
        return "The joints move more than in any recording that the model was trained on."
    return None
