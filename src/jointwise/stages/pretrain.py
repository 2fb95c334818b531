"""Pre-training without labels, on the training part only: open the data, build, fit, evaluate, save."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from jointwise.config.augmentation import AugmentConfig
from jointwise.config.schema import Config
from jointwise.data.checks import check_pretrainable, check_trainable
from jointwise.data.clips import ClipCutter, Clips, Persons
from jointwise.data.dataset import HELD_OUT, Dataset, Part, name_subjects
from jointwise.data.randomness import Draws
from jointwise.data.store.reader import UNKNOWN
from jointwise.errors import CheckpointError, ConfigError
from jointwise.evaluation.collapse import collapse_warning, effective_rank
from jointwise.evaluation.features import encoder_features
from jointwise.evaluation.held_out import SPLIT, held_out_losses
from jointwise.evaluation.judge import accuracies
from jointwise.evaluation.protocols import frozen_protocols
from jointwise.model.build import build_objective, check_names
from jointwise.model.objective import Objective, Rebuilt, Watched
from jointwise.training import distributed
from jointwise.training.batches import Batch, BatchOrder
from jointwise.training.checkpoint import load_weights, write_json
from jointwise.training.coordinate_scale import coordinate_rms, median_coordinate_rms, with_coordinate_scale
from jointwise.training.costs import PRETRAIN, Costs
from jointwise.training.device import compile_blocks, pick_device
from jointwise.training.example_clips import Rebuild, make_examples, write_examples
from jointwise.training.loop import fit
from jointwise.training.model_card import ModelCard
from jointwise.training.model_folder import load_trained_on, pretrained_weights, save_model
from jointwise.training.optimizer import build_optimizer
from jointwise.training.provenance import provenance
from jointwise.training.run_folder import ARGUMENTS, about_run, opened_run, read_log, resume_command

Probe = Callable[[int], dict[str, float]]  # steps done -> accuracies by protocol; none where no probe is due

SHARE = 0.1  # of the training part is held out for losses, where there is no test part
WATCHED_CLIPS = 2048  # pooled features of one epoch that the effective rank is computed from


def pretrain(
    config: Config, dataset: Dataset, seed: int, folder: Path, resume: bool = False, start: Path | None = None
) -> dict[str, Any]:
    """Pre-train a system on the training part of a data set, and write its run folder.

    Args:
        config: All settings.
        dataset: The data under its split.
        seed: Decides weights, order, clips and masks.
        folder: The run folder.
        resume: Whether the run is there already and is continued.
        start: Pre-trained run whose weights, teacher and predictors this one starts from, on the joints that both have.
            None: random weights.

    Returns:
        The content of run.json. Where there are several processes, only the first one has it; the others get {}.

    Raises:
        ConfigError: The system learns from labels only, a name in the config is unknown, or probes have no subjects.
        CheckpointError: The run to start from is no pre-trained one, or does not fit the data.
        DataError: It was trained on what is held out here.
    """
    _check(config, dataset)
    arguments = [str(start or config.system), *dataset.arguments]
    dataset = training_data(config, dataset)
    before, weights, dataset = pretrained_weights(start, dataset) if start else (None, {}, dataset)
    config = with_coordinate_scale(config, dataset, before.config if before else None)
    about = about_run("pretrain", config.system, dataset, seed, "none")
    about |= {"pretrained": str(start)} if start else {}
    device = pick_device(config.execution.device)  # a missing one leaves no folder behind
    with opened_run(folder, config, about | {ARGUMENTS: arguments}, resume):
        cutter = ClipCutter.from_store(dataset.store, config.clip.frames, device)
        objective = _build(config, dataset, seed)
        if start:
            load_weights(objective, weights, start)
        objective.to(device)
        if config.execution.compile:
            compile_blocks(objective)
        took = _fit(objective, cutter, dataset, config, seed, folder, resume_command("pretrain", arguments, folder))

        held_out = _held_out(objective, cutter, dataset, config)
        examples = make_examples(dataset, cutter, seed, _rebuild_by(objective, seed))
        size = median_coordinate_rms(dataset.train)
        if not distributed.is_main_process():
            return {}
        costs = (before.costs if before else Costs()).with_stage(
            PRETRAIN,
            steps=config.pretrain.steps,
            device=device,
            **took,
            held_out=held_out,
            encoder=objective.encoder,
            pretrain=objective,
        )
        card = ModelCard.of(config, dataset, kind="pretrained", classes=(), seed=seed, costs=costs, size=size)
        seen = set(dataset.train.digests)
        if start and before:
            card = replace(card, pretrained_on=before.data).after(before)
            seen |= load_trained_on(start)
        save_model(folder / "model", card, objective.state_dict(), seen)
        write_examples(folder, examples)
        run = about | _facts(objective, dataset, config, costs, folder) | provenance(device, config.execution.precision)
        write_json(folder / "run.json", run)
        return run


def _build(config: Config, dataset: Dataset, seed: int) -> Objective:
    """The objective with random weights, for the joints and units of the data."""
    coordinates = dataset.store.description.coordinates
    return build_objective(config, dataset.skeleton, coordinates, coordinate_rms(dataset.train), seed)


def _facts(objective: Objective, dataset: Dataset, config: Config, costs: Costs, folder: Path) -> dict[str, Any]:
    """What run.json says of the data, the costs and the outcome of a pre-training."""
    log = read_log(folder)
    if not log:
        raise CheckpointError(f"{folder / 'metrics.jsonl'}: damaged (no line in it). Copy it again, or repeat the run.")
    return {
        "terms": dataset.store.description.terms,
        "mixture": [asdict(member) for member in dataset.store.mixture],
        **costs.of_run(PRETRAIN),
        **objective.describe(config.segments, len(dataset.skeleton.joints)),
        "collapse": collapse_warning(log),
        "probes": {name: value for name, value in log[-1].items() if name in frozen_protocols()},
    }


def training_data(config: Config, dataset: Dataset) -> Dataset:
    """The data of a pre-training, of which some may be held out for losses.

    Args:
        config: Its `validation_subjects` are held out.
        dataset: The data. Where they have no test part and no subjects are named, a tenth is held out.

    Returns:
        The data with what is held out in the test part.

    Raises:
        DataError: There is nothing to train on, some of it is in the test part too, or probes have no labels to score.
    """
    dataset = dataset.hold_out(config.validation_subjects)
    if config.pretrain.probe_every:
        check_trainable(dataset, config.allow_duplicates)
    dataset = dataset if len(dataset.test) else hold_out_share(dataset)
    check_pretrainable(dataset, config.allow_duplicates)
    return dataset


def hold_out_share(dataset: Dataset) -> Dataset:
    """Make a test part of a tenth of the training part, for the losses of a pre-training that has no other.

    Every tenth subject is held out, where there are at least ten, each recording tells its own, and no set of a pool
    would be held out whole. Otherwise a tenth of the recordings is, by a hash of their content, but of no set all.
    Copies of a recording stay together.

    Args:
        dataset: The data; their test part is left out.

    Returns:
        The data with that test part; the data as they are where nothing would be left to train on.
    """
    train, tenth = dataset.train, round(1 / SHARE)
    digests, known = np.array(train.digests, str), np.unique(train.subjects)
    subjects = known[tenth - 1 :: tenth]
    held = np.isin(digests, digests[np.isin(train.subjects, subjects)])
    words = f"{name_subjects(subjects.tolist())}, every tenth"
    if len(known) < tenth or UNKNOWN in known or _of_emptied_sets(train, held).any():
        contents = np.unique(digests)  # sorted, as good as at random
        held = np.isin(digests, contents[: max(1, round(SHARE * len(contents)))])
        held &= ~np.isin(digests, digests[_of_emptied_sets(train, held)])
        words = f"recordings, {SHARE:.0%} of them by content"
    if held.all() or not held.any():
        return dataset
    return replace(
        dataset,
        train=Part(dataset.store, train.ids[~held]),
        test=Part(dataset.store, train.ids[held]),
        split=f"{dataset.split}; {HELD_OUT} {words}, for losses: {held.sum()} of {len(held)}",
    )


def _of_emptied_sets(train: Part, held: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Which sequences (n,) are of a set of a pool that would have nothing left to train on, if `held` were held out."""
    if not train.store.mixture:
        return np.zeros(len(train), bool)
    sets = train.store.shards.of(train.ids)
    return ~np.isin(sets, sets[~held])


