"""The types of an entry of the registry: its recordings, how each is read, and the rules that split them."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fnmatch import translate
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from jointwise.data.findings import Finding
from jointwise.data.sequence import Sequence
from jointwise.data.store.reader import TEST, TRAIN, UNKNOWN, UNUSED, Description, Parts
from jointwise.errors import DataError

Index = npt.NDArray[np.void]  # (n,) of dtype store.reader.INDEX
SplitRule = Callable[[Index, list[str]], Parts]  # index (n,), names (n,) -> TRAIN, TEST or UNUSED for each (n,)


def file_stamp(path: Path) -> str:
    """Size and modification time of a file, or of all files of a folder, as text: different once one is replaced."""
    try:
        if path.is_dir():
            listed = sorted(f"{file.name} {file_stamp(file)}" for file in path.iterdir() if file.is_file())
            return hashlib.sha256("\n".join(listed).encode(errors="surrogateescape")).hexdigest()[:16]
        status = path.stat()
    except OSError:  # gone, or a broken link: its reader reports it
        return "gone"
    return f"{status.st_size} {status.st_mtime_ns}"


def file_size(path: Path) -> int:
    """Size of a file, or of all files of a folder, in bytes; 0 if it is gone."""
    try:
        if path.is_dir():
            return sum(file_size(file) for file in path.iterdir() if file.is_file())
        return path.stat().st_size
    except OSError:
        return 0


@dataclass(frozen=True)
class Recordings:
    """The recordings found of a data set. They are cheap to list, and each is read on its own.

    Args:
        items: Name -> what `read` takes (mostly a path), in the order of the store. Results and splits know a
            recording by its name, so it must not depend on where the files lie.
        read: Reads one item exactly as its file says. It must be a function of a module or a partial of one, because
            worker processes import it.
        stamp: Item -> text that changes when the recording would be read differently.
        size: Item -> bytes of its file.
        parallel: Whether several processes may read at once.
        ignored: Reason -> files that look like recordings and are not read for it.
    """

    items: Mapping[str, Any]
    read: Callable[[Any], Sequence]
    stamp: Callable[[Any], str] = file_stamp
    size: Callable[[Any], int] = file_size
    parallel: bool = True
    ignored: Mapping[str, list[Path]] = field(default_factory=dict)


@dataclass(frozen=True)
class Split:
    """A rule that says which sequences train and which are scored.

    Args:
        about: The rule in words.
        rule: Index (n,) and names (n,) of the sequences -> the part of each, (n,) of TRAIN, TEST and UNUSED.
    """

    about: str
    rule: SplitRule


@dataclass(frozen=True)
class DataSource:
    """One data set.

    Args:
        title: Its name in texts, such as `NTU RGB+D 60`.
        description: What its store will say about it. `description.data` is the name it is registered under.
        recordings: Folder of the files (None: it needs none) -> its recordings. Raises DataError, saying where the
            files come from, when there are none.
        splits: Name -> split. The first is the default.
        count: Number of sequences in the whole set.
        origin: Where its files can be had.
        skip_lists: Pattern of the files below the root that name bad recordings.
        revision: Changes with what the data set is made from, where that is known without a root.
        choose_splits: Index (n,) -> splits, for a data set whose splits depend on what is found; replaces `splits`.
        path: The user's own folder or file; None for a registered data set.
        findings: What is worth a word about its files and labels, before a recording is read.
    """

    title: str
    description: Description
    recordings: Callable[[Path | None], Recordings]
    splits: Mapping[str, Split]
    count: int
    origin: str
    skip_lists: str = ""
    revision: str = ""
    choose_splits: Callable[[Index], Mapping[str, Split]] | None = None
    path: Path | None = None
    findings: tuple[Finding, ...] = ()

    @property
    def name(self) -> str:
        """The name it is registered under, or the name of the user's folder or file."""
        return self.description.data

    @property
    def address(self) -> str:
        """What `--data` and `jointwise prepare` take."""
        if self.path is None:
            return self.name
        return f"{self.path}/" if self.path.is_dir() else str(self.path)

    def split(self, index: Index, names: list[str]) -> dict[str, tuple[str, Parts]]:
        """Apply every split. A sequence without a label is not scored: where a rule says so, it is unused.

        Args:
            index: (n,) index entries of the sequences.
            names: (n,) names of the sequences.

        Returns:
            Name of the split -> (its rule in words, the part of each sequence (n,)).
        """
        splits = self.choose_splits(index) if self.choose_splits else self.splits
        parts = {name: split.rule(index, names) for name, split in splits.items()}
        unlabelled = index["label"] == UNKNOWN
        return {
            name: (splits[name].about, np.where(unlabelled & (part == TEST), np.int8(UNUSED), part))
            for name, part in parts.items()
        }


