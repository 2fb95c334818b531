"""Run folders: where one training keeps its settings, log, checkpoint, model and report."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

import yaml

from jointwise.config.layers import Settings, build_config, to_settings
from jointwise.config.schema import Config
from jointwise.data.dataset import Dataset
from jointwise.errors import CheckpointError, ConfigError, writing
from jointwise.training import distributed
from jointwise.training.checkpoint import read_json, write_json


def run_path(dataset: Dataset, system: str, stage: str, seed: int, labels: str = "") -> Path:
    """Where a run lies unless --run says otherwise: runs/<data>/<system>/ and what `run_name` says."""
    return Path("runs") / dataset.name / system / run_name(dataset, stage, seed, labels)


def run_name(dataset: Dataset, stage: str, seed: int, labels: str = "") -> str:
    """What a run is called within its system: <stage>[-<split>][-<joints>][-<labels>]-seed<k>."""
    split = dataset.split_name if len(dataset.store.splits) > 1 else ""
    return "-".join(part for part in (stage, split, dataset.joints_name, labels, f"seed{seed}") if part)


def resume_command(stage: str, start: str, data: list[str], folder: Path, *more: str) -> str:
    """What goes on with a run, for messages; data: the arguments that name its data."""
    return shlex.join(["jointwise", stage, start, *data, "--run", str(folder), "--resume", *more])


def about_run(stage: str, system: str, dataset: Dataset, seed: int, labels: str) -> dict[str, Any]:
    """What a run is, beside its settings: a run that is resumed must be the same."""
    return {
        "stage": stage,
        "system": system,
        "data": dataset.name,
        "split": dataset.split_name,
        "data_fingerprint": dataset.store.fingerprint,
        "joints": dataset.joints_name or None,
        "train_sha256": dataset.train.names_hash,
        "seed": seed,
        "labels": labels,
    }


def open_run(folder: Path, config: Config, about: dict[str, Any], resume: bool) -> None:
    """Makes a new run folder, or checks that an existing one may be resumed with these settings.

    Raises ConfigError when the folder exists and `resume` is off, or holds other settings; StorageError when it cannot
    be written. `about` (stage, data, labels, seed …) must be the same for a resumed run. Where there are several
    processes, the first one does it.
    """
    if distributed.is_main_process():
        _open(folder, config, about, resume)
    distributed.barrier()


def _open(folder: Path, config: Config, about: dict[str, Any], resume: bool) -> None:
    settings = to_settings(config)
    if folder.exists() and not folder.is_dir():
        raise ConfigError(f"{folder} is a file, not a run folder. Name another folder with --run.")
    if folder.exists() and any(folder.iterdir()):
        if not resume:
            raise ConfigError(
                f"{folder} exists already. Continue it with --resume, name another folder with --run, or delete it."
            )
        if not (folder / "config.yaml").is_file():
            raise CheckpointError(f"{folder}: not a run (no config.yaml). Name another folder with --run.")
        # what the run did not know yet has its default: it was begun before the setting existed
        before = to_settings(build_config(_read_settings(folder / "config.yaml")))
        check_same_settings(folder, {**before, "execution": None}, {**settings, "execution": None})
        check_same_settings(folder, read_json(folder / "about.json"), about)
        return
    if resume:
        raise CheckpointError(f"{folder}: nothing to resume here. Start it without --resume.")
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "config.yaml").write_text(yaml.safe_dump(settings, sort_keys=False))
        write_json(folder / "about.json", about)


def _read_settings(path: Path) -> Settings:
    try:
        settings = yaml.safe_load(path.read_text())
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise CheckpointError(f"{path}: damaged ({error}). Start another run with --run.") from error
    if not isinstance(settings, dict):
        raise CheckpointError(f"{path}: damaged (no mapping of options). Start another run with --run.")
    return settings


def read_run_settings(folder: Path) -> tuple[Settings, dict[str, Any]]:
    """The settings and the `about` of a run, finished or not. Raises CheckpointError when `folder` holds none."""
    if not (folder / "config.yaml").is_file():
        raise CheckpointError(f"{folder}: no run here (no config.yaml in it). Check the path.")
    return _read_settings(folder / "config.yaml"), read_json(folder / "about.json")


def check_same_settings(folder: Path, before: Settings, now: Settings, prefix: str = "") -> None:
    """Raises ConfigError, naming it, for a setting that was another when `folder` was begun."""
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
    """The lines of a run's metrics.jsonl."""
    path = folder / "metrics.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.is_file() else []
