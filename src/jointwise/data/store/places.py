"""The place of a store: what may be replaced there, and how."""

from __future__ import annotations

import shutil
from pathlib import Path

from jointwise.errors import StorageError


def move_into_place(folder: Path, path: Path) -> None:
    """Move a finished store to `path`. A store that is there already is replaced."""
    former = former_of(path)
    shutil.rmtree(former, ignore_errors=True)
    if path.exists():
        path.rename(former)
    folder.rename(path)
    shutil.rmtree(former, ignore_errors=True)


def former_of(path: Path) -> Path:
    """Where a store lies while another takes its place."""
    return path.with_name(f"{path.name}.former")


def check_replaceable(place: Path, sign: str) -> None:
    """Check that a store may replace what lies at `place`. People may have unpacked recordings there.

    Args:
        place: A path that may exist.
        sign: Name of the file by which a folder is known as a store.

    Raises:
        StorageError: It is a file, or a folder that holds something else.
    """
    if place.is_dir() and any(place.iterdir()) and not (place / sign).is_file():
        raise StorageError(
            f"{place} holds something that is no store, and a store would replace it. Move it to another place, or set "
            "JOINTWISE_DATA to another folder for stores."
        )
    if place.exists() and not place.is_dir():
        raise StorageError(f"{place} is a file, but a store is a folder. Move it away, or set JOINTWISE_DATA.")
