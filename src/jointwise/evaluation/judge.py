"""Judges any encoder by a protocol on frozen features: all it takes is a function from clips to one vector each."""

from __future__ import annotations

import re

import numpy as np
import numpy.typing as npt
import torch

from jointwise.config.schema import Config
from jointwise.data.checks import check_trainable
from jointwise.data.clips import ClipCutter
from jointwise.data.dataset import Dataset, Part
from jointwise.data.label_subset import canonical_labels, choose_labelled
from jointwise.errors import ConfigError, unknown
from jointwise.evaluation.features import FeatureFunction, extract
from jointwise.evaluation.metrics import top_k_hits
from jointwise.evaluation.protocols import KNN, frozen_protocols
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
    """Scores of the evaluation clips of `dataset.test` by a protocol on frozen features.

    Args:
        protocol: One of `frozen_protocols()`.
        features: B clips -> (B, F).
        cutter: Cuts the clips.
        dataset: Its test part is scored.
        labelled: The training sequences whose labels are learned from.
        config: Settings of the probes, and the precision.
        seed: Decides what the protocol draws.

    Returns:
        (N, K) scores, higher is better.
    """
    precision = config.execution.precision
    train = extract(features, cutter, torch.from_numpy(labelled.ids), precision)
    test = extract(features, cutter, torch.from_numpy(dataset.test.ids), precision)
    labels = torch.from_numpy(labelled.labels)
    score = frozen_protocols()[protocol]
    scores: npt.NDArray[np.float32] = score(train, labels, test, len(dataset.classes), config, seed).numpy()
    return scores


def judge(
    features: FeatureFunction,
    dataset: Dataset,
    protocol: str = KNN,
    *,
    name: str,
    frames: int = FRAMES,
    labels: str = "1.0",
    seed: int = 0,
    config: Config | None = None,
) -> Evaluation:
    """Judges a frozen encoder of any make on the test part of `dataset`, by the code that judges our own.

    `features` gets `clips.positions` (B, M, T, V, C) in the unit of the data. Their origin is the root of the main
    person in the first frame, and gaps are filled. `clips.valid` (B, M, T, V) is False in gaps and in empty person
    slots.

    Args:
        features: B clips -> (B, F), called without gradient. A module should be in evaluation mode, on
            `config.execution.device`.
        dataset: Its training part is learned from, its test part is scored.
        protocol: One of `frozen_protocols()`.
        name: Of the encoder, in results and tables.
        frames: T, frames of each clip.
        labels: Share or shots, as `--labels`.
        seed: Decides the labelled subset and what the protocol draws.
        config: Settings of the probes, the device and `validation_subjects` to hold out; None: Config().

    Returns:
        The evaluation. `summary()["scores"]` holds top-1, and top-5 where there are more than 5 classes; `save_result`
        puts it beside others.

    Raises:
        ConfigError: The protocol is unknown, or the name cannot be a file name.
        DataError: The features are not (B, F) finite numbers.
    """
    config = config or Config()
    if protocol not in frozen_protocols():
        raise ConfigError(unknown("protocol", protocol, frozen_protocols()))
    if not re.fullmatch(r"\w[\w.+ -]*", name):
        raise ConfigError(f"name '{name}': results are files called so. Use letters, digits, spaces and . + - _ only.")
    dataset = dataset.hold_out(config.validation_subjects)
    check_trainable(dataset, config.allow_duplicates)
    labels = canonical_labels(labels)
    labelled = choose_labelled(dataset.train, labels, seed, dataset.classes)
    cutter = ClipCutter.from_store(dataset.store, frames, pick_device(config.execution.device))
    return Evaluation(
        system=name,
        protocol=protocol,
        labels=labels,
        seed=seed,
        initialisation="foreign",
        config=config,
        dataset=dataset,
        labelled=labelled,
        scores=probe_scores(protocol, features, cutter, dataset, labelled, config, seed),
        split_is_test=not config.validation_subjects,
    )


def accuracies(
    features: FeatureFunction, cutter: ClipCutter, dataset: Dataset, config: Config, seed: int
) -> dict[str, float]:
    """Top-1 on `dataset.test` by every protocol on frozen features, with all labels: a cheap view of an encoder.

    Args:
        features: B clips -> (B, F).
        cutter: Cuts the clips.
        dataset: Its training part is learned from, its test part is scored.
        config: Settings of the probes, and the precision.
        seed: Decides what the protocols draw.

    Returns:
        Name of a protocol -> share of the test clips that are recognised.
    """
    precision = config.execution.precision
    learned = dataset.train.labelled
    train = extract(features, cutter, torch.from_numpy(learned.ids), precision)
    test = extract(features, cutter, torch.from_numpy(dataset.test.ids), precision)
    labels = torch.from_numpy(learned.labels)
    found = {}
    for name, score in frozen_protocols().items():
        scores = score(train, labels, test, len(dataset.classes), config, seed).numpy()
        found[name] = float(top_k_hits(scores, dataset.test.labels, 1).mean())
    return found
