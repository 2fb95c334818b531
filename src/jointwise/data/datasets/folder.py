"""A folder of one's own as a data set: `DIR/<class>/<any readable file>`, with an optional `DIR/dataset.yaml`."""

from __future__ import annotations

import hashlib
import os
import re
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from fnmatch import fnmatch
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from jointwise.data.datasets.source import DataSource, Index, Recordings, Split, file_size, file_stamp, parts
from jointwise.data.formats import FORMATS, read, recordings_in
from jointwise.data.sequence import Sequence
from jointwise.data.skeletons import MAX_JOINTS, MIN_JOINTS, Skeleton, get_skeleton, resolve_layout
from jointwise.data.store.reader import UNKNOWN, Description, Parts
from jointwise.errors import ConfigError, DataError, unknown

SETTINGS = "dataset.yaml"
_NAMED = 5  # subjects that the rule in words names
_LOOKED_AT = 9  # recordings from which the layout of the data set is taken
TEST_SHARE = 0.3  # of each class, where subjects are unknown
HELP = (
    "jointwise expects FOLDER/<class>/<recording>: one folder per class, named like the class, with files of the kinds "
    f"{', '.join(FORMATS)} in it"
)


@dataclass(frozen=True)
class Settings:
    """What `dataset.yaml` may say; every field may be left out.

    skeleton: name of a joint layout, or a mapping with `joints` (names), `bones` (pairs of names), `root`, `up` and
    `lateral` (x, y or z). fps: frames per second of all recordings. test_subjects: who is scored. test_files: patterns
    of the names (`<class>/<file>`) that are scored. subject_pattern: regular expression whose first group, found in
    `<class>/<file>`, is the subject. terms: of use, shown with every model.
    """

    skeleton: str | dict[str, Any] | None = None
    fps: float | None = None
    test_subjects: list[int | str] = field(default_factory=list)
    test_files: list[str] = field(default_factory=list)
    subject_pattern: str | None = None
    terms: str = ""


def data_name(path: Path) -> str:
    """What a folder or file of one's own is called in runs and results: its name without ending."""
    return re.sub(r"[^\w.-]+", "-", path.stem if path.is_file() else path.name)


def revision_of(path: Path) -> str:
    """Changes when a file in the folder (or the file itself) is added, removed or replaced, or the settings change."""
    files = [*recordings_in(path), *path.glob(SETTINGS)] if path.is_dir() else [path]
    listed = hashlib.sha256()
    for file in files:
        about = file.stat()
        listed.update(os.fsencode(file.relative_to(path)) + f" {about.st_size} {about.st_mtime_ns}\n".encode())
    return listed.hexdigest()[:16]


def read_settings(path: Path) -> Settings:
    """The settings in `dataset.yaml`. Raises DataError for anything that is not understood."""
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
    if not isinstance(settings.terms, str):
        raise DataError(f"{path}: terms must be text, not {settings.terms!r}.")
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


def skeleton_from(setting: str | dict[str, Any], path: Path) -> Skeleton:
    """The layout that `skeleton` in dataset.yaml names or spells out. Raises DataError for one that is no layout."""
    axes = {"x": 0, "y": 1, "z": 2}
    try:
        if isinstance(setting, str):
            return get_skeleton(setting)
        content = {"name": "own", "bones": [], "root": None, "up": None, "lateral": None} | setting
        content |= {key: axes[content[key]] for key in ("up", "lateral") if isinstance(content[key], str)}
        return Skeleton.from_json(content)
    except ConfigError as error:
        raise DataError(f"{path}: {error}") from error
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(
            f"{path}: skeleton is not understood ({type(error).__name__}: {error}). Give a layout's name, or a mapping "
            "with joints: [names], bones: [[name, name], …], root: name, up: y, lateral: x."
        ) from error


def _class_folders(path: Path) -> dict[str, list[Path]]:
    """Class name -> its recordings. Raises DataError for a folder that is not laid out as a data set."""
    inside = {folder.name: recordings_in(folder) for folder in sorted(path.iterdir()) if folder.is_dir()}
    classes = {name: files for name, files in inside.items() if files and not name.startswith(".")}
    if not classes:
        found = recordings_in(path)
        what = f"{len(found)} recordings lie in {path} itself" if found else f"no recordings in {path}"
        raise DataError(f"{what}. {HELP}.")
    if len(classes) == 1:
        raise DataError(
            f"{path}: only one class, '{next(iter(classes))}'. A recogniser needs at least two to tell apart. {HELP}."
        )
    return classes


def _named_subjects(settings: Settings, names: list[str], path: Path) -> dict[str, int | str]:
    """Name of a recording -> subject, as the pattern finds it; empty without a pattern."""
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
    """A recording: its file, and what the folder says of it."""

    path: Path
    label: int
    subject: int | None


def _stamp(fps: float | None, item: _Item) -> str:
    """Its file, and what the folder and its settings say of it."""
    return f"{file_stamp(item.path)} {item.label} {item.subject} {fps}"


def _size(item: _Item) -> int:
    return file_size(item.path)


def _read_item(skeleton: Skeleton | None, fps: float | None, item: _Item) -> Sequence:
    """Reads a recording; what the folder and its settings say goes before what the file says."""
    sequence = read(item.path)
    changes: dict[str, Any] = {"label": item.label} | ({"fps": float(fps)} if fps else {})
    changes |= {"subject": item.subject} if item.subject is not None else {}
    changes |= {"skeleton": resolve_layout(skeleton, sequence.skeleton)} if skeleton else {}
    return replace(sequence, **changes)


