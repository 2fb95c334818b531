"""The place of a store: what may be replaced there, and how."""

from __future__ import annotations

import shutil
from contextlib import suppress
from pathlib import Path

from jointwise.errors import StorageError


def move_into_place(folder: Path, path: Path) -> None:
    """Move a finished store to `path`. A store that is there already is replaced."""
    former = former_of(path)
    remove_folder(former, "store.json")
    if path.exists():
        path.rename(former)
    folder.rename(path)
    with suppress(OSError):  # the next store that takes this place removes it
        remove_folder(former, "store.json")


def remove_folder(folder: Path, sign: str) -> None:
    """Delete a folder. Its sign goes last, so that a process that is killed meanwhile leaves a folder that is known.

    Args:
        folder: The folder; it may be missing.
        sign: Name of the file by which `check_replaceable` knows it.
    """
    if folder.is_dir():
        empty_folder(folder, sign)
        (folder / sign).unlink(missing_ok=True)
        folder.rmdir()


def empty_folder(folder: Path, kept: str) -> None:
    """Delete all that is in a folder but one file.

    Args:
        folder: The folder.
        kept: Name of that file.
    """
    for path in folder.iterdir():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        elif path.name != kept:
            path.unlink()


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
