"""Teaching a model by example: from a few clips of an action to a prototype, checked on the way."""

from __future__ import annotations

import shlex
import warnings
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from jointwise.data.clips import Clips
from jointwise.data.dataset import Part, load_dataset
from jointwise.data.movement import movement, outside
from jointwise.errors import CheckpointError, ConfigError, DataError, JointwiseWarning, ReadError, printable, unknown
from jointwise.evaluation.features import person_features
from jointwise.inference.answers import NONE, Answers, check_finite
from jointwise.inference.inputs import Inputs
from jointwise.inference.many import Recording, batched, join_clips, recordings_of, unusable
from jointwise.inference.nearest import Retrieval
from jointwise.inference.taught import POOLING, Space, Taught, TaughtClassifier
from jointwise.model.classifier import Classifier
from jointwise.model.encoders import Encoder
from jointwise.training.hub import hub_address
from jointwise.training.model_card import ModelCard
from jointwise.training.model_folder import model_folder
from jointwise.training.progress import watched
from jointwise.training.shipped import SHIPPED

PER_CLASS = 40  # clips of a known class that the space is computed from
WITHOUT_CLASSES = "synthetic"  # the data that tell how features vary within a class, for a model that has no classes

_AT_ONCE = 64  # clips


class Teaching:
    """What a model was taught, and how it is taught more.

    Args:
        card: What the model is.
        inputs: Makes its clips.
        encoder: Its encoder, in evaluation mode.
        classifier: Its classifier; None for a model that is pre-trained only.
        retrieval: Finds the clips that it was trained on.
    """

    def __init__(
        self, card: ModelCard, inputs: Inputs, encoder: Encoder, classifier: Classifier | None, retrieval: Retrieval
    ) -> None:
        self._card = card
        self._inputs = inputs
        self._encoder = encoder
        self._classifier = classifier
        self._retrieval = retrieval
        self._taught: Taught | None = None
        self._is_teacher = False

    @property
    def names(self) -> tuple[str, ...]:
        """The taught actions, in the order in which they were taught."""
        return () if self._taught is None else tuple(self._taught.prototypes)

    @property
    def _width(self) -> int:
        """Features of a clip."""
        return len(self._card.skeleton.joints) * self._card.config.encoder.width

    def answers(self, card: ModelCard) -> Answers | None:
        """The model as it answers; None for one that knows fewer than two actions: it could only give one answer.

        Args:
            card: What it is, with the calibration by which it answers.
        """
        if self._taught is None or not self.names:
            return None if self._classifier is None else Answers(card, self._classifier)
        if self._classifier is None and len(self.names) < 2:
            return None
        segment = self._card.config.clip.segment
        model = TaughtClassifier(self._encoder, self._classifier, segment, self._taught)
        return Answers(card, model.eval(), self.names)

    def load(self, folder: Path, encoder: str) -> None:
        """Opens what was taught before.

        Args:
            folder: The model folder.
            encoder: Its encoder that is used; actions are taught to the `student` only.

        Raises:
            CheckpointError: The file of taught actions is damaged, or belongs to another model.
        """
        self._is_teacher = encoder == "teacher" and self._classifier is None
        self._taught = None if self._is_teacher else Taught.load(folder, len(self._card.classes), self._width)

    def save(self, folder: Path) -> None:
        """Writes what was taught into a model folder.

        Args:
            folder: The model folder.

        Raises:
            StorageError: It cannot be written.
        """
        if self._taught is not None:
            self._taught.save(folder)

    def enroll(self, name: str, clips: Any, data: str | None = None, reading: Mapping[str, Any] | None = None) -> None:
        """Teaches an action, or changes nothing.

        Args:
            name: Its name.
            clips: Recordings of it, as `Recognizer.enroll` takes them.
            data: The training data; None: those that the card names.
            reading: What is said of files, as `jointwise.read` takes it; None: nothing.

        Raises:
            ConfigError: The name is none or is taken, or there is no clip.
            DataError: The training data are not on this machine.
            ReadError: A clip cannot be used; the message names all that cannot.
        """
        self._check_name(name)
        many = recordings_of(clips)
        features = self._features_of_clips([clips] if many is None else many, name, reading or {})
        if self._taught is None:
            self._taught = Taught(self._fit_space(data), {})
        space = self._taught.space
        self._taught = Taught(space, self._taught.prototypes | {name: space.prototype(features)})

    def forget(self, name: str) -> None:
        """Removes a taught action.

        Raises:
            ConfigError: There is none of this name.
        """
        if self._taught is None or name not in self.names:
            taught = unknown("taught action", name, self.names) if self.names else "this model was taught nothing."
            known = f" '{name}' is a class of its training." if name in self._card.classes else ""
            raise ConfigError(taught + known)
        others = {other: row for other, row in self._taught.prototypes.items() if other != name}
        self._taught = Taught(self._taught.space, others)

    def _check_name(self, name: str) -> None:
        if self._is_teacher:
            raise ConfigError("the model was opened with its teacher. Actions are taught to the student: leave it out.")
        if not name.strip() or name != printable(name) or "\n" in name or name == NONE:
            raise ConfigError(f"'{printable(name)}' is no name for an action. Use words such as 'wave hello'.")
        if name in self._card.classes:
            raise ConfigError(f"the model knows '{name}' from its training. Choose another name.")
        if name in self.names:
            raise ConfigError(f"the model was taught '{name}' before. Remove it first, or choose another name.")

    def _features_of_clips(self, recordings: list[Recording], name: str, reading: Mapping[str, Any]) -> Tensor:
        """Features (n, F) of recordings of an action."""
        if not recordings:
            raise ConfigError(f"no clip of '{name}'. Give one to five recordings of it.")
        clips: list[Clips] = []
        failed: list[ReadError] = []
        for recording in recordings:
            try:
                sequence = self._inputs.sequence(recording, reading)
                reason = outside(movement(sequence), self._card.movement) if self._card.movement else None
                if reason:
                    raise ReadError(
                        f"{sequence.source}: {reason} It would be answered with '{NONE}', whatever the model is taught."
                    )
                clips.append(self._inputs.clip(sequence))
                check_finite(self._features(clips[-1:]), sequence.source)
            except ReadError as error:
                failed.append(error)
        if failed:
            raise failed[0] if len(recordings) == 1 else unusable(failed, len(recordings))
        return self._features(clips)

    @torch.no_grad()
    def _features(self, clips: list[Clips]) -> Tensor:
        """Features (n, F) of n clips, on the CPU."""
        segment = self._card.config.clip.segment
        parts = (
            person_features(self._encoder, join_clips(some), segment, POOLING) for some in batched(clips, _AT_ONCE)
        )
        return torch.cat([part.cpu() for part in parts])

    def _fit_space(self, data: str | None) -> Space:
        """The space of comparison; the plain one where a model without classes takes no `synthetic`."""
        part, labels, classes = self._clips_with_labels(data)
        clips: list[Clips] = []
        kept: list[int] = []
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", JointwiseWarning)  # about clips that the training has taken
            for place in watched(range(len(part)), len(part), "features of known actions"):
                try:
                    clips.append(self._inputs.clip(self._inputs.sequence(part[place])))
                    kept.append(place)
                except ReadError:  # nobody is seen in it, or it does not fit
                    continue
        missing = set(range(classes)) - set(labels[kept].tolist())
        if missing and self._card.classes:
            name = self._card.classes[min(missing)]
            raise DataError(f"nobody is seen in any clip of '{name}' that the model was trained on.")
        if missing:
            return Space.plain(self._width)
        space = Space.fitted(self._features(clips), torch.from_numpy(labels[kept]), classes)
        return space if self._card.classes else replace(space, known=space.known[:0])

    def _clips_with_labels(self, data: str | None) -> tuple[Part, npt.NDArray[np.int64], int]:
        """Clips that tell how features vary within a class, their classes (n,), and how many classes there are."""
        if self._card.classes:
            try:
                dataset, part = self._retrieval.clips(data)
            except DataError as error:
                raise DataError(
                    f"to teach a model its first action, clips of its training are needed once. {error} For "
                    "the command, that is --data DATA."
                ) from error
        else:
            dataset = load_dataset(WITHOUT_CLASSES)
            part = dataset.train
        classes = self._card.classes or dataset.classes
        part = part.labelled
        number = np.array([classes.index(name) if name in classes else -1 for name in dataset.classes])
        labels = number[part.labels]
        missing = set(range(len(classes))) - set(labels.tolist())
        if missing:
            raise DataError(
                f"{dataset.address}: no clip of '{classes[min(missing)]}', which the model knows. Name the data of its "
                "training."
            )
        chosen = some_of_each(labels)
        return Part(part.store, part.ids[chosen]), labels[chosen], len(classes)


