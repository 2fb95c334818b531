"""A bare array in a NumPy `.npy` file. Its axes are found by rule and said aloud."""

from __future__ import annotations

import io
import math
from pathlib import Path
from typing import IO, Any

import numpy as np

from jointwise.data.formats.arrays import array_recording, fits
from jointwise.data.formats.files import FETCH_AGAIN, check_file
from jointwise.data.formats.format import Format, ReadOptions
from jointwise.data.sequence import Sequence
from jointwise.errors import ReadError


def read_header(stream: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Read the header of an array.

    Args:
        stream: A file that starts with it; it stands behind the header afterwards.

    Returns:
        Shape, whether the array lies in Fortran order, and type of its numbers.

    Raises:
        ValueError: It is no header.
    """
    try:
        version = np.lib.format.read_magic(stream)
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        return read(stream)
    except Exception as error:  # a damaged header may raise nearly anything, a SyntaxError among others
        raise ValueError(f"its header is damaged: {error}") from error


def read_array(stream: IO[bytes], size: int) -> np.ndarray[Any, Any]:
    """Read an array, which is not made before it is certain that its file holds as much as it promises.

    Args:
        stream: A file that starts with its header.
        size: Bytes of the file.

    Returns:
        The array.

    Raises:
        ValueError: It is damaged, or holds Python objects.
    """
    shape, _, kind = read_header(stream)
    promised = math.prod(shape) * kind.itemsize
    if not kind.hasobject and promised > size - stream.tell():
        raise ValueError(f"shape {shape} needs {promised} bytes, but {size - stream.tell()} are there")
    stream.seek(0)
    array: np.ndarray[Any, Any] = np.lib.format.read_array(stream, allow_pickle=False)
    return array


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
