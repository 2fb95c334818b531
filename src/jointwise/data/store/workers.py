"""Run a function over many items in several processes: results in order, memory bounded."""

from __future__ import annotations

import multiprocessing
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import ExitStack, suppress
from multiprocessing.connection import Connection
from types import TracebackType
from typing import Any, Generic, TypeVar

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
        items: What `work` takes, one at a time. Each is small, such as a path: it is sent to another process.
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
    with ExitStack() as stack:
        helpers = [stack.enter_context(_Worker(work)) for _ in range(others)]
        waiting: deque[Future[list[Result]]] = deque()
        for batch in _batches(items, size):
            helper = min(helpers, key=_Worker.unfinished)
            if helper.unfinished() < _QUEUED_BATCHES:
                waiting.append(helper.send(batch))
            else:
                waiting.append(_finished_future(_run_batch(work, batch)))
            while waiting and (waiting[0].done() or len(waiting) >= _QUEUED_BATCHES * others + _UNWRITTEN_BATCHES):
                yield from waiting.popleft().result()
        while waiting:
            yield from waiting.popleft().result()


class _Worker(Generic[Result]):
    """Another process that works on batches, one after the other.

    `concurrent.futures.ProcessPoolExecutor` waits for ever for a process that is killed while it sends a result: its
    processes share one pipe, whose sending end the receiver holds open. Here each process has a pipe of its own, which
    ends with it.
    """

    def __init__(self, work: Callable[[Any], Result]) -> None:
        spawn = multiprocessing.get_context("spawn")  # a fork would copy the threads of torch in an undefined state
        self._pipe, end = spawn.Pipe()
        self._process = spawn.Process(target=_serve, args=(end, work), daemon=True)
        self._process.start()
        end.close()  # the process has its own copy; with this one open, its death would not end the pipe
        self._sent: deque[Future[list[Result]]] = deque()
        self._receiver = threading.Thread(target=self._receive, daemon=True)  # the process never waits to send
        self._receiver.start()

    def __enter__(self) -> _Worker[Result]:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, traceback: TracebackType | None) -> None:
        if kind is None:
            with suppress(OSError):
                self._pipe.send(None)
        else:
            self._process.terminate()
        self._receiver.join()
        self._process.join()
        self._pipe.close()

    def unfinished(self) -> int:
        """Number of batches that it has been sent and has not finished."""
        return len(self._sent)

    def send(self, batch: list[Any]) -> Future[list[Result]]:
        """Have a batch worked on. Raises ReadError where the process was killed, now or by `result`."""
        future: Future[list[Result]] = Future()
        self._sent.append(future)
        try:
            self._pipe.send(batch)
        except OSError as error:
            raise _killed() from error
        return future

    def _receive(self) -> None:
        try:
            while True:
                results = self._pipe.recv()
                self._sent.popleft().set_result(results)
        except Exception as error:  # nobody may wait for ever, whatever it is
            ended = _killed() if isinstance(error, EOFError | OSError) else error
            while self._sent:
                self._sent.popleft().set_exception(ended)


def _killed() -> ReadError:
    return ReadError(
        "a process that read recordings was ended from outside, most often for lack of memory. What was read is kept: "
        "run the same command again, with --workers 1."
    )


def _serve(pipe: Connection, work: Callable[[Any], Any]) -> None:
    """Work on the batches that come through a pipe until None comes, or the process at its other end is killed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # only the process that writes handles Ctrl-C
    _keep_freed_memory()
    try:
        while (batch := pipe.recv()) is not None:
            pipe.send(_run_batch(work, batch))
    except (EOFError, OSError):
        return


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


def _keep_freed_memory() -> None:
    """Let glibc keep the memory that is freed after each file instead of returning it to the system.

    Freeing a mapped block of 8 MB raises glibc's threshold for keeping memory to 16 MB (mallopt(3), dynamic threshold).
    Elsewhere it does nothing. Preparing NTU files then takes 0.90 times the CPU time (0.85 to 0.92 in 9 pairs), reading
    alone 0.87 times (0.85 to 0.89): `python lab/kept_memory.py`.
    """
    np.empty(8 << 20, np.uint8)
