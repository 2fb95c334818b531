"""NTU RGB+D `.skeleton` files: the text that the Kinect v2 recordings of NTU-60 and NTU-120 come in.

Layout (Shahroudy et al., CVPR 2016, and the data set's own MATLAB reader): the number of frames; per frame the number
of bodies; per body a line of 10 fields (body id, clipped edges, confidence and state of the left and the right hand,
restricted, lean x, lean y, tracking state), the number of joints, and a line of 12 numbers for each joint (x y z in
metres, depth x y, colour x y, orientation w x y z, tracking state: 0 lost, 1 inferred, 2 tracked).
"""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from jointwise.data.formats.files import FETCH_AGAIN
from jointwise.data.formats.text import Text
from jointwise.data.sequence import Bools, Sequence
from jointwise.data.skeletons import NTU25
from jointwise.errors import EmptyRecording, ReadError, writing

FPS = 30.0
_JOINTS = len(NTU25.joints)
_COUNT_DIGITS = 9  # more digits are no count, and int() refuses thousands of them
_FIELDS = 12  # numbers per joint
_COLUMNS = (0, 1, 2, 11)  # of these: x, y, z and tracking state
NAME = re.compile(r"S(\d{3})C(\d{3})P(\d{3})R(\d{3})A(\d{3})")  # set-up, camera, subject, repetition, action
_FIRST_ID = 72057594037931101  # body ids of the Kinect exceed 2**53: they are kept as text, never made floats


@dataclass
class _Tracks:
    """Where each body's joint lines are: its slot by id, and per (slot, frame) the first of its lines in the file."""

    frames: int
    slots: dict[str, int] = field(default_factory=dict)
    places: list[tuple[int, int, int]] = field(default_factory=list)  # slot, frame, index of the first joint line


def read(path: Path) -> Sequence:
    """Reads a file into a Sequence (M, T, 25, 3), metres: one person per body id in order of appearance.

    Every frame is kept. A joint is valid where the sensor tracked or inferred it; where a body is absent from a frame,
    its joints are zero and invalid. Label (action - 1), subject and camera come from a name like
    `S001C001P001R001A001.skeleton` and are None for other names. Raises ReadError for a file that is missing, empty,
    cut off, not text, or holds what such a file may not hold; EmptyRecording, a ReadError, for one without a body.
    """
    path = Path(path)
    lines = _read_lines(path)
    tracks = _find_bodies(path, lines)
    if not tracks.slots:
        raise EmptyRecording(
            f"{path}: nobody is in any of its {tracks.frames} frames. NTU lists such files as missing skeletons: "
            "leave it out."
        )
    positions = np.zeros((len(tracks.slots), tracks.frames, _JOINTS, 3), np.float32)
    valid = np.zeros(positions.shape[:3], bool)
    numbers = _parse_joints(path, lines, tracks)
    slot, frame, _ = np.array(tracks.places).T
    with np.errstate(over="ignore"):  # a number beyond float32 becomes infinite, and Sequence says where it stands
        positions[slot, frame] = numbers[..., :3]
    valid[slot, frame] = numbers[..., -1] > 0
    if not (finite := np.isfinite(positions)).all():
        positions[~valid & ~finite.all(-1)] = 0.0
    name = NAME.fullmatch(path.stem)
    _, camera, subject, _, action = (int(part) for part in name.groups()) if name else (None,) * 5
    return Sequence(
        positions=positions,
        skeleton=NTU25,
        valid=valid,
        fps=FPS,
        label=None if action is None else action - 1,
        subject=subject,
        camera=camera,
        source=str(path),
    )


