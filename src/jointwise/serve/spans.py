"""Labelled spans of recordings: what they must be, and how they are downloaded."""

from __future__ import annotations

import csv
import io
import json
import re
import tempfile
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

from jointwise.data.datasets.folder_settings import SETTINGS
from jointwise.data.datasets.settings_file import describe_folder
from jointwise.data.doctor import examine
from jointwise.data.formats import npz
from jointwise.data.sequence import Sequence
from jointwise.errors import ConfigError, DataError

LABELS = "labels.csv"
_LEAST = 0.04  # seconds of a span
_SLACK = 1e-3  # seconds: times come from the page rounded


@dataclass(frozen=True)
class Span:
    """What one person does from a time to a time.

    Args:
        person: The person's slot in the recording, from 0.
        start: First moment, in seconds from the first frame that is shown.
        end: Last moment.
        label: Name of the action.
        corrected: Whether it was set by hand.
    """

    person: int
    start: float
    end: float
    label: str
    corrected: bool = False


def check_spans(spans: Iterable[Span], recording: Sequence, most: int) -> tuple[Span, ...]:
    """The spans of a recording in order of person and time.

    Args:
        spans: In any order.
        recording: The recording as shown.
        most: Largest number of spans.

    Raises:
        DataError: A span lies outside the recording, ends before it begins, has no label, or overlaps another.
    """
    ordered = sorted(spans, key=lambda span: (span.person, span.start))
    seconds = recording.frames / recording.fps
    if len(ordered) > most:
        raise DataError(f"{len(ordered)} spans, but a recording may have {most} at most.")
    for span in ordered:
        what = f"'{span.label}' of person {span.person}, {span.start:.2f} to {span.end:.2f} s"
        if not span.label.strip() or not span.label.isprintable():
            raise DataError(f"{what}: the label is empty, or has signs that cannot be shown. Name the action.")
        if not 0 <= span.person < recording.persons:
            raise DataError(f"{what}: the recording has the persons 0 to {recording.persons - 1}.")
        if not -_SLACK <= span.start < span.end <= seconds + _SLACK:
            raise DataError(f"{what}: a span begins before it ends, within the {seconds:.2f} s of the recording.")
    for before, after in pairwise(ordered):
        if before.person == after.person and after.start < before.end - _SLACK:
            raise DataError(
                f"person {after.person}: '{before.label}' and '{after.label}' overlap at {after.start:.2f} s. A person "
                "does one action at a time."
            )
    return tuple(replace(span, label=span.label.strip()) for span in ordered)


def around(kept: Iterable[Span], told: Iterable[Span]) -> tuple[Span, ...]:
    """Spans that stay, and others in the time that they leave free.

    Args:
        kept: Those that stay.
        told: The others; what is left of one may be several spans.

    >>> around([Span(0, 1.0, 2.0, "wave")], [Span(0, 0.0, 3.0, "walk")])[1].end
    1.0
    """
    kept = tuple(kept)
    free = []
    for span in told:
        begin = span.start
        for other in sorted((one for one in kept if one.person == span.person), key=lambda one: one.start):
            if begin + _LEAST < other.start:
                free.append(replace(span, start=begin, end=min(span.end, other.start)))
            begin = max(begin, other.end)
        if begin + _LEAST < span.end:
            free.append(replace(span, start=begin))
    return (*kept, *(span for span in free if span.end - span.start >= _LEAST))


def piece_of(recording: Sequence, person: int | None, start: float, end: float) -> Sequence:
    """A span of time of a recording.

    Args:
        recording: The recording.
        person: The one who is kept; None: all.
        start: First moment, in seconds from its first frame.
        end: Last moment.

    Raises:
        DataError: There is no such person, or not a frame in the span.
    """
    begin, stop = max(round(start * recording.fps), 0), min(round(end * recording.fps), recording.frames)
    if stop <= begin:
        raise DataError(
            f"{recording.source}: no frame from {start:.2f} to {end:.2f} s; it has {recording.frames} at "
            f"{recording.fps:g} per second."
        )
    if person is not None and not 0 <= person < recording.persons:
        raise DataError(f"{recording.source}: no person {person}; it has the persons 0 to {recording.persons - 1}.")
    kept = recording if person is None else recording.on_persons([person])
    return kept.on_frames(begin, stop)


def as_json(labelled: Iterable[tuple[Sequence, tuple[Span, ...]]]) -> str:
    """All spans as JSON.

    Args:
        labelled: Recordings with their spans.
    """
    recordings = [
        {
            "file": recording.source,
            "fps": recording.fps,
            "frames": recording.frames,
            "first_frame": recording.begin,
            "spans": [vars(_in_file(span, recording)) for span in spans],
        }
        for recording, spans in labelled
    ]
    return json.dumps({"recordings": recordings}, ensure_ascii=False, indent=2) + "\n"


def as_csv(labelled: Iterable[tuple[Sequence, tuple[Span, ...]]]) -> str:
    """All spans as a table with the columns file, label, person, start and end.

    `jointwise init --from` takes it where every recording has one span.

    Args:
        labelled: Recordings with their spans.
    """
    rows = (
        (recording.source, span.label, span.person, f"{span.start:.3f}", f"{span.end:.3f}")
        for recording, spans in labelled
        for span in (_in_file(one, recording) for one in spans)
    )
    return _table(("file", "label", "person", "start", "end"), rows)


def as_dataset(labelled: Iterable[tuple[Sequence, tuple[Span, ...]]], terms: str = "") -> bytes:
    """A zip archive of a data set: every span as a recording, the table of their labels, and `dataset.yaml`.

    Args:
        labelled: Recordings with their spans.
        terms: Terms of use of the recordings, where they are known.

    Raises:
        ConfigError: There is no span.
    """
    with tempfile.TemporaryDirectory(prefix="jointwise-") as place:
        folder = Path(place)
        (folder / "clips").mkdir()
        rows: list[tuple[str, str]] = []
        for recording, spans in labelled:
            stem = re.sub(r"[^\w.-]+", "_", Path(recording.source).stem)[:60]
            for span in spans:
                name = f"clips/{len(rows) + 1:04d}_{stem}.npz"
                piece = piece_of(recording, span.person, span.start, span.end)
                npz.write(folder / name, replace(piece, label=None))
                rows.append((name, span.label))
        if not rows:
            raise ConfigError("no span has a label yet. Label one, then download the data set.")
        (folder / LABELS).write_text(_table(("file", "label"), rows), "utf-8")
        looks = examine(str(folder)).recordings
        (folder / SETTINGS).write_text(describe_folder(".", looks, LABELS, terms), "utf-8")
        content = io.BytesIO()
        with zipfile.ZipFile(content, "w") as archive:  # .npz is compressed already
            for path in sorted(path for path in folder.rglob("*") if path.is_file()):
                archive.write(path, path.relative_to(folder).as_posix())
    return content.getvalue()


def _in_file(span: Span, recording: Sequence) -> Span:
    """The span in seconds from the first frame of the file."""
    late = recording.begin / recording.fps
    return replace(span, start=round(span.start + late, 3), end=round(span.end + late, 3))


def _table(header: tuple[str, ...], rows: Iterable[tuple[Any, ...]]) -> str:
    content = io.StringIO()
    writer = csv.writer(content, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return content.getvalue()
