"""A result: one measurement as one JSON file, with labels and scores of every clip beside it."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from jointwise.config.layers import to_settings
from jointwise.config.schema import Config
from jointwise.data.dataset import Dataset, Part
from jointwise.errors import ConfigError, DataError, writing
from jointwise.evaluation.metrics import macro_f1, top_k_hits
from jointwise.evaluation.statistics import INTERVAL_METHOD, LEVEL, Measurement, bootstrap_interval
from jointwise.training import distributed
from jointwise.training.checkpoint import write_json
from jointwise.training.provenance import peak_memory, provenance

SCHEMA = 1
TEST_LOG = "test_scorings.jsonl"  # every time test subjects were scored: a number chosen on them would show here


@dataclass(frozen=True)
class ClipErrors:
    """What was measured where no classes are named: name -> (N,) the error of each clip, lower is better.

    NaN for a clip in which nothing could be judged. unit: of all of them.
    """

    values: dict[str, npt.NDArray[np.float64]]
    unit: str

    def summary(self, subjects: npt.NDArray[np.int64]) -> dict[str, Any]:
        """Means over clips and their intervals; subjects (N,)."""
        scores, intervals = {}, {}
        for name, values in self.values.items():
            scores[name] = float(np.nanmean(values))
            intervals[name] = bootstrap_interval([Measurement(values, subjects)])
        return {"scores": scores, "unit": self.unit, "interval": intervals}


@dataclass(frozen=True)
class Evaluation:
    """What a protocol found: scores (N, K) of the clips of `dataset.test`, higher is better; or their `errors`.

    labelled: the training sequences whose labels were used. steps, parameters, seconds_per_epoch: by stage.
    initialisation: of the encoder, `pretrained`, `scratch`, `finetuned` (the frozen one of a classifier) or `none`.
    split_is_test: whether the official test part was scored.
    encoder: `student` or `teacher`. pooling: of frozen features, None where a head pools. pretrained_on: the data whose
    training part the encoder was pre-trained on, None from scratch. held_out: losses `latent` and `reconstruction` of
    that pre-training and the `split` they were measured on. memory_mb: largest memory of the process, by stage. gflops:
    of the forward pass per clip, of encoder and head, or of a frozen encoder alone.
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
    steps: dict[str, int]
    parameters: dict[str, int]
    seconds_per_epoch: dict[str, float]
    split_is_test: bool
    encoder: str = "student"
    pooling: str | None = None
    pretrained_on: str | None = None
    errors: ClipErrors | None = None
    held_out: dict[str, Any] | None = None
    memory_mb: dict[str, float] = field(default_factory=dict)
    gflops: float | None = None

    def name(self) -> str:
        """File name without ending, unique in its data set."""
        start = self.initialisation if self.initialisation in ("scratch", "finetuned", "foreign") else ""
        before = f"from-{self.pretrained_on}" if self.pretrained_on not in (None, self.dataset.name) else ""
        return result_name(
            system=self.system,
            start=start,
            before=before,
            protocol=self.protocol,
            split=self.dataset.split_name if len(self.dataset.store.splits) > 1 else "",
            joints=self.dataset.joints_name,
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
            "encoder": self.encoder,
            "pooling": self.pooling,
            **measured,
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
            "steps": self.steps,
            "parameters": self.parameters,
            "seconds_per_epoch": self.seconds_per_epoch,
            "held_out": self.held_out,
            "memory_mb": self.memory_mb,
            "gflops": self.gflops,
            "data_fingerprint": self.dataset.store.fingerprint,
            "preparation": self.dataset.store.preparation,
            "joints": self.dataset.joints_name or None,  # None: all that were recorded
            "classes": list(description.classes),
            "terms": description.terms,
            "config": to_settings(self.config),
        }

    def _accuracy(self) -> dict[str, Any]:
        assert self.scores is not None
        part = self.dataset.test
        hits = {f"top{k}": top_k_hits(self.scores, part.labels, k) for k in (1, 5)}
        scores = {name: float(values.mean()) for name, values in hits.items()}
        intervals = {name: bootstrap_interval([Measurement(values, part.subjects)]) for name, values in hits.items()}
        return {"scores": scores | {"macro_f1": macro_f1(self.scores, part.labels)}, "interval": intervals}

    def arrays(self) -> dict[str, Any]:
        """What is kept of every clip: its scores as scored (rounding would make ties, and other hits), or errors."""
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
    start: str = "",
    before: str = "",
    split: str = "",
    joints: str = "",
    encoder: str = "student",
    pooling: str | None = None,
    validation: Sequence[int] | None = None,
) -> str:
    """File name of a result without ending; what is usual or empty goes without saying. validation: held out."""
    parts = [system, start, before, protocol, split, joints, "" if encoder == "student" else encoder]
    parts += [pooling if pooling and pooling != "mean" else "", labels, f"seed{seed}"]
    held = "" if validation is None else "-validation" + "".join(f"-{subject}" for subject in validation)
    return "-".join(part for part in parts if part) + held