def assign_parts(train: npt.NDArray[np.bool_], test: npt.NDArray[np.bool_] | None = None) -> Parts:
    """Turn masks into the parts of a split.

    Args:
        train: (n,) the sequences that train.
        test: (n,) the sequences that are scored; None: all others.

    Returns:
        (n,) TRAIN, TEST, or UNUSED where neither.
    """
    scored = ~train if test is None else test
    return np.where(train, TRAIN, np.where(scored, TEST, UNUSED)).astype(np.int8)


def train_on_subjects(*subjects: int) -> SplitRule:
    """The rule under which these subjects train and all others are scored."""
    return lambda index, _names: assign_parts(np.isin(index["subject"], subjects))


def score_subjects(*subjects: int) -> SplitRule:
    """The rule under which these subjects are scored and all others train."""
    return lambda index, _names: assign_parts(~np.isin(index["subject"], subjects))


def folds(groups: list[list[int]], unit: str) -> dict[str, Split]:
    """The splits of a cross-validation. Each fold scores one group of subjects and trains on all others.

    Args:
        groups: The subjects of each fold.
        unit: What a group consists of, in words, such as `actor pairs`.

    Returns:
        `fold1`, `fold2`, … -> split.
    """
    return {
        f"fold{number}": Split(f"fold {number} of {len(groups)} by {unit}", score_subjects(*group))
        for number, group in enumerate(groups, 1)
    }


def find_files(data: str, root: Path | None, pattern: str, origin: str) -> list[Path]:
    """Find the files of a data set, their names in small letters or capitals. Hidden files are left out.

    Args:
        data: Name of the data set, for messages.
        root: The folder to search, with all folders below it.
        pattern: Pattern of the file names.
        origin: Where the files can be had, for messages.

    Returns:
        The files, sorted.

    Raises:
        DataError: There are none. The message says where they come from.
    """
    listed = root.rglob("*") if root is not None else ()
    fits = re.compile(translate(pattern), re.IGNORECASE)
    found = [path for path in listed if fits.fullmatch(path.name) and not path.name.startswith(".")]
    if not found:
        looked = f"no {pattern} below {root}" if root is not None else "no --root says where its files are"
        looked += "" if root is None or root.is_dir() else ", which is no folder"
        raise DataError(
            f"{data}: {looked}. The files come from {origin}; then run: jointwise prepare {data} --root DIR."
        )
    return sorted(found)


def key_by_file_name(data: str, paths: list[Path]) -> dict[str, Path]:
    """Name recordings after their files.

    Args:
        data: Name of the data set, for messages.
        paths: The files.

    Returns:
        File name -> path, in the same order.

    Raises:
        DataError: Two files have the same name, but for capitals. The message names both.
    """
    named: dict[str, Path] = {}
    for path in paths:
        key = path.name.lower()
        if key in named:
            raise DataError(f"{data}: {path} and {named[key]} have the same name. Which is right? Move the other away.")
        named[key] = path
    return {path.name: path for path in named.values()}
