"""A user's folder as a data set: `DIR/<class>/<any readable file>`, with an optional `DIR/dataset.yaml`.

Recordings in the folder itself, or below a folder `_unlabelled`, have no class.
"""

from __future__ import annotations

import hashlib
import os
import re
import shlex
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from fnmatch import fnmatch
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from jointwise.data.cleaning import CLEANING
from jointwise.data.datasets.labels_file import read_labels
from jointwise.data.datasets.source import (
    DataSource,
    Index,
    Recordings,
    Split,
    assign_parts,
    file_size,
    file_stamp,
    score_subjects,
)
from jointwise.data.formats import known_names, read, recordings_in
from jointwise.data.layouts import Layout, load_layout
from jointwise.data.mapping import on_layout
from jointwise.data.sequence import Sequence
from jointwise.data.skeletons import MAX_JOINTS, MIN_JOINTS, skeleton_of
from jointwise.data.store.reader import ALL, ALL_ABOUT, UNKNOWN, Description, Parts
from jointwise.errors import ConfigError, DataError, unknown

SETTINGS = "dataset.yaml"
UNLABELLED = "_unlabelled"  # the folder, at any depth, of recordings without a class
TEST_SHARE = 0.3  # of each class is scored, where subjects are unknown
_SUBJECTS_SHOWN = 5  # that a rule in words names
_RECORDINGS_SAMPLED = 9  # from which the layout of the data set is taken
HELP = (
    "jointwise expects FOLDER/<class>/<recording>: one folder per class, named like the class, with files of the kinds "
    f"{known_names()} in it"
)


@dataclass(frozen=True)
class Settings:
    """The settings in `dataset.yaml`. Every one may be left out.

    Args:
        skeleton: Name of a joint layout, a YAML file that describes one, or a mapping as in such a file: `joints`,
            `bones`, `root`, `up`, `lateral`, `mirror` and `aliases`.
        fps: Frames per second of all recordings.
        test_subjects: Subjects that are scored.
        test_files: Patterns of the names (`<class>/<file>`) that are scored.
        subject_pattern: Regular expression that is searched in `<class>/<file>`. Its first group is the subject.
        labels: A table of labels in the folder, as `labels_file` reads them. Folders then do not count as classes.
        cleaning: What is done to a recording before it is centred, a key of `CLEANING`. None: `clean_ntu` where all
            recordings are .skeleton files, else `none`.
        terms: Terms of use, shown with every model.
    """

    skeleton: str | dict[str, Any] | None = None
    fps: float | None = None
    test_subjects: list[int | str] = field(default_factory=list)
    test_files: list[str] = field(default_factory=list)
    subject_pattern: str | None = None
    labels: str | None = None
    cleaning: str | None = None
    terms: str = ""


def name_from_path(path: Path) -> str:
    """The name of a user's folder or file in runs and results: its own name, without the ending of a file."""
    return re.sub(r"[^\w.-]+", "-", path.stem if path.is_file() else path.name)


def revision_of(path: Path) -> str:
    """Fingerprint a folder by the names, sizes and times of its files, without reading them.

    Args:
        path: A folder of recordings, or a prepared file.

    Returns:
        16 hexadecimal digits. They change when a recording or `dataset.yaml` is added, removed or replaced.
    """
    files = [path]
    if path.is_dir():
        labels = read_settings(path / SETTINGS).labels
        files = [*recordings_in(path), *path.glob(SETTINGS), *([path / labels] if labels else [])]
    if path.suffix.lower() == ".npy":  # its other part and its labels lie beside it
        files += sorted(file for file in path.parent.iterdir() if file.suffix in (".npy", ".pkl") and file != path)
    listed = hashlib.sha256()
    for file in files:
        place = file.relative_to(path) if file.is_relative_to(path) else Path(file.name)
        unlabelled = " unlabelled" if UNLABELLED in place.parts else ""  # it was a class before version 0.2
        listed.update(os.fsencode(place) + f" {file_stamp(file)}{unlabelled}\n".encode())
    return listed.hexdigest()[:16]


def read_settings(path: Path) -> Settings:
    """Read `dataset.yaml`.

    Args:
        path: The file; it may be missing.

    Returns:
        The settings, all at their defaults where there is no file.

    Raises:
        DataError: The file is not YAML, or a setting is unknown or has a value of the wrong kind.
    """
    if not path.is_file():
        return Settings()
    try:
        content = yaml.safe_load(path.read_text("utf-8")) or {}
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise DataError(f"{path}: not readable as YAML ({error}).") from error
    known = {item.name for item in fields(Settings)}
    if not isinstance(content, dict):
        raise DataError(f"{path}: expected a mapping of settings. Known: {', '.join(sorted(known))}.")
    for key in content:
        if key not in known:
            raise DataError(f"{path}: {unknown('setting', str(key), known)}")
    settings = Settings(**content)
    _check_settings(settings, path)
    return settings


