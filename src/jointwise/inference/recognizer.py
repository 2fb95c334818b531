"""A trained model in use: a recording in, the names of actions or features out."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from jointwise.data.centring import prepare_sequence
from jointwise.data.cleaning import CLEANING
from jointwise.data.clips import TEST_CROP, ClipCutter, Clips
from jointwise.data.formats import read
from jointwise.data.sequence import Sequence, as_float_array
from jointwise.data.skeletons import resolve_layout
from jointwise.errors import CheckpointError, ConfigError, JointwiseWarning, ReadError, unknown
from jointwise.evaluation.features import encoder_features
from jointwise.model.build import build_classifier, build_encoder
from jointwise.model.classifier import Classifier
from jointwise.model.encoders import Encoder
from jointwise.model.heads import POOLINGS
from jointwise.training.checkpoint import load_weights
from jointwise.training.coordinate_scale import recording_rms, unit_warning
from jointwise.training.device import pick_device
from jointwise.training.model_folder import ModelCard, load_model

Recording = Sequence | npt.NDArray[np.floating] | str | Path


@dataclass(frozen=True)
class Prediction:
    """What a recognizer says of one recording. label: the likeliest class, with its probability.

    probabilities: of every class, likeliest first. source: of the recording.
    """

    label: str
    probability: float
    probabilities: dict[str, float]
    source: str


class Recognizer:
    """An encoder, with the head that names actions when it was fine-tuned.

    >>> recognizer = Recognizer.from_pretrained("runs/demo/finetune")  # doctest: +SKIP
    >>> recognizer.predict("S001C001P003R001A012.skeleton").label  # doctest: +SKIP
    'throw'
    """

    def __init__(self, card: ModelCard, encoder: Encoder, classifier: Classifier | None, device: torch.device) -> None:
        self.card, self.device = card, device
        self._encoder, self._classifier = encoder.to(device).eval(), classifier
        if classifier is not None:
            classifier.to(device).eval()

    @classmethod
    def from_pretrained(cls, folder: str | Path, device: str = "auto", encoder: str = "student") -> Recognizer:
        """Opens a model folder, or the run it lies in; needs nothing else.

        encoder: `student` or `teacher` of a pre-trained model. Raises CheckpointError when there is no such model,
        ConfigError for another encoder.
        """
        if encoder not in (known := ("student", "teacher")):
            raise ConfigError(unknown("encoder", encoder, known))
        folder = Path(folder)
        card, weights = load_model(folder)
        config = card.config
        if card.kind == "classifier":
            classifier = build_classifier(
                config, card.recipe, card.skeleton, card.coordinates, len(card.classes), card.seed
            )
            load_weights(classifier, weights, folder)
            return cls(card, classifier.encoder, classifier, pick_device(device))
        bare = build_encoder(config, card.skeleton, card.coordinates)
        prefix = f"{encoder}."
        load_weights(
            bare, {key.removeprefix(prefix): value for key, value in weights.items() if key.startswith(prefix)}, folder
        )
        return cls(card, bare, None, pick_device(device))

    @property
    def classes(self) -> tuple[str, ...]:
        """The names it can say, empty for a model that was not fine-tuned."""
        return self.card.classes

    def _sequence(self, recording: Recording) -> Sequence:
        own, recorded = self.card.skeleton, self.card.recorded
        layouts = [own if recorded is None else recorded]
        if recorded is not None and own.root is not None:  # without the root, another joint would be the origin
            layouts.append(own)
        known = layouts[-1]
        if isinstance(recording, str | Path):
            recording = read(recording)
        elif not isinstance(recording, Sequence):
            array = as_float_array(recording, "array")
            fitting = [layout for layout in layouts if array.shape[-2:-1] == (len(layout.joints),)]
            recording = Sequence(array, fitting[0] if fitting else known)
        for layout in layouts:
            named = replace(recording, skeleton=resolve_layout(layout, recording.skeleton))
            if set(named.skeleton.joints) == set(layout.joints):  # all recorded joints decide where the origin is
                return self._prepare(replace(named.on_joints(layout.joints), skeleton=layout)).on_joints(own.joints)
        raise ReadError(
            f"{recording.source}: skeleton '{recording.skeleton.name}' ({len(recording.skeleton.joints)} joints), "
            f"but this model knows '{known.name}' ({len(known.joints)} joints: {', '.join(known.joints)}). Use a "
            "model trained on this skeleton."
        )

    def _prepare(self, recording: Sequence) -> Sequence:
        if recording.positions.shape[-1] != self.card.coordinates:
            raise ReadError(
                f"{recording.source}: {recording.positions.shape[-1]} coordinates per joint, this model needs "
                f"{self.card.coordinates}."
            )
        sequence = prepare_sequence(CLEANING[self.card.cleaning](recording).sequence)
        doubt = unit_warning(recording_rms(sequence.positions, sequence.validity), self.card.size)
        if doubt:
            warnings.warn(
                f"{sequence.source}: {doubt} The answer is worth little then.", JointwiseWarning, stacklevel=6
            )
        return sequence

    def _clip(self, recording: Recording) -> tuple[Clips, str]:
        sequence = self._sequence(recording)
        cutter = ClipCutter.from_sequence(sequence, self.card.config.clip.frames, self.device)
        clips = cutter.centre(torch.zeros(1, dtype=torch.long))
        if not clips.valid.any():
            raise ReadError(
                f"{sequence.source}: not one joint is valid in the {cutter.frames} frames that are looked at, of the "
                f"middle {100 * TEST_CROP:.0f} % of {sequence.frames}. Cut it to where the person is seen."
            )
        return clips, sequence.source

    @torch.no_grad()
    def predict(self, recording: Recording) -> Prediction:
        """Names the action of one recording: a Sequence, an array (T, V, C) or (M, T, V, C), or the path of a file.

        Raises CheckpointError when the model was never fine-tuned, ReadError for a recording that does not fit it.
        """
        if self._classifier is None:
            raise CheckpointError(
                "this model is pre-trained only, it knows no class names. Fine-tune it first: jointwise finetune RUN "
                "--data DATA; or use .features()."
            )
        clip, source = self._clip(recording)
        probabilities = _finite(self._classifier(clip.persons()).float().softmax(-1)[0], source).tolist()
        ranked = sorted(zip(self.classes, probabilities, strict=True), key=lambda pair: -pair[1])
        return Prediction(ranked[0][0], ranked[0][1], dict(ranked), source)

    @torch.no_grad()
    def features(self, recording: Recording, pooling: str = "mean") -> npt.NDArray[np.float32]:
        """The feature vector of one recording, (D,) for pooling `mean`; other poolings are longer."""
        if pooling not in POOLINGS:
            raise ConfigError(unknown("pooling", pooling, POOLINGS))
        clip, source = self._clip(recording)
        vector = _finite(encoder_features(self._encoder, self.card.config.clip.segment, pooling)(clip)[0], source)
        return vector.cpu().numpy().astype(np.float32)


def _finite(answer: Tensor, source: str) -> Tensor:
    """The answer of a network. Raises ReadError where the recording made it something else than finite numbers."""
    if not bool(answer.isfinite().all()):
        raise ReadError(
            f"{source}: the model's answer is no finite number. A wild coordinate does that (jointwise view FILE shows "
            "it; mark it as not valid), or a model that was damaged."
        )
    return answer
