"""The report's findings one by one: paired differences of systems, and whether they hold here.

A difference is settled by Student's t over seeds and subjects (or folds), corrected for the number of findings in the
table. See evaluation/paired.py.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from jointwise.config.systems import FINAL, RECOMMENDED
from jointwise.errors import DataError
from jointwise.evaluation.paired import LEAST, Floats, PairedInterval, holm, paired_interval
from jointwise.evaluation.protocols import RAW
from jointwise.evaluation.results import read_hits, read_names
from jointwise.report.tables.grouping import Condition, Folds, Group, Result, code_of, group_results, precision_of
from jointwise.report.tables.text_table import NOTHING, Grid

MIXED = "mixed: no verdict"


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
    # nor these
    Finding("pre-training helps recommended", Side(RECOMMENDED), Side(RECOMMENDED, "scratch")),
    Finding("recommended beats the final system", Side(RECOMMENDED), _FINAL),
    Finding("recommended beats raw coordinates", Side(RECOMMENDED), Side(RAW, "none")),
)


@dataclass(frozen=True)
class Difference:
    """Accuracy of one system minus that of another, in percentage points.

    Args:
        interval: Mean over seeds and groups, its 95 % interval and its p-value.
        seeds: The seeds that both systems have.
        folds: Folds of the cross-validation; 1 without one.
        mixed: Whether the results are of several commits or precisions.
        cells: (S, G) what the interval is of: the difference of each seed and subject or fold.
    """

    interval: PairedInterval
    seeds: tuple[int, ...]
    folds: int
    mixed: bool = False
    cells: Floats | None = None

    @property
    def trainings(self) -> int:
        """How often both systems were trained: seeds, or folds where there are more of them."""
        return max(len(self.seeds), self.folds)

    def verdict(self, p: float) -> str:
        """Whether the first system is better.

        Args:
            p: The p-value, corrected for the number of findings in the table.

        Returns:
            `holds`, `does not hold` or `not settled`; `no verdict` below LEAST seeds or folds; MIXED over results of
            several commits or precisions.
        """
        if self.trainings < LEAST:
            return "no verdict"
        if self.mixed:
            return MIXED
        if p < 0.05:
            return "holds" if self.interval.mean > 0 else "does not hold"
        return "not settled"


def _same_clips(ours: Folds, theirs: Folds) -> None:
    for fold, result in ours.items():
        if read_names(result["path"]) != read_names(theirs[fold]["path"]):
            raise DataError(
                f"{result['path']} and {theirs[fold]['path']} scored different clips and cannot be compared."
            )


def _accuracy_by_group(folds: Folds) -> dict[int, float]:
    """Top-1 accuracy in points of each group of one seed: of each fold, or without folds of each test subject."""
    if len(folds) > 1:
        return {fold: 100 * float(read_hits(result["path"], 1).hits.mean()) for fold, result in folds.items()}
    (result,) = folds.values()
    measured = read_hits(result["path"], 1)
    subjects = np.unique(measured.subjects).tolist()
    return {subject: 100 * float(measured.hits[measured.subjects == subject].mean()) for subject in subjects}


def difference(ours: Group, theirs: Group) -> Difference | None:
    """Top-1 of two groups, subtracted for each seed that both have and each subject, or each fold.

    Folds are trainings of their own, and each has its own subjects, so there the folds are the groups. Every subject
    and every fold counts alike.

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
    rows = []
    used = [result for group in (ours, theirs) for seed in seeds for result in group.seeds[seed].values()]
    for seed in seeds:
        _same_clips(ours.seeds[seed], theirs.seeds[seed])
        left = _accuracy_by_group(ours.seeds[seed])
        right = _accuracy_by_group(theirs.seeds[seed])
        rows.append([left[group] - right[group] for group in sorted(left)])
    mixed = len({(code_of(result), precision_of(result)) for result in used}) > 1
    cells = np.array(rows)
    return Difference(paired_interval(cells), tuple(seeds), len(ours.seeds[seeds[0]]), mixed, cells)


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
    rows = [row for finding in FINDINGS for row in measure_finding(finding, groups)]
    return verdicts(rows, "Top-1, paired by seed and subject or fold; interval: two-way Student t.")


def verdicts(rows: Sequence[Measured], caption: str) -> Grid:
    """The table of measured findings, corrected for their number.

    Args:
        rows: In the order of FINDINGS.
        caption: How they were measured.

    Returns:
        The table.
    """
    tested = [row for row in rows if row.found.trainings >= LEAST]
    corrected = dict(zip(map(id, tested), holm([row.found.interval.p for row in tested]), strict=True))
    header = ("finding", "compared", "protocol", "labels", "points (95 %)", "seeds", "verdict")
    if tested:
        caption += (
            " holds, does not hold: p below 0.05 after Holm's correction for the number of findings that are tested "
            f"here ({len(tested)}); not settled: p above it."
        )
    if any(row.found.mixed for row in tested):
        caption += f" {MIXED}: its results are of several commits or precisions."
    if len(tested) < len(rows):
        caption += f" no verdict: fewer than {LEAST} seeds or folds."
    claims = {row.finding.claim for row in rows}
    missing = [finding.claim for finding in FINDINGS if finding.claim not in claims]
    if missing:
        caption += f"\nNot measured here: {len(missing)} of {len(FINDINGS)} findings ({'; '.join(missing)})."
    return Grid(header, [row.texts(corrected.get(id(row), 1.0)) for row in rows], caption, pages_only=("compared",))


@dataclass(frozen=True)
class Measured:
    """A finding whose two sides were measured under one condition.

    Args:
        finding: The claim.
        condition: Of its better side.
        found: The difference.
        groups: What `found.folds` counts: folds of a cross-validation, or data sets.
    """

    finding: Finding
    condition: Condition
    found: Difference
    groups: str = "folds"

    def texts(self, p: float) -> tuple[str, ...]:
        """The row of the table; p: corrected."""
        condition = self.condition
        interval = self.found.interval
        points = f"{interval.mean:+.1f}"
        if not np.isnan(interval.low):
            points += f" ({interval.low:+.1f} to {interval.high:+.1f})"
        return (
            self.finding.claim,
            f"{self.finding.better} − {self.finding.worse}",
            condition.protocol + ("" if condition.features == NOTHING else f", {condition.features}"),
            condition.labels,
            points.replace("-", "−"),
            str(len(self.found.seeds)) + (f" × {self.found.folds} {self.groups}" if self.found.folds > 1 else ""),
            self.found.verdict(p),
        )


def measure_finding(finding: Finding, groups: Sequence[Group]) -> list[Measured]:
    """One finding under each protocol, features and labels with which both sides were measured.

    Args:
        finding: The claim.
        groups: In the order of tables.

    Raises:
        DataError: Two sides scored different clips.
    """
    measured = []
    for ours in (group for group in groups if _is(group, finding.better)):
        for theirs in (group for group in groups if _is(group, finding.worse)):
            found = difference(ours, theirs) if _alike(ours, theirs) else None
            if found is not None:
                measured.append(Measured(finding, ours.condition, found))
    return measured


def _alike(ours: Group, theirs: Group) -> bool:
    """Whether protocol, labels and features are the same; raw coordinates are compared with features of every kind."""
    same = (ours.condition.protocol, ours.condition.labels) == (theirs.condition.protocol, theirs.condition.labels)
    return same and (theirs.condition.system == RAW or ours.condition.features == theirs.condition.features)
