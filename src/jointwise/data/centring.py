"""Preparation of a sequence before it is stored or recognised: the origin moves to the root, gaps are filled."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from jointwise.data.sequence import Bools, Floats, Sequence
from jointwise.errors import ReadError

PREPARATION = "centre-root-first-frame"  # the name of this preparation, kept in every store, model and result


def fill_gaps(positions: Floats, valid: Bools) -> Floats:
    """Fills invalid places by linear interpolation in time.

    Before the first and after the last valid frame the nearest valid value is repeated. A joint that is never valid
    gets zeros. The filled values keep arithmetic finite; they stay invalid in the mask and enter no loss.

    Args:
        positions: (M, T, V, C).
        valid: (M, T, V).

    Returns:
        (M, T, V, C); `positions` itself where everything is valid.
    """
    if valid.all():
        return positions
    filled = np.where(valid[..., None], positions, np.float32(0))
    times = np.arange(positions.shape[1])
    for person, joint in np.argwhere(~valid.all(1)):
        known = np.flatnonzero(valid[person, :, joint])
        for axis in range(positions.shape[3] if len(known) else 0):
            track = filled[person, :, joint, axis]
            filled[person, :, joint, axis] = np.interp(times, known, track[known])
    return filled


def centre(sequence: Sequence) -> Sequence:
    """Moves the origin to the root joint of the main person at its first valid frame, once for all persons and frames.

    The main person is the one with the most valid joints. If its root is never valid, or the skeleton has no root, the
    origin is the mean of its valid joints at its first valid frame.

    Args:
        sequence: A recording as read or cleaned.

    Returns:
        The moved sequence, zero at invalid places.

    Raises:
        ReadError: No joint of any person is valid, or a coordinate becomes too large for float32.
    """
    valid = sequence.validity
    counts = valid.sum((1, 2))
    if not counts.any():
        raise ReadError(
            f"{sequence.source}: no valid person: not one joint of {sequence.persons} person slots in "
            f"{sequence.frames} frames is marked valid. Leave the file out, or check how its validity is read."
        )
    main = int(counts.argmax())
    root = sequence.skeleton.root_index
    root_frames = np.flatnonzero(valid[main, :, root] if root is not None else ())
    if len(root_frames):
        origin = sequence.positions[main, root_frames[0], root]
    else:
        frame = int(valid[main].any(1).argmax())
        origin = sequence.positions[main, frame][valid[main, frame]].mean(0)
    with np.errstate(over="ignore"):  # a number too large for float32 becomes infinite; Sequence reports where
        moved = np.where(valid[..., None], sequence.positions - origin, np.float32(0))
    return replace(sequence, positions=moved)


def prepare_sequence(sequence: Sequence) -> Sequence:
    """Drops person slots and leading and trailing frames without a valid joint, moves the origin, and fills gaps.

    A frame without anybody at the beginning or the end is no part of a motion; one in between stays, as a gap.

    Args:
        sequence: A recording as read or cleaned.

    Returns:
        The prepared sequence; its mask is that of the persons and frames that are left.

    Raises:
        ReadError: No joint of any person is valid, or a coordinate becomes too large for float32.
    """
    seen = np.asarray(sequence.validity.any(2), bool)  # (M, T)
    sequence = replace(sequence, confidence=None)  # what follows knows only the mask
    if seen.any() and not (seen.any(1).all() and seen[:, [0, -1]].any(0).all()):
        persons, frames = np.flatnonzero(seen.any(1)), np.flatnonzero(seen.any(0))
        sequence = sequence.on_persons(persons.tolist()).on_frames(int(frames[0]), int(frames[-1]) + 1)
    centred = centre(sequence)
    return replace(centred, positions=fill_gaps(centred.positions, centred.validity))
