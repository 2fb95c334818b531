"""A process that works for this one, with limits of memory and time. It may hang or crash without harm.

A line of JSON on its stdin says what to do. It answers with a line of JSON and, behind it, the bytes of arrays. It ends
with its stdin, and so with the process that started it; while it works, with its limit of time.
"""

from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from importlib import import_module
from pathlib import Path
from typing import IO, Any

import numpy as np

from jointwise.errors import JointwiseError

Array = np.ndarray[Any, Any]
Answer = tuple[dict[str, Any], list[Array]]  # what JSON can hold, and arrays
_START_SECONDS = 120.0  # until the process is ready: its libraries may lie on a slow disk
_COMMAND = "from jointwise.data.native.process import main; main()"
_inside = False


class WorkFailed(Exception):
    """The work raised an exception, whose text this is."""


class WorkEnded(Exception):
    """The process did not answer and was ended, or ended itself: how, as a part of a sentence."""


class WorkLate(WorkEnded):
    """The work did not end in time."""


def is_inside() -> bool:
    """Whether this process is one that works with limits: it needs no other one."""
    return _inside


class LimitedProcess:
    """A process that works for this one; it is started when it is needed, and again after it ended.

    Args:
        work: `module:function`; the function takes keywords that JSON can hold and returns an Answer.
    """

    def __init__(self, work: str) -> None:
        self._work = work
        self._process: subprocess.Popen[bytes] | None = None
        self._ready = False
        self._owner = 0
        self._lock = threading.Lock()

    def ask(self, what: dict[str, Any], seconds: float, memory: float) -> Answer:
        """Have the function called.

        Args:
            what: Its keywords.
            seconds: Time that it may take.
            memory: Bytes that it may take beside what the process has; no limit where the system knows none.

        Returns:
            What it returned.

        Raises:
            JointwiseError: The process cannot start.
            WorkFailed: The function raised an exception.
            WorkEnded: The process had to be ended, ended by itself, or had no memory left.
        """
        with self._lock:
            process = self._running()
            try:
                if not self._ready:
                    problem = _problem_at_start(process)
                    if problem:
                        raise JointwiseError(f"{self._work}: its process cannot start ({problem}). Install it again.")
                    self._ready = True
                line = json.dumps({"what": what, "seconds": seconds, "memory": memory}).encode() + b"\n"
                reply, arrays = _exchange(process, line, seconds, memory)
            except BaseException:
                self._drop()  # after Ctrl-C, too: the next question would get this answer
                raise
        if "too_large" in reply:
            raise WorkEnded("had no memory left")
        if "error" in reply:
            raise WorkFailed(reply["error"])
        return reply["answer"], arrays

    def start(self) -> None:
        """Start the process, so that the first question need not wait for it."""
        with self._lock:
            self._running()

    def is_running(self) -> bool:
        """Whether the process is there."""
        return self._process is not None and self._process.poll() is None

    def close(self) -> None:
        """End the process."""
        with self._lock:
            self._drop()

    def _running(self) -> subprocess.Popen[bytes]:
        if self._owner != os.getpid() or self._process is None or self._process.poll() is not None:
            self._drop()
            self._owner = os.getpid()
            self._process, self._ready = _start(self._work), False
        return self._process

    def _drop(self) -> None:
        process, self._process = self._process, None  # where this one is a fork, the other goes on with the process
        if process is None or self._owner != os.getpid():
            return
        process.kill()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                with suppress(OSError):  # one to a process that has gone cannot be flushed
                    pipe.close()
        process.wait()


def _start(work: str) -> subprocess.Popen[bytes]:
    threads = {f"{name}_NUM_THREADS": "1" for name in ("OMP", "OPENBLAS", "MKL")}  # each takes address space
    places = os.pathsep.join(os.path.abspath(place) for place in sys.path)  # it finds what this process finds
    try:
        return subprocess.Popen(
            [sys.executable, "-P", "-c", _COMMAND, work],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=os.environ | threads | {"PYTHONPATH": places, "PYTHONWARNINGS": "ignore"},
            start_new_session=True,  # Ctrl-C is for the process that asks
        )
    except OSError as error:
        raise JointwiseError(f"{work}: its process cannot start ({error.strerror or error}).") from error


def _problem_at_start(process: subprocess.Popen[bytes]) -> str:
    """Wait until a process is ready; why it will not be, empty where it is."""
    try:
        return str(_exchange(process, b"", _START_SECONDS, 0)[0].get("error", ""))
    except WorkEnded as ended:
        return f"it {ended}"


