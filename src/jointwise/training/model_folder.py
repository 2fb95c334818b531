"""The model folder: weights and everything needed to use them, `model.safetensors` + `config.json`."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

import jointwise
from jointwise.config.layers import Settings, build_config, to_settings
from jointwise.config.schema import Config, FinetuneConfig
from jointwise.data.dataset import Dataset
from jointwise.data.skeletons import Skeleton, shared_joints
from jointwise.errors import CheckpointError, DataError, describe_difference, writing
from jointwise.model.tokens import restrict_joints
from jointwise.training.checkpoint import load_tensors, read_json, save_tensors, write_json
from jointwise.training.coordinate_scale import median_coordinate_rms, unit_warning

FORMAT = 1
SEEN = "trained_on.npy"
MIN_SHARED_JOINTS = 5  # joints that model and data must have in common


@dataclass
class ModelCard:
    """What a model is and was made from.

    kind: `pretrained` (student, teacher, predictor, decoder) or `classifier` (encoder and head). settings: the whole
    config. classes: in label order, empty for a pre-trained model. cleaning, preparation: what was done to sequences.
    labels: share or shots the classifier was trained with, `none` before. initialisation: of the classifier's encoder,
    `pretrained`, `finetuned` or `scratch`; pretrained_on: the data of that pre-training. recorded: the layout of its
    data where it knows only some of their joints (those of `skeleton`). scores: measured on the evaluation split that
    `split` names. terms: of use. size: of the coordinates it was trained on , None where unknown.
    held_out: losses of the pre-training and the split they were measured on. memory_mb: largest memory, by stage.
    """

    kind: str
    system: str
    settings: Settings
    skeleton: Skeleton
    coordinates: int
    classes: tuple[str, ...]
    data: str
    data_fingerprint: str
    preparation: str
    seed: int
    steps: dict[str, int]
    split: str
    labels: str = "none"
    initialisation: str = "none"
    pretrained_on: str | None = None
    recorded: Skeleton | None = None
    cleaning: str = "none"
    terms: str = ""
    size: float | None = None
    scores: dict[str, float] = field(default_factory=dict)
    parameters: dict[str, int] = field(default_factory=dict)
    seconds_per_epoch: dict[str, float] = field(default_factory=dict)
    held_out: dict[str, Any] | None = None
    memory_mb: dict[str, float] = field(default_factory=dict)
    code_version: str = jointwise.__version__
    format: int = FORMAT

    @classmethod
    def of(cls, config: Config, dataset: Dataset, **facts: Any) -> ModelCard:
        """The card of a model trained with `config` on the training part of `dataset`; `facts`: the other fields."""
        return cls(
            system=config.system,
            settings=to_settings(config),
            skeleton=dataset.skeleton,
            recorded=None if dataset.store.picked is None else dataset.store.layout,
            coordinates=dataset.store.description.coordinates,
            data=dataset.name,
            data_fingerprint=dataset.store.fingerprint,
            preparation=dataset.store.preparation,
            cleaning=dataset.store.description.cleaning,
            split=dataset.split,
            terms=dataset.store.description.terms,
            **facts,
        )

    @cached_property
    def config(self) -> Config:
        """Its settings as a Config, built once."""
        return build_config(self.settings)

    @property
    def start(self) -> str:
        """What an encoder taken from it is: `pretrained` without labels, or `finetuned`, which has seen some."""
        return "pretrained" if self.kind == "pretrained" else "finetuned"

    @property
    def recipe(self) -> FinetuneConfig:
        """The settings its classifier was trained with."""
        return self.config.scratch if self.initialisation == "scratch" else self.config.finetune

    def on_shared_joints(self, dataset: Dataset, source: Path) -> Dataset:
        """`dataset` on the joints that the model knows by name, in the order of the data: itself when it knows all.

        Units, axes and frame rates are not converted. Raises CheckpointError when it was prepared otherwise or has
        another number of coordinates, and, naming the joints of both, when they share too few (fewer than
        MIN_SHARED_JOINTS,
        or less than a third of the model's).
        """
        self._check_kind(dataset, source)
        own, other = self.skeleton, dataset.skeleton
        shared = shared_joints(own, other)
        if len(shared) >= max(MIN_SHARED_JOINTS, len(own.joints) / 3) or own.joints == other.joints:
            return dataset.on_joints(shared)
        raise CheckpointError(
            f"{source}: made for skeleton '{own.name}', but data '{dataset.name}' has '{other.name}': they share "
            f"{len(shared)} of the model's {len(own.joints)} joints by name, too few (at least "
            f"{max(MIN_SHARED_JOINTS, -(-len(own.joints) // 3))}). The model's: {', '.join(own.joints)}. The data's: "
            f"{', '.join(other.joints)}. Pre-train on data with this skeleton, or name the joints of a folder of your "
            "own in its dataset.yaml."
        )

    def on_own_joints(self, dataset: Dataset, source: Path) -> Dataset:
        """`dataset` on exactly the joints of the model, in its order: what a trained head needs.

        Raises CheckpointError when the data lack one (naming them), have other classes or were prepared otherwise.
        """
        self._check_kind(dataset, source)
        own, other = self.skeleton, dataset.skeleton
        shared = shared_joints(own, other)
        missing = [joint for joint in own.joints if joint not in shared]
        if missing:
            raise CheckpointError(
                f"{source}: made for skeleton '{own.name}' ({len(own.joints)} joints), but data '{dataset.name}' has "
                f"'{other.name}' ({len(other.joints)} joints). Joints the data lacks: {', '.join(missing)}. Fine-tune "
                "on this data instead."
            )
        if self.classes and self.classes != dataset.classes:
            raise CheckpointError(
                f"{source}: names the {len(self.classes)} classes of '{self.data}', but data '{dataset.name}' has "
                f"{len(dataset.classes)}: {describe_difference(dataset.classes, self.classes)}. Fine-tune on this data "
                "instead."
            )
        return dataset.on_joints(own.joints)

    def _check_kind(self, dataset: Dataset, source: Path) -> None:
        if self.preparation != dataset.store.preparation:
            raise CheckpointError(
                f"{source}: trained on sequences prepared by '{self.preparation}', but '{dataset.name}' was prepared "
                f"by '{dataset.store.preparation}'. Prepare the data again with this version, or train the model anew."
            )
        coordinates = dataset.store.description.coordinates
        if self.coordinates != coordinates:
            raise CheckpointError(
                f"{source}: made for {self.coordinates} coordinates per joint, but '{dataset.name}' has {coordinates}. "
                "Pre-train on data with as many."
            )

    def compatibility_notes(self, dataset: Dataset) -> str | None:
        """Sentences on what of model and data does not go together: joints, origin, unit; None when all does."""
        sentences = (self._joints_in_common(dataset), self._other_unit(dataset))
        return "\n".join(sentence for sentence in sentences if sentence) or None

    def _other_unit(self, dataset: Dataset) -> str | None:
        if self.data_fingerprint == dataset.store.fingerprint or not len(dataset.train):
            return None
        doubt = unit_warning(median_coordinate_rms(dataset.train), self.size)
        return doubt and f"WARNING: {dataset.name}: {doubt}"

    def _joints_in_common(self, dataset: Dataset) -> str | None:
        own, other = self.skeleton, dataset.skeleton
        shared = shared_joints(own, other)
        origins = (self.recorded or own).root, dataset.store.layout.root
        if set(own.joints) == set(other.joints) == set(shared) and origins[0] == origins[1]:
            return None
        unused = [joint for joint in own.joints if joint not in shared]
        left_out = [joint for joint in other.joints if joint not in shared]
        words = (
            f"{len(shared)} of {dataset.name}'s {len(other.joints)} joints are among the model's {len(own.joints)} "
            f"({own.name})"
        )
        words += f"; the model's joints without data: {', '.join(unused)}" if unused else ""
        words += f"; left out, as the model does not know them: {', '.join(left_out)}" if left_out else ""
        if origins[0] != origins[1]:
            words += f"; origins differ: {origins[1] or 'mean joint'} in the data, {origins[0] or 'mean joint'} before"
        return words


def save_model(folder: Path, card: ModelCard, weights: dict[str, Tensor], seen: set[str]) -> None:
    """Writes the model folder; the card last, so that a folder with a card is whole.

    seen: digests of every sequence it was trained on, with and without labels.
    """
    save_tensors(folder / "model.safetensors", weights)
    with writing(folder):
        np.save(folder / SEEN, np.array(sorted(seen)))
    write_json(folder / "config.json", asdict(card))


def load_trained_on(path: Path) -> set[str]:
    """Digests of the sequences that the model in a run or model folder was trained on.

    Raises CheckpointError when the model does not tell.
    """
    file = model_folder(path) / SEEN
    try:
        return {str(digest) for digest in np.load(file, allow_pickle=False)}
    except (OSError, ValueError, EOFError) as error:
        raise CheckpointError(
            f"{file}: missing or damaged, so nobody can tell what the model was trained on, and a score might measure "
            "memory. Copy the model folder again, or train it anew."
        ) from error


def model_folder(path: Path) -> Path:
    """The model folder at `path` or inside the run at `path`. Raises CheckpointError when there is none."""
    for folder in (path, path / "model"):
        if (folder / "config.json").is_file():
            return folder
    state = "an unfinished run; go on with --resume" if (path / "config.yaml").is_file() else "no such run"
    raise CheckpointError(f"{path}: no finished model here ({state}).")


def load_card(path: Path) -> ModelCard:
    """The card of the model in a run or model folder. Raises CheckpointError when it is missing, damaged or too new."""
    file = model_folder(path) / "config.json"
    content: dict[str, Any] = read_json(file)
    if not isinstance(content, dict) or "format" not in content:
        raise CheckpointError(f"{file}: not the card of a jointwise model.")
    if content["format"] != FORMAT:
        raise CheckpointError(
            f"{file}: model format {content['format']}, this version reads {FORMAT}. Upgrade jointwise."
        )
    try:
        content |= {"skeleton": Skeleton.from_json(content["skeleton"]), "classes": tuple(content["classes"])}
        if content.get("recorded"):
            content["recorded"] = Skeleton.from_json(content["recorded"])
        return _completed(ModelCard(**content), file.parent.parent / "run.json")
    except (KeyError, TypeError) as error:
        raise CheckpointError(
            f"{file}: damaged card ({error}). Copy the model folder again, or train it anew."
        ) from error


def _completed(card: ModelCard, run_file: Path) -> ModelCard:
    """A card made before losses and memory stood in it, with what run.json beside the model folder says of them."""
    if card.memory_mb or not run_file.is_file():
        return card
    run = read_json(run_file)
    stage = "pretrain" if card.kind == "pretrained" else "finetune"
    memory = run.get("peak_memory_mb")
    return replace(card, held_out=run.get("held_out"), memory_mb={} if memory is None else {stage: memory})


def load_model(path: Path) -> tuple[ModelCard, dict[str, Tensor]]:
    """Card and weights of the model in a run or model folder."""
    folder = model_folder(path)
    return load_card(folder), load_tensors(folder / "model.safetensors")


def encoder_weights(run: Path, dataset: Dataset, which: str) -> tuple[ModelCard, dict[str, Tensor], Dataset]:
    """Card and encoder weights of a trained run, and `dataset`, both on the joints they share by name.

    which: `student` or `teacher`. Raises CheckpointError for a skeleton with too few of the model's joints or a run
    without that encoder, DataError for one whose training part may hold sequences that are scored here.
    """
    card, weights = load_model(run)
    dataset = card.on_shared_joints(dataset, run)
    check_unseen(run, card, dataset)
    prefix = f"{'encoder' if card.kind == 'classifier' else which}."
    chosen = {name.removeprefix(prefix): tensor for name, tensor in weights.items() if name.startswith(prefix)}
    if not chosen:
        raise CheckpointError(f"{run}: system '{card.system}' has no {which} encoder.")
    places = [card.skeleton.joints.index(joint) for joint in dataset.skeleton.joints]
    return card, restrict_joints(chosen, places), dataset


def check_unseen(run: Path, card: ModelCard, dataset: Dataset) -> None:
    """Raises DataError when the model was trained on sequences that would be scored, whatever they are called."""
    seen = load_trained_on(run) - set(
        dataset.train.digests
    )  # copies in both parts are another matter, and were allowed
    names = [name for name, digest in zip(dataset.test.names, dataset.test.digests, strict=True) if digest in seen]
    if names:
        raise DataError(
            f"{run}: trained with the split '{card.split}', which had {len(names)} of the {len(dataset.test)} "
            f"sequences that would be scored now ('{dataset.split}') in its training part, first: {names[0]}. Use the "
            "same --split and --validation_subjects as in training."
        )
