"""What a MATLAB 5 file is made of, looked at before a library reads it: SciPy ends the process on a false type.

The layout is that of MathWorks, "MAT-File Format": a header of 128 bytes, then elements. An element is a tag of 8 bytes
(type, number of bytes) and its content, padded to 8 bytes. A small element has its content, up to 4 bytes, in the tag.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

from jointwise.data.formats.files import FETCH_AGAIN, read_bytes
from jointwise.data.memory_limit import check_memory, memory_limit
from jointwise.errors import ReadError

_HEADER = 128
_NUMBERS = {1: 1, 2: 1, 3: 2, 4: 2, 5: 4, 6: 4, 7: 4, 9: 8, 12: 8, 13: 8}  # type of an element -> bytes of a number
_MATRIX, _COMPRESSED = 14, 15
_CLASSES = range(6, 16)  # of a matrix: arrays of numbers; 1 to 5 are cells, structures, objects, text, sparse ones
_INT32, _UINT32, _INT8, _UTF8 = 5, 6, 1, 16


def check_mat(path: Path) -> None:
    """Check that a MATLAB 5 file holds arrays of numbers and nothing else, each as large as it says.

    Args:
        path: The file.

    Raises:
        ReadError: It is missing, damaged, of another version, holds something else, or would take too much memory.
    """
    content = read_bytes(path)
    if not content.startswith(b"MATLAB 5.0") or content[126:128] not in (b"IM", b"MI"):
        raise _damaged(path, "its header is not that of MATLAB 5")
    order = "<" if content[126:128] == b"IM" else ">"
    total = 0  # bytes of all arrays: each alone may be small enough
    for kind, element in _elements(path, content[_HEADER:], order):
        inside = _elements(path, _unpack(path, element), order) if kind == _COMPRESSED else [(kind, element)]
        for inner, unpacked in inside:
            total += _check_matrix(path, inner, unpacked, order)
            check_memory(path, [total], "its arrays in bytes", 1)


def _elements(path: Path, content: bytes, order: str) -> Iterator[tuple[int, bytes]]:
    """Type and content of each element."""
    at = 0
    while at < len(content):
        if at + 8 > len(content):
            raise _damaged(path, "it ends in the middle of a tag")
        kind, size = struct.unpack_from(f"{order}II", content, at)
        small = kind >> 16
        if small:
            kind, size, begin, end = kind & 0xFFFF, small, at + 4, at + 8
            if size > 4:
                raise _damaged(path, f"a small element of {size} bytes")
        else:
            begin = at + 8
            end = begin + (size if kind == _COMPRESSED else -(-size // 8) * 8)
        if begin + size > len(content):
            raise _damaged(path, f"an element of {size} bytes where {len(content) - begin} are left")
        yield kind, content[begin : begin + size]
        at = end


def _unpack(path: Path, content: bytes) -> bytes:
    limit = int(memory_limit(path))
    try:
        unpacker = zlib.decompressobj()
        unpacked = unpacker.decompress(content, limit)
    except zlib.error as error:
        raise _damaged(path, str(error)) from error
    if unpacker.unconsumed_tail:
        check_memory(path, [limit + 1], "the first part of a compressed array", 1)
    return unpacked


def _check_matrix(path: Path, kind: int, content: bytes, order: str) -> int:
    """Check one array: flags, shape, name, its numbers, imaginary parts that it may have. Returns bytes in memory."""
    if kind != _MATRIX:
        raise _damaged(path, f"an element of type {kind} in the place of an array")
    parts = list(_elements(path, content, order))
    kinds = [part for part, _ in parts]
    if len(parts) < 4 or kinds[:2] != [_UINT32, _INT32] or kinds[2] not in (_INT8, _UTF8) or len(parts[0][1]) < 8:
        raise _damaged(path, "an array without flags, shape, name and numbers")
    (flags,) = struct.unpack_from(f"{order}I", parts[0][1])
    if flags & 0xFF not in _CLASSES:
        raise ReadError(
            f"{path}: holds cells, structures, text or sparse arrays. Only arrays of numbers are read: save 'd_skel' "
            "alone."
        )
    shape = struct.unpack(f"{order}{len(parts[1][1]) // 4}i", parts[1][1][: len(parts[1][1]) // 4 * 4])
    check_memory(path, [max(size, 0) for size in shape], "an array", 8)
    count = 1
    for size in shape:
        count *= size
    for number, values in parts[3:]:
        if number not in _NUMBERS or min(shape, default=-1) < 0 or len(values) != count * _NUMBERS[number]:
            raise _damaged(path, f"an array of shape {shape} with {len(values)} bytes of type {number}")
    return 8 * count * len(parts[3:])


def _damaged(path: Path, what: str) -> ReadError:
    return ReadError(f"{path}: damaged or not a MATLAB file ({path.stat().st_size} bytes; {what}). {FETCH_AGAIN}")
