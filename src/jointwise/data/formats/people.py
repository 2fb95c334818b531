"""Persons as 2D detectors list them in each frame, x, y and confidence of every joint: from them to a recording.

The number of joints tells the layout. Where several layouts have this number, the lengths of the bones tell it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from jointwise.data.formats.detections import detection, layout_of, order_frames, to_sequence
from jointwise.data.formats.format import ReadOptions
from jointwise.data.layout_guess import guess_layout
from jointwise.data.sequence import Floats, Sequence
from jointwise.data.skeletons import Skeleton, get_skeleton
from jointwise.errors import EmptyRecording, ReadError

# number of joints -> layout; 33 is MediaPipe's pose in the shape of OpenPose, as Pose2Sim writes it
LAYOUTS = {17: "coco17", 18: "openpose18", 26: "halpe26", 33: "mediapipe33", 133: "coco-wholebody133"}
AMBIGUOUS = {25: ("body25", "body25b", "ntu25")}
_SCALED = 2.0  # coordinates up to it are parts of the image, not pixels


@dataclass(frozen=True)
class Person:
    """A person in a frame as a file lists it.

    Args:
        keypoints: (V, 3 or 4) x, y (, z) and confidence. A joint that was not seen has only zeros, or confidence 0.
        where: File and place in it, for messages.
        number: The number of the person in the file; None where it has none.
    """

    keypoints: npt.NDArray[np.float64]
    where: str
    number: int | None = None


def from_people(
    path: Path,
    frames: Mapping[int, list[Person]],
    options: ReadOptions,
    *,
    skeleton: Skeleton | None = None,
    units: str | None = None,
    up: str | None = "-y",
    label: int | None = None,
    assumed: Iterable[str] = (),
) -> Sequence:
    """The recording of the persons in each frame.

    Args:
        path: The file or folder.
        frames: Number of a frame -> its persons.
        options: What the user says; a layout of the user goes before all others.
        skeleton: The joints; None: found by their number, and where that is not enough, by the lengths of the bones.
        units: The unit of the coordinates; None: `px` or `image` (parts of the image) by their size.
        up: The axis that points up.
        label: Number of the class in the file.
        assumed: What was taken for granted so far.

    Returns:
        The recording.

    Raises:
        ReadError: The numbers of joints differ, no layout has so many, or it is not certain which layout it is.
        EmptyRecording: Nobody is in any frame.
    """
    everyone = [person for persons in frames.values() for person in persons]
    if not everyone:
        raise EmptyRecording(f"{path}: nobody is in any of its {len(frames)} frames. Leave it out.")
    shape = everyone[0].keypoints.shape
    for person in everyone:
        if person.keypoints.shape != shape:
            raise ReadError(
                f"{person.where}: {len(person.keypoints)} joints × {person.keypoints.shape[1] - 1} coordinates, but "
                f"{shape[0]} × {shape[1] - 1} before it ({everyone[0].where}). Detect all frames again with one model."
            )
    numbered = {
        number: [
            detection(person.keypoints[:, :-1], person.keypoints[:, -1], person.number, zero_missing=shape[1] == 3)
            for person in persons
        ]
        for number, persons in frames.items()
    }
    bodies = [person.points for persons in numbered.values() for person in persons]
    about_layout, about_units = "", ""
    if skeleton is None or options.layout is not None:
        skeleton, about_layout = _layout(path, bodies, options)
    if units is None:
        units, about_units = _units(bodies)
    in_order, about_numbers = order_frames(numbered)
    told = [sentence for sentence in (about_layout, about_units) if sentence]
    return to_sequence(
        path, in_order, skeleton, options, units=units, up=up, label=label, assumed=[*assumed, *about_numbers, *told]
    )


def _layout(path: Path, bodies: list[Floats], options: ReadOptions) -> tuple[Skeleton, str]:
    """The layout of the bodies (V, C), and how it was found where their number of joints does not tell it."""
    joints = len(bodies[0])
    if joints not in AMBIGUOUS or options.layout is not None:
        return layout_of(path, joints, options, LAYOUTS), ""
    name, factor = guess_layout(np.stack(bodies), [get_skeleton(name) for name in AMBIGUOUS[joints]], str(path))
    return get_skeleton(name), (
        f"The file does not name its {joints} joints: read as {name}, because in the other orders of {joints} joints "
        f"the bones are at least {factor:.1f} times as long."
    )


def _units(bodies: list[Floats]) -> tuple[str | None, str]:
    """The unit of the bodies (V, C), and a sentence about it. Coordinates from -1 to 1 become parts of the image."""
    if bodies[0].shape[-1] == 3:
        return None, "The file does not say the unit of its 3D coordinates."
    values = np.concatenate(bodies)
    values = values[np.isfinite(values)]
    if not values.size or np.abs(values).max() > _SCALED:
        return "px", ""
    if values.min() > -_SCALED / 10:
        return "image", "The coordinates are taken for parts of the image, because none is above 2."
    for body in bodies:
        body[:] = (body + 1) / 2
    return "image", "The coordinates, from -1 to 1, were changed into parts of the image."
