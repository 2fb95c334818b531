"""Markers of motion capture: which of them are joints, whose they are, and the recording that they make.

A marker sits on the skin, and its name is up to the laboratory. The names that pose estimators give to joints (OpenCap,
Pose2Sim, OpenPose) are joints here. All others keep their names.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence as Texts
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt

from jointwise.data.formats.by_body import with_up
from jointwise.data.formats.format import ReadOptions
from jointwise.data.formats.joint_names import standard_name
from jointwise.data.memory_limit import check_memory
from jointwise.data.sequence import Sequence
from jointwise.data.skeletons import Skeleton
from jointwise.errors import EmptyRecording

# The joints that markers are called after, as chains of bones. `neck` is the top of the tree because every file has it.
_CHAINS = (
    ("neck", "spine_base"),
    ("neck", "nose"),
    ("neck", "head"),
    ("neck", "head_top"),
    *(
        tuple(f"{side}_{name}" if name not in ("neck", "spine_base", "nose") else name for name in chain.split())
        for side in ("left", "right")
        for chain in (
            "neck shoulder elbow wrist",
            "spine_base hip knee ankle big_toe",
            "ankle small_toe",
            "ankle heel",
            "nose eye ear",
        )
    ),
)
_BODY = tuple(dict.fromkeys(joint for chain in _CHAINS for joint in chain))
_MIDDLES = {"hip": "spine_base", "c_hip": "spine_base", "chip": "spine_base"}  # that Pose2Sim names without a side


def joint_names(markers: Texts[str]) -> tuple[str, ...]:
    """The names of markers as joints: those of joints in the words of jointwise, all others as they are.

    "Neck" beside "midHip" is OpenPose's, the middle between the shoulders. "Head" beside "Nose" is Pose2Sim's, the top
    of the head. A marker without a name is numbered, and so is a name that comes again.

    >>> joint_names(["Neck", "Nose", "Head", "LKnee", "LKNM", "", "LKNM"])
    ('neck', 'nose', 'head_top', 'left_knee', 'LKNM', 'marker_5', 'LKNM_2')
    """
    standard = [_MIDDLES.get(name, name) for name in map(standard_name, markers)]
    is_openpose = any(marker.replace("_", "").lower() == "midhip" for marker in markers)
    seen: Counter[str] = Counter()
    names = []
    for place, (marker, joint) in enumerate(zip(markers, standard, strict=True)):
        if joint == "neck" and is_openpose:
            joint = "spine_shoulder"
        elif joint == "head" and "nose" in standard:
            joint = "head_top"
        name = joint if joint in (*_BODY, "spine_shoulder") else marker or f"marker_{place}"
        seen[name] += 1
        names.append(name if seen[name] == 1 else f"{name}_{seen[name]}")
    return tuple(names)


def marker_layout(joints: tuple[str, ...]) -> Skeleton:
    """The layout of named markers.

    Args:
        joints: Their names, as `joint_names` gives them.

    Returns:
        A layout with the bones between those that are joints, without any where there are none.
    """
    neck = "spine_shoulder" if "spine_shoulder" in joints else "neck"
    chains = [tuple(neck if joint == "neck" else joint for joint in chain) for chain in _CHAINS]
    bones = dict.fromkeys(bone for chain in chains for bone in pairwise(chain))
    body = Skeleton("body", tuple(dict.fromkeys(joint for bone in bones for joint in bone)), tuple(bones), None)
    known = body.on_joints(joint for joint in joints if joint in body.joints)
    root = "spine_base" if "spine_base" in joints else None
    return Skeleton(f"markers{len(joints)}", joints, known.bones, root, None, None)


def by_subject(labels: Texts[str]) -> tuple[list[str], list[str], npt.NDArray[np.int64]]:
    """Tell apart the markers of several persons, whose labels begin with a name and a colon.

    Args:
        labels: Labels of the markers, such as `Anna:LKNE`.

    Returns:
        The subjects, one without a name where labels have none; the names of the markers; and for each label its
        subject and its name, as places in these lists: (labels, 2).

    >>> by_subject(["A:LKNE", "A:RKNE", "B:LKNE"])[:2]
    (['A', 'B'], ['LKNE', 'RKNE'])
    """
    pairs = [(subject.strip(), name.strip()) for subject, _, name in (label.rpartition(":") for label in labels)]
    if not all(subject and name for subject, name in pairs) or len(set(pairs)) < len(pairs):
        names = [name for _, name in pairs]
        return [""], names, np.stack([np.zeros(len(names), np.int64), np.arange(len(names))], axis=-1)
    subjects = list(dict.fromkeys(subject for subject, _ in pairs))
    names = list(dict.fromkeys(name for _, name in pairs))
    return subjects, names, np.array([(subjects.index(subject), names.index(name)) for subject, name in pairs])


def marker_recording(
    path: Path,
    labels: Texts[str],
    points: npt.NDArray[np.float64],
    options: ReadOptions,
    *,
    fps: float,
    units: str | None,
    up: str | None = None,
    assumed: tuple[str, ...] = (),
) -> Sequence:
    """The recording that markers make.

    Args:
        path: The file.
        labels: Labels of the markers.
        points: (T, labels, 3); NaN where a marker was not seen.
        options: What the user says.
        fps: Frames per second.
        units: Unit of the points; None where the file does not say it.
        up: The axis that points up; None where the file does not say it.
        assumed: What was taken for granted so far.

    Returns:
        The recording, with a person for each subject whom the labels name.

    Raises:
        EmptyRecording: There is no frame or no marker, or none was ever seen.
    """
    if not np.isfinite(points).all(-1).any():
        raise EmptyRecording(f"{path}: no marker is seen in any of its {len(points)} frames. Leave it out.")
    subjects, names, places = by_subject(labels)
    shape = (len(subjects), len(points), len(names), 3)
    check_memory(path, shape, "persons, frames, markers and coordinates", 8)
    positions = np.full(shape, np.nan)
    positions[places[:, 0], :, places[:, 1]] = points.swapaxes(0, 1)
    valid = np.isfinite(positions).all(-1)
    with np.errstate(over="ignore"):  # a number beyond float32 becomes infinite, and Sequence says where it stands
        positions = np.where(valid[..., None], positions, 0).astype(np.float32)
    if len(subjects) > 1:
        assumed = (*assumed, f"The names before the colons are persons: {', '.join(subjects)}.")
    sequence = Sequence(
        positions=positions,
        skeleton=marker_layout(joint_names(names)),
        valid=valid,
        fps=fps,
        source=str(path),
        units=units,
        up=up,
        assumed=assumed,
    )
    return with_up(sequence, options)
