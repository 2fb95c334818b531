"""From what a detector saw in each frame to one recording: frames in order, persons linked, joints named."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from jointwise.data.formats.format import ReadOptions
from jointwise.data.layouts import Layout, alias_spellings, load_layout, spelling
from jointwise.data.sequence import Sequence
from jointwise.data.skeletons import SKELETONS, Skeleton, get_skeleton
from jointwise.data.tracking import Detection, link_persons
from jointwise.errors import ConfigError, EmptyRecording, ReadError, first_few

FPS = 30.0  # where nothing says it
FPS_ASSUMED = "The file does not say its frame rate: 30 frames per second are assumed (fps sets it)."
LINKED = "The file does not say who is who: persons are linked from frame to frame, by places and bone lengths."
_LAST_NUMBER = re.compile(r"(\d+)(\D*)$")
_SPARSE = 20  # frame numbers that span so many times their count are not those of one video


def detection(points: Any, confidence: Any = None, person: Any = None, zero_missing: bool = True) -> Detection:
    """One person in one frame.

    Args:
        points: (V, C) coordinates.
        confidence: (V,) from 0 to 1; what is above 1 becomes 1. A joint with 0 was not seen.
        person: The number or name of the person in the file; None where it has none.
        zero_missing: Coordinates that are all 0 mean that the joint was not seen.

    Returns:
        The person, with NaN where a joint was not seen.
    """
    with np.errstate(over="ignore"):
        points = np.array(points, np.float32)
    seen = np.isfinite(points).all(-1)
    if zero_missing:
        seen &= (points != 0).any(-1)
    if confidence is not None:
        confidence = np.clip(np.nan_to_num(np.asarray(confidence, np.float32)), 0, 1)
        seen &= confidence > 0
    points[~seen] = np.nan
    return Detection(points, confidence, person)


def to_sequence(
    path: Path,
    frames: list[list[Detection]],
    skeleton: Skeleton,
    options: ReadOptions,
    *,
    units: str | None,
    up: str | None,
    fps: float | None = None,
    label: int | None = None,
    assumed: Iterable[str] = (),
) -> Sequence:
    """The recording of what was detected in each frame.

    Args:
        path: The file or folder, for messages.
        frames: T lists of the persons in a frame.
        skeleton: Their joints.
        options: What the user says: frame rate, tracking, size of the image.
        units: Unit of the coordinates. Parts of the image (`image`) become pixels where the size is given.
        up: The axis that points up.
        fps: Frames per second in the file; None where it does not say it.
        label: Number of the class in the file.
        assumed: What else was taken for granted, as whole sentences.

    Returns:
        The recording.

    Raises:
        EmptyRecording: Nobody is in any frame.
        ReadError: The persons do not have the joints of the skeleton.
    """
    if options.track == "auto":  # otherwise the order in the file counts
        frames = [[person for person in frame if np.isfinite(person.points).all(-1).any()] for frame in frames]
    if not any(frames):
        raise EmptyRecording(
            f"{path}: nobody is in any of its {len(frames)} frames. Leave it out, or detect again with a lower "
            "threshold."
        )
    sentences = list(assumed)
    if options.fps is None and fps is None:
        sentences.append(FPS_ASSUMED)
    rate = float(options.fps or fps or FPS)
    coordinates = next(person.points.shape[-1] for frame in frames for person in frame)
    for number, frame in enumerate(frames):
        for person in frame:
            if person.points.shape != (len(skeleton.joints), coordinates):
                raise ReadError(
                    f"{path}, frame {number}: a person has {len(person.points)} joints with {person.points.shape[-1]} "
                    f"coordinates, the others have {len(skeleton.joints)} with {coordinates}. The frames are not of "
                    "one detector: detect them again with one model."
                )
    tracks = link_persons(
        frames, len(skeleton.joints), coordinates, rate, options.track, skeleton.bone_indices, Path(path)
    )
    nameless = any(person.person is None for frame in frames for person in frame)
    if nameless and options.track == "auto" and max(map(len, frames)) > 1:
        sentences.append(LINKED)
    sentences += tracks.notes
    positions = tracks.positions
    if units == "image" and options.image_size is not None:
        positions[..., :2] *= np.array(options.image_size, np.float32)
        units = "px"
    return Sequence(
        positions=positions,
        skeleton=skeleton,
        valid=tracks.valid,
        fps=rate,
        label=label,
        source=str(path),
        confidence=tracks.confidence,
        units=units,
        up=up,
        assumed=tuple(sentences),
    )


def order_frames(numbered: Mapping[int, list[Detection]]) -> tuple[list[list[Detection]], tuple[str, ...]]:
    """Put frames in the order of their numbers. A number that is missing between two others is a frame without persons.

    Args:
        numbered: Number of a frame -> its persons.

    Returns:
        The frames from the first number to the last, and what was assumed about the numbers.
    """
    keys = sorted(numbered)
    if not keys:
        return [], ()
    step = max(1, math.gcd(*(b - a for a, b in pairwise(keys))))
    count = (keys[-1] - keys[0]) // step + 1
    if count > _SPARSE * len(keys):
        return [numbered[key] for key in keys], (
            f"The frame numbers ({first_few([str(key) for key in keys])}) are too far apart for those of a video: the "
            f"{len(keys)} frames count as successive.",
        )
    frames = [numbered.get(keys[0] + step * place, []) for place in range(count)]
    told = f"The frame numbers go up by {step}: the {len(keys)} frames count as successive."
    return frames, (told,) if step > 1 else ()


def frame_numbers(names: Iterable[str], path: Path) -> tuple[dict[str, int], tuple[str, ...]]:
    """The numbers of frames in the names of files or images.

    Args:
        names: Such as `walk_000000000012_keypoints.json` or `12.jpg`: the last number in a name counts.
        path: The file or folder they belong to, for the message.

    Returns:
        Name -> number, and what was left out, as sentences: names without a number, except where there is only one.

    Raises:
        ReadError: Without their numbers the names differ: they are of several recordings; or two have one number.
    """
    names = list(dict.fromkeys(names))
    if len(names) < 2:
        return dict.fromkeys(names, 0), ()
    found = {name: match for name in names if (match := _LAST_NUMBER.search(Path(name).stem))}
    if not found:
        raise ReadError(
            f"{path}: the names {first_few(names, 3)} hold no frame number. Number them in their order, such as 0001."
        )
    kinds = Counter(f"{Path(name).stem[: match.start()]}*{match[2]}" for name, match in found.items())
    if len(kinds) > 1:
        listed = first_few([f"{kind} ({count})" for kind, count in sorted(kinds.items())])
        raise ReadError(f"{path}: frames of {len(kinds)} recordings: {listed}. Give each a folder or file of its own.")
    numbers = {name: int(match[1]) for name, match in found.items()}
    if len(set(numbers.values())) < len(numbers):
        number, _count = Counter(numbers.values()).most_common(1)[0]
        twice = [name for name in numbers if numbers[name] == number]
        raise ReadError(f"{path}: {first_few(twice)} have the same frame number {number}. Keep one of them.")
    others = [name for name in names if name not in numbers]
    return numbers, (f"Left out, because its name has no frame number: {first_few(others)}.",) if others else ()


def frame_files(path: Path, ending: str) -> tuple[dict[int, Path], tuple[str, ...]]:
    """The files of a recording that has a file for each frame.

    Args:
        path: Its folder, or one of the files.
        ending: Of the files, such as `.json`.

    Returns:
        Number of a frame -> its file in ascending order, and what was left out, as sentences.

    Raises:
        ReadError: The files are of several recordings, or their names hold no number.
    """
    if not path.is_dir():
        return {0: path}, ("A file of this format holds one frame: its folder is the recording.",)
    files = {
        file.name: file
        for file in sorted(path.iterdir())
        if file.suffix.lower() == ending and not file.name.startswith(".") and file.is_file()
    }
    numbers, told = frame_numbers(files, path)
    return {number: files[name] for name, number in sorted(numbers.items(), key=lambda pair: pair[1])}, told


def layout_of(path: Path, joints: int, options: ReadOptions, known: Mapping[int, str]) -> Skeleton:
    """The joints of persons who have so many, without names.

    Args:
        path: The file, for messages; the frame may be part of it.
        joints: Number of joints.
        options: What the user says: a layout of that number of joints goes before the known one.
        known: Number of joints -> name of the layout that the format has for it.

    Returns:
        The layout.

    Raises:
        ReadError: No layout has so many joints, or the user's has another number.
    """
    if options.layout is not None:
        if len(options.layout.joints) != joints:
            raise ReadError(
                f"{path}: {joints} joints a person, but the layout '{options.layout.name}' has "
                f"{len(options.layout.joints)}. Name a layout with {joints} joints, or none."
            )
        return options.layout
    if joints not in known:
        listed = ", ".join(f"{number} ({name})" for number, name in known.items())
        raise ReadError(
            f"{path}: {joints} joints a person; known here: {listed}. Name the layout (layout= in Python, skeleton in "
            "dataset.yaml) that says which joints they are."
        )
    return get_skeleton(known[joints])


def named_layout(names: list[Any], bones: Iterable[Any], where: str) -> Skeleton:
    """The layout of joints that a file names.

    Args:
        names: Of the joints, in any writing of small and capital letters.
        bones: Pairs of places in `names`, from 0.
        where: File and place in it, for the message.

    Returns:
        The shipped layout that has these joints in this order, or one of its own.

    Raises:
        ReadError: A name is no text, or is there twice.
    """
    spelled = [spelling(str(name)) for name in names]
    for name in SKELETONS:
        if _same_joints(load_layout(name), spelled):
            return SKELETONS[name]
    joints = tuple(re.sub(r"[\s-]+", "_", str(name).strip().lower()) for name in names)
    try:
        pairs = [(joints[a], joints[b]) for a, b in bones if a != b and min(a, b) >= 0 and max(a, b) < len(joints)]
        return Skeleton(f"own{len(joints)}", joints, tuple(pairs), None, up=None)
    except (ConfigError, TypeError, ValueError) as error:
        raise ReadError(f"{where}: the names or bones of the joints are not as they should be ({error}).") from error


def _same_joints(layout: Layout, spelled: list[str]) -> bool:
    """Whether names in their plain spelling are the joints of a layout in its order, or aliases of them."""
    if len(layout.joints) != len(spelled):
        return False
    aliases = alias_spellings(layout)
    return all(
        name == spelling(joint) or aliases.get(name) == joint
        for name, joint in zip(spelled, layout.joints, strict=True)
    )
