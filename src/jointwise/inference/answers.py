"""What a model says of clips: the probabilities of its classes, and why a clip shows none of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from jointwise.data.clips import Clips
from jointwise.data.dataset import Part
from jointwise.data.movement import movement, outside
from jointwise.data.sequence import Sequence
from jointwise.errors import ReadError
from jointwise.evaluation.calibration import calibrate
from jointwise.inference.inputs import Inputs
from jointwise.inference.many import Recording, batched, join_clips, label_places
from jointwise.training.model_card import Calibration, ModelCard

NONE = "none of these"  # the answer to a recording that shows none of the classes
# Weights of NONE beside all classes together. A probability below the threshold is a doubt: the threshold is that of
# whole recordings, and many a window that lies between two actions is below it (lab/LOG.md).
SURE = 999.0  # movement tells it
_DOUBT = 1.0  # no class reaches the threshold
_HARDLY = 0.001  # nothing speaks for it


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
        none: Weight of none of them beside `probabilities`, which sum to 1.
    """

    probabilities: npt.NDArray[np.float64]
    reason: str = ""
    none: float = _HARDLY

    @property
    def with_none(self) -> npt.NDArray[np.float64]:
        """(K + 1,) probabilities of the classes, and of none of them: what answers in a row are weighed by."""
        return np.append(self.probabilities, self.none) / (1 + self.none)

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
    """A classifier that answers for clips: the one place where logits become probabilities, or none of the classes.

    Args:
        card: What the model is.
        classifier: From persons to logits, in evaluation mode.
        taught: Names of actions that it was taught by example; their logits come last.
    """

    def __init__(self, card: ModelCard, classifier: nn.Module, taught: tuple[str, ...] = ()) -> None:
        self.card = card
        self._classifier = classifier
        self._taught = taught

    @property
    def classes(self) -> tuple[str, ...]:
        """(K,) names of the classes."""
        return (*self.card.classes, *self._taught)

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
        return [self._answer(row, sequence) for row, sequence in zip(self.logits(clips), sequences, strict=True)]

    @torch.no_grad()
    def logits(self, clips: list[Clips]) -> Tensor:
        """The logits (n, K) of a few clips.

        Args:
            clips: n batches of one clip each.
        """
        logits: Tensor = self._classifier(join_clips(clips)).float()
        return logits

    def calibrate(
        self, inputs: Inputs, recordings: Part | list[Recording], labels: list[str] | None = None
    ) -> Calibration:
        """Fits temperature and threshold to labelled recordings, and answers by them from now on.

        Args:
            inputs: What the model takes.
            recordings: As `Recognizer.calibrate` takes them.
            labels: As `Recognizer.calibrate` takes them.

        Returns:
            What was found; it replaces an earlier calibration in `card`.
        """
        true = label_places(recordings, labels, self.classes)
        clips = (inputs.clip(inputs.sequence(recording)) for recording in recordings)
        logits = torch.cat([self.logits(some) for some in batched(clips, 32)])
        found = calibrate(logits.cpu().numpy(), true, "own recordings")
        self.card = replace(self.card, calibration=found)
        return found

    def _answer(self, logits: Tensor, sequence: Sequence) -> Answer | ReadError:
        found = self.card.calibration
        try:
            scaled = check_finite(logits, sequence.source) / (found.temperature if found else 1.0)
        except ReadError as error:
            return error
        probabilities = scaled.softmax(-1).cpu().double().numpy()
        known = self.card.movement
        unmoved = outside(movement(sequence), known) if known else None
        reason = unmoved or unlike_any(probabilities, self.classes, found)
        return Answer(probabilities, reason or "", SURE if unmoved else _DOUBT if reason else _HARDLY)


def predictions(
    inputs: Inputs, answers: Answers, recordings: list[Recording], reading: Mapping[str, Any] | None = None
) -> list[Prediction | ReadError]:
    """Name the actions of a few recordings at once.

    Args:
        inputs: Makes clips of them.
        answers: The classifier.
        recordings: As `Recognizer.predict` takes them, without folders.
        reading: What is said of files, as `jointwise.read` takes it; None: nothing.

    Returns:
        The prediction of each, or the error that says why there is none.
    """
    failed: list[ReadError | None] = []
    clips: list[Clips] = []
    sequences: list[Sequence] = []
    for recording in recordings:
        try:
            sequence = inputs.sequence(recording, reading)
            clips.append(inputs.clip(sequence))
            sequences.append(sequence)
            failed.append(None)
        except ReadError as error:
            failed.append(error)
    named = (
        answer if isinstance(answer, ReadError) else answer.prediction(answers.classes, sequence)
        for answer, sequence in zip(answers.of(clips, sequences), sequences, strict=True)
    )
    return [error or next(named) for error in failed]


def unlike_any(
    probabilities: npt.NDArray[np.float64], classes: tuple[str, ...], calibration: Calibration | None
) -> str | None:
    """Why a clip resembles none of the classes; None where it may show one.

    Args:
        probabilities: (K,) of the classes.
        classes: (K,) their names.
        calibration: What held-out clips told; None: nothing was held out, so nothing is known.

    Returns:
        A sentence.
    """
    most = float(probabilities.max())
    if calibration is None or most >= calibration.threshold:
        return None
    return (
        f"The clip resembles none of the actions: the likeliest, {classes[int(probabilities.argmax())]}, has "
        f"{100 * most:.0f} %, where {100 * (1 - calibration.rejected):.0f} % of held-out clips have "
        f"{100 * calibration.threshold:.0f} % or more."
    )


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
