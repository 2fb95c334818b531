"""Digests of single frames, by which pieces of one recording are known again in another."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from jointwise.data.sequence import Sequence

FrameDigests = npt.NDArray[np.uint32]
TABLE = np.dtype([("sequence", "<i4"), ("digest", "<u4")])  # the digests of all sequences of a store, ascending
_STEP = 1e-3  # of the size of what is seen: joints are compared in such steps, so that rounding does not matter
_SAMPLED = 4  # one digest in so many is kept: the same ones of every recording
_OFFSET = 2000  # makes steps positive, so that a joint in the place of the first is not one that is missing
_FEWEST_JOINTS = 4  # a frame in which fewer are seen says nothing
_FEWEST_FRAMES = 3  # of the kept ones that two recordings must share
_OWNERS = 50  # training recordings with one pose that are looked at, to name the one that shares the most
SHARE = 0.5  # of its frames that a recording shares with others


def frame_digests(sequence: Sequence) -> FrameDigests:
    """Hash the poses of a recording, and keep one hash in four.

    A pose is where the joints lie relative to the first one, as parts of their largest distance. So neither the origin
    nor the unit matters. Which hashes are kept depends on the hash alone: a pose is kept in all recordings or in none.

    Args:
        sequence: A recording as read or cleaned.

    Returns:
        The kept hashes, ascending, each once.
    """
    valid = sequence.validity.swapaxes(0, 1).reshape(sequence.frames, -1)  # (T, M * V)
    points = sequence.positions.swapaxes(0, 1).reshape(*valid.shape, -1)
    there = valid.sum(1) >= _FEWEST_JOINTS
    valid, points = valid[there], points[there].astype(np.float64)
    if not len(valid):
        return np.zeros(0, np.uint32)
    steps = points - points[np.arange(len(points)), valid.argmax(1)][:, None]
    steps = np.where(valid[..., None], steps, 0)  # (T, M * V, C)
    size = np.abs(steps).max((1, 2))
    valid, steps = valid[size > 0], steps[size > 0] / size[size > 0, None, None]
    poses = np.where(valid[..., None], np.rint(steps / _STEP).astype(np.int64) + _OFFSET, 0)
    poses = poses.astype(np.uint64).reshape(len(poses), valid.shape[1] * points.shape[2])
    found = np.unique((poses * _weights(poses.shape[1])).sum(1, dtype=np.uint64) >> np.uint64(32))
    return found[found % _SAMPLED == 0].astype(np.uint32)


def _weights(count: int) -> npt.NDArray[np.uint64]:
    """(count,) odd numbers without a pattern (splitmix64), with which a hash is a sum of products modulo 2**64."""
    mixed = np.arange(1, count + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return (mixed ^ (mixed >> np.uint64(31))) | np.uint64(1)


def digest_table(digests: Iterable[FrameDigests]) -> npt.NDArray[np.void]:
    """The digests of several recordings as one table.

    Args:
        digests: Those of each recording.

    Returns:
        (K,) of dtype TABLE.
    """
    listed = list(digests)
    table = np.zeros(sum(map(len, listed)), TABLE)
    table["sequence"] = np.repeat(np.arange(len(listed)), [len(found) for found in listed])
    table["digest"] = np.concatenate([*listed, np.zeros(0, np.uint32)])
    return table


def find_overlaps(
    table: npt.NDArray[np.void], train: npt.NDArray[np.bool_], test: npt.NDArray[np.bool_]
) -> list[tuple[int, int, float]]:
    """Find the test recordings that share most of their frames with training recordings.

    Args:
        table: (K,) of dtype TABLE, as `digest_table` returns it.
        train: (n,) whether a recording trains.
        test: (n,) whether a recording is scored.

    Returns:
        (training place, test place, share of the frames of the test recording that training recordings have) of each.
        The training recording is the one that shares the most.
    """
    trained, scored = table[train[table["sequence"]]], table[test[table["sequence"]]]
    order = np.argsort(trained["digest"], kind="stable")
    trained = trained[order]
    first = np.searchsorted(trained["digest"], scored["digest"], "left")
    last = np.searchsorted(trained["digest"], scored["digest"], "right")
    counts = np.bincount(scored["sequence"], minlength=len(test))
    shared = np.bincount(scored["sequence"], weights=last > first, minlength=len(test)).astype(int)
    found = np.flatnonzero((shared >= _FEWEST_FRAMES) & (shared >= SHARE * np.maximum(counts, 1)))
    begin = np.searchsorted(scored["sequence"], found, "left")
    end = np.searchsorted(scored["sequence"], found, "right")
    pairs = []
    for place, low, high in zip(found.tolist(), begin.tolist(), end.tolist(), strict=True):
        spans = zip(first[low:high].tolist(), last[low:high].tolist(), strict=True)
        owners = [trained["sequence"][a : min(b, a + _OWNERS)] for a, b in spans]
        partner = int(np.bincount(np.concatenate(owners)).argmax())
        pairs.append((partner, place, float(shared[place] / counts[place])))
    return pairs
