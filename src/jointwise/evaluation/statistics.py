"""Intervals of a measurement: over subjects and seeds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.integer]


DRAWS, LEVEL = 2000, 0.95


INTERVAL_METHOD = f"percentile bootstrap over test subjects and seeds, {DRAWS} draws"


_AT_ONCE = 100  # draws: with all of them, tens of thousands of clips without subjects would take gigabytes


@dataclass(frozen=True)
class Measurement:
    """Hits of one evaluation: (N,) 0 or 1 each (or errors, NaN where there is none), and their (N,) subjects."""

    hits: npt.NDArray[np.float64]
    subjects: Ints


def bootstrap_interval(measurements: Sequence[Measurement]) -> tuple[float, float]:
    """95 % interval of the mean over seeds of the accuracy, or of whatever else was measured of each clip.

    measurements: one per seed, over the same test set. Subjects are drawn with replacement (clips of one subject are
    not independent), and so are seeds. With few subjects (UTD-MHAD: 4) it is coarse. For a paired difference of two
    systems give the differences of their hits.
    """
    subjects = measurements[0].subjects
    names, member = np.unique(subjects, return_inverse=True)
    if len(names) == 1:  # subject unknown or a single one: clips are all there is to draw
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
