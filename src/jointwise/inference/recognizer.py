"""Use of a trained model: takes a recording, returns the name of the action or a feature vector."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, overload

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from jointwise.data.centring import prepare_sequence
from jointwise.data.cleaning import CLEANING
from jointwise.data.clips import TEST_CROP, ClipCutter, Clips
from jointwise.data.formats import read
from jointwise.data.mapping import map_to_layout
from jointwise.data.movement import movement, outside
from jointwise.data.sequence import Sequence, as_float_array
from jointwise.data.skeletons import Skeleton, resolve_layout
from jointwise.errors import CheckpointError, ConfigError, JointwiseWarning, ReadError, unknown
from jointwise.evaluation.features import encoder_features
from jointwise.inference.fitting import Fitted, in_axes, in_size, without_signs
from jointwise.inference.many import Recording, batched, join_clips, recordings_of, unusable
from jointwise.inference.timeline import HOP, SWITCH_COST, WINDOW, Segment, join_windows, windows_of_persons
from jointwise.model.build import build_classifier
from jointwise.model.classifier import Classifier
from jointwise.model.encoders import Encoder
from jointwise.model.heads import POOLINGS
from jointwise.model.parts import build_encoder
from jointwise.training.checkpoint import load_weights
from jointwise.training.device import pick_device
from jointwise.training.model_card import ModelCard
from jointwise.training.model_folder import load_model

NONE = "none of these"  # the answer to a recording that shows none of the classes


@dataclass(frozen=True)
class Prediction:
    """The action that a recognizer found in one recording.

    Args:
        label: The most probable class; NONE for a recording that shows none of them.
        probability: The probability of the most probable class.
        probabilities: The probabilities of all classes, in descending order.
        source: Where the recording came from.
        assumed: What the file does not say and was taken for granted, as whole sentences.
        reason: Why the answer is NONE, as a sentence; empty where it is a class.
    """

    label: str
    probability: float
    probabilities: dict[str, float]
    source: str
    assumed: tuple[str, ...] = ()
    reason: str = ""


class Recognizer:
    """A trained encoder, with a head that names actions if it was fine-tuned.

    Args:
        card: What the model is.
        encoder: Its encoder; of a classifier, the classifier's own.
        classifier: The classifier; None for a model that is pre-trained only.
        device: Where it computes.

    >>> recognizer = Recognizer.from_pretrained("runs/demo/finetune")
    >>> recognizer.predict("wave.npz").label in recognizer.classes
    True
    """

    def __init__(self, card: ModelCard, encoder: Encoder, classifier: Classifier | None, device: torch.device) -> None:
        self.card = card
        self.device = device
        self._encoder = encoder.to(device).eval()
        self._classifier = classifier
        if classifier is not None:
            classifier.to(device).eval()

    @classmethod
    def from_pretrained(cls, folder: str | Path, device: str = "auto", encoder: str = "student") -> Recognizer:
        """Opens a trained model.

        Args:
            folder: The model folder, or the run folder that it lies in; or `base`, the model in the package.
            device: `auto`, `cpu`, `cuda` or a GPU such as `cuda:1`.
            encoder: The encoder of a pre-trained model: `student` or `teacher`.

        Raises:
            CheckpointError: There is no model in the folder, or it is damaged.
            ConfigError: The encoder or the device is unknown.
        """
        encoders = ("student", "teacher")
        if encoder not in encoders:
            raise ConfigError(unknown("encoder", encoder, encoders))
        folder = Path(folder)
        card, weights = load_model(folder)
        config = card.config
        if card.kind == "classifier":
            classifier = build_classifier(
                config, card.recipe, card.skeleton, card.coordinates, len(card.classes), card.seed
            )
            load_weights(classifier, weights, folder)
            return cls(card, classifier.encoder, classifier, pick_device(device))
        pretrained = build_encoder(config, card.skeleton, card.coordinates)
        prefix = f"{encoder}."
        own = {key.removeprefix(prefix): value for key, value in weights.items() if key.startswith(prefix)}
        load_weights(pretrained, own, folder)
        return cls(card, pretrained, None, pick_device(device))

    def __repr__(self) -> str:
        """One line: what the model is, which actions and joints it knows, and what it was trained on."""
        card = self.card
        knows = f"{len(card.classes)} classes" if card.classes else "pre-trained only, no class names"
        joints = f"{len(card.skeleton.joints)} joints ({card.skeleton.name}), {card.coordinates}D"
        quick = ", made with --quick" if card.config.quick else ""
        return f"Recognizer({card.system}{quick}, {knows}, {joints}, trained on {card.data}, {self.device})"

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of the actions, in the order of labels; empty for a model that was not fine-tuned."""
        return self.card.classes

    def _to_sequence(self, recording: Recording, reading: Mapping[str, Any]) -> Sequence:
        """Reads and prepares a recording, and reduces it to the joints of the model.

        A model that takes only some joints of its training data accepts recordings with all joints of those data, or
        with its own joints if the root is among them: preparation must find the same origin as in training. Any other
        layout is mapped by name, with a warning where joints are missing.
        """
        own = self.card.skeleton
        recorded = self.card.recorded
        layouts = [own if recorded is None else recorded]
        if recorded is not None and own.root is not None:
            layouts.append(own)
        stated = isinstance(recording, Sequence)
        if isinstance(recording, str | Path):
            recording = read(recording, **reading)
        elif not isinstance(recording, Sequence):
            array = as_float_array(recording, "array")
            fitting = [layout for layout in layouts if array.shape[-2:-1] == (len(layout.joints),)]
            recording = Sequence(array, fitting[0] if fitting else layouts[-1])
        self._check_coordinates(recording)
        recording = self._said(without_signs(recording, stated))
        for layout in layouts:
            named = replace(recording, skeleton=resolve_layout(layout, recording.skeleton))
            if set(named.skeleton.joints) == set(layout.joints):
                return self._prepare(replace(named.on_joints(layout.joints), skeleton=layout)).on_joints(own.joints)
        return self._prepare(self._mapped(recording, layouts[0])).on_joints(own.joints)

    def _mapped(self, recording: Sequence, layout: Skeleton) -> Sequence:
        """The recording on the layout of the model, with a warning where joints are missing."""
        joints = recording.skeleton.map_to(layout)
        about = f"'{recording.skeleton.name}' on a model of '{layout.name}': {joints.coverage}."
        if 3 * len(joints.sources) < len(layout.joints):
            raise ReadError(f"{recording.source}: too few joints that the model knows, {about}")
        mapped = map_to_layout(recording, layout)
        if joints.missing:
            warnings.warn(about, JointwiseWarning, stacklevel=6)
        return mapped

    def _check_coordinates(self, recording: Sequence) -> None:
        found, own = recording.positions.shape[-1], self.card.coordinates
        if found != own:
            raise ReadError(
                f"{recording.source}: {found} coordinates per joint, but this model was trained on {own}D recordings "
                f"and takes no {found}D."
            )

    def _prepare(self, recording: Sequence) -> Sequence:
        """Cleans and prepares a recording as the training data were, in the axes and the unit that they had."""
        turned = self._said(in_axes(recording, self.card.axes))
        cleaned = CLEANING[self.card.cleaning](turned).sequence
        return self._said(in_size(prepare_sequence(cleaned), self.card.size))

    def _said(self, fitted: Fitted) -> Sequence:
        """The recording that was fitted to the model; what was done is said as warnings."""
        for note in fitted.notes:
            warnings.warn(f"{fitted.sequence.source}: {note}", JointwiseWarning, stacklevel=6)
        return fitted.sequence

    def _to_clip(self, recording: Recording, reading: Mapping[str, Any] | None = None) -> tuple[Clips, Sequence]:
        """The evaluation clip of a recording, as a batch of one, and the prepared recording.

        `reading` is what is said of a file, as `jointwise.read` takes it.
        """
        sequence = self._to_sequence(recording, reading or {})
        cutter = ClipCutter.from_sequence(sequence, self.card.config.clip.frames, self.device)
        clips = cutter.centre(torch.zeros(1, dtype=torch.long))
        if not clips.valid.any():
            raise ReadError(
                f"{sequence.source}: not one joint is valid in the {cutter.frames} frames that are looked at, of the "
                f"middle {100 * TEST_CROP:.0f} % of {sequence.frames}. Cut it to where the person is seen."
            )
        return clips, sequence

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
        classifier = self._trained()
        for chosen in batched(recordings, batch):
            yield from self._predict_batch(classifier, chosen, reading or {})

    @torch.no_grad()
    def _predict_batch(
        self, classifier: Classifier, recordings: list[Recording], reading: Mapping[str, Any]
    ) -> list[Prediction | ReadError]:
        """The answer to each of a few recordings."""
        answers: list[Prediction | ReadError | None] = []
        clips: list[Clips] = []
        sources: list[Sequence] = []
        for recording in recordings:
            try:
                clip, sequence = self._to_clip(recording, reading)
            except ReadError as error:
                answers.append(error)
                continue
            answers.append(None)
            clips.append(clip)
            sources.append(sequence)
        scores = classifier(join_clips(clips)).float().softmax(-1) if clips else torch.zeros(0)
        named = (self._name(row, sequence) for row, sequence in zip(scores, sources, strict=True))
        return [next(named) if answer is None else answer for answer in answers]

    def _name(self, scores: Tensor, sequence: Sequence) -> Prediction | ReadError:
        """The prediction that the scores (K,) of a recording stand for."""
        try:
            probabilities = _check_finite(scores, sequence.source).tolist()
        except ReadError as error:
            return error
        ranked = sorted(zip(self.classes, probabilities, strict=True), key=lambda pair: -pair[1])
        reason = self._reason_for_none(sequence)
        label = NONE if reason else ranked[0][0]
        return Prediction(label, ranked[0][1], dict(ranked), sequence.source, sequence.assumed, reason or "")

    @torch.no_grad()
    def timeline(
        self,
        recording: Recording,
        window: float = WINDOW,
        hop: float = HOP,
        switch_cost: float = SWITCH_COST,
        reading: Mapping[str, Any] | None = None,
    ) -> list[Segment]:
        """Names what every person does over time.

        Each person is looked at alone, in overlapping windows whose answers are smoothed.

        Args:
            recording: As `predict` takes one.
            window: Seconds that one answer looks at; about as long as the recordings of the training.
            hop: Seconds between two answers.
            switch_cost: What a change of action costs, in nats; higher gives fewer and longer segments.
            reading: What is said of a file, as `jointwise.read` takes it; None: nothing.

        Returns:
            The segments, person by person in order of time, from the first frame of the recording. Where a person is
            not seen there is none.

        Raises:
            CheckpointError: The model was never fine-tuned, so it has no class names.
            ConfigError: The window or the hop is not positive.
            ReadError: The recording cannot be read, has no valid joint, or does not fit the model.
        """
        classifier = self._trained()
        sequence = self._to_sequence(recording, reading or {})
        found = windows_of_persons(sequence, window, hop)
        frames, offset = self.card.config.clip.frames, sequence.begin
        scores, none = [torch.zeros(0, len(self.classes))], []
        for some in batched(found, 64):
            pieces = [prepare_sequence(piece) for *_, piece in some]
            cutters = [ClipCutter.from_sequence(piece, frames, self.device) for piece in pieces]
            whole = [cutter.cut(torch.tensor([0]), torch.tensor([0]), cutter.lengths) for cutter in cutters]
            scores.append(_check_finite(classifier(join_clips(whole)).float().softmax(-1), sequence.source).cpu())
            none += [self._reason_for_none(piece) is not None for piece in pieces]
        return join_windows(
            [(person, begin + offset, end + offset) for person, begin, end, _ in found],
            torch.cat(scores).double().numpy(),
            np.array(none, bool),
            (*self.classes, NONE),
            sequence.fps,
            switch_cost,
        )

    def _trained(self) -> Classifier:
        """The classifier. Raises CheckpointError where there is none."""
        if self._classifier is None:
            raise CheckpointError(
                "this model is pre-trained only, it knows no class names. Fine-tune it first: jointwise finetune RUN "
                "--data DATA; or use .features()."
            )
        return self._classifier

    def _reason_for_none(self, sequence: Sequence) -> str | None:
        """Why a prepared recording shows none of the actions; None where it may show one."""
        known = self.card.movement
        return outside(movement(sequence), known) if known else None

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
        clip, sequence = self._to_clip(recording)
        vectors = encoder_features(self._encoder, self.card.config.clip.segment, pooling)(clip)
        vector = _check_finite(vectors[0], sequence.source)
        return vector.cpu().numpy().astype(np.float32)


def _check_finite(output: Tensor, source: str) -> Tensor:
    """Returns the output of a network; raises ReadError if it is not finite."""
    if not bool(output.isfinite().all()):
        raise ReadError(
            f"{source}: the model's answer is no finite number. A wild coordinate does that (jointwise view FILE shows "
            "it; mark it as not valid), or a model that was damaged."
        )
    return output
