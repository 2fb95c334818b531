"""What a model says of clips: the probabilities of its classes, and why a clip shows none of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from jointwise.data.clips import Clips
from jointwise.data.movement import movement, outside
from jointwise.data.sequence import Sequence
from jointwise.errors import ReadError
from jointwise.inference.many import join_clips
from jointwise.training.model_card import ModelCard

NONE = "none of these"  # the answer to a recording that shows none of the classes


@dataclass(frozen=True)
class Prediction:
    """The action that a recognizer found in one recording.

    Args:
        label: The most probable class; NONE for a recording that shows none of them.
        probability: The probability of the most probable class.
        probabilities: The probabilities of all classes, in descending order.
        source: Where the recording came from.
        assumed: What the file does not say and was taken for granted, as whole sentences.
        reason: Why the answer is NONE, as a sentence; empty where it is a class.
    """

    label: str
    probability: float
    probabilities: dict[str, float]
    source: str
    assumed: tuple[str, ...] = ()
    reason: str = ""


@dataclass(frozen=True)
class Answer:
    """What a model says of one clip.

    Args:
        probabilities: (K,) of its classes.
        reason: Why the clip shows none of them, as a sentence; empty where it may show one.
    """

    probabilities: npt.NDArray[np.float64]
    reason: str = ""

    def prediction(self, classes: tuple[str, ...], sequence: Sequence) -> Prediction:
        """The answer with names.

        Args:
            classes: (K,) names of the classes.
            sequence: The recording that the clip was cut from.
        """
        ranked = sorted(zip(classes, self.probabilities.tolist(), strict=True), key=lambda pair: -pair[1])
        label = NONE if self.reason else ranked[0][0]
        return Prediction(label, ranked[0][1], dict(ranked), sequence.source, sequence.assumed, self.reason)


class Answers:
    """A classifier that answers for clips: the one place where logits become probabilities.

    Args:
        card: What the model is.
        classifier: From persons to logits, in evaluation mode.
        taught: Names of actions that it was taught by example; their logits come last.
    """

    def __init__(self, card: ModelCard, classifier: nn.Module, taught: tuple[str, ...] = ()) -> None:
        self._card = card
        self._classifier = classifier
        self._taught = taught

    @property
    def classes(self) -> tuple[str, ...]:
        """(K,) names of the classes."""
        return (*self._card.classes, *self._taught)

    @torch.no_grad()
    def of(self, clips: list[Clips], sequences: list[Sequence]) -> list[Answer | ReadError]:
        """The answer for each of a few clips.

        Args:
            clips: Batches of one clip each.
            sequences: The prepared recording, or the piece of one, that each was cut from.

        Returns:
            The answer to each, or the error that says why there is none.
        """
        if not clips:
            return []
        logits: Tensor = self._classifier(join_clips(clips)).float()
        return [self._answer(row, sequence) for row, sequence in zip(logits, sequences, strict=True)]

    def _answer(self, logits: Tensor, sequence: Sequence) -> Answer | ReadError:
        try:
            probabilities = check_finite(logits, sequence.source).softmax(-1)
        except ReadError as error:
            return error
        known = self._card.movement
        reason = outside(movement(sequence), known) if known else None
        return Answer(probabilities.cpu().double().numpy(), reason or "")


def check_finite(output: Tensor, source: str) -> Tensor:
    """The output of a network, if it is finite.

    Args:
        output: Any tensor.
        source: The recording, for the message.

    Raises:
        ReadError: It is not finite.
    """
    if not bool(output.isfinite().all()):
        raise ReadError(
            f"{source}: the model's answer is no finite number. A wild coordinate does that (jointwise view FILE shows "
            "it; mark it as not valid), or a model that was damaged."
        )
    return output
