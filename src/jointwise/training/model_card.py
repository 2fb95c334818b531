"""The card of a model: what it is, what it was made from, and which data it can be used on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch

import jointwise
from jointwise.config.layers import Settings, build_config, to_settings
from jointwise.config.schema import Config, FinetuneConfig
from jointwise.data.body_checks.body import Body
from jointwise.data.body_checks.pose import joint_order
from jointwise.data.conventions import Conventions, common, guess_up, is_mirrored
from jointwise.data.dataset import Dataset
from jointwise.data.datasets import DATASETS
from jointwise.data.sequence import Sequence
from jointwise.data.skeletons import Skeleton, shared_joints
from jointwise.data.store.reader import UNKNOWN
from jointwise.errors import CheckpointError, describe_difference
from jointwise.training import distributed
from jointwise.training.coordinate_scale import median_coordinate_rms, unit_warning
from jointwise.training.costs import Costs

FORMAT = 1
MIN_SHARED_JOINTS = 5  # joints that model and data must have in common
_LOOKED_AT = 40  # sequences, which tell the axes of a data set


@dataclass(frozen=True)
class Calibration:
    """What held-out clips told about the probabilities of a classifier.

    Args:
        temperature: Logits are divided by it before they become probabilities.
        threshold: A clip whose most probable class has less, after `temperature`, is answered with none of them.
        held_out: Whose clips these were, such as `subjects 3, 7`.
        clips: How many.
        accuracy: Share of them that was recognised.
        error_before: Their expected calibration error at temperature 1.
        error_after: The same at `temperature`.
        rejected: Share of them below `threshold`, although they show known classes.
    """

    temperature: float
    threshold: float
    held_out: str
    clips: int
    accuracy: float
    error_before: float
    error_after: float
    rejected: float


@dataclass
class ModelCard:
    """What a model is and what it was made from: the content of config.json.

    Args:
        kind: `pretrained` (student, teacher, predictor, decoder) or `classifier` (encoder and head).
        system: Name of the system.
        settings: The whole config, as nested dictionaries.
        skeleton: The layout that the model takes.
        coordinates: Coordinates of a joint, 2 or 3.
        classes: Class names in the order of labels; empty for a pre-trained model.
        data: Name of the data it was trained on.
        data_fingerprint: Fingerprint of their store.
        preparation: How their sequences were prepared.
        seed: Random seed of the training.
        split: The evaluation split of the data.
        labels: Share or shots of labels that a classifier was trained with; `none` for a pre-trained model.
        unlabelled: How unlabelled clips were used beside the labels: `pseudo`; None: not at all.
        initialisation: What a classifier's encoder started as: `pretrained`, `finetuned` or `scratch`.
        pretrained_on: The data of that pre-training; of a pre-trained model, the data that it was trained on before.
        recorded: The layout of the data, if the model takes only some of their joints.
        cleaning: How the recordings were cleaned.
        terms: Terms of use.
        mixture: The sets of a pool: name, split, sequences, hours, weight, share, terms and more of each.
        sources: What every training on the way to the weights learned from: `data` and `terms` of each set, which are
            empty where they are unknown; of a set that was not in a pool, also `sequences` and `subjects` of its
            training part. Empty in cards of before.
        size: The `median_coordinate_rms` of the training part; None if unknown.
        scores: Scores on `split`, by name.
        conventions: The axes of the data, as their bodies tell them; None in cards of before.
        movement: Of a classifier, the `movement_range` of its training part; None where unknown.
        fps: Lowest and highest frame rate in the training part; None in cards of before.
        recording_seconds: Median length of the recordings in the training part; None in cards of before.
        together: Whether most recordings of the training part show several persons: what they do is named together.
        calibration: Of a classifier, what `jointwise calibrate` found; None before.
        costs: What the training took, stage by stage; its fields stand at the top level of config.json.
        code_version: The version of jointwise that wrote the card.
        format: Version of this format.
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
    split: str
    labels: str = "none"
    unlabelled: str | None = None
    initialisation: str = "none"
    pretrained_on: str | None = None
    recorded: Skeleton | None = None
    cleaning: str = "none"
    terms: str = ""
    mixture: list[dict[str, Any]] = field(default_factory=list)
    sources: list[dict[str, Any]] = field(default_factory=list)
    size: float | None = None
    scores: dict[str, float] = field(default_factory=dict)
    conventions: Conventions | None = None
    movement: tuple[float, float] | None = None
    fps: tuple[float, float] | None = None
    recording_seconds: float | None = None
    together: bool = False
    calibration: Calibration | None = None
    costs: Costs = field(default_factory=Costs)
    code_version: str = jointwise.__version__
    format: int = FORMAT

    @classmethod
    def of(cls, config: Config, dataset: Dataset, **facts: Any) -> ModelCard:
        """The card of a model.

        Args:
            config: What it was trained with.
            dataset: It was trained on the training part of these data.
            facts: The fields that do not follow from these two.
        """
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
            mixture=[asdict(member) for member in dataset.store.mixture],
            sources=_sources(dataset),
            conventions=conventions_of(dataset),
            fps=_frame_rates(dataset),
            recording_seconds=_usual_seconds(dataset),
            together=_together(dataset),
            **facts,
        )

    def after(self, before: ModelCard) -> ModelCard:
        """The card of a model whose encoder came from another: the terms of use of both hold, and its mixture is kept.

        Args:
            before: The card of the other model.
        """
        mixture = self.mixture or before.mixture
        known = {before.data, *(member["data"] for member in before.mixture)}
        cards = (before,) if self.data in known else (before, self)
        terms = [card.terms if card.mixture else f"{card.data}: {card.terms}" for card in cards if card.terms]
        sources = before.all_sources()
        sources += [source for source in self.all_sources() if source["data"] not in [one["data"] for one in sources]]
        terms_of_both = self.terms if before.data == self.data else "; ".join(terms)
        return replace(self, mixture=mixture, sources=sources, terms=terms_of_both)

    def all_sources(self) -> list[dict[str, Any]]:
        """Its `sources`; of a card of before, as far as the card tells."""
        if self.sources:
            return list(self.sources)
        if self.pretrained_on in (None, self.data):
            return [{"data": self.data, "terms": _terms(self.data, self.terms)}]
        own = self.terms if f"{self.data}: " in self.terms else ""  # else nothing was said of its own data
        sets = {self.pretrained_on: self.terms, self.data: own}
        return [{"data": name, "terms": _terms(name, terms)} for name, terms in sets.items()]

    @cached_property
    def config(self) -> Config:
        """Its settings as a Config, built once."""
        return build_config(self.settings)

    @property
    def start(self) -> str:
        """How an encoder from this model was trained: `pretrained` without labels, or `finetuned` with labels."""
        return "pretrained" if self.kind == "pretrained" else "finetuned"

    @property
    def recipe(self) -> FinetuneConfig:
        """The settings that its classifier was trained with."""
        return self.config.scratch if self.initialisation == "scratch" else self.config.finetune

    def on_shared_joints(self, dataset: Dataset, source: Path, flat: bool = False) -> Dataset:
        """Brings data onto the joints of the model that follow from theirs, for a model that is trained further.

        Joints are matched by name or computed (`Skeleton.map_to`). Units, axes and frame rates are not converted.

        Args:
            dataset: The data.
            source: The folder of the model, for messages.
            flat: Whether 2D data are taken by a model of 3D recordings.

        Returns:
            The data on the shared joints, in the order of the data, then on those that are computed; `dataset` itself
            if the model knows its joints and no others follow.

        Raises:
            CheckpointError: The data were prepared in another way, have another number of coordinates, or share fewer
                than MIN_SHARED_JOINTS joints or less than a third of the model's.
        """
        self._check_preparation(dataset, source, flat)
        own, other = self.skeleton, dataset.skeleton
        joints = other.map_to(own)
        if len(joints.sources) >= max(MIN_SHARED_JOINTS, len(own.joints) / 3) or own.joints == other.joints:
            return dataset.on_joints((*shared_joints(own, other), *joints.synthetic))
        raise CheckpointError(
            f"{source}: made for skeleton '{own.name}', but data '{dataset.name}' has '{other.name}': "
            f"{len(joints.sources)} of the model's {len(own.joints)} joints follow from it, too few (at least "
            f"{max(MIN_SHARED_JOINTS, -(-len(own.joints) // 3))}). The model's: {', '.join(own.joints)}. The data's: "
            f"{', '.join(other.joints)}. Pre-train on data with this skeleton, or name the joints of a folder of your "
            "own in its dataset.yaml."
        )

    def on_own_joints(self, dataset: Dataset, source: Path) -> Dataset:
        """Reduces data to exactly the joints of the model, in its order, for a head that is used as it is.

        Args:
            dataset: The data.
            source: The folder of the model, for messages.

        Returns:
            The data on the joints of the model.

        Raises:
            CheckpointError: The data lack a joint, have other classes, were prepared in another way, or have another
                number of coordinates.
        """
        self._check_preparation(dataset, source)
        own, other = self.skeleton, dataset.skeleton
        missing = other.map_to(own).missing
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

    def _check_preparation(self, dataset: Dataset, source: Path, flat: bool = False) -> None:
        if self.preparation != dataset.store.preparation:
            raise CheckpointError(
                f"{source}: trained on sequences prepared by '{self.preparation}', but '{dataset.name}' was prepared "
                f"by '{dataset.store.preparation}'. Prepare the data again with this version, or train the model anew."
            )
        coordinates = dataset.store.description.coordinates
        if self.coordinates != coordinates and not (flat and coordinates < self.coordinates):
            raise CheckpointError(
                f"{source}: made for {self.coordinates} coordinates per joint, but '{dataset.name}' has {coordinates}. "
                "Pre-train on data with as many."
            )

    def compatibility_notes(self, dataset: Dataset) -> str | None:
        """How `dataset` differs from the data of the model, in sentences; None if not at all.

        Joints, origin, unit and axes are compared; of 2D data for a model of 3D recordings the joints and the origin.
        """
        if dataset.store.description.coordinates < self.coordinates:
            flat = f"{dataset.name}: 2D, taken as bodies without depth in the axes and the unit of the model"
            sentences: tuple[str | None, ...] = (self._joint_notes(dataset), flat)
        else:
            sentences = (self._joint_notes(dataset), self._unit_note(dataset), self._axes_note(dataset))
        return "\n".join(sentence for sentence in sentences if sentence) or None

    def _unit_note(self, dataset: Dataset) -> str | None:
        if self.data_fingerprint == dataset.store.fingerprint or not len(dataset.train):
            return None
        warning = unit_warning(median_coordinate_rms(dataset.train), self.size)
        return warning and f"WARNING: {dataset.name}: {warning}"

    @property
    def axes(self) -> Conventions:
        """The axes of the data; where the card does not have them, what the layout says."""
        if self.conventions is not None:
            return self.conventions
        up = (self.recorded or self.skeleton).up
        return Conventions(None if up is None else "xyz"[up], False)

    def _axes_note(self, dataset: Dataset) -> str | None:
        if self.data_fingerprint == dataset.store.fingerprint or self.conventions is None:
            return None
        own, other = self.conventions, conventions_of(dataset)
        notes = []
        if None not in (own.up, other.up) and own.up != other.up:
            notes.append(f"bodies stand along {other.up}, where the model was trained along {own.up}: turn them")
        if None not in (own.mirrored, other.mirrored) and own.mirrored != other.mirrored:
            notes.append("bodies are mirror images of those that the model was trained on: turn the sign of one axis")
        return f"WARNING: {dataset.name}: {'; '.join(notes)}." if notes else None

    def _joint_notes(self, dataset: Dataset) -> str | None:
        own, other = self.skeleton, dataset.skeleton
        joints = other.map_to(own)
        origins = (self.recorded or own).root, dataset.store.layout.root
        if set(own.joints) == set(other.joints) == set(joints.matched) and origins[0] == origins[1]:
            return None
        used = {name for names in joints.sources.values() for name in names}
        left_out = [joint for joint in other.joints if joint not in used]
        notes = f"{dataset.name} ({other.name}) on the model's layout {own.name}: {joints.coverage}"
        notes += f"; left out, as the model does not know them: {', '.join(left_out)}" if left_out else ""
        if origins[0] != origins[1]:
            notes += f"; origins differ: {origins[1] or 'mean joint'} in the data, {origins[0] or 'mean joint'} before"
        return notes


