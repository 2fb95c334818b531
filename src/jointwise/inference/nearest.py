"""The training clips that a model finds most like a recording, by its features.

Features of the training clips are computed once and kept beside the data, in the folder of their store: coordinates can
be rebuilt from features, so these stay where the data are and never travel with a model.
"""

from __future__ import annotations

import hashlib
import os
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from jointwise.data.clips import Clips
from jointwise.data.dataset import Dataset, Part, load_dataset
from jointwise.data.datasets import DATASETS, data_name, is_pool
from jointwise.data.sequence import Sequence
from jointwise.data.store.reader import label_name
from jointwise.errors import CheckpointError, ConfigError, DataError, JointwiseWarning, ReadError, counted
from jointwise.evaluation.features import person_features
from jointwise.inference.inputs import Inputs
from jointwise.inference.many import batched, join_clips
from jointwise.training.checkpoint import load_tensors, save_tensors
from jointwise.training.model_card import ModelCard
from jointwise.training.model_folder import load_trained_on
from jointwise.training.progress import watched

_AT_ONCE = 64  # clips
_SEARCHED_AT_ONCE = 4096
_KEPT = 4  # files of features of one data set: those of the last models that were asked


@dataclass(frozen=True, eq=False)
class Neighbour:
    """A clip that a model finds like a recording.

    Args:
        name: Name of its recording.
        label: Name of its class; `unlabelled` where it has none.
        similarity: Cosine of the angle between the features, at most 1.
        sequence: Its recording as prepared, read from the data when it was found.
    """

    name: str
    label: str
    similarity: float
    sequence: Sequence


class Gallery:
    """Clips that recordings are compared with.

    Args:
        clips: The clips.
        classes: Names of their classes, in the order of labels.
        features: (n, F) fp16 of each clip, of length 1; zeros where nobody is seen.
    """

    def __init__(self, clips: Part, classes: tuple[str, ...], features: Tensor) -> None:
        self._clips = clips
        self._classes = classes
        self._features = features

    def nearest(self, vector: Tensor, count: int) -> list[Neighbour]:
        """The most similar clips, most similar first; of equals the first in the data.

        Args:
            vector: (F,) features of a recording.
            count: How many; fewer where fewer clips show anybody.
        """
        unit = functional.normalize(vector, dim=0)
        parts = [part.float() for part in self._features.split(_SEARCHED_AT_ONCE)]
        similarity = torch.cat([part @ unit for part in parts])
        seen = torch.cat([part.any(1) for part in parts])
        order = similarity.where(seen, -torch.inf).argsort(descending=True, stable=True)[: min(count, int(seen.sum()))]
        names, labels = self._clips.names, self._clips.labels
        return [
            Neighbour(
                names[place],
                label_name(self._classes, int(labels[place])),
                float(similarity[place]),
                self._clips[place],
            )
            for place in order.tolist()
        ]


