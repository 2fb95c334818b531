"""Many recordings at once: what a list or a folder holds, batches of them, and one error about all that failed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import torch

from jointwise.data.clips import Clips, Persons
from jointwise.data.dataset import Part
from jointwise.data.formats import known_names, recordings_in
from jointwise.data.sequence import Sequence
from jointwise.errors import ConfigError, ReadError, group_messages, unknown

Item = TypeVar("Item")
Recording = Sequence | npt.NDArray[np.floating] | str | Path


def unusable(errors: list[ReadError], count: int) -> ReadError:
    """The error about several recordings.

    Args:
        errors: One for each recording that cannot be used.
        count: Number of all recordings.
    """
    return ReadError(f"{len(errors)} of {count} recordings cannot be used:\n{group_messages(map(str, errors))}")


def recordings_of(recording: object) -> list[Recording] | None:
    """The recordings of a list or folder; None for a single recording."""
    if isinstance(recording, list | tuple) and all(
        isinstance(item, Sequence | np.ndarray | str | Path) for item in recording
    ):
        return list(recording)
    if not isinstance(recording, str | Path) or not Path(recording).is_dir():
        return None
    inside = recordings_in(recording)
    if not inside:
        raise ReadError(f"{recording}: no recording in this folder. Known files: {known_names()}.")
    return None if inside == [Path(recording)] else [*inside]


def label_places(
    recordings: Part | list[Recording], labels: list[str] | None, classes: tuple[str, ...]
) -> npt.NDArray[np.int64]:
    """The classes of labelled recordings.

    Args:
        recordings: A part of a data set, or a list.
        labels: (n,) names of their classes; None: a part has names, Sequences have places in `classes`.
        classes: (K,) names of the classes of a model.

    Returns:
        (n,) places in `classes`.

    Raises:
        ConfigError: A label is missing, or is none of the classes.
    """
    if labels is None and isinstance(recordings, Part):
        names = recordings.store.description.classes
        labels = [names[label] if label >= 0 else "" for label in recordings.labels]
    if labels is None:
        own = [recording.label if isinstance(recording, Sequence) else None for recording in recordings]
        labels = ["" if label is None or not 0 <= label < len(classes) else classes[label] for label in own]
    if len(labels) != len(recordings):
        raise ConfigError(f"{len(labels)} labels for {len(recordings)} recordings. Give one name for each.")
    for place, label in enumerate(labels):
        if label not in classes:
            raise ConfigError(f"recording {place}: " + (unknown("class", label, classes) if label else "no label."))
    return np.array([classes.index(label) for label in labels], np.int64)


def batched(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    """Pass items on in lists of at most `size`, as `itertools.batched` of Python 3.12 does."""
    waiting = iter(items)
    while some := list(islice(waiting, size)):
        yield some


def join_clips(clips: list[Clips]) -> Persons:
    """The valid persons of several clips as one batch."""
    packed = [clip.persons() for clip in clips]
    if len(packed) == 1:
        return packed[0]
    return Persons(
        torch.cat([persons.positions for persons in packed]),
        torch.cat([persons.valid for persons in packed]),
        torch.cat([persons.clip + place for place, persons in enumerate(packed)]),
        torch.cat([persons.slot for persons in packed]),
        len(packed),
    )
