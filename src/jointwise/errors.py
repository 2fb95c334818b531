"""What jointwise raises when something given to it is wrong: every message says what, where, and what to do."""

from __future__ import annotations

import difflib
import errno
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path


class JointwiseError(Exception):
    """Base class: the command line prints these without a traceback."""


class JointwiseWarning(UserWarning):
    """Something works, but surely not as it was meant to."""


class ReadError(JointwiseError):
    """A recording cannot be read, or holds what a recording may not hold."""


class EmptyRecording(ReadError):
    """No body in the recording, or none after cleaning: it is left out of a data set, not damaged."""


class DataError(JointwiseError):
    """A data set, a store or a split is missing, damaged or unfit for the task."""


class ConfigError(JointwiseError):
    """A setting, a name or a command-line option is wrong."""


class CheckpointError(JointwiseError):
    """A run folder, model or checkpoint is missing, damaged or made for something else."""


class TrainingError(JointwiseError):
    """Training cannot go on (a loss that is not finite)."""


class StorageError(JointwiseError):
    """A file or folder cannot be written (disk full, no permission)."""


class StoreBusy(StorageError):
    """Another process is writing this store."""


def unknown(kind: str, name: object, known: Iterable[str]) -> str:
    """The message for a name that is not in a registry: names the nearest known one, then all if they are few.

    >>> unknown("mask", "randm", ["random", "motion"])
    "unknown mask 'randm': did you mean 'random'? Known: motion, random."
    """
    names = sorted(known)
    near = difflib.get_close_matches(str(name).lower(), names, n=1, cutoff=0.5)
    hint = f": did you mean '{near[0]}'?" if near else "."
    listed = f"Known: {', '.join(names)}." if len(names) <= 30 else "--help-options lists all."
    return f"unknown {kind} '{name}'{hint} {listed}"


def few(names: Sequence[str], most: int = 5, separator: str = ", ") -> str:
    """The first names, and how many more there are.

    >>> few(["head", "neck", "nose"], 2)
    'head, neck and 1 more'
    """
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return separator.join(names[:most]) + more


def differing(names: Sequence[str], expected: Sequence[str]) -> str:
    """In what names differ from those that are expected, some of each.

    >>> differing(["head", "nose"], ["head", "neck"]), differing(["neck", "head"], ["head", "neck"])
    ('it lacks neck, it adds nose', 'the names have another order')
    """
    lacking = [name for name in expected if name not in names]
    added = [name for name in names if name not in expected]
    parts = [f"it {word} {few(some)}" for word, some in (("lacks", lacking), ("adds", added)) if some]
    return ", ".join(parts) or "the names have another order"


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turns the operating system's refusal to write at `path` into a StorageError that says what to do."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        full = error.errno in (errno.ENOSPC, errno.EDQUOT) or "No space left" in reason  # safetensors has no errno
        space = "Free some space, or name" if full else "Name"
        raise StorageError(
            f"cannot write {path}: {reason}. {space} another folder (--run for runs, --out for pages, the environment "
            "variable JOINTWISE_DATA for stores)."
        ) from error