class Retrieval:
    """Finds the training clips of a model that are nearest to a recording.

    Args:
        card: What the model is.
        inputs: Makes its clips.
        encoder: Its encoder, in evaluation mode.
        folder: Its folder, or that of its run; None where it has none.
    """

    def __init__(self, card: ModelCard, inputs: Inputs, encoder: nn.Module, folder: Path | None) -> None:
        self._card = card
        self._inputs = inputs
        self._encoder = encoder
        self._folder = folder
        self._open: dict[str | None, Gallery] = {}

    def nearest(self, sequence: Sequence, count: int, data: str | None = None) -> list[Neighbour]:
        """The nearest training clips, most similar first.

        Args:
            sequence: A recording that `Inputs.sequence` returned.
            count: How many.
            data: Other clips to search, as `--data` takes them; None: the data that the model was trained on.

        Raises:
            ConfigError: The count is below 1.
            DataError: The data are not on this machine, or have changed since the training.
            ReadError: The recording has no valid joint in its clip.
        """
        if count < 1:
            raise ConfigError(f"{count} nearest clips: ask for 1 or more.")
        vector = self.vectors([self._inputs.clip(sequence)])[0]
        if data not in self._open:
            dataset, clips = self.clips(data)
            self._open[data] = Gallery(clips, dataset.classes, self._kept_features(clips, len(vector)))
        return self._open[data].nearest(vector, count)

    @torch.no_grad()
    def vectors(self, clips: list[Clips]) -> Tensor:
        """Features (B, F) of clips, one each, on the CPU: those of the protocol `knn`."""
        config = self._card.config
        return (
            person_features(self._encoder, join_clips(clips), config.clip.segment, config.probe.pooling).float().cpu()
        )

    def clips(self, data: str | None) -> tuple[Dataset, Part]:
        """The clips to search: those that the model was trained on; of other data, which it never saw, all training.

        Args:
            data: As for `nearest`.

        Raises:
            ConfigError: The data are unknown.
            DataError: The data are not on this machine, or have changed since the training.
        """
        dataset = self._dataset(data)
        store = dataset.store
        known = np.flatnonzero(np.isin(store.digests, self._trained_on(data)) & store.kept)
        if len(known):
            return dataset, Part(store, known.astype(np.int64))
        if data is None:
            raise DataError(
                f"{dataset.address}: not one of its {len(store)} recordings is one that the model was trained on: they "
                "have changed since, or were prepared in another way. Train the model anew, or name clips to search: "
                "data='DATA'."
            )
        if not len(dataset.train):
            raise DataError(f"{data}: its training part is empty, there is nothing to search.")
        return dataset, dataset.train

    def _trained_on(self, data: str | None) -> list[str]:
        """Digests of what the model was trained on; none where that is unknown and other data are searched."""
        try:
            return [] if self._folder is None else sorted(load_trained_on(self._folder))
        except CheckpointError:
            if data is None:
                raise
            return []

    def _dataset(self, data: str | None) -> Dataset:
        address = data or self._address()
        if address is None:
            raise DataError(
                f"the model was trained on '{self._card.data}', which is no data set of this machine. Its training "
                "clips do not travel with it. Name the clips to search, a data set or a folder: data='DATA'."
            )
        try:
            return load_dataset(address)
        except DataError as error:
            if data is not None:
                raise
            raise DataError(
                f"the training clips of the model are not on this machine, and do not travel with it. {error} Or name "
                "other clips to search: data='DATA'."
            ) from error

    def _address(self) -> str | None:
        """What `--data` takes for the data of the model; None where nothing tells it."""
        if self._card.data in DATASETS or is_pool(self._card.data):
            return self._card.data
        for folder in () if self._folder is None else self._folder.resolve().parents:
            note = folder / "data.txt"  # `runs_folder` writes it
            place = note.read_text("utf-8", "surrogateescape").strip() if note.is_file() else ""
            if place and Path(place).exists() and data_name(place) == self._card.data:
                return place
        return None

    def _kept_features(self, clips: Part, width: int) -> Tensor:
        """The features of clips, from the file beside their data; computed, and kept there, where there is none."""
        folder = clips.store.path / "features"
        file = folder / f"{self._key(clips)}.safetensors"
        if file.is_file():
            return load_tensors(file)["features"]
        features = torch.cat([*self._computed(clips, width)])
        if os.access(clips.store.path, os.W_OK):  # a store that is shared may be for reading only
            save_tensors(file, {"features": features})
            for old in sorted(folder.glob("*.safetensors"), key=lambda path: path.stat().st_mtime)[:-_KEPT]:
                old.unlink(missing_ok=True)
        return features

    def _computed(self, clips: Part, width: int) -> Iterator[Tensor]:
        """The features of clips, some at a time: (n, F) of length 1; zeros where nobody is seen."""
        notes: list[str] = []
        batches = list(batched(range(len(clips)), _AT_ONCE))
        for places in watched(batches, len(batches), "features of the training clips"):
            made: list[Clips | None] = []
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always", JointwiseWarning)
                for place in places:
                    try:
                        made.append(self._inputs.clip(self._inputs.sequence(clips[place])))
                    except ReadError as error:
                        made.append(None)
                        notes.append(str(error))
            notes += [str(one.message) for one in caught if issubclass(one.category, JointwiseWarning)]
            seen = [place for place, clip in enumerate(made) if clip is not None]
            rows = torch.zeros(len(made), width)
            if seen:
                rows[seen] = functional.normalize(self.vectors([clip for clip in made if clip is not None]), dim=1)
            yield rows.half()
        if notes:
            about = f"{counted(len(notes), 'note')} on the clips that are searched, the first: {notes[0]}"
            warnings.warn(about, JointwiseWarning, stacklevel=2)

    def _key(self, clips: Part) -> str:
        """A name that changes with everything that the features of clips depend on."""
        card = self._card
        about = (card.settings["clip"], card.config.probe.pooling, card.skeleton, card.recorded, card.size)
        key = hashlib.sha256(repr((*about, card.axes, card.cleaning, clips.store.layout)).encode())
        for name, tensor in sorted(self._encoder.state_dict().items()):
            key.update(name.encode() + tensor.detach().cpu().contiguous().numpy().tobytes())
        key.update("".join(clips.digests).encode())
        return key.hexdigest()[:16]
