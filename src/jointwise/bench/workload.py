"""What the benchmark computes: clips like those of NTU RGB+D, and a step of each stage in both implementations."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from itertools import islice
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from jointwise.bench.plain import PlainClassifier, PlainMaskedPrediction, plain_optimizer
from jointwise.bench.plain_data import cut_clip
from jointwise.config.layers import make_config
from jointwise.config.schema import Config
from jointwise.data import synthetic
from jointwise.data.centring import prepare_sequence
from jointwise.data.clips import ClipCutter
from jointwise.data.randomness import Draws
from jointwise.data.skeletons import NTU25, unnamed_skeleton
from jointwise.data.store.reader import INDEX
from jointwise.model.build import build_classifier, build_objective
from jointwise.model.masks import MASKS
from jointwise.model.tokens import to_segments
from jointwise.training.batches import BatchOrder
from jointwise.training.device import autocast, compile_blocks
from jointwise.training.optimizer import build_optimizer

CLASSES = 60
PAIRS = 0.18  # share of clips with a second person, as in NTU RGB+D 60: 1.18 persons per clip
SCALE = 0.5  # metres; the value does not affect the cost
MOMENTUM = 0.999  # of the teacher; likewise

Step = Callable[[int], None]


@dataclass(frozen=True)
class Workload:
    """Clips in 3D whose joints are all valid.

    Args:
        clips: Number of clips.
        frames: Frames of each.
        joints: V; the 25 joints of the embedded data are repeated or left out.
        persons: Mean number of persons per clip, from 1 to 2.
        batch: Clips of a step; None: all.
        device: Where the clips are.
    """

    clips: int = 32
    frames: int = 120
    joints: int = 25
    persons: float = 1 + PAIRS
    batch: int | None = None
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))

    @cached_property
    def cutter(self) -> ClipCutter:
        """Sequences of the embedded data set that the clips are cut from."""
        pairs = round(self.clips * (self.persons - 1))
        recordings = [*_recordings(range(20), self.clips - pairs), *_recordings(range(20, 24), pairs)]
        index = np.zeros(len(recordings), INDEX)
        index["persons"] = [len(one) for one in recordings]
        index["frames"] = [one.shape[1] for one in recordings]
        index["row"] = np.cumsum([0, *(one.shape[0] * one.shape[1] for one in recordings[:-1])])
        columns = np.arange(self.joints) % recordings[0].shape[2]
        rows = np.concatenate([one.reshape(-1, *one.shape[2:])[:, columns] for one in recordings]).astype(np.float32)
        skeleton = NTU25 if self.joints == len(NTU25.joints) else unnamed_skeleton(self.joints)
        return ClipCutter(rows, np.ones(rows.shape[:2], bool), index, skeleton, self.frames, self.device)

    @cached_property
    def ids(self) -> Tensor:
        """(B,) places of its sequences."""
        return torch.arange(self.clips)

    def ids_of(self, step: int) -> Tensor:
        """The places of the sequences of a step."""
        return self.ids if self.batch is None else BatchOrder(self.ids, self.batch, 0)[step]

    @cached_property
    def labels(self) -> Tensor:
        """(B,) in [0, CLASSES)."""
        return (self.ids % CLASSES).to(self.device)


def _recordings(actions: Iterable[int], count: int) -> list[npt.NDArray[np.float32]]:
    """Prepared positions (M, T, 25, 3) of generated recordings of some actions; from the first again after the last."""
    sequences = islice(synthetic.generate(cameras=(2,), actions=actions), count)
    different = [prepare_sequence(sequence).positions for sequence in sequences]
    return [different[number % len(different)] for number in range(count)]


def settings(system: str, frames: int = 120, options: Mapping[str, Any] | None = None) -> Config:
    """The settings of a system at the size of NTU RGB+D, which are the defaults.

    Args:
        system: Its name.
        frames: Frames of a clip.
        options: More settings by name.

    Returns:
        The config.
    """
    return make_config(system, options={"clip.frames": frames, **(options or {})})


def descend(optimizer: torch.optim.Optimizer, loss: Tensor) -> None:
    """Take one step of an optimiser down the gradient of a loss."""
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    optimizer.step()


def pretrain_step(workload: Workload, config: Config, precision: str, compiled: bool = False) -> Step:
    """A step of pre-training as `jointwise pretrain` does it: clips, masks, loss, gradient, optimiser, teacher.

    Args:
        workload: The clips.
        config: Of the system.
        precision: `fp32` or `bf16`.
        compiled: Whether the transformer blocks are compiled.

    Returns:
        The step.
    """
    cutter = workload.cutter
    objective = build_objective(config, cutter.skeleton, 3, SCALE, 0).to(workload.device).train()
    if compiled:
        compile_blocks(objective)
    optimizer = build_optimizer(objective, config.pretrain)

    def step(number: int) -> None:
        ids = workload.ids_of(number)
        clips = cutter.random(ids, Draws(ids, 0, "clips", number), **asdict(config.pretrain.augment))
        with autocast(workload.device, precision):
            loss = objective.losses(clips.persons(), clips, Draws(ids, 0, "masks", number)).total
        descend(optimizer, loss)
        objective.after_step(number)

    return step


def finetune_step(workload: Workload, config: Config, precision: str, compiled: bool = False) -> Step:
    """A step of fine-tuning as `jointwise finetune` does it.

    Args:
        workload: The clips.
        config: Of the system.
        precision: `fp32` or `bf16`.
        compiled: Whether the transformer blocks are compiled.

    Returns:
        The step.
    """
    cutter = workload.cutter
    module = build_classifier(config, config.finetune, cutter.skeleton, 3, CLASSES, 0).to(workload.device).train()
    if compiled:
        compile_blocks(module)
    optimizer = build_optimizer(module, config.finetune, config.finetune.layer_decay)

    def step(number: int) -> None:
        ids = workload.ids_of(number)
        clips = cutter.random(ids, Draws(ids, 0, "clips", number), **asdict(config.finetune.augment))
        with autocast(workload.device, precision):
            logits = module(clips.persons()).float()
        loss = functional.cross_entropy(
            logits, workload.labels[clips.ids], label_smoothing=config.finetune.label_smoothing
        )
        descend(optimizer, loss)

    return step


def inference_step(workload: Workload, config: Config, precision: str, compiled: bool = False) -> Step:
    """A step that computes class scores as `jointwise evaluate` and `Recognizer` do.

    Args:
        workload: The clips.
        config: Of the system.
        precision: `fp32` or `bf16`.
        compiled: Whether the transformer blocks are compiled.

    Returns:
        The step.
    """
    cutter = workload.cutter
    module = build_classifier(config, config.finetune, cutter.skeleton, 3, CLASSES, 0).to(workload.device).eval()
    if compiled:
        compile_blocks(module)

    @torch.no_grad()
    def step(_number: int) -> None:
        with autocast(workload.device, precision):
            module(cutter.centre(workload.ids).persons()).float().softmax(-1)

    return step


def plain_clips(workload: Workload, config: Config, number: int) -> tuple[Tensor, Tensor]:
    """Cut random clips one by one, with two person slots each.

    Args:
        workload: The clips.
        config: Of the system, for its augmentation.
        number: Of the step: the seed.

    Returns:
        Positions (B, 2, T, 25, 3) and which slots have a person (B, 2).
    """
    cutter = workload.cutter
    augment = config.pretrain.augment
    generator = torch.Generator().manual_seed(number)
    clips, present = [], []
    assert isinstance(cutter.positions, Tensor)  # no shards
    for first, frames, persons in zip(cutter.first_row, cutter.lengths, cutter.persons, strict=True):
        whole = cutter.positions[first : first + frames * persons].unflatten(0, (int(persons), int(frames)))
        slots = functional.pad(whole, (0, 0) * 3 + (0, 2 - len(whole)))
        clips.append(cut_clip(slots, workload.frames, generator, augment.crop, augment.rotation))
        present.append([True, len(whole) > 1])
    return torch.stack(clips), torch.tensor(present, device=workload.device)


def plain_pretrain_step(workload: Workload, config: Config) -> Step:
    """A step of pre-training by the yardstick, for the clips of `workload` and the system of `config`."""
    joints = workload.joints
    mask = MASKS[config.mask.strategy]
    module = PlainMaskedPrediction(config, joints, 3, SCALE).to(workload.device).train()
    optimizer = plain_optimizer(module, config.pretrain.weight_decay, config.pretrain.lr)
    counts = mask.visible(config.segments, joints, config.mask.ratio)
    grid = counts.grid or (1, counts.count)

    def step(number: int) -> None:
        positions, present = plain_clips(workload, config, number)
        slots = positions.flatten(0, 1)
        segments = to_segments(slots, config.clip.segment)
        noise = torch.rand(len(slots), config.segments + 1, joints + 1).to(workload.device)
        valid = torch.ones(segments.shape[:3], dtype=torch.bool, device=workload.device)
        hidden = mask.draw(segments, valid, noise, counts, torch.zeros(joints, dtype=torch.long))
        descend(optimizer, module(slots, present.flatten(), hidden, grid))
        module.update_teacher(MOMENTUM)

    return step


def plain_finetune_step(workload: Workload, config: Config) -> Step:
    """A step of fine-tuning by the yardstick, for the clips of `workload` and the system of `config`."""
    module = PlainClassifier(config, workload.joints, 3, CLASSES).to(workload.device).train()
    optimizer = plain_optimizer(module, config.finetune.weight_decay, config.finetune.lr)

    def step(number: int) -> None:
        logits = module(*plain_clips(workload, config, number))
        loss = functional.cross_entropy(logits, workload.labels, label_smoothing=config.finetune.label_smoothing)
        descend(optimizer, loss)

    return step


def plain_inference_step(workload: Workload, config: Config) -> Step:
    """A step that computes class scores by the yardstick, for the clips of `workload` and the system of `config`."""
    module = PlainClassifier(config, workload.joints, 3, CLASSES).to(workload.device).eval()

    @torch.no_grad()
    def step(number: int) -> None:
        module(*plain_clips(workload, config, number)).softmax(-1)

    return step
