"""From the arguments of a command to its config, its seed and the run it starts from."""

from __future__ import annotations

import argparse
import os
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from jointwise.errors import CheckpointError, ConfigError, unknown

if TYPE_CHECKING:
    from jointwise.config.layers import Settings
    from jointwise.config.schema import Config
    from jointwise.data.dataset import Dataset

# What a run's encoder was built and trained with: later stages take it from the run, never from today's recipe.
DECIDED_BY_PRETRAINING = (
    "objective",
    "clip",
    "encoder",
    "mask",
    "predictor",
    "decoder",
    "teacher",
    "loss",
    "pretrain",
)


def check_values(args: argparse.Namespace) -> None:
    """Find mistakes in the values of a command before it imports torch, which takes seconds.

    Args:
        args: Arguments of any command.

    Raises:
        ConfigError: A setting, file, system, protocol, data set or share of labels is unknown or of the wrong kind.
    """
    from jointwise.config.layers import check_options, read_layer
    from jointwise.config.recipes import recipe_of
    from jointwise.data.label_subset import canonical_labels, check_labels
    from jointwise.evaluation.protocols import RAW, check_evaluated

    check_options(getattr(args, "settings", {}))
    if getattr(args, "config", None):
        read_layer(args.config)
    if "start" in args and "resume" in args:  # of a command that trains
        run_or_system(args.start)
    if "protocol" in args:
        check_evaluated(args.protocol, args.start == RAW)
    if isinstance(getattr(args, "labels", None), str):
        check_labels(canonical_labels(args.labels))
    if getattr(args, "data", None):
        recipe_of(args.data)


def named_in(words: list[str]) -> tuple[Config | None, str]:
    """The config that the words of a command name, and of what it is.

    Args:
        words: A command line that need not be complete.

    Returns:
        The config of the system and the data among the words, and these in words; None where neither is named.
    """
    from jointwise.config.layers import make_config
    from jointwise.config.recipes import recipe_of
    from jointwise.config.systems import systems

    system = next((word for word in words if word in systems()), None)
    data = next((after for word, after in pairwise(words) if word == "--data"), None)
    data = data or next((word.partition("=")[2] for word in words if word.startswith("--data=")), None)
    if system is None and data is None:
        return None, ""
    config = make_config(system, recipe_of(data) if data else "", quick="--quick" in words)
    of = " on ".join(word for word in (system, data) if word)
    return config, of + (" with --quick" if "--quick" in words else "")


def run_or_system(name: str) -> Path | None:
    """The run that a command starts from.

    Args:
        name: Folder of a run, or name of a system or of a shipped model.

    Returns:
        The folder; None for a system, which starts from random weights.

    Raises:
        ConfigError: It is neither.
    """
    from jointwise.config.systems import systems
    from jointwise.training.shipped import shipped_models

    if name in systems():
        return None
    if "/" in name or Path(name).is_dir() or name in shipped_models():
        return Path(name)
    known = [*systems(), *shipped_models()]
    raise ConfigError(unknown("system", name, known) + " (A run is named by its folder.)")


def sizes_of(dataset: Dataset | None) -> Settings:
    """The settings that follow from the size of an own folder and from the machine; empty for other data.

    Args:
        dataset: The data; None while they are not open.
    """
    from jointwise.config.recipes import own_steps
    from jointwise.data.datasets import user_path

    path = user_path(dataset.address) if dataset else None
    if dataset is None or path is None or not path.is_dir():
        return {}
    import torch

    return dict(own_steps(len(dataset.train), os.cpu_count() or 1, torch.cuda.is_available()))


def config_of_system(args: argparse.Namespace, system: str, dataset: Dataset | None = None) -> Config:
    """The config of a system for the data of a command.

    Args:
        args: Arguments with `data`, `settings`; also `quick` and `config` where the command takes them.
        system: Its name.
        dataset: The data, once they are open: trainings on an own folder follow its size.

    Returns:
        All layers laid over each other.
    """
    from jointwise.config.layers import make_config
    from jointwise.config.recipes import recipe_of

    config = make_config(
        system,
        recipe_of(args.data),
        quick=args.quick,
        file=args.config,
        options=args.settings,
        sizes=sizes_of(dataset),
    )
    return with_known_names(config)


def config_of_run(
    args: argparse.Namespace, run: Path, free: str | None = None, dataset: Dataset | None = None
) -> Config:
    """The config of a command that uses the encoder of a run.

    Args:
        args: Arguments with `data`, `settings`, `quick` and `config`.
        run: Folder of the run.
        free: The one of DECIDED_BY_PRETRAINING that the command decides again; None: all are those of the run.
        dataset: The data, once they are open: trainings on an own folder follow its size.

    Returns:
        The config, with everything that was decided when the run was trained.

    Raises:
        ConfigError: A file or an option says otherwise than the run.
    """
    from jointwise.config.layers import Fixed, make_config, to_settings
    from jointwise.config.recipes import recipe_of
    from jointwise.data.datasets import data_name
    from jointwise.training.model_folder import load_card

    card = load_card(run)
    trained = to_settings(card.config)  # with the defaults of settings that are younger than the run
    decided: Settings = {key: trained[key] for key in DECIDED_BY_PRETRAINING if key != free}
    same_data = card.data == data_name(args.data)
    base: Settings = {"quick": True} if trained["quick"] else {}  # what comes of a quick run is one
    base |= {"validation_subjects": trained["validation_subjects"]} if same_data else {}
    config = make_config(
        card.system,
        recipe_of(args.data),
        quick=args.quick,
        file=args.config,
        options=args.settings,
        fixed=Fixed(run, decided, base=base),
        sizes=sizes_of(dataset),
    )
    return with_known_names(config)


