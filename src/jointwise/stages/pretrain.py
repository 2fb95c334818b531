"""Pre-training without labels: a student learns to predict what the teacher sees, on the training part only."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from jointwise.config.schema import AugmentConfig, Config
from jointwise.data.clips import ClipCutter, Clips, Persons
from jointwise.data.dataset import Dataset
from jointwise.data.randomness import Draws
from jointwise.errors import ConfigError
from jointwise.evaluation.collapse import collapse_warning, effective_rank
from jointwise.evaluation.features import encoder_features
from jointwise.evaluation.judge import accuracies
from jointwise.evaluation.protocols import frozen_protocols
from jointwise.model.build import build_distillation
from jointwise.model.masked_prediction import Distillation, mask_noise
from jointwise.training import distributed
from jointwise.training.batches import Batch, BatchOrder
from jointwise.training.checkpoint import write_json
from jointwise.training.coordinate_scale import coordinate_rms, median_coordinate_rms, with_coordinate_scale
from jointwise.training.costs import PRETRAIN, Costs
from jointwise.training.device import autocast, compile_blocks, pick_device
from jointwise.training.example_clips import Rebuild, make_examples, write_examples
from jointwise.training.loop import fit
from jointwise.training.model_folder import ModelCard, save_model
from jointwise.training.optimizer import build_optimizer, teacher_momentum
from jointwise.training.provenance import provenance
from jointwise.training.run_folder import about_run, open_run, read_log, resume_command

Probe = Callable[[int], dict[str, float]]  # steps done -> accuracies by protocol; none when it is not their turn

WATCHED_CLIPS = 2048  # pooled features of one epoch that the effective rank is computed from


def make_probe(
    module: Distillation, cutter: ClipCutter, dataset: Dataset, order: BatchOrder, config: Config, seed: int
) -> Probe | None:
    """Scores the student's frozen features on `dataset.test` every `pretrain.probe_every` epochs and at the end.

    Draws nothing that training draws, and leaves the module as it was. None when it is off.
    """
    settings = config.pretrain
    if not settings.probe_every:
        return None
    features = encoder_features(module.student, module.segment, config.probe.pooling)

    def probe(done: int) -> dict[str, float]:
        if int(order.epoch(done)) % settings.probe_every and done < settings.steps:
            return {}
        training = module.training
        module.eval()
        try:
            return accuracies(features, cutter, dataset, config, seed)
        finally:
            module.train(training)

    return probe


def check_probes(config: Config) -> None:
    """Raises ConfigError for probes without held-out subjects: test subjects are not looked at during training."""
    if config.pretrain.probe_every and not config.validation_subjects:
        raise ConfigError(
            f"pretrain.probe_every {config.pretrain.probe_every} needs held-out training subjects to score, as test "
            "subjects are never looked at during training. Name some: --validation_subjects '[7]', or leave it 0."
        )


class PretrainTask:
    """Clips and masks of each step, the loss, the teacher's update, the collapse watch."""

    def __init__(
        self,
        module: Distillation,
        cutter: ClipCutter,
        dataset: Dataset,
        augment: AugmentConfig,
        momentum: float,
        seed: int,
        probe: Probe | None = None,
    ) -> None:
        self.module: Distillation = module
        self.cutter, self.dataset, self.augment = cutter, dataset, augment
        self.momentum, self.seed = momentum, seed
        self.probe, self._done = probe, 0
        self._pooled: list[Tensor] = []

    def loss(self, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        """The weighted loss, and its parts for the log."""
        clips = self.cutter.random(batch.ids, batch.draws(self.seed, "clips"), **asdict(self.augment))
        persons = clips.persons()
        noise = mask_noise(persons, clips, self.module.segment, batch.draws(self.seed, "masks"))
        losses = self.module(persons, noise, distributed.all_reduce_sum)
        if losses.pooled is not None:
            self._pooled.append(losses.pooled)
        scalars = {"latent": losses.latent, "reconstruction": losses.reconstruction}
        return losses.total, scalars | ({"teacher_spread": losses.teacher_spread} if losses.pooled is not None else {})

    def after_step(self, step: int) -> None:
        """Moves the teacher."""
        self._done = step + 1
        self.module.update_teacher(self.momentum)

    def epoch_metrics(self) -> dict[str, float]:
        """Effective rank of the teacher's pooled features since the last call, and what the probe says."""
        return self._rank() | (self.probe(self._done) if self.probe else {})

    def _rank(self) -> dict[str, float]:
        if not self._pooled:
            return {}
        shares = distributed.all_gather([pooled.cpu() for pooled in self._pooled])
        features = torch.cat([share for step in zip(*shares, strict=True) for share in step])[-WATCHED_CLIPS:]
        self._pooled.clear()
        if len(features) < min(WATCHED_CLIPS, len(self.dataset.train)) // 2:
            return {}  # a resumed or last part of an epoch: the rank of few clips is low whatever the features are
        return {"effective_rank": effective_rank(features), "ema_momentum": self.momentum}

    def describe(self, ids: Tensor) -> list[str]:
        """Files of the samples."""
        return [str(name) for name in self.dataset.store.names[ids.numpy()]]


@torch.no_grad()
def held_out_losses(
    module: Distillation, cutter: ClipCutter, ids: Tensor, precision: str, batch: int = 64
) -> dict[str, float]:
    """`L_st` and `L_rec` on centre clips with fixed masks: means over tokens of each batch, then over clips."""
    module.eval()
    sums = torch.zeros(2, dtype=torch.float64)
    for places in distributed.local_batches(ids, batch, cutter.shards):
        clips = cutter.centre(ids[places])
        persons = clips.persons()
        with autocast(cutter.device, precision):
            losses = module(persons, mask_noise(persons, clips, module.segment, Draws(places, "held-out masks")))
        sums += torch.stack([losses.latent, losses.reconstruction]).double().cpu() * len(places)
    latent, reconstruction = (distributed.all_reduce_sum(sums) / len(ids)).tolist()
    return {"latent": latent, "reconstruction": reconstruction}


def _rebuild_by(module: Distillation, seed: int) -> Rebuild:
    """What a trained module rebuilds of clips, with masks that `seed` decides."""

    def rebuild(clips: Clips, persons: Persons) -> tuple[Tensor, Tensor | None]:
        draws = Draws(torch.arange(len(clips.ids)), seed, "example masks")
        noise = mask_noise(persons, clips, module.segment, draws)
        return module.eval().rebuild(persons, noise)

    return rebuild


def pretrain(config: Config, dataset: Dataset, seed: int, folder: Path, resume: bool = False) -> dict[str, Any]:
    """Pre-trains a system on the training part of `dataset`; writes the run folder; returns what run.json says.

    Where there are several processes, the first one writes and the others return nothing.
    Raises ConfigError for a system that has nothing to pre-train, and what `fit` and `open_run` raise.
    """
    if not config.predictor.use and not config.decoder.use:
        raise ConfigError(
            f"system '{config.system}' learns from labels only: there is nothing to pre-train. Train it with: "
            f"jointwise finetune {config.system} {shlex.join(dataset.arguments)}."
        )
    check_probes(config)
    dataset = dataset.hold_out(config.validation_subjects)
    dataset.check_trainable(config.allow_duplicates)
    config = with_coordinate_scale(config, dataset)
    about = about_run("pretrain", config.system, dataset, seed, "none")
    open_run(folder, config, about, resume)
    device, settings, execution = pick_device(config.execution.device), config.pretrain, config.execution
    cutter = ClipCutter.from_store(dataset.store, config.clip.frames, device)
    coordinates = dataset.store.description.coordinates
    module = build_distillation(config, dataset.skeleton, coordinates, coordinate_rms(dataset.train), seed).to(device)
    if execution.compile:
        compile_blocks(module)
    order = BatchOrder(torch.from_numpy(dataset.train.ids), settings.batch, seed, cutter.shards)
    probe = make_probe(module, cutter, dataset, order, config, seed)
    task = PretrainTask(
        module, cutter, dataset, settings.augment, teacher_momentum(config.teacher, settings.steps), seed, probe
    )
    command = resume_command("pretrain", config.system, dataset.arguments, folder)
    optimizer, title = build_optimizer(module, settings), f"pretrain {config.system}"
    seconds = fit(task, order, optimizer, settings, execution, folder, title, seed, command)
    held_out = held_out_losses(module, cutter, torch.from_numpy(dataset.test.ids), execution.precision)
    examples = make_examples(dataset, cutter, seed, _rebuild_by(module, seed))
    size = median_coordinate_rms(dataset.train)
    if not distributed.is_main_process():
        return {}
    costs = Costs().with_stage(
        PRETRAIN,
        steps=settings.steps,
        seconds=seconds,
        epochs=order.epoch(settings.steps),
        device=device,
        held_out=held_out | {"split": dataset.split},
        encoder=module.student,
        pretrain=module,
    )
    run: dict[str, Any] = about | {
        **costs.of_run(PRETRAIN),
        "visible_tokens": module.visible(config.segments, len(dataset.skeleton.joints)).count,
        "collapse": collapse_warning(read_log(folder)),
        "probes": {name: value for name, value in read_log(folder)[-1].items() if name in frozen_protocols()},
        **provenance(device, execution.precision),
    }
    card = ModelCard.of(config, dataset, kind="pretrained", classes=(), seed=seed, costs=costs, size=size)
    save_model(folder / "model", card, module.state_dict(), set(dataset.train.digests))
    write_examples(folder, examples)
    write_json(folder / "run.json", run)
    return run
