"""A bare array in a NumPy `.npy` file. Its axes are found by rule and said aloud."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np

from jointwise.data.array_files import read_array, read_header
from jointwise.data.formats.arrays import array_recording, fits
from jointwise.data.formats.files import FETCH_AGAIN, check_file
from jointwise.data.formats.format import Format, ReadOptions
from jointwise.data.sequence import Sequence
from jointwise.errors import ReadError


def read(path: Path, options: ReadOptions) -> Sequence:
    """Read an array of one recording.

    Args:
        path: The file.
        options: What the user says; a layout tells the number of joints.

    Returns:
        The recording. `assumed` says which axis was taken for what.

    Raises:
        ReadError: The file is missing, empty or damaged, holds Python objects, or its axes cannot be told.
    """
    path = Path(path)
    check_file(path)
    try:
        with path.open("rb") as stream:
            array = read_array(stream, path.stat().st_size)
    except Exception as error:  # on a damaged file NumPy raises nearly anything
        if "allow_pickle" in str(error):
            raise ReadError(
                f"{path}: holds Python objects, which are not loaded: they could run code. Save arrays of numbers."
            ) from error
        raise ReadError(f"{path}: damaged or not an .npy file ({error}). {FETCH_AGAIN}") from error
    return array_recording(path, array, options)


def _detect(_path: Path, head: bytes) -> float:
    """1 for an array of numbers whose shape may be one recording."""
    if not head.startswith(np.lib.format.MAGIC_PREFIX):
        return 0.0
    try:
        shape, _, kind = read_header(io.BytesIO(head))
    except ValueError:  # the reader reports it
        return 0.0
    numbers = kind.kind == "f" or (kind.kind in "iu" and len(shape) > 2)  # whole numbers in rows may be labels
    return 1.0 if numbers and fits(shape) else 0.0


FORMAT = Format("npy", ("*.npy",), "numpy.save", _detect, read)
