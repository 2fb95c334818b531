"""Results that belong together: the seeds and folds of one way of measuring, in the order of Table 1."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from jointwise.config.systems import BESIDE_TABLE_1, TABLE_1
from jointwise.errors import DataError
from jointwise.evaluation.results import read_hits
from jointwise.evaluation.statistics import Measurement, bootstrap_interval

_SYSTEMS = ("raw", *TABLE_1, *BESIDE_TABLE_1)
_STARTS, _PROTOCOLS = ("none", "scratch", "pretrained", "finetuned"), ("finetune", "linear", "knn", "score")

Result = dict[str, Any]
Folds = dict[int, Result]  # number of the fold (0: the split is no cross-validation) -> its result


class Way(NamedTuple):
    """How something was measured, and what: two results of the same way differ in seed and fold only.

    features: pooling and encoder of frozen features, `–` where a head pools. start: of the encoder, with the data of a
    pre-training elsewhere and the joints where not all are used.
    """

    protocol: str
    features: str
    labels: str
    system: str
    start: str

    @classmethod
    def of(cls, result: Result) -> Way:
        """The way a result was measured."""
        features = result["pooling"] or "–"
        features += "" if result["encoder"] == "student" else f" ({result['encoder']})"
        start, before = result["initialisation"], result.get("pretrained_on")
        start += f" on {before}" if before not in (None, result["data"]) else ""
        start += f", {result['joints']}" if result.get("joints") else ""
        return cls(result["protocol"], features, result["labels"], result["system"], start)

    @property
    def place(self) -> tuple[Any, ...]:
        """Where it stands in a table: protocols apart, then few labels before many, then as in Table 1."""
        return (
            *(_rank(self.protocol, _PROTOCOLS), self.features != "–", self.features, labels_amount(self.labels)),
            *(_rank(self.system, _SYSTEMS), _rank(self.start, _STARTS)),
        )


def labels_amount(labels: str) -> tuple[bool, float]:
    """What sorts shares and shots of labels: none, shots, shares, from few to many."""
    if labels == "none":
        return False, 0.0
    return not labels.endswith("shot"), float(labels.removesuffix("shot"))


def _rank(name: str, order: tuple[str, ...]) -> tuple[int, str]:
    return (order.index(name) if name in order else len(order), name)


@dataclass(frozen=True)
class Group:
    """All results of one way of measuring: seed -> fold -> result."""

    way: Way
    seeds: dict[int, Folds]

    @property
    def results(self) -> list[Result]:
        """Every result, seed after seed."""
        return [folds[fold] for _, folds in sorted(self.seeds.items()) for fold in sorted(folds)]

    @property
    def count(self) -> str:
        """Number of seeds, and of folds where there are any."""
        folds, whole = len(self.results) // len(self.seeds), self.results[0].get("folds") or 0
        if not whole or (folds == 1 and not self.results[0]["split"]["is_test"]):
            return str(len(self.seeds))
        return f"{len(self.seeds)} × {folds}{'' if folds == whole else f' of {whole}'} folds"

    def measurements(self, k: int) -> list[Measurement]:
        """The hits of each seed: of the test part, or of all folds end to end, so that every clip counts once."""
        return [measure(folds, k) for _, folds in sorted(self.seeds.items())]

    def accuracy(self, k: int) -> tuple[float, float, float]:
        """Mean over seeds of the top-k accuracy, and its 95 % interval over subjects and seeds."""
        measurements = self.measurements(k)
        mean = sum(float(measurement.hits.mean()) for measurement in measurements) / len(measurements)
        return mean, *bootstrap_interval(measurements)


def measure(folds: Folds, k: int) -> Measurement:
    """The top-k hits of one seed, folds end to end."""
    parts = [read_hits(folds[fold]["path"], k) for fold in sorted(folds)]
    hits, subjects = (np.concatenate(columns) for columns in zip(*((p.hits, p.subjects) for p in parts), strict=True))
    return Measurement(hits, subjects)


def group_results(results: Iterable[Result], whole: bool = True, score: str = "top1") -> list[Group]:
    """Groups the results that have a `score`, by default those of recognition, in the order in which tables show them.

    The folds of a cross-validation make one measurement: every clip is scored in one of them. whole: missing folds of
    the test part are an error; else the seeds with the most folds are shown. Raises DataError for results of different
    data or test parts, and for two of the same way, seed and fold: they do not belong into one table.
    """
    groups: dict[Way, dict[int, Folds]] = defaultdict(lambda: defaultdict(dict))
    parts: dict[int, set[tuple[str, str, str]]] = defaultdict(set)
    for result in results:
        if score not in result["scores"]:
            continue
        way, seed, fold = Way.of(result), result["seed"], result["fold"] or 0
        parts[fold].add((result["data"], result["data_fingerprint"], result["split"]["test_sha256"]))
        if fold in groups[way][seed]:
            raise DataError(
                f"{result['path']} and {groups[way][seed][fold]['path']} measure the same with the same seed: "
                "which one belongs into the table? Move the other away."
            )
        groups[way][seed][fold] = result
    all_parts = set().union(*parts.values())
    of_data = {(data, fingerprint) for data, fingerprint, _ in all_parts}
    if len(of_data) > 1 or any(len(same) > 1 for same in parts.values()) or (0 in parts and len(parts) > 1):
        listed = sorted(all_parts)
        raise DataError(f"results of different data or test parts cannot stand in one table: {listed}.")
    if whole:
        for seeds in groups.values():
            for folds in seeds.values():
                _check_folds(folds)
    return [Group(way, _alike(groups[way])) for way in sorted(groups, key=lambda way: way.place)]


def _alike(seeds: dict[int, Folds]) -> dict[int, Folds]:
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