def some_sequences(dataset: Dataset, most: int) -> Iterator[Sequence]:
    """Evenly chosen sequences of the training part, as far as this process has their shards.

    Args:
        dataset: The data.
        most: How many there are at most.
    """
    ids = dataset.train.ids
    ids = ids[np.linspace(0, len(ids) - 1, min(most, len(ids))).astype(int)]
    own = distributed.local_batches(torch.from_numpy(ids), 1, dataset.store.shards)  # others may lie elsewhere
    return (dataset.store[int(ids[place])] for batch in own for place in batch)


def conventions_of(dataset: Dataset) -> Conventions:
    """The axes of the training part of data, as the bodies in some of its sequences tell them.

    Args:
        dataset: The data.

    Returns:
        The axes; those of the layout where bodies do not tell which one points up.
    """
    if not len(dataset.train):
        return Conventions()
    bodies = [Body.of(sequence) for sequence in some_sequences(dataset, _LOOKED_AT)]
    up = common(guess_up(body.bodies) for body in bodies)
    layout = dataset.skeleton.up
    return Conventions(
        up=up if up is not None or layout is None else "xyz"[layout],
        mirrored=common(is_mirrored(body.bodies) for body in bodies),
        ordered=not common(bool(list(joint_order(body))) for body in bodies),
    )


