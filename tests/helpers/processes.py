"""Processes that tests start: with which variables, and whether one still runs."""

import os
from pathlib import Path

import jointwise

TESTS = Path(__file__).parents[1]


def environment(**more: str) -> dict[str, str]:
    """The variables of a process that finds jointwise and the helpers of tests where this one finds them."""
    paths = (TESTS, Path(jointwise.__file__).parents[1])
    return {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(map(str, paths)), **more}


def is_running(pid: int) -> bool:
    """Whether a process runs; one that has ended and is not yet collected does not. Asks /proc."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
