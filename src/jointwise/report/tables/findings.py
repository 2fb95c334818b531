"""The report's findings one by one: paired differences of systems, and whether they hold here."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from jointwise.config.systems import FINAL
from jointwise.errors import DataError
from jointwise.evaluation.results import read_names
from jointwise.evaluation.statistics import Measurement, bootstrap_interval
from jointwise.report.tables.grouping import Folds, Group, Result, group_results, measure
from jointwise.report.tables.text_table import NOTHING, Grid


class Side(NamedTuple):
    """One of two that are compared.

    Args:
        system: Name of the system.
        start: What its encoder started from: `pretrained` or `scratch`.
    """

    system: str
    start: str = "pretrained"

    def __str__(self) -> str:
        return self.system + (" from scratch" if self.start == "scratch" else "")


@dataclass(frozen=True)
class Finding:
    """A claim of the report.

    Args:
        claim: In words.
        better: The side that is more accurate.
        worse: The other side.
    """

    claim: str
    better: Side
    worse: Side


_FINAL = Side(FINAL)
FINDINGS = (
    Finding("pre-training beats supervision", _FINAL, Side("supervised_segments", "scratch")),
    Finding("pre-training beats the same encoder without it", _FINAL, Side(FINAL, "scratch")),
    Finding("segments and mask token help (spatial)", Side("spatial_segments"), Side("spatial")),
    Finding("segments and mask token help (temporal)", Side("temporal_segments"), Side("temporal")),
    Finding("the decoder helps (spatial)", _FINAL, Side("spatial_segments")),
    Finding("the decoder helps (temporal)", Side("temporal_segments_decoder"), Side("temporal_segments")),
    Finding("spatial beats temporal, with segments", Side("spatial_segments"), Side("temporal_segments")),
    Finding("spatial beats temporal, with decoder", _FINAL, Side("temporal_segments_decoder")),
    Finding("the final system beats MAMP", _FINAL, Side("mamp")),
    # not in the report: these two share their axis
    Finding("on MAMP's axis it does too", Side("spacetime_segments_decoder"), Side("mamp")),
)


@dataclass(frozen=True)
class Difference:
    """Accuracy of one system minus that of another.

    Args:
        points: Mean over seeds, in percentage points.
        low: Lower end of its 95 % interval.
        high: Upper end.
        seeds: The seeds that both systems have.
        folds: Folds of the cross-validation; 1 without one.
    """

    points: float
    low: float
    high: float
    seeds: tuple[int, ...]
    folds: int

    @property
    def verdict(self) -> str:
        """Whether the first one is better: the interval lies above zero, below it, or around it."""
        if self.low > 0:
            return "holds"
        if self.high < 0:
            return "does not hold"
        return "not settled"


def _same_clips(ours: Folds, theirs: Folds) -> None:
    for fold, result in ours.items():
        if read_names(result["path"]) != read_names(theirs[fold]["path"]):
            raise DataError(
                f"{result['path']} and {theirs[fold]['path']} scored different clips and cannot be compared."
            )


def difference(ours: Group, theirs: Group) -> Difference | None:
    """Top-1 hits of two groups, subtracted clip by clip for each seed that both have.

    Subjects and seeds are drawn together for the interval. The folds of a cross-validation lie end to end.

    Args:
        ours: Group of the system that is compared.
        theirs: Group of the system that it is compared with.

    Returns:
        The difference; None where no seed is common.

    Raises:
        DataError: The two scored different clips.
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
    """Top-1 of `a` minus that of `b`, clip by clip over the same seeds.

    Args:
        results: As `read_results` gives them.
        a: The first side.
        b: The second side.
        protocol: A key of PROTOCOLS.
        labels: Share or shots of the training labels.
        features: Pooling of frozen features; needed where results hold several.

    Returns:
        The difference; None where a side was not measured, or no seed is common.

    Raises:
        DataError: Results hold several features and none is named, or the two sides scored different clips.
    """
    groups = group_results(results)
    found = []
    for side in (a, b):
        fitting = [
            group
            for group in groups
            if _is(group, side)
            and (group.condition.protocol, group.condition.labels) == (protocol, labels)
            and features in (None, group.condition.features)
        ]
        if len(fitting) > 1:
            listed = ", ".join(group.condition.features for group in fitting)
            raise DataError(f"{side}, {protocol}, labels {labels}: several features are there ({listed}). Name one.")
        found += fitting
    return difference(*found) if len(found) == 2 else None


def _is(group: Group, side: Side) -> bool:
    return (group.condition.system, group.condition.start) == side


def findings(groups: list[Group]) -> Grid:
    """The table of findings whose two sides were measured; the others are named below it.

    Args:
        groups: In the order of tables.

    Returns:
        The table.

    Raises:
        DataError: Two sides scored different clips.
    """
    rows = []
    missing = []
    for finding in FINDINGS:
        measured = _rows(finding, groups)
        rows += measured
        if not measured:
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


def _rows(finding: Finding, groups: list[Group]) -> list[tuple[str, ...]]:
    """The rows of one finding: one for each protocol, features and labels with which both sides were measured."""
    rows = []
    for ours in (group for group in groups if _is(group, finding.better)):
        for theirs in (group for group in groups if _is(group, finding.worse)):
            alike = theirs.condition[:3] == ours.condition[:3]  # protocol, features, labels
            found = difference(ours, theirs) if alike else None
            if found is not None:
                rows.append(_row(finding, ours, found))
    return rows


def _row(finding: Finding, ours: Group, found: Difference) -> tuple[str, ...]:
    condition = ours.condition
    protocol = condition.protocol + ("" if condition.features == NOTHING else f", {condition.features}")
    points = f"{found.points:+.1f} ({found.low:+.1f} to {found.high:+.1f})".replace("-", "−")
    seeds = str(len(found.seeds)) + (f" × {found.folds} folds" if found.folds > 1 else "")
    compared = f"{finding.better} − {finding.worse}"
    return (finding.claim, compared, protocol, condition.labels, points, seeds, found.verdict)
