"""The commands that are interrupted, on small data, and what tells whether one of them does its work twice."""

import os
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from helpers import tiny

GO_ON = "--resume"
_STEPS = dict.fromkeys(("pretrain.steps", "finetune.steps", "scratch.steps", "semi.steps"), "5")
_SETTINGS = tiny.SETTINGS | _STEPS | {"semi.batch": "8", "execution.checkpoint_every": "2"}


def _train(*left_out: str) -> tuple[str, ...]:
    """The data and the sizes of a training, as on the command line."""
    words = (word for name, value in _SETTINGS.items() if name not in left_out for word in (f"--{name}", value))
    return ("--data", tiny.NAME, *words)


_TRAIN = _train()
_POOLED = ("hands/", "arms/")


@dataclass(frozen=True)
class Command:
    """A command that is interrupted.

    Args:
        words: What is called.
        needs: Files and folders of the template that it starts with.
        resumes: Whether it goes on by --resume; else the same command goes on.
        weight: How often it is interrupted, relative to the others.
    """

    words: tuple[str, ...]
    needs: tuple[str, ...]
    resumes: bool = False
    weight: int = 2


COMMANDS = {
    "pretrain": Command(("pretrain", tiny.SYSTEM, *_TRAIN, "--run", "run"), ("data",), True),
    "finetune": Command(("finetune", "before", *_TRAIN, "--run", "run"), ("data", "before"), True),
    "semi": Command(
        ("finetune", "before", *_TRAIN, "--labels", "2shot", "--unlabelled", "pseudo", "--run", "run"),
        ("data", "before"),
        True,
    ),
    "prepare": Command(("prepare", "hands/", "--workers", "1"), ("hands", "data/own")),
    "pool": Command(("pool", "both", *_POOLED), _POOLED),
    "table": Command(
        (
            *(
                "table",
                *_train("scratch.steps"),
                "--systems",
                tiny.SYSTEM,
                "--protocols",
                "finetune",
                "knn",
                "--labels",
                "0.5",
            ),
            *("--jobs", "1", "--run", "table"),
        ),
        ("data",),
        weight=1,  # it has seven trainings and evaluations
    ),
}


def write_template(call: Callable[[tuple[str, ...]], None]) -> None:
    """Write what the commands start with into the current folder.

    Args:
        call: Runs a command of jointwise.
    """
    for seed, folder in enumerate(_POOLED):
        for number in range(8):
            recorded = tiny.walk(number % 2, 1 + number % 4, 10 * seed + number)
            path = Path(folder, ("nod", "wave")[number % 2], f"{number}.npz")
            path.parent.mkdir(parents=True, exist_ok=True)
            about = {"joints": recorded.skeleton.joints, "root": "spine_base", "up": 1, "subject": recorded.subject}
            np.savez(path, positions=recorded.positions, units="m", **about)
    content = path.read_bytes()
    call(("prepare", _POOLED[0]))  # an earlier store, which `prepare` replaces because of a new recording
    Path(_POOLED[0], "wave", "new.npz").write_bytes(content)
    call(("prepare", tiny.NAME))
    call(("pretrain", tiny.SYSTEM, *_TRAIN, "--run", "before"))


class Notes:
    """Notes what a process begins and what it has finished, in a file outside the watched folder.

    A line is `begins WHAT`, `finished WHAT`, or the kind of an operation on a file.

    Args:
        path: The file.
    """

    def __init__(self, path: Path) -> None:
        self.file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        self.stage = ""

    def __call__(self, line: str) -> None:
        """Write a line at once: the process may be killed after it."""
        os.write(self.file, f"{line}\n".encode())

    def begins(self, what: str) -> None:
        """Note the beginning of a piece of work."""
        self(f"begins {self.stage} {what}")

    def finished(self, what: str) -> None:
        """Note that a piece of work need not be done again."""
        self(f"finished {self.stage} {what}")

    def install(self) -> None:
        """Watch steps of trainings, recordings that are stored, and stages of a table; for good."""
        from jointwise.data.store.writer import StoreWriter
        from jointwise.stages.finetune import FinetuneTask
        from jointwise.stages.pretrain import PretrainTask
        from jointwise.stages.semi import SemiTask
        from jointwise.training.checkpoint import Checkpoint

        notes = self
        for task in (PretrainTask, FinetuneTask, SemiTask):

            def loss(task: Any, batch: Any, real: Any = task.loss) -> Any:
                notes.begins(f"step {batch.step}")
                return real(task, batch)

            task.loss = loss  # type: ignore[method-assign]
        save, add, save_rows = Checkpoint.save, StoreWriter.add, StoreWriter._save

        def saving(checkpoint: Any, step: int, *rest: Any) -> None:
            save(checkpoint, step, *rest)
            for done in range(step):
                notes.finished(f"step {done}")

        def adding(writer: Any, name: str, *rest: Any, **more: Any) -> None:
            notes.begins(f"recording {writer.path.name} {name}")
            add(writer, name, *rest, **more)

        def saving_rows(writer: Any) -> None:
            unsaved = [entry["name"] for entry in writer._unsaved]
            save_rows(writer)
            for name in unsaved:
                notes.finished(f"recording {writer.path.name} {name}")

        Checkpoint.save, StoreWriter.add = saving, adding  # type: ignore[method-assign]
        StoreWriter._save = saving_rows  # type: ignore[method-assign]


def fork_stages(notes: Notes, run: Callable[[tuple[str, ...]], int]) -> None:
    """Let stages of a table be forked from this process instead of started by Python, which takes seconds each.

    Args:
        notes: Gets the stages.
        run: Runs a command as the process `jointwise` would, and returns its exit status.
    """
    from rich.console import Console

    from jointwise.cli import processes
    from jointwise.cli.process_group import PARENT
    from jointwise.errors import writing

    class Forked:
        """A stage that was forked: a part of subprocess.Popen."""

        def __init__(self, stage: processes.Stage) -> None:
            with writing(stage.log):
                stage.log.parent.mkdir(parents=True, exist_ok=True)
                log = stage.log.open("a")
            with log:
                log.write(f"$ {stage.title}\n")
            self.title = stage.title
            self.status: int | None = None
            parent = os.getpid()
            notes.begins(f"stage {stage.title}")
            self.number = os.fork()
            if self.number == 0:
                os.setpgid(0, 0)
                os.environ[PARENT] = str(parent)
                for stream in (1, 2):
                    os.dup2(os.open(stage.log, os.O_WRONLY | os.O_APPEND), stream)
                notes.stage = stage.title
                os._exit(run(tuple(stage.arguments)))

        def poll(self) -> int | None:
            if self.status is None:
                ended, status = os.waitpid(self.number, os.WNOHANG)
                self.status = os.waitstatus_to_exitcode(status) if ended else None
                if self.status == 0:
                    notes.finished(f"stage {self.title}")
            return self.status

        def send_signal(self, sig: int, /) -> None:
            if self.poll() is None:
                os.kill(self.number, sig)

    processes.start_process = lambda _jobs: Forked  # type: ignore[assignment,return-value]
    quiet = SimpleNamespace(update=lambda _line: None)
    Console.status = lambda *_: nullcontext(quiet)  # type: ignore[assignment,method-assign,return-value]
