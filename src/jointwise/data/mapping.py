"""A recording on another joint layout: joints matched by name, middles computed, all others marked as never seen."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from jointwise.data.layouts import MIDDLES
from jointwise.data.sequence import Sequence
from jointwise.data.skeletons import MIN_JOINTS, Skeleton, shared_joints
from jointwise.errors import ReadError


def joint_sources(target: Skeleton, found: Skeleton) -> dict[str, tuple[str, ...]]:
    """From which joints of a layout each joint of another follows.

    Args:
        target: The layout that is wanted.
        found: The layout of the recordings.

    Returns:
        Joint of `target` -> the joint of `found` with its name, or those whose middle it is (`MIDDLES`). Joints that do
        not follow are left out.

    >>> from jointwise.data.skeletons import COCO17, KINECT20
    >>> sources = joint_sources(KINECT20, COCO17)
    >>> sources["left_knee"], sources["spine_base"], "left_hand" in sources
    (('left_knee',), ('left_hip', 'right_hip'), False)
    """
    shared = set(shared_joints(target, found))
    sources: dict[str, tuple[str, ...]] = {}
    for joint in target.joints:
        if joint in shared:
            sources[joint] = (joint,)
        elif joint in MIDDLES and joint not in found.joints and set(MIDDLES[joint]) <= set(found.joints):
            sources[joint] = MIDDLES[joint]
    return sources


def map_to_layout(sequence: Sequence, target: Skeleton) -> Sequence:
    """Bring a recording onto another layout.

    Args:
        sequence: A recording (M, T, V, C).
        target: The layout that is wanted, of W joints.

    Returns:
        The recording (M, T, W, C). A joint that does not follow from its joints is invalid in all frames; a middle is
        valid where all its joints are. Unit and axes stay.

    Raises:
        ReadError: Fewer than MIN_JOINTS joints follow.
    """
    own = sequence.skeleton
    if own.joints == target.joints:
        return replace(sequence, skeleton=target)
    sources = joint_sources(target, own)
    if len(sources) < MIN_JOINTS:
        raise ReadError(
            f"{sequence.source}: only {len(sources)} joints of '{target.name}' follow from those of '{own.name}' "
            f"({', '.join(own.joints)}), at least {MIN_JOINTS} are needed. Joints are matched by name; wanted are: "
            f"{', '.join(target.joints)}."
        )
    shape = (*sequence.positions.shape[:2], len(target.joints))
    positions = np.zeros((*shape, sequence.positions.shape[3]), np.float32)
    valid = np.zeros(shape, bool)
    for joint, names in sources.items():
        place = target.joints.index(joint)
        columns = [own.joints.index(name) for name in names]
        valid[:, :, place] = sequence.validity[:, :, columns].all(2)
        positions[:, :, place] = sequence.positions[:, :, columns].mean(2)
    positions[~valid] = 0  # the mean of values that must not be used
    return replace(sequence, positions=positions, valid=valid, confidence=None, skeleton=target)
