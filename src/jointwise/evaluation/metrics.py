"""Accuracy and F1: the one implementation that every protocol and table uses."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.floating]
Ints = npt.NDArray[np.integer]


RANKS = (1, 5)  # the k of the top-k accuracies that are reported


def telling_ranks(classes: int) -> tuple[int, ...]:
    """The k of RANKS whose accuracy can differ from 100 %.

    Args:
        classes: Number of classes.

    >>> telling_ranks(60), telling_ranks(5)
    ((1, 5), (1,))
    """
    return tuple(k for k in RANKS if k < classes or k == 1)


def top_k_hits(scores: Floats, labels: Ints, k: int) -> npt.NDArray[np.float64]:
    """Which clips are recognised among the k best scored classes.

    Ties count against the label: equal scores for all classes are no knowledge.

    Args:
        scores: (N, K), higher is better.
        labels: (N,) classes.
        k: How many of the best classes count.

    Returns:
        (N,) 1 where the label is among the k best, else 0.
    """
    own = np.take_along_axis(scores, labels[:, None], 1)
    better = (~(scores < own)).sum(1) - 1  # less the label itself; NaN counts as better: it is no knowledge
    return (better < k).astype(np.float64)


def macro_f1(scores: Floats, labels: Ints) -> float:
    """Mean F1 score over the classes that occur in `labels`; scores (N, K), labels (N,)."""
    from sklearn.metrics import f1_score

    return float(f1_score(labels, scores.argmax(1), average="macro", labels=np.unique(labels), zero_division=0.0))
