"""The errors and warnings of jointwise, and helpers for their messages: what is wrong, where, and what to do next."""

from __future__ import annotations

import difflib
import errno
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

_LONGEST = 10_000  # characters of a message
_VARYING = re.compile(r"'[^']*'|[-+]?\d[\d.e+-]*")  # what differs between two messages of one cause


class JointwiseError(Exception):
    """Base class of all errors that the user can do something about.

    The command line prints the message without a traceback. An exception of any other class is a bug in jointwise.

    Args:
        message: What is wrong, where, and what to do. What a file brings into it does not make it endless.
    """

    def __init__(self, message: str = "") -> None:
        super().__init__(message if len(message) <= _LONGEST else f"{message[:_LONGEST]} …")


class JointwiseWarning(UserWarning):
    """The work continues, but probably not in the way that was intended, such as with coordinates in another unit."""


class ReadError(JointwiseError):
    """A recording cannot be read, has values that no recording may have, or does not fit the model."""


class EmptyRecording(ReadError):
    """A recording without a body, or without one after cleaning: a data set leaves it out and counts it."""


class DataError(JointwiseError):
    """A data set, a store or a split is missing, is damaged or does not suit the task."""


class ConfigError(JointwiseError):
    """A setting, a name or a command-line option is wrong."""


class CheckpointError(JointwiseError):
    """A run folder, a model or a checkpoint is missing, is damaged or was made for something else."""


class TrainingError(JointwiseError):
    """A training cannot continue, because its loss or its weights are no longer finite."""


class StorageError(JointwiseError):
    """A file or folder cannot be written: the disk is full, or the permission is missing."""


class StoreBusy(StorageError):
    """Another process is writing this store."""


def unknown(kind: str, name: object, known: Iterable[str]) -> str:
    """The message for a name that is not in a registry.

    Args:
        kind: What the name should be, such as `mask`.
        name: The name that was given.
        known: The names in the registry.

    Returns:
        A sentence with the nearest known name, if one is near, and with all known names, if there are at most 30.

    >>> unknown("mask", "randm", ["random", "motion"])
    "unknown mask 'randm': did you mean 'random'? Known: motion, random."
    """
    names = sorted(known)
    near = difflib.get_close_matches(str(name).lower(), names, n=1, cutoff=0.5)
    hint = f": did you mean '{near[0]}'?" if near else "."
    listed = f"Known: {', '.join(names)}." if len(names) <= 30 else "--help-options lists all."
    return f"unknown {kind} '{name}'{hint} {listed}"


def counted(number: int, word: str) -> str:
    """A number with its word, such as `1 sequence` or `3 sequences`.

    Args:
        number: How many.
        word: The word for one.
    """
    return f"{number} {word}" if number == 1 else f"{number} {word}s"


def first_few(names: Sequence[str], most: int = 5, separator: str = ", ") -> str:
    """The first names, and how many more there are.

    Args:
        names: What to list.
        most: Largest number of names in the list.
        separator: Between two names.

    Returns:
        The list as text.

    >>> first_few(["head", "neck", "nose"], 2)
    'head, neck and 1 more'
    """
    more = f"{separator.lstrip(',')}and {len(names) - most} more" if len(names) > most else ""
    return separator.join(names[:most]) + more


def cause_of(message: str) -> str:
    """What an error message about a file says apart from the file, names, numbers and quoted words.

    Args:
        message: It begins with its file, as `file: …`.

    >>> cause_of("a.txt: line 3 is empty.") == cause_of("b.txt: line 9 is empty.")
    True
    """
    return _VARYING.sub("…", message.partition(": ")[2])


def group_messages(messages: Iterable[str], examples: int = 3, most: int = 10) -> str:
    """Messages about many files as a short text: those of one cause together, counted, the most frequent cause first.

    Two messages have the same cause if they differ in names, numbers and quoted words only.

    Args:
        messages: Each begins with its file, as `file: …` or `file, line 3: …`.
        examples: Files that are named of a cause.
        most: Causes that are shown.

    Returns:
        Indented lines.

    >>> print(group_messages(["the same", "the same"]))
      2 alike, first: the same
    >>> print(group_messages(["a.txt: line 3 is empty.", "b.txt: line 9 is empty.", "c.txt: no such file."]))
      2 alike, first: a.txt: line 3 is empty.
        also b.txt
      c.txt: no such file.
    """
    causes: dict[str, list[str]] = {}
    for message in messages:
        causes.setdefault(cause_of(message), []).append(message)
    ordered = sorted(causes.values(), key=len, reverse=True)
    lines = []
    for alike in ordered[:most]:
        count = f"{len(alike)} alike, first: " if len(alike) > 1 else ""
        lines.append(f"  {count}{alike[0]}")
        others = [message.partition(": ")[0] for message in alike if message != alike[0]]
        lines += [f"    also {first_few(others, examples - 1)}"] if others else []
    left = sum(map(len, ordered[most:]))
    lines += [f"  … and {left} more, for {len(ordered) - most} other reasons"] if left else []
    return "\n".join(lines)


def printable(text: str) -> str:
    """Text without characters that steer a terminal; line breaks stay.

    Args:
        text: Such as the name of a class, from a file of somebody.

    >>> printable("wave\\x1b[2J")
    'wave�[2J'
    """
    return re.sub(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", "\N{REPLACEMENT CHARACTER}", text)


def describe_difference(names: Sequence[str], expected: Sequence[str]) -> str:
    """How a list of names differs from the expected one, with some examples.

    Args:
        names: What was found; not equal to `expected`.
        expected: What should have been found.

    Returns:
        Part of a sentence.

    >>> describe_difference(["head", "nose"], ["head", "neck"])
    'it lacks neck, it adds nose'
    >>> describe_difference(["neck", "head"], ["head", "neck"])
    'the names have another order'
    """
    lacking = [name for name in expected if name not in names]
    added = [name for name in names if name not in expected]
    parts = [f"it {verb} {first_few(some)}" for verb, some in (("lacks", lacking), ("adds", added)) if some]
    return ", ".join(parts) or "the names have another order"


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turns an OSError in the block into a StorageError that names the path and says what to do.

    Args:
        path: The file or folder that the block writes.

    Raises:
        StorageError: The operating system refused to write.
    """
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        space = "Free some space, or name" if error.errno in (errno.ENOSPC, errno.EDQUOT) else "Name"
        raise StorageError(
            f"cannot write {path}: {reason}. {space} another folder (--run for runs, --out for pages, the environment "
            "variable JOINTWISE_DATA for stores)."
        ) from error
