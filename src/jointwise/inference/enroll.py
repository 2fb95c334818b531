"""Actions taught by a few clips: nothing is trained, a prototype of features is kept, on one scale with the classifier.

Features vary within a class more in some directions than in others. A space in which those count less is computed once
from clips with labels: those that the classifier learned from, or `synthetic` for a model without classes.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from jointwise.data.clips import Clips, Persons
from jointwise.data.dataset import Part, load_dataset
from jointwise.data.datasets import DATASETS
from jointwise.data.store.reader import UNKNOWN
from jointwise.errors import CheckpointError, DataError, JointwiseWarning, ReadError
from jointwise.inference.inputs import Inputs
from jointwise.inference.many import batched, join_clips
from jointwise.model.classifier import Classifier, encode
from jointwise.model.encoders import Encoder
from jointwise.model.heads import mean_over_clips, pool_joints
from jointwise.training.checkpoint import load_tensors, save_tensors
from jointwise.training.model_card import ModelCard
from jointwise.training.model_folder import load_trained_on
from jointwise.training.progress import watched

FILE = "taught.safetensors"  # in the model folder
SHARPNESS = 20.0  # logits per unit of cosine; this, SHRINKAGE and the pooling: held-out training subjects (lab/LOG.md)
SHRINKAGE = 0.003  # share of the largest variance within classes that is added to each
AXES = 256  # directions in which variance within classes is known
PER_CLASS = 20  # clips that the space is computed from
WITHOUT_CLASSES = "synthetic"  # the data that tell how features vary, for a model that has no classes

_AT_ONCE = 64  # clips


@dataclass(frozen=True, eq=False)
class Space:
    """Where clips are compared: directions in which features vary within a class count less.

    Args:
        mean: (F,) mean of the features.
        axes: (A, F) orthonormal directions.
        gains: (A,) what features are multiplied by along each, at most 1; 1 along all others.
        known: (K, F) prototypes of the classes of the classifier; K is 0 for a model without.
    """

    mean: Tensor
    axes: Tensor
    gains: Tensor
    known: Tensor

    def vectors(self, features: Tensor) -> Tensor:
        """Features (B, F) as vectors of length 1 in this space."""
        centred = features - self.mean
        return functional.normalize(centred + ((centred @ self.axes.T) * (self.gains - 1)) @ self.axes, dim=1)

    def prototype(self, features: Tensor) -> Tensor:
        """The prototype (F,) of an action from features (n, F) of its clips."""
        return functional.normalize(self.vectors(features).mean(0), dim=0)

    @classmethod
    def plain(cls, width: int) -> Space:
        """The space of the features as they are.

        Args:
            width: Numbers per clip, F.
        """
        return cls(torch.zeros(width), torch.zeros(0, width), torch.zeros(0), torch.zeros(0, width))

    @classmethod
    def fitted(cls, features: Tensor, labels: Tensor, classes: int) -> Space:
        """The space of a classifier's features.

        Along an axis with the variance v within classes, the gain is (1 + v / (SHRINKAGE · largest v))^−½.

        Args:
            features: (n, F) of clips.
            labels: (n,) their classes. Each class has a clip.
            classes: K.
        """
        means = torch.stack([features[labels == label].mean(0) for label in range(classes)])
        _, sizes, axes = torch.linalg.svd(features - means[labels], full_matrices=False)
        variance = sizes[:AXES].square()
        space = cls(
            features.mean(0),
            axes[:AXES].contiguous(),
            (1 + variance / (SHRINKAGE * variance[0]).clamp(min=1e-12)).rsqrt(),
            torch.zeros(0, features.shape[1]),
        )
        known = torch.stack([space.prototype(features[labels == label]) for label in range(classes)])
        return cls(space.mean, space.axes, space.gains, known)


class Taught:
    """The actions that a model was taught, and the space in which clips are compared with them.

    Args:
        space: The space.
        prototypes: (F,) of each action, by name.
    """

    def __init__(self, space: Space, prototypes: dict[str, Tensor]) -> None:
        self.space = space
        self.prototypes = prototypes

    def logits(self, features: Tensor, known: Tensor | None) -> Tensor:
        """Logits of all classes, taught ones last.

        The prototypes decide between known and taught, the classifier among the known: their softmax shares out what
        the known classes together have beside the taught ones.

        Args:
            features: (B, F) of clips.
            known: (B, K) logits of the classifier; None for a model without.

        Returns:
            (B, K + J).
        """
        vectors = self.space.vectors(features)
        taught = SHARPNESS * vectors @ torch.stack(list(self.prototypes.values())).T
        if known is None:
            return taught
        together = (SHARPNESS * vectors @ self.space.known.T).logsumexp(1, keepdim=True)
        return torch.cat([known.log_softmax(1) + together, taught], 1)

    def save(self, folder: Path) -> None:
        """Writes the file of taught actions into a model folder, as a whole or not at all; none where nothing is taught.

        Args:
            folder: The model folder.

        Raises:
            StorageError: It cannot be written.
        """
        if not self.prototypes:
            (folder / FILE).unlink(missing_ok=True)
            return
        space = {f"space.{name}": tensor for name, tensor in vars(self.space).items()}
        taught = {f"taught.{place:04d}.{name}": row for place, (name, row) in enumerate(self.prototypes.items())}
        save_tensors(folder / FILE, space | taught)

    @classmethod
    def load(cls, folder: Path, classes: int, width: int) -> Taught | None:
        """The taught actions of a model.

        Args:
            folder: The model folder.
            classes: K, of its classifier.
            width: Features of a clip, F.

        Returns:
            The actions; None where it was taught none.

        Raises:
            CheckpointError: The file is damaged, or belongs to another model.
        """
        file = folder / FILE
        if not file.is_file():
            return None
        try:
            tensors = load_tensors(file)
            space = Space(*(tensors[f"space.{name}"] for name in Space.__dataclass_fields__))
            taught = {key.split(".", 2)[2]: tensors[key] for key in sorted(tensors) if key.startswith("taught.")}
            fits = space.known.shape == (classes, width) and all(row.shape == (width,) for row in taught.values())
        except (CheckpointError, KeyError, IndexError) as error:
            raise _unusable(file, "damaged") from error
        if not fits or not taught:
            raise _unusable(file, "made for another model")
        return cls(space, taught)


def _unusable(file: Path, why: str) -> CheckpointError:
    return CheckpointError(
        f"{file}: the file of taught actions is {why}. Delete it and teach them again: jointwise enroll RUN NAME FILE…"
    )


class TaughtClassifier(nn.Module):
    """A model that names taught actions beside the classes of its head.

    Args:
        encoder: The frozen encoder, in evaluation mode.
        classifier: Its classifier; None for a model without.
        segment: Frames per segment of the encoder.
        taught: The taught actions; None: only features are asked for.
    """

    def __init__(self, encoder: Encoder, classifier: Classifier | None, segment: int, taught: Taught | None) -> None:
        super().__init__()
        self.encoder = encoder
        self.head = None if classifier is None else classifier.head
        self.segment = segment
        self.taught = taught

    def features(self, persons: Persons) -> Tensor:
        """Features (B, V · D) of clips: the mean over time of every joint."""
        tokens, valid = encode(self.encoder, persons, self.segment)
        return self._pooled(tokens, valid, persons)

    def _pooled(self, tokens: Tensor, valid: Tensor, persons: Persons) -> Tensor:
        return mean_over_clips(pool_joints(tokens.float(), valid), persons.clip, persons.clips).cpu()

    def forward(self, persons: Persons) -> Tensor:
        """The logits (B, K + J) of the clips that the persons belong to, taught actions last."""
        assert self.taught is not None
        tokens, valid = encode(self.encoder, persons, self.segment)
        known = None if self.head is None else self.head(tokens, valid, persons.clip, persons.clips).float().cpu()
        return self.taught.logits(self._pooled(tokens, valid, persons), known)


def clips_with_labels(card: ModelCard, folder: Path | None, data: str | None) -> tuple[Part, Tensor, int]:
    """The clips with labels that tell how features vary: of a classifier, those that it was trained on.

    Args:
        card: What the model is.
        folder: Its folder; None where it has none.
        data: The training data, as `--data` takes them; None: those that the card names.

    Returns:
        The clips, their places (n,) in the model's classes, and K, the number of classes; at most PER_CLASS of a class.

    Raises:
        DataError: The training data are not here.
    """
    dataset = load_dataset(WITHOUT_CLASSES if card.kind == "pretrained" else data or _address(card, folder))
    part = dataset.train.labelled
    classes = card.classes or dataset.classes
    if card.classes:
        seen = [] if folder is None else sorted(load_trained_on(folder))
        places = np.isin(dataset.store.digests, seen) & dataset.store.kept
        part = Part(dataset.store, np.flatnonzero(places & (dataset.store.index["label"] != UNKNOWN)).astype(np.int64))
    number = np.array([classes.index(name) if name in classes else UNKNOWN for name in dataset.classes], np.int64)
    labels = number[part.labels]
    chosen = []
    for label in range(len(classes)):
        own = np.flatnonzero(labels == label)
        if not len(own):
            raise DataError(
                f"{dataset.address}: no clip of '{classes[label]}' that the model was trained on. Teaching compares new "
                "actions with the known ones once. Name the training data, prepared as they were: --data DATA "
                "(data='DATA' in Python)."
            )
        chosen += own[np.unique(np.linspace(0, len(own) - 1, PER_CLASS).astype(int))].tolist()
    return Part(part.store, part.ids[chosen]), torch.from_numpy(labels[chosen]), len(classes)


def _address(card: ModelCard, folder: Path | None) -> str:
    """What `--data` takes for the training data of a model."""
    if card.data in DATASETS:
        return card.data
    for place in () if folder is None else folder.resolve().parents:
        note = place / "data.txt"  # `runs_folder` writes it
        if note.is_file() and note.parent.name.startswith(card.data):
            return note.read_text("utf-8", "surrogateescape").strip()
    raise DataError(
        f"teaching compares new actions with the known ones once, in clips of the training data '{card.data}', and "
        "nothing says where these are. Name them: --data DATA (data='DATA' in Python)."
    )


@torch.no_grad()
def features_of(model: TaughtClassifier, clips: Iterable[Clips]) -> Tensor:
    """Features (n, F) of n clips.

    Args:
        model: The model.
        clips: Batches of one clip each.
    """
    return torch.cat([model.features(join_clips(some)) for some in batched(clips, _AT_ONCE)])


def fit_space(model: TaughtClassifier, card: ModelCard, inputs: Inputs, folder: Path | None, data: str | None) -> Space:
    """The space of a model that was taught nothing yet.

    Args:
        model: The model.
        card: What it is.
        inputs: Makes its clips.
        folder: Its folder; None where it has none.
        data: Its training data; None: those that the card names.

    Returns:
        The space. Of a model without classes whose joints or coordinates `synthetic` does not have: the plain one.

    Raises:
        DataError: The training data are not here, or not one clip of a class can be used.
    """
    part, labels, classes = clips_with_labels(card, folder, data)
    clips, kept, failed = [], [], []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", JointwiseWarning)  # about clips that the training has taken
        for place in watched(range(len(part)), len(part), "features of known actions"):
            try:
                clips.append(inputs.clip(inputs.sequence(part[place])))
                kept.append(place)
            except ReadError as error:
                failed.append(error)
    missing = set(range(classes)) - set(labels[kept].tolist())
    if missing and card.classes:
        raise DataError(f"no clip of '{card.classes[min(missing)]}' can be used: {failed[0]}")
    if missing:
        return Space.plain(len(card.skeleton.joints) * card.config.encoder.width)
    space = Space.fitted(features_of(model, clips), labels[kept], classes)
    return space if card.classes else Space(space.mean, space.axes, space.gains, space.known[:0])
