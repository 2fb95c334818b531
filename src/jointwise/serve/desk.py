"""What is open on the page: recordings, what models say of them, and their labelled spans. It lives in memory only."""

from __future__ import annotations

import secrets
import threading
from dataclasses import dataclass, field, replace
from typing import Any

from jointwise.data.body_checks import REMEDIES, check_recording
from jointwise.data.doctor import examine, recordings_at
from jointwise.data.examination import Examination
from jointwise.data.findings import Group, group_findings
from jointwise.data.sequence import Sequence
from jointwise.errors import ConfigError, DataError, counted
from jointwise.inference.answers import NONE
from jointwise.report.viewer import clip_of, widget
from jointwise.serve.limits import Limits
from jointwise.serve.models import Models
from jointwise.serve.spans import Span, around, check_spans, piece_of

VIEW_BYTES = 24_000_000  # of the data of a viewer; it comes from this machine, so it may be large
RATES = (0.1, 10_000.0)  # frames per second


class NotOpen(DataError):
    """There is no such recording on the page."""


@dataclass
class Open:
    """A recording that is open.

    Args:
        key: What the page calls it.
        recording: As read.
        ready: As shown: its persons and frames are those that spans count.
        truth: Its class; None if unknown.
        spans: What its persons do: as the model says, until it is corrected.
        notes: What was assumed, and what models warned of.
        html: The viewer; empty until it is asked for.
        terms: Terms of use, where they are known.
    """

    key: str
    recording: Sequence
    ready: Sequence
    truth: str | None = None
    spans: tuple[Span, ...] = ()
    notes: list[str] = field(default_factory=list)
    html: str = ""
    terms: str = ""

    def summary(self) -> dict[str, Any]:
        """What a list of recordings says of it."""
        ready = self.ready
        return {
            "id": self.key,
            "name": self.recording.source,
            "persons": ready.persons,
            "frames": ready.frames,
            "fps": ready.fps,
            "seconds": round(ready.frames / ready.fps, 3),
            "joints": ready.skeleton.name,
            "truth": self.truth,
        }


