"""NumPy's files, of which nothing is believed before it is checked: headers, sizes, and no Python objects."""

from __future__ import annotations

import io
import math
import zipfile
from pathlib import Path
from typing import IO, Any, Literal

import numpy as np

from jointwise.data.memory_limit import check_memory

Array = np.ndarray[Any, Any]
_LAST_CHARACTER = 0x10FFFF  # of Unicode


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


def read_array(stream: IO[bytes], size: int) -> Array:
    """Read an array, which is not made before it is certain that its file holds as much as it promises.

    Args:
        stream: A file that starts with its header.
        size: Bytes of the file.

    Returns:
        The array.

    Raises:
        ValueError: It is damaged, or holds Python objects.
    """
    _check_size(stream, size)
    stream.seek(0)
    return _checked(np.lib.format.read_array(stream, allow_pickle=False))


def _checked(array: Array) -> Array:
    """An array; ValueError for text that is none, which Python cannot take out of it."""
    if array.dtype.kind == "U" and array.size:
        codes = np.frombuffer(array.tobytes(), np.dtype("u4").newbyteorder(array.dtype.byteorder))
        if codes.max(initial=0) > _LAST_CHARACTER:
            raise ValueError("its text is damaged")
    return array


def _check_size(stream: IO[bytes], size: int) -> None:
    shape, _, kind = read_header(stream)
    promised = math.prod(shape) * kind.itemsize
    if not kind.hasobject and promised > size - stream.tell():
        raise ValueError(f"shape {shape} needs {promised} bytes, but {size - stream.tell()} are there")


def load_array(path: Path, mmap_mode: Literal["r", "c"] | None = None) -> Array:
    """Open an `.npy` file.

    Args:
        path: The file.
        mmap_mode: As for `numpy.load`: the file is mapped into memory, for reading (`r`) or so that changes stay in
            memory (`c`). None: it is read.

    Raises:
        OSError: It is missing.
        ValueError: It is damaged, promises more than it holds, or holds Python objects.
    """
    with path.open("rb") as stream:
        size = path.stat().st_size
        try:
            if mmap_mode is None:
                return read_array(stream, size)
            _check_size(stream, size)
            return _checked(np.load(path, mmap_mode=mmap_mode, allow_pickle=False))
        except Exception as error:  # on a damaged file NumPy raises nearly anything
            raise ValueError(f"{path.name}: {error}") from error


def load_arrays(path: Path) -> dict[str, Array]:
    """Read an `.npz` file.

    Args:
        path: The file.

    Raises:
        OSError: It is missing.
        ValueError: It is damaged, holds more than a file of its size may, or Python objects.
    """
    with path.open("rb") as stream:
        try:
            with zipfile.ZipFile(stream) as archive:
                entries = archive.infolist()
                check_memory(path, [sum(entry.file_size for entry in entries)], "its arrays in bytes", 1)
                return {
                    entry.filename.removesuffix(".npy"): read_array(io.BytesIO(archive.read(entry)), entry.file_size)
                    for entry in entries
                }
        except Exception as error:  # on a damaged archive zipfile and NumPy raise nearly anything
            raise ValueError(f"{path.name}: {error}") from error
