"""Run folders: where a training keeps its settings, log, checkpoint, model and report."""

from __future__ import annotations

import hashlib
import os
import shlex
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, NotRequired, TypedDict

import yaml

from jointwise.config.layers import Settings, build_config, to_settings
from jointwise.config.schema import Config
from jointwise.data.dataset import Dataset
from jointwise.data.datasets import DATASETS, is_pool
from jointwise.data.label_subset import Labels
from jointwise.data.locks import locked
from jointwise.data.names import check_name
from jointwise.data.typed_files import read_as
from jointwise.data.whole_files import write_text
from jointwise.errors import CheckpointError, ConfigError, writing
from jointwise.training import distributed
from jointwise.training.checkpoint import read_metrics, write_json
from jointwise.training.model_folder import runs_below, runs_in

LOCK = "training.lock"  # held by the process that trains the run
ARGUMENTS = "arguments"  # in about.json: what the command that resumes the run takes, see `resume_command`
_ANOTHER = "Start another run with --run."
_DESCRIPTION = ("about.json", "config.yaml")  # written in this order, before anything else


class About(TypedDict):
    """The content of about.json, as `about_run` makes it; a stage adds more."""

    stage: str
    system: str
    seed: int
    labels: Labels
    data: NotRequired[str]
    split: NotRequired[str]
    data_fingerprint: NotRequired[str]
    joints: NotRequired[str | None]
    left_out: NotRequired[str | None]
    train_sha256: NotRequired[str]
    pretrained: NotRequired[str | None]
    encoder: NotRequired[str | None]
    unlabelled: NotRequired[str | None]
    arguments: NotRequired[list[str] | None]


def runs_folder(dataset: Dataset, quick: bool) -> Path:
    """Where all runs on a data set lie: runs/<data>, or runs/quick/<data>, so that quick and real runs never mix.

    A file data.txt there says which folder or file of the user the runs are on. Another one of the same name gets
    runs/<data>-<digest of its place>, unless the first is gone: then it was moved.

    Args:
        dataset: The data that is trained on.
        quick: Whether the run is one of --quick.

    Raises:
        StorageError: The disk refuses.
    """
    folder = Path("runs", "quick", dataset.name) if quick else Path("runs", dataset.name)
    place = Path(dataset.address).expanduser().resolve()
    if dataset.address in DATASETS or is_pool(dataset.address) or not place.exists():
        return folder
    origin = folder / "data.txt"
    before = origin.read_text("utf-8", "surrogateescape").strip() if origin.is_file() else ""
    if before and before != str(place) and Path(before).exists():
        return folder.with_name(f"{folder.name}-{hashlib.sha256(os.fsencode(place)).hexdigest()[:6]}")
    if before != str(place):
        write_text(origin, f"{place}\n", "surrogateescape")
    return folder


def run_path(dataset: Dataset, system: str, stage: str, seed: int, labels: str = "", quick: bool = False) -> Path:
    """The folder of a run that was not given by --run: <runs_folder>/<system>/<run_name>.

    Args:
        dataset: The data that is trained on.
        system: Name of the system.
        stage: `pretrain`, or what `training_name` returns.
        seed: Random seed of the training, the `<k>` of `seed<k>`.
        labels: The share or shots of labels; empty for a pre-training.
        quick: Whether the run is one of --quick.
    """
    return runs_folder(dataset, quick) / system / run_name(dataset, stage, seed, labels)


def run_name(dataset: Dataset, stage: str, seed: int, labels: str = "") -> str:
    """The name of a run within its system: <stage>[-<split>][-<selection>][-<labels>]-seed<k>.

    Args:
        dataset: The data that is trained on; its split is named if it has several.
        stage: `pretrain`, or what `training_name` returns.
        seed: Random seed of the training, the `<k>` of `seed<k>`.
        labels: The share or shots of labels; empty for a pre-training.
    """
    return "-".join(part for part in (stage, dataset.split_mark, dataset.selection_name, labels, f"seed{seed}") if part)


