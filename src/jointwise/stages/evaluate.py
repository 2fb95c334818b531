"""`jointwise evaluate`: a protocol applied to a trained encoder, or to `raw` coordinates; never updates the encoder."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import nn

from jointwise.config.schema import Config
from jointwise.data.clips import ClipCutter
from jointwise.data.dataset import Dataset, Part
from jointwise.data.label_subset import choose_labelled
from jointwise.errors import CheckpointError, ConfigError, unknown
from jointwise.evaluation.class_scores import class_scores, classifier_gflops
from jointwise.evaluation.completion import Completer, completion_errors, train_head
from jointwise.evaluation.features import RAW_FRAMES, FeatureFunction, encoder_features, raw_features
from jointwise.evaluation.judge import probe_scores
from jointwise.evaluation.protocols import COMPLETE, PROTOCOLS, RAW, SCORE
from jointwise.evaluation.results import ClipErrors, Evaluation, check_folder, save_result
from jointwise.model.build import build_classifier, build_completion_head, check_names
from jointwise.model.parts import build_decoder, build_encoder
from jointwise.model.size import gflops_per_clip
from jointwise.model.tokens import restrict_joints
from jointwise.training.checkpoint import load_weights
from jointwise.training.coordinate_scale import coordinate_rms
from jointwise.training.device import pick_device
from jointwise.training.model_folder import ModelCard, check_unseen, encoder_weights, load_model


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
    """Scores the test part of `dataset` by `protocol` (a key of PROTOCOLS, or one below); returns the results' paths.

    run: a trained run, also one of other data with joints of the same names; None: raw coordinates. `score` scores a
    fine-tuned classifier as it is; `complete` predicts future frames and missing joints, without labels. Raises
    ConfigError for an unknown protocol, CheckpointError for a run that does not fit.
    """
    if protocol not in (*PROTOCOLS, COMPLETE, SCORE):
        raise ConfigError(unknown("protocol", protocol, (*PROTOCOLS, COMPLETE, SCORE)))
    check_names(config)
    is_test, dataset = not config.validation_subjects, dataset.hold_out(config.validation_subjects)
    dataset.check_trainable(config.allow_duplicates)
    check_folder(results, dataset)
    device = pick_device(config.execution.device)
    judged = _judge(run, protocol, dataset, config, seed, labels, which, device)
    card, dataset = judged.card, judged.dataset
    evaluation = Evaluation(
        system=card.system if card else RAW,
        protocol=protocol,
        labels=judged.labels,
        seed=judged.seed,
        initialisation=_initialisation(card, protocol),
        config=config,
        dataset=dataset,
        labelled=judged.labelled,
        scores=judged.scores,
        errors=judged.errors,
        steps=dict(card.steps) if card else {},
        parameters=dict(card.parameters) if card else {},
        seconds_per_epoch=dict(card.seconds_per_epoch) if card else {},
        split_is_test=is_test,
        encoder=which if card and card.kind == "pretrained" else "student",
        pooling=config.probe.pooling if card and protocol in PROTOCOLS else None,
        pretrained_on=_pretrained_on(card),
        held_out=card.held_out if card else None,
        memory_mb=dict(card.memory_mb) if card else {},
        gflops=judged.gflops if card else None,
    )
    own = run / "results" if run else Path("runs") / dataset.name / RAW / "results"
    return [save_result(folder, evaluation, device) for folder in (own, results) if folder]


class _Judged(NamedTuple):
    """What a protocol says, of what run, on which data, and with which labels and seed."""

    card: ModelCard | None
    dataset: Dataset
    labelled: Part
    labels: str
    seed: int
    scores: np.ndarray | None = None
    errors: ClipErrors | None = None
    gflops: float | None = None


def _judge(
    run: Path | None,
    protocol: str,
    dataset: Dataset,
    config: Config,
    seed: int,
    labels: str,
    which: str,
    device: torch.device,
) -> _Judged:
    card: ModelCard | None
    if protocol == COMPLETE:
        if labels != "1.0":
            raise ConfigError(f"--labels {labels}: protocol 'complete' needs no labels. Leave it out.")
        card, errors, dataset = _completion(run, dataset, config, which, seed, device)
        return _Judged(card, dataset, Part(dataset.store, dataset.train.ids[:0]), "none", seed, errors=errors)
    if protocol == SCORE:
        card, scores, gflops, dataset = _classifier_scores(run, dataset, config, device)
        labelled = choose_labelled(dataset.train, card.labels, card.seed, dataset.classes)
        return _Judged(card, dataset, labelled, card.labels, card.seed, scores, gflops=gflops)
    card, features, frames, dataset = _features(run, dataset, config, which, device)
    labelled = choose_labelled(dataset.train, labels, seed, dataset.classes)
    cutter = ClipCutter.from_store(dataset.store, frames, device)
    scores = probe_scores(protocol, features, cutter, dataset, labelled, config, seed)
    joints, coordinates = len(dataset.skeleton.joints), dataset.store.description.coordinates
    gflops = gflops_per_clip(features, frames, joints, coordinates, device)
    return _Judged(card, dataset, labelled, labels, seed, scores, gflops=gflops)


def _pretrained_on(card: ModelCard | None) -> str | None:
    return card.data if card and card.kind == "pretrained" else card.pretrained_on if card else None


def _initialisation(card: ModelCard | None, protocol: str) -> str:
    if card is None:
        return "none"
    return card.initialisation if protocol == SCORE else card.start


def _features(
    run: Path | None, dataset: Dataset, config: Config, which: str, device: torch.device
) -> tuple[ModelCard | None, FeatureFunction, int, Dataset]:
    """Card, feature function and frames per clip of a run's encoder, or of raw coordinates; the data it can judge."""
    if run is None:
        return None, raw_features(dataset.skeleton.root_index), RAW_FRAMES, dataset
    card, encoder, dataset = _frozen(run, dataset, which, device)
    clip = card.config.clip
    return card, encoder_features(encoder, clip.segment, config.probe.pooling), clip.frames, dataset