def fold_names(dataset: Dataset) -> list[str]:
    """The splits of a data set that are the folds of a cross-validation, in their order."""
    return [name for name in dataset.store.splits if re.fullmatch(r"fold\d+", name)]


def _fold(dataset: Dataset) -> dict[str, int | None]:
    """Which fold of how many, where the split is one of a cross-validation."""
    folds = fold_names(dataset)
    inside = dataset.split_name in folds
    return {"fold": folds.index(dataset.split_name) + 1 if inside else None, "folds": len(folds) if inside else None}


def check_folder(folder: Path | None, dataset: Dataset) -> None:
    """Raises ConfigError when a folder for results holds those of other data, which one could take for these.

    That is another data set, or one of the same name with other recordings.
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
    """Writes `folder`/NAME.json and NAME.npz (ids, subjects; labels and scores, or errors); returns the JSON's path.

    Scoring the official test part is also noted in `folder`/test_scorings.jsonl. Of several processes the first writes.
    """
    part, name = evaluation.dataset.test, evaluation.name()
    path = folder / f"{name}.json"
    if not distributed.is_main_process():
        return path
    content = evaluation.summary() | {"peak_memory_mb": peak_memory(device)}
    content |= provenance(device, evaluation.config.execution.precision)
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        np.savez_compressed(
            folder / f"{name}.npz",
            ids=np.array(part.names),
            subjects=part.subjects,
            **evaluation.arrays(),
        )
        if evaluation.split_is_test:
            headline = dict(list(content["scores"].items())[:1])  # top1, or the first error
            entry = {"result": name, **headline, "created": content["created"]}
            with (folder / TEST_LOG).open("a") as log:
                log.write(json.dumps(entry | {"commit": content["commit"]}) + "\n")
    write_json(path, content)
    return path


def read_results(folder: Path) -> list[dict[str, Any]]:
    """All results in `folder` and below, each with its path under "path". Raises DataError for a damaged file."""
    results = []
    for path in sorted(folder.rglob("*.json")):
        try:
            content = json.loads(path.read_text())
        except ValueError as error:
            raise DataError(f"{path}: damaged result ({error}). Delete it and run its command again.") from error
        if isinstance(content, dict) and "protocol" in content:
            results.append(content | {"path": path})
    return results


def read_hits(path: Path, k: int) -> Measurement:
    """The per-clip hits of a result, from the .npz beside its JSON."""
    with np.load(path.with_suffix(".npz"), allow_pickle=False) as clips:
        return Measurement(top_k_hits(clips["scores"], clips["labels"], k), clips["subjects"])


def read_names(path: Path) -> list[str]:
    """The names of the clips a result scored, in the order of its hits."""
    with np.load(path.with_suffix(".npz"), allow_pickle=False) as clips:
        return [str(name) for name in clips["ids"]]
