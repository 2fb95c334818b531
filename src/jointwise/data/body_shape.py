"""Where the parts of a body are in a recording, and how large it is: what the looks at data are made from."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from jointwise.data.rest_pose import rest_place
from jointwise.data.sequence import Sequence
from jointwise.data.skeletons import Skeleton

SAMPLED = 16  # frames of a person that tell the body; more tell the same
MIN_BONES = 6  # fewer tell no body
_MIN_SEEN = 0.5  # share of the joints: a body of which less is seen tells little
_SHORT = 0.08  # statures: a shorter bone tells nothing, as sensors place its ends too roughly

Array = npt.NDArray[np.float64]
Places = npt.NDArray[np.int64]
Weights = dict[str, float]  # joint -> its share

# The joints whose middle is a place of the body; the first row that a layout has wholly is taken.
_MIDDLES = {
    "head": (("head",), ("nose",), ("left_ear", "right_ear"), ("left_eye", "right_eye"), ("head_top",), ("neck",)),
    "shoulders": (("left_shoulder", "right_shoulder"), ("spine_shoulder",)),
    "hips": (("left_hip", "right_hip"), ("spine_base",)),
    "feet": (("left_ankle", "right_ankle"), ("left_foot", "right_foot"), ("left_knee", "right_knee")),
    "ears": (("left_ear", "right_ear"),),
    "left": (("left_shoulder", "left_hip"),),
    "right": (("right_shoulder", "right_hip"),),
}
# Vectors of a body: from where to where, and how much of it counts.
_VECTORS = {
    "trunk": ("hips", "shoulders", 1.0),
    "whole": ("feet", "head", 1.0),
    "across": ("right", "left", 1.0),
    "nose": ("ears", "nose", 2.0),  # this and the following point to the front of a body
    "left toes": ("left_ankle", ("left_foot_index", "left_big_toe", "left_foot"), 1.0),
    "right toes": ("right_ankle", ("right_foot_index", "right_big_toe", "right_foot"), 1.0),
    "left hand": ("left_shoulder", "left_wrist", 0.3),
    "right hand": ("right_shoulder", "right_wrist", 0.3),
}


@dataclass(frozen=True, eq=False)
class BodyPlan:
    """The vectors of a body, as sums of the joints of a layout.

    Args:
        weights: (K, V) how much each joint counts in each vector. The bones come first, from parent to child.
        names: Name of each vector behind the bones, such as `trunk` -> its row.
        lengths: (B,) the lengths of the bones in statures, of the figure of `rest_pose`.
        sides: (P, 2) rows of bones that are left and right of each other.
        pairs: (Q, 2) joints that are left and right of each other.
    """

    weights: Array
    names: dict[str, int]
    lengths: Array
    sides: Places
    pairs: Places


@lru_cache(maxsize=64)
def body_plan(joints: tuple[str, ...], bones: tuple[tuple[str, str], ...]) -> BodyPlan:
    """Find the vectors of a body among the joints of a layout, by their names.

    Args:
        joints: Names of the joints.
        bones: Pairs of names.

    Returns:
        The plan; without vectors where the names tell nothing.

    >>> from jointwise.data.skeletons import NTU25
    >>> plan = body_plan(NTU25.joints, NTU25.bones)
    >>> [joint for joint, weight in zip(NTU25.joints, plan.weights[plan.names["trunk"]]) if weight]
    ['left_shoulder', 'right_shoulder', 'left_hip', 'right_hip']
    """
    known = {bone: length for bone in bones if (length := _rest_length(bone)) is not None}
    rows: list[Weights] = [{child: 1.0, parent: -1.0} for parent, child in known]
    found = _vectors(joints)
    number = {bone: row for row, bone in enumerate(known)}
    other = {joint: joint.replace("left_", "right_", 1) for joint in joints if joint.startswith("left_")}
    sides = [
        (row, number[across])
        for bone, row in number.items()
        if (across := (other.get(bone[0], bone[0]), other.get(bone[1], bone[1]))) != bone and across in number
    ]
    place = {joint: column for column, joint in enumerate(joints)}
    weights = np.zeros((len(rows) + len(found), len(joints)))
    for row, shares in enumerate((*rows, *found.values())):
        for joint, share in shares.items():
            weights[row, place[joint]] += share
    pairs = [(place[left], place[right]) for left, right in other.items() if right in place]
    return BodyPlan(
        weights=weights,
        names={name: len(rows) + order for order, name in enumerate(found)},
        lengths=np.array(list(known.values())),
        sides=np.array(sides, np.int64).reshape(-1, 2),
        pairs=np.array(pairs, np.int64).reshape(-1, 2),
    )


def _vectors(joints: tuple[str, ...]) -> dict[str, Weights]:
    """Name -> joint -> its share, of each vector that the joints tell."""
    middles = {joint: {joint: 1.0} for joint in joints}
    for name, choices in _MIDDLES.items():
        members = next((members for members in choices if set(members) <= set(joints)), None)
        if members is not None:
            middles[name] = dict.fromkeys(members, 1 / len(members))
    found = {}
    for name, (start, ends, factor) in _VECTORS.items():
        end = next((end for end in ((ends,) if isinstance(ends, str) else ends) if end in middles), None)
        if start in middles and end is not None:
            found[name] = _difference(middles[start], middles[end], factor)
    for side in ("left", "right"):  # how far the knee is off the line from hip to ankle
        hip, knee, ankle = (f"{side}_{joint}" for joint in ("hip", "knee", "ankle"))
        ankle = ankle if ankle in joints else f"{side}_foot"
        if {hip, knee, ankle} <= set(joints):
            found[f"{side} knee"] = _difference({hip: 0.5, ankle: 0.5}, {knee: 1.0}, 1.0)
    return found


def _difference(start: Weights, end: Weights, factor: float) -> Weights:
    """The shares of joints in `factor` times the way from `start` to `end`."""
    return {joint: factor * (end.get(joint, 0.0) - start.get(joint, 0.0)) for joint in {**start, **end}}


def _rest_length(bone: tuple[str, str]) -> float | None:
    """Length of a bone in statures; None where it is unknown or too short."""
    start, end = rest_place(bone[0]), rest_place(bone[1])
    if start is None or end is None:
        return None
    length = float(np.linalg.norm(start - end))
    return length if length >= _SHORT else None


@dataclass(frozen=True, eq=False)
class Bodies:
    """Evenly spread frames of the persons of a recording.

    Args:
        plan: Of the layout, with K vectors, the first B of which are bones.
        joints: (N, V, C) the joints in each person and frame of which at least half is seen; NaN where a joint is not.
        vectors: (N, K, C) the vectors of the body; NaN where one of their joints is not seen.
        norms: (N, K) their lengths.
    """

    plan: BodyPlan
    joints: Array
    vectors: Array
    norms: Array

    @classmethod
    def of(cls, sequence: Sequence, most: int = SAMPLED) -> Bodies:
        """Look at a recording.

        Args:
            sequence: The recording (M, T, V, C).
            most: Frames of a person that are taken.
        """
        positions, valid = sequence.positions, sequence.validity
        if sequence.frames > most:
            chosen = np.linspace(0, sequence.frames - 1, most).astype(int)
            positions, valid = positions[:, chosen], valid[:, chosen]
        joints = positions.reshape(-1, *positions.shape[2:]).astype(np.float64)
        unseen = None
        if not valid.all():
            kept = valid.mean(2).ravel() >= _MIN_SEEN
            unseen = ~valid.reshape(len(joints), -1)[kept]
            joints = joints[kept]
            joints[unseen] = np.nan
        return cls.of_joints(sequence.skeleton, joints, unseen)

    @classmethod
    def of_joints(cls, skeleton: Skeleton, joints: Array, unseen: npt.NDArray[np.bool_] | None = None) -> Bodies:
        """Look at single poses.

        Args:
            skeleton: The layout.
            joints: (N, V, C).
            unseen: (N, V) which are NaN because they are not seen; None: none.
        """
        plan = body_plan(skeleton.joints, skeleton.bones)
        if unseen is None or not unseen.any():
            vectors = plan.weights @ joints
        else:
            vectors = plan.weights @ np.where(unseen[..., None], 0.0, joints)
            vectors[(unseen.astype(np.float64) @ (plan.weights != 0).T) > 0] = np.nan
        return cls(plan, joints, vectors, np.sqrt((vectors * vectors).sum(2)))

    @cached_property
    def bones(self) -> tuple[Array, Array]:
        """(B,) the median length of each bone and (B,) by how much it changes: the half range of half the frames."""
        lengths = np.sort(self.norms[:, : len(self.plan.lengths)], 0)  # NaN comes last
        count, bones = lengths.shape
        if not count:
            return np.full(bones, np.nan), np.full(bones, np.nan)
        known = np.full(bones, count) if lengths[-1].max(initial=0) < np.inf else count - np.isnan(lengths).sum(0)
        columns = np.arange(bones)
        first, middle, last = (lengths[(known - 1) * quarter // 4, columns] for quarter in (1, 2, 3))
        return middle, 0.5 * (last - first)

    @property
    def height(self) -> float | None:
        """The stature: the median of what each bone says by its length; None with fewer than MIN_BONES bones."""
        told = self.bones[0] / self.plan.lengths
        told = told[told > 0]  # not where it is NaN
        return float(np.sort(told)[len(told) // 2]) if len(told) >= MIN_BONES else None

    @property
    def misfit(self) -> float:
        """How badly the bones fit a human body; 0 with fewer than MIN_BONES bones.

        It is the standard deviation of the logarithms of what each bone says of the stature, or if that is larger, the
        mean difference of left and right.
        """
        told = np.log(np.maximum(self.bones[0] / self.plan.lengths, 1e-9))
        known = told[told == told]
        if len(known) < MIN_BONES:
            return 0.0
        sides = np.abs(told[self.plan.sides[:, 0]] - told[self.plan.sides[:, 1]])
        sides = sides[sides == sides]
        return max(float(known.std()), float(sides.mean()) if len(sides) else 0.0)

    def has(self, *names: str) -> bool:
        """Whether the layout tells vectors of these names, in at least one frame."""
        return len(self.joints) > 0 and all(name in self.plan.names for name in names)

    def unit(self, name: str) -> Array:
        """A vector (N, C) of length 1; NaN where it is not seen, or has no length."""
        row = self.plan.names[name]
        with np.errstate(invalid="ignore", divide="ignore"):
            return self.vectors[:, row] / self.norms[:, row, None]


def pieces(frames: Places) -> list[tuple[int, int]]:
    """Runs of numbers that follow each other.

    Args:
        frames: Ascending numbers.

    Returns:
        (first, last) of each run.

    >>> pieces(np.array([3, 4, 5, 9]))
    [(3, 5), (9, 9)]
    """
    if not len(frames):
        return []
    edges = [0, *(np.flatnonzero(np.diff(frames) > 1) + 1).tolist(), len(frames)]
    return [(int(frames[begin]), int(frames[end - 1])) for begin, end in pairwise(edges)]
