"""Whether one system is better than another: a t interval over seeds and subjects, and verdicts over a whole table.

A bootstrap over four subjects and one to three seeds calls a difference settled in 16 to 58 % of tables in which there
is none. Student's t over both margins does so in 3 to 6 % (tests/evaluation/test_paired.py simulates it).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

LEAST = 3  # seeds or folds from which on a verdict is given
LEVEL = 0.95


@dataclass(frozen=True)
class PairedInterval:
    """The mean of paired differences, and how sure it is.

    Args:
        mean: Mean over all cells.
        low: Lower end of the 95 % interval; NaN where one training cannot tell.
        high: Upper end.
        p: Two-sided p-value of "there is no difference"; NaN where one training cannot tell.
    """

    mean: float
    low: float
    high: float
    p: float


def two_way_variance(differences: Floats) -> tuple[Floats, Floats]:
    """Variance of the mean of crossed seeds and groups, and its degrees of freedom.

    Both margins count the residual, so it is subtracted once. The variance is never below that of one margin alone,
    which keeps it from being zero or negative by chance. Degrees of freedom are Satterthwaite's.

    Args:
        differences: (..., S, G) one difference for each of S seeds and G groups (subjects, folds or data sets). At
            least one of S and G is 2 or more.

    Returns:
        Variance (...) and degrees of freedom (...), at least 1.
    """
    seeds, groups = differences.shape[-2:]
    nothing = np.zeros(differences.shape[:-2])
    by_seed = differences.mean(-1).var(-1, ddof=1) / seeds if seeds > 1 else nothing
    by_group = differences.mean(-2).var(-1, ddof=1) / groups if groups > 1 else nothing
    residual = nothing
    if seeds > 1 and groups > 1:
        centred = differences - differences.mean(-1, keepdims=True) - differences.mean(-2, keepdims=True)
        centred = centred + differences.mean((-2, -1), keepdims=True)
        residual = (centred**2).sum((-2, -1)) / ((seeds - 1) * (groups - 1)) / (seeds * groups)
    variance = np.maximum(by_seed + by_group - residual, np.maximum(by_seed, by_group))
    spread = by_seed**2 / max(seeds - 1, 1) + by_group**2 / max(groups - 1, 1)
    freedom = np.divide(variance**2, spread, out=np.ones_like(variance), where=spread > 0)
    return variance, np.maximum(freedom, 1.0)


def paired_interval(differences: Floats) -> PairedInterval:
    """Two-way Student t interval of the mean difference between two systems.

    Args:
        differences: (S, G) the difference of each seed and group: accuracy of one system minus that of the other.

    Returns:
        The mean with its interval. A single cell has no interval.
    """
    from scipy import stats

    mean = float(differences.mean())
    if differences.size < 2:
        return PairedInterval(mean, np.nan, np.nan, np.nan)
    variance, freedom = two_way_variance(differences)
    error = float(np.sqrt(variance))
    if error == 0:
        return PairedInterval(mean, mean, mean, float(mean == 0))
    half = float(stats.t.ppf((1 + LEVEL) / 2, freedom)) * error
    return PairedInterval(mean, mean - half, mean + half, float(2 * stats.t.sf(abs(mean) / error, freedom)))


def holm(p_values: Sequence[float]) -> list[float]:
    """p-values adjusted for the number of claims in a table (Holm, 1979).

    Args:
        p_values: One for each claim that was tested.

    Returns:
        The adjusted ones, in the same order: a claim is settled at 5 % where its value is below 0.05.

    >>> [round(p, 3) for p in holm([0.01, 0.04, 0.03])]
    [0.03, 0.06, 0.06]
    """
    order = np.argsort(p_values, kind="stable")
    adjusted = np.empty(len(p_values))
    least = 0.0
    for place, index in enumerate(order):
        least = max(least, min(1.0, (len(p_values) - place) * p_values[index]))
        adjusted[index] = least
    return adjusted.tolist()
