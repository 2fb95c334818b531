"""What the folders in a user's folder stand for: classes, the parts of a split, or persons above the classes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from jointwise.data.store.reader import TEST, TRAIN, UNUSED
from jointwise.errors import DataError, counted, first_few

UNLABELLED = "_unlabelled"  # the folder, at any depth, of recordings without a class
_TRAIN, _TEST, _VALIDATION = ("train", "training"), ("test", "testing"), ("val", "valid", "validation", "dev")
_SHOWN = 4


@dataclass(frozen=True)
class Tree:
    """What the folders on the way to a recording stand for.

    Args:
        class_level: Which of them is the class, from 1.
        parts: First folder -> its part of the split; empty where first folders are no parts.
    """

    class_level: int = 1
    parts: Mapping[str, int] = field(default_factory=dict)

    def class_of(self, place: Path) -> str | None:
        """The class of a recording; None where it has none.

        Args:
            place: Its path in the folder.

        >>> [Tree().class_of(Path(name)) for name in ("wave/3.npz", "wave/_unlabelled/4.npz", "5.npz")]
        ['wave', None, None]
        """
        folders = place.parts[:-1]
        return None if UNLABELLED in folders or len(folders) < self.class_level else folders[self.class_level - 1]

    def part_of(self, place: Path) -> int:
        """The part of a recording, where folders say it; recordings outside of these folders train.

        Args:
            place: Its path in the folder.
        """
        return self.parts.get(place.parts[0], TRAIN)

    def about_parts(self) -> str:
        """The parts in words, such as `train/ trains, test/ is scored`."""
        words = {TRAIN: "trains", TEST: "is scored", UNUSED: "is not used"}
        return ", ".join(f"{name}/ {words[part]}" for name, part in self.parts.items())


def tree_of(folder: Path, places: Iterable[Path], class_level: int | None = None) -> Tree:
    """Find out what the folders in a folder stand for.

    Folders `train` and `test` (or `val`) are the parts of a split, and the classes are in them. Where the same folders
    are in all others, persons or cameras may stand above the classes: this has to be said.

    Args:
        folder: The folder, for messages.
        places: Paths of the recordings in it.
        class_level: What is said: which folder is the class, from 1; None: nothing.

    Returns:
        What they stand for.

    Raises:
        DataError: It cannot be told, or a recording lies less deep than is said.
    """
    ways = [place.parts[:-1] for place in places if UNLABELLED not in place.parts and len(place.parts) > 1]
    parts = {} if class_level == 1 else _parts_among(folder, sorted({way[0] for way in ways}))
    if class_level is None:
        class_level = 2 if parts else 1
        _check_classes(folder, [way[class_level - 1 :] for way in ways], class_level)
    elif short := [way for way in ways if len(way) < class_level]:
        raise DataError(
            f"{folder}: class_level {class_level} in dataset.yaml, but {counted(len(short), 'recording')} less deep, "
            f"such as in {'/'.join(short[0])}/. Move them, or change class_level."
        )
    return Tree(class_level, parts)


def _parts_among(folder: Path, names: list[str]) -> dict[str, int]:
    """The part of each first folder, if all of them are named like parts and one trains, one is scored."""
    kinds = {name: _kind_of(name) for name in names}
    found = set(kinds.values())
    if TRAIN not in found or not found & {TEST, UNUSED}:
        return {}
    others = [name for name, kind in kinds.items() if kind is None]
    if others:
        like_parts = ", ".join(name for name, kind in kinds.items() if kind is not None)
        raise DataError(
            f"{folder}: {like_parts} look like the parts of a split, but {first_few(others, _SHOWN)} beside them not. "
            "Are they classes? Say so in dataset.yaml (class_level: 1), or move them into the parts."
        )
    scored = TEST if TEST in found else UNUSED  # without a test part, the validation part is scored
    order = sorted(kinds, key=lambda name: (kinds[name] != TRAIN, kinds[name] != scored, name))
    return {name: TEST if kinds[name] == scored else int(kinds[name] or 0) for name in order}


def _kind_of(name: str) -> int | None:
    """TRAIN, TEST or, for a validation part, UNUSED; None for a name that is none of a part."""
    words = {TRAIN: _TRAIN, TEST: _TEST, UNUSED: _VALIDATION}
    return next((kind for kind, known in words.items() if name.lower() in known), None)


def _check_classes(folder: Path, ways: list[tuple[str, ...]], level: int) -> None:
    """Raise DataError where the same folders are in all folders that would be classes: which are the classes?

    Folders such as s01, s02 in folders without numbers are persons in classes, which needs no word.
    """
    above = sorted({way[0] for way in ways if way})
    if len(above) < 2 or any(len(way) < 2 for way in ways):
        return
    holders: dict[str, set[str]] = {}
    for way in ways:
        holders.setdefault(way[1], set()).add(way[0])
    below = sorted(holders)
    shared = [name for name in below if len(holders[name]) > 1]
    if len(below) < 2 or 2 * len(shared) < len(below) or (_are_numbered(below) and not _are_numbered(above)):
        return
    subject = "([^/]+)/" if level == 1 else "[^/]+/([^/]+)/"
    raise DataError(
        f"{folder}: the folders {first_few(above, _SHOWN)} hold folders of the same names: {first_few(below, _SHOWN)}. "
        f"Which are the classes? Say it in dataset.yaml: class_level: {level + 1} for {first_few(below, 2)} (then "
        f"subject_pattern: '{subject}' takes the folder above for the subject), class_level: {level} for "
        f"{first_few(above, 2)}."
    )


def _are_numbered(names: list[str]) -> bool:
    """Whether all names have a number in them, as s01 and take2 do."""
    return all(re.search(r"\d", name) for name in names)
