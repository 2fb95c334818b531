"""What a command works with, from what its arguments say: the config, the run it starts from, the seed."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from jointwise.errors import CheckpointError, ConfigError, unknown

if TYPE_CHECKING:
    from jointwise.config.schema import Config
    from jointwise.data.dataset import Dataset

# What a run's encoder was built and trained with: later stages take it from the run, never from today's recipe.
_FROM_RUN = ("clip", "encoder", "mask", "predictor", "decoder", "teacher", "loss", "pretrain", "validation_subjects")


def as_run(name: str) -> Path | None:
    """The run `name` points to, or None when it is the name of a system."""
    from jointwise.config.systems import systems

    if name in systems():
        return None
    if "/" in name or Path(name).is_dir():
        return Path(name)
    raise ConfigError(unknown("system", name, systems()) + " (A run is named by its folder.)")


def recipe_of(args: argparse.Namespace) -> str:
    """The recipe of the data: that of a registered name; a folder of one's own takes the one for small data."""
    from jointwise.data.datasets import own_path

    path = own_path(args.data)
    return "utd-mhad" if path is not None and path.is_dir() else str(args.data)


def config_for(args: argparse.Namespace, options: list[str], run: Path | None) -> Config:
    """The config of a command: of a system's name, or of a run whose encoder is used.

    Raises ConfigError when a file or an option would change what was decided when the run was trained.
    """
    from jointwise.config.layers import build_config, layered_settings, merge, read_settings
    from jointwise.data.datasets import data_name
    from jointwise.training.model_folder import load_card

    if run is None:
        return build_config(layered_settings(args.start, recipe_of(args), args.quick, args.config), options)
    card = load_card(run)
    settings = layered_settings(card.system, recipe_of(args), args.quick, args.config)
    for key in read_settings(args.config) if args.config else ():
        if key in _FROM_RUN:
            raise ConfigError(f"{args.config}: '{key}' was decided when {run} was trained. Leave it out.")
    same = card.data == data_name(args.data)
    kept = {key: card.settings[key] for key in _FROM_RUN if key != "validation_subjects" or same}
    as_trained, chosen = build_config(merge(settings, kept)), build_config(merge(settings, kept), options)
    for key in _FROM_RUN:
        if key != "validation_subjects" and getattr(chosen, key) != getattr(as_trained, key):
            named = ", ".join(word for word in options if word.startswith(f"--{key}."))
            raise ConfigError(f"{named}: this was decided when {run} was trained. Leave it out.")
    return chosen


def raw_config(args: argparse.Namespace, options: list[str]) -> Config:
    """The config of a command on raw coordinates: no system, the recipe of the data for its probes."""
    from dataclasses import asdict

    from jointwise.config.layers import build_config, merge, read_settings
    from jointwise.config.schema import Config
    from jointwise.config.systems import recipes
    from jointwise.evaluation.protocols import RAW

    settings = asdict(Config(system=RAW))
    for layer in (recipes().get(recipe_of(args)), args.config):
        settings = merge(settings, read_settings(layer) if layer else {})
    return build_config(settings, options)


def resumed_config(args: argparse.Namespace, options: list[str], folder: Path) -> Config:
    """The config of the run to resume: its own, so that nothing has to be said again; so are seed and labels of `args`.

    What is said again is laid over it, and `open_run` refuses what differs. Raises ConfigError for another system, seed
    or share of the labels than the run's.
    """
    from jointwise.config.layers import build_config, merge, read_settings
    from jointwise.config.systems import quick_settings
    from jointwise.training.run_folder import read_run_settings

    if not folder.is_dir():
        raise CheckpointError(
            f"{folder}: no run to go on with. Name its folder with --run, or start one without --resume."
        )
    settings, about = read_run_settings(folder)
    said = {"system": args.start if as_run(args.start) is None else None, "seed": args.seed}
    if about["stage"] == "finetune":
        said["labels"] = args.labels and labels_of(args)
        args.labels, args.encoder = about["labels"], about["encoder"] or args.encoder
    for name, value in said.items():
        if value not in (None, about[name]):
            raise ConfigError(f"{folder} has {name} {about[name]}, not {value}. Name the right run with --run.")
    args.seed = about["seed"]
    for layer in (quick_settings() if args.quick else None, args.config):
        settings = merge(settings, read_settings(layer) if layer else {})
    return build_config(settings, options)


def goes_on(args: argparse.Namespace, folder: Path) -> bool:
    """Whether a run is resumed: with --resume; and one that has begun under `torchrun --max-restarts`, which repeats
    the command as it is.
    """
    from jointwise.training import distributed

    restarts = int(os.environ.get("TORCHELASTIC_MAX_RESTARTS", "0")) > 0
    begun = distributed.gather(restarts and (folder / "config.yaml").is_file())[0]  # what the first process has seen
    return bool(args.resume) or begun


def seed_of(args: argparse.Namespace, run: Path | None) -> int:
    """--seed, else that of the run whose encoder is used, else 0."""
    from jointwise.training.model_folder import load_card

    if args.seed is not None:
        return int(args.seed)
    return load_card(run).seed if run else 0


def labels_of(args: argparse.Namespace) -> str:
    """--labels as runs and results call it; all of them where it is not said."""
    from jointwise.data.label_subset import labels_name

    return labels_name(args.labels or "1.0")


def transferred(run: Path, dataset: Dataset) -> str:
    """What sets the run folder of a transfer apart: the data its encoder comes from."""
    from jointwise.training.model_folder import load_card

    before = load_card(run).data
    return "" if before == dataset.name else f"-from-{before}"


def listed(option: str, values: Iterable[str]) -> list[str]:
    """The values of an option that takes several, written `a b` or `a,b`, each once."""
    listed = list(dict.fromkeys(value for words in values for value in words.split(",") if value))
    if not listed:
        raise ConfigError(f"--{option}: none is named.")
    return listed
