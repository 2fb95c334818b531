"""Accuracy with intervals: the one implementation every protocol and table uses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.floating]
Ints = npt.NDArray[np.integer]

DRAWS, LEVEL = 2000, 0.95
INTERVAL_METHOD = f"percentile bootstrap over test subjects and seeds, {DRAWS} draws"


def top_k_hits(scores: Floats, labels: Ints, k: int) -> npt.NDArray[np.float64]:
    """(N,) 1 where the label is among the k best scored classes, else 0; scores (N, K).

    Ties count against the label: equal scores for all classes are no knowledge.
    """
    own = np.take_along_axis(scores, labels[:, None], 1)
    better = (~(scores < own)).sum(1) - 1  # the label itself is not better than itself; NaN is no knowledge either
    return (better < k).astype(np.float64)


@dataclass(frozen=True)
class Measurement:
    """Hits of one evaluation: (N,) 0 or 1 each (or errors), and the (N,) subjects they belong to."""

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
    totals = np.stack([np.bincount(member, m.hits, len(names)) for m in measurements])  # (seeds, subjects)
    counts = np.bincount(member, minlength=len(names))
    generator = np.random.default_rng(0)
    drawn_subjects = generator.integers(len(names), size=(DRAWS, len(names)))
    drawn_seeds = generator.integers(len(totals), size=(DRAWS, len(totals)))
    weights = np.stack([np.bincount(draw, minlength=len(names)) for draw in drawn_subjects])  # (DRAWS, subjects)
    by_seed = weights @ totals.T / (weights @ counts)[:, None]  # (DRAWS, seeds)
    means = np.take_along_axis(by_seed, drawn_seeds, 1).mean(1)
    low, high = np.quantile(means, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)


def macro_f1(scores: Floats, labels: Ints) -> float:
    """Mean over the classes present of the F1 score of the best scored class."""
    from sklearn.metrics import f1_score

    return float(f1_score(labels, scores.argmax(1), average="macro", labels=np.unique(labels), zero_division=0.0))