def config_of_raw(args: argparse.Namespace) -> Config:
    """The config of a command on raw coordinates: no system; the recipe of the data for its probes."""
    from jointwise.config.layers import make_config
    from jointwise.config.recipes import recipe_of
    from jointwise.evaluation.protocols import RAW

    config = make_config(None, recipe_of(args.data), file=args.config, options=args.settings)
    return with_known_names(replace(config, system=RAW))


def config_of_resumed(args: argparse.Namespace, folder: Path) -> Config:
    """The config of a run that is resumed: its own, so that nothing has to be given again.

    Seed, labels, encoder and use of unlabelled clips become those of the run. Where it runs (`execution`) may change.

    Args:
        args: Arguments of the command.
        folder: Folder of the run.

    Returns:
        The config of the run.

    Raises:
        CheckpointError: There is no such run.
        ConfigError: The command names another system, seed, share of labels or setting than the run has.
    """
    from jointwise.config.layers import Fixed, make_config
    from jointwise.training.run_folder import read_run_settings

    if not folder.is_dir() or not any(folder.iterdir()):
        raise CheckpointError(
            f"{folder}: no run to go on with. Name its folder with --run, or start one without --resume."
        )
    settings, about = read_run_settings(folder)
    requested = {"system": args.start if run_or_system(args.start) is None else None, "seed": args.seed}
    if about["stage"] == "finetune":
        requested["labels"] = args.labels and labels_of(args)
        args.labels = about["labels"]
        args.encoder = about.get("encoder") or args.encoder
        about = {"unlabelled": None, **about}  # runs older than the option
        requested["unlabelled"] = args.unlabelled
        args.unlabelled = about["unlabelled"]
    for name, value in requested.items():
        if value not in (None, about[name]):
            has = f"no {name}" if about[name] is None else f"{name} {about[name]}"
            raise ConfigError(f"{folder} has {has}, not {value}. Name the right run with --run.")
    args.seed = about["seed"]
    execution = {"execution": settings.pop("execution")}
    fixed = Fixed(folder, settings, base=execution)
    return with_known_names(make_config(None, file=args.config, options=args.settings, fixed=fixed))


def config_of_calibration(args: argparse.Namespace, run: Path) -> Config:
    """The config of a calibration: that of the run. Who is held out and where it runs (`execution`) may change.

    Args:
        args: Arguments of the command.
        run: Folder of the run.

    Raises:
        CheckpointError: There is no such run.
        ConfigError: Another setting is given.
    """
    from jointwise.config.layers import Fixed, make_config
    from jointwise.training.run_folder import read_run_settings

    settings, _ = read_run_settings(run)
    free = {name: settings.pop(name) for name in ("execution", "validation_subjects")}
    return make_config(None, options=args.settings, fixed=Fixed(run, settings, base=free))


def with_known_names(config: Config) -> Config:
    """The config, after a check that each name in it is known, before data is loaded.

    Raises:
        ConfigError: A mask, axis, target, pooling or objective is unknown, or a tracker is, or is not installed.
    """
    from jointwise.model.build import check_names
    from jointwise.training.tracking import check_tracker

    check_names(config)
    check_tracker(config.execution.track)
    return config


def is_resumed(args: argparse.Namespace, folder: Path) -> bool:
    """Whether a run is resumed: by --resume, or because `torchrun --max-restarts` repeats the command as it is.

    Args:
        args: Arguments with `resume`.
        folder: Folder of the run.

    Returns:
        The same answer in all processes.
    """
    from jointwise.training import distributed

    restarts = int(os.environ.get("TORCHELASTIC_MAX_RESTARTS", "0")) > 0
    begun = distributed.all_gather(restarts and (folder / "config.yaml").is_file())[0]  # as the first process sees it
    return bool(args.resume) or begun


def seed_of(args: argparse.Namespace, run: Path | None) -> int:
    """The seed of a command: --seed, else that of the run whose encoder is used, else 0.

    Args:
        args: Arguments with `seed`.
        run: Folder of that run; None: there is none.

    Returns:
        The seed.
    """
    from jointwise.training.model_folder import load_card

    if args.seed is not None:
        return int(args.seed)
    return load_card(run).seed if run else 0


def labels_of(args: argparse.Namespace) -> str:
    """--labels in the form that names of runs and results use; `1.0`, all labels, if the option is missing."""
    from jointwise.data.label_subset import canonical_labels

    return canonical_labels(args.labels or "1.0")


def transfer_suffix(run: Path, dataset: Dataset) -> str:
    """What sets the run folder of a transfer apart.

    Args:
        run: Folder of the run whose encoder is used.
        dataset: What it is fine-tuned on.

    Returns:
        `-from-` and the data that the encoder comes from; empty where these are the same.
    """
    from jointwise.training.model_folder import load_card

    before = load_card(run).data
    return "" if before == dataset.name else f"-from-{before}"
