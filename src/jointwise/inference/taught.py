"""Actions taught by a few clips: nothing is trained, a prototype of features is kept, on one scale with the classifier.

Features vary within a class more in some directions than in others. A space in which those count less is computed once
from clips with labels: those that the classifier learned from, or `synthetic` for a model without classes.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from jointwise.data.clips import Persons
from jointwise.errors import CheckpointError, printable, writing
from jointwise.evaluation.features import person_features
from jointwise.model.classifier import Classifier
from jointwise.training.checkpoint import load_tensors, save_tensors

FILE = "taught.safetensors"  # in the model folder
# chosen on held-out training subjects (lab/LOG.md), as is POOLING
SHARPNESS = 20.0  # logits per unit of cosine
SHRINKAGE = 0.003  # share of the largest variance within classes that is added to each
AXES = 256  # directions in which variance within classes is known
POOLING = "joints"


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
        """Features (B, F) as vectors of length 1. A joint that is never seen has features of 0 and counts as mean."""
        centred = (features - self.mean) * (features != 0)
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
        """Writes the file of taught actions, as a whole or not at all; where nothing is taught, there is none.

        Args:
            folder: The model folder.

        Raises:
            StorageError: It cannot be written.
        """
        if not self.prototypes:
            with writing(folder / FILE):
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
            keys = sorted(key for key in tensors if key.startswith("taught."))
            taught = {printable(key.split(".", 2)[2]): tensors[key] for key in keys}
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
    """A model that names taught actions beside the classes of its classifier.

    Args:
        encoder: The frozen encoder, in evaluation mode.
        classifier: The classifier that it belongs to; None for a model without.
        segment: Frames per segment of the encoder.
        taught: The taught actions, at least one.
    """

    def __init__(self, encoder: nn.Module, classifier: Classifier | None, segment: int, taught: Taught) -> None:
        super().__init__()
        self.encoder = encoder
        self.classifier = classifier
        self.segment = segment
        self.taught = taught

    def forward(self, persons: Persons) -> Tensor:
        """The logits (B, K + J), on the CPU, of the clips that the persons belong to; taught actions last."""
        known = None if self.classifier is None else self.classifier(persons).float().cpu()
        return self.taught.logits(person_features(self.encoder, persons, self.segment, POOLING).cpu(), known)
