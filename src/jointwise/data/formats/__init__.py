"""Readers of recordings, one module for each format. A reader returns exactly what the file says, as a Sequence."""

from __future__ import annotations

from collections.abc import Callable
from fnmatch import fnmatchcase
from pathlib import Path

from jointwise.data.formats import npz, sbu, skeleton, utd_mat, wmft
from jointwise.data.formats.files import check_file
from jointwise.data.sequence import Sequence
from jointwise.errors import ReadError

FORMATS: dict[str, Callable[[Path], Sequence]] = {  # pattern of the file's name, in small letters -> its reader
    "*.mat": utd_mat.read,
    "*.skeleton": skeleton.read,
    "*.npz": npz.read,
    "skeleton_pos.txt": sbu.read,
    "*_task*.bin": wmft.read,
}


def _pattern(path: Path) -> str | None:
    """The key of FORMATS that matches the file's name."""
    return next((pattern for pattern in FORMATS if fnmatchcase(path.name.lower(), pattern)), None)


def is_readable(path: str | Path) -> bool:
    """Whether there is a reader for files of this name. The file itself is not opened."""
    return _pattern(Path(path)) is not None


def recordings_in(folder: str | Path) -> list[Path]:
    """Find the files that have a reader.

    Args:
        folder: The folder to search, with all folders below it.

    Returns:
        The files, sorted. Hidden files, and files in hidden folders, are left out.
    """
    root = Path(folder)
    readable = (path for path in root.rglob("*") if is_readable(path) and path.is_file())
    return sorted(path for path in readable if not any(part.startswith(".") for part in path.relative_to(root).parts))


def read(path: str | Path) -> Sequence:
    """Read one recording. The format follows from the file's name.

    Args:
        path: The file.

    Returns:
        What the file says: every person and frame, in the file's own axes and units.

    Raises:
        ReadError: The file is missing, empty or damaged, or no reader knows its name.
    """
    path = Path(path)
    check_file(path)
    pattern = _pattern(path)
    if pattern is None:
        raise ReadError(
            f"{path}: no reader for a file of this name. Known: {', '.join(FORMATS)}. Anything else can be saved "
            "as .npz (numpy.savez) with an array 'positions' of shape (persons, frames, joints, coordinates)."
        )
    return FORMATS[pattern](path)