def some_of_each(labels: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Places of up to PER_CLASS clips of each class, evenly chosen.

    Args:
        labels: (n,) classes of the clips; −1: of none.

    >>> some_of_each(np.array([0, 1, -1, 0])).tolist()
    [0, 3, 1]
    """
    chosen = []
    for label in np.unique(labels[labels >= 0]):
        own = np.flatnonzero(labels == label)
        chosen.append(own[np.unique(np.linspace(0, len(own) - 1, PER_CLASS).astype(int))])
    return np.concatenate(chosen)


def is_shared(opened: Path) -> bool:
    """Whether a model belongs to the package or to the hub, so that nobody may change it.

    Args:
        opened: The folder, name or address that it was opened from.

    Raises:
        CheckpointError: There is no model.
    """
    return model_folder(opened).is_relative_to(SHIPPED) or hub_address(opened) is not None


def own_folder(opened: Path, remedy: str = "Name a folder for your copy of it.") -> Path:
    """The folder of a model that may be changed.

    Args:
        opened: The folder, name or address that it was opened from.
        remedy: What to do where it is shared, as a sentence.

    Returns:
        The model folder.

    Raises:
        CheckpointError: There is no model.
        ConfigError: It is shared.
    """
    if is_shared(opened):
        raise ConfigError(f"{opened} is shared by all that use it, and stays as it is. {remedy}")
    return model_folder(opened)


def names_nothing(opened: Path | None, taught: tuple[str, ...]) -> CheckpointError:
    """The error of a pre-trained model that is asked for the name of an action, with the commands that change that.

    Args:
        opened: The folder, name or address that it was opened from; None where it was built in Python.
        taught: What it was taught.
    """
    address = None if opened is None else hub_address(opened)
    name = "RUN" if opened is None else shlex.quote(str(opened) if address is None else f"hf://{address}")
    known = f"one taught action, '{printable(taught[0])}'" if taught else "no class names"
    return CheckpointError(
        f"{name}: this model is pre-trained only, it knows {known}. Fine-tune it first: jointwise finetune {name} "
        f"--data DATA; or teach it two actions or more, without training: jointwise enroll {name} NAME FILE… --out "
        "MODEL; or use .features()."
    )
