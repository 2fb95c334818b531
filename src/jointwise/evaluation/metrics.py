"""Accuracy with intervals: the one implementation every protocol and table uses."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.floating]
Ints = npt.NDArray[np.integer]


def top_k_hits(scores: Floats, labels: Ints, k: int) -> npt.NDArray[np.float64]:
    """(N,) 1 where the label is among the k best scored classes, else 0; scores (N, K).

    Ties count against the label: equal scores for all classes are no knowledge.
    """
    own = np.take_along_axis(scores, labels[:, None], 1)
    better = (~(scores < own)).sum(1) - 1  # the label itself is not better than itself; NaN is no knowledge either
    return (better < k).astype(np.float64)


def macro_f1(scores: Floats, labels: Ints) -> float:
    """Mean over the classes present of the F1 score of the best scored class."""
    from sklearn.metrics import f1_score

    return float(f1_score(labels, scores.argmax(1), average="macro", labels=np.unique(labels), zero_division=0.0))
