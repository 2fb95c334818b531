"""What `jointwise view` shows: a recording, recordings of a folder, or a clip of each class of a data set."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from jointwise.datasets import DATASETS, load_dataset
from jointwise.datasets.preparing import Watch, unwatched
from jointwise.errors import ConfigError, ReadError, unknown
from jointwise.examples import choose_examples
from jointwise.formats import read, recordings_in
from jointwise.prepare import prepare_sequence
from jointwise.sequence import Sequence
from jointwise.viewer.packing import Clip, recorded

MOST_FILES = 12
MOST_CLASSES = 24


@dataclass(frozen=True)
class Source:
    """What was found at a place: title of its page, clips, and what should be said about them."""

    title: str
    clips: tuple[Clip, ...]
    notes: tuple[str, ...] = ()


def clip_of(sequence: Sequence, title: str | None = None, truth: str | None = None) -> Clip:
    """A recording as a clip of one panel: centred, gaps filled so that missing joints have a place to be drawn faintly.

    Raises ReadError for a recording without any valid person.
    """
    ready = prepare_sequence(sequence)
    panel = recorded("recording", ready.skeleton, ready.positions, ready.validity)
    return Clip(title or ready.source, ready.fps, (panel,), truth)


def find_clips(place: str, watch: Watch = unwatched) -> Source:
    """The clips of a file, of a folder of files, or of a registered data set (one test clip of each class).

    Of many, at most 12 files or 24 classes, evenly chosen. Raises ConfigError when there is nothing of that name,
    ReadError for files that cannot be read.
    """
    if place in DATASETS:
        return _of_dataset(place, watch)
    path = Path(place)
    if path.is_dir():
        return _of_folder(path)
    if not path.exists() and "/" not in place and not path.suffix:
        raise ConfigError(f"{place}: no such file or folder, and {unknown('data set', place, DATASETS)}")
    return Source(path.name, (clip_of(read(path), path.name),))


def _of_folder(folder: Path) -> Source:
    paths = recordings_in(folder)
    if not paths:
        raise ReadError(f"{folder}: no file in this folder, or below it, has a reader. Check the path.")
    chosen = [paths[place] for place in _evenly(len(paths), MOST_FILES)]
    clips = tuple(clip_of(read(path), str(path.relative_to(folder))) for path in chosen)
    note = f"{len(chosen)} of {len(paths)} recordings in this folder, evenly chosen."
    return Source(folder.resolve().name, clips, (note,) if len(chosen) < len(paths) else ())


def _of_dataset(name: str, watch: Watch) -> Source:
    dataset = load_dataset(name, watch=watch)
    part, classes = dataset.test, dataset.classes
    places = choose_examples(part, seed=0, most=min(len(classes), MOST_CLASSES)).tolist()
    clips = tuple(
        clip_of(part[place], f"{classes[part.labels[place]]} · {part.names[place]}", classes[part.labels[place]])
        for place in places
    )
    notes = [f"{len(clips)} clips of the test part, spread over {len(classes)} classes. Split: {dataset.split}."]
    terms = dataset.store.description.terms
    return Source(name, clips, (*notes, *([f"Terms of use of {name}: {terms}."] if terms else [])))


def _evenly(count: int, most: int) -> list[int]:
    """At most `most` of 0 … count - 1, evenly spread."""
    return np.linspace(0, count - 1, min(count, most)).round().astype(int).tolist()
