"""Judges any encoder by a protocol of PROTOCOLS: a function from clips to one vector each is all that is asked for."""

from __future__ import annotations

import re

import numpy as np
import numpy.typing as npt
import torch

from jointwise.config.schema import Config
from jointwise.data.clips import ClipCutter
from jointwise.data.dataset import Dataset, Part
from jointwise.data.label_subset import canonical_labels, choose_labelled
from jointwise.errors import ConfigError, unknown
from jointwise.evaluation.features import FeatureFunction, extract
from jointwise.evaluation.metrics import top_k_hits
from jointwise.evaluation.protocols import PROTOCOLS
from jointwise.evaluation.results import Evaluation
from jointwise.training.device import pick_device

FRAMES = 64  # per clip, unless an encoder asks for another number


def probe_scores(
    protocol: str,
    features: FeatureFunction,
    cutter: ClipCutter,
    dataset: Dataset,
    labelled: Part,
    config: Config,
    seed: int,
) -> npt.NDArray[np.float32]:
    """Scores (N, K) of the evaluation clips of `dataset.test` by a key of PROTOCOLS, learned from `labelled`."""
    precision = config.execution.precision
    train = extract(features, cutter, torch.from_numpy(labelled.ids), precision)
    test = extract(features, cutter, torch.from_numpy(dataset.test.ids), precision)
    labels = torch.from_numpy(labelled.labels)
    scores: npt.NDArray[np.float32] = PROTOCOLS[protocol](
        train, labels, test, len(dataset.classes), config, seed
    ).numpy()
    return scores


def judge(
    features: FeatureFunction,
    dataset: Dataset,
    protocol: str = "knn",
    *,
    name: str,
    frames: int = FRAMES,
    labels: str = "1.0",
    seed: int = 0,
    config: Config | None = None,
) -> Evaluation:
    """Judges a frozen encoder of anyone's making on the test part of `dataset`, by the code that judges our own.

    features: clips -> (B, F), called without gradient. `clips.positions` (B, M, T, V, C) are in the unit of the data,
    the origin is the root of the main person in the first frame, gaps are filled; `clips.valid` (B, M, T, V) is False
    there and in empty person slots; T is `frames`. A module should be in evaluation mode, on `config.execution.device`.
    protocol: a key of PROTOCOLS.
    name: of the encoder, in results and tables. labels: share or shots, as `--labels`. config: settings of the probes,
    device and `validation_subjects` to hold out; default: Config().

    The result's `summary()["scores"]` has top-1 and top-5; `save_result` puts it beside others. Raises ConfigError for
    an unknown protocol or a name that is no file name, DataError for features that are no (B, F) finite numbers.
    """
    config = config or Config()
    if protocol not in PROTOCOLS:
        raise ConfigError(unknown("protocol", protocol, PROTOCOLS))
    if not re.fullmatch(r"\w[\w.+ -]*", name):
        raise ConfigError(f"name '{name}': results are files called so. Use letters, digits, spaces and . + - _ only.")
    held = dataset.hold_out(config.validation_subjects)
    held.check_trainable(config.allow_duplicates)
    labels = canonical_labels(labels)
    labelled = choose_labelled(held.train, labels, seed, held.classes)
    cutter = ClipCutter.from_store(held.store, frames, pick_device(config.execution.device))
    return Evaluation(
        system=name,
        protocol=protocol,
        labels=labels,
        seed=seed,
        initialisation="foreign",
        config=config,
        dataset=held,
        labelled=labelled,
        scores=probe_scores(protocol, features, cutter, held, labelled, config, seed),
        steps={},
        parameters={},
        seconds_per_epoch={},
        split_is_test=not config.validation_subjects,
    )


def accuracies(
    features: FeatureFunction, cutter: ClipCutter, dataset: Dataset, config: Config, seed: int
) -> dict[str, float]:
    """Top-1 on `dataset.test` by every protocol of PROTOCOLS with all labels: a cheap view of an encoder."""
    precision, labels = config.execution.precision, torch.from_numpy(dataset.train.labels)
    train, test = (
        extract(features, cutter, torch.from_numpy(part.ids), precision) for part in (dataset.train, dataset.test)
    )
    scores = {
        name: protocol(train, labels, test, len(dataset.classes), config, seed) for name, protocol in PROTOCOLS.items()
    }
    return {name: float(top_k_hits(found.numpy(), dataset.test.labels, 1).mean()) for name, found in scores.items()}
