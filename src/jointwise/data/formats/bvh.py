"""BVH files of motion capture: a hierarchy of joints, and angles for every frame. Positions follow by kinematics.

- `HIERARCHY`: `ROOT name { OFFSET x y z CHANNELS n names… JOINT name {…} End Site { OFFSET x y z } }`
- `MOTION`: `Frames: n`, `Frame Time: seconds`, then a row of all channels for each frame.

A joint stands at the place of its parent plus the parent's rotation times its offset. Channels of position replace the
offset. The rotation is the parent's times those of the channels, in the order in which they are listed, in degrees.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from jointwise.data.formats.bvh_names import drop_helpers, joint_names
from jointwise.data.formats.by_body import with_units, with_up
from jointwise.data.formats.files import FETCH_AGAIN, read_bytes
from jointwise.data.formats.format import Format, ReadOptions
from jointwise.data.formats.timing import rounded_fps
from jointwise.data.sequence import Sequence
from jointwise.data.skeletons import SKELETONS, Skeleton
from jointwise.errors import EmptyRecording, ReadError

Array = npt.NDArray[np.float64]
_CHANNELS = tuple(f"{axis}{kind}" for kind in ("position", "rotation") for axis in "xyz")


@dataclass
class Joint:
    """A joint of the hierarchy.

    Args:
        name: Its name in the file.
        parent: Index of the joint that it hangs on; -1 for the root.
        offset: x, y, z from there at rest.
        channels: What is given for every frame, such as `xrotation`, in the order of the file.
        column: The first column of its channels in the rows.
    """

    name: str
    parent: int
    offset: tuple[float, ...] = (0.0, 0.0, 0.0)
    channels: tuple[str, ...] = ()
    column: int = 0


@dataclass
class Hierarchy:
    """What stands above MOTION, while it is read.

    Args:
        path: The file, for messages.
        joints: The joints in the order of the file.
        open: Indices of the joints whose braces are open; -2 for an End Site.
        columns: Number of channels of all joints.
    """

    path: Path
    joints: list[Joint] = field(default_factory=list)
    open: list[int] = field(default_factory=list)
    columns: int = 0

    def take(self, number: int, words: list[str]) -> None:
        """Take the words of one statement: a keyword and what belongs to it."""
        keyword = words[0].upper()
        if keyword in ("ROOT", "JOINT"):
            self._begin(number, keyword, " ".join(words[1:]))
        elif keyword == "END":
            self.open.append(-2)
        elif keyword == "}":
            if not self.open:
                raise self.error(number, "a brace } without a joint that it ends")
            self.open.pop()
        elif keyword == "OFFSET" and self.open:
            if self.open[-1] >= 0:
                self.joints[self.open[-1]].offset = self._offset(number, words[1:])
        elif keyword == "CHANNELS" and self.open and self.open[-1] >= 0:
            self._channels(number, words[1:])
        elif keyword != "{":
            raise self.error(number, f"'{' '.join(words)[:40]}' does not belong into a hierarchy")

    def _begin(self, number: int, keyword: str, name: str) -> None:
        if not name:
            raise self.error(number, f"{keyword} without a name")
        if keyword == "ROOT" and self.joints:
            raise ReadError(
                f"{self.path}, line {number}: a second skeleton, '{name}'. A file holds one person here: save each by "
                "itself."
            )
        parent = self.open[-1] if self.open else -1
        if (keyword == "JOINT") != (parent >= 0) or any(joint.name == name for joint in self.joints):
            raise self.error(number, f"{keyword} {name} stands at a wrong place, or comes twice")
        self.open.append(len(self.joints))
        self.joints.append(Joint(name, parent))

    def _offset(self, number: int, words: list[str]) -> tuple[float, ...]:
        try:
            offset = tuple(map(float, words))
        except ValueError:
            offset = ()
        if len(offset) != 3 or not np.isfinite(offset).all():
            raise self.error(number, f"OFFSET needs three numbers, found '{' '.join(words)[:40]}'")
        return offset

    def _channels(self, number: int, words: list[str]) -> None:
        channels = tuple(word.lower() for word in words[1:])
        count = words[0] if words else ""
        if count != str(len(channels)) or len(set(channels)) < len(channels):
            raise self.error(number, f"CHANNELS needs a number and as many different names: '{' '.join(words)[:80]}'")
        odd = [channel for channel in channels if channel not in _CHANNELS]
        if odd:
            raise self.error(number, f"channel '{odd[0]}' is none of {', '.join(_CHANNELS)}")
        joint = self.joints[self.open[-1]]
        joint.channels, joint.column = channels, self.columns
        self.columns += len(channels)

    def error(self, number: int, what: str) -> ReadError:
        """The error for a line."""
        return ReadError(f"{self.path}, line {number}: {what}. {FETCH_AGAIN}")


def read(path: Path, options: ReadOptions) -> Sequence:
    """Read a BVH file.

    Args:
        path: The file.
        options: What the user says of unit and axes.

    Returns:
        The recording (1, T, V, 3) in the unit and axes of the file, every joint valid. Joints that are called as
        Mixamo, CMU, LAFAN1 and older programs call them have the names of jointwise. End Sites are no joints: they say
        how long the last bone is.

    Raises:
        ReadError: The file is missing, empty, cut off, or not laid out as above.
        EmptyRecording: It has no frame.
    """
    joints, table, seconds = parse(path)
    positions = world_positions(joints, table)
    kept, parents = drop_helpers([joint.name for joint in joints], [joint.parent for joint in joints])
    names = joint_names([joints[place].name for place in kept])
    skeleton, order = _layout(names, parents)
    with np.errstate(over="ignore"):  # a number beyond float32 becomes infinite, and Sequence says where it stands
        placed = positions[:, [kept[place] for place in order]].astype(np.float32)
    sequence = Sequence(positions=placed, skeleton=skeleton, fps=rounded_fps(1 / seconds), source=str(path))
    return with_up(with_units(sequence, options), options, usual="y")


def parse(path: Path) -> tuple[list[Joint], Array, float]:
    """Parse a BVH file.

    Args:
        path: The file.

    Returns:
        The joints; (T, channels) the rows; seconds from frame to frame.

    Raises:
        ReadError: The file is missing, empty, cut off, or not laid out as it should be.
        EmptyRecording: It has no frame.
    """
    lines = read_bytes(path).decode("utf-8-sig", errors="replace").splitlines()
    hierarchy = Hierarchy(path)
    motion = None
    for number, words in _statements(lines):
        if words[0].upper() == "MOTION":
            motion = number
            break
        if words[0].upper() != "HIERARCHY":
            hierarchy.take(number, words)
    if motion is None or hierarchy.open or not hierarchy.joints:
        where = f"line {len(lines)}" if motion is None else f"line {motion}"
        raise ReadError(
            f"{path}, {where}: the hierarchy is not complete: {len(hierarchy.open)} braces are open, "
            f"{'MOTION does not follow' if motion is None else 'MOTION follows'}. {FETCH_AGAIN}"
        )
    frames, at = _number(path, lines, motion, r"Frames\s*:\s*(\d{1,9})\s*$", "Frames: and at most 9 digits")
    seconds, at = _number(path, lines, at, r"Frame\s*Time\s*:\s*([-+.\deE]+)\s*$", "Frame Time: and seconds above 0")
    if seconds <= 0:
        raise ReadError(f"{path}, line {at}: the frame time is {seconds:g} seconds. {FETCH_AGAIN}")
    if frames == 0:
        raise EmptyRecording(f"{path}, line {motion + 1}: the file says that it has 0 frames. Leave it out.")
    return hierarchy.joints, _rows(path, lines, at, int(frames), hierarchy.columns), seconds


def _statements(lines: list[str]) -> Iterator[tuple[int, list[str]]]:
    """(number of the line, words) of the statements; a brace is a statement, wherever it stands."""
    for number, line in enumerate(lines, 1):
        for part in re.split(r"([{}])", line):
            if words := part.split():
                yield number, words


def _number(path: Path, lines: list[str], at: int, pattern: str, what: str) -> tuple[float, int]:
    """The number in the next line that is not blank, which must be like `pattern`, and that line's number."""
    while at < len(lines) and not lines[at].strip():
        at += 1
    match = re.match(pattern, lines[at].strip(), re.IGNORECASE) if at < len(lines) else None
    try:
        return float(match[1] if match else ""), at + 1
    except ValueError:
        found = f"found '{lines[at].strip()[:40]}'" if at < len(lines) else "the file ends"
        raise ReadError(f"{path}, line {at + 1}: expected {what}, {found}. {FETCH_AGAIN}") from None


