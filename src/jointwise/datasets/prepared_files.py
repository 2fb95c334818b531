"""Files in which the field passes on prepared data, each a data set of its own: which kind is read by which module."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from jointwise.datasets import prepared_arrays, prepared_pickles
from jointwise.datasets.source import DataSource
from jointwise.errors import DataError
from jointwise.formats.files import check_file

PREPARED_FILES: dict[str, Callable[[Path], DataSource]] = {  # ending -> the data set in such a file
    ".npz": prepared_arrays.source_of,
    ".pkl": prepared_pickles.source_of,
}


def source_of(path: Path) -> DataSource:
    """The data set in a prepared file. Raises DataError for another kind or content, ReadError for a damaged file."""
    if path.suffix.lower() not in PREPARED_FILES:
        endings = " or ".join(PREPARED_FILES)
        raise DataError(f"{path}: prepared data sets are files that end in {endings}, or folders.")
    check_file(path)
    return PREPARED_FILES[path.suffix.lower()](path)
