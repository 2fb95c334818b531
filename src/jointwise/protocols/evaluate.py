"""`jointwise evaluate`: a protocol applied to a trained encoder, or to `raw` coordinates; never updates the encoder."""

from __future__ import annotations

import shlex
from pathlib import Path

import numpy as np
import torch
from torch import nn

from jointwise.build import build_classifier, build_encoder, pick_device
from jointwise.checkpoint import load_weights
from jointwise.clips import ClipCutter
from jointwise.config import Config
from jointwise.datasets import Dataset, Part
from jointwise.errors import CheckpointError, ConfigError, unknown
from jointwise.flops import gflops_per_clip
from jointwise.labelled import choose_labelled
from jointwise.model import ModelCard, load_model
from jointwise.protocols import PROTOCOLS
from jointwise.protocols.features import RAW_FRAMES, FeatureFunction, encoder_features, extract, raw_features
from jointwise.protocols.finetune import check_unseen, class_scores, classifier_gflops, encoder_weights
from jointwise.results import Evaluation, check_folder, save_result

RAW = "raw"  # the name that stands for no encoder at all


def evaluate(
    run: Path | None,
    protocol: str,
    dataset: Dataset,
    config: Config,
    seed: int,
    labels: str = "1.0",
    which: str = "student",
    results: Path | None = None,
) -> list[Path]:
    """Scores the test part of `dataset` by `protocol` (a key of PROTOCOLS, or `score`); returns the results' paths.

    run: a trained run; None: raw coordinates. `score` scores a fine-tuned classifier as it is. Raises ConfigError for
    an unknown protocol, CheckpointError for a run that does not fit.
    """
    if protocol not in (*PROTOCOLS, "score"):
        raise ConfigError(unknown("protocol", protocol, (*PROTOCOLS, "score")))
    official, dataset = dataset, dataset.hold_out(config.validation_subjects)
    dataset.check_trainable(config.allow_duplicates)
    check_folder(results, dataset)
    device = pick_device(config.execution.device)
    card: ModelCard | None
    if protocol == "score":
        trained, scores, gflops = _classifier_scores(run, dataset, config, device)
        card, labels, seed = trained, trained.labels, trained.seed
        labelled = choose_labelled(dataset.train, labels, seed, dataset.classes)
    else:
        labelled = choose_labelled(dataset.train, labels, seed, dataset.classes)
        card, features, frames = _features(run, dataset, config, which, device)
        scores = _probe(
            protocol, features, ClipCutter.from_store(dataset.store, frames, device), dataset, labelled, config, seed
        )
        joints, coordinates = len(dataset.skeleton.joints), dataset.store.description.coordinates
        gflops = gflops_per_clip(features, frames, joints, coordinates, device)
    evaluation = Evaluation(
        system=card.system if card else RAW,
        protocol=protocol,
        labels=labels,
        seed=seed,
        initialisation=_initialisation(card, protocol),
        config=config,
        dataset=dataset,
        labelled=labelled,
        scores=scores,
        steps=dict(card.steps) if card else {},
        parameters=dict(card.parameters) if card else {},
        seconds_per_epoch=dict(card.seconds_per_epoch) if card else {},
        split_is_test=dataset is official,
        encoder=which if card and card.kind == "pretrained" else "student",
        pooling=config.probe.pooling if card and protocol != "score" else None,
        pretrained_on=_pretrained_on(card),
        held_out=card.held_out if card else None,
        memory_mb=dict(card.memory_mb) if card else {},
        gflops=gflops if card else None,
    )
    own = run / "results" if run else Path("runs") / dataset.name / RAW / "results"
    return [save_result(folder, evaluation, device) for folder in (own, results) if folder]


def _pretrained_on(card: ModelCard | None) -> str | None:
    return card.data if card and card.kind == "pretrained" else card.pretrained_on if card else None


def _initialisation(card: ModelCard | None, protocol: str) -> str:
    if card is None:
        return "none"
    if card.kind == "pretrained":
        return "pretrained"
    return card.initialisation if protocol == "score" else "finetuned"


def _probe(
    protocol: str,
    features: FeatureFunction,
    cutter: ClipCutter,
    dataset: Dataset,
    labelled: Part,
    config: Config,
    seed: int,
) -> np.ndarray:
    precision = config.execution.precision
    train = extract(features, cutter, torch.from_numpy(labelled.ids), precision)
    test = extract(features, cutter, torch.from_numpy(dataset.test.ids), precision)
    labels = torch.from_numpy(labelled.labels)
    scores: np.ndarray = PROTOCOLS[protocol](train, labels, test, len(dataset.classes), config, seed).numpy()
    return scores


def _features(
    run: Path | None, dataset: Dataset, config: Config, which: str, device: torch.device
) -> tuple[ModelCard | None, FeatureFunction, int]:
    """Card, feature function and frames per clip of a run's encoder, or of raw coordinates."""
    if run is None:
        return None, raw_features(dataset.skeleton.root_index), RAW_FRAMES
    card, weights = encoder_weights(run, dataset, which)
    encoder: nn.Module = build_encoder(card.config, card.skeleton, card.coordinates)
    load_weights(encoder, weights, run)
    encoder = encoder.to(device).eval()
    clip = card.config.clip
    return card, encoder_features(encoder, clip.segment, config.probe.pooling), clip.frames


def _classifier_scores(
    run: Path | None, dataset: Dataset, config: Config, device: torch.device
) -> tuple[ModelCard, np.ndarray, float]:
    """Card, scores and GFLOPs per clip of a fine-tuned run."""
    if run is None:
        raise ConfigError("protocol 'score' needs a fine-tuned run, not raw coordinates. Name the run.")
    card, weights = load_model(run)
    card.check_fits(dataset, run)
    check_unseen(run, card, dataset)
    if card.kind != "classifier":
        raise CheckpointError(
            f"{run}: pre-trained, but it has no classifier yet. Fine-tune it: jointwise finetune {run} "
            f"{shlex.join(dataset.arguments)}; or judge its features: --protocol linear or knn."
        )
    settings = card.config
    module = build_classifier(settings, card.recipe, card.skeleton, card.coordinates, len(card.classes), card.seed)
    load_weights(module, weights, run)
    cutter = ClipCutter.from_store(dataset.store, settings.clip.frames, device)
    ids = torch.from_numpy(dataset.test.ids)
    scores = class_scores(module.to(device), cutter, ids, config.execution.precision)
    return card, scores, classifier_gflops(module, dataset, settings.clip.frames, device)
