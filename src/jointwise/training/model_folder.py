"""The model folder: weights and everything needed to use them, `model.safetensors` + `config.json`."""

from __future__ import annotations

import shutil
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from jointwise.data.array_files import load_array
from jointwise.data.dataset import Dataset
from jointwise.data.names import check_name
from jointwise.data.typed_files import convert_as
from jointwise.data.whole_files import whole_file
from jointwise.errors import CheckpointError, ConfigError, DataError, first_few, printable, writing
from jointwise.model.tokens import restrict_coordinates, restrict_joints
from jointwise.training.checkpoint import load_tensors, read_json, save_tensors, write_json
from jointwise.training.costs import FINETUNE, PRETRAIN, Costs, Made
from jointwise.training.flat_data import axes_in, in_2d
from jointwise.training.hub import CARD, MODEL_FILES, hub_address, open_hub
from jointwise.training.model_card import FORMAT, Calibration, ModelCard
from jointwise.training.shipped import SHIPPED, shipped_models

_REMEDY = "Copy the model folder again, or train it anew."
SEEN = "trained_on.npy"
_DEPTH = 4  # folders below one that is no run, in which runs are looked for: runs/quick/<data>/<system>/<run>


def save_model(folder: Path, card: ModelCard, weights: dict[str, Tensor], seen: set[str]) -> None:
    """Writes the model folder; the card comes last, so a folder with a card is complete.

    Args:
        folder: The model folder.
        card: What is written to config.json.
        weights: By name, as in the state_dict of the model.
        seen: Digests of all sequences that it was trained on, with or without labels.

    Raises:
        StorageError: The folder cannot be written.
    """
    save_tensors(folder / "model.safetensors", weights)
    with whole_file(folder / SEEN, "wb") as file:
        np.save(file, np.array(sorted(seen)))
    content = asdict(card)
    del content["costs"]
    write_json(folder / "config.json", content | card.costs.to_card())


def save_calibration(path: Path, calibration: Calibration) -> None:
    """Writes a calibration into the card of a classifier, in place of an earlier one; nothing else changes.

    Args:
        path: The run folder or the model folder.
        calibration: What was found.

    Raises:
        CheckpointError: There is no model, or its card is damaged.
        StorageError: The card cannot be written.
    """
    file = model_folder(path) / "config.json"
    load_card(path)  # a damaged card is not written again
    write_json(file, read_json(file, dict[str, Any]) | {"calibration": asdict(calibration)})


def load_trained_on(path: Path) -> set[str]:
    """Digests of the sequences that a model was trained on.

    Args:
        path: The run folder or the model folder.

    Raises:
        CheckpointError: There is no model, or its file of digests is missing or damaged.
    """
    file = model_folder(path) / SEEN
    try:
        digests = load_array(file)
        if digests.ndim != 1 or (digests.dtype.kind != "U" and len(digests)):
            raise ValueError("no list of digests")
        return set(digests.tolist())
    except (OSError, ValueError) as error:
        raise CheckpointError(
            f"{file}: missing or damaged, so nobody can tell what the model was trained on, and a score might measure "
            "memory. Copy the model folder again, or train it anew."
        ) from error


def runs_below(path: Path) -> list[Path]:
    """The run folders at a path and below, as deep as commands put them.

    Args:
        path: The folder.
    """
    return sorted(card.parent for depth in range(_DEPTH + 1) for card in path.glob("*/" * depth + "config.yaml"))


def runs_in(path: Path) -> str:
    """Which runs lie below a folder that is none itself, as a sentence for messages; empty where there are none.

    Args:
        path: The folder.
    """
    found = [str(run) for run in runs_below(path)]
    return f" Runs in it: {first_few(found)}. Name one." if found else ""


def model_folder(path: Path) -> Path:
    """The model folder at `path`, or inside the run folder at `path`; or that of a model with a name or an address.

    Args:
        path: A folder, the name of a shipped model, or `hf://owner/name[@revision]`, which is downloaded.

    Raises:
        CheckpointError: There is no model.
        ConfigError: The address is none, or the library for it is not installed.
    """
    address = hub_address(path)
    if address is not None:
        return open_hub(address)
    for folder in (path, path / "model"):
        if (folder / "config.json").is_file():
            return folder
    if str(path) in shipped_models():
        return SHIPPED / path
    if (path / "config.yaml").is_file():
        state = "an unfinished run; continue it with --resume"
    else:
        state = "the folder is no run" if path.is_dir() else "no such folder"
    raise CheckpointError(f"{path}: no finished model here ({state}).{runs_in(path)}")


def check_new_folder(folder: Path) -> None:
    """Check that a model can be copied into a folder.

    Args:
        folder: The folder; it may be there, empty.

    Raises:
        ConfigError: It is a file, or has something in it.
    """
    if folder.is_file() or (folder.is_dir() and any(folder.iterdir())):
        raise ConfigError(f"{folder} exists already. Name another folder, or delete it.")


def copy_model(path: Path, folder: Path) -> None:
    """Copies a model folder, without files that do not belong to it.

    Args:
        path: The run folder, the model folder, or the name or address of a model.
        folder: A folder that does not exist yet, or is empty.

    Raises:
        CheckpointError: There is no model.
        ConfigError: The folder is a file, or has something in it.
        StorageError: It cannot be written.
    """
    source = model_folder(path)
    check_new_folder(folder)
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        for file in sorted(source.iterdir(), key=lambda file: file.name == CARD):  # a folder with a card is complete
            if any(file.match(pattern) for pattern in MODEL_FILES):
                shutil.copyfile(file, folder / file.name)


