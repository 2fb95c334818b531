"""The report's findings one by one: paired differences of systems, and whether they hold here."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from jointwise.errors import DataError
from jointwise.evaluation.results import read_names, read_results
from jointwise.evaluation.statistics import Measurement, bootstrap_interval
from jointwise.report.tables.grouping import Folds, Group, Result, group_results, measure
from jointwise.report.tables.text_table import NOTHING, Grid


class Side(NamedTuple):
    """One of two that are compared: a system, and what its encoder started from (`pretrained` or `scratch`)."""

    system: str
    start: str = "pretrained"

    def __str__(self) -> str:
        return self.system + (" from scratch" if self.start == "scratch" else "")


@dataclass(frozen=True)
class Finding:
    """A claim of the report: `better` is more accurate than `worse`."""

    claim: str
    better: Side
    worse: Side


FINAL = Side("spatial_segments_decoder")
FINDINGS = (
    Finding("pre-training beats supervision", FINAL, Side("supervised_segments", "scratch")),
    Finding("pre-training beats the same encoder without it", FINAL, Side(FINAL.system, "scratch")),
    Finding("segments and mask token help (spatial)", Side("spatial_segments"), Side("spatial")),
    Finding("segments and mask token help (temporal)", Side("temporal_segments"), Side("temporal")),
    Finding("the decoder helps (spatial)", FINAL, Side("spatial_segments")),
    Finding("the decoder helps (temporal)", Side("temporal_segments_decoder"), Side("temporal_segments")),
    Finding("spatial beats temporal, with segments", Side("spatial_segments"), Side("temporal_segments")),
    Finding("spatial beats temporal, with decoder", FINAL, Side("temporal_segments_decoder")),
    Finding("the final system beats MAMP", FINAL, Side("mamp")),
    # not the report's: these two differ in their axis no more
    Finding("on MAMP's axis it does too", Side("spacetime_segments_decoder"), Side("mamp")),
)


@dataclass(frozen=True)
class Difference:
    """Accuracy of one system minus that of another, in points: the mean over seeds, and its 95 % interval."""

    points: float
    low: float
    high: float
    seeds: tuple[int, ...]
    folds: int

    @property
    def verdict(self) -> str:
        """Whether the first one is better: the interval lies above zero, below it, or around it."""
        return "holds" if self.low > 0 else "does not hold" if self.high < 0 else "not settled"


def _same_clips(ours: Folds, theirs: Folds) -> None:
    for fold, result in ours.items():
        if read_names(result["path"]) != read_names(theirs[fold]["path"]):
            raise DataError(
                f"{result['path']} and {theirs[fold]['path']} scored different clips: their difference says nothing."
            )


def difference(ours: Group, theirs: Group) -> Difference | None:
    """Top-1 hits of two groups, subtracted clip by clip for each seed that both have; None without such a seed.

    Subjects and seeds are drawn together for the interval; the folds of a cross-validation lie end to end. Raises
    DataError when the clips are not the same.
    """
    seeds = [seed for seed in sorted(ours.seeds) if sorted(ours.seeds[seed]) == sorted(theirs.seeds.get(seed, {}))]
    if not seeds:
        return None
    measurements = []
    for seed in seeds:
        _same_clips(ours.seeds[seed], theirs.seeds[seed])
        left, right = measure(ours.seeds[seed], 1), measure(theirs.seeds[seed], 1)
        measurements.append(Measurement(left.hits - right.hits, left.subjects))
    mean = np.mean([measurement.hits.mean() for measurement in measurements])
    low, high = bootstrap_interval(measurements)
    return Difference(100 * float(mean), 100 * low, 100 * high, tuple(seeds), len(ours.seeds[seeds[0]]))


def paired(
    results: Iterable[Result], a: Side, b: Side, protocol: str, labels: str, features: str | None = None
) -> Difference | None:
    """Top-1 of `a` minus that of `b`, clip by clip over the same seeds; None where one of them was not measured.

    features: pooling of frozen features, where results hold several. Raises DataError when it is needed.
    """
    groups = group_results(results)
    found = []
    for side in (a, b):
        ways = [g for g in groups if (g.way.protocol, g.way.labels) == (protocol, labels) and _is(g, side)]
        ways = [group for group in ways if features in (None, group.way.features)]
        if len(ways) > 1:
            listed = ", ".join(group.way.features for group in ways)
            raise DataError(f"{side}, {protocol}, labels {labels}: several features are there ({listed}). Name one.")
        found += ways
    return difference(*found) if len(found) == 2 else None


def _is(group: Group, side: Side) -> bool:
    return (group.way.system, group.way.start) == side


def findings(groups: list[Group]) -> Grid:
    """Every finding whose two sides were measured; the others are named below the table."""
    rows, missing = [], []
    for finding in FINDINGS:
        shown = 0
        for ours in (group for group in groups if _is(group, finding.better)):
            for theirs in (group for group in groups if _is(group, finding.worse) and group.way[:3] == ours.way[:3]):
                found = difference(ours, theirs)
                if found is not None:
                    rows.append(_row(finding, ours, found))
                    shown += 1
        if not shown:
            missing.append(finding.claim)
    header = ("finding", "compared", "protocol", "labels", "points (95 %)", "seeds", "verdict")
    caption = (
        "Top-1, clip by clip; holds: the 95 % interval lies above zero; does not hold: below; not settled: around it."
    )
    if any(row[5].split()[0] == "1" for row in rows):
        caption += " One seed: the interval is over test subjects only."
    if missing:
        caption += f"\nNot measured here: {len(missing)} of {len(FINDINGS)} findings ({'; '.join(missing)})."
    return Grid(header, rows, caption, pages_only=("compared",))


def _row(finding: Finding, ours: Group, found: Difference) -> tuple[str, ...]:
    way = ours.way
    protocol = way.protocol + ("" if way.features == NOTHING else f", {way.features}")
    points = f"{found.points:+.1f} ({found.low:+.1f} to {found.high:+.1f})".replace("-", "−")
    seeds = str(len(found.seeds)) + (f" × {found.folds} folds" if found.folds > 1 else "")
    compared = f"{finding.better} − {finding.worse}"
    return (finding.claim, compared, protocol, way.labels, points, seeds, found.verdict)


if __name__ == "__main__":  # python -m jointwise.report.tables.findings RESULTS…
    for name in sys.argv[1:]:
        print(findings(group_results(r for r in read_results(Path(name)) if r["split"]["is_test"])).to_markdown())