def _check(config: Config, dataset: Dataset) -> None:
    check_pretrains(config, dataset)
    check_names(config)
    check_probes(config)


def check_pretrains(config: Config, dataset: Dataset) -> None:
    """Check that a system has something to pre-train.

    Args:
        config: All settings.
        dataset: The data, for the message.

    Raises:
        ConfigError: It learns from labels only.
    """
    if not config.pretrains:
        raise ConfigError(
            f"system '{config.system}' learns from labels only: there is nothing to pre-train. Train it with: "
            f"jointwise finetune {config.system} {shlex.join(dataset.arguments)}."
        )


def check_probes(config: Config) -> None:
    """Check that probes have held-out subjects to score: test subjects are never looked at during training.

    Args:
        config: All settings.

    Raises:
        ConfigError: Probes are on, and no subjects are held out.
    """
    if config.pretrain.probe_every and not config.validation_subjects:
        raise ConfigError(
            f"pretrain.probe_every {config.pretrain.probe_every} needs held-out training subjects to score, as test "
            "subjects are never looked at during training. Name some: --validation_subjects '[7]', or leave it 0."
        )


def make_probe(
    objective: Objective, cutter: ClipCutter, dataset: Dataset, order: BatchOrder, config: Config, seed: int
) -> Probe | None:
    """Score the encoder's frozen features every `pretrain.probe_every` epochs and at the end.

    A probe draws nothing that training draws, and leaves the objective as it was.

    Args:
        objective: What is trained.
        cutter: Cuts the clips.
        dataset: Its test part is scored.
        order: Tells when an epoch ends.
        config: All settings.
        seed: Decides what the probe draws.

    Returns:
        The probe; None where probes are off.
    """
    settings = config.pretrain
    if not settings.probe_every:
        return None
    features = encoder_features(objective.encoder, config.clip.segment, config.probe.pooling)

    def probe(done: int) -> dict[str, float]:
        if int(order.epoch(done)) % settings.probe_every and done < settings.steps:
            return {}
        training = objective.training
        objective.eval()
        try:
            return accuracies(features, cutter, dataset, config, seed)
        finally:
            objective.train(training)

    return probe


