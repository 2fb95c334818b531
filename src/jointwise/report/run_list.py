"""The runs in a folder: what each is, how far it is, what it scored, and whether it can go on."""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jointwise.data.locks import is_locked
from jointwise.errors import CheckpointError, ConfigError, DataError
from jointwise.evaluation.results import read_results
from jointwise.training.checkpoint import Checkpoint
from jointwise.training.model_folder import runs_below
from jointwise.training.run_folder import ARGUMENTS, LOCK, read_log, read_run_settings, resume_command, training_name

FINISHED, STOPPED, RUNNING, DAMAGED = "finished", "stopped", "running", "damaged"


@dataclass(frozen=True)
class RunSummary:
    """A run as the list of runs shows it.

    Args:
        path: Its folder.
        state: `finished`, `stopped`, `running`, or `damaged`: its description cannot be read.
        data: Name of the data that it is trained on.
        system: Name of the system.
        stage: `pretrain`, `import`, or what `training_name` returns.
        labels: Share or shots; `none` of a pre-training.
        seed: Its random seed.
        done: Steps that are done; of a stopped run those in its checkpoint.
        steps: Steps in all; 0 where nothing is trained.
        scores: Protocol, labels and the scores of each result in the folder.
        size: Bytes on disk.
        age: Seconds since it was last written to.
    """

    path: Path
    state: str
    data: str = ""
    system: str = ""
    stage: str = ""
    labels: str = ""
    seed: int = 0
    done: int = 0
    steps: int = 0
    scores: tuple[dict[str, Any], ...] = field(default=())
    size: int = 0
    age: float = 0.0


def list_runs(folder: Path) -> list[RunSummary]:
    """The runs in a folder and below, the newest first.

    Args:
        folder: Such as `runs`, or a run itself.
    """
    return sorted(map(summarise, runs_below(folder)), key=lambda run: run.age)


def summarise(folder: Path) -> RunSummary:
    """What there is to say of a run.

    Args:
        folder: The run folder. One that is damaged has that state, and its size and age.
    """
    sizes, changed = _files(folder)
    size, age = sum(sizes), max(0.0, time.time() - changed)
    try:
        settings, about = read_run_settings(folder)
        state = RUNNING if is_locked(folder / LOCK) else FINISHED if (folder / "run.json").is_file() else STOPPED
        steps = _steps(settings, about)
        scores = read_results(folder / "results") if (folder / "results").is_dir() else []
        return RunSummary(
            path=folder,
            state=state,
            data=str(about.get("data", "")),
            system=about["system"],
            stage=_stage(about),
            labels=about["labels"],
            seed=about["seed"],
            done=_done(folder, state, steps),
            steps=steps,
            scores=tuple(
                {"protocol": one["protocol"], "labels": one["labels"], "unit": one.get("unit", ""), **one["scores"]}
                for one in scores
            ),
            size=size,
            age=age,
        )
    except (CheckpointError, ConfigError, DataError, KeyError, TypeError, ValueError):
        return RunSummary(path=folder, state=DAMAGED, size=size, age=age)


def resume_words(folder: Path) -> str:
    """The command that resumes a run.

    Args:
        folder: The run folder.

    Raises:
        CheckpointError: It is no run, is damaged, or is older than runs that say what they were started with.
        ConfigError: It is finished, or running.
    """
    _, about = read_run_settings(folder)
    state = summarise(folder).state
    if state == RUNNING:
        raise ConfigError(f"{folder}: a training of this run is going on already.")
    if state == FINISHED:
        raise ConfigError(f"{folder}: finished, so there is nothing to resume.")
    if ARGUMENTS not in about:
        raise CheckpointError(
            f"{folder}: begun with a version that did not note where its data ('{about.get('data')}') lie. Resume it "
            f"by its own command: {resume_command(about['stage'], ['SYSTEM|RUN', '--data', 'DATA'], folder)}"
        )
    return resume_command(about["stage"], about[ARGUMENTS], folder)


def _stage(about: dict[str, Any]) -> str:
    if about["stage"] != "finetune":
        return str(about["stage"])
    return training_name(bool(about.get("pretrained")), about.get("unlabelled"))


def _steps(settings: dict[str, Any], about: dict[str, Any]) -> int:
    """Steps of a run in all."""
    if about["stage"] != "finetune":
        return int(settings["pretrain"]["steps"]) if about["stage"] == "pretrain" else 0
    if about.get("unlabelled"):
        return int(settings["semi"]["steps"])
    return int(settings["finetune" if about.get("pretrained") else "scratch"]["steps"])


def _done(folder: Path, state: str, steps: int) -> int:
    """Steps that are done: of a run that is going on by its log, of a stopped one by what it will go on from."""
    if state == FINISHED:
        return steps
    if state == RUNNING:
        log = read_log(folder)
        return int(log[-1]["step"]) if log else 0
    checkpoint = Checkpoint(folder / "checkpoint")
    return checkpoint.state()["step"] if checkpoint.exists() else 0


def _files(folder: Path) -> tuple[list[int], float]:
    """Bytes of each file of a folder, and when the last of them was changed, in seconds since 1970."""
    sizes, changed = [], folder.stat().st_mtime
    for path in folder.rglob("*"):
        with suppress(FileNotFoundError):  # a training writes and renames files meanwhile
            about = path.lstat()
            if path.is_file():
                sizes.append(about.st_size)
                changed = max(changed, about.st_mtime) if path.name != LOCK else changed
    return sizes, changed
