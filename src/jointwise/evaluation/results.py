"""A result: one measurement as a JSON file, with labels and scores of every clip beside it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import torch

from jointwise.config.layers import to_settings
from jointwise.config.schema import Config
from jointwise.data.array_files import load_arrays
from jointwise.data.dataset import Dataset, Part
from jointwise.data.typed_files import convert_as, read_as
from jointwise.data.whole_files import append_line, whole_file
from jointwise.errors import ConfigError, DataError
from jointwise.evaluation.metrics import macro_f1, telling_ranks, top_k_hits
from jointwise.evaluation.protocols import SEMI
from jointwise.evaluation.saved_result import SavedResult
from jointwise.evaluation.statistics import INTERVAL_METHOD, LEVEL, Measurement, bootstrap_interval
from jointwise.training import distributed
from jointwise.training.checkpoint import write_json
from jointwise.training.costs import Costs
from jointwise.training.provenance import peak_memory, provenance

SCHEMA = 1
_AGAIN = "Repeat the evaluation, or delete this file to report without it."
_REPEAT = "Delete it and run its command again."
TEST_LOG = "test_scorings.jsonl"  # each scoring of test subjects: choosing a number on them would show here


# what an encoder started from, in the order of tables -> what pages call it
INITIALISATIONS = {
    "none": "none",
    "scratch": "from scratch",
    "pretrained": "pretrained",
    "finetuned": "finetuned",
    "foreign": "foreign",
}


@dataclass(frozen=True)
class ClipErrors:
    """Errors of clips, where no classes are named; lower is better.

    Args:
        values: Name of an error -> (N,) the error of each clip, NaN for a clip in which nothing could be judged.
        unit: Of all of them.
    """

    values: dict[str, npt.NDArray[np.float64]]
    unit: str

    def summary(self, subjects: npt.NDArray[np.int64]) -> dict[str, Any]:
        """Means over clips, and their intervals over the subjects (N,)."""
        scores = {}
        intervals = {}
        for name, values in self.values.items():
            scores[name] = float(np.nanmean(values))
            intervals[name] = bootstrap_interval([Measurement(values, subjects)])
        return {"scores": scores, "unit": self.unit, "interval": intervals}


@dataclass(frozen=True)
class Evaluation:
    """What a protocol measured on the clips of `dataset.test`: `scores` of the classes, or `errors`.

    Args:
        system: Name of the system, of the foreign encoder, or `raw`.
        protocol: A key of PROTOCOLS.
        labels: Share or shots of the training labels; `none` where the protocol takes none.
        seed: Of the labelled subset and of what the protocol draws.
        initialisation: Of the encoder, a key of INITIALISATIONS. `finetuned`: the frozen encoder of a classifier.
        config: Settings of the evaluation.
        dataset: Its test part was scored; held-out training subjects where `split_is_test` is False.
        labelled: The training sequences whose labels were used.
        scores: (N, K), higher is better; None where there are `errors`.
        errors: Errors of the clips, of a protocol that names no classes.
        split_is_test: Whether the official test part was scored.
        encoder: `student` or `teacher`.
        pooling: Of frozen features; None where a head pools.
        pretrained_on: Data whose training part the encoder was pre-trained on; None from scratch.
        unlabelled: How unlabelled clips were used beside labels in training what is judged: `pseudo`; None: not at all.
        costs: What the training of the model took, and the operations of its forward pass.
        references: Accuracies that need no training, on the same clips; see `References`. None: not computed.
    """

    system: str
    protocol: str
    labels: str
    seed: int
    initialisation: str
    config: Config
    dataset: Dataset
    labelled: Part
    scores: npt.NDArray[np.float32] | None
    errors: ClipErrors | None = None
    split_is_test: bool = True
    encoder: str = "student"
    pooling: str | None = None
    pretrained_on: str | None = None
    unlabelled: str | None = None
    costs: Costs = field(default_factory=Costs)
    references: dict[str, float] | None = None

    def with_gflops(self, gflops: float) -> Evaluation:
        """This evaluation, with the operations of the forward pass for one clip among its costs."""
        return replace(self, costs=self.costs.with_gflops(gflops))

    def name(self) -> str:
        """File name without ending, unique in its data set."""
        start = self.initialisation if self.initialisation in ("scratch", "finetuned", "foreign") else ""
        learned = self.unlabelled if self.protocol != SEMI else None  # its own results need no such mark
        before = f"from-{self.pretrained_on}" if self.pretrained_on not in (None, self.dataset.name) else ""
        return result_name(
            system=self.system,
            quick=self.config.quick,
            start=start,
            before=before,
            unlabelled=learned or "",
            protocol=self.protocol,
            split=self.dataset.split_mark,
            selection=self.dataset.selection_name,
            encoder=self.encoder,
            pooling=self.pooling,
            labels=self.labels,
            seed=self.seed,
            validation=None if self.split_is_test else self.config.validation_subjects,
        )

    def summary(self) -> dict[str, Any]:
        """The JSON of this result, except where it came from."""
        part = self.dataset.test
        measured = self._accuracy() if self.errors is None else self.errors.summary(part.subjects)
        measured["interval"] |= {"level": LEVEL, "method": INTERVAL_METHOD}
        description = self.dataset.store.description
        return {
            "schema": SCHEMA,
            "data": self.dataset.name,
            "system": self.system,
            "protocol": self.protocol,
            "labels": self.labels,
            "seed": self.seed,
            **_fold(self.dataset),
            "initialisation": self.initialisation,
            "pretrained_on": self.pretrained_on,
            "unlabelled": self.unlabelled,
            "encoder": self.encoder,
            "pooling": self.pooling,
            **measured,
            **({"references": self.references} if self.references else {}),
            "n": len(part),
            "split": {
                "name": self.dataset.split,
                "key": self.dataset.split_name,
                "is_test": self.split_is_test,
                "train": len(self.dataset.train),
                "test": len(part),
                "labelled": len(self.labelled),
                "train_sha256": self.dataset.train.names_hash,
                "test_sha256": part.names_hash,
                "labelled_sha256": self.labelled.names_hash,
            },
            **self.costs.to_json(),
            "data_fingerprint": self.dataset.store.fingerprint,
            "preparation": self.dataset.store.preparation,
            "joints": self.dataset.joints_name or None,  # None: all recorded joints
            "left_out": str(self.dataset.store.left_out) or None,
            "classes": list(description.classes),
            "terms": description.terms,
            "config": to_settings(self.config),
        }

    def _accuracy(self) -> dict[str, Any]:
        assert self.scores is not None
        part = self.dataset.test
        hits = {f"top{k}": top_k_hits(self.scores, part.labels, k) for k in telling_ranks(self.scores.shape[1])}
        scores = {name: float(values.mean()) for name, values in hits.items()}
        intervals = {name: bootstrap_interval([Measurement(values, part.subjects)]) for name, values in hits.items()}
        return {"scores": scores | {"macro_f1": macro_f1(self.scores, part.labels)}, "interval": intervals}

    def arrays(self) -> dict[str, Any]:
        """What is kept of every clip: labels and unrounded scores (rounding would make ties), or errors."""
        if self.errors is not None:
            return dict(self.errors.values)
        assert self.scores is not None
        return {"labels": self.dataset.test.labels, "scores": self.scores.astype(np.float32)}


def result_name(
    *,
    system: str,
    protocol: str,
    labels: str,
    seed: int,
    quick: bool = False,
    start: str = "",
    before: str = "",
    unlabelled: str = "",
    split: str = "",
    selection: str = "",
    encoder: str = "student",
    pooling: str | None = None,
    validation: Sequence[int] | None = None,
) -> str:
    """File name of a result without its ending; usual or empty parts are left out.

    Args:
        system: Name of the system.
        protocol: A key of PROTOCOLS.
        labels: Share or shots.
        seed: Random seed of the evaluation.
        quick: Whether --quick made it.
        start: Initialisation of the encoder, where it is not pre-trained.
        before: `from-<data>` of a pre-training on other data.
        unlabelled: How a classifier that is judged by another protocol than `semi` used unlabelled clips.
        split: Name of the split, where there are several.
        selection: Name of the chosen joints and of what is left out, where not all is used.
        encoder: `student` or `teacher`.
        pooling: Of frozen features.
        validation: Held-out training subjects that are scored; None where the test part is.

    Returns:
        Such as `mamp-knn-1.0-seed0`.
    """
    how = [split, selection, "" if encoder == "student" else encoder, pooling if pooling and pooling != "mean" else ""]
    parts = [system, "quick" if quick else "", start, before, unlabelled, protocol, *how, labels, f"seed{seed}"]
    suffix = "" if validation is None else "-validation" + "".join(f"-{subject}" for subject in validation)
    return "-".join(part for part in parts if part) + suffix


def fold_names(dataset: Dataset) -> list[str]:
    """The splits of a data set that are folds of a cross-validation, in order."""
    return [name for name in dataset.store.splits if re.fullmatch(r"fold\d+", name)]


def _fold(dataset: Dataset) -> dict[str, int | None]:
    """Which fold of how many; None for both where the split is no fold of a cross-validation."""
    folds = fold_names(dataset)
    if dataset.split_name not in folds:
        return {"fold": None, "folds": None}
    return {"fold": folds.index(dataset.split_name) + 1, "folds": len(folds)}


def check_folder(folder: Path | None, dataset: Dataset) -> None:
    """Checks that a folder for results holds none of other data.

    Args:
        folder: Where results will be written; None: there is none to check.
        dataset: What will be scored.

    Raises:
        ConfigError: The folder holds results of another data set, or of one of the same name with other recordings.
    """
    results = read_results(folder) if folder else []
    others = {str(result["data"]) for result in results} - {dataset.name}
    if any(result["data_fingerprint"] != dataset.store.fingerprint for result in results) and not others:
        raise ConfigError(
            f"{folder} holds results of '{dataset.name}' as it was with other recordings, or of another folder of that "
            "name. Give these a folder of their own (--results; --run of a table)."
        )
    if others:
        raise ConfigError(
            f"--results {folder} holds results of {', '.join(sorted(others))}. Give {dataset.name} a folder of its own."
        )


def save_result(folder: Path, evaluation: Evaluation, device: torch.device) -> Path:
    """Writes a result: NAME.json, and NAME.npz with ids, subjects, labels and scores (or errors) of the clips.

    Scoring the official test part is also noted in `folder`/test_scorings.jsonl. Of several processes the first writes.

    Args:
        folder: Made where it is missing.
        evaluation: What was measured.
        device: Where it was measured.

    Returns:
        The path of the JSON file.

    Raises:
        StorageError: The folder cannot be written.
    """
    part, name = evaluation.dataset.test, evaluation.name()
    path = folder / f"{name}.json"
    if not distributed.is_main_process():
        return path
    content = evaluation.summary() | {"peak_memory_mb": peak_memory(device)}
    content |= provenance(device, evaluation.config.execution.precision)
    with whole_file(folder / f"{name}.npz", "wb") as file:
        arrays = evaluation.arrays()
        np.savez_compressed(file, ids=np.array(part.names), subjects=part.subjects, **arrays)
    if evaluation.split_is_test:
        headline = dict(list(content["scores"].items())[:1])  # top1, or the first error
        entry = {"result": name, **headline, "created": content["created"], "commit": content["commit"]}
        append_line(folder / TEST_LOG, json.dumps(entry))
    write_json(path, content)
    return path


def read_result(path: Path) -> SavedResult:
    """A result whose clips were recognised.

    Raises:
        DataError: The file is missing or damaged, or a result of another kind.
    """
    found = read_as(path, SavedResult, DataError, _REPEAT)
    if "top1" not in found["scores"]:
        raise DataError(f"{path}: a result without 'top1'. {_REPEAT}")
    return found


def read_results(folder: Path) -> list[dict[str, Any]]:
    """All results in `folder` and below, each with its path under "path".

    Raises:
        DataError: A file is damaged.
    """
    results = []
    for path in sorted(folder.rglob("*.json")):
        content = read_as(path, cast(type[Any], Any), DataError, _REPEAT)  # the names of labelled clips are a list
        if isinstance(content, dict) and "protocol" in content:
            Costs.from_json(content, str(path), DataError)
            results.append(dict(convert_as(content, SavedResult, str(path), DataError, _REPEAT)) | {"path": path})
    return results


def read_scored(path: Path, keys: Iterable[str]) -> dict[str, npt.NDArray[Any]]:
    """Arrays with a row for each clip that a result scored, from the .npz beside its JSON.

    Args:
        path: The JSON file.
        keys: Which arrays: `ids` and `subjects` beside `labels` and `scores`, or beside errors.

    Returns:
        They by name: `ids` text, the others numbers, `scores` (N, K) and those beside it (N,).

    Raises:
        DataError: The file is missing or damaged.
    """
    place = path.with_suffix(".npz")
    try:
        arrays = load_arrays(place)
        found = {key: arrays[key] for key in keys}
        for key, array in found.items():
            kinds = {"ids": "U", "subjects": "iu", "labels": "iu"}.get(key, "fiu")
            if array.dtype.kind not in kinds or array.ndim != (2 if key == "scores" else 1):
                raise ValueError(f"'{key}' is of another kind")
        if len({len(array) for array in found.values()}) > 1:
            raise ValueError(f"{', '.join(f'{key} {array.shape}' for key, array in found.items())} differ in length")
        if "labels" in found and "scores" in found and len(found["labels"]):
            low, high = found["labels"].min(), found["labels"].max()
            if low < 0 or high >= found["scores"].shape[1] or np.isnan(found["scores"]).any():
                raise ValueError("labels of other classes, or scores that are no numbers")
    except (OSError, ValueError, KeyError) as error:
        raise DataError(f"{place}: damaged, the scores of clips cannot be read ({error}). {_AGAIN}") from error
    return found


def read_hits(path: Path, k: int) -> Measurement:
    """The top-k hits of each clip of the result at `path`, from the .npz beside its JSON."""
    clips = read_scored(path, ("scores", "labels", "subjects"))
    return Measurement(top_k_hits(clips["scores"], clips["labels"], k), clips["subjects"])


def read_names(path: Path) -> list[str]:
    """The names of the clips a result scored, in the order of its hits."""
    return [str(name) for name in read_scored(path, ("ids",))["ids"]]
