"""From positions of joints to the rotations of a body whose bones keep their length, and back.

A body is a tree of nodes. Every joint is a node. A joint from which several bones start has one more node for each of
them, at the same place, so that every bone has a rotation of its own. Each node takes the rotation nearest to that of
the node it hangs on, among those that turn its bones from the rest pose to where they were seen. Positions do not say
how a bone is twisted around itself; so it is not twisted against the one it hangs on.

Axes are right-handed, y up; the rest pose (`rest_pose.py`) faces +z. `T` frames, `V` joints, `N` nodes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt
from scipy.spatial.transform import Rotation, Slerp

from jointwise.data.rest_pose import rest_place
from jointwise.data.sequence import Bools
from jointwise.data.skeletons import Skeleton
from jointwise.errors import DataError, first_few

Array = npt.NDArray[np.float64]

TORSO = ("spine_base", "spine_mid", "spine_shoulder", "left_shoulder", "right_shoulder", "left_hip", "right_hip")
_LEAST_TORSO = 3  # joints of it that must be seen to know where the body faces
_EXACT = 1e-6  # how much a single bone follows the one before it: enough to decide its twist, too little to be seen
_STIFF = 0.1  # the same for a joint with several bones: they only steady it, as each bone has a node of its own


@dataclass(frozen=True)
class Node:
    """A place of the body that rotates.

    Args:
        name: The joint, or `<joint>_to_<child>` for one of its several bones.
        joint: Index of the joint that it stands at.
        parent: Index of the node that it hangs on; -1: none, it is the first.
        bones: Indices of the joints that its bones lead to.
        free: Whether it moves by itself, as the first does and each joint that no bone connects with the first.
    """

    name: str
    joint: int
    parent: int
    bones: tuple[int, ...]
    free: bool = False


def body_tree(skeleton: Skeleton) -> tuple[Node, ...]:
    """The nodes of a layout, each after the one it hangs on and before all others that hang there (depth first).

    The tree starts at the root, else at the first joint that bones lead from and none leads to. Of bones that close a
    circle the last is left out. Joints that no bone connects with the first hang on it freely.

    >>> [node.name for node in body_tree(Skeleton("arm", ("elbow", "hand"), (("elbow", "hand"),), None))]
    ['elbow', 'elbow_to_hand', 'hand']
    """
    near: list[list[int]] = [[] for _ in skeleton.joints]
    for parent, child in skeleton.bone_indices:
        near[parent].append(child)
        near[child].append(parent)
    ends = {child for _, child in skeleton.bone_indices}
    starts = sorted(range(len(near)), key=lambda joint: (joint != skeleton.root_index, not near[joint], joint in ends))
    children = _children(near, starts)
    nodes: list[Node] = []

    def visit(joint: int, parent: int, free: bool) -> None:
        place = len(nodes)
        nodes.append(Node(skeleton.joints[joint], joint, parent, tuple(children[joint]), free))
        for child in children[joint]:
            on = place
            if len(children[joint]) > 1 or place == 0:  # the first faces where the torso faces, not along a bone
                on = len(nodes)
                name = f"{skeleton.joints[joint]}_to_{skeleton.joints[child]}"
                nodes.append(Node(name, joint, place, (child,)))
            visit(child, on, False)

    reached = {child for some in children for child in some}
    for joint in starts:
        if joint not in reached:
            visit(joint, 0 if nodes else -1, True)
    return tuple(nodes)


def _children(near: Sequence[Sequence[int]], starts: Sequence[int]) -> list[list[int]]:
    """The joints that each joint leads to, breadth first from each of `starts` that was not reached before."""
    children: list[list[int]] = [[] for _ in near]
    seen: set[int] = set()
    for start in starts:
        queue = [] if start in seen else [start]
        seen.add(start)
        for joint in queue:
            for other in near[joint]:
                if other not in seen:
                    seen.add(other)
                    children[joint].append(other)
                    queue.append(other)
    return children


@dataclass(frozen=True, eq=False)
class Body:
    """A body at rest.

    Args:
        skeleton: The layout of its joints.
        nodes: Its N nodes.
        offsets: (N, 3) from the node that each hangs on, in the rest pose; zero for the first.
        stature: How tall it is, in the unit of the offsets.
    """

    skeleton: Skeleton
    nodes: tuple[Node, ...]
    offsets: Array
    stature: float

    @cached_property
    def rest(self) -> Array:
        """(N, 3) places of the nodes in the rest pose, the first at the origin."""
        places = np.zeros_like(self.offsets)
        for index, node in enumerate(self.nodes[1:], 1):
            places[index] = places[node.parent] + self.offsets[index]
        return places

    @cached_property
    def node_of(self) -> tuple[int, ...]:
        """For each joint its node."""
        first: dict[int, int] = {}
        for index, node in enumerate(self.nodes):
            first.setdefault(node.joint, index)
        return tuple(first[joint] for joint in range(len(self.skeleton.joints)))


@dataclass(frozen=True, eq=False)
class BodyMotion:
    """A body that moves.

    Args:
        body: The body.
        rotations: (T, N, 4) quaternions x, y, z, w of each node against the one it hangs on; those of the rest pose are
            the identity. None is opposite to the one of the frame before.
        translations: (T, N, 3) from the node that each hangs on, in that node's directions; constant unless it is free.
        present: (T,) bool, true from the first to the last frame in which any joint was seen. Outside, and in gaps, the
            body is as in the frames around.
    """

    body: Body
    rotations: Array
    translations: Array
    present: Bools

    def positions(self) -> Array:
        """(T, V, 3) positions of the joints: forward kinematics."""
        turned = np.empty((*self.rotations.shape[:2], 3, 3))
        places = np.empty((*self.rotations.shape[:2], 3))
        for index, node in enumerate(self.body.nodes):
            turned[:, index] = Rotation.from_quat(self.rotations[:, index]).as_matrix()
            places[:, index] = self.translations[:, index]
            if node.parent >= 0:
                places[:, index] = places[:, node.parent] + _turn(turned[:, node.parent], places[:, index])
                turned[:, index] = turned[:, node.parent] @ turned[:, index]
        return places[:, list(self.body.node_of)]


def body_at_rest(skeleton: Skeleton, positions: npt.NDArray[np.floating], valid: Bools) -> Body:
    """The body of one person: its bones have their median length, and the directions of the rest pose.

    Args:
        skeleton: The layout.
        positions: (T, V, 3), y up.
        valid: (T, V).

    Returns:
        The body on the joints that are valid in some frame.

    Raises:
        DataError: The layout has no bones, or none between two joints that are ever valid.
    """
    if not skeleton.bones:
        raise DataError(
            f"skeleton '{skeleton.name}' has no bones, so there is no body to fit. Name the joints and bones of the "
            "recording: the keys `joints` and `bones` of .npz, or `skeleton` in dataset.yaml."
        )
    kept = [joint for column, joint in enumerate(skeleton.joints) if valid[:, column].any()]
    known = skeleton.on_joints(kept)
    if not known.bones:
        found = f"are those of {first_few(kept)}" if kept else "is none"
        raise DataError(
            f"no bone connects two joints that are valid in some frame, so there is no body: there {found}."
        )
    nodes = body_tree(known)
    columns = [skeleton.joints.index(known.joints[node.joint]) for node in nodes]
    lengths, shares = np.full((2, len(nodes)), np.nan)  # as seen; in statures, where the figure knows both ends
    directions = np.zeros((len(nodes), 3))
    for index, node in enumerate(nodes):
        start, end = columns[node.parent], columns[index]
        if node.free or start == end:
            continue
        along = (positions[:, end] - positions[:, start])[valid[:, start] & valid[:, end]].astype(np.float64)
        if len(along):
            lengths[index] = np.median(np.linalg.norm(along, axis=-1))
        places = rest_place(skeleton.joints[start]), rest_place(skeleton.joints[end])
        if places[0] is not None and places[1] is not None:
            along = (places[1] - places[0])[None]
            shares[index] = np.linalg.norm(along)
        mean = along.sum(0)
        directions[index] = _unit(mean) if mean.any() else (0.0, 1.0, 0.0)
    measured = lengths * shares > 0
    stature = float(lengths[measured].sum() / shares[measured].sum()) if measured.any() else 0.0
    usual = np.median(lengths[~np.isnan(lengths)]) if not np.isnan(lengths).all() else 0.0
    unseen = np.where(np.isnan(shares) | (stature == 0), usual, shares * stature)
    offsets = np.where(np.isnan(lengths), unseen, lengths)[:, None] * directions
    body = Body(known, nodes, offsets, stature)
    return body if stature > 0 else replace(body, stature=float(np.linalg.norm(np.ptp(body.rest, axis=0))) or 1.0)


def fit_body(skeleton: Skeleton, positions: npt.NDArray[np.floating], valid: Bools) -> BodyMotion:
    """Fits a body to the positions of one person.

    Where a joint is not valid, rotations are interpolated between the frames around it, and the nearest is kept before
    the first and after the last. A joint that is valid in no frame is left out.

    Args:
        skeleton: The layout.
        positions: (T, V, 3), y up.
        valid: (T, V).

    Returns:
        The body as `body_at_rest` has it, and its motion.

    Raises:
        DataError: The layout has no bones, or none between two joints that are ever valid.
    """
    body = body_at_rest(skeleton, positions, valid)
    columns = [skeleton.joints.index(joint) for joint in body.skeleton.joints]
    places = np.where(valid[..., None], positions, 0.0).astype(np.float64)[:, columns]
    return _follow(body, places, valid[:, columns])


def _follow(body: Body, places: Array, valid: Bools) -> BodyMotion:
    """The motion of a body that follows positions; a gap in them is a gap in what a node does, and filled there."""
    frames, count = len(places), len(body.nodes)
    rotations = np.empty((frames, count, 4))
    translations = np.broadcast_to(body.offsets, (frames, count, 3)).copy()
    turned = np.empty((frames, count, 3, 3))
    for index, node in enumerate(body.nodes):
        above = turned[:, node.parent] if node.parent >= 0 else np.broadcast_to(np.eye(3), (frames, 3, 3))
        if node.free:
            translations[:, index] = _free_path(body, node, places, valid, above)
        aligned, seen = _aligned(body, index, places, valid, above)
        local = _without_gaps(np.swapaxes(above, -1, -2) @ aligned, seen)
        turned[:, index] = above @ local.as_matrix()
        rotations[:, index] = _continuous(local.as_quat())
    present = np.flatnonzero(valid.any(1))
    times = np.arange(frames)
    return BodyMotion(body, rotations, translations, (times >= present[0]) & (times <= present[-1]))


def _free_path(body: Body, node: Node, places: Array, valid: Bools, above: Array) -> Array:
    """(T, 3) where a free node is, seen from the first node; the first itself, from the origin."""
    path, seen = places[:, node.joint], valid[:, node.joint]
    if node.parent >= 0:
        first = body.nodes[node.parent].joint
        path = _turn(np.swapaxes(above, -1, -2), path - places[:, first])
        if (seen & valid[:, first]).any():
            seen = seen & valid[:, first]
    known = np.flatnonzero(seen)
    return np.stack([np.interp(np.arange(len(path)), known, path[known, axis]) for axis in range(3)], axis=-1)


def _aligned(body: Body, index: int, places: Array, valid: Bools, above: Array) -> tuple[Array, Bools]:
    """The rotation of a node in the world that its bones ask for: (T, 3, 3), and (T,) in which frames they were seen.

    The first node follows the torso: shoulders, hips and spine tell where the body faces.
    """
    node = body.nodes[index]
    torso = [place for place, joint in enumerate(body.skeleton.joints) if joint in TORSO]
    if index == 0 and len(torso) >= _LEAST_TORSO:
        rest = np.array([rest_place(body.skeleton.joints[joint]) for joint in torso])
        weight = valid[:, torso, None].astype(np.float64)
        total = np.maximum(weight.sum(1, keepdims=True), 1.0)
        before = (rest - (rest * weight).sum(1, keepdims=True) / total) * weight
        after = (places[:, torso] - (places[:, torso] * weight).sum(1, keepdims=True) / total) * weight
        seen = weight.sum((1, 2)) >= _LEAST_TORSO
        stiffness = _EXACT
    else:
        ends = list(node.bones)
        after = places[:, ends] - places[:, [node.joint]]
        length = np.linalg.norm(after, axis=-1, keepdims=True)
        usable = valid[:, ends, None] & valid[:, [node.joint], None] & (length > 1e-6 * body.stature)
        after = np.where(usable, after / np.maximum(length, 1e-30), 0.0)
        before = np.broadcast_to(_unit(body.offsets[[body.node_of[end] for end in ends]]), after.shape)
        seen = usable.any((1, 2))
        stiffness = _EXACT if len(ends) == 1 else _STIFF
    wanted = np.einsum("tki,tkj->tij", after, before)
    size = np.linalg.norm(wanted, axis=(1, 2), keepdims=True)
    return _nearest_rotation(wanted / np.where(size > 0, size, 1.0) + stiffness * above), seen


def _nearest_rotation(matrices: Array) -> Array:
    """The rotations R with the largest trace of Rᵀ M: (T, 3, 3). It is Kabsch's solution."""
    left, _, right = np.linalg.svd(matrices)
    left[..., 2] *= np.linalg.det(left @ right)[..., None]
    return left @ right


