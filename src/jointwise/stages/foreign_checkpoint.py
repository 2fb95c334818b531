"""A model that others trained, as an importer hands it over, and how its file is opened without running code in it."""

from __future__ import annotations

import argparse
import io
import mmap
import re
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from jointwise.config.schema import Config
from jointwise.data.formats.restricted_pickle import check_opcodes
from jointwise.data.memory_limit import check_memory
from jointwise.data.skeletons import Skeleton
from jointwise.errors import CheckpointError, ReadError
from jointwise.model.objective import Objective

_LEGACY_PICKLES = 5  # in a file of PyTorch before 1.6: mark, version, system, content, names of tensors


@dataclass(frozen=True)
class Foreign:
    """A model of others in our networks.

    Args:
        config: Its sizes, and the mask, target and loss of its method. How it was trained is not in it.
        skeleton: Joints of the sequences it takes.
        coordinates: Coordinates per joint, C.
        objective: Holds its weights.
        assumed: Sentences on what the file does not tell, and what was taken instead.
    """

    config: Config
    skeleton: Skeleton
    coordinates: int
    objective: Objective
    assumed: tuple[str, ...]


def _check_pickles(path: Path) -> None:
    """Look at the pickles in a file of `torch.save` before torch builds them: tuples nested too deeply end the process.

    A file is a ZIP archive with one pickle; before PyTorch 1.6 it was several pickles, then bytes of tensors.
    """
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            check_memory(path, [sum(entry.file_size for entry in archive.infolist())], "its tensors in bytes", 1)
            for entry in archive.infolist():
                if entry.filename.endswith(".pkl"):
                    check_opcodes(io.BytesIO(archive.read(entry)))
        return
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        for _ in range(_LEGACY_PICKLES):
            check_opcodes(content)


def load_checkpoint(path: Path) -> dict[str, Any]:
    """Read the dict in a file of `torch.save`: tensors, plain values, and no object but an `argparse.Namespace`.

    A checkpoint is a pickle, and a pickle may name any code. Every other class is refused before it runs.

    Args:
        path: The file.

    Raises:
        CheckpointError: The file is missing, damaged, holds no dict, or names another class.
    """
    try:
        _check_pickles(path)
        with torch.serialization.safe_globals([argparse.Namespace]):
            content = torch.load(path, map_location="cpu", weights_only=True)
    except ReadError as error:
        raise CheckpointError(str(error)) from error
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be read ({error.strerror or error}).") from error
    except Exception as error:  # whatever a torn zip archive or pickle fails with
        refused = re.search(r"GLOBAL ([\w.]+)", str(error))
        if refused:
            raise CheckpointError(
                f"{path}: wants to load the Python object {refused[1]}. Tensors, plain values and argparse.Namespace "
                "are taken and nothing else, because loading an object can run code. Where you trust the file, load "
                "it with the code it came from and save its 'model' alone."
            ) from error
        raise CheckpointError(f"{path}: damaged, or not written by torch.save. Fetch it again.") from error
    if not isinstance(content, dict):
        raise CheckpointError(f"{path}: holds a {type(content).__name__}, not the dict of a checkpoint.")
    return content
