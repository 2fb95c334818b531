"""The models that the page asks: one that names what is seen, and one that is compared with it."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

from jointwise.data.centring import prepare_sequence
from jointwise.data.cleaning import CLEANING
from jointwise.data.sequence import Sequence
from jointwise.errors import CheckpointError, JointwiseWarning
from jointwise.report.viewer import Answer, Clip, answers_of, no_answer
from jointwise.report.viewer.sources import timeline_of

if TYPE_CHECKING:
    from jointwise.inference.recognizer import Recognizer

Made = TypeVar("Made")


class Models:
    """The models that the page asks. One question is answered at a time; streams do not wait.

    Args:
        names: Folders of fine-tuned runs, or of their models: what names, and what is compared with it; may be empty.

    Raises:
        CheckpointError: There is no model in a folder, or it has no names of actions.
    """

    def __init__(self, names: tuple[str, ...] = ()) -> None:
        self.names = names
        self._lock = threading.Lock()
        self._recognizers = [_open(name) for name in names]

    @property
    def recognizer(self) -> Recognizer | None:
        """The model that names what is seen; None without one."""
        return self._recognizers[0] if self._recognizers else None

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of its actions; empty without a model."""
        return self.recognizer.classes if self.recognizer else ()

    def about(self) -> list[dict[str, Any]]:
        """What the models are, as plain values."""
        return [
            {
                "name": name,
                "system": one.card.system,
                "data": one.card.data,
                "terms": one.card.terms,
                "classes": list(one.classes),
                "joints": one.card.skeleton.name,
            }
            for name, one in zip(self.names, self._recognizers, strict=True)
        ]

    def cleaned(self, recording: Sequence) -> Sequence:
        """A recording with the persons that the first model sees, prepared to be shown.

        Args:
            recording: As read.

        Raises:
            ReadError: Nobody is in it.
        """
        clean = CLEANING[self.recognizer.card.cleaning if self.recognizer else "none"]
        return prepare_sequence(clean(recording).sequence)

    def clip(self, make: Callable[[Callable[..., Clip]], Made]) -> tuple[Made, list[str]]:
        """Makes something that asks the models.

        Args:
            make: Takes what adds the answers to a clip.

        Returns:
            What it made, and what the models warned of.
        """
        with self._lock, heard() as said:
            return make(self._ask), said

    def _ask(self, clip: Clip, recording: Sequence, ready: Sequence) -> Clip:
        """The clip with what the models say."""
        if not self._recognizers:
            return no_answer(clip, recording, ready)
        clip = answers_of(self._recognizers[0], self.names[0])(clip, recording, ready)
        for name, other in zip(self.names[1:], self._recognizers[1:], strict=True):
            answer = Answer(name, tuple(other.predict(recording).probabilities.items()))
            clip = replace(
                clip,
                answers=(*clip.answers, answer),
                compared=(*clip.compared, (name, timeline_of(other, ready))),
            )
        return clip


def _open(name: str) -> Recognizer:
    """A model that has names of actions."""
    from jointwise.inference.recognizer import Recognizer  # torch takes its time, and a page without model needs none

    recognizer = Recognizer.from_pretrained(name)
    if not recognizer.classes:
        raise CheckpointError(
            f"{name}: this model is pre-trained only and names no actions. Fine-tune it first: jointwise finetune "
            f"{name} --data DATA; or leave it out: jointwise serve shows recordings without a model as well."
        )
    return recognizer


@contextmanager
def heard() -> Iterator[list[str]]:
    """The warnings of jointwise in the block, each once, in place of lines on stderr."""
    said: list[str] = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("ignore")
        warnings.simplefilter("always", JointwiseWarning)
        try:
            yield said
        finally:
            said += dict.fromkeys(str(one.message) for one in caught)