def _frozen(run: Path, dataset: Dataset, which: str, device: torch.device) -> tuple[ModelCard, nn.Module, Dataset]:
    """Card and encoder of a run, and the data on the joints it knows."""
    card, weights, dataset = encoder_weights(run, dataset, which)
    encoder = build_encoder(card.config, dataset.skeleton, card.coordinates)
    load_weights(encoder, weights, run)
    return card, encoder.to(device).eval(), dataset


def _completion(
    run: Path | None, dataset: Dataset, config: Config, which: str, seed: int, device: torch.device
) -> tuple[ModelCard, ClipErrors, Dataset]:
    """Card of a run, the errors of its completions of evaluation clips, and the data on the joints it knows."""
    if run is None:
        raise ConfigError("protocol 'complete' needs an encoder, not raw coordinates. Name a pre-trained run.")
    card, encoder, dataset = _frozen(run, dataset, which, device)
    own, settings, precision = card.config, config.probe.complete, config.execution.precision
    cutter = ClipCutter.from_store(dataset.store, own.clip.frames, device)
    head = build_completion_head(own, dataset.skeleton, card.coordinates, settings.depth, seed).to(device)
    completers = {"": Completer(encoder, head, own.clip.segment, coordinate_rms(dataset.train))}
    train_head(completers[""], cutter, torch.from_numpy(dataset.train.ids), settings, precision, seed)
    if decoder := _own_decoder(run, card, encoder, dataset, which):
        completers["decoder"] = decoder.to(device)
    errors = completion_errors(completers, cutter, torch.from_numpy(dataset.test.ids), precision, seed)
    if dataset.metres:
        return card, ClipErrors({name: 1000 * values for name, values in errors.items()}, "mm"), dataset
    return card, ClipErrors(errors, "units of the data"), dataset


def _own_decoder(run: Path, card: ModelCard, encoder: nn.Module, dataset: Dataset, which: str) -> Completer | None:
    """The student with the decoder it was trained with, where that says joints; on the joints of `dataset`.

    None also where hidden tokens were zeroed: such a decoder knows no tokens that are not there. Only masked prediction
    is known to have such a decoder.
    """
    settings = card.config
    if settings.objective != "masked_prediction":
        return None
    says_joints = settings.decoder.use and settings.decoder.target == "joints" and settings.mask.hidden == "dropped"
    if card.kind != "pretrained" or which != "student" or not says_joints or settings.decoder.normalisation != "none":
        return None
    weights = load_model(run)[1]
    decoder = build_decoder(settings, dataset.skeleton, card.coordinates)
    own = {name.removeprefix("decoder."): tensor for name, tensor in weights.items() if name.startswith("decoder.")}
    places = [card.skeleton.joints.index(joint) for joint in dataset.skeleton.joints]
    load_weights(decoder, restrict_joints(own, places), run)
    return Completer(encoder, decoder, settings.clip.segment, float(weights["coordinate_scale"]))


def _classifier_scores(
    run: Path | None, dataset: Dataset, config: Config, device: torch.device
) -> tuple[ModelCard, np.ndarray, float, Dataset]:
    """Card, scores and GFLOPs per clip of a fine-tuned run, and the data on the joints it knows."""
    if run is None:
        raise ConfigError("protocol 'score' needs a fine-tuned run, not raw coordinates. Name the run.")
    card, weights = load_model(run)
    if card.kind != "classifier":
        raise CheckpointError(
            f"{run}: pre-trained, but it has no classifier yet. Fine-tune it: jointwise finetune {run} "
            f"{shlex.join(dataset.arguments)}; or judge its features: --protocol linear or knn."
        )
    dataset = card.on_own_joints(dataset, run)
    check_unseen(run, card, dataset)
    settings = card.config
    module = build_classifier(settings, card.recipe, card.skeleton, card.coordinates, len(card.classes), card.seed)
    load_weights(module, weights, run)
    cutter = ClipCutter.from_store(dataset.store, settings.clip.frames, device)
    ids = torch.from_numpy(dataset.test.ids)
    scores = class_scores(module.to(device), cutter, ids, config.execution.precision)
    return card, scores, classifier_gflops(module, dataset, settings.clip.frames, device), dataset