def _without_gaps(rotations: Array, seen: Bools) -> Rotation:
    """Rotations (T, 3, 3), interpolated where they were not seen; the identity where none was."""
    known = np.flatnonzero(seen)
    if not len(known):
        return Rotation.from_quat(np.tile((0.0, 0.0, 0.0, 1.0), (len(seen), 1)))
    if len(known) == len(seen):
        return Rotation.from_matrix(rotations)
    if len(known) == 1:
        return Rotation.from_matrix(np.repeat(rotations[known], len(seen), axis=0))
    times = np.arange(len(seen)).clip(known[0], known[-1])
    return Slerp(known, Rotation.from_matrix(rotations[known]))(times)


def _continuous(quaternions: Array) -> Array:
    """The same rotations (T, 4), with the sign that is nearer to the frame before."""
    agrees = np.where((quaternions[1:] * quaternions[:-1]).sum(-1) < 0, -1.0, 1.0)
    return quaternions * np.concatenate([[1.0], agrees]).cumprod()[:, None]


def _unit(vectors: Array) -> Array:
    """Vectors (…, 3) of length 1; zero ones stay zero."""
    length = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return vectors / np.where(length > 0, length, 1.0)


def _turn(matrices: Array, vectors: Array) -> Array:
    """Matrices (T, 3, 3) times vectors (T, 3)."""
    return np.einsum("tij,tj->ti", matrices, vectors)
