"""A model for the Hugging Face hub: its folder with a generated card."""

from __future__ import annotations

from pathlib import Path


def write_hub_folder(run: Path, folder: Path) -> Path:
    """Writes a model folder with a card, as the Hugging Face hub takes it.

    Args:
        run: The run, the model folder or the name of a model.
        folder: A folder that does not exist yet, or is empty.

    Returns:
        The folder.
    """
    raise NotImplementedError
