"""Recordings brought to what a model takes: its joints, its axes, its unit; and clips of them."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from jointwise.data.centring import prepare_sequence
from jointwise.data.cleaning import CLEANING
from jointwise.data.clips import TEST_CROP, ClipCutter, Clips
from jointwise.data.formats import read
from jointwise.data.mapping import map_to_layout
from jointwise.data.sequence import Sequence, as_float_array
from jointwise.data.skeletons import Skeleton, resolve_layout
from jointwise.errors import JointwiseWarning, ReadError
from jointwise.inference.fitting import Fitted, in_axes, in_size, without_signs
from jointwise.inference.many import Recording
from jointwise.training.model_card import ModelCard


class Inputs:
    """What a model takes, made of recordings.

    Args:
        card: What the model is.
        device: Where it computes.
    """

    def __init__(self, card: ModelCard, device: torch.device) -> None:
        self._card = card
        self._device = device

    def sequence(self, recording: Recording, reading: Mapping[str, Any] | None = None) -> Sequence:
        """Reads and prepares a recording, and reduces it to the joints of the model.

        A model that takes only some joints of its training data accepts recordings with all joints of those data, or
        with its own joints if the root is among them: preparation must find the same origin as in training. Any other
        layout is mapped by name, with a warning where joints are missing.

        Args:
            recording: As `Recognizer.predict` takes one.
            reading: What is said of a file, as `jointwise.read` takes it; None: nothing.

        Returns:
            The recording (M, T, V, C) on the joints of the model.

        Raises:
            ReadError: The recording cannot be read, or does not fit the model.
        """
        own = self._card.skeleton
        recorded = self._card.recorded
        layouts = [own if recorded is None else recorded]
        if recorded is not None and own.root is not None:
            layouts.append(own)
        stated = isinstance(recording, Sequence)
        if isinstance(recording, str | Path):
            recording = read(recording, **(reading or {}))
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
            warnings.warn(about, JointwiseWarning, stacklevel=5)
        return mapped

    def _check_coordinates(self, recording: Sequence) -> None:
        found, own = recording.positions.shape[-1], self._card.coordinates
        if found != own:
            raise ReadError(
                f"{recording.source}: {found} coordinates per joint, but this model was trained on {own}D recordings "
                f"and takes no {found}D."
            )

    def _prepare(self, recording: Sequence) -> Sequence:
        """Cleans and prepares a recording as the training data were, in the axes and the unit that they had."""
        turned = self._said(in_axes(recording, self._card.axes))
        cleaned = CLEANING[self._card.cleaning](turned).sequence
        return self._said(in_size(prepare_sequence(cleaned), self._card.size))

    def _said(self, fitted: Fitted) -> Sequence:
        """The recording that was fitted to the model; what was done is said as warnings."""
        for note in fitted.notes:
            warnings.warn(f"{fitted.sequence.source}: {note}", JointwiseWarning, stacklevel=5)
        return fitted.sequence

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
            piece: Frames of a recording that `sequence` returned, prepared again, as its gaps and its origin are new.
        """
        cutter = ClipCutter.from_sequence(piece, self._card.config.clip.frames, self._device)
        return cutter.cut(torch.tensor([0]), torch.tensor([0]), cutter.lengths)
