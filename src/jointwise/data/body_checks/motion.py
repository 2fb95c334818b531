"""Checks of how a body moves: frames and joints that stand still, jumps, and sides that are exchanged for a while."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from jointwise.data.body_checks.body import JUMP, Body, Found, name_frames, name_joints
from jointwise.data.body_shape import pieces
from jointwise.data.findings import LOOK, STOP
from jointwise.data.sequence import Bools

FEW_FRAMES = 8
_STILL = 0.002  # statures that joints move over a recording: less is no motion, and less than any sensor's noise
_FROZEN_FRAMES = 15  # in a row
_HELD_SHARE = 0.2  # of the frames: a joint that is held for less is an ordinary gap of a sensor
_FROZEN_SHARE = 0.5  # of all frames
_SWAP = 0.08  # statures that both joints of a pair move at least when they change sides


def check_motion(body: Body) -> Iterator[Found]:
    """All checks of motion."""
    sequence = body.sequence
    if sequence.frames < FEW_FRAMES:
        yield "few frames", LOOK, f"Only {sequence.frames} frame{'s' if sequence.frames > 1 else ''}."
    if sequence.frames < 2 or not body.seen.any() or not body.size > 0:
        return
    if _motion(body) < _STILL:
        yield "still", LOOK, "The body does not move."
        return
    yield from _frozen(body)
    yield from _jumps(body)
    yield from _swaps(body)


def _motion(body: Body) -> float:
    """How far joints move in a recording, in statures: the larger of the median step and the spread over frames."""
    positions, valid = body.sequence.positions, body.sequence.validity
    if float(body.steps.max()) > (10 * _STILL * body.size) ** 2:
        return 1.0
    spread = [
        float(positions[person, valid[person, :, joint], joint].std(0).max())
        for person, joint in np.argwhere(valid.any(1))
    ]
    return max(spread, default=0.0) / body.size


def _frozen(body: Body) -> Iterator[Found]:
    """Frames, or single joints, that are bit for bit those before."""
    same = body.seen & (body.steps == 0)
    if not same.any():
        return
    sequence = body.sequence
    whole = body.seen.any(-1) & (same | ~body.seen).all(-1)  # (M, T-1)
    frames = np.asarray(whole.any(0) & ~(body.seen.any(-1) & ~whole).any(0), bool)  # of all persons who are there
    longest = max((last - first + 1 for first, last in pieces(np.flatnonzero(frames))), default=0)
    if longest >= _FROZEN_FRAMES or np.count_nonzero(frames) > _FROZEN_SHARE * len(frames):
        first = next(first for first, last in pieces(np.flatnonzero(frames)) if last - first + 1 == longest)
        yield (
            "frozen frames",
            LOOK,
            f"{np.count_nonzero(frames)} of {sequence.frames} frames equal the one before, up to {longest} in a row "
            f"from frame {first + 1}.",
        )
    if same.shape[1] < _FROZEN_FRAMES or same.mean() <= _HELD_SHARE / same.shape[2]:
        return
    same &= ~whole[..., None]
    same &= ~(_at_origin(body) & (same | ~body.seen).all(1))[:, None]  # a joint at the origin in all frames is a root
    runs = np.lib.stride_tricks.sliding_window_view(same, _FROZEN_FRAMES, axis=1).all(-1)
    held = (runs.mean(1) >= _HELD_SHARE).any(0)
    if held.any():
        yield (
            "frozen joints",
            LOOK,
            f"Joints stay where they are, to the bit, for {_FROZEN_FRAMES} frames and more while others move: "
            f"{name_joints(sequence, held)}.",
        )


def _at_origin(body: Body) -> Bools:
    """(M, V), joints at zero wherever they are seen."""
    return np.asarray(~(body.sequence.positions.any(-1) & body.sequence.validity).any(1), bool)


def _jumps(body: Body) -> Iterator[Found]:
    """Joints that move further from one frame to the next than people can."""
    limit = JUMP * body.size * max(1.0, 30.0 / body.sequence.fps)
    if float(body.steps.max()) <= limit**2:
        return
    wild = body.steps > limit**2
    frames = np.concatenate([[False], wild.any((0, 2))])
    yield (
        "jumps",
        LOOK,
        f"Joints jump in {np.count_nonzero(frames)} of {body.sequence.frames} frames "
        f"({name_joints(body.sequence, wild.any((0, 1)))}): {name_frames(frames)}.",
    )


def _swaps(body: Body) -> Iterator[Found]:
    """Frames from which left and right joints are exchanged: each jumps to where the other was."""
    pairs = body.bodies.plan.pairs
    limit = (_SWAP * body.size) ** 2
    left, right = body.steps[..., pairs[:, 0]], body.steps[..., pairs[:, 1]]
    places = np.argwhere(((left > limit) & (right > limit)).sum(-1) >= 2)
    if not len(places):
        return
    persons, times = places.T
    before, after = (body.sequence.positions[persons, times + later] for later in (0, 1))  # (n, V, C) each
    kept = np.sqrt(left[persons, times]) + np.sqrt(right[persons, times])  # (n, Q)
    crossed = sum(
        np.linalg.norm(after[:, pairs[:, end]] - before[:, pairs[:, start]], axis=2) for start, end in ((0, 1), (1, 0))
    )
    swapped = (left[persons, times] > limit) & (right[persons, times] > limit) & (crossed < 0.3 * kept)
    frames = np.zeros(body.sequence.frames, bool)
    frames[times[swapped.sum(1) >= 2] + 1] = True
    if frames.any():
        many = np.count_nonzero(frames) > 0.1 * len(frames)
        yield (
            "left and right",
            STOP if many else LOOK,
            f"Left and right joints change places in {name_frames(frames)}.",
        )