def _rows(path: Path, lines: list[str], at: int, frames: int, columns: int) -> Array:
    """(frames, columns) the numbers in the lines behind `at`."""
    rows: list[Array] = []
    for number, line in enumerate(lines[at:], at + 1):
        words = line.split()
        if not words:
            continue
        where = f"{path}, line {number} (frame {len(rows)})"
        if len(words) != columns:
            raise ReadError(f"{where}: {len(words)} numbers, but the joints have {columns} channels. {FETCH_AGAIN}")
        try:
            row = np.array(words, np.float64)
        except ValueError as error:
            raise ReadError(f"{where}: {error}. {FETCH_AGAIN}") from error
        if not np.isfinite(row).all():
            raise ReadError(f"{where}: {words[int((~np.isfinite(row)).argmax())]} is no finite number. {FETCH_AGAIN}")
        rows.append(row)
    if len(rows) != frames:
        raise ReadError(
            f"{path}, line {len(lines)}: 'Frames:' promises {frames} frames, the file has {len(rows)}. {FETCH_AGAIN}"
        )
    return np.stack(rows)


def world_positions(joints: list[Joint], table: Array) -> Array:
    """Forward kinematics.

    Args:
        joints: The joints, each after its parent.
        table: (T, channels) the rows of the file: units of the file, and degrees.

    Returns:
        (T, joints, 3) where they are.
    """
    places = np.empty((len(table), len(joints), 3))
    turned = np.empty((len(joints), len(table), 3, 3))
    for index, joint in enumerate(joints):
        offset = np.tile(joint.offset, (len(table), 1))
        rotation = np.broadcast_to(np.eye(3), (len(table), 3, 3))
        for column, channel in enumerate(joint.channels, joint.column):
            axis = "xyz".index(channel[0])
            if channel.endswith("position"):
                offset[:, axis] = table[:, column]
            else:
                rotation = rotation @ _turn(np.deg2rad(table[:, column]), axis)
        if joint.parent < 0:
            places[:, index], turned[index] = offset, rotation
        else:
            above = turned[joint.parent]
            places[:, index] = places[:, joint.parent] + np.einsum("tij,tj->ti", above, offset)
            turned[index] = above @ rotation
    return places


