"""A user's folder as a data set: `DIR/<class>/<any readable file>`, with an optional `DIR/dataset.yaml`.

Recordings in the folder itself, or below a folder `_unlabelled`, have no class.
"""

from __future__ import annotations

import hashlib
import os
import re
import shlex
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from jointwise.data.conventions import METRES, convert
from jointwise.data.datasets.folder_settings import SETTINGS, Settings, layout_from, read_settings
from jointwise.data.datasets.folder_splits import choose_splits
from jointwise.data.datasets.folder_tree import UNLABELLED, Tree, tree_of
from jointwise.data.datasets.labels_file import number_or_name, read_labels
from jointwise.data.datasets.source import DataSource, Recordings, file_size, file_stamp
from jointwise.data.formats import known_names, read, recordings_in
from jointwise.data.layouts import Layout
from jointwise.data.mapping import on_layout
from jointwise.data.sequence import Sequence
from jointwise.data.skeletons import MAX_JOINTS, MIN_JOINTS, skeleton_of
from jointwise.data.store.reader import Description
from jointwise.errors import DataError, ReadError

_RECORDINGS_SAMPLED = 9  # from which the layout of the data set is taken
HELP = (
    "jointwise expects FOLDER/<class>/<recording>: one folder per class, named like the class, with files of the kinds "
    f"{known_names()} in it"
)


def name_from_path(path: Path) -> str:
    """The name of a user's folder or file in runs and results: its own name, without the ending of a file."""
    return re.sub(r"[^\w.-]+", "-", path.stem if path.is_file() else path.name)


def revision_of(path: Path) -> str:
    """Fingerprint a folder by the names, sizes and times of its files, without reading them.

    Args:
        path: A folder of recordings, or a prepared file.

    Returns:
        16 hexadecimal digits. They change when a recording or `dataset.yaml` is added, removed or replaced.

    Raises:
        DataError: `dataset.yaml` is wrong, or it cannot be told which folders are the classes.
    """
    files, tree = [path], Tree()
    if path.is_dir():
        settings = read_settings(path / SETTINGS)
        recordings = recordings_in(path)
        tree = _tree(path, [file.relative_to(path) for file in recordings], settings)
        files = [*recordings, *path.glob(SETTINGS), *([path / settings.labels] if settings.labels else [])]
    if path.suffix.lower() == ".npy":  # its other part and its labels lie beside it
        files += sorted(file for file in path.parent.iterdir() if file.suffix in (".npy", ".pkl") and file != path)
    listed = hashlib.sha256(b"" if tree == Tree() else str(tree).encode())  # what was a class before may be none
    for file in files:
        place = file.relative_to(path) if file.is_relative_to(path) else Path(file.name)
        unlabelled = " unlabelled" if UNLABELLED in place.parts else ""  # it was a class before version 0.2
        listed.update(os.fsencode(place) + f" {file_stamp(file)}{unlabelled}\n".encode())
    return listed.hexdigest()[:16]


def _tree(path: Path, places: list[Path], settings: Settings) -> Tree:
    """What the folders stand for; nothing where a table of labels says the classes."""
    return Tree() if settings.labels else tree_of(path, places, settings.class_level)


def _named_subjects(settings: Settings, names: list[str], path: Path) -> dict[str, int | str]:
    """Name of a recording -> the subject that the pattern finds in it; empty without a pattern."""
    if settings.subject_pattern is None:
        return {}
    found = {name: re.search(settings.subject_pattern, name) for name in names}
    texts = {name: match[1] if match else None for name, match in found.items()}
    for name, text in texts.items():
        if text is None:  # the group may be one that need not take part, as in S(9)?
            raise DataError(
                f"{path / SETTINGS}: subject_pattern '{settings.subject_pattern}' finds no subject in '{name}'. Change "
                "the pattern, or move the file away."
            )
    return {name: number_or_name(text) for name, text in texts.items() if text is not None}


@dataclass(frozen=True)
class _Item:
    """A recording: its file, and the label and subject that follow from its place in the folder."""

    path: Path
    label: int | None
    subject: int | None


@dataclass(frozen=True)
class _Stated:
    """What `dataset.yaml` says of all recordings, None where it says nothing."""

    fps: float | None
    units: str | None
    up: str | None
    flat: str | None = None  # the unit that 2D recordings must have, where it is known


def _stamp(stated: _Stated, item: _Item) -> str:
    """Text that changes with the file, its place in the folder or the settings."""
    axes = f" {stated.units} {stated.up}" if stated.units or stated.up else ""
    return f"{file_stamp(item.path)} {item.label} {item.subject} {stated.fps}{axes}"


def _size(item: _Item) -> int:
    return file_size(item.path)


def _read_item(layout: Layout | None, stated: _Stated, item: _Item) -> Sequence:
    """Read a recording. The folder and its settings take precedence over what the file says."""
    read_file = partial(read, item.path, fps=stated.fps, units=stated.units, up=stated.up)
    try:
        sequence = read_file()
    except ReadError:  # of a file whose joints have no names, the layout may be all that is missing
        if layout is None:
            raise
        sequence = read_file(layout=skeleton_of(layout))
    sequence = replace(sequence, label=item.label)
    if item.subject is not None:
        sequence = replace(sequence, subject=item.subject)
    if layout:
        sequence = on_layout(sequence, skeleton_of(layout), layout.aliases)
    if sequence.positions.shape[-1] == 2:
        return _with_unit(sequence, stated.flat)
    return _in_metres(sequence, "y" if layout is None or layout.up is None else "xyz"[layout.up])