def _check_settings(settings: Settings, path: Path) -> None:
    for name, kinds, example in (("test_subjects", int | str, "1, 2"), ("test_files", str, "wave/03.npz")):
        value = getattr(settings, name)
        if not isinstance(value, list) or not all(isinstance(item, kinds) for item in value):
            raise DataError(f"{path}: {name} must be a list, such as [{example}].")
    if settings.labels is not None and not isinstance(settings.labels, str):
        raise DataError(f"{path}: labels must be the name of a CSV file, such as labels.csv, not {settings.labels!r}.")
    if not isinstance(settings.terms, str):
        raise DataError(f"{path}: terms must be text, not {settings.terms!r}.")
    if settings.cleaning is not None and settings.cleaning not in CLEANING:
        raise DataError(f"{path}: {unknown('cleaning', settings.cleaning, CLEANING)}")
    if settings.test_subjects and settings.test_files:
        raise DataError(f"{path}: test_subjects and test_files both say what is scored. Keep one of them.")
    fps = settings.fps
    if fps is not None and (isinstance(fps, bool) or not isinstance(fps, int | float) or not 0 < fps < np.inf):
        raise DataError(f"{path}: fps {settings.fps!r} is not a positive number.")
    if settings.subject_pattern is not None:
        try:
            groups = re.compile(settings.subject_pattern).groups
        except (re.error, TypeError) as error:
            raise DataError(f"{path}: subject_pattern is not a regular expression ({error}).") from error
        if not groups:
            raise DataError(
                f"{path}: subject_pattern '{settings.subject_pattern}' has no group. Put what names the subject in "
                r"parentheses, such as S(\d+)."
            )


def layout_from(setting: str | dict[str, Any], path: Path) -> Layout:
    """The joint layout of the setting `skeleton`.

    Args:
        setting: Name of a layout, a YAML file beside `dataset.yaml`, or a mapping as such a file holds.
        path: `dataset.yaml`, for messages.

    Raises:
        DataError: There is no such layout, or the mapping does not describe one.
    """
    try:
        if isinstance(setting, str) and (path.parent / setting).is_file():
            layout = load_layout(path.parent / setting)
        else:
            layout = load_layout(setting, f"{path}: skeleton")
        skeleton_of(layout)  # checks what is in it
    except ConfigError as error:
        message = str(error)
        raise DataError(message if str(path) in message else f"{path}: skeleton: {message}") from error
    return layout


def class_of(place: Path) -> str | None:
    """The class of a recording, where no table of labels says it: the first folder in its place; None without one.

    Args:
        place: Its path in the folder.

    >>> class_of(Path("wave/monday/03.npz")), class_of(Path("wave/_unlabelled/04.npz")), class_of(Path("05.npz"))
    ('wave', None, None)
    """
    folders = place.parts[:-1]
    return folders[0] if folders and UNLABELLED not in folders else None


def _named_subjects(settings: Settings, names: list[str], path: Path) -> dict[str, int | str]:
    """Name of a recording -> the subject that the pattern finds in it; empty without a pattern."""
    if settings.subject_pattern is None:
        return {}
    found = {name: re.search(settings.subject_pattern, name) for name in names}
    for name, match in found.items():
        if match is None:
            raise DataError(
                f"{path / SETTINGS}: subject_pattern '{settings.subject_pattern}' finds no subject in '{name}'. Change "
                "the pattern, or move the file away."
            )
    texts = {name: match[1] for name, match in found.items() if match}
    return {name: int(text) if text.isdigit() else text for name, text in texts.items()}


@dataclass(frozen=True)
class _Item:
    """A recording: its file, and the label and subject that follow from its place in the folder."""

    path: Path
    label: int | None
    subject: int | None


def _stamp(fps: float | None, item: _Item) -> str:
    """Text that changes with the file, its place in the folder or the settings."""
    return f"{file_stamp(item.path)} {item.label} {item.subject} {fps}"


def _size(item: _Item) -> int:
    return file_size(item.path)