def training_name(pretrained: bool, unlabelled: str | None) -> str:
    """What names of run folders call a training with labels.

    Args:
        pretrained: Whether it starts from a pre-trained run.
        unlabelled: How it uses unlabelled clips; None: not at all.

    >>> training_name(True, None), training_name(True, "pseudo"), training_name(False, "pseudo")
    ('finetune', 'semi', 'scratch-semi')
    """
    if unlabelled:
        return "semi" if pretrained else "scratch-semi"
    return "finetune" if pretrained else "scratch"


def resume_command(stage: str, arguments: list[str], folder: Path) -> str:
    """The command that resumes a run.

    Args:
        stage: `pretrain` or `finetune`.
        arguments: What the command needs beside the run folder: system or run to start from, the data, and others.
        folder: The run folder.
    """
    return shlex.join(["jointwise", stage, *arguments, "--run", str(folder), "--resume"])


def about_run(stage: str, system: str, dataset: Dataset, seed: int, labels: str) -> dict[str, Any]:
    """The content of about.json: what identifies a run beside its settings. A resumed run must have the same.

    Args:
        stage: `pretrain` or `finetune`.
        system: Name of the system.
        dataset: The data that is trained on.
        seed: Random seed of the training, the `<k>` of `seed<k>`.
        labels: The share or shots of labels.
    """
    return {
        "stage": stage,
        "system": system,
        "data": dataset.name,
        "split": dataset.split_name,
        "data_fingerprint": dataset.store.fingerprint,
        "joints": dataset.joints_name or None,
        "left_out": str(dataset.store.left_out) or None,
        "train_sha256": dataset.train.names_hash,
        "seed": seed,
        "labels": labels,
    }


@contextmanager
def opened_run(folder: Path, config: Config, about: dict[str, Any], resume: bool) -> Iterator[None]:
    """Hold a run folder in the block: make a new one, or check that an existing one can be resumed with these settings.

    If there are several processes, the main process does this and the others wait.

    Args:
        folder: The run folder.
        config: The settings; of a resumed run, all but those of execution must be the same.
        about: What `about_run` returns; the same for a resumed run, but for ARGUMENTS, which are renewed.
        resume: Whether the run continues one that exists.

    Raises:
        ConfigError: The folder is a file, exists although `resume` is off, or was begun with other settings.
        CheckpointError: The folder is not a run, is damaged, is empty although `resume` is on, or another process is
            training it.
        StorageError: It cannot be written.
    """
    with ExitStack() as stack:
        if distributed.is_main_process():
            _check_place(folder, resume)
            busy = CheckpointError(
                f"{folder}: another jointwise is training this run. Wait until it has ended, or stop it. Nothing was "
                "changed."
            )
            with writing(folder):
                folder.mkdir(parents=True, exist_ok=True)
            stack.enter_context(locked(folder / LOCK, busy))
            _open(folder, config, about, resume)
        distributed.barrier()
        yield


def _check_place(folder: Path, resume: bool) -> None:
    """Raise an error where no run can be begun or resumed in this folder, before anything is written."""
    if folder.exists() and not folder.is_dir():
        raise ConfigError(f"{folder} is a file, not a run folder. Name another folder with --run.")
    if _begun(folder):
        if not resume:
            raise ConfigError(
                f"{folder} exists already. Continue it with --resume, name another folder with --run, or delete it."
            )
        if not (folder / "config.yaml").is_file():
            raise CheckpointError(f"{folder}: not a run (no config.yaml). Name another folder with --run.")
    elif resume:
        raise CheckpointError(f"{folder}: nothing to resume here. Start it without --resume.")


def _begun(folder: Path) -> bool:
    """Whether a folder holds more than a run that was stopped before both files that describe it were written."""
    if not folder.is_dir():
        return False
    found = {path.name for path in folder.iterdir()} - {LOCK}
    return found >= set(_DESCRIPTION) or not {name.removesuffix(".unfinished") for name in found} <= set(_DESCRIPTION)


