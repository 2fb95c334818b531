"""Verdicts on differences: answers known by hand, and how often there is a false one."""

import numpy as np
import pytest
from scipy import stats

from jointwise.evaluation.paired import holm, paired_interval, two_way_variance
from jointwise.evaluation.statistics import Measurement, bootstrap_interval


def test_one_row_is_the_ordinary_t_interval() -> None:
    values = np.array([1.0, 3.0, 2.0, 6.0, 4.0])
    expected = stats.t.interval(0.95, 4, values.mean(), stats.sem(values))
    for differences in (values[None], values[:, None]):
        found = paired_interval(differences)
        np.testing.assert_allclose((found.low, found.high), expected)
        assert found.p == pytest.approx(stats.ttest_1samp(values, 0).pvalue)


def test_the_variance_is_that_of_the_margins_less_the_residual() -> None:
    differences = np.array([[1.0, 5.0], [3.0, 11.0]])  # row means 3 and 7, column means 2 and 8, mean 5, residuals 1
    variance, freedom = two_way_variance(differences)
    assert variance == pytest.approx(8 / 2 + 18 / 2 - 4 / 4)
    assert freedom == pytest.approx(12**2 / (4**2 + 9**2))


def test_where_the_residual_is_all_there_is_the_larger_margin_counts() -> None:
    differences = np.array([[1.0, -1.0, 0.5], [-1.0, 1.0, 0.0]])
    variance, _ = two_way_variance(differences)
    margins = differences.mean(1).var(ddof=1) / 2, differences.mean(0).var(ddof=1) / 3
    assert variance == pytest.approx(max(margins))


def test_a_single_training_has_no_interval() -> None:
    assert np.isnan(paired_interval(np.array([[3.0]])).p)


def simulated(random: np.random.Generator, tables: int, seeds: int, groups: int) -> np.ndarray:
    """Differences in points without a true one: subjects vary by 3, seeds by 6, cells by 4."""
    subject, seed, cell = (
        random.normal(0, spread, size)
        for spread, size in ((3, (tables, 1, groups)), (6, (tables, seeds, 1)), (4, (tables, seeds, groups)))
    )
    return subject + seed + cell


@pytest.mark.parametrize(("seeds", "groups"), [(3, 4), (5, 4), (3, 10), (5, 10)])
def test_there_is_a_false_verdict_in_about_one_table_of_twenty(seeds: int, groups: int) -> None:
    differences = simulated(np.random.default_rng(0), 20_000, seeds, groups)
    variance, freedom = two_way_variance(differences)
    half = stats.t.ppf(0.975, freedom) * np.sqrt(variance)
    assert 0.02 < (np.abs(differences.mean((1, 2))) > half).mean() < 0.07


def test_a_bootstrap_over_four_subjects_gives_false_verdicts_three_times_as_often() -> None:
    tables = simulated(np.random.default_rng(0), 150, 3, 4)
    false = 0
    for table in tables:
        low, high = bootstrap_interval([Measurement(row, np.arange(4)) for row in table])
        false += low > 0 or high < 0
    assert false / len(tables) > 0.1


def test_holm_by_hand() -> None:
    assert holm([0.04]) == [0.04]
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    assert holm([]) == []
