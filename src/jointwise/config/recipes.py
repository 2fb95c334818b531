"""The sizes of a training for each data set: recipes are YAML files beside this one."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

OWN_FOLDER = "utd-mhad"  # a folder of one's own or a pool takes the recipe for small data

_OWN_STEPS = {  # training -> steps per clip, as on UTD-MHAD's 431; fewest, and most on few cores
    "pretrain": (4000 / 431, 1000, 4000),
    "finetune": (1700 / 431, 500, 1700),
    "scratch": (1700 / 431, 500, 1700),
}


def shipped(folder: str) -> dict[str, Path]:
    """The YAML files in a folder of `config/`.

    Args:
        folder: `systems`, `recipes`, or empty for `config/` itself.

    Returns:
        Name without ending -> file.
    """
    root = Path(str(resources.files("jointwise"))) / "config" / folder
    return {path.stem: path for path in sorted(root.glob("*.yaml"))}


def recipes() -> dict[str, Path]:
    """The shipped recipes: name of the data set -> file. Data without one takes the defaults, those of NTU RGB+D."""
    return shipped("recipes")


def recipe_of(data: str) -> str:
    """The name of the recipe for what `--data` says.

    Args:
        data: A registered name, or a folder or file of the user's own.

    Returns:
        A name for `make_config`. It may have no recipe; then the defaults hold.

    Raises:
        ConfigError: `data` is neither a known name nor a path.
    """
    from jointwise.data.datasets import user_path  # it imports NumPy, which --help does without

    path = user_path(data)
    return OWN_FOLDER if path is not None and not path.is_file() else data  # a pool may still be to be made


QUICK_NOTE = "made with --quick, a tiny model and few steps, to see that all works: its scores mean nothing"


def own_steps(clips: int, cores: int, gpu: bool) -> dict[str, dict[str, int]]:
    """The steps of trainings on a folder of one's own, which follow its size and the machine.

    Each clip is seen as often as the recipe for small data lets it be seen, for at least 1,000 steps of
    pre-training and 500 with labels. At most as many as that recipe has, twice as many on 8 cores, ten times on a GPU.

    Args:
        clips: Number of training clips.
        cores: Number of cores.
        gpu: Whether there is a GPU.

    Returns:
        Settings of every training: {"pretrain": {"steps": …}, …}.

    >>> [own_steps(clips, 2, gpu)["pretrain"]["steps"] for clips, gpu in ((100, False), (5000, False), (5000, True))]
    [1000, 4000, 40000]
    """
    factor = 10 if gpu else 2 if cores >= 8 else 1
    steps = {}
    for stage, (per_clip, least, most) in _OWN_STEPS.items():
        wanted = round(per_clip * clips, -2)
        steps[stage] = {"steps": int(min(max(wanted, least), factor * most))}
    return steps


def quick_settings() -> Path:
    """The shipped file of sizes with which everything works and nothing is learned."""
    return shipped("")["quick"]
