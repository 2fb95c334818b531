"""The seam of pre-training: what an objective is, and what it hands over.

A new objective is one class of this kind, one line in `jointwise.model.build.OBJECTIVES`, and one YAML file of a system
that names it (`objective: …`). `docs/how-to/add-an-objective.md` walks through it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from torch import Tensor, nn

from jointwise.config.schema import Config
from jointwise.data.clips import Clips, Persons
from jointwise.data.randomness import Draws
from jointwise.data.skeletons import Skeleton
from jointwise.model.encoders import Completion, Encoder
from jointwise.model.losses import BatchSum, whole_batch


@dataclass
class Watched:
    """Features that must not collapse, for the collapse watch; without gradient.

    Args:
        spread: Scalar, mean over features of their standard deviation over the tokens of the batch.
        pooled: (B, D) features, mean over the valid tokens and persons of each clip.
        momentum: α of the moving average that these features come from; None where it is none.
    """

    spread: Tensor
    pooled: Tensor
    momentum: float | None = None


@dataclass
class Losses:
    """The losses of one batch. Where it is only a share of a batch, each scalar is what it adds to the whole batch's.

    Args:
        total: Scalar that is minimised.
        parts: Scalars without gradient, one for each key of `Objective.PARTS`; 0 for a part that a system has not.
        watched: What the collapse watch looks at; None where nothing can collapse.
    """

    total: Tensor
    parts: dict[str, Tensor]
    watched: Watched | None = None


@dataclass
class Rebuilt:
    """What an objective makes of a few clips, for the report.

    Args:
        seen: (P, T, V) bool, which joints the student sees.
        joints: (P, T, V, C) rebuilt coordinates in the unit of the data; None where it rebuilds none.
    """

    seen: Tensor
    joints: Tensor | None


class Objective(nn.Module, ABC):
    """What an encoder is pre-trained with.

    A base class and not a protocol, because the training loop also needs what every `nn.Module` has: parameters, state,
    device and mode. Checkpoints hold the encoder under `student.`, whatever the objective.

    Args:
        encoder: The network that is kept and fine-tuned.
    """

    PARTS: ClassVar[Mapping[str, str]]
    """The parts of its loss: key in metrics.jsonl, run.json and results -> short title in tables and charts."""

    def __init__(self, encoder: Encoder) -> None:
        super().__init__()
        self.student = encoder

    @classmethod
    def check(cls, config: Config) -> None:
        """Check that an objective can serve the settings, before data is loaded; by default it serves all.

        Args:
            config: All settings.

        Raises:
            ConfigError: It cannot; says which setting to change.
        """

    @classmethod
    @abstractmethod
    def build(cls, config: Config, skeleton: Skeleton, coordinates: int, coordinate_rms: float) -> Self:
        """Build the objective of a config. Random weights come from torch's global generator, which is seeded.

        Args:
            config: All settings.
            skeleton: Joints of the clips.
            coordinates: Coordinates per joint, C.
            coordinate_rms: Root mean square of the coordinates of the training part.
        """

    @classmethod
    def joint_decoder(cls, config: Config, skeleton: Skeleton, coordinates: int) -> Completion | None:
        """A decoder, without trained weights, that a pre-training left fit to predict hidden joints.

        Its weights stand under `decoder.` in the model, and `coordinate_scale` beside them.

        Args:
            config: All settings of the pre-training.
            skeleton: Joints of the clips.
            coordinates: Coordinates per joint, C.

        Returns:
            The decoder; None for an objective or settings that train none.
        """
        return None

    @property
    def encoder(self) -> Encoder:
        """The network that is kept and fine-tuned."""
        return self.student

    @abstractmethod
    def losses(self, persons: Persons, clips: Clips, draws: Draws, batch_sum: BatchSum = whole_batch) -> Losses:
        """The losses of a batch, or of the share of it that this process has.

        Args:
            persons: The persons of the clips, packed.
            clips: B clips.
            draws: Random numbers of the clips. A second draw of the same shape gives the same numbers.
            batch_sum: Adds a sum over the share up to the sum over the whole batch, for means.
        """

    def after_step(self, step: int) -> None:
        """Called after each optimiser step, to move a teacher, say.

        Args:
            step: Number of the step, from 0.
        """

    def rebuild(self, persons: Persons, clips: Clips, draws: Draws) -> Rebuilt | None:
        """What the report shows of a few clips; None for an objective that hides nothing.

        Args:
            persons: The persons of the clips, packed.
            clips: B clips.
            draws: Random numbers of the clips.
        """
        return None

    def describe(self, segments: int, joints: int) -> dict[str, Any]:
        """Facts for run.json.

        Args:
            segments: Segments per clip, S.
            joints: Joints, V.
        """
        return {}
