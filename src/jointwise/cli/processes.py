"""Runs the commands of a comparison as processes: several at once, stoppable, one line of output for each."""

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
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from rich.console import Console

from jointwise.cli.process_group import PARENT
from jointwise.errors import writing
from jointwise.training import distributed
from jointwise.training.forecast import duration

PAUSE = 0.1  # seconds between two looks at the processes
TAIL = 8  # lines of a failed stage's log that are shown


@dataclass(frozen=True)
class Stage:
    """One ordinary command of jointwise, run as a process.

    Args:
        title: Its name in the output.
        command: Its arguments.
        products: Files that exist when it is finished.
        run: Folder of the run that it can resume; None: it cannot be resumed.
        log: File that gets what it prints.
        after: The stage that must be finished before it starts.
        resume: Arguments to add where it was started before.
        before: What this process does right before it starts, such as writing a file that its command reads.
    """

    title: str
    command: tuple[str, ...]
    products: tuple[Path, ...]
    run: Path | None
    log: Path
    after: Stage | None = None
    resume: tuple[str, ...] = ("--resume",)
    before: Callable[[], None] | None = field(default=None, compare=False)

    @property
    def chain(self) -> str:
        """The title of the first of the stages that depend on each other; they run in one process of torchrun."""
        return self.title if self.after is None else self.after.chain

    @property
    def finished(self) -> bool:
        """Whether all its products exist."""
        return all(path.is_file() for path in self.products)

    @property
    def arguments(self) -> list[str]:
        """Its arguments now: with --resume where it was started before."""
        started = self.run is not None and (self.run / "config.yaml").is_file()
        return [*self.command, *(self.resume if started else ())]


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
    """Make the function that starts a stage as `python -m jointwise …`.

    The processes are in groups of their own, so the terminal's Ctrl-C does not reach them; the caller passes it on.

    Args:
        jobs: How many run at once and share the cores.

    Returns:
        A function from a stage to its running process.
    """
    threads = max(1, (os.cpu_count() or 1) // max(1, jobs))
    environment = {"OMP_NUM_THREADS": str(threads), **distributed.single_process_environment(), "PYTHONUNBUFFERED": "1"}
    environment[PARENT] = str(os.getpid())

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
    """The stages that wait, run or have failed."""

    def __init__(self, stages: Sequence[Stage], jobs: int, start: Start, console: Console) -> None:
        self.stages = stages
        self.jobs = jobs
        self.start = start
        self.console = console
        self.waiting = [stage for stage in stages if not stage.finished]
        self.running: dict[Stage, tuple[Process, float]] = {}
        self.failed: list[Stage] = []

    def begin(self) -> None:
        """Start what may start.

        A stage whose predecessor failed counts as failed. One that another process has taken is dropped.
        """
        for stage in list(self.waiting):
            if stage.after in self.failed:
                self.waiting.remove(stage)
                self.failed.append(stage)
                self.print_line(stage, "left out: the stage it needs has failed")
            elif len(self.running) < self.jobs and stage.after not in (*self.waiting, *self.running):
                self.waiting.remove(stage)
                if distributed.claim_once(stage.chain):
                    if stage.before is not None:
                        stage.before()
                    self.running[stage] = (self.start(stage), time.monotonic())

    def collect(self) -> None:
        """Find the stages that have ended, and print how."""
        for stage, (process, started) in list(self.running.items()):
            status = process.poll()
            if status is None:
                continue
            del self.running[stage]
            took = duration(round(time.monotonic() - started))
            if status == 0 and stage.finished:
                self.print_line(stage, took)
                continue
            self.failed.append(stage)
            missing = ", ".join(str(path) for path in stage.products if not path.is_file())
            why = f"status {status}" if status else f"it wrote no {missing}"
            self.print_line(stage, f"FAILED after {took} ({why}), the end of {stage.log}:")
            for line in last_lines(stage.log):
                self.console.print(f"      {line}", markup=False, highlight=False, soft_wrap=True)

    def interrupt(self) -> None:
        """Let the running stages save their state; a second Ctrl-C ends them at once."""
        if self.running:
            self.console.print("stopping: running stages save their state first (Ctrl-C again: end them at once)")
        for process, _ in self.running.values():
            process.send_signal(signal.SIGINT)
        try:
            while any(process.poll() is None for process, _ in self.running.values()):
                time.sleep(PAUSE)
        except KeyboardInterrupt:
            for process, _ in self.running.values():
                process.send_signal(signal.SIGKILL)

    def print_line(self, stage: Stage, outcome: str) -> None:
        """Print the one line of a stage."""
        number = self.stages.index(stage) + 1
        total = len(self.stages)
        line = f"[{number:>{len(str(total))}}/{total}] {stage.title} … {outcome}"
        self.console.print(line, markup=False, highlight=False, soft_wrap=True)

    def status_line(self) -> str:
        """What runs now and for how long, for the terminal."""
        now = time.monotonic()
        return ", ".join(
            f"{stage.title} ({duration(round(now - started))})" for stage, (_, started) in self.running.items()
        )


def run_stages(stages: Sequence[Stage], jobs: int, start: Start, console: Console) -> list[Stage]:
    """Run the stages that are not finished; one that fails does not stop the others.

    Under torchrun each process takes chains of stages that no other has taken, and runs `jobs` of them at once.

    Args:
        stages: All stages, in order.
        jobs: How many run at once.
        start: Starts one.
        console: Where the lines go.

    Returns:
        The stages that failed.

    Raises:
        KeyboardInterrupt: After Ctrl-C, when the running stages have ended.
    """
    runner = _Runner(stages, jobs, start, console)
    if len(runner.waiting) < len(stages):
        console.print(f"{len(stages) - len(runner.waiting)} of {len(stages)} stages are finished already")
    try:
        with _signals_as_ctrl_c(), console.status("") as status:  # the status is shown on terminals only
            while runner.waiting or runner.running:
                runner.begin()
                status.update(runner.status_line())
                runner.collect()
                if runner.running:
                    time.sleep(PAUSE)
    except BaseException:  # Ctrl-C, a full disk: no stage may run on after its parent
        runner.interrupt()
        raise
    return runner.failed


@contextmanager
def _signals_as_ctrl_c() -> Iterator[None]:
    """SIGTERM and a closed terminal act as Ctrl-C, so that no stage runs on after its parent."""
    is_main = threading.current_thread() is threading.main_thread()  # only this one may set signal handlers
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP) if is_main}
    for number, handler in before.items():
        if handler is signal.SIG_DFL:  # under nohup it is ignored, and stays so
            signal.signal(number, signal.default_int_handler)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def last_lines(log: Path) -> list[str]:
    """The last lines of a log that are not empty, at most TAIL."""
    text = log.read_text(errors="replace") if log.is_file() else ""
    return [line for line in text.splitlines() if line.strip()][-TAIL:]