def _with_unit(sequence: Sequence, unit: str | None) -> Sequence:
    """A 2D recording; ReadError where its unit is known and another one: pixels and parts of an image are not alike."""
    if unit is not None and sequence.units not in (None, unit):
        words = {"px": "pixels", "image": "parts of the image"}
        own, others = (words.get(name, name) for name in (sequence.units or "", unit))
        raise ReadError(
            f"{sequence.source}: coordinates are {own}, those of the others {others}. Convert it with the size of its "
            "image: jointwise convert FILE --image-size 1920x1080 --out FOLDER; or leave it out."
        )
    return sequence


def _in_metres(sequence: Sequence, up: str) -> Sequence:
    """A 3D recording in metres, turned to the axis that points up. What is not known of it stays as it is."""
    return convert(sequence, "m" if sequence.units in METRES else None, up if sequence.up is not None else None)


def source_of(path: Path) -> DataSource:
    """Describe the data set in a folder.

    Args:
        path: The folder, with one folder for each class, or with recordings that have none.

    Returns:
        The description of the data set, its recordings and splits.

    Raises:
        DataError: There are no recordings, the settings are wrong, none of the first files can be read, or they have
            too few or too many joints.
    """
    settings = read_settings(path / SETTINGS)
    files = {file.relative_to(path).as_posix(): file for file in recordings_in(path)}
    if not files:
        arrays = sorted(path.glob("*_data*.npy"))  # of ST-GCN and alike
        command = shlex.join(["jointwise", "prepare", *map(str, arrays[:1])])
        hint = f" The arrays in it are a data set by themselves: {command}." if arrays else ""
        raise DataError(f"no recordings in {path}. {HELP}.{hint}")
    listed = read_labels(path / settings.labels, files) if settings.labels else {}
    tree = _tree(path, [Path(name) for name in files], settings)
    class_names = {
        name: listed[name].label if name in listed else None if listed else tree.class_of(Path(name)) for name in files
    }
    classes = sorted({name for name in class_names.values() if name is not None})
    labels: dict[str | None, int] = {name: label for label, name in enumerate(classes)}
    subjects = _named_subjects(settings, list(files), path)
    subjects |= {name: row.subject for name, row in listed.items() if row.subject is not None}
    numbers = _subject_numbers(set(subjects.values()))
    items = {
        name: _Item(file, labels.get(class_names[name]), numbers.get(subjects.get(name, "")))
        for name, file in files.items()
    }
    stated = _Stated(settings.fps, settings.units, settings.up)
    named = None if settings.skeleton is None else layout_from(settings.skeleton, path / SETTINGS)
    read_item = partial(_read_item, named, stated)
    typical = _typical_recording(list(items.values()), read_item)
    if typical.positions.shape[-1] == 2:
        read_item = partial(_read_item, named, replace(stated, flat=typical.units))
    layout = skeleton_of(named) if named else typical.skeleton
    if not MIN_JOINTS <= len(layout.joints) <= MAX_JOINTS:
        raise DataError(
            f"{typical.source}: {len(layout.joints)} joints. jointwise works with {MIN_JOINTS} to {MAX_JOINTS} joints."
        )
    description = Description(
        data=name_from_path(path),
        skeleton=layout,
        classes=tuple(classes),
        coordinates=typical.positions.shape[-1],
        cleaning=settings.cleaning or _usual_cleaning(files.values()),
        terms=settings.terms,
        metres=typical.units == "m",
    )
    return DataSource(
        title=str(path.name),
        description=description,
        recordings=lambda _root: Recordings(items, read_item, partial(_stamp, stated), _size),
        splits={},
        choose_splits=partial(choose_splits, settings, tree, numbers, path / SETTINGS),
        count=len(items),
        origin=str(path),
        path=path,
        revision=revision_of(path),
    )


def _usual_cleaning(files: Iterable[Path]) -> str:
    """The cleaning of recordings that a Kinect v2 wrote, where all are; else none."""
    return "clean_ntu" if all(file.suffix.lower() == ".skeleton" for file in files) else "none"


def _subject_numbers(subjects: set[int | str]) -> dict[int | str, int]:
    """Subjects that are all 32-bit integers keep their number; otherwise they are numbered from 1 by name."""
    if all(isinstance(subject, int) and subject < 2**31 for subject in subjects):
        return {subject: int(subject) for subject in subjects}
    return {subject: number for number, subject in enumerate(sorted(subjects, key=str), 1)}


def _typical_recording(items: list[_Item], read_item: Callable[[_Item], Sequence]) -> Sequence:
    """A recording with the most frequent layout of some readable ones, evenly chosen. The data set gets this layout."""
    found: list[Sequence] = []
    errors: list[Exception] = []
    step = max(1, len(items) // _RECORDINGS_SAMPLED)
    for item in [*items[::step], *(item for place, item in enumerate(items) if place % step)]:
        try:
            found.append(read_item(item))
        except Exception as error:  # `prepare` reports it, whatever it is
            errors.append(error)
        if len(found) == _RECORDINGS_SAMPLED:
            break
    if not found:
        raise DataError(f"not one of {len(items)} recordings can be read. The first: {errors[0]}")
    layouts = [(sequence.skeleton, sequence.positions.shape[-1]) for sequence in found]
    return found[layouts.index(Counter(layouts).most_common(1)[0][0])]
