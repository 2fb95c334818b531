"""The findings over several data sets: whether one system is better than another on sets in general."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from jointwise.evaluation.paired import Floats, paired_interval
from jointwise.evaluation.results import read_results
from jointwise.report.tables.findings import FINDINGS, Difference, Finding, Measured, measure_finding, verdicts
from jointwise.report.tables.grouping import Group, group_results
from jointwise.report.tables.text_table import Grid


def findings_over_sets(folder: Path) -> Grid:
    """The table of findings that were measured on every set, by the seeds that all sets have.

    Every set counts alike: the difference of a seed and set is the mean over the subjects or folds of that set.

    Args:
        folder: One folder of results for each set.

    Returns:
        The table.

    Raises:
        DataError: A result is damaged, or results of one set do not belong into one table.
    """
    sets = {}
    for place in sorted(path for path in folder.iterdir() if path.is_dir()):
        if results := [result for result in read_results(place) if result["split"]["is_test"]]:
            sets[place.name] = group_results(results)
    rows = [row for finding in FINDINGS for row in _over_sets(finding, list(sets.values()))]
    return verdicts(rows, f"Top-1, paired by seed and set ({', '.join(sets)}); interval: two-way Student t.")


def _over_sets(finding: Finding, sets: list[list[Group]]) -> list[Measured]:
    """One finding under each condition with which it was measured on all sets."""
    by_set = [{row.condition[:3]: row for row in measure_finding(finding, groups)} for groups in sets]
    rows = []
    for condition, first in by_set[0].items() if by_set else ():
        found = [measured[condition].found for measured in by_set if condition in measured]
        seeds = sorted(set.intersection(*(set(each.seeds) for each in found)))
        if len(found) < len(sets) or not seeds:
            continue
        cells = np.stack([_means_of_seeds(each, seeds) for each in found], 1)  # (seeds, sets)
        mixed = any(each.mixed for each in found)
        over = Difference(paired_interval(cells), tuple(seeds), len(sets), mixed, cells)
        rows.append(Measured(finding, first.condition, over, groups="sets"))
    return rows


def _means_of_seeds(found: Difference, seeds: list[int]) -> Floats:
    """Mean difference of some seeds, over the subjects or folds of a set."""
    assert found.cells is not None
    means: Floats = found.cells.mean(1)[[found.seeds.index(seed) for seed in seeds]]
    return means
