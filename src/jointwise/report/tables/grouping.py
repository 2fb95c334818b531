"""Results that belong together: the seeds and folds of one condition, in the order of tables."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from jointwise.config.systems import system_order
from jointwise.errors import DataError
from jointwise.evaluation.protocols import PROTOCOLS, RAW, SEMI
from jointwise.evaluation.results import INITIALISATIONS, read_hits
from jointwise.evaluation.statistics import Measurement, bootstrap_interval
from jointwise.report.tables.text_table import NOTHING

_QUICK = ", --quick"  # mark of results whose scores mean nothing
Result = dict[str, Any]
Folds = dict[int, Result]  # number of the fold (0: the split is no cross-validation) -> its result


class Condition(NamedTuple):
    """What was measured, and how: two results of the same condition differ in seed and fold only.

    Args:
        protocol: A key of PROTOCOLS.
        features: Pooling and encoder of frozen features; `–` where a head pools.
        labels: Share or shots of the training labels.
        system: Name of the system, of a foreign encoder, or `raw`.
        start: Initialisation of the encoder; with the data of a pre-training on other data, the mark of a classifier
            from `semi` that another protocol judges, that of --quick, and the joints where not all are used.
    """

    protocol: str
    features: str
    labels: str
    system: str
    start: str

    @classmethod
    def of(cls, result: Result) -> Condition:
        """The condition of a result."""
        features = result["pooling"] or NOTHING
        features += "" if result["encoder"] == "student" else f" ({result['encoder']})"
        start = result["initialisation"]
        before = result.get("pretrained_on")
        start += f" on {before}" if before not in (None, result["data"]) else ""
        if result.get("unlabelled") and result["protocol"] != SEMI:
            start += ", pseudo-labels"
        start += _QUICK if result["config"].get("quick") else ""
        start += "".join(f", {result[key]}" for key in ("joints", "left_out") if result.get(key))
        return cls(result["protocol"], features, result["labels"], result["system"], start)

    @property
    def rank(self) -> tuple[Any, ...]:
        """Its place in a table: by protocol, features, labels from few to many, then in the order of the systems."""
        return (
            _rank(self.protocol, tuple(PROTOCOLS)),
            self.features != NOTHING,
            self.features,
            labels_amount(self.labels),
            _rank(self.system, (RAW, *system_order())),
            _rank(self.start.replace(_QUICK, ""), tuple(INITIALISATIONS)),
            self.start,
        )


def labels_amount(labels: str) -> tuple[bool, float]:
    """Sort key of labels: none, then shots, then shares, each from few to many."""
    if labels == "none":
        return False, 0.0
    return not labels.endswith("shot"), float(labels.removesuffix("shot"))


def _rank(name: str, order: tuple[str, ...]) -> tuple[int, str]:
    return (order.index(name) if name in order else len(order), name)


@dataclass(frozen=True)
class Group:
    """All results of one condition.

    Args:
        condition: What was measured, and how.
        seeds: Seed -> fold -> result.
    """

    condition: Condition
    seeds: dict[int, Folds]

    @property
    def results(self) -> list[Result]:
        """Every result, seed after seed."""
        return [folds[fold] for _, folds in sorted(self.seeds.items()) for fold in sorted(folds)]

    @property
    def count(self) -> str:
        """Number of seeds, and of folds where there are any, such as `2 × 3 of 4 folds`."""
        folds = len(self.results) // len(self.seeds)
        whole = self.results[0].get("folds") or 0
        if not whole or (folds == 1 and not self.results[0]["split"]["is_test"]):
            return str(len(self.seeds))
        return f"{len(self.seeds)} × {folds}{'' if folds == whole else f' of {whole}'} folds"

    def measurements(self, k: int) -> list[Measurement]:
        """The hits of each seed: of the test part, or of all folds end to end, so that every clip counts once."""
        return [measure(folds, k) for _, folds in sorted(self.seeds.items())]

    def accuracy(self, k: int) -> tuple[float, float, float]:
        """Mean over seeds of the top-k accuracy, then the ends of its 95 % interval over subjects and seeds."""
        measurements = self.measurements(k)
        mean = sum(float(measurement.hits.mean()) for measurement in measurements) / len(measurements)
        return mean, *bootstrap_interval(measurements)


def precision_of(result: Result) -> str:
    """`fp32` or `bf16`."""
    return str(result["precision"])


def code_of(result: Result) -> str:
    """The commit as the result has it, with `+changes` if it has that; the version where the code was no checkout."""
    return str(result["commit"] or f"version {result['versions']['jointwise']}")


def origin_note(groups: Iterable[Group]) -> str:
    """The precisions and commits of results, as a caption states them.

    Args:
        groups: Those in a table.

    Returns:
        Such as `Precision: bf16. Commit: 84ac94e62f31.`; with the number of results of each where there are several.
    """
    results = [result for group in groups for result in group.results]
    sentences = []
    for name, of in (("Precision", precision_of), ("Commit", code_of)):
        counts = Counter(of(result) for result in results)
        if len(counts) == 1:
            sentences.append(f"{name}: {next(iter(counts))}.")
        elif counts:
            listed = ", ".join(f"{value} ({count})" for value, count in sorted(counts.items()))
            sentences.append(f"{name}s (results): {listed}.")
    return " ".join(sentences)


def measure(folds: Folds, k: int) -> Measurement:
    """The top-k hits of one seed, folds end to end."""
    parts = [read_hits(folds[fold]["path"], k) for fold in sorted(folds)]
    hits, subjects = (np.concatenate(columns) for columns in zip(*((p.hits, p.subjects) for p in parts), strict=True))
    return Measurement(hits, subjects)


def group_results(results: Iterable[Result], whole: bool = True, score: str = "top1") -> list[Group]:
    """Groups results by condition, in the order of tables.

    The folds of a cross-validation make one measurement: every clip is scored in one of them.

    Args:
        results: As `read_results` gives them.
        whole: Whether missing folds of the test part are an error; else the seeds with the most folds are kept.
        score: Only results with this score are grouped; by default those of recognition.

    Returns:
        The groups.

    Raises:
        DataError: Results are of different data or test parts, or two have the same condition, seed and fold; or folds
            are missing.
    """
    groups: dict[Condition, dict[int, Folds]] = defaultdict(lambda: defaultdict(dict))
    parts: dict[int, set[tuple[str, str, str]]] = defaultdict(set)
    for result in results:
        if score not in result["scores"]:
            continue
        condition = Condition.of(result)
        seed = result["seed"]
        fold = result["fold"] or 0
        parts[fold].add((result["data"], result["data_fingerprint"], result["split"]["test_sha256"]))
        if fold in groups[condition][seed]:
            raise DataError(
                f"{result['path']} and {groups[condition][seed][fold]['path']} measure the same with the same seed: "
                "which one belongs into the table? Move the other away."
            )
        groups[condition][seed][fold] = result
    all_parts = set().union(*parts.values())
    of_data = {(data, fingerprint) for data, fingerprint, _ in all_parts}
    if len(of_data) > 1 or any(len(same) > 1 for same in parts.values()) or (0 in parts and len(parts) > 1):
        listed = sorted(all_parts)
        raise DataError(f"results of different data or test parts cannot stand in one table: {listed}.")
    if whole:
        for seeds in groups.values():
            for folds in seeds.values():
                _check_folds(folds)
    ordered = sorted(groups, key=lambda condition: condition.rank)
    return [Group(condition, _with_most_folds(groups[condition])) for condition in ordered]


def _with_most_folds(seeds: dict[int, Folds]) -> dict[int, Folds]:
    """The seeds with the most folds: only these were scored on the same clips."""
    most = max((sorted(folds) for folds in seeds.values()), key=len)
    return {seed: folds for seed, folds in seeds.items() if sorted(folds) == most}


def _check_folds(folds: Folds) -> None:
    """Raises DataError, naming them, when folds of a cross-validation are missing."""
    first = next(iter(folds.values()))
    missing = sorted(set(range(1, (first.get("folds") or 0) + 1)) - set(folds))
    if missing and first["split"]["is_test"]:
        raise DataError(
            f"{first['path']} is fold {first['fold']} of {first['folds']}, but beside it fold "
            f"{', '.join(str(fold) for fold in missing)} is missing: run the same command with --split "
            f"fold{missing[0]}."
        )
