"""`.pose` files of pose-format (sign-language-processing), versions 0.0 to 0.2.

Little endian. A header: version (f32), width, height and depth of the image, number of components (u16); each component
has a name, a format such as XYC (C: confidence), its points' names, limbs and colours. A body: for version 0.0 frames
with persons one after the other; later all coordinates (frames, persons, points, coordinates), then all confidences.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from jointwise.data.formats.detections import detection, to_sequence
from jointwise.data.formats.files import FETCH_AGAIN, read_bytes
from jointwise.data.formats.format import Format, ReadOptions
from jointwise.data.formats.joint_names import layout_of, standard_names
from jointwise.data.layouts import layout_names, load_layout
from jointwise.data.mapping import find_spellings
from jointwise.data.memory_limit import check_memory
from jointwise.data.sequence import Sequence
from jointwise.data.skeletons import Skeleton, get_skeleton
from jointwise.errors import ReadError

_WORLD = "POSE_WORLD_LANDMARKS"  # of MediaPipe, in metres
_IMAGE = "POSE_LANDMARKS"  # of MediaPipe, in pixels, with a depth in another unit
_BODIES = (_WORLD, _IMAGE, "pose_keypoints_2d", "BODY_135", "BODY")  # components with a whole body, the best first
_VERSIONS = (0.0, 0.1, 0.2)
_MOST = 1 << 16  # frames that version 0.1 can count
_LARGEST_PART = 2.0  # coordinates beyond it are no parts of the image's size


@dataclass(frozen=True)
class Component:
    """A part of the points of a file.

    Args:
        name: Its name.
        letters: Its format: X, Y, maybe Z, and C.
        points: The names of its points.
    """

    name: str
    letters: str
    points: tuple[str, ...]


class _Bytes:
    """The content of a file, taken piece by piece."""

    def __init__(self, path: Path, content: bytes) -> None:
        self.path = path
        self.content = content
        self.at = 0

    @property
    def left(self) -> int:
        """Number of bytes that are left."""
        return len(self.content) - self.at

    def take(self, layout: str, what: str) -> tuple[Any, ...]:
        """The next values, in the letters of `struct`. what: their meaning, for messages."""
        size = struct.calcsize(f"<{layout}")
        if size > self.left:
            raise ReadError(
                f"{self.path}, byte {self.at}: the file ends where {what} should be ({len(self.content)} bytes). "
                f"{FETCH_AGAIN}"
            )
        self.at += size
        return struct.unpack_from(f"<{layout}", self.content, self.at - size)

    def text(self, what: str) -> str:
        """The next text, which begins with its length."""
        (length,) = self.take("H", what)
        (text,) = self.take(f"{length}s", what)
        return str(text.decode("utf-8", errors="replace"))

    def floats(self, count: int, what: str) -> npt.NDArray[np.float32]:
        """The next numbers of 32 bits."""
        start = self.at
        if count * 4 > self.left:
            self.take(f"{count * 4}s", what)
        self.at += count * 4
        return np.frombuffer(self.content, "<f4", count, start)


def read(path: Path, options: ReadOptions) -> Sequence:
    """Read a `.pose` file: the component that holds a body, else the first one.

    Args:
        path: The file.
        options: What the user says.

    Returns:
        The recording (M, T, V, C) with confidences; a point with confidence 0 was not seen. C is 2 where the file has
        no depth, or one in another unit.

    Raises:
        ReadError: The file is missing, empty, cut off, or of another version.
        EmptyRecording: Nobody is in any frame.
    """
    content = _Bytes(path, read_bytes(path))
    version, width, height, _depth, count = content.take("fHHHH", "the header")
    known = min(_VERSIONS, key=lambda number: abs(number - version))
    if not abs(known - version) < 1e-3 or not count:
        raise ReadError(
            f"{path}: version {version:g} with {count} components is no .pose file of version 0.0 to 0.2. {FETCH_AGAIN}"
        )
    components = [_component(content, number) for number in range(count)]
    fps, points, confidence = _body_0(content, components) if known == 0 else _body(content, components, known)
    chosen, columns = _choose(components, confidence)
    points, confidence = points[:, :, columns], confidence[:, :, columns]
    coordinates = len(chosen.letters) - 1 if chosen.name != _IMAGE else 2
    skeleton, order = _layout(chosen.points)
    only = 0 if points.shape[1] == 1 else None  # the only person of a file is one, however long away
    frames = [
        [
            person
            for place, sure in zip(places[:, order, :coordinates], sureness[:, order], strict=True)
            if np.isfinite((person := detection(place, sure, only, zero_missing=False)).points).any()
        ]
        for places, sureness in zip(points, confidence, strict=True)
    ]
    units, up, notes = _convention(chosen, width, height, points[..., :2][confidence > 0])
    others = [component.name for component in components if component is not chosen]
    if others:
        notes.append(f"Only {chosen.name} is read, not {', '.join(others)}.")
    return to_sequence(path, frames, skeleton, options, units=units, up=up, fps=fps or None, assumed=notes)


def _component(content: _Bytes, number: int) -> Component:
    """The header of one component."""
    what = f"component {number}"
    name, letters = content.text(what), content.text(what)
    points, limbs, colours = content.take("HHH", what)
    names = tuple(content.text(f"a point of {what}") for _ in range(points))
    content.take(f"{2 * limbs}H", f"the limbs of {what}")
    content.take(f"{3 * colours}H", f"the colours of {what}")
    if letters.upper() not in ("XYC", "XYZC") or not names:
        raise ReadError(
            f"{content.path}: {what} '{name}' has {points} points with the format '{letters}', expected XYC or XYZC."
        )
    return Component(name, letters.upper(), names)


def _body_0(
    content: _Bytes, components: list[Component]
) -> tuple[float, npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Version 0.0: frames per second, (T, P, points, 3), (T, P, points); persons frame by frame."""
    fps, frames = content.take("HH", "the frame rate")
    total = sum(len(component.points) for component in components)
    found: list[list[npt.NDArray[np.float32]]] = []
    for frame in range(frames):
        (people,) = content.take("H", f"frame {frame} of {frames}")
        persons = []
        for _ in range(people):
            content.take("h", f"a person of frame {frame} of {frames}")
            rows = np.zeros((total, 4), np.float32)  # x, y, z, confidence
            start = 0
            for component in components:
                size = len(component.letters), len(component.points)
                values = content.floats(size[0] * size[1], f"frame {frame} of {frames}").reshape(size[1], size[0])
                rows[start : start + size[1], : size[0] - 1] = values[:, :-1]
                rows[start : start + size[1], 3] = values[:, -1]
                start += size[1]
            persons.append(rows)
        found.append(persons)
    shape = (frames, max(map(len, found), default=0), total, 4)
    check_memory(content.path, shape, "frames, persons, points and numbers")
    table = np.zeros(shape, np.float32)
    for frame, persons in enumerate(found):
        for slot, rows in enumerate(persons):
            table[frame, slot] = rows
    return float(fps), table[..., :3], table[..., 3]


