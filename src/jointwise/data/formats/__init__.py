"""Readers of recordings, one file per format: a path in, a Sequence out, exactly as the file says."""

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
    return next((pattern for pattern in FORMATS if fnmatchcase(path.name.lower(), pattern)), None)


def is_readable(path: str | Path) -> bool:
    """Whether there is a reader for files of this name; the file itself is not looked at."""
    return _pattern(Path(path)) is not None


def recordings_in(folder: str | Path) -> list[Path]:
    """Every file below `folder` that has a reader, sorted; hidden files and folders are left out."""
    root = Path(folder)
    inside = (path for path in root.rglob("*") if is_readable(path) and path.is_file())
    return sorted(p for p in inside if not any(part.startswith(".") for part in p.relative_to(root).parts))


def read(path: str | Path) -> Sequence:
    """Reads one recording; the format follows from the file's name.

    Raises ReadError when the file is missing, empty, damaged, or of a name that no reader knows.
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
