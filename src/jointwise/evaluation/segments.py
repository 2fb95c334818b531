"""How good a timeline is: segments found against segments that are there.

The measures of temporal action segmentation: the edit score compares the order of the actions, segmental F1 (Lea et
al., CVPR 2017) also where they are, for a least overlap of a found segment with a true one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

OVERLAPS = (0.1, 0.25, 0.5)


@dataclass(frozen=True)
class Span:
    """An action from a time to a time.

    Args:
        start: First moment, in seconds.
        end: Last moment, in seconds, after the start.
        label: Name of the action.
    """

    start: float
    end: float
    label: str


def edit_score(found: Sequence[Span], true: Sequence[Span]) -> float:
    """How alike two orders of actions are: 1 - Levenshtein distance over the length of the longer one.

    Args:
        found: The segments that a model found, in order of time.
        true: Those that are there.

    Returns:
        1 for the same order, 0 for nothing in common.

    >>> wave, walk = Span(0, 1, "wave"), Span(1, 2, "walk")
    >>> edit_score([wave, walk, wave], [wave, walk])
    0.6666666666666667
    """
    longest = max(len(found), len(true))
    if not longest:
        return 1.0
    row = np.arange(len(true) + 1)
    for place, span in enumerate(found, 1):
        before, row = row, np.empty_like(row)
        row[0] = place
        for other, truth in enumerate(true, 1):
            row[other] = min(row[other - 1] + 1, before[other] + 1, before[other - 1] + (span.label != truth.label))
    return 1.0 - float(row[-1]) / longest


def count_matches(found: Sequence[Span], true: Sequence[Span], overlap: float) -> tuple[int, int, int]:
    """Count the found segments that match a true one.

    A found segment takes the true segment of its label with which its intersection over union is largest. It matches
    where that is at least `overlap` and the true segment is not matched yet.

    Args:
        found: The segments that a model found, in order of time.
        true: Those that are there.
        overlap: Least intersection over union.

    Returns:
        Matches, found segments without a match, true segments without one.
    """
    taken: set[int] = set()
    for span in found:
        shares = [_overlap(span, truth) if span.label == truth.label else 0.0 for truth in true]
        best = int(np.argmax(shares)) if shares else -1
        if best >= 0 and shares[best] >= overlap and shares[best] > 0 and best not in taken:
            taken.add(best)
    return len(taken), len(found) - len(taken), len(true) - len(taken)


def segmental_f1(pairs: Sequence[tuple[Sequence[Span], Sequence[Span]]], overlap: float) -> float:
    """F1 of found segments over all recordings.

    Args:
        pairs: (found, true) segments of each recording.
        overlap: Least intersection over union of a match.

    Returns:
        2 · matches / (found + true); 1 where there is nothing to find and nothing was found.
    """
    counts = np.array([count_matches(found, true, overlap) for found, true in pairs]).reshape(-1, 3).sum(0)
    matches, wrong, missed = counts.tolist()
    return 2 * matches / (2 * matches + wrong + missed) if wrong + missed + matches else 1.0


def _overlap(a: Span, b: Span) -> float:
    """Intersection over union of two spans."""
    shared = min(a.end, b.end) - max(a.start, b.start)
    return max(0.0, shared) / (max(a.end, b.end) - min(a.start, b.start))
