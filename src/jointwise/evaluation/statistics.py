"""Intervals of a measurement: over subjects and seeds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.integer]

DRAWS = 2000
LEVEL = 0.95
INTERVAL_METHOD = f"percentile bootstrap over test subjects and seeds, {DRAWS} draws"
_AT_ONCE = 100  # draws: with all of them, tens of thousands of clips without subjects would take gigabytes


@dataclass(frozen=True)
class Measurement:
    """What one evaluation measured of each clip.

    Args:
        hits: (N,) 0 or 1 each; or errors, NaN for clips without one.
        subjects: (N,) who is seen in each clip.
    """

    hits: npt.NDArray[np.float64]
    subjects: Ints


def bootstrap_interval(measurements: Sequence[Measurement]) -> tuple[float, float]:
    """95 % bootstrap interval of the mean over clips and seeds.

    Subjects are drawn with replacement, because clips of one subject are not independent; so are seeds. With few
    subjects (UTD-MHAD: 4) the interval is coarse.

    Args:
        measurements: One per seed, over the same test set. For a paired difference of two systems, the differences of
            their hits.

    Returns:
        Lower and upper end.
    """
    subjects = measurements[0].subjects
    names, member = np.unique(subjects, return_inverse=True)
    if len(names) == 1:  # subject unknown or a single one: draw clips instead
        names, member = np.arange(len(subjects)), np.arange(len(subjects))
    totals, counts = (  # (seeds, subjects)
        np.stack([np.bincount(member, values(m.hits), len(names)) for m in measurements])
        for values in (np.nan_to_num, np.isfinite)
    )
    generator = np.random.default_rng(0)
    parts = []
    for _ in range(DRAWS // _AT_ONCE):
        drawn_subjects = generator.integers(len(names), size=(_AT_ONCE, len(names)))
        weights = np.stack([np.bincount(draw, minlength=len(names)) for draw in drawn_subjects])
        with np.errstate(invalid="ignore"):  # NaN where no drawn subject has any
            parts.append(weights @ totals.T / (weights @ counts.T))
    drawn_seeds = generator.integers(len(totals), size=(DRAWS, len(totals)))
    means = np.take_along_axis(np.concatenate(parts), drawn_seeds, 1).mean(1)
    low, high = np.nanquantile(means, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)