def _read_item(layout: Layout | None, fps: float | None, item: _Item) -> Sequence:
    """Read a recording. The folder and its settings take precedence over what the file says."""
    sequence = read(item.path)
    changes: dict[str, Any] = {"label": item.label}
    if fps:
        changes["fps"] = float(fps)
    if item.subject is not None:
        changes["subject"] = item.subject
    if layout:
        sequence = on_layout(sequence, skeleton_of(layout), layout.aliases)
    return replace(sequence, **changes)


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
    class_names = {
        name: listed[name].label if name in listed else None if listed else class_of(file.relative_to(path))
        for name, file in files.items()
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
    named = None if settings.skeleton is None else layout_from(settings.skeleton, path / SETTINGS)
    read_item = partial(_read_item, named, settings.fps)
    typical = _typical_recording(list(items.values()), read_item)
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
    )
    return DataSource(
        title=str(path.name),
        description=description,
        recordings=lambda _root: Recordings(items, read_item, partial(_stamp, settings.fps), _size),
        splits={},
        choose_splits=partial(_choose_splits, settings, numbers, path / SETTINGS),
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
    """A recording with the most frequent layout of the first readable ones. The data set gets this layout."""
    found: list[Sequence] = []
    errors: list[Exception] = []
    for item in items:
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


def _choose_splits(settings: Settings, numbers: Mapping[int | str, int], place: Path, index: Index) -> dict[str, Split]:
    """The one split of a folder.

    The settings decide. Without them, every second subject is scored, or a share of each class if a subject is unknown.
    With fewer than two classes nothing is scored.
    """
    if settings.test_files:
        about = f"test files named in {SETTINGS}"
        return {"own": Split(about, partial(_test_files, settings.test_files, place))}
    if settings.test_subjects:
        chosen = _test_subjects(settings.test_subjects, numbers, place, index)
        about = f"test subjects named in {SETTINGS}: {', '.join(str(name) for name in settings.test_subjects)}"
        return {"own": Split(about, score_subjects(*chosen))}
    labelled = index[index["label"] != UNKNOWN]
    if len(np.unique(labelled["label"])) < 2:
        return {ALL: Split(ALL_ABOUT, lambda index, _names: assign_parts(np.ones(len(index), bool)))}
    known = sorted(set(labelled["subject"].tolist()) - {UNKNOWN})
    if len(known) > 1 and (labelled["subject"] != UNKNOWN).all():
        chosen = known[1::2]
        name_of = {number: str(name) for name, number in numbers.items()}
        tested = [name_of.get(number, str(number)) for number in chosen[:_SUBJECTS_SHOWN]]
        tested += ["…"] if len(chosen) > _SUBJECTS_SHOWN else []
        about = f"every second subject is scored, {len(chosen)} of {len(known)}: {', '.join(tested)}"
        return {"own": Split(about, score_subjects(*chosen))}
    some = ", though some recordings tell their subject" if len(known) > 1 else ""
    return {"own": Split(f"{TEST_SHARE:.0%} of each class is scored, drawn by name{some}", _share_of_each_class)}


def _test_subjects(subjects: list[int | str], numbers: Mapping[int | str, int], place: Path, index: Index) -> list[int]:
    """The numbers of the subjects that the settings want scored. Raises DataError for one that is not there."""
    known = sorted(set(index["subject"].tolist()) - {UNKNOWN})
    names = {str(name): number for name, number in (numbers or {number: number for number in known}).items()}
    if not names:
        raise DataError(
            f"{place}: test_subjects: no recording tells its subject. Say where it stands in the names with "
            "subject_pattern, or name test_files instead."
        )
    for subject in subjects:
        if str(subject) not in names:
            raise DataError(f"{place}: test_subjects: {unknown('subject', str(subject), names)}")
    return [names[str(subject)] for subject in subjects]


def _test_files(patterns: list[str], place: Path, _index: Index, names: list[str]) -> Parts:
    for pattern in patterns:
        if not any(fnmatch(name, pattern) for name in names):
            raise DataError(f"{place}: test_files: '{pattern}' matches no recording. Names look like '{names[0]}'.")
    return assign_parts(np.array([not any(fnmatch(name, pattern) for pattern in patterns) for name in names]))


def _share_of_each_class(index: Index, names: list[str]) -> Parts:
    """Score TEST_SHARE of each class: at least one recording, and never all.

    A hash of the names decides which ones. So an added recording changes the part of at most one other, of its class.
    """
    hashes = np.array([hashlib.sha256(f"split {name}".encode(errors="surrogateescape")).hexdigest() for name in names])
    train = np.ones(len(index), bool)
    for label in np.setdiff1d(index["label"], [UNKNOWN]):
        members = np.flatnonzero(index["label"] == label)
        members = members[np.argsort(hashes[members])]
        scored = min(max(1, round(TEST_SHARE * len(members))), len(members) - 1)
        train[members[:scored]] = False
    return assign_parts(train)