def source_of(path: Path) -> DataSource:
    """The data set in a folder. Raises DataError when it is not laid out as one, or not one file can be read."""
    settings = read_settings(path / SETTINGS)
    classes = _class_folders(path)
    files = {file.relative_to(path).as_posix(): file for members in classes.values() for file in members}
    subjects = _named_subjects(settings, list(files), path)
    numbers = _numbers(set(subjects.values()))
    labels = {name: label for label, name in enumerate(classes)}
    items = {
        name: _Item(file, labels[name.partition("/")[0]], numbers.get(subjects.get(name, "")))
        for name, file in files.items()
    }
    skeleton = None if settings.skeleton is None else skeleton_from(settings.skeleton, path / SETTINGS)
    read_item = partial(_read_item, skeleton, settings.fps)
    first = _typical(list(items.values()), read_item)
    layout = skeleton or first.skeleton
    if not MIN_JOINTS <= len(layout.joints) <= MAX_JOINTS:
        raise DataError(
            f"{first.source}: {len(layout.joints)} joints. jointwise works with {MIN_JOINTS} to {MAX_JOINTS} joints."
        )
    description = Description(
        data=data_name(path),
        skeleton=layout,
        classes=tuple(classes),
        coordinates=first.positions.shape[-1],
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


def _numbers(subjects: set[int | str]) -> dict[int | str, int]:
    """A number for each subject: its own where all are (short) numbers, else its place in the order of the names."""
    if all(isinstance(subject, int) and subject < 2**31 for subject in subjects):
        return {subject: int(subject) for subject in subjects}
    return {subject: number for number, subject in enumerate(sorted(subjects, key=str), 1)}


def _typical(items: list[_Item], read_item: Callable[[_Item], Sequence]) -> Sequence:
    """A recording of the layout that most have, of the first ones that are not damaged: it is that of the data set."""
    found: list[Sequence] = []
    errors: list[Exception] = []
    for item in items:
        try:
            found.append(read_item(item))
        except Exception as error:  # whatever it is, `prepare` tells of it
            errors.append(error)
        if len(found) == _LOOKED_AT:
            break
    if not found:
        raise DataError(f"not one of {len(items)} recordings can be read. The first: {errors[0]}")
    kinds = [(sequence.skeleton, sequence.positions.shape[-1]) for sequence in found]
    return found[kinds.index(Counter(kinds).most_common(1)[0][0])]


def _choose_splits(settings: Settings, numbers: Mapping[int | str, int], place: Path, index: Index) -> dict[str, Split]:
    """One split: as the settings say; else every second subject; else, with unknown subjects, a share of each class."""
    if settings.test_files:
        about = f"test files named in {SETTINGS}"
        return {"own": Split(about, partial(_test_files, settings.test_files, place))}
    known = sorted(set(index["subject"].tolist()) - {UNKNOWN})
    if settings.test_subjects:
        names = {str(name): number for name, number in (numbers or {number: number for number in known}).items()}
        if not names:
            raise DataError(
                f"{place}: test_subjects: no recording tells its subject. Say where it stands in the names with "
                "subject_pattern, or name test_files instead."
            )
        for subject in settings.test_subjects:
            if str(subject) not in names:
                raise DataError(f"{place}: test_subjects: {unknown('subject', str(subject), names)}")
        chosen = [names[str(subject)] for subject in settings.test_subjects]
        about = f"test subjects named in {SETTINGS}: {', '.join(str(name) for name in settings.test_subjects)}"
    elif len(known) > 1 and (index["subject"] != UNKNOWN).all():
        chosen = known[1::2]
        called = {number: str(name) for name, number in numbers.items()}
        tested = [called.get(number, str(number)) for number in chosen[:_NAMED]] + ["…"] * (len(chosen) > _NAMED)
        about = f"every second subject is scored, {len(chosen)} of {len(known)}: {', '.join(tested)}"
    else:
        some = ", though some recordings tell their subject" if len(known) > 1 else ""
        return {"own": Split(f"{TEST_SHARE:.0%} of each class is scored, drawn by name{some}", _share_of_each_class)}
    return {"own": Split(about, lambda index, _names: parts(~np.isin(index["subject"], chosen)))}


def _test_files(patterns: list[str], place: Path, _index: Index, names: list[str]) -> Parts:
    for pattern in patterns:
        if not any(fnmatch(name, pattern) for name in names):
            raise DataError(f"{place}: test_files: '{pattern}' matches no recording. Names look like '{names[0]}'.")
    return parts(np.array([not any(fnmatch(name, pattern) for pattern in patterns) for name in names]))


def _share_of_each_class(index: Index, names: list[str]) -> Parts:
    """TEST_SHARE of each class, but at least one recording, and never all; which, a hash of their names decides.

    So a recording that is added moves none of the others, but for one of its class where the share grows.
    """
    drawn = np.array([hashlib.sha256(f"split {name}".encode(errors="surrogateescape")).hexdigest() for name in names])
    train = np.ones(len(index), bool)
    for label in np.unique(index["label"]):
        members = np.flatnonzero(index["label"] == label)
        members = members[np.argsort(drawn[members])]
        train[members[: min(max(1, round(TEST_SHARE * len(members))), len(members) - 1)]] = False
    return parts(train)
