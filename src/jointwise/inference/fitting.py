"""A recording brought to what a model was trained on: signs for missing joints, axes, unit. What was done is said."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from jointwise.data.body_checks import REMEDIES, check_recording, exchanged_axes
from jointwise.data.body_checks.values import mask_repeated_points
from jointwise.data.conventions import METRES, UNITS, Conventions, convert, guess_units, guess_up, is_mirrored
from jointwise.data.sequence import Sequence
from jointwise.errors import ReadError
from jointwise.training.coordinate_scale import recording_rms, unit_warning

_ALIKE = 5.0  # sizes of bodies differ by less than this factor
_WORTHLESS = ("confidence as depth", "joint order")  # findings after which an answer is worth little


@dataclass(frozen=True)
class Fitted:
    """A recording that was brought to what a model needs.

    Args:
        sequence: The recording.
        notes: What was done, and what should be looked at, in sentences.
        turned: The axis that pointed up and was turned; None where the axes stay.
        told: Whether it is settled which axis points up.
        factor: What coordinates were multiplied by.
    """

    sequence: Sequence
    notes: tuple[str, ...] = ()
    turned: str | None = None
    told: bool = True
    factor: float = 1.0


def without_signs(sequence: Sequence, stated: bool) -> Fitted:
    """Take joints at a sign for "not seen", such as zero, as not seen.

    Args:
        sequence: A recording (M, T, V, C).
        stated: Whether somebody has stated its validity; it is then believed.

    Returns:
        The recording.

    Raises:
        ReadError: Its axes are exchanged.
    """
    if exchanged_axes(sequence):
        raise ReadError(
            f"{sequence.source}: {sequence.persons} persons in {sequence.frames} "
            f"frame{'s' if sequence.frames > 1 else ''}: are the axes exchanged? "
            "Bring them into the order (persons, frames, joints, coordinates)."
        )
    if stated:
        return Fitted(sequence)
    masked, note = mask_repeated_points(sequence)
    return Fitted(masked, (note,) if note else ())


def in_axes(sequence: Sequence, axes: Conventions) -> Fitted:
    """Turn a recording to the axis that points up in the data of a model, and warn of mirror images and wrong joints.

    Args:
        sequence: A recording (M, T, V, C) with the layout of the model. Its `up` is believed; else its body tells.
        axes: Those of the data that the model was trained on.

    Returns:
        The recording. What its body does not tell stays as it is.

    Raises:
        ReadError: It is 2D, and its z is said to point up.
    """
    if not axes.ordered:
        return Fitted(sequence)
    notes = [
        f"{finding.message} {REMEDIES[finding.check]} The answer is worth little."
        for finding in check_recording(sequence)
        if finding.check in _WORTHLESS
    ]
    if notes:  # a body that is none tells no axes
        return Fitted(sequence, tuple(notes))
    up = sequence.up or guess_up(sequence)
    turned = None
    if up is not None and axes.up is not None and up != axes.up:
        if sequence.positions.shape[-1] == 2 and "z" in up + axes.up:
            raise ReadError(f"{sequence.source}: {up} is said to point up, but 2D poses have no axis z. Say y, or -y.")
        stance = "stands on its head" if up.strip("-") == axes.up.strip("-") else f"stands along {up}"
        told = (
            f"{up} is said to point up"
            if sequence.up
            else f"the body {stance}, so {up} is taken as the axis that points up"
        )
        notes.append(
            f"{told}, and the recording is turned to {axes.up} up, as the model was trained."
            + ("" if sequence.up else f" If it is right as it is, say so: up='{axes.up}' in read or Sequence.")
        )
        sequence, turned = turned_to(sequence, up, axes), up
    mirrored = is_mirrored(sequence)
    if mirrored is not None and mirrored != bool(axes.mirrored):
        notes.append(
            "the body is a mirror image of those that the model was trained on: an axis points the other way, or left "
            "and right joints are exchanged. Left and right may be confused in the answer."
        )
    return Fitted(sequence, tuple(notes), turned, axes.up is None or up is not None)


def turned_to(sequence: Sequence, up: str, axes: Conventions) -> Sequence:
    """A recording with an axis turned to where it points up in the data of a model.

    Args:
        sequence: A recording (M, T, V, C).
        up: The axis that points up in it.
        axes: Those of the data that the model was trained on.
    """
    return convert(replace(sequence, up=up), units=None, up=axes.up)


def in_size(sequence: Sequence, trained: float | None) -> Fitted:
    """Bring metres, centimetres or millimetres to the unit of the data of a model.

    Args:
        sequence: A prepared recording (M, T, V, C). Its `units` are believed; else its body tells.
        trained: RMS of the coordinates of those data; None if unknown.

    Returns:
        The recording; with a warning where the unit is another and cannot be converted.
    """
    size = recording_rms(sequence.positions, sequence.validity)
    warning = unit_warning(size, trained)
    if warning is None or trained is None:
        return Fitted(sequence)
    unit = sequence.units or guess_units(sequence)
    for other, metres in METRES.items():
        if unit in METRES and unit != other:
            factor = METRES[unit] / metres
            if trained / _ALIKE <= size * factor <= trained * _ALIKE:
                moved = replace(sequence, positions=sequence.positions * np.float32(factor), units=other)
                told = f"coordinates are {UNITS[unit]} here, {UNITS[other]} where the model was trained: converted."
                return Fitted(moved, (told,), factor=factor)
    return Fitted(sequence, (f"{warning} The answer is worth little then.",))
