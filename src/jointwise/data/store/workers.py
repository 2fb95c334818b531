"""Run a function over many items in several processes: results in order, memory bounded."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Any, TypeVar

import numpy as np

from jointwise.errors import ReadError

_ITEMS_PER_WORKER = 200  # with fewer, starting another process takes longer than reading them
_BATCH_ITEMS = 16  # items that a worker gets at once, to save messages between processes
_BATCH_BYTES = 8 << 20  # bytes of the files of a batch, unless a single file has more
_QUEUED_BATCHES = 2  # unfinished batches for each other process, so that it never waits for the one that writes
_UNWRITTEN_BATCHES = 8  # further batches that may be finished and not yet written; this bounds the memory

Result = TypeVar("Result")


def run_in_order(
    work: Callable[[Any], Result], items: list[Any], size: Callable[[Any], int], workers: int
) -> Iterator[Result]:
    """Apply a function to items in several processes.

    This process is one of the workers: it works on a batch itself whenever the others have enough to do.

    Args:
        work: A function of a module or a partial of one, because other processes import it. It must not raise.
        items: What `work` takes, one at a time.
        size: Item -> bytes of its file.
        workers: Processes at most, this one included. Short lists of items get fewer.

    Yields:
        The results, in the order of the items.

    Raises:
        ReadError: Another process was killed.
    """
    _keep_freed_memory()
    others = min(workers - 1, len(items) // _ITEMS_PER_WORKER)
    if others < 1:
        yield from map(work, items)
        return
    spawn = multiprocessing.get_context("spawn")  # a fork would copy the threads of torch in an undefined state
    with ProcessPoolExecutor(others, mp_context=spawn, initializer=_begin_worker) as pool:
        waiting: deque[Future[list[Result]]] = deque()
        try:
            for batch in _batches(items, size):
                if sum(not future.done() for future in waiting) < _QUEUED_BATCHES * others:
                    waiting.append(pool.submit(_run_batch, work, batch))
                else:
                    waiting.append(_finished_future(_run_batch(work, batch)))
                while waiting and (waiting[0].done() or len(waiting) >= _QUEUED_BATCHES * others + _UNWRITTEN_BATCHES):
                    yield from waiting.popleft().result()
            while waiting:
                yield from waiting.popleft().result()
        except BrokenProcessPool as error:
            raise ReadError(
                "a process that read recordings was ended from outside, most often for lack of memory. What was read "
                "is kept: run the same command again, with --workers 1."
            ) from error
        finally:
            for future in waiting:
                future.cancel()


def _batches(items: list[Any], size: Callable[[Any], int]) -> Iterator[list[Any]]:
    batch: list[Any] = []
    batch_bytes = 0
    for item in items:
        item_bytes = size(item)
        if batch and (len(batch) == _BATCH_ITEMS or batch_bytes + item_bytes > _BATCH_BYTES):
            yield batch
            batch = []
            batch_bytes = 0
        batch.append(item)
        batch_bytes += item_bytes
    if batch:
        yield batch


def _run_batch(work: Callable[[Any], Result], items: list[Any]) -> list[Result]:
    return [work(item) for item in items]


def _finished_future(results: list[Result]) -> Future[list[Result]]:
    future: Future[list[Result]] = Future()
    future.set_result(results)
    return future


def _begin_worker() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # only the process that writes handles Ctrl-C
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _keep_freed_memory()


def _end_with_parent() -> None:
    """End a worker whose parent was killed. Otherwise it would wait for work forever."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _keep_freed_memory() -> None:
    """Let glibc keep the memory that is freed after each file instead of returning it to the system.

    Freeing a mapped block of 8 MB raises glibc's threshold for keeping memory to 16 MB (mallopt(3), dynamic threshold).
    Elsewhere it does nothing. Preparing NTU files then takes 0.90 times the CPU time (0.85 to 0.92 in 9 pairs), reading
    alone 0.87 times (0.85 to 0.89): `python lab/kept_memory.py`.
    """
    np.empty(8 << 20, np.uint8)
