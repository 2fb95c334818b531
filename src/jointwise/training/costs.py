"""What a model costs: steps, parameters, time, memory, operations, and the held-out losses that all this bought."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any, NotRequired, TypedDict

import torch
from torch import nn

from jointwise.data.typed_files import convert_as
from jointwise.errors import JointwiseError
from jointwise.model.size import count_parameters
from jointwise.training.provenance import peak_memory

PRETRAIN, FINETUNE = "pretrain", "finetune"
STAGES = (PRETRAIN, FINETUNE)


class Made(TypedDict):
    """What run.json says of the costs of its stage; there is more in it."""

    peak_memory_mb: NotRequired[float | None]
    held_out: NotRequired[dict[str, Any] | None]
    command: NotRequired[str]
    commit: NotRequired[str | None]


@dataclass(frozen=True)
class Costs:
    """What a model took to train, by stage, and what it takes to run.

    Model cards and results hold these fields at their top level, so each keeps its own key there.

    Args:
        steps: Optimiser steps of each stage.
        parameters: Trainable parameters of the `encoder`, and of the whole model of each stage.
        seconds_per_epoch: Seconds per epoch of each stage.
        held_out: Losses of the pre-training on held-out training subjects by part, and `split`, the split with these
            subjects. None where none were held out, or nothing was pre-trained.
        seconds: Seconds of training of each stage; older files know seconds per epoch only.
        memory_mb: Largest memory of the process of each stage, MB.
        clips_per_step: Clips that each step of a stage trains on, unlabelled ones of `semi` included.
        gflops: 10⁹ operations of the forward pass for one clip: of encoder and head, or of a frozen encoder alone.
            None where it was not measured.
    """

    steps: dict[str, int] = field(default_factory=dict)
    parameters: dict[str, int] = field(default_factory=dict)
    seconds_per_epoch: dict[str, float] = field(default_factory=dict)
    held_out: dict[str, Any] | None = None
    seconds: dict[str, float] = field(default_factory=dict)
    memory_mb: dict[str, float] = field(default_factory=dict)
    clips_per_step: dict[str, int] = field(default_factory=dict)
    gflops: float | None = None

    @classmethod
    def from_json(cls, content: Mapping[str, Any], where: str, error: type[JointwiseError]) -> Costs:
        """The costs in a model card or a result; what an older file does not hold stays unknown.

        Args:
            content: Of the file.
            where: The file, for messages.
            error: Raised where they are of another kind.
        """
        known = {name: content[name] for name in COST_KEYS if content.get(name) is not None}
        return convert_as(known, cls, where, error, "Make the file again.")

    def to_json(self) -> dict[str, Any]:
        """The fields of a result file."""
        return asdict(self)

    def to_card(self) -> dict[str, Any]:
        """The fields of a model card: all but `gflops`, which are measured with the head that is judged."""
        content = asdict(self)
        del content["gflops"]
        return content

    def with_stage(
        self,
        stage: str,
        *,
        steps: int,
        seconds: float,
        epochs: float,
        clips: int,
        device: torch.device,
        held_out: dict[str, Any] | None = None,
        **modules: nn.Module,
    ) -> Costs:
        """These costs and those of one more stage, which has just run in this process.

        Steps and seconds of a stage that a run goes on with add up.

        Args:
            stage: One of STAGES.
            steps: Optimiser steps of the stage.
            seconds: Seconds that they took.
            epochs: How often they went through the data.
            clips: Clips of each step.
            device: Where the stage ran; its largest memory so far is read here.
            held_out: Losses of a pre-training on held-out training subjects. A stage after it keeps those that are
                known; a pre-training that goes on from a run does not.
            modules: Networks whose trainable parameters are counted, by name.

        Returns:
            The costs of all stages.
        """
        return replace(
            self,
            steps=self.steps | {stage: self.steps.get(stage, 0) + steps},
            parameters=self.parameters | count_parameters(**modules),
            seconds_per_epoch=self.seconds_per_epoch | {stage: seconds / epochs},
            held_out=held_out if stage == PRETRAIN else self.held_out,
            seconds=self.seconds | {stage: self.seconds.get(stage, 0.0) + seconds},
            memory_mb=self.memory_mb | {stage: peak_memory(device)},
            clips_per_step=self.clips_per_step | {stage: clips},
        )

    def with_gflops(self, gflops: float) -> Costs:
        """These costs, with the operations of the forward pass."""
        return replace(self, gflops=gflops)

    def of_run(self, stage: str) -> dict[str, Any]:
        """The fields of run.json, which describes one stage alone."""
        known = {
            "steps": self.steps.get(stage),
            "parameters": self.parameters,
            "clips_per_step": self.clips_per_step.get(stage),
            "seconds_per_epoch": self.seconds_per_epoch.get(stage),
            "held_out": self.held_out if stage == PRETRAIN else None,
            "peak_memory_mb": self.memory_mb.get(stage),
        }
        return {name: value for name, value in known.items() if value is not None}

    def completed(self, run: Made, stage: str) -> Costs:
        """These costs, with memory and held-out losses from a run.json where a card is older than these fields."""
        if self.memory_mb:
            return self
        memory = run.get("peak_memory_mb")
        return replace(self, held_out=run.get("held_out"), memory_mb={} if memory is None else {stage: memory})


COST_KEYS = tuple(item.name for item in fields(Costs))