def _body(
    content: _Bytes, components: list[Component], version: float
) -> tuple[float, npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Versions 0.1 and 0.2: frames per second, (T, P, points, C), (T, P, points)."""
    fps, stated, people = content.take("HHH" if version == 0.1 else "fIH", "the frame rate")
    total = sum(len(component.points) for component in components)
    coordinates = max(len(component.letters) for component in components) - 1
    size = people * total * (coordinates + 1) * 4
    frames = content.left // size if size else 0
    wrapped = frames % _MOST if version == 0.1 else frames  # it starts again
    if size and (content.left % size or wrapped != stated):
        raise ReadError(
            f"{content.path}: {content.left} bytes of coordinates are {content.left / size:.2f} frames of {people} "
            f"persons, the header says {stated}. {FETCH_AGAIN}"
        )
    points = content.floats(frames * people * total * coordinates, "coordinates")
    confidence = content.floats(frames * people * total, "confidences")
    shape = (frames, people, total)
    return float(fps), points.reshape(*shape, coordinates), confidence.reshape(shape)


def _choose(components: list[Component], confidence: npt.NDArray[np.float32]) -> tuple[Component, slice]:
    """The component to read, and its columns: of those with a body the best that was ever seen, else the first."""
    starts = np.cumsum([0, *(len(component.points) for component in components)]).tolist()
    places = {component.name: place for place, component in reversed(list(enumerate(components)))}
    wanted = [places[name] for name in _BODIES if name in places] or [0]
    seen = [place for place in wanted if (confidence[..., starts[place] : starts[place + 1]] > 0).any()]
    place = (seen or wanted)[0]
    return components[place], slice(starts[place], starts[place + 1])


def _layout(points: tuple[str, ...]) -> tuple[Skeleton, list[int]]:
    """The layout whose joints have these names or aliases, else one of the names; places of its joints in `points`."""
    for name in layout_names():
        layout = load_layout(name)
        if len(layout.joints) != len(points):
            continue
        found = find_spellings(layout.joints, points, layout.aliases)
        if len(found) == len(points) and all(len(names) == 1 for names in found.values()):
            return get_skeleton(name), [points.index(found[joint][0]) for joint in layout.joints]
    return layout_of(standard_names(points))


def _convention(
    component: Component, width: int, height: int, plane: npt.NDArray[np.float32]
) -> tuple[str | None, str | None, list[str]]:
    """Unit, axis that points up, and notes."""
    if component.name == _WORLD:
        return "m", "-y", []
    notes = []
    if component.name == _IMAGE and component.letters == "XYZC":
        notes.append("The depth of POSE_LANDMARKS is in another unit than x and y, and is left out.")
    if len(plane) and np.abs(plane).max() <= _LARGEST_PART and min(width, height) > _LARGEST_PART:
        notes.append(f"The coordinates are no pixels of the {width} × {height} image: they were scaled before.")
        return None, "-y", notes
    return "px", "-y", notes


def _detect(_path: Path, head: bytes) -> float:
    """1 for a header of a known version whose first component has a readable name and format."""
    if len(head) < 16:
        return 0.0
    version, *_sizes, components, length = struct.unpack_from("<fHHHHH", head)
    letters = head[14 + length + 2 : 14 + length + 6]
    known = any(abs(version - number) < 1e-3 for number in _VERSIONS)
    return 1.0 if known and components and letters.startswith((b"XYC", b"XYZC")) else 0.0


FORMAT = Format("pose", ("*.pose",), "pose-format (sign language)", _detect, read)
