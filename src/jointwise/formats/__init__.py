"""Readers of recordings, one file per format: a path in, a Sequence out, exactly as the file says."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from jointwise.errors import ReadError
from jointwise.formats import skeleton, utd_mat
from jointwise.sequence import Sequence

FORMATS: dict[str, Callable[[Path], Sequence]] = {
    ".mat": utd_mat.read,
    ".skeleton": skeleton.read,
}


def read(path: str | Path) -> Sequence:
    """Reads one recording; the format follows from the file's ending.

    Raises ReadError when the file is missing, damaged, or of an ending no reader knows.
    """
    path = Path(path)
    if path.suffix.lower() not in FORMATS:
        raise ReadError(
            f"{path}: no reader for files that end in '{path.suffix}'. Known: {', '.join(sorted(FORMATS))}."
        )
    if not path.is_file():
        raise ReadError(f"{path}: no such file. Check the path.")
    return FORMATS[path.suffix.lower()](path)
