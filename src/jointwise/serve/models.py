"""The models that the page asks: one that names what is seen, and one that is compared with it."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from jointwise.data.centring import prepare_sequence
from jointwise.data.cleaning import CLEANING
from jointwise.data.sequence import Sequence
from jointwise.errors import CheckpointError, ConfigError, JointwiseWarning, ReadError
from jointwise.inference.windows import usual_window
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
        CheckpointError: There is no model in a folder, or one that is compared names no actions.
    """

    def __init__(self, names: tuple[str, ...] = ()) -> None:
        self.names = names
        self._lock = threading.Lock()
        self._recognizers = [_open(name) for name in names]
        for name, other in zip(names[1:], self._recognizers[1:], strict=True):
            if not names_actions(other):
                raise CheckpointError(f"{name}: this model names no actions, so there is nothing to compare.")

    @property
    def recognizer(self) -> Recognizer | None:
        """The model that names what is seen; None without one."""
        return self._recognizers[0] if self._recognizers else None

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of its actions; empty without a model."""
        return self.recognizer.classes if self.recognizer else ()

    @property
    def together(self) -> bool:
        """Whether the first model names what several persons do together, not each alone."""
        return self.recognizer is not None and self.recognizer.card.together

    def about(self) -> list[dict[str, Any]]:
        """What the models are, as plain values."""
        return [
            {
                "name": name,
                "system": one.card.system,
                "data": one.card.data,
                "terms": one.card.terms,
                "classes": list(one.classes),
                "taught": list(one.taught),
                "names_actions": names_actions(one),
                "joints": one.card.skeleton.name,
                "window": usual_window(one.card.recording_seconds),
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

    def teach(self, name: str, pieces: list[Sequence], keep: bool) -> None:
        """Teaches the first model an action.

        Args:
            name: Its name.
            pieces: Recordings of it.
            keep: Whether it is written into the model folder, too.

        Raises:
            ConfigError: There is no model, the name is taken, or the folder may not be changed.
            JointwiseError: As `Recognizer.enroll` and `Recognizer.save`.
        """
        with self._changing(keep) as recognizer:
            recognizer.enroll(name, list(pieces))

    def forget(self, name: str, keep: bool) -> None:
        """Removes an action that the first model was taught.

        Args:
            name: Its name.
            keep: Whether it is removed from the model folder, too.

        Raises:
            ConfigError: There is no model, it was not taught this, or the folder may not be changed.
            StorageError: The folder cannot be written.
        """
        with self._changing(keep) as recognizer:
            recognizer.forget(name)

    @contextmanager
    def _changing(self, keep: bool) -> Iterator[Recognizer]:
        """The first model, to be changed; saved at the end where that is wanted."""
        from jointwise.inference.enroll import own_folder

        if self.recognizer is None:
            raise ConfigError("there is no model to teach: jointwise serve RUN, or jointwise serve base.")
        with self._lock, heard():
            if keep:
                own_folder(Path(self.names[0]), "Teach it without keeping it, or copy the model first.")
            yield self.recognizer
            if keep:
                self.recognizer.save()

    def _ask(self, clip: Clip, recording: Sequence, ready: Sequence) -> Clip:
        """The clip with what the models say; where a recording does not fit one, that is warned of."""
        if self.recognizer is None or not names_actions(self.recognizer):
            return no_answer(clip, recording, ready)
        with self._told(self.names[0]):
            clip = answers_of(self.recognizer, self.names[0])(clip, recording, ready)
        for name, other in zip(self.names[1:], self._recognizers[1:], strict=True):
            with self._told(name):
                answer = Answer(name, tuple(other.predict(recording).probabilities.items()))
                timeline = timeline_of(other, ready)
                clip = replace(
                    clip,
                    answers=(*clip.answers, answer),
                    compared=(*clip.compared, (short_names(self.names)[name], timeline)),
                )
        return clip

    @contextmanager
    def _told(self, name: str) -> Iterator[None]:
        """Warns where a model cannot answer."""
        try:
            yield
        except ReadError as error:
            warnings.warn(f"{short_names(self.names)[name]} names nothing. {error}", JointwiseWarning, stacklevel=3)


def short_names(names: Iterable[str]) -> dict[str, str]:
    """Names of models as the shortest ends of their paths that tell them apart.

    Args:
        names: Paths of runs, or other names of models.

    >>> short_names(["runs/a/semi-seed0", "runs/b/semi-seed0"])["runs/a/semi-seed0"]
    'a/semi-seed0'
    """
    parts = {name: name.rstrip("/").split("/") for name in names}
    longest = max((len(part) for part in parts.values()), default=1)
    for count in range(1, longest + 1):
        short = {name: "/".join(part[-count:]) for name, part in parts.items()}
        if len(set(short.values())) == len(parts):
            return short
    return {name: name for name in parts}


def _open(name: str) -> Recognizer:
    """A model."""
    from jointwise.inference.recognizer import Recognizer  # torch takes its time, and a page without model needs none

    return Recognizer.from_pretrained(name)


def names_actions(recognizer: Recognizer) -> bool:
    """Whether a model names actions: it was fine-tuned, or taught two of them.

    Args:
        recognizer: The model.
    """
    return bool(recognizer.card.classes) or len(recognizer.taught) > 1


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
