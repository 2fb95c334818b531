"""`jointwise evaluate`: a protocol applied to a trained run, or to raw coordinates. It never changes the model."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from jointwise.config.schema import Config
from jointwise.data.checks import check_trainable
from jointwise.data.clips import ClipCutter
from jointwise.data.dataset import Dataset, Part
from jointwise.data.label_subset import choose_labelled
from jointwise.errors import CheckpointError, ConfigError
from jointwise.evaluation.class_scores import class_scores, classifier_gflops
from jointwise.evaluation.completion import Completer, completion_errors, predict_future, train_head
from jointwise.evaluation.features import RAW_FRAMES, encoder_features, extract, raw_features
from jointwise.evaluation.judge import probe_scores
from jointwise.evaluation.protocols import PROTOCOLS, RAW, Judges, check_evaluated
from jointwise.evaluation.references import references
from jointwise.evaluation.results import ClipErrors, Evaluation, check_folder, save_result
from jointwise.model.build import OBJECTIVES, build_classifier, build_completion_head, check_names
from jointwise.model.parts import build_encoder
from jointwise.model.size import gflops_per_clip
from jointwise.model.tokens import restrict_joints
from jointwise.training import distributed
from jointwise.training.checkpoint import load_weights
from jointwise.training.coordinate_scale import coordinate_rms
from jointwise.training.device import pick_device
from jointwise.training.example_clips import PREDICTED, make_examples, write_examples
from jointwise.training.model_card import ModelCard
from jointwise.training.model_folder import check_unseen, encoder_weights, load_model


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
    """Scores the test part of `dataset` by a protocol.

    Args:
        run: A trained run, also one of other data with joints of the same names; None: raw coordinates.
        protocol: One of `evaluated_protocols()`; for a run one of `evaluated_protocols(raw=False)`.
        dataset: What is scored, and for most protocols learned from.
        config: Settings of the probes, the device and `validation_subjects` to hold out.
        seed: Decides the labelled subset and what the protocol draws.
        labels: Share or shots of the training labels.
        which: `student` or `teacher`, of a pre-trained run.
        results: Folder for a copy of the result.

    Returns:
        The paths of the result: in the run's own folder, and in `results`. What has no folder of its own (raw
        coordinates, `base`, a model on the hub) has one in `runs/<data>/`.

    Raises:
        ConfigError: The protocol is unknown or cannot judge this run.
        CheckpointError: The run does not fit the data or the protocol.
    """
    check_evaluated(protocol, run is None)
    check_names(config)
    dataset = dataset.hold_out(config.validation_subjects)
    check_trainable(dataset, config.allow_duplicates, labels=PROTOCOLS[protocol].judges is not Judges.COMPLETIONS)
    check_folder(results, dataset)
    device = pick_device(config.execution.device)
    task = EvaluationTask(run, protocol, dataset, config, seed, labels, which, device)
    evaluation = _JUDGES[PROTOCOLS[protocol].judges](task)
    if run is not None and evaluation.scores is not None:
        beside = references(evaluation.dataset, evaluation.labelled, config, device)
        evaluation = replace(evaluation, references=beside.to_json())
    own = run if run and run.is_dir() else Path("runs") / dataset.name / (run.name if run else RAW)
    return [save_result(folder, evaluation, device) for folder in (own / "results", results) if folder]


@dataclass(frozen=True)
class EvaluationTask:
    """What is judged, on which data and how: the arguments of `evaluate`.

    Args:
        run: A trained run; None: raw coordinates.
        protocol: One of `evaluated_protocols()`.
        dataset: The data, held-out subjects in its test part.
        config: Settings of the evaluation.
        seed: Decides the labelled subset and what the protocol draws.
        labels: Share or shots of the training labels.
        which: `student` or `teacher`, of a pre-trained run.
        device: Where it runs.
    """

    run: Path | None
    protocol: str
    dataset: Dataset
    config: Config
    seed: int
    labels: str
    which: str
    device: torch.device

    def evaluation(self, card: ModelCard | None, **measured: Any) -> Evaluation:
        """The evaluation of a model.

        Args:
            card: Of the model that was judged; None: raw coordinates.
            measured: Fields of Evaluation, in place of those that the task and the card give.

        Returns:
            The evaluation.
        """
        known: dict[str, Any] = {
            "protocol": self.protocol,
            "labels": self.labels,
            "seed": self.seed,
            "config": self.config,
            "split_is_test": not self.config.validation_subjects,
            "scores": None,
        }
        if card is None:
            known |= {"system": RAW, "initialisation": "none"}
        else:
            pretrained = card.kind == "pretrained"
            known |= {
                "system": card.system,
                "initialisation": card.start,
                "encoder": self.which if pretrained else "student",
                "pretrained_on": card.data if pretrained else card.pretrained_on,
                "unlabelled": card.unlabelled,
                "costs": card.costs,
            }
        return Evaluation(**(known | measured))


@dataclass(frozen=True)
class FrozenEncoder:
    """An encoder that is judged and never trained.

    Args:
        card: Of its run.
        module: In evaluation mode.
        dataset: The data, on the joints that the encoder knows.
    """

    card: ModelCard
    module: nn.Module
    dataset: Dataset

    @classmethod
    def load(cls, run: Path, task: EvaluationTask) -> FrozenEncoder:
        """The encoder of a run, for the data and on the device of a task."""
        card, weights, dataset = encoder_weights(run, task.dataset, task.which)
        module = build_encoder(card.config, dataset.skeleton, card.coordinates)
        load_weights(module, weights, run)
        return cls(card, module.to(task.device).eval(), dataset)


# --- protocols on frozen features ---


def _judge_features(task: EvaluationTask) -> Evaluation:
    card = None
    pooling = None
    dataset = task.dataset
    frames = RAW_FRAMES
    features = raw_features(dataset.skeleton.root_index)
    if task.run is not None:
        encoder = FrozenEncoder.load(task.run, task)
        card = encoder.card
        pooling = task.config.probe.pooling
        dataset = encoder.dataset
        frames = card.config.clip.frames
        features = encoder_features(encoder.module, card.config.clip.segment, pooling)
    labelled = choose_labelled(dataset.train, task.labels, task.seed, dataset.classes)
    cutter = ClipCutter.from_store(dataset.store, frames, task.device)
    scores = probe_scores(task.protocol, features, cutter, dataset, labelled, task.config, task.seed)
    evaluation = task.evaluation(card, dataset=dataset, labelled=labelled, scores=scores, pooling=pooling)
    if card is None:
        return evaluation
    joints = len(dataset.skeleton.joints)
    gflops = gflops_per_clip(features, frames, joints, dataset.store.description.coordinates, task.device)
    return evaluation.with_gflops(gflops)


# --- raw coordinates, in place of a training ---


def _judge_raw(task: EvaluationTask) -> Evaluation:
    score = PROTOCOLS[task.protocol].raw_score
    assert score is not None  # checked by `check_evaluated`
    dataset = task.dataset
    features = raw_features(dataset.skeleton.root_index)
    cutter = ClipCutter.from_store(dataset.store, RAW_FRAMES, task.device)
    labelled = choose_labelled(dataset.train, task.labels, task.seed, dataset.classes)
    precision = task.config.execution.precision
    train, test = (
        extract(features, cutter, torch.from_numpy(part.ids), precision) for part in (dataset.train, dataset.test)
    )
    places = torch.from_numpy(np.flatnonzero(np.isin(dataset.train.ids, labelled.ids)))
    scores = score(train, places, torch.from_numpy(labelled.labels), test, len(dataset.classes))
    return task.evaluation(None, dataset=dataset, labelled=labelled, scores=scores.numpy())


# --- a trained classifier ---


def _judge_classifier(task: EvaluationTask) -> Evaluation:
    run = task.run
    if run is None:
        raise ConfigError(f"protocol '{task.protocol}' needs a fine-tuned run, not raw coordinates. Name the run.")
    card, weights = load_model(run)
    if card.kind != "classifier":
        command = shlex.join(["jointwise", "finetune", str(run), *task.dataset.arguments])
        raise CheckpointError(
            f"{run}: pre-trained, but it has no classifier yet. Fine-tune it: {command}; or judge its features: "
            "--protocol linear or knn."
        )
    dataset = card.on_own_joints(task.dataset, run)
    check_unseen(run, card, dataset)
    config = card.config
    module = build_classifier(config, card.recipe, card.skeleton, card.coordinates, len(card.classes), card.seed)
    load_weights(module, weights, run)
    cutter = ClipCutter.from_store(dataset.store, config.clip.frames, task.device)
    ids = torch.from_numpy(dataset.test.ids)
    scores = class_scores(module.to(task.device), cutter, ids, task.config.execution.precision)
    evaluation = task.evaluation(
        card,
        initialisation=card.initialisation,
        labels=card.labels,
        seed=card.seed,
        dataset=dataset,
        labelled=choose_labelled(dataset.train, card.labels, card.seed, dataset.classes),
        scores=scores,
    )
    return evaluation.with_gflops(classifier_gflops(module, dataset, config.clip.frames, task.device))


# --- completions ---


def _judge_completions(task: EvaluationTask) -> Evaluation:
    if task.labels != "1.0":
        raise ConfigError(f"--labels {task.labels}: protocol '{task.protocol}' needs no labels. Leave it out.")
    run = task.run
    if run is None:
        raise ConfigError(f"protocol '{task.protocol}' needs an encoder, not raw coordinates. Name a pre-trained run.")
    encoder = FrozenEncoder.load(run, task)
    dataset = encoder.dataset
    errors = _completion_errors(run, encoder, task)
    unlabelled = Part(dataset.store, dataset.train.ids[:0])
    return task.evaluation(encoder.card, labels="none", dataset=dataset, labelled=unlabelled, errors=errors)


def _completion_errors(run: Path, encoder: FrozenEncoder, task: EvaluationTask) -> ClipErrors:
    """Trains the head, then measures it, the run's own decoder where there is one, and the baselines.

    A few clips with the future that the head predicts are kept in the run, for `jointwise view` and `convert`.
    """
    card = encoder.card
    dataset = encoder.dataset
    config = card.config
    settings = task.config.probe.complete
    precision = task.config.execution.precision
    cutter = ClipCutter.from_store(dataset.store, config.clip.frames, task.device)
    head = build_completion_head(config, dataset.skeleton, card.coordinates, settings.depth, task.seed).to(task.device)
    trained = Completer(encoder.module, head, config.clip.segment, coordinate_rms(dataset.train))
    train_head(trained, cutter, torch.from_numpy(dataset.train.ids), settings, precision, task.seed)
    completers = {"": trained}
    if decoder := _own_decoder(run, encoder, task.which):
        completers["decoder"] = decoder.to(task.device)
    errors = completion_errors(completers, cutter, torch.from_numpy(dataset.test.ids), precision, task.seed)
    predicted = make_examples(dataset, cutter, task.seed, predict_future(trained, precision))
    if distributed.is_main_process():
        write_examples(run, predicted, PREDICTED)
    if dataset.metres:
        return ClipErrors({name: 1000 * values for name, values in errors.items()}, "mm")
    return ClipErrors(errors, "units of the data")


def _own_decoder(run: Path, encoder: FrozenEncoder, which: str) -> Completer | None:
    """The student with the decoder it was trained with; None unless that decoder predicts joints."""
    card = encoder.card
    config = card.config
    skeleton = encoder.dataset.skeleton
    if card.kind != "pretrained" or which != "student":
        return None
    decoder = OBJECTIVES[config.objective].joint_decoder(config, skeleton, card.coordinates)
    if decoder is None:
        return None
    weights = load_model(run)[1]
    own = {name.removeprefix("decoder."): tensor for name, tensor in weights.items() if name.startswith("decoder.")}
    places = [card.skeleton.joints.index(joint) for joint in skeleton.joints]
    load_weights(decoder, restrict_joints(own, places), run)
    scale = float(weights["coordinate_scale"])
    centre = (
        skeleton.centre_joints(config.clip.centre) if config.clip.is_relative else ()
    )  # its targets were relative too
    return Completer(encoder.module, decoder, config.clip.segment, scale, centre)


_JUDGES: dict[Judges, Callable[[EvaluationTask], Evaluation]] = {
    Judges.FEATURES: _judge_features,
    Judges.CLASSIFIER: _judge_classifier,
    Judges.COMPLETIONS: _judge_completions,
    Judges.TRAINING: _judge_raw,
}
