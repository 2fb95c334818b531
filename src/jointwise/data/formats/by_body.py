"""The unit and the axis that points up where a file does not state them: as the body itself shows them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from jointwise.data.conventions import METRES, axis_of, guess_units
from jointwise.data.formats.format import ReadOptions
from jointwise.data.sequence import Sequence
from jointwise.data.skeletons import split_side

# The ends of a body; the first row that a layout has wholly is taken.
_TOPS = (("head",), ("head_top",), ("nose",), ("neck",), ("spine_shoulder",))
_ENDS = (("left_ankle", "right_ankle"), ("left_foot", "right_foot"), ("left_knee", "right_knee"), ("spine_base",))
_NEAR = 0.7  # cosine between a body and the axis along which it stands, on average


UNKNOWN_UNIT = "The file does not say its unit, and its body has a human size in none of m, cm and mm (units sets it)."


def with_units(sequence: Sequence, options: ReadOptions) -> Sequence:
    """The same recording with the unit that makes its body as tall as a human, where its file states none.

    Args:
        sequence: The recording.
        options: What the user says; nothing is guessed that the user says.

    Returns:
        The recording with `units`, and with a sentence in `assumed` where they were not known.
    """
    if sequence.units is not None or options.units is not None:
        return sequence
    units = guess_units(sequence)
    if units not in METRES:
        return replace(sequence, assumed=(*sequence.assumed, UNKNOWN_UNIT))
    told = f"The file does not say its unit: {units}, by the size of the body."
    return replace(sequence, units=units, assumed=(*sequence.assumed, told))


def with_up(sequence: Sequence, options: ReadOptions, usual: str | None = None) -> Sequence:
    """The same recording with the axis along which its body stands, where its file states none.

    Args:
        sequence: The recording.
        options: What the user says; nothing is guessed that the user says.
        usual: The axis that such files have mostly, for bodies that do not tell it; None: there is none.

    Returns:
        The recording with `up` and the axes of its layout, and with a sentence in `assumed` where `up` was not known.
    """
    up, notes = options.up or sequence.up, sequence.assumed
    if up is None:
        up = nearest_up(sequence)
        if up is not None:
            notes = (*notes, f"The file does not say which axis points up: {up}, as heads are above feet.")
        elif usual is not None:
            up, notes = usual, (*notes, f"The file does not say which axis points up: {usual}, as in most such files.")
        else:
            notes = (*notes, "The file does not say which axis points up, and its joints do not tell (up sets it).")
    skeleton = sequence.skeleton
    if up is not None and skeleton.lateral is None and any(split_side(joint)[0] for joint in skeleton.joints):
        axis, sign = axis_of(up)
        skeleton = replace(skeleton, up=axis if sign > 0 else None, lateral=1 if axis == 0 else 0)
    return replace(sequence, up=up, skeleton=skeleton, assumed=notes)


def nearest_up(sequence: Sequence) -> str | None:
    """The axis from the feet of a body to its head. `conventions.guess_up` asks for more: it doubts what files state.

    Args:
        sequence: The recording (M, T, V, 3).

    Returns:
        `y`, `-y`, `z` or `-z`, nearest to the mean direction over all frames; None where no axis is near it, or for
        joints without such names.
    """
    joints = sequence.skeleton.joints
    top, end = (next((row for row in rows if set(row) <= set(joints)), None) for rows in (_TOPS, _ENDS))
    if top is None or end is None:
        return None
    places = [[joints.index(joint) for joint in row] for row in (top, end)]
    seen = sequence.validity[:, :, places[0] + places[1]].all(-1)
    head, feet = (sequence.positions[seen][:, columns].mean(1, dtype=np.float64) for columns in places)
    along = (head - feet).sum(0)
    axis = int(np.abs(along).argmax())
    if axis == 0 or not abs(along[axis]) > _NEAR * np.linalg.norm(along):
        return None
    return ("" if along[axis] > 0 else "-") + "xyz"[axis]