def _turn(angles: Array, axis: int) -> Array:
    """(T, 3, 3) rotations about an axis."""
    one, other = (axis + 1) % 3, (axis + 2) % 3
    matrices = np.zeros((len(angles), 3, 3))
    matrices[:, axis, axis] = 1
    matrices[:, one, one] = matrices[:, other, other] = np.cos(angles)
    matrices[:, other, one] = np.sin(angles)
    matrices[:, one, other] = -np.sin(angles)
    return matrices


def _layout(names: tuple[str, ...], parents: list[int]) -> tuple[Skeleton, list[int]]:
    """The shipped layout of these joints, else one with the bones of the hierarchy; and the places of its joints."""
    for skeleton in SKELETONS.values():
        if set(skeleton.joints) == set(names):
            return skeleton, [names.index(joint) for joint in skeleton.joints]
    bones = tuple((names[parent], name) for name, parent in zip(names, parents, strict=True) if parent >= 0)
    return Skeleton(f"bvh{len(names)}", names, bones, names[0], None, None), list(range(len(names)))


def _detect(_path: Path, head: bytes) -> float:
    """1 for text that begins with a hierarchy."""
    words = head.removeprefix(b"\xef\xbb\xbf")[:4096].split()[:2]
    return 1.0 if [word.upper() for word in words] == [b"HIERARCHY", b"ROOT"] else 0.0


FORMAT = Format("bvh", ("*.bvh",), "Mixamo, CMU, LAFAN1, Rokoko, Xsens, Blender, jointwise convert", _detect, read)
