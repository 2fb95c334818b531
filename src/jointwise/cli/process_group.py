"""The processes that torchrun has started together: joins them around a command; one of them says what failed."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn


def in_company() -> bool:
    """Whether torchrun has started this process as one of several."""
    return int(os.environ.get("WORLD_SIZE", "1")) > 1 and {"RANK", "MASTER_ADDR"} <= os.environ.keys()


@contextmanager
def company() -> Iterator[None]:
    """With the other processes, if there are any: the process ends with what is done here.

    The first process in which something fails raises it, the others just end.
    """
    if not in_company():
        yield
        return
    from jointwise.training import distributed  # not before it is needed: it takes torch

    try:
        distributed.join()
        yield
        distributed.leave()
    except Exception:
        if distributed.speaks_of_errors():
            raise
        _end(1)
    _end(0)


def _end(status: int) -> NoReturn:
    """Ends the process at once: threads of gloo that are still there abort one that ends in the ordinary way."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)
