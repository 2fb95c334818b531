"""Weights and training states on disk, as safetensors and JSON: each file is written as a whole, never a pickle."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, NotRequired, TypedDict, TypeVar, cast

import msgspec
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor, nn

from jointwise.data.names import check_name
from jointwise.data.typed_files import read_as, read_lines
from jointwise.data.whole_files import whole_file, write_text
from jointwise.errors import CheckpointError, JointwiseError, first_few, writing

T = TypeVar("T")
Metrics = dict[str, int | float]  # what a training logs of a step

_REPAIR_HINT = "Copy it again, or make it anew."  # the advice for a file that is missing or damaged


def write_json(path: Path, content: Any) -> None:
    """Writes JSON so that a reader sees the old or the new file, never a part.

    Args:
        path: The file; its folder is made if needed.
        content: Any JSON value.

    Raises:
        StorageError: It cannot be written.
    """
    write_text(path, json.dumps(content, indent=1) + "\n")


def read_json(path: Path, kind: type[T] = cast(Any, Any)) -> T:  # noqa: B008
    """Reads JSON that this package wrote into a run.

    Args:
        path: The file.
        kind: What it must hold, as for `read_as`; by default any JSON.

    Raises:
        CheckpointError: The file is missing or damaged.
    """
    return read_as(path, kind, CheckpointError, _REPAIR_HINT)


def read_metrics(path: Path, error: type[JointwiseError]) -> list[Metrics]:
    """Reads a log of metrics, metrics.jsonl. A last line that was cut off, and values that are null, are left out.

    Args:
        path: The file.
        error: Raised where the file is missing or a line is damaged.

    Returns:
        What was logged, each with its `step`.
    """
    hint = "Delete that line, or repeat the run."
    lines = []
    for number, line in enumerate(read_lines(path, dict[str, int | float | None], error, hint), 1):
        known = {key: value for key, value in line.items() if value is not None}
        if not math.isfinite(known.get("step", math.nan)):
            raise error(f"{path}, line {number}: damaged (no 'step'). {hint}")
        lines.append(known)
    return lines


def save_tensors(path: Path, tensors: dict[str, Tensor]) -> None:
    """Writes a safetensors file, as a whole or not at all.

    Args:
        path: The file; its folder is made if needed.
        tensors: By name, on any device.

    Raises:
        StorageError: It cannot be written.
    """
    with whole_file(path, "wb") as file:
        file.write(save({name: tensor.detach().contiguous().cpu() for name, tensor in tensors.items()}))


def load_tensors(path: Path) -> dict[str, Tensor]:
    """Reads a safetensors file.

    Raises:
        CheckpointError: The file is missing or damaged.
    """
    try:
        return dict(load_file(path))
    except (OSError, SafetensorError) as error:
        raise CheckpointError(f"{path}: missing or damaged ({error}). {_REPAIR_HINT}") from error


def describe_mismatch(tensors: Mapping[str, Tensor], shapes: Mapping[str, tuple[int, ...]]) -> str:
    """Describes how tensors differ from those that a module needs.

    Args:
        tensors: What was found, by name.
        shapes: What is needed, by name.

    Returns:
        Some of the tensors that are missing, not needed, or of another shape; empty if all fit.
    """
    missing = [f"missing {name}" for name in shapes if name not in tensors]
    unexpected = [f"unexpected {name}" for name in tensors if name not in shapes]
    misshapen = [
        f"{name} has shape {tuple(tensors[name].shape)}, the model needs {tuple(shape)}"
        for name, shape in shapes.items()
        if name in tensors and tensors[name].shape != shape
    ]
    return "; ".join(first_few(problems, separator="; ") for problems in (missing, unexpected, misshapen) if problems)


def load_weights(module: nn.Module, tensors: dict[str, Tensor], source: Path) -> None:
    """Loads weights strictly: every tensor of the module must be there, with its shape, and no other.

    Args:
        module: Gets the weights.
        tensors: By the names of the module's state_dict.
        source: Where they come from, for messages.

    Raises:
        CheckpointError: Tensors are missing, not needed, or of another shape.
    """
    problems = describe_mismatch(tensors, {name: tensor.shape for name, tensor in module.state_dict().items()})
    if problems:
        raise CheckpointError(
            f"{source}: does not fit this model: {problems}. "
            "Was it made with other settings (see its config.yaml) or for another skeleton?"
        )
    module.load_state_dict(tensors, strict=True)


class State(TypedDict):
    """The content of state.json; a task may have more in it."""

    step: Annotated[int, msgspec.Meta(ge=0)]
    tensors: str
    seed: NotRequired[int]
    seconds: NotRequired[float]


class Checkpoint:
    """The state of a training from which it can be resumed: `step-N.safetensors`, and `state.json` that names it.

    `state.json` is replaced atomically after the tensors are on disk, so a crash at any moment leaves a whole
    checkpoint. Random numbers need no saved state: every draw is a function of seed and step.

    Args:
        folder: Where the files lie.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def exists(self) -> bool:
        """Whether there is a state to resume from."""
        return (self.folder / "state.json").is_file()

    def save(self, step: int, module: nn.Module, optimizer: torch.optim.Optimizer, state: dict[str, Any]) -> None:
        """Saves the state, and deletes the one before.

        Args:
            step: Number of steps done.
            module: Its weights, the teacher's included.
            optimizer: Its moments.
            state: JSON values that `load` returns.

        Raises:
            StorageError: It cannot be written.
        """
        tensors = {f"module.{name}": tensor for name, tensor in module.state_dict().items()}
        for number, values in optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer.{number}.{name}": value for name, value in values.items()}
        file = self.folder / f"step-{step:08d}.safetensors"
        save_tensors(file, tensors)
        write_json(self.folder / "state.json", {"step": step, "tensors": file.name, **state})
        self.delete_earlier()

    def delete_earlier(self) -> None:
        """Deletes the states before the last one, which a `save` that was stopped leaves behind.

        Raises:
            CheckpointError: The checkpoint is missing or damaged.
            StorageError: The disk refuses.
        """
        kept = self.state()["tensors"]
        with writing(self.folder):
            for file in self.folder.glob("step-*.safetensors*"):
                if file.name != kept:
                    file.unlink()

    def state(self) -> State:
        """What `save` was given beside module and optimiser.

        Raises:
            CheckpointError: The checkpoint is missing or damaged.
        """
        state = read_json(self.folder / "state.json", State)
        check_name(state["tensors"], f"{self.folder / 'state.json'}: tensors", CheckpointError)
        return state

    def load(self, module: nn.Module, optimizer: torch.optim.Optimizer) -> dict[str, Any]:
        """Restores module and optimiser.

        Returns:
            The state that was given to `save`, with `step`.

        Raises:
            CheckpointError: The checkpoint is missing, is damaged or does not fit the module.
        """
        state = self.state()
        file = self.folder / state["tensors"]
        tensors = load_tensors(file)
        weights = {name.removeprefix("module."): t for name, t in tensors.items() if name.startswith("module.")}
        load_weights(module, weights, file)
        moments: dict[int, dict[str, Tensor]] = {}
        for name, tensor in tensors.items():
            if name.startswith("optimizer."):
                _, number, key = name.split(".")
                moments.setdefault(int(number), {})[key] = tensor
        optimizer.load_state_dict({"state": moments, "param_groups": optimizer.state_dict()["param_groups"]})
        return dict(state)
