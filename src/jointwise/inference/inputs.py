"""Recordings brought to what a model takes: its joints, its axes, its unit; and clips of them."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from jointwise.data.centring import prepare_sequence
from jointwise.data.cleaning import CLEANING
from jointwise.data.clips import TEST_CROP, ClipCutter, Clips
from jointwise.data.formats import read
from jointwise.data.mapping import map_to_layout
from jointwise.data.sequence import Sequence, as_float_array
from jointwise.data.skeletons import Skeleton, resolve_layout
from jointwise.errors import JointwiseWarning, ReadError
from jointwise.inference.fitting import Fitted, in_axes, in_size, turned_to, without_signs
from jointwise.inference.many import Recording
from jointwise.inference.windows import usual_window
from jointwise.training.model_card import ModelCard


@dataclass(frozen=True)
class Joints:
    """How the joints of recordings become those of a model.

    Args:
        found: The layout of the recordings, named where it had no names.
        wanted: The layout that they are brought to: that of the model's data, or of the model.
    """

    found: Skeleton
    wanted: Skeleton

    def take(self, recording: Sequence) -> Sequence:
        """The recording (M, T, V, C) on the layout that is wanted."""
        if set(self.found.joints) != set(self.wanted.joints):
            return map_to_layout(recording, self.wanted)
        return replace(replace(recording, skeleton=self.found).on_joints(self.wanted.joints), skeleton=self.wanted)


@dataclass(frozen=True)
class Fit:
    """How recordings of one source are brought to the axes and the unit of a model; decided once for all of them.

    Args:
        turned: The axis that points up in them and is turned; None: the axes stay.
        told: Whether it is settled which axis points up.
        factor: What coordinates are multiplied by.
    """

    turned: str | None
    told: bool
    factor: float


class Inputs:
    """What a model takes, made of recordings.

    Args:
        card: What the model is.
        device: Where it computes.
    """

    def __init__(self, card: ModelCard, device: torch.device) -> None:
        self._card = card
        self._device = device

    @property
    def layouts(self) -> list[Skeleton]:
        """The layouts whose joints are taken without a word: that of the model's data, and the model's own.

        The model's own must have the root: preparation must find the same origin as in training.
        """
        own, recorded = self._card.skeleton, self._card.recorded
        return [own if recorded is None else recorded] + (
            [own] if recorded is not None and own.root is not None else []
        )

    @property
    def together(self) -> bool:
        """Whether the model names what several persons do together, not each alone."""
        return self._card.together

    @property
    def window(self) -> float:
        """Seconds that one answer of a timeline looks at, if nothing else is said."""
        return usual_window(self._card.recording_seconds)

    @property
    def fps(self) -> float:
        """The frame rate of the model's data; 30 where they have several."""
        rates = self._card.fps
        return rates[0] if rates and rates[0] == rates[1] else 30.0

    def sequence(self, recording: Recording, reading: Mapping[str, Any] | None = None) -> Sequence:
        """Reads and prepares a recording as the training data were, and reduces it to the joints of the model.

        A model that takes only some joints of its training data accepts recordings with all joints of those data, or
        with its own joints if the root is among them. Any other layout is mapped by name, with a warning where joints
        are missing.

        Args:
            recording: As `Recognizer.predict` takes one.
            reading: What is said of a file, as `jointwise.read` takes it; None: nothing.

        Returns:
            The recording (M, T, V, C) on the joints of the model.

        Raises:
            ReadError: The recording cannot be read, or does not fit the model.
        """
        recording = self.recorded(recording, reading)
        turned = self._said(in_axes(recording, self._card.axes)).sequence
        cleaned = CLEANING[self._card.cleaning](turned).sequence
        sized = self._said(in_size(prepare_sequence(cleaned), self._card.size)).sequence
        return sized.on_joints(self._card.skeleton.joints)

    def recorded(self, recording: Recording, reading: Mapping[str, Any] | None = None) -> Sequence:
        """Reads a recording and brings its joints to those of the model's data; nothing else is changed.

        Args:
            recording: As `Recognizer.predict` takes one.
            reading: What is said of a file, as `jointwise.read` takes it; None: nothing.

        Raises:
            ReadError: The recording cannot be read, or does not fit the model.
        """
        stated = isinstance(recording, Sequence)
        if isinstance(recording, str | Path):
            recording = read(recording, **(reading or {}))
        elif not isinstance(recording, Sequence):
            array = as_float_array(recording, "array")
            recording = Sequence(array, self.layout_of(array.shape[-2] if array.ndim > 1 else 0))
        self.check_coordinates(recording.positions.shape[-1], recording.source)
        recording = self._said(without_signs(recording, stated)).sequence
        return self.joints(recording.skeleton, recording.source).take(recording)

    def layout_of(self, joints: int) -> Skeleton:
        """The layout of the model with so many joints; the last of them if none has."""
        return next((layout for layout in self.layouts if len(layout.joints) == joints), self.layouts[-1])

    def joints(self, found: Skeleton, source: str) -> Joints:
        """How recordings of a layout come to the joints of the model, with a warning where joints are missing.

        Args:
            found: Their layout.
            source: Where they come from, for messages.

        Raises:
            ReadError: Too few of its joints are known to the model.
        """
        for layout in self.layouts:
            named = resolve_layout(layout, found)
            if set(named.joints) == set(layout.joints):
                return Joints(named, layout)
        layout = self.layouts[0]
        joints = found.map_to(layout)
        about = f"'{found.name}' on a model of '{layout.name}': {joints.coverage}."
        if 3 * len(joints.sources) < len(layout.joints):
            raise ReadError(f"{source}: too few joints that the model knows, {about}")
        if joints.missing:
            warnings.warn(about, JointwiseWarning, stacklevel=5)
        return Joints(found, layout)

    def fit(self, recording: Sequence, window: Sequence) -> Fit:
        """Decides how recordings of one source are brought to the axes and the unit of the model, and says it.

        Args:
            recording: What the axes are told by, on the joints of the model's data.
            window: A window of it, which the unit is told by.

        Raises:
            ReadError: They do not fit the model.
        """
        axes = self._said(in_axes(recording, self._card.axes))
        turned = window if axes.turned is None else turned_to(window, axes.turned, self._card.axes)
        size = self._said(in_size(prepare_sequence(turned), self._card.size))
        return Fit(axes.turned, axes.told, size.factor)

    def fitted(self, window: Sequence, fit: Fit) -> Sequence:
        """A window of one person as the model takes it: turned, moved to its own origin, gaps filled, scaled.

        Args:
            window: It, on the joints of the model's data.
            fit: How recordings of its source are brought to the model.

        Raises:
            ReadError: It has no valid joint, or a coordinate that is too large.
        """
        if fit.turned is not None:
            window = turned_to(window, fit.turned, self._card.axes)
        window = prepare_sequence(window)
        if fit.factor != 1:
            window = replace(window, positions=window.positions * np.float32(fit.factor))
        return window.on_joints(self._card.skeleton.joints)

    def check_coordinates(self, found: int, source: str) -> None:
        """Raises ReadError where joints have another number of coordinates than in the model's data.

        Args:
            found: Coordinates of a joint.
            source: Where they come from, for the message.
        """
        own = self._card.coordinates
        if found != own:
            raise ReadError(
                f"{source}: {found} coordinates per joint, but this model was trained on {own}D recordings "
                f"and takes no {found}D."
            )

    def _said(self, fitted: Fitted) -> Fitted:
        """What was fitted to the model; what was done is said as warnings."""
        for note in fitted.notes:
            warnings.warn(f"{fitted.sequence.source}: {note}", JointwiseWarning, stacklevel=5)
        return fitted

    def clip(self, sequence: Sequence) -> Clips:
        """The evaluation clip of a recording, as a batch of one.

        Args:
            sequence: A recording that `sequence` returned.

        Raises:
            ReadError: It has no valid joint.
        """
        cutter = ClipCutter.from_sequence(sequence, self._card.config.clip.frames, self._device)
        clips = cutter.centre(torch.zeros(1, dtype=torch.long))
        if not clips.valid.any():
            raise ReadError(
                f"{sequence.source}: not one joint is valid in the {cutter.frames} frames that are looked at, of the "
                f"middle {100 * TEST_CROP:.0f} % of {sequence.frames}. Cut it to where the person is seen."
            )
        return clips

    def whole(self, piece: Sequence) -> Clips:
        """All frames of a piece of a recording as a clip, as a batch of one.

        Args:
            piece: Frames of a recording, as `fitted` returns them.
        """
        cutter = ClipCutter.from_sequence(piece, self._card.config.clip.frames, self._device)
        return cutter.cut(torch.tensor([0]), torch.tensor([0]), cutter.lengths)
