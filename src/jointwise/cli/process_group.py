"""Runs a command in the process group that torchrun has started, if there is one."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn


def started_by_torchrun() -> bool:
    """Whether this process is one of several that torchrun has started."""
    return int(os.environ.get("WORLD_SIZE", "1")) > 1 and {"RANK", "MASTER_ADDR"} <= os.environ.keys()


@contextmanager
def process_group() -> Iterator[None]:
    """Join the process group around a command; the process ends with the command.

    An error is raised in the first process in which something fails. The other processes just end.
    """
    if not started_by_torchrun():
        yield
        return
    from jointwise.training import distributed  # only now: it imports torch

    try:
        distributed.init_process_group()
        yield
        distributed.destroy_process_group()
    except Exception:
        if distributed.should_report_error():
            raise
        _end(1)
    _end(0)


def _end(status: int) -> NoReturn:
    """End the process at once: running gloo threads abort one that ends in the ordinary way."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)
