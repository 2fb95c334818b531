"""Has a file read by another process, and says what is wrong where that did not end well."""

from __future__ import annotations

import atexit
import math
import os
from importlib import import_module
from pathlib import Path
from typing import Any

from jointwise.data.memory_limit import VARIABLE as MEMORY
from jointwise.data.memory_limit import memory_limit
from jointwise.data.native.process import (
    Answer,
    LimitedProcess,
    WorkEnded,
    WorkFailed,
    WorkLate,
    is_inside,
    limited_memory,
)
from jointwise.errors import ConfigError, JointwiseError, ReadError

VARIABLE = "JOINTWISE_FILE_SECONDS"  # seconds that another process may take for a file, in place of the limit below
_SECONDS = 10.0  # of a small file
_SECONDS_A_BYTE = 1e-6  # a megabyte takes far less than a tenth of it
_processes: dict[str, LimitedProcess] = {}  # work -> the process that does it, from the first file to the end


def time_limit(path: Path) -> float:
    """The seconds that another process may take for a file: 10 and 1 for each megabyte, or what the user allows.

    Args:
        path: The file.

    Raises:
        ConfigError: JOINTWISE_FILE_SECONDS is no number above 0.
    """
    stated = os.environ.get(VARIABLE)
    if stated is None:
        return _SECONDS + _SECONDS_A_BYTE * path.stat().st_size
    try:
        seconds = float(stated)
    except ValueError:
        seconds = math.nan
    if not 0 < seconds < 1e9:
        raise ConfigError(f"{VARIABLE}={stated}: expected a number of seconds, such as 60.")
    return seconds


def read_apart(path: Path, work: str, times: float, remedy: str, **what: Any) -> Answer:
    """Have a file read by another process, which is kept for the next file.

    Args:
        path: The file.
        work: `module:function`, called with `path` and what else is given. The module is imported there only.
        times: How many times its size a file may take there; 200 MB come on top.
        remedy: What to do about a damaged file, as a sentence.
        **what: Further keywords of the function.

    Returns:
        What the function returned.

    Raises:
        ReadError: It raised an exception, did not end in time, took too much memory or ended the process.
    """
    what |= {"path": os.path.abspath(path)}  # the other process stays where this one was when it began
    try:
        if is_inside():
            module, _, function = work.partition(":")
            with limited_memory(memory_limit(path, times)):
                answer: Answer = getattr(import_module(module), function)(**what)
            return answer
        process = _processes.get(work) or _processes.setdefault(work, LimitedProcess(work))
        return process.ask(what, time_limit(path), memory_limit(path, times))
    except WorkLate as late:
        raise ReadError(
            f"{path}: the process that read it {late}: the file is damaged. {remedy} If it is right, allow more with "
            f"the environment variable {VARIABLE}={math.ceil(4 * time_limit(path))}."
        ) from late
    except WorkEnded as ended:
        allowed = memory_limit(path, times) / 1e9
        raise ReadError(
            f"{path}: the process that read it {ended}: the file is damaged, or takes more than {allowed:.2f} GB. "
            f"{remedy} If it is right, allow more with the environment variable {MEMORY}={math.ceil(4 * allowed)} (in "
            "GB)."
        ) from ended
    except (MemoryError, JointwiseError):
        raise
    except Exception as error:  # on a damaged file a library raises nearly anything
        text = str(error) if isinstance(error, WorkFailed) else f"{type(error).__name__}: {error}"
        raise ReadError(f"{path}: damaged or cut off ({path.stat().st_size} bytes; {text[:200]}). {remedy}") from error


def _close() -> None:
    for process in _processes.values():
        process.close()


atexit.register(_close)
