"""Runs the stages of a comparison as processes of their own: several at once, stoppable, one line for each."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from rich.console import Console

from jointwise.errors import writing
from jointwise.report.page.scales import duration
from jointwise.training import distributed

PAUSE = 0.1  # seconds between two looks at the processes
TAIL = 8  # lines of a failed stage's log that are shown


@dataclass(frozen=True)
class Stage:
    """One ordinary command of jointwise.

    command: its arguments; resume: those added where it was begun before. products: files that exist when it is
    finished. run: the folder of the run that it can go on with, None where there is nothing to resume. log: gets what
    it prints. after: what must be finished before.
    """

    title: str
    command: tuple[str, ...]
    products: tuple[Path, ...]
    run: Path | None
    log: Path
    after: Stage | None = None
    resume: tuple[str, ...] = ("--resume",)

    @property
    def chain(self) -> str:
        """What all stages that need each other have in common: the title of the first."""
        return self.title if self.after is None else self.after.chain

    @property
    def finished(self) -> bool:
        """Whether everything it makes is there."""
        return all(path.is_file() for path in self.products)

    @property
    def arguments(self) -> list[str]:
        """Its command as it is to be called now: with --resume where it was begun before."""
        begun = self.run is not None and (self.run / "config.yaml").is_file()
        return [*self.command, *(self.resume if begun else ())]


class Process(Protocol):
    """What a started stage can do: a part of subprocess.Popen."""

    def poll(self) -> int | None:
        """Its exit status, None while it runs."""
        ...

    def send_signal(self, sig: int, /) -> None:
        """Sends a signal unless it has ended."""
        ...


Start = Callable[[Stage], Process]


def start_process(jobs: int) -> Start:
    """Starts stages as `python -m jointwise …`, of which `jobs` share the cores.

    They do not hear the terminal's Ctrl-C: whoever started them passes it on, once.
    """
    threads = max(1, (os.cpu_count() or 1) // max(1, jobs))
    environment = {"OMP_NUM_THREADS": str(threads), **distributed.environment_alone(), "PYTHONUNBUFFERED": "1"}

    def start(stage: Stage) -> Process:
        with writing(stage.log):
            stage.log.parent.mkdir(parents=True, exist_ok=True)
            log = stage.log.open("a")
        with log:
            log.write(f"$ jointwise {shlex.join(stage.arguments)}\n")
            log.flush()
            return subprocess.Popen(
                [sys.executable, "-m", "jointwise", *stage.arguments],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=environment,
                process_group=0,
            )

    return start


class _Runner:
    """The stages that wait, run and have failed."""

    def __init__(self, stages: Sequence[Stage], jobs: int, start: Start, console: Console) -> None:
        self.stages, self.jobs, self.start, self.console = stages, jobs, start, console
        self.waiting = [stage for stage in stages if not stage.finished]
        self.running: dict[Stage, tuple[Process, float]] = {}
        self.failed: list[Stage] = []

    def begin(self) -> None:
        """Starts what may start; what needs a failed stage has failed too, what another process does is not ours."""
        for stage in list(self.waiting):
            if stage.after in self.failed:
                self.waiting.remove(stage)
                self.failed.append(stage)
                self.say(stage, "left out, as what it needs has failed")
            elif len(self.running) < self.jobs and stage.after not in (*self.waiting, *self.running):
                self.waiting.remove(stage)
                if distributed.claim(stage.chain):
                    self.running[stage] = (self.start(stage), time.monotonic())

    def collect(self) -> None:
        """Looks which stages have ended, and how."""
        for stage, (process, began) in list(self.running.items()):
            status = process.poll()
            if status is None:
                continue
            del self.running[stage]
            took = duration(round(time.monotonic() - began))
            if status == 0 and stage.finished:
                self.say(stage, took)
                continue
            self.failed.append(stage)
            missing = ", ".join(str(path) for path in stage.products if not path.is_file())
            why = f"status {status}" if status else f"it wrote no {missing}"
            self.say(stage, f"FAILED after {took} ({why}), the end of {stage.log}:")
            for line in last_lines(stage.log):
                self.console.print(f"      {line}", markup=False, highlight=False, soft_wrap=True)

    def interrupt(self) -> None:
        """Lets the running stages save themselves; a second Ctrl-C ends them at once."""
        if self.running:
            self.console.print("stopping: what runs saves itself first (Ctrl-C again: end it at once)")
        for process, _ in self.running.values():
            process.send_signal(signal.SIGINT)
        try:
            while any(process.poll() is None for process, _ in self.running.values()):
                time.sleep(PAUSE)
        except KeyboardInterrupt:
            for process, _ in self.running.values():
                process.send_signal(signal.SIGKILL)

    def say(self, stage: Stage, words: str) -> None:
        """The one line of a stage."""
        number, total = self.stages.index(stage) + 1, len(self.stages)
        line = f"[{number:>{len(str(total))}}/{total}] {stage.title} … {words}"
        self.console.print(line, markup=False, highlight=False, soft_wrap=True)

    def doing(self) -> str:
        """What runs now, for the terminal."""
        now = time.monotonic()
        return ", ".join(
            f"{stage.title} ({duration(round(now - began))})" for stage, (_, began) in self.running.items()
        )


def run_stages(stages: Sequence[Stage], jobs: int, start: Start, console: Console) -> list[Stage]:
    """Runs the stages that are not finished, `jobs` at once; returns those that failed, which holds up no others.

    Where there are several processes, each takes chains that no other has taken, and runs `jobs` of their stages.
    Raises KeyboardInterrupt after Ctrl-C, when the running ones have ended.
    """
    runner = _Runner(stages, jobs, start, console)
    if len(runner.waiting) < len(stages):
        console.print(f"{len(stages) - len(runner.waiting)} of {len(stages)} stages are finished already")
    try:
        with _ended_like_ctrl_c(), console.status("") as status:  # the status is shown on terminals only
            while runner.waiting or runner.running:
                runner.begin()
                status.update(runner.doing())
                runner.collect()
                if runner.running:
                    time.sleep(PAUSE)
    except BaseException:  # Ctrl-C, a full disk: nothing goes on behind the back of who started it
        runner.interrupt()
        raise
    return runner.failed


@contextmanager
def _ended_like_ctrl_c() -> Iterator[None]:
    """A closed terminal and a polite kill act as Ctrl-C, so that no stage goes on without the one who started it."""
    here = threading.current_thread() is threading.main_thread()  # no other thread may listen
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP) if here}
    for number, handler in before.items():
        if handler is signal.SIG_DFL:  # under nohup it is ignored, and stays so
            signal.signal(number, signal.default_int_handler)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def last_lines(log: Path) -> list[str]:
    """The end of a stage's log."""
    text = log.read_text(errors="replace") if log.is_file() else ""
    return [line for line in text.splitlines() if line.strip()][-TAIL:]
