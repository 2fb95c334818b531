"""How much memory a file may take: a small file that promises gigabytes is damaged, or made to do harm."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable
from pathlib import Path

from jointwise.errors import ConfigError, ReadError

VARIABLE = "JOINTWISE_FILE_MEMORY"  # gigabytes that every file may take
_TIMES = 4  # text of numbers becomes less, compressed numbers more
_BESIDE = 200e6  # bytes, for small files


def memory_limit(path: Path, times: float = _TIMES) -> float:
    """The bytes that the content of a file may take: 4 times its size and 200 MB, or what the user allows if more.

    Args:
        path: The file.
        times: In place of 4, where a library is known to take more.

    Raises:
        ConfigError: JOINTWISE_FILE_MEMORY is no number, or has no end.
    """
    stated = os.environ.get(VARIABLE, "0")
    try:
        allowed = float(stated) * 1e9
    except ValueError:
        allowed = math.nan
    if not math.isfinite(allowed):
        raise ConfigError(f"{VARIABLE}={stated}: expected a number of gigabytes, such as 8.")
    return max(allowed, times * path.stat().st_size + _BESIDE)


def check_memory(path: Path, sizes: Iterable[int], what: str, bytes_each: int = 4) -> None:
    """Check, before an array is made, that a file may need so much memory.

    Args:
        path: The file, or the folder of files, that promises the array.
        sizes: Shape of the array.
        what: What it holds, for the message.
        bytes_each: Bytes of one number.

    Raises:
        ReadError: The array would take more than `memory_limit`.
    """
    shape = tuple(sizes)
    needed = math.prod(shape) * bytes_each
    if needed <= _BESIDE:
        return  # a folder's files need not be counted
    size = sum(file.stat().st_size for file in path.iterdir() if file.is_file()) if path.is_dir() else None
    limit = memory_limit(path) if size is None else max(memory_limit(path), _TIMES * size + _BESIDE)
    if needed > limit:
        raise ReadError(
            f"{path}: {what} of shape {shape} would take {needed / 1e9:.2f} GB, and a file of this size may take "
            f"{limit / 1e9:.2f} GB. It is damaged, or persons or frames are numbered wrongly. If it is right, allow it "
            f"with the environment variable {VARIABLE}={math.ceil(needed / 1e9) + 1} (in GB)."
        )
