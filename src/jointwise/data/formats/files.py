"""What every reader asks of a file before it looks inside."""

from __future__ import annotations

from pathlib import Path

from jointwise.errors import ReadError

FETCH_AGAIN = "Copy or download the file again, or leave it out."  # what to do about one that is damaged


def check_file(path: Path) -> None:
    """Raises ReadError when `path` is missing, a folder, or without a single byte."""
    if not path.is_file():
        raise ReadError(f"{path}: no such file. Check the path.")
    if not path.stat().st_size:
        raise ReadError(f"{path}: the file is empty (0 bytes). {FETCH_AGAIN}")


def read_bytes(path: Path) -> bytes:
    """The content of a file that `check_file` accepts. Raises ReadError when it cannot be read."""
    check_file(path)
    try:
        return path.read_bytes()
    except OSError as error:
        raise ReadError(f"{path}: cannot be read ({error.strerror}). Check its permissions.") from error
