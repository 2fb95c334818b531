"""What the body in a recording tells about the recording: units, axes, order of joints, missing and wild values.

Each check says nothing about a recording that is in order, and one finding about one that is not.
"""

from __future__ import annotations

from jointwise.data.body_checks import motion, pose, values
from jointwise.data.body_checks.body import Body
from jointwise.data.findings import STOP, Finding
from jointwise.data.sequence import Sequence

MANY_PERSONS = 5  # more persons than this and than frames: the axes are most likely exchanged

# What to do about the findings of a check, in one sentence for all recordings that have it.
REMEDIES = {
    "axes exchanged": "Bring the axes into the order (persons, frames, joints, coordinates).",
    "confidence as depth": "Save the third number as `confidence`, or leave it out: then the recording is 2D.",
    "same point": "Save joints that were not seen as NaN or as not valid: now they are learned like seen ones.",
    "missing": "Look at the recordings with jointwise view, and leave out those in which nobody can be seen.",
    "unit": "Say the unit: --units, or units in dataset.yaml. Bodies are then brought to metres.",
    "upside down": "If y points down, say so: --up -y, or up: -y in dataset.yaml.",
    "up axis": "Say which axis points up: --up z, or up: z in dataset.yaml.",
    "mirrored": "If an axis points the other way, turn its sign; if left and right joints are exchanged, rename them.",
    "joint order": "Name the joints in the order of the files.",
    "bone lengths": "Look at the recordings with jointwise view; poses of a single image have such bones at times.",
    "jumps": "Look at these frames with jointwise view; mark joints that are wrong as not valid.",
    "left and right": "Look at these frames with jointwise view; tracking may have taken one side for the other.",
    "frozen frames": "Cut the recordings to where the body is tracked.",
    "frozen joints": "Mark joints that are not tracked as not valid.",
    "still": "Leave the recordings out if they should show a motion.",
    "few frames": "Record longer, or leave the recordings out.",
}

_CONSEQUENCES = {  # check -> the checks whose findings follow from what it found
    "same point": ("jumps", "frozen joints", "left and right"),
    "confidence as depth": ("unit", "mirrored", "bone lengths", "joint order"),
    "joint order": ("unit", "mirrored", "bone lengths", "left and right", "up axis", "upside down"),
    "still": ("frozen frames", "frozen joints"),
}


def check_recording(sequence: Sequence) -> list[Finding]:
    """Look at the body in a recording.

    What needs to know joints by name is left out where a layout names none.

    Args:
        sequence: A recording as read or cleaned, not yet centred.

    Returns:
        What is worth a word, one finding for each check that found something.
    """
    if exchanged_axes(sequence):
        return [
            Finding(
                "axes exchanged",
                STOP,
                f"{sequence.persons} persons in {sequence.frames} frame{'s' if sequence.frames > 1 else ''}: are the "
                "axes exchanged? Their order is persons, frames, joints, coordinates.",
                sequence.source,
            )
        ]
    body = Body.of(sequence)
    found = [
        *values.missing(body),
        *values.confidence_as_depth(body),
        *values.same_point(body),
        *pose.unit(body),
        *pose.up_axis(body),
        *pose.mirrored(body),
        *pose.joint_order(body),
        *pose.bone_lengths(body),
        *motion.check_motion(body),
    ]
    causes = {check for check, _, _ in found}
    follow = {check for cause, checks in _CONSEQUENCES.items() if cause in causes for check in checks}
    return [
        Finding(check, verdict, message, sequence.source) for check, verdict, message in found if check not in follow
    ]


def exchanged_axes(sequence: Sequence) -> bool:
    """Whether a recording has so many persons in so few frames that its axes are most likely exchanged.

    Files of detectors, which give confidences, list persons frame by frame and have no axes to exchange.

    Args:
        sequence: The recording.
    """
    return sequence.confidence is None and sequence.persons > max(MANY_PERSONS, sequence.frames)