def _terms(name: str, terms: str) -> str:
    """The terms of a data set; `free` where it is one that the package makes, empty where they are unknown."""
    free = name in DATASETS and not DATASETS[name].description.terms
    return terms or ("free" if free else "")


def _sources(dataset: Dataset) -> list[dict[str, Any]]:
    """The field `sources` of a card, for one training."""
    if dataset.store.mixture:
        return [{"data": one.data, "terms": _terms(one.data, one.terms)} for one in dataset.store.mixture]
    subjects = np.unique(dataset.train.subjects)
    return [
        {
            "data": dataset.name,
            "terms": _terms(dataset.address, dataset.store.description.terms),
            "sequences": len(dataset.train),
            "subjects": int((subjects != UNKNOWN).sum()),
        }
    ]


def _frame_rates(dataset: Dataset) -> tuple[float, float] | None:
    """Lowest and highest frame rate in the training part of data; None where it is empty."""
    rates = dataset.store.index["fps"][dataset.train.ids]
    return (float(rates.min()), float(rates.max())) if len(rates) else None


def _usual_seconds(dataset: Dataset) -> float | None:
    """Median length of the recordings in the training part of data; None where it is empty."""
    index = dataset.store.index[dataset.train.ids]
    return float(np.median(index["frames"] / index["fps"])) if len(index) else None


def _together(dataset: Dataset) -> bool:
    """Whether more than half of the recordings in the training part of data show several persons."""
    persons = dataset.store.index["persons"][dataset.train.ids]
    return 2 * int((persons > 1).sum()) > len(persons)
