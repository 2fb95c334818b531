"""Confusions between classes: counts, accuracy of each class, and the pairs most often confused."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Pair:
    """Two classes that were confused.

    Args:
        true: Name of the true class.
        predicted: Name of the predicted class.
        count: Clips of the true class that were taken for the predicted one.
        clips: All clips of the true class.
    """

    true: str
    predicted: str
    count: int
    clips: int


@dataclass(frozen=True)
class ClassScore:
    """How well one class was recognised.

    Args:
        name: Name of the class.
        right: Clips that were recognised.
        clips: All clips of the class.
        taken_for: The most frequent wrong answer; None without one.
    """

    name: str
    right: int
    clips: int
    taken_for: Pair | None

    @property
    def accuracy(self) -> float | None:
        """The share of the clips that were recognised; None for a class without clips."""
        return self.right / self.clips if self.clips else None


@dataclass(frozen=True)
class Confusion:
    """A confusion matrix.

    Args:
        names: K class names.
        counts: (K, K) clips; row: the true class, column: the predicted one.
    """

    names: tuple[str, ...]
    counts: NDArray[np.int64]

    @property
    def accuracy(self) -> float:
        """The share of all clips on the diagonal."""
        return float(np.trace(self.counts) / self.counts.sum())

    def pairs(self, row: int | None = None) -> list[Pair]:
        """The confused pairs, those with most clips first.

        Args:
            row: Index of the only true class to look at; None: all classes.
        """
        wrong = self.counts.copy()
        np.fill_diagonal(wrong, 0)
        clips = self.counts.sum(axis=1)
        if row is not None:
            wrong[np.arange(len(wrong)) != row] = 0
        cells = [(true, guess) for true, guess in np.argwhere(wrong).tolist()]
        cells.sort(key=lambda cell: (-wrong[cell], -wrong[cell] / clips[cell[0]], cell))
        return [Pair(self.names[t], self.names[g], int(wrong[t, g]), int(clips[t])) for t, g in cells]

    def classes(self) -> list[ClassScore]:
        """Every class, best recognised first; classes without clips come last."""
        clips = self.counts.sum(axis=1)
        scores = [
            ClassScore(name, int(self.counts[row, row]), int(clips[row]), next(iter(self.pairs(row)), None))
            for row, name in enumerate(self.names)
        ]
        return sorted(scores, key=lambda score: -1.0 if score.accuracy is None else score.accuracy, reverse=True)


def count_confusions(labels: NDArray[np.int64], scores: NDArray[np.floating], names: tuple[str, ...]) -> Confusion:
    """Count how often each class was predicted for each true class.

    Args:
        labels: (N,) true classes.
        scores: (N, K) scores; the class with the highest is the predicted one.
        names: K class names.
    """
    counts = np.zeros((len(names), len(names)), dtype=np.int64)
    np.add.at(counts, (labels, scores.argmax(axis=1)), 1)
    return Confusion(names, counts)
