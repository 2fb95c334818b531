"""Reading what the report shows: run folders (one training stage each) and result files."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jointwise.data.typed_files import read_as
from jointwise.errors import DataError
from jointwise.evaluation.calibration import Reliability, probabilities, reliability
from jointwise.evaluation.protocols import FINETUNE, RAW, SEMI
from jointwise.evaluation.results import read_scored
from jointwise.report.page.confusion import Confusion, count_confusions
from jointwise.report.tables.completions import is_completion
from jointwise.training.checkpoint import read_metrics
from jointwise.training.example_clips import Examples, read_examples

TRAINED = "as trained"
CALIBRATED = "calibrated"
FITTED = "calibrated on these clips"  # of a run whose clips are those of held-out training subjects
SCHEMA = 1  # the newest schema of result files that is understood


@dataclass(frozen=True)
class Facts:
    """A JSON object whose values are checked when they are read.

    Args:
        path: The file it comes from, for error messages.
        values: The object.
    """

    path: Path
    values: dict[str, Any]

    def text(self, key: str) -> str | None:
        """The value as a text; None when it is absent, null or empty.

        Raises:
            DataError: It is an object or a list.
        """
        value = self.values.get(key)
        if isinstance(value, (dict, list)):
            raise self.wrong_kind(key, "a text")
        return None if value is None or value == "" else str(value)

    def number(self, key: str) -> float | None:
        """The value as a number; None when it is absent, null or not finite.

        Raises:
            DataError: It is not a number.
        """
        value = self.values.get(key)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise self.wrong_kind(key, "a number")
        return float(value) if math.isfinite(value) else None

    def within(self, key: str) -> Facts:
        """The nested object; empty when it is absent or null.

        Raises:
            DataError: It is not an object.
        """
        value = self.values.get(key)
        if not isinstance(value, (dict, type(None))):
            raise self.wrong_kind(key, "an object")
        return Facts(self.path, value or {})

    def interval(self, key: str) -> tuple[float, float] | None:
        """The value as two numbers, low and high; None when it is absent, null or not finite.

        Raises:
            DataError: It is not a list of two numbers.
        """
        value = self.values.get(key)
        if value is None:
            return None
        if not (isinstance(value, list) and len(value) == 2 and all(isinstance(end, (int, float)) for end in value)):
            raise self.wrong_kind(key, "a pair [low, high]")
        low, high = float(value[0]), float(value[1])
        return (low, high) if math.isfinite(low) and math.isfinite(high) else None

    def names(self, key: str) -> tuple[str, ...]:
        """The value as texts; empty when it is absent or null.

        Raises:
            DataError: It is not a list.
        """
        value = self.values.get(key)
        if not isinstance(value, (list, type(None))):
            raise self.wrong_kind(key, "a list")
        return tuple(str(name) for name in value or ())

    def objects(self, key: str) -> tuple[Facts, ...]:
        """The objects in a list; empty when it is absent or null.

        Raises:
            DataError: It is not a list of objects.
        """
        value = self.values.get(key) or []
        if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
            raise self.wrong_kind(key, "a list of objects")
        return tuple(Facts(self.path, item) for item in value)

    def wrong_kind(self, key: str, expected: str) -> DataError:
        """The error for a value of the wrong kind."""
        found = type(self.values[key]).__name__
        return DataError(
            f"{self.path}: '{key}' should be {expected}, not {found}. Write the file again or leave it out."
        )


@dataclass(frozen=True)
class Run:
    """One training stage.

    Args:
        name: Name of its folder.
        facts: Content of `run.json`.
        config: Text of `config.yaml`.
        records: Logged metrics, one record for each logged step.
        examples: Example clips of a pre-training; None without any.
    """

    name: str
    facts: Facts
    config: str
    records: tuple[dict[str, float], ...]
    examples: Examples | None = None

    def curve(self, key: str, along: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """One metric over the training.

        Args:
            key: The metric.
            along: `epoch` or `step`.

        Returns:
            Epochs or steps, and values: (n,) each, of the records that have both.
        """
        points = [(record[along], record[key]) for record in self.records if key in record and along in record]
        pairs = np.asarray(points, dtype=np.float64).reshape(-1, 2)
        return pairs[:, 0], pairs[:, 1]

    def last(self, key: str) -> float | None:
        """The last finite value of a metric; None without one."""
        values = (record[key] for record in reversed(self.records) if key in record)
        return next((value for value in values if math.isfinite(value)), None)


@dataclass(frozen=True)
class Result:
    """One result file.

    Args:
        name: Name of the file, without its suffix.
        facts: Content of the file.
        confusion: Confusions of its classes; None without scores of single clips.
        scores: (K,) scores of each recording, by its name.
        reliability: How the probabilities of a classifier go with its accuracy, by TRAINED and, where the run
            beside the result was calibrated, CALIBRATED or FITTED; empty where scores are no such probabilities.
    """

    name: str
    facts: Facts
    confusion: Confusion | None
    scores: Mapping[str, NDArray[np.floating]]
    reliability: Mapping[str, Reliability] = field(default_factory=dict)


def read_run(folder: Path) -> Run:
    """Read a run folder. Files may be missing, as in a run that has just begun.

    Args:
        folder: The folder that holds metrics.jsonl.

    Raises:
        DataError: There is no such folder, or a file in it is damaged.
    """
    if not folder.is_dir():
        raise DataError(f"{folder}: there is no such run folder. Give the folder that holds metrics.jsonl.")
    described = folder / "run.json"
    facts = _read_object(described, "finish or repeat the run") if described.exists() else Facts(described, {})
    config = folder / "config.yaml"
    text = config.read_text(encoding="utf-8", errors="replace").strip() if config.exists() else ""
    return Run(folder.resolve().name, facts, text, _read_metrics(folder / "metrics.jsonl"), read_examples(folder))


def read_result(path: Path) -> Result:
    """Read the JSON file of a result, and the `.npz` file of the same name beside it if there is one.

    Args:
        path: The JSON file.

    Raises:
        DataError: There is no such file, one of the two is damaged, or it was written by a newer jointwise.
    """
    if not path.is_file():
        raise DataError(f"{path}: there is no such result file. Give the .json file that an evaluation wrote.")
    facts = _read_object(path, "repeat the evaluation that wrote it, or leave it out")
    schema = facts.number("schema")
    if schema is not None and schema > SCHEMA:
        raise DataError(f"{path}: schema {schema:g} is newer than this jointwise knows ({SCHEMA}). Update jointwise.")
    clips = path.with_suffix(".npz")
    if not clips.exists() or is_completion(facts.values):  # a completion has errors, not scores of classes
        return Result(path.stem, facts, None, {})
    confusion, labels, scores, ids = _read_clips(clips, facts.names("classes"))
    by_name = {str(name): row for name, row in zip(ids, scores, strict=True)}
    return Result(path.stem, facts, confusion, by_name, _reliability(facts, labels, scores))


def _reliability(facts: Facts, labels: NDArray[np.int64], scores: NDArray[np.floating]) -> dict[str, Reliability]:
    """How probabilities and accuracy go together, before and after the calibration of the run beside the result."""
    classifier = facts.text("protocol") in (FINETUNE, SEMI) and facts.text("system") != RAW
    if not classifier or not len(labels) or (scores < 0).any() or not np.allclose(scores.sum(1), 1, atol=1e-3):
        return {}
    found = {TRAINED: reliability(scores, labels)}
    card = facts.path.parent.parent / "model" / "config.json"
    if facts.path.parent.name == "results" and card.is_file():
        temperature = _read_object(card, "train the model anew").within("calibration").number("temperature")
        if temperature:
            logits = np.log(np.maximum(scores, np.finfo(np.float32).tiny))
            fitted = facts.within("split").values.get("is_test") is False
            found[FITTED if fitted else CALIBRATED] = reliability(probabilities(logits, temperature), labels)
    return found


def _read_object(path: Path, remedy: str) -> Facts:
    return Facts(path, read_as(path, dict[str, Any], DataError, f"To mend it, {remedy}."))


def _read_metrics(path: Path) -> tuple[dict[str, float], ...]:
    if not path.exists():
        return ()
    records: list[dict[str, float]] = []
    for record in read_metrics(path, DataError):
        while records and records[-1]["step"] > record["step"]:
            records.pop()  # a resumed run repeats these steps
        if records and records[-1]["step"] == record["step"]:
            records[-1].update(record)
        else:
            records.append({key: float(value) for key, value in record.items()})
    return tuple(records)


def _read_clips(
    path: Path, names: Sequence[str]
) -> tuple[Confusion | None, NDArray[np.int64], NDArray[np.floating], NDArray[np.str_]]:
    """The confusions of the clips of a result (None without clips), and their labels, scores and names."""
    remedy = "Repeat the evaluation, or delete this file to report without it."
    labels, scores, ids = read_scored(path, ("labels", "scores", "ids")).values()
    classes = tuple(names) or tuple(f"class {index}" for index in range(scores.shape[1]))
    if scores.shape[1] != len(classes):
        raise DataError(f"{path}: scores for {scores.shape[1]} classes, but {len(classes)} class names. {remedy}")
    if len(labels) == 0:
        return None, labels, scores, ids
    return count_confusions(labels.astype(np.int64), scores, classes), labels, scores, ids
