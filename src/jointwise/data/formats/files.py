"""The checks that every reader makes of a file before it looks inside."""

from __future__ import annotations

import os
from pathlib import Path

from jointwise.data.formats.format import HEAD_BYTES
from jointwise.errors import ReadError

FETCH_AGAIN = "Copy or download the file again, or leave it out."  # the remedy for a damaged file


def check_file(path: Path) -> None:
    """Check that there is a file to read.

    Args:
        path: The file.

    Raises:
        ReadError: It is missing, a folder, or empty.
    """
    if not os.path.isfile(path):  # as for a name that is too long
        raise ReadError(f"{path}: no such file. Check the path.")
    if not path.stat().st_size:
        raise ReadError(f"{path}: the file is empty (0 bytes). {FETCH_AGAIN}")


def read_head(path: Path) -> bytes:
    """Read the first HEAD_BYTES bytes of a file; empty where it cannot be read."""
    try:
        with path.open("rb") as stream:
            return stream.read(HEAD_BYTES)
    except OSError:  # its reader reports it
        return b""


def read_bytes(path: Path) -> bytes:
    """Read the bytes of a file.

    Args:
        path: The file.

    Returns:
        Its content.

    Raises:
        ReadError: It is missing, a folder or empty, or its permissions forbid reading it.
    """
    check_file(path)
    try:
        return path.read_bytes()
    except OSError as error:
        raise ReadError(f"{path}: cannot be read ({error.strerror}). Check its permissions.") from error