def load_card(path: Path) -> ModelCard:
    """The card of a model.

    Args:
        path: The run folder or the model folder.

    Raises:
        CheckpointError: There is no model, or its card is damaged or has a format that this version cannot read.
    """
    file = model_folder(path) / "config.json"
    content = read_json(file, dict[str, Any])
    if "format" not in content:
        raise CheckpointError(f"{file}: not the card of a jointwise model.")
    if content["format"] != FORMAT:
        raise CheckpointError(
            f"{file}: model format {content['format']!s:.20}, this version reads {FORMAT}. Upgrade jointwise."
        )
    card = convert_as(content, ModelCard, str(file), CheckpointError, _REMEDY)
    costs = Costs.from_json(content, str(file), CheckpointError)
    for name in (card.system, card.data, card.labels):
        check_name(name, str(file), CheckpointError)
    card = replace(card, costs=costs, classes=tuple(map(printable, card.classes)))
    return _completed(card, file.parent.parent / "run.json")


def _completed(card: ModelCard, run_file: Path) -> ModelCard:
    """A card, with the costs that older cards lack taken from run.json beside the model folder."""
    if not run_file.is_file():
        return card
    stage = PRETRAIN if card.kind == "pretrained" else FINETUNE
    return replace(card, costs=card.costs.completed(read_json(run_file, Made), stage))


def load_model(path: Path) -> tuple[ModelCard, dict[str, Tensor]]:
    """Card and weights of a model.

    Args:
        path: The run folder or the model folder.

    Returns:
        The card, and the weights by name.

    Raises:
        CheckpointError: There is no model, or its card or weights are damaged.
    """
    folder = model_folder(path)
    return load_card(folder), load_tensors(folder / "model.safetensors")


def pretrained_weights(run: Path, dataset: Dataset) -> tuple[ModelCard, dict[str, Tensor], Dataset]:
    """All weights of a pre-trained run, to pre-train it further: both are reduced to the joints they share.

    Args:
        run: The run folder.
        dataset: The data.

    Returns:
        The card of the run, the weights of its objective, and the data.

    Raises:
        CheckpointError: The run is not pre-trained, or the data do not fit it, see `ModelCard.on_shared_joints`.
        DataError: The model was trained on sequences that would be scored.
    """
    card, weights = load_model(run)
    if card.kind != "pretrained":
        raise CheckpointError(f"{run}: fine-tuned, not pre-trained. Pre-training goes on from a pre-trained run only.")
    dataset = card.on_shared_joints(dataset, run)
    check_unseen(run, card, dataset)
    return card, restrict_joints(weights, _places(card, dataset)), dataset


def _places(card: ModelCard, dataset: Dataset) -> list[int]:
    """Places of the joints of data among those of a model."""
    return [card.skeleton.joints.index(joint) for joint in dataset.skeleton.joints]


def encoder_weights(run: Path, dataset: Dataset, which: str) -> tuple[ModelCard, dict[str, Tensor], Dataset]:
    """The encoder of a trained run, for data that may have other joints: both are reduced to the joints they share.

    Args:
        run: The run folder.
        dataset: The data.
        which: The encoder of a pre-trained model: `student` or `teacher`.

    Returns:
        The card of the run, the weights of the encoder, and the data.

    Raises:
        CheckpointError: There is no such model or encoder, or the data do not fit it, see `ModelCard.on_shared_joints`.
        DataError: The model was trained on sequences that would be scored.
    """
    card, weights = load_model(run)
    dataset = card.on_shared_joints(dataset, run, flat=True)
    check_unseen(run, card, dataset)
    prefix = f"{'encoder' if card.kind == 'classifier' else which}."
    chosen = {name.removeprefix(prefix): tensor for name, tensor in weights.items() if name.startswith(prefix)}
    if not chosen:
        raise CheckpointError(f"{run}: system '{card.system}' has no {which} encoder.")
    chosen = restrict_joints(chosen, _places(card, dataset))
    if card.coordinates == dataset.store.description.coordinates:
        return card, chosen, dataset
    return in_2d(card, dataset), restrict_coordinates(chosen, axes_in(card, dataset)), dataset


def check_unseen(run: Path, card: ModelCard, dataset: Dataset) -> None:
    """Checks that a model was not trained on sequences that would be scored; they are compared by content.

    Args:
        run: The folder of the model.
        card: Its card.
        dataset: Its evaluation part would be scored.

    Raises:
        DataError: The model was trained on such sequences.
        CheckpointError: It is unknown what the model was trained on.
    """
    seen = load_trained_on(run) - set(
        dataset.train.digests
    )  # copies in both parts are another matter, and were allowed
    names = [name for name, digest in zip(dataset.test.names, dataset.test.digests, strict=True) if digest in seen]
    if names:
        raise DataError(
            f"{run}: trained with the split '{card.split}', which had {len(names)} of the {len(dataset.test)} "
            f"sequences that would be scored now ('{dataset.split}') in its training part, first: {names[0]}. Use the "
            "same --split and --validation_subjects as in training, or score other data: what a model was trained on "
            "tells nothing."
        )
