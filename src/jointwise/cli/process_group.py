"""Runs a command beside others: in the process group that torchrun has started, and no longer than its parent."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

PARENT = "JOINTWISE_PARENT"  # number of the process whose end is also the end of this one
_EVERY = 1.0  # seconds between two looks at the parent


def end_with_parent() -> None:
    """End this process when the command that started it ends, however that ended: by SIGKILL it can tell nobody.

    A training gets SIGTERM and saves its state. A process that another one than the named parent has started goes on.
    """
    parent = os.environ.get(PARENT)
    if parent is not None and str(os.getppid()) == parent:
        threading.Thread(target=_watch, args=(int(parent),), daemon=True).start()


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(_EVERY)
    os.kill(os.getpid(), signal.SIGTERM)


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
