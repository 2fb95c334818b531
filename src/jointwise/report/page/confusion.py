"""Which class was taken for which: counts, accuracy of each class, and the pairs most often confused."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Pair:
    """Clips of one class taken for another."""

    true: str
    predicted: str
    count: int
    clips: int  # of the true class


@dataclass(frozen=True)
class ClassScore:
    """How well one class was recognised; `taken_for` is the most frequent wrong answer, if any was given."""

    name: str
    right: int
    clips: int
    taken_for: Pair | None

    @property
    def accuracy(self) -> float | None:
        """The share of the class's clips that were recognised; None when the test set has none."""
        return self.right / self.clips if self.clips else None


@dataclass(frozen=True)
class Confusion:
    """Counts `K K`: row the true class, column the predicted one."""

    names: tuple[str, ...]
    counts: NDArray[np.int64]

    @property
    def accuracy(self) -> float:
        """The share of all clips on the diagonal."""
        return float(np.trace(self.counts) / self.counts.sum())

    def pairs(self, row: int | None = None) -> list[Pair]:
        """The confused pairs (of one true class only, when `row` is given), most clips first."""
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
    """Counts the answers (`scores`: `N K`, the highest wins) for clips whose true classes are `labels` (`N`)."""
    counts = np.zeros((len(names), len(names)), dtype=np.int64)
    np.add.at(counts, (labels, scores.argmax(axis=1)), 1)
    return Confusion(names, counts)
