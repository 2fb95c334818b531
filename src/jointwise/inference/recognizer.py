"""Use of a trained model: takes a recording, returns the name of the action or a feature vector."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, overload

import numpy as np
import numpy.typing as npt
import torch

from jointwise.data.dataset import Part
from jointwise.data.skeletons import Skeleton
from jointwise.errors import CheckpointError, ConfigError, ReadError, unknown
from jointwise.evaluation.features import encoder_features
from jointwise.inference.answers import Answers, Prediction, check_finite, predictions
from jointwise.inference.enroll import Teaching, names_nothing, own_folder
from jointwise.inference.inputs import Inputs
from jointwise.inference.many import Recording, batched, recordings_of, unusable
from jointwise.inference.nearest import Neighbour, Retrieval
from jointwise.inference.occlusion import Occlusion, occlusion
from jointwise.inference.onnx_export import Exported, export_onnx
from jointwise.inference.opening import open_model
from jointwise.inference.stream import Said, Stream
from jointwise.inference.timeline import SWITCH_COST, Segment, timeline
from jointwise.inference.windows import HOP
from jointwise.model.classifier import Classifier
from jointwise.model.encoders import Encoder
from jointwise.model.heads import POOLINGS
from jointwise.training.device import pick_device
from jointwise.training.model_card import Calibration, ModelCard
from jointwise.training.model_folder import copy_model, model_folder


class Recognizer:
    """A trained encoder, with a head that names actions if it was fine-tuned.

    Args:
        card: What the model is.
        encoder: Its encoder; of a classifier, the classifier's own.
        classifier: The classifier; None for a model that is pre-trained only.
        device: Where it computes.
        folder: The folder, name or address that it was opened from; None where it was built in Python.

    >>> recognizer = Recognizer.from_pretrained("runs/demo/finetune")
    >>> recognizer.predict("wave.npz").label in recognizer.classes
    True
    """

    def __init__(
        self,
        card: ModelCard,
        encoder: Encoder,
        classifier: Classifier | None,
        device: torch.device,
        folder: Path | None = None,
    ) -> None:
        self.card = card
        self.folder = folder
        self.device = device
        self._inputs = Inputs(card, device)
        self._encoder = encoder.to(device).eval()
        self._classifier = None if classifier is None else classifier.to(device).eval()
        self._retrieval = Retrieval(card, self._inputs, self._encoder, folder)
        self._teaching = Teaching(card, self._inputs, self._encoder, self._classifier, self._retrieval)
        self._answers = self._teaching.answers(card)

    @classmethod
    def from_pretrained(cls, folder: str | Path, device: str = "auto", encoder: str = "student") -> Recognizer:
        """Opens a trained model.

        Args:
            folder: The model folder, or the run folder that it lies in; `base`, the model in the package; or
                `hf://owner/name[@revision]`, a model on the Hugging Face hub.
            device: `auto`, `cpu`, `cuda` or a GPU such as `cuda:1`.
            encoder: The encoder of a pre-trained model: `student` or `teacher`.

        Raises:
            CheckpointError: There is no model in the folder or on the hub, or it is damaged.
            ConfigError: The encoder or the device is unknown.
        """
        card, opened, classifier = open_model(Path(folder), encoder)
        recognizer = cls(card, opened, classifier, pick_device(device), Path(folder))
        recognizer._teaching.load(model_folder(Path(folder)), encoder)
        recognizer._answers = recognizer._teaching.answers(card)
        return recognizer

    def enroll(
        self,
        name: str,
        clips: Recording | list[Recording] | tuple[Recording, ...],
        data: str | None = None,
        reading: Mapping[str, Any] | None = None,
    ) -> None:
        """Teaches an action by one to five clips of it; nothing is trained. `save` keeps it.

        Args:
            name: Its name, which `predict`, `timeline` and all else then give beside the classes.
            clips: Recordings of it, each as `predict` takes one; or a folder of them.
            data: The training data, of which the first lesson of a classifier takes clips; None: those of the card.
            reading: What is said of files, as `jointwise.read` takes it; None: nothing.

        Raises:
            ConfigError: The name is none or is taken, or there is no clip.
            DataError: The training data are not on this machine.
            ReadError: A clip cannot be used; nothing is taught then.
        """
        self._teaching.enroll(name, clips, data, reading)
        self._answers = self._teaching.answers(self.card)

    def forget(self, name: str) -> None:
        """Removes a taught action. Raises ConfigError where there is none of this name."""
        self._teaching.forget(name)
        self._answers = self._teaching.answers(self.card)

    @property
    def taught(self) -> tuple[str, ...]:
        """The actions that were taught by example, the last of `classes`."""
        return self._teaching.names

    def save(self, folder: str | Path | None = None) -> None:
        """Writes the model folder, with what was taught; it is all that `from_pretrained` needs.

        Args:
            folder: A new folder, or an empty one. None: the own one, in which only what was taught changes.

        Raises:
            CheckpointError: The recogniser was not opened from a folder.
            ConfigError: The folder is a file, or has something in it; or the own one belongs to the package or the hub.
            StorageError: It cannot be written.
        """
        opened = self._opened_from()
        if folder is not None:
            copy_model(opened, Path(folder))
        self._teaching.save(own_folder(opened) if folder is None else Path(folder))

    def push_to_hub(self, repository: str, private: bool = True) -> str:
        """Uploads the model to the Hugging Face hub, with a card that is written from what its training recorded.

        Args:
            repository: `owner/name`; made where it does not exist.
            private: Whether a new repository is private. Look at the card and at the terms before you publish.

        Returns:
            The address of its page.

        Raises:
            CheckpointError: The hub refuses, or the recogniser was not opened from a folder.
            ConfigError: huggingface_hub is not installed.
        """
        from jointwise.inference.hub import push  # templates take as long to import as a small model to open

        return push(self._opened_from(), repository, private)

    def _opened_from(self) -> Path:
        """Where it was opened from. Raises CheckpointError where it was not."""
        if self.folder is None:
            raise CheckpointError("this recogniser was built in Python: there is no model folder to copy.")
        return self.folder

    def __repr__(self) -> str:
        """One line: what the model is, which actions and joints it knows, and what it was trained on."""
        card = self.card
        knows = f"{len(self.classes)} classes" if self.classes else "pre-trained only, no class names"
        joints = f"{len(card.skeleton.joints)} joints ({card.skeleton.name}), {card.coordinates}D"
        quick = ", made with --quick" if card.config.quick else ""
        return f"Recognizer({card.system}{quick}, {knows}, {joints}, trained on {card.data}, {self.device})"

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of the actions, in the order of labels, then taught ones; empty for a model that knows none."""
        return (*self.card.classes, *self.taught)

    @overload
    def predict(self, recording: Recording) -> Prediction: ...  # for a folder, too, a list

    @overload
    def predict(self, recording: list[Recording] | tuple[Recording, ...]) -> list[Prediction]: ...

    def predict(self, recording: Recording | list[Recording] | tuple[Recording, ...]) -> Prediction | list[Prediction]:
        """Names the action of one recording, or of each of many.

        Args:
            recording: A Sequence, an array (T, V, C) or (M, T, V, C), or the path of a file. Joints that are NaN, or
                lie exactly at zero or another sign for it, count as not seen; of a Sequence, `valid` is believed.
                Axes and units are turned to those of the training data, with a JointwiseWarning; `up` and `units` of a
                Sequence are believed. Who moves less, or more, than in any recording of the training is answered with
                NONE. A list of all these, or a folder of recordings, is answered with a list.

        Returns:
            One Prediction, or a list of them: in the order of the list, or of the names of the files.

        Raises:
            CheckpointError: The model was never fine-tuned, so it has no class names.
            ReadError: A recording cannot be read, has no valid joint, or does not fit the model. For many of them, the
                message groups all that failed by cause.
        """
        many = recordings_of(recording)
        answers = list(self.predict_each([recording] if many is None else many))  # type: ignore[list-item]
        failed = [answer for answer in answers if isinstance(answer, ReadError)]
        if many is None and failed:
            raise failed[0]
        if failed:
            raise unusable(failed, len(answers))
        named = [answer for answer in answers if isinstance(answer, Prediction)]
        return named[0] if many is None else named

    def predict_each(
        self, recordings: Iterable[Recording], batch: int = 32, reading: Mapping[str, Any] | None = None
    ) -> Iterator[Prediction | ReadError]:
        """Names the actions of many recordings, one after the other; a recording that cannot be used stops no other.

        Args:
            recordings: As `predict` takes them, without folders of recordings.
            batch: Recordings at once.
            reading: What is said of the files, as `jointwise.read` takes it; None: nothing.

        Yields:
            The prediction of each, or the error that says why there is none, in the same order.

        Raises:
            CheckpointError: The model was never fine-tuned, so it has no class names.
        """
        answers = self._trained()
        for chosen in batched(recordings, batch):
            yield from predictions(self._inputs, answers, chosen, reading)

    def timeline(
        self,
        recording: Recording,
        window: float | None = None,
        hop: float = HOP,
        switch_cost: float = SWITCH_COST,
        reading: Mapping[str, Any] | None = None,
    ) -> list[Segment]:
        """Names what every person does over time.

        Each person is looked at alone, in overlapping windows whose answers are smoothed. Only where most recordings of
        the training show several persons, all who are seen in a window are looked at together.

        Args:
            recording: As `predict` takes one.
            window: Seconds that one answer looks at; None: two thirds of a usual recording of the training.
            hop: Seconds between two answers.
            switch_cost: What a change of action costs, in nats for each answer that sees it; higher gives fewer and
                longer segments.
            reading: What is said of a file, as `jointwise.read` takes it; None: nothing.

        Returns:
            The segments, person by person in order of time, from the first frame of the recording. Where a person is
            not seen there is none.

        Raises:
            CheckpointError: The model was never fine-tuned, so it has no class names.
            ConfigError: The window or the hop is not positive.
            ReadError: The recording cannot be read, has no valid joint, or does not fit the model.
        """
        recorded = self._inputs.recorded(recording, reading)
        return timeline(self._inputs, self._trained(), recorded, window, hop, switch_cost)

    def stream(
        self,
        frames: Iterable[npt.ArrayLike | Mapping[str, Any]] = (),
        *,
        layout: str | Skeleton | None = None,
        fps: float | None = None,
        units: str | None = None,
        up: str | None = None,
        window: float | None = None,
        hop: float = HOP,
        switch_cost: float = SWITCH_COST,
    ) -> Stream:
        """Names what every person does while frames come in, as `timeline` does for a recording.

        Args:
            frames: Frames for a loop over the events, `for event in recognizer.stream(frames)`: arrays of positions, or
                arguments of `Stream.push` by name. Without them, frames are given to `Stream.push`.
            layout: The joints, or the name of a shipped layout; None: those of the model, by their number.
            fps: Frames per second that the camera gives; None: those of the model's data.
            units: The unit of the coordinates, such as `m`; None: bodies tell it.
            up: The axis that points up, such as `y`, or `-y`; None: bodies tell it.
            window: Seconds that one answer looks at; None: two thirds of a usual recording of the training.
            hop: Seconds between two answers.
            switch_cost: What a change of action costs, in nats for each answer that sees it.

        Raises:
            CheckpointError: The model was never fine-tuned, so it has no class names.
            ConfigError: A value cannot be meant.
        """
        said = Said(layout, fps, units, up)
        return Stream(self._inputs, self._trained(), frames, said, window, hop, switch_cost)

    def calibrate(self, recordings: Part | list[Recording], labels: list[str] | None = None) -> Calibration:
        """Fits probabilities, and the threshold of NONE, to labelled recordings of persons who did not train.

        Args:
            recordings: As `predict` takes them, without folders; or a part of a data set.
            labels: The name of the action of each; None: a part of a data set and Sequences have labels of their own.

        Returns:
            What was found. This recognizer answers by it; `model_folder.save_calibration` keeps it with the model.

        Raises:
            ConfigError: A label is missing, or is none of the classes.
            DataError: There are too few recordings.
            ReadError: A recording cannot be used.
        """
        found = self._trained().calibrate(self._inputs, recordings, labels)
        self.card = self._trained().card
        return found

    def nearest(
        self, recording: Recording, count: int = 5, data: str | None = None, reading: Mapping[str, Any] | None = None
    ) -> list[Neighbour]:
        """The training clips that the model finds most like a recording.

        The data must be on this machine. The first call computes the features of all clips, and keeps them beside the
        data for the next.

        Args:
            recording: As `predict` takes one.
            count: How many.
            data: Other clips to search, a data set or a folder as `--data` takes it; None: those of the training.
            reading: What is said of a file, as `jointwise.read` takes it; None: nothing.

        Returns:
            The clips, most similar first.

        Raises:
            ConfigError: The count is below 1, or the data are unknown.
            DataError: The data are not on this machine, or have changed since the training.
            ReadError: The recording cannot be read, has no valid joint, or does not fit the model.
        """
        return self._retrieval.nearest(self._inputs.sequence(recording, reading), count, data)

    def occlusion(
        self, recording: Recording, label: str | None = None, reading: Mapping[str, Any] | None = None
    ) -> Occlusion:
        """What the answer to a recording rests on: how it changes where joints, or spans of time, are hidden.

        Args:
            recording: As `predict` takes one.
            label: The class that is asked about; None: the most probable one.
            reading: What is said of a file, as `jointwise.read` takes it; None: nothing.

        Raises:
            CheckpointError: The model was never fine-tuned, so it has no class names.
            ConfigError: The model has no such class.
            ReadError: The recording cannot be read, has no valid joint, or does not fit the model.
        """
        answers = self._trained()
        sequence = self._inputs.sequence(recording, reading)
        clip, segments = self._inputs.clip(sequence), self.card.config.segments
        found = occlusion(answers, clip, sequence, segments, label, self._encoder.centre)
        if isinstance(found, ReadError):
            raise found
        return found

    def export(self, path: str | Path, int8: bool = False) -> Exported:
        """Writes the model as an ONNX file, which runs without PyTorch; raises what `export_onnx` raises.

        Args:
            path: The file, such as `model.onnx`.
            int8: Whether weights are stored in 8 bits: a quarter of the size, and slightly other answers.
        """
        return export_onnx(self.card, self._encoder, self._classifier, Path(path), int8)

    def _trained(self) -> Answers:
        """The classifier as it answers. Raises CheckpointError where there is none."""
        if self._answers is None:
            raise names_nothing(self.folder, self.taught)
        return self._answers

    @torch.no_grad()
    def features(self, recording: Recording, pooling: str = "mean") -> npt.NDArray[np.float32]:
        """The feature vector of one recording.

        Args:
            recording: A Sequence, an array (T, V, C) or (M, T, V, C), or the path of a file.
            pooling: How the features of tokens are combined, a key of `POOLINGS`.

        Returns:
            (D,) for pooling `mean`; other poolings give more numbers.

        Raises:
            ConfigError: The pooling is unknown.
            ReadError: The recording cannot be read, has no valid joint, or does not fit the model.
        """
        if pooling not in POOLINGS:
            raise ConfigError(unknown("pooling", pooling, POOLINGS))
        sequence = self._inputs.sequence(recording)
        clip = self._inputs.clip(sequence)
        vectors = encoder_features(self._encoder, self.card.config.clip.segment, pooling)(clip)
        vector = check_finite(vectors[0], sequence.source)
        return vector.cpu().numpy().astype(np.float32)
