"""Locks between processes: a file that one process holds, and that the system frees when the process ends."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any, TextIO

from jointwise.errors import JointwiseError, writing

try:
    import fcntl
except ImportError:  # Windows has no fcntl: there, two processes are not kept apart
    fcntl = None  # type: ignore[assignment]


def lock_file(path: Path, busy: JointwiseError) -> TextIO:
    """Open a file for this process alone, and create it if missing.

    Args:
        path: The file.
        busy: Raised while another process has it.

    Returns:
        The open file, at its start. To close it frees it.
    """
    while True:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("a+")
        try:
            if fcntl is not None:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            file.close()
            raise busy from error
        if path.is_file() and os.path.samestat(os.fstat(file.fileno()), path.stat()):
            file.seek(0)
            return file
        file.close()  # another process was done in between, so the opened file is deleted: try again


@contextmanager
def locked(path: Path, busy: JointwiseError) -> Iterator[None]:
    """Hold a file in the block; it is deleted afterwards.

    Args:
        path: The file; it may be missing.
        busy: Raised while another process has it.

    Raises:
        StorageError: The disk refuses.
    """
    with writing(path):
        file = lock_file(path, busy)
    try:
        yield
    finally:
        with suppress(OSError):  # where the disk refuses even this, the file stays; nobody holds it
            path.unlink(missing_ok=True)
        file.close()


def hold(file: IO[Any]) -> None:
    """Hold an open file until it is closed, where the system knows such locks and nobody else has it.

    Args:
        file: The open file.
    """
    if fcntl is not None:
        with suppress(OSError):
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def is_locked(path: Path) -> bool:
    """Whether another process, or this one, holds a file; nothing is created or changed.

    Args:
        path: The file; it may be missing.
    """
    if fcntl is None or not path.is_file():
        return False
    with path.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:
            return True
    return False