class PretrainTask:
    """The losses of each step, the objective's update after it, and the collapse watch.

    Args:
        objective: What is trained.
        cutter: Cuts the clips.
        dataset: Its training part is learned from.
        augment: How clips vary.
        seed: Decides clips and masks.
        probe: Scores the encoder at the end of some epochs.
    """

    def __init__(
        self,
        objective: Objective,
        cutter: ClipCutter,
        dataset: Dataset,
        augment: AugmentConfig,
        seed: int,
        probe: Probe | None = None,
    ) -> None:
        self.module: Objective = objective
        self.cutter = cutter
        self.dataset = dataset
        self.augment = augment
        self.seed = seed
        self.probe = probe
        self._done = 0
        self._watched: list[Watched] = []  # since the last end of an epoch

    def loss(self, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        """The loss of a step, and its parts for the log.

        Args:
            batch: The samples of the step that this process has.

        Returns:
            What is minimised, and scalars by their key in metrics.jsonl.
        """
        clips = self.cutter.random(batch.ids, batch.draws(self.seed, "clips"), **asdict(self.augment))
        losses = self.module.losses(clips.persons(), clips, batch.draws(self.seed, "masks"), distributed.all_reduce_sum)
        scalars = dict(losses.parts)
        if losses.watched is not None:
            self._watched.append(losses.watched)
            scalars["teacher_spread"] = losses.watched.spread
        return losses.total, scalars

    def after_step(self, step: int) -> None:
        """Let the objective move what moves after a step, such as a teacher."""
        self._done = step + 1
        self.module.after_step(step)

    def epoch_metrics(self) -> dict[str, float]:
        """Effective rank of the watched features since the last call, and the accuracies of a probe that is due."""
        return self._rank() | (self.probe(self._done) if self.probe else {})

    def _rank(self) -> dict[str, float]:
        if not self._watched:
            return {}
        momentum = self._watched[-1].momentum
        shares = distributed.all_gather([watched.pooled.cpu() for watched in self._watched])
        features = torch.cat([share for step in zip(*shares, strict=True) for share in step])[-WATCHED_CLIPS:]
        self._watched.clear()
        if len(features) < min(WATCHED_CLIPS, len(self.dataset.train)) // 2:
            return {}  # a resumed or last part of an epoch: the rank of few clips is low whatever the features are
        rank = {"effective_rank": effective_rank(features)}
        return rank if momentum is None else rank | {"ema_momentum": momentum}

    def describe(self, ids: Tensor) -> list[str]:
        """Names of the recordings of samples (n,), for messages."""
        return [str(name) for name in self.dataset.store.names[ids.numpy()]]


def _fit(
    objective: Objective, cutter: ClipCutter, dataset: Dataset, config: Config, seed: int, folder: Path, command: str
) -> dict[str, Any]:
    """Train the objective; returns what it took, for Costs. command: what resumes the run, for messages."""
    settings = config.pretrain
    order = BatchOrder(torch.from_numpy(dataset.train.ids), settings.batch, seed, cutter.shards)
    probe = make_probe(objective, cutter, dataset, order, config, seed)
    seconds = fit(
        PretrainTask(objective, cutter, dataset, settings.augment, seed, probe),
        order,
        build_optimizer(objective, settings),
        settings,
        config.execution,
        folder,
        title=f"pretrain {config.system}",
        seed=seed,
        resume_hint=command,
    )
    return {"seconds": seconds, "epochs": order.epoch(settings.steps), "clips": len(order[0])}


def _held_out(objective: Objective, cutter: ClipCutter, dataset: Dataset, config: Config) -> dict[str, Any] | None:
    """Losses on held-out training clips by part, and their split; None where none are held out.

    Test clips have no losses: nothing that could be chosen by them is measured on them.
    """
    if HELD_OUT not in dataset.split:
        return None
    ids = torch.from_numpy(dataset.test.ids)
    return held_out_losses(objective, cutter, ids, config.execution.precision) | {SPLIT: dataset.split}


def _rebuild_by(objective: Objective, seed: int) -> Rebuild:
    """What a trained objective rebuilds of clips, with masks that `seed` decides."""

    def rebuild(clips: Clips, persons: Persons) -> Rebuilt | None:
        draws = Draws(torch.arange(len(clips.ids)), seed, "example masks")
        with torch.no_grad():
            return objective.eval().rebuild(persons, clips, draws)

    return rebuild
