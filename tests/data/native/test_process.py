"""A process that works for another: its answers, its limits, and that nobody waits for ever."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from helpers.processes import environment, is_running
from jointwise.data.native import process as process_module
from jointwise.data.native.process import LimitedProcess, WorkEnded, WorkFailed, WorkLate
from jointwise.errors import JointwiseError

WORK = "helpers.limited_work:work"
GB = 1e9
HAS_PROC = Path("/proc/self/statm").exists()


@pytest.fixture(scope="module")
def process() -> Iterator[LimitedProcess]:
    process = LimitedProcess(WORK)
    yield process
    process.close()
    assert not process.is_running()


def test_answers_come_back_as_they_are_from_one_process(process: LimitedProcess) -> None:
    answer, (numbers, nothing) = process.ask({"do": "answer"}, 20, GB)
    assert answer["text"] == "\udcff"
    assert np.array_equal(numbers, np.arange(6.0).reshape(2, 3).T)
    assert (nothing.shape, nothing.dtype) == ((0, 2), bool)
    assert process.ask({"do": "answer"}, 20, GB)[0]["pid"] == answer["pid"] != os.getpid()


def test_an_exception_of_the_work_is_told_and_the_process_goes_on(process: LimitedProcess) -> None:
    first = process.ask({"do": "answer"}, 20, GB)[0]["pid"]
    with pytest.raises(WorkFailed, match=r"KeyError: 'nothing'"):
        process.ask({"do": "nothing"}, 20, GB)
    assert process.ask({"do": "answer"}, 20, GB)[0]["pid"] == first


@pytest.mark.skipif(not HAS_PROC, reason="memory is limited where /proc tells what a process has")
def test_work_that_takes_too_much_memory_is_told_and_the_process_goes_on(process: LimitedProcess) -> None:
    first = process.ask({"do": "answer"}, 20, GB)[0]["pid"]
    with pytest.raises(WorkEnded, match="no memory left"):
        process.ask({"do": "grow", "number": GB}, 20, GB / 2)
    assert process.ask({"do": "grow", "number": GB / 4}, 20, GB / 2)[0]["size"] == GB / 4
    assert process.ask({"do": "answer"}, 20, GB)[0]["pid"] == first


@pytest.mark.parametrize(
    ("command", "seconds", "words"),
    [
        ("raise SystemExit(4)", 60, "it ended with status 4"),
        ("import time; time.sleep(60)", 0.2, "it did not end within"),
    ],
)
def test_a_process_that_does_not_start_is_no_fault_of_a_file(
    monkeypatch: pytest.MonkeyPatch, command: str, seconds: float, words: str
) -> None:
    monkeypatch.setattr(process_module, "_COMMAND", command)
    monkeypatch.setattr(process_module, "_START_SECONDS", seconds)
    process = LimitedProcess(WORK)
    with pytest.raises(JointwiseError, match=rf"limited_work:work: its process cannot start \({words}"):
        process.ask({"do": "answer"}, 20, GB)
    assert not process.is_running()


def test_a_library_that_is_missing_is_no_fault_of_a_file() -> None:
    process = LimitedProcess("helpers.limited_work:missing")
    with pytest.raises(JointwiseError, match=r"limited_work:missing: its process cannot start \(AttributeError: "):
        process.ask({}, 20, GB)
    assert not process.is_running()


@pytest.mark.parametrize(
    ("do", "seconds", "error", "words"),
    [
        ("hang", 0.2, WorkLate, "did not end within 0.2 s"),
        ("crash", 20, WorkEnded, "was ended by SIGSEGV"),
        ("leave", 20, WorkEnded, "ended with status 3"),
    ],
)
def test_work_that_ends_the_process_is_told_and_the_next_gets_another(
    process: LimitedProcess, do: str, seconds: float, error: type[WorkEnded], words: str
) -> None:
    with pytest.raises(error, match=words):
        process.ask({"do": do}, seconds, GB)
    assert not process.is_running()
    assert process.ask({"do": "answer"}, 20, GB)[0]["text"] == "\udcff"


def test_an_answer_that_comes_as_its_time_is_over_is_late_and_the_next_gets_another_process(
    process: LimitedProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    receive = process_module._receive
    process.ask({"do": "answer"}, 20, GB)  # it is there
    with monkeypatch.context() as patched:
        patched.setattr(process_module, "_receive", lambda *args: (receive(*args), time.sleep(0.6))[0])
        with pytest.raises(WorkLate, match=r"did not end within 0.3 s"):
            process.ask({"do": "answer"}, 0.3, GB)
    assert process.ask({"do": "answer"}, 20, GB)[0]["text"] == "\udcff"


def test_a_process_that_was_killed_while_it_waited_is_started_again(process: LimitedProcess) -> None:
    os.kill(process.ask({"do": "answer"}, 20, GB)[0]["pid"], signal.SIGKILL)
    end = time.monotonic() + 60
    while process.is_running() and time.monotonic() < end:
        time.sleep(0.01)
    assert process.ask({"do": "answer"}, 20, GB)[0]["text"] == "\udcff"


@pytest.mark.skipif(not HAS_PROC, reason="looks into /proc")
def test_it_ends_with_the_process_that_started_it() -> None:
    code = f"""
import time
from jointwise.data.native.process import LimitedProcess
process = LimitedProcess({WORK!r})
print(process.ask({{"do": "answer"}}, 20, 1e9)[0]["pid"], flush=True)
time.sleep(60)
"""
    command = [sys.executable, "-c", code]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment()) as owner:
        assert owner.stdout is not None
        pid = int(owner.stdout.readline())
        assert is_running(pid)
        owner.kill()
    end = time.monotonic() + 10
    while is_running(pid) and time.monotonic() < end:
        time.sleep(0.02)
    assert not is_running(pid)
