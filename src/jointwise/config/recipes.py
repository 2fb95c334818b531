"""The sizes of a training for each data set: recipes are YAML files beside this one."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

OWN_FOLDER = "utd-mhad"  # a folder of one's own or a pool takes the recipe for small data


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


def quick_settings() -> Path:
    """The shipped file of sizes with which everything works and nothing is learned."""
    return shipped("")["quick"]