class Desk:
    """What is open on the page.

    Args:
        models: The models that are asked.
        limits: How much may be open.
        data: A data set that can be browsed; None without one.
    """

    def __init__(self, models: Models, limits: Limits, data: str | None = None) -> None:
        self.models, self.limits, self.data = models, limits, data
        self._open: dict[str, Open] = {}
        self._lock = threading.Lock()
        self._looking = threading.Lock()
        self._examination: Examination | None = None

    def add(self, recording: Sequence, truth: str | None = None) -> Open:
        """Opens a recording.

        Args:
            recording: As read; its source is its name.
            truth: Its class, where that is known.

        Raises:
            ConfigError: Too many are open.
            DataError: It is too long, or has no frame rate that can be meant.
            ReadError: Nobody is in it.
        """
        size = recording.frames * recording.persons
        if size > self.limits.frames:
            raise DataError(
                f"{recording.source}: {recording.frames} frames of {counted(recording.persons, 'person')}, but "
                f"the page takes {self.limits.frames:,} at most, over all persons. Cut it, or name its actions on the "
                "command line: jointwise predict RUN FILE --timeline."
            )
        if not RATES[0] <= recording.fps <= RATES[1]:
            raise DataError(
                f"{recording.source}: {recording.fps:g} frames per second, but the page takes {RATES[0]:g} to "
                f"{RATES[1]:g}. Say the right number under 'What the file does not say'."
            )
        opened = Open(secrets.token_hex(8), recording, self.models.cleaned(recording), truth)
        opened.notes += recording.assumed
        with self._lock:
            if len(self._open) >= self.limits.recordings:
                raise ConfigError(
                    f"{len(self._open)} recordings are open, which is the limit. Close one of them first."
                )
            self._open[opened.key] = opened
        return opened

    def get(self, key: str) -> Open:
        """The recording of a key. Raises NotOpen."""
        with self._lock:
            if key not in self._open:
                raise NotOpen("this recording is not open any more. Open it again.")
            return self._open[key]

    def all(self) -> list[Open]:
        """The recordings, in the order of their opening."""
        with self._lock:
            return list(self._open.values())

    def close(self, key: str) -> None:
        """Closes a recording. Raises NotOpen."""
        self.get(key)
        with self._lock:
            self._open.pop(key, None)

    def view(self, key: str) -> Open:
        """A recording with its viewer.

        Args:
            key: Its key.

        Raises:
            NotOpen: It is not open.
            ReadError: It does not fit a model.
        """
        opened = self.get(key)
        if not opened.html:
            clip, said = self.models.clip(
                lambda ask: clip_of(opened.recording, opened.recording.source, opened.truth, ask)
            )
            if not opened.html:  # nobody else was faster
                told = (
                    Span(int(one.person), max(round(one.start, 3), 0.0), round(one.end, 3), one.label)
                    for one in clip.timeline
                    if one.label != NONE
                )
                opened.spans = around((span for span in opened.spans if span.corrected), told)
                opened.notes = list(dict.fromkeys([*opened.notes, *said]))
                opened.html = str(widget([clip], VIEW_BYTES))
        return opened

    def moment(self, key: str, person: int | None, start: float, end: float) -> tuple[str, list[str]]:
        """A viewer of a span of a recording: the likeliest actions, what they rest on, the nearest training clips.

        Args:
            key: The recording.
            person: Who is looked at; None: all, as always where the model names persons together.
            start: First moment, in seconds.
            end: Last moment.

        Returns:
            The viewer, and what the models warned of.

        Raises:
            NotOpen: It is not open.
            DataError: There is no such person, or no frame.
            ReadError: Nobody is seen there.
        """
        piece = piece_of(self.get(key).ready, None if self.models.together else person, start, end)
        title = f"{piece.source}, {start:.1f} to {end:.1f} s"
        clip, said = self.models.clip(lambda ask: clip_of(piece, title, ask=ask))
        return str(widget([replace(clip, timeline=(), compared=())], VIEW_BYTES)), said

    def label(self, key: str, spans: list[Span]) -> Open:
        """Puts spans in the place of those of a recording.

        Args:
            key: The recording.
            spans: All spans that it is to have.

        Raises:
            NotOpen: It is not open.
            DataError: They are no spans of it.
        """
        opened = self.get(key)
        opened.spans = check_spans(spans, opened.ready, self.limits.spans)
        return opened

    def teach(self, name: str, keep: bool) -> None:
        """Teaches the model an action by all spans that are labelled so.

        Args:
            name: The label.
            keep: Whether it is written into the model folder, too.

        Raises:
            ConfigError: No span is labelled so.
            JointwiseError: As `Models.teach`.
        """
        pieces = [
            piece_of(ready, span.person, span.start, span.end)
            for ready, spans in self.labelled()
            for span in spans
            if span.label == name.strip()
        ]
        if not pieces:
            raise ConfigError(f"no span is labelled '{name}'. Label one to five of them, then teach it.")
        self.models.teach(name.strip(), pieces, keep)
        self._ask_again()

    def forget(self, name: str, keep: bool) -> None:
        """Removes an action that the model was taught; raises what `Models.forget` raises."""
        self.models.forget(name, keep)
        self._ask_again()

    def _ask_again(self) -> None:
        """The model has changed: what it said is asked for again when it is looked at."""
        for one in self.all():
            one.html = ""

    def labelled(self) -> list[tuple[Sequence, tuple[Span, ...]]]:
        """The recordings that were watched, as shown, with their spans."""
        return [(one.ready, one.spans) for one in self.all() if one.spans]

    @property
    def terms(self) -> str:
        """Terms of use of the recordings that have labels."""
        return "; ".join(dict.fromkeys(one.terms for one in self.all() if one.spans and one.terms))

    def findings(self, key: str) -> list[Group]:
        """What a look at a recording finds. Raises NotOpen."""
        return group_findings(check_recording(self.get(key).recording), REMEDIES)

    def examination(self) -> Examination:
        """What `doctor` says of the data set; looked at once.

        Raises:
            ConfigError: There is none.
            JointwiseError: There is nothing to look at.
        """
        if self.data is None:
            raise ConfigError("no data set was named: jointwise serve --data DATA.")
        with self._looking:
            if self._examination is None:
                self._examination = examine(self.data)
            return self._examination

    def add_from_data(self, name: str) -> Open:
        """Opens a recording of the data set.

        Args:
            name: Its name, as the examination says it.

        Raises:
            NotOpen: The data set has no recording of that name.
            JointwiseError: It cannot be read.
        """
        if self.data is None:
            raise ConfigError("no data set was named: jointwise serve --data DATA.")
        found = recordings_at(self.data)
        if name not in found.items:
            raise NotOpen(f"{self.data} has no recording '{name}'.")
        opened = self.add(replace(found.read(found.items[name]), source=name), self.class_of(name))
        source = self.examination().source
        if source is not None and source.description.terms:
            opened.terms = source.description.terms
            opened.notes.append(f"Terms of use of {self.data}: {opened.terms}.")
        return opened

    def class_of(self, name: str) -> str | None:
        """The class of a recording of the data set; None where it has none."""
        examination = self.examination()
        look = next((one for one in examination.recordings if one.name == name), None)
        classes = examination.source.description.classes if examination.source else ()
        known = look is not None and look.label is not None and 0 <= look.label < len(classes)
        return classes[look.label] if known and look is not None and look.label is not None else None
