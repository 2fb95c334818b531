"""How a user's folder of recordings is split: by its settings, its folders, its subjects, or a share of each class."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from fnmatch import fnmatch
from functools import partial
from pathlib import Path

import numpy as np

from jointwise.data.datasets.folder_settings import SETTINGS, Settings
from jointwise.data.datasets.folder_tree import Tree
from jointwise.data.datasets.source import Index, Split, assign_parts, score_subjects
from jointwise.data.store.reader import ALL, ALL_ABOUT, UNKNOWN, Parts
from jointwise.errors import DataError, unknown

TEST_SHARE = 0.3  # of each class is scored, where subjects are unknown
_SUBJECTS_SHOWN = 5  # that a rule in words names


def choose_splits(
    settings: Settings, tree: Tree, numbers: Mapping[int | str, int], place: Path, index: Index
) -> dict[str, Split]:
    """The one split of a folder.

    The settings decide, then folders `train` and `test`. Without them, every second subject is scored, or a share of
    each class if a subject is unknown. With fewer than two classes nothing is scored.

    Args:
        settings: The settings of the folder.
        tree: What its folders stand for.
        numbers: Number of each subject that the settings name.
        place: `dataset.yaml`, for messages.
        index: (n,) the recordings.

    Returns:
        Name of the split -> split.

    Raises:
        DataError: A subject that the settings want scored is not there.
    """
    if [] in (settings.test_files, settings.test_subjects):
        return {ALL: Split(f"{ALL_ABOUT}, as {SETTINGS} says", _train_all)}
    if settings.test_files:
        about = f"test files named in {SETTINGS}"
        return {"own": Split(about, partial(_test_files, settings.test_files, place))}
    if settings.test_subjects:
        chosen = _test_subjects(settings.test_subjects, numbers, place, index)
        about = f"test subjects named in {SETTINGS}: {', '.join(str(name) for name in settings.test_subjects)}"
        return {"own": Split(about, score_subjects(*chosen))}
    if tree.parts:
        return {"own": Split(f"as the folders say: {tree.about_parts()}", partial(_parts_of_folders, tree))}
    labelled = index[index["label"] != UNKNOWN]
    if len(np.unique(labelled["label"])) < 2:
        return {ALL: Split(ALL_ABOUT, _train_all)}
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


def _train_all(index: Index, _names: list[str]) -> Parts:
    return assign_parts(np.ones(len(index), bool))


def _parts_of_folders(tree: Tree, _index: Index, names: list[str]) -> Parts:
    return np.array([tree.part_of(Path(name)) for name in names], np.int8)


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