def _read_lines(path: Path) -> Text:
    """The lines of the file; trailing blank lines and a byte order mark are dropped."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ReadError(f"{path}: cannot be read ({error.strerror}). Check the path and its permissions.") from error
    content = content.removeprefix(codecs.BOM_UTF8)
    if not content.isascii():
        at = next(place for place, byte in enumerate(content) if byte > 127)
        raise ReadError(
            f"{path}: not a .skeleton file: byte {at} is not text. If it is an archive, unpack it first. {FETCH_AGAIN}"
        )
    if content.isspace() or not content:
        raise ReadError(f"{path}: the file is empty. {FETCH_AGAIN}")
    return Text(content)


def _count(path: Path, lines: Text, at: int, what: str, frame: int | None = None) -> int:
    """The whole number alone on line `at` (from 0)."""
    text = lines[at].strip() if at < lines.count else ""
    if text.isdecimal() and len(text) <= _COUNT_DIGITS:
        return int(text)
    where = f"{path}, line {at + 1}" + ("" if frame is None else f" (frame {frame})")
    if at >= lines.count:
        raise ReadError(
            f"{where}: the file ends where {what} should be; its first line promises {lines[0]}. {FETCH_AGAIN}"
        )
    raise ReadError(f"{where}: expected {what}, found '{text[:40]}'. {FETCH_AGAIN}")


def _find_bodies(path: Path, lines: Text) -> _Tracks:
    """Walks through frames and bodies without looking at the joints' numbers."""
    tracks = _Tracks(_count(path, lines, 0, "the number of frames"))
    if tracks.frames == 0 and lines.count == 1:
        raise EmptyRecording(f"{path}, line 1: the file says that it has 0 frames. Leave it out.")
    at = 1
    for frame in range(tracks.frames):
        if at >= lines.count:
            raise ReadError(
                f"{path}, line {at + 1}: the file is cut off: line 1 promises {tracks.frames} frames, "
                f"it ends after {frame}. {FETCH_AGAIN}"
            )
        bodies = _count(path, lines, at, "the number of bodies", frame)
        at += 1
        seen: set[str] = set()
        for _ in range(bodies):
            at = _find_body(path, lines, at, frame, tracks, seen)
    if at < lines.count:
        raise ReadError(
            f"{path}, line {at + 1}: the file goes on after the {tracks.frames} frames that line 1 promises. "
            f"{FETCH_AGAIN}"
        )
    return tracks


def _find_body(path: Path, lines: Text, at: int, frame: int, tracks: _Tracks, seen: set[str]) -> int:
    """Notes the body whose line of 10 fields is `at`; returns the index of the line after its joints."""
    fields = lines[at].split() if at < lines.count else []
    if at < lines.count and len(fields) != 10:
        raise ReadError(
            f"{path}, line {at + 1} (frame {frame}): a body's line has 10 fields, this has {len(fields)}. {FETCH_AGAIN}"
        )
    joints = _count(path, lines, at + 1, "the number of joints", frame)
    if joints != _JOINTS:
        raise ReadError(
            f"{path}, line {at + 2} (frame {frame}): {joints} joints, but a Kinect v2 skeleton has {_JOINTS}. "
            "Use the reader of the format that this file is really in."
        )
    if at + 2 + _JOINTS > lines.count:
        raise ReadError(
            f"{path}, line {lines.count + 1} (frame {frame}): the file is cut off in the middle of a body; "
            f"line 1 promises {tracks.frames} frames. {FETCH_AGAIN}"
        )
    body = fields[0]
    if body in seen:
        raise ReadError(f"{path}, line {at + 1} (frame {frame}): body {body} is in this frame twice. {FETCH_AGAIN}")
    seen.add(body)
    slot = tracks.slots.setdefault(body, len(tracks.slots))
    tracks.places.append((slot, frame, at + 2))
    return at + 2 + _JOINTS