def _exchange(process: subprocess.Popen[bytes], line: bytes, seconds: float, memory: float) -> Answer:
    """Send a question and receive its answer, in time."""
    assert process.stdin is not None
    assert process.stdout is not None
    late = threading.Event()

    def end() -> None:
        late.set()
        process.kill()

    timer = threading.Timer(seconds, end)
    timer.start()
    try:
        process.stdin.write(line)
        process.stdin.flush()
        answer = _receive(process.stdout, memory)
    except (OSError, EOFError) as error:
        if not late.is_set():
            raise WorkEnded(_how_it_ended(process)) from error
    finally:
        timer.cancel()
        timer.join()  # one that has just rung is about to end the process, whatever it answered
    if late.is_set():
        raise WorkLate(f"did not end within {seconds:g} s")
    return answer


def _receive(stream: IO[bytes], memory: float) -> Answer:
    """An answer; EOFError where the process ends before it."""
    line = stream.readline()
    if not line.endswith(b"\n"):
        raise EOFError
    reply = json.loads(line)
    arrays = []
    for kind, shape in reply.pop("arrays"):
        if math.prod(shape) * np.dtype(kind).itemsize > memory:
            raise EOFError  # it could not have it
        content = bytearray(math.prod(shape) * np.dtype(kind).itemsize)
        if stream.readinto(content) != len(content):  # type: ignore[attr-defined]
            raise EOFError
        arrays.append(np.frombuffer(content, kind).reshape(shape))
    return reply, arrays


def _how_it_ended(process: subprocess.Popen[bytes]) -> str:
    try:
        status = process.wait(5)
    except subprocess.TimeoutExpired:
        return "gave no answer"
    if status >= 0:
        return f"ended with status {status}"
    try:
        return f"was ended by {signal.Signals(-status).name}"
    except ValueError:
        return f"was ended by signal {-status}"


# --- inside the process ---


@contextmanager
def limited_memory(most: float) -> Iterator[None]:
    """Let this process take no more memory in the block than now and some more; nothing where the system has no limit.

    Args:
        most: Bytes beside what it has now. A lower limit around the block stays.
    """
    try:
        import resource

        pages = int(Path("/proc/self/statm").read_text().split()[0])
    except (ImportError, OSError):  # Windows, macOS
        yield
        return
    before, hard = resource.getrlimit(resource.RLIMIT_AS)
    wanted = int(min(pages * resource.getpagesize() + most, sys.maxsize))
    least = min([wanted, *(limit for limit in (before, hard) if limit != resource.RLIM_INFINITY)])
    resource.setrlimit(resource.RLIMIT_AS, (least, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (before, hard))


def limit_time(seconds: float) -> None:
    """End this process after some seconds, even where nobody waits for it any more; 0: never.

    Args:
        seconds: Seconds from now.
    """
    if hasattr(signal, "alarm"):
        signal.alarm(math.ceil(seconds))


def answer_to(work: Callable[..., Answer], asked: dict[str, Any]) -> Answer:
    """Call the function that the process is for.

    Args:
        work: The function.
        asked: `what`, its keywords; `seconds` and `memory`, its limits.

    Returns:
        What is sent to the process that asked.
    """
    limit_time(asked["seconds"] + 5)  # the other process is first, as long as it lives
    try:
        with limited_memory(asked["memory"]):
            answer, arrays = work(**asked["what"])
    except Exception as error:
        if isinstance(error, MemoryError) or "bad_alloc" in str(error):  # how C++ says it
            return {"too_large": True}, []
        return {"error": f"{type(error).__name__}: {str(error)[:500]}"}, []
    finally:
        limit_time(0)
    return {"answer": answer}, arrays


def main() -> None:
    """Answer line after line."""
    global _inside
    _inside = True
    module, _, function = sys.argv[1].partition(":")
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever a library prints is no answer
    try:
        work = getattr(import_module(module), function)
    except Exception as error:
        _send(answers, {"error": f"{type(error).__name__}: {str(error)[:500]}"}, [])
        return
    _send(answers, {}, [])
    for line in sys.stdin.buffer:
        _send(answers, *answer_to(work, json.loads(line)))


def _send(stream: IO[bytes], reply: dict[str, Any], arrays: list[Array]) -> None:
    stream.write(json.dumps(reply | {"arrays": [[a.dtype.str, a.shape] for a in arrays]}).encode() + b"\n")
    for array in arrays:
        stream.write(array.tobytes())
    stream.flush()