def _open(folder: Path, config: Config, about: dict[str, Any], resume: bool) -> None:
    settings = to_settings(config)
    if _begun(folder):
        before = _read_settings(folder / "config.yaml")
        check_same_settings(folder, {**before, "execution": None}, {**settings, "execution": None})
        known = read_as(folder / "about.json", dict[str, Any], CheckpointError, _ANOTHER)
        check_same_settings(folder, known | {ARGUMENTS: None}, about | {ARGUMENTS: None})
        if known != about:
            write_json(folder / "about.json", about)
        return
    write_json(folder / "about.json", about)
    write_text(folder / "config.yaml", yaml.safe_dump(settings, sort_keys=False))


def _read_settings(path: Path) -> Settings:
    settings = read_as(path, dict[str, Any], CheckpointError, _ANOTHER)
    if not settings:
        raise CheckpointError(f"{path}: damaged (it is empty). {_ANOTHER}")
    # what the run did not know yet has its default: it was begun before the setting existed
    return to_settings(build_config(settings, str(path)))


def read_run_settings(folder: Path) -> tuple[Settings, dict[str, Any]]:
    """All settings of a run, finished or not, and its about.json.

    Raises:
        CheckpointError: The folder is not a run, or is damaged.
    """
    if not _begun(folder) and folder.is_dir() and any(folder.iterdir()):
        raise CheckpointError(f"{folder}: nothing to resume here, it was stopped at once. Start it without --resume.")
    if not (folder / "config.yaml").is_file():
        raise CheckpointError(f"{folder}: no run here (no config.yaml in it).{runs_in(folder) or ' Check the path.'}")
    return _read_settings(folder / "config.yaml"), dict(read_about(folder))


def read_about(folder: Path) -> About:
    """The about.json of a run.

    Raises:
        CheckpointError: It is missing or damaged.
    """
    path = folder / "about.json"
    about = read_as(path, About, CheckpointError, _ANOTHER)
    for key, name in (("system", about["system"]), ("stage", about["stage"]), ("labels", about["labels"])):
        check_name(name, f"{path}: {key}", CheckpointError)
    return about


def check_same_settings(folder: Path, before: Settings, now: Settings, prefix: str = "") -> None:
    """Checks that settings are those with which a folder was begun.

    Args:
        folder: For the message.
        before: The settings it was begun with.
        now: The settings of this command.
        prefix: Name of the group of settings, with a dot, for the message.

    Raises:
        ConfigError: A setting differs; the message names it.
    """
    for key in {**before, **now}:
        old, new = before.get(key), now.get(key)
        if isinstance(old, dict) and isinstance(new, dict):
            check_same_settings(folder, old, new, f"{prefix}{key}.")
        elif old != new:
            raise ConfigError(
                f"{folder} was started with {prefix}{key} {old!r}, now it is {new!r}. Resume with the same settings, "
                "or start another run with --run."
            )


def read_log(folder: Path) -> list[dict[str, float]]:
    """The lines of metrics.jsonl of a run; none before the first was written.

    Raises:
        CheckpointError: A line is damaged; the last one may be cut off, and is left out.
    """
    path = folder / "metrics.jsonl"
    return read_metrics(path, CheckpointError) if path.is_file() else []


def check_deletable(folder: Path) -> None:
    """Checks that a folder is a run and nothing more, so that it may be deleted.

    Args:
        folder: The run folder.

    Raises:
        CheckpointError: It is no run, is a link to one, or holds other runs.
    """
    if folder.is_symlink() or not all((folder / name).is_file() for name in _DESCRIPTION):
        raise CheckpointError(f"{folder}: no run here, so nothing is deleted.{runs_in(folder)}")
    inside = [run for run in runs_below(folder) if run != folder]
    if inside:
        raise CheckpointError(f"{folder}: holds another run, {inside[0]}. Delete that first, or move it.")


def delete_run(folder: Path) -> None:
    """Delete a run, with its checkpoint, its model and its results.

    Args:
        folder: The run folder.

    Raises:
        CheckpointError: It is not only a run, see `check_deletable`, or another process trains it. Nothing is deleted.
        StorageError: The disk refuses.
    """
    check_deletable(folder)
    busy = CheckpointError(f"{folder}: a training of this run is going on. Stop it first. Nothing was deleted.")
    with locked(folder / LOCK, busy), writing(folder):
        shutil.rmtree(folder)