def _parse_joints(path: Path, lines: Text, tracks: _Tracks) -> npt.NDArray[np.float64]:
    """x, y, z and tracking state of the joints of all places (places, 25, 4); finite where the state is above 0."""
    first = np.array([place for _, _, place in tracks.places])
    rows = (first[:, None] + np.arange(_JOINTS)).ravel()
    try:
        numbers = lines.columns(rows, _FIELDS, _COLUMNS)
    except ValueError:  # something is odd: what, and whether it matters, the lines tell one by one
        numbers = np.array([_parse_joint(line) for row in rows.tolist() for line in [lines[row]]])
    state = numbers[:, 3]
    broken = (state != 0) & (state != 1) & (state != 2)
    if not (finite := np.isfinite(numbers)).all():
        broken |= (state != 0) & ~finite.all(-1)
    if broken.any():
        place, joint = divmod(int(broken.argmax()), _JOINTS)
        _, frame, line = tracks.places[place]
        raise ReadError(
            f"{path}, line {line + joint + 1} (frame {frame}, {NTU25.joints[joint]}): a joint's line has {_FIELDS} "
            "numbers, finite coordinates unless the joint is lost, the last one its tracking state 0, 1 or 2; "
            f"found '{lines[line + joint].strip()[:60]}'. {FETCH_AGAIN}"
        )
    return numbers.reshape(-1, _JOINTS, len(_COLUMNS))


def _parse_joint(line: str) -> list[float]:
    """x, y, z and tracking state of a joint; all four are not numbers where the line does not hold a joint."""
    try:
        numbers = [float(word) for word in line.split()]
    except ValueError:
        numbers = []
    return [numbers[column] if len(numbers) == _FIELDS else np.nan for column in _COLUMNS]


def write(path: Path, sequence: Sequence) -> None:
    """Writes a Sequence (M, T, 25, 3) in metres as a `.skeleton` file with CR LF ends, as NTU's are.

    Valid joints get tracking state 2, others 0. A body without valid joints is left out of a frame, except out of the
    first, which names every person so that `read` finds the same persons in the same order. Depth and colour pixels
    come from the nominal intrinsics of the Kinect v2; orientations are zero. Raises ReadError if the skeleton is not
    NTU25 in 3D, StorageError if the file cannot be written.
    """
    if sequence.skeleton.joints != NTU25.joints or sequence.positions.shape[-1] != 3:
        raise ReadError(
            f"{sequence.source}: a .skeleton file holds the 25 joints of skeleton 'ntu25' in 3D, not "
            f"'{sequence.skeleton.name}' in {sequence.positions.shape[-1]}D. Choose another format."
        )
    rows = _joint_rows(sequence.positions.astype(np.float64), sequence.validity)
    present: Bools = np.asarray(sequence.validity.any(-1), bool)
    present[:, :1] = True
    template = "\r\n".join([" ".join(["%.7g"] * 11 + ["%d"])] * _JOINTS)
    blocks = [str(sequence.frames)]
    for frame in range(sequence.frames):
        persons = np.flatnonzero(present[:, frame]).tolist()
        blocks.append(str(len(persons)))
        for person in persons:
            blocks.append(f"{_FIRST_ID + person} 0 1 1 1 1 0 0 0 2")
            blocks.append(str(_JOINTS))
            blocks.append(template % tuple(rows[person, frame].ravel().tolist()))
    with writing(path):
        path.write_bytes(("\r\n".join(blocks) + "\r\n").encode("ascii"))


def _joint_rows(positions: npt.NDArray[np.float64], valid: Bools) -> npt.NDArray[np.float64]:
    """The 12 numbers of every joint (M, T, 25, 12)."""
    rows = np.zeros((*positions.shape[:3], _FIELDS))
    rows[..., :3] = np.where(valid[..., None], positions, 0.0)
    depth = np.maximum(rows[..., 2:3], 0.1)
    plane = rows[..., :2] / depth * np.array([1.0, -1.0])
    rows[..., 3:5] = np.where(valid[..., None], 365.5 * plane + np.array([256.0, 212.0]), 0.0)
    rows[..., 5:7] = np.where(valid[..., None], 1081.4 * plane + np.array([960.0, 540.0]), 0.0)
    rows[..., 11] = 2.0 * valid
    return rows
