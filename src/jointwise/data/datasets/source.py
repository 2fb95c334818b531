"""The types of a data set's entry: which recordings there are, how each is read, and the rules that split them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from jointwise.data.sequence import Sequence
from jointwise.data.store.reader import TEST, TRAIN, UNUSED, Description, Parts
from jointwise.errors import DataError

Index = npt.NDArray[np.void]  # (n,) of dtype store.INDEX


def file_stamp(path: Path) -> str:
    """Size and time of a file: another one when it is replaced."""
    try:
        about = path.stat()
    except OSError:  # gone, or a link to nowhere: its reader will say so
        return "gone"
    return f"{about.st_size} {about.st_mtime_ns}"


def file_size(path: Path) -> int:
    """Bytes; 0 for a file that is gone."""
    try:
        return path.stat().st_size
    except OSError:
        return 0


@dataclass(frozen=True)
class Recordings:
    """What was found of a data set: cheap to list, each recording read on its own.

    items: name -> whatever `read` takes (a path, mostly), in the order of the store; a name is the same wherever the
    files lie, it is what results and splits know the recording by. read: one item as its file says; a function of
    a module or a partial of one, because worker processes import it. stamp: item -> text that changes when reading it
    again would give something else. size: item -> bytes of its file. parallel: whether workers help.
    """

    items: Mapping[str, Any]
    read: Callable[[Any], Sequence]
    stamp: Callable[[Any], str] = file_stamp
    size: Callable[[Any], int] = file_size
    parallel: bool = True


@dataclass(frozen=True)
class Split:
    """A rule that says which sequences train and which are scored.

    about: the rule in words. rule: index (n,) and names of the sequences -> part of each, (n,) of TRAIN, TEST, UNUSED.
    """

    about: str
    rule: Callable[[Index, list[str]], Parts]


def parts(train: npt.NDArray[np.bool_], test: npt.NDArray[np.bool_] | None = None) -> Parts:
    """TRAIN where `train`, TEST where `test` (None: everywhere else), UNUSED where neither; all (n,)."""
    rest = ~train if test is None else test
    return np.where(train, TRAIN, np.where(rest, TEST, UNUSED)).astype(np.int8)


def subjects_train(*subjects: int) -> Callable[[Index, list[str]], Parts]:
    """The rule under which these subjects train and all others are scored."""
    return lambda index, _names: parts(np.isin(index["subject"], subjects))


def folds(groups: list[list[int]], what: str) -> dict[str, Split]:
    """Cross-validation: `fold1`, `fold2`, … each score one group of subjects and train on all others.

    what: the groups in words, such as `actor pairs`.
    """
    return {
        f"fold{number}": Split(
            f"fold {number} of {len(groups)} by {what}",
            lambda index, _names, group=tuple(group): parts(~np.isin(index["subject"], group)),  # type: ignore[misc]
        )
        for number, group in enumerate(groups, 1)
    }


def find_files(data: str, root: Path | None, pattern: str, origin: str) -> list[Path]:
    """The files below `root` whose names match `pattern`, sorted, hidden ones left out.

    Raises DataError, saying where they come from, when there is none.
    """
    found = [path for path in root.rglob(pattern) if not path.name.startswith(".")] if root is not None else []
    if not found:
        looked = f"no {pattern} below {root}" if root is not None else "no --root says where its files are"
        looked += "" if root is None or root.is_dir() else ", which is no folder"
        raise DataError(
            f"{data}: {looked}. The files come from {origin}; then run: jointwise prepare {data} --root DIR."
        )
    return sorted(found)


@dataclass(frozen=True)
class DataSource:
    """One data set.

    recordings: from the folder of its files (None: it needs none) to what is there; raises DataError, saying where the
    files come from, when nothing is. splits: name -> rule, the first is the default. count: sequences in the whole
    set. origin: where its files come from, for people who do not have them. skip_lists: pattern of the files below the
    root that name bad recordings. revision: of what it is made from, where that can be told without a root.
    choose_splits: makes the splits from the index instead, where they depend on what is found. metres: whether that is
    the unit of its coordinates; False also where nobody knows. path: of the user's own folder or file.
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
    metres: bool = False
    path: Path | None = None

    @property
    def address(self) -> str:
        """What --data and `prepare` take."""
        return self.name if self.path is None else f"{self.path}/" if self.path.is_dir() else str(self.path)

    @property
    def name(self) -> str:
        """The name it is registered under."""
        return self.description.data

    def split(self, index: Index, names: list[str]) -> dict[str, tuple[str, Parts]]:
        """Split -> (its rule in words, the part of each sequence)."""
        splits = self.choose_splits(index) if self.choose_splits else self.splits
        return {name: (split.about, split.rule(index, names)) for name, split in splits.items()}


def by_name(data: str, paths: list[Path]) -> dict[str, Path]:
    """File name -> path. Raises DataError, naming both, when two files have the same name."""
    named: dict[str, Path] = {}
    for path in paths:
        if path.name in named:
            raise DataError(
                f"{data}: {path} and {named[path.name]} have the same name. Which is right? Move the other away."
            )
        named[path.name] = path
    return named
