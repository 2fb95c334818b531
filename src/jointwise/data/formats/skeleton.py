"""NTU RGB+D `.skeleton` files: the text of the Kinect v2 recordings of NTU-60 and NTU-120.

The layout, from Shahroudy et al., CVPR 2016, and the data set's own MATLAB reader:

- a line with the number of frames;
- for each frame, a line with the number of bodies;
- for each body, a line of 10 fields: body id, clipped edges, confidence and state of the left and the right hand,
  restricted, lean x, lean y, tracking state; then a line with the number of joints;
- for each joint, a line of 12 numbers: x y z in metres, depth x y, colour x y, orientation w x y z, tracking state
  (0 lost, 1 inferred, 2 tracked).
"""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from jointwise.data.formats.files import FETCH_AGAIN
from jointwise.data.formats.format import Format, without_options
from jointwise.data.formats.text import Text
from jointwise.data.memory_limit import check_memory
from jointwise.data.sequence import Bools, Floats, Sequence
from jointwise.data.skeletons import NTU25
from jointwise.data.tracking import Detection, link_persons
from jointwise.errors import EmptyRecording, ReadError, writing

FPS = 30.0
_JOINTS = len(NTU25.joints)
NAME = re.compile(r"S(\d{3})C(\d{3})P(\d{3})R(\d{3})A(\d{3})")  # set-up, camera, subject, repetition, action
_MAX_COUNT_DIGITS = 9  # longer numbers are damaged, and int() refuses thousands of digits
_FIELDS = 12  # numbers in the line of a joint
_COLUMNS = (0, 1, 2, 11)  # of them, x, y, z and tracking state
SHARED_ID = (
    "Several bodies of a frame have one id, so persons are told apart by where they are. If that is wrong, give each "
    "body an id of its own."
)
_WINDOWS = re.compile(r"(?P<sign>[-+]?)(1\.#|nan\()(?P<kind>INF|IND|QNAN|SNAN)0*\)?", re.IGNORECASE)
_FIRST_ID = 72057594037931101  # body ids exceed 2**53, so they are kept as text: floats would merge them


@dataclass
class _Tracks:
    """Where the joint lines of each body are in the file."""

    frames: int
    slots: dict[str, int] = field(default_factory=dict)  # body id -> person slot
    repeated: bool = False  # a body id is in a frame more than once
    places: list[tuple[int, int, int]] = field(default_factory=list)  # slot, frame, index of the first joint line


def read(path: Path) -> Sequence:
    """Read a `.skeleton` file. Every frame is kept.

    Args:
        path: The file. Label (action - 1), subject and camera come from a name like `S001C001P001R001A001.skeleton`.
            Under other names they are unknown.

    Returns:
        The recording (M, T, 25, 3) in metres, one person for each body id in order of appearance. A joint is valid
        where the sensor tracked or inferred it and its coordinates are numbers. Joints of a body that is absent from a
        frame are zero and invalid. Where several bodies of a frame have one id, persons are linked from frame to frame.

    Raises:
        ReadError: The file is missing, empty, cut off, not text, or not laid out as above.
        EmptyRecording: The file has no frame, or no body in any of them.
    """
    path = Path(path)
    lines = _read_lines(path)
    tracks = _find_bodies(path, lines)
    if not tracks.slots:
        raise EmptyRecording(
            f"{path}: nobody is in any of its {tracks.frames} frames. NTU lists such files as missing skeletons: "
            "leave it out."
        )
    check_memory(path, (len(tracks.slots), tracks.frames, _JOINTS, 3), "bodies, frames, joints and coordinates")
    numbers = _parse_joints(path, lines, tracks)
    with np.errstate(over="ignore"):  # a number beyond float32 becomes infinite, and Sequence says where it stands
        points = numbers[..., :3].astype(np.float32)
    seen = numbers[..., -1] > 0
    assumed: tuple[str, ...] = ()
    if not tracks.repeated:
        positions, valid = _by_id(tracks, points, seen)
    else:
        positions, valid = _by_place(path, tracks, points, seen)
        assumed = (SHARED_ID,)
    name = NAME.fullmatch(path.stem)
    return Sequence(
        positions=positions,
        skeleton=NTU25,
        valid=valid,
        fps=FPS,
        label=int(name[5]) - 1 if name else None,
        subject=int(name[3]) if name else None,
        camera=int(name[2]) if name else None,
        source=str(path),
        assumed=assumed,
    )


def _by_id(tracks: _Tracks, points: Floats, seen: Bools) -> tuple[Floats, Bools]:
    """Positions (M, T, 25, 3) and validity (M, T, 25) with a slot for each body id.

    A tracked joint that is not a number is missing and stays NaN, so that it can be counted. A lost one becomes zero.
    """
    positions = np.zeros((len(tracks.slots), tracks.frames, _JOINTS, 3), np.float32)
    valid = np.zeros(positions.shape[:3], bool)
    slot, frame, _line = np.array(tracks.places).T
    positions[slot, frame] = np.where(seen[..., None] | np.isfinite(points).all(-1, keepdims=True), points, 0)
    valid[slot, frame] = seen & ~np.isnan(points).any(-1)
    return positions, valid


def _by_place(path: Path, tracks: _Tracks, points: Floats, seen: Bools) -> tuple[Floats, Bools]:
    """As `_by_id`, for bodies whose ids say nothing: each is linked to the nearest one of the frames before."""
    frames: list[list[Detection]] = [[] for _ in range(tracks.frames)]
    for (_slot, frame, _line), body, tracked in zip(tracks.places, points, seen, strict=True):
        frames[frame].append(Detection(np.where(tracked[:, None], body, np.float32(np.nan))))
    linked = link_persons(frames, _JOINTS, 3, FPS, source=path)
    return linked.positions, linked.valid


def _read_lines(path: Path) -> Text:
    """Read the lines of the file, without a byte order mark and without blank lines at its end."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ReadError(f"{path}: cannot be read ({error.strerror}). Check the path and its permissions.") from error
    content = content.removeprefix(codecs.BOM_UTF8)
    if not content.isascii():
        place = next(place for place, byte in enumerate(content) if byte > 127)
        raise ReadError(
            f"{path}: not a .skeleton file: byte {place} is not text. If it is an archive, unpack it first. "
            f"{FETCH_AGAIN}"
        )
    if content.isspace() or not content:
        raise ReadError(f"{path}: the file is empty. {FETCH_AGAIN}")
    return Text(content)


def _count(path: Path, lines: Text, at: int, what: str, frame: int | None = None) -> int:
    """The whole number that is alone on line `at` (from 0). what: the number's meaning, for messages."""
    text = lines[at].strip() if at < lines.count else ""
    if text.isdecimal() and len(text) <= _MAX_COUNT_DIGITS:
        return int(text)
    where = f"{path}, line {at + 1}" + ("" if frame is None else f" (frame {frame})")
    if at >= lines.count:
        raise ReadError(
            f"{where}: the file ends where {what} should be; its first line promises {lines[0]}. {FETCH_AGAIN}"
        )
    raise ReadError(f"{where}: expected {what}, found '{text[:40]}'. {FETCH_AGAIN}")


def _find_bodies(path: Path, lines: Text) -> _Tracks:
    """Walk through frames and bodies without parsing the numbers of the joints."""
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
            f"{path}, line {at + 1}: the file continues after the {tracks.frames} frames that line 1 promises. "
            f"{FETCH_AGAIN}"
        )
    return tracks


def _find_body(path: Path, lines: Text, at: int, frame: int, tracks: _Tracks, seen: set[str]) -> int:
    """Add the body whose line of 10 fields is `at` to `tracks`. Returns the index of the line after its joints."""
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
        tracks.repeated = True
    seen.add(body)
    slot = tracks.slots.setdefault(body, len(tracks.slots))
    tracks.places.append((slot, frame, at + 2))
    return at + 2 + _JOINTS


def _parse_joints(path: Path, lines: Text, tracks: _Tracks) -> npt.NDArray[np.float64]:
    """x, y, z and tracking state of all joints (places, 25, 4). They are numbers or NaN where the state is above 0."""
    first = np.array([place for _, _, place in tracks.places])
    rows = (first[:, None] + np.arange(_JOINTS)).ravel()
    try:
        numbers = lines.columns(rows, _FIELDS, _COLUMNS)
    except ValueError:  # a line is unusual: parse them one by one, to name the line if it is wrong
        numbers = np.array([_parse_joint(line) for row in rows.tolist() for line in [lines[row]]])
    state = numbers[:, 3]
    broken = (state != 0) & (state != 1) & (state != 2)
    if (infinite := np.isinf(numbers)).any():
        broken |= (state != 0) & infinite.any(-1)
    if broken.any():
        place, joint = divmod(int(broken.argmax()), _JOINTS)
        _, frame, line = tracks.places[place]
        raise ReadError(
            f"{path}, line {line + joint + 1} (frame {frame}, {NTU25.joints[joint]}): a joint's line has {_FIELDS} "
            "numbers, coordinates that are finite or NaN, the last one its tracking state 0, 1 or 2; "
            f"found '{lines[line + joint].strip()[:60]}'. {FETCH_AGAIN}"
        )
    return numbers.reshape(-1, _JOINTS, len(_COLUMNS))


def _parse_joint(line: str) -> list[float]:
    """x, y, z and tracking state of a joint; all four NaN if the line does not hold a joint."""
    words = line.split()
    try:
        return [_number(words[column]) if len(words) == _FIELDS else np.nan for column in _COLUMNS]
    except ValueError:
        return [np.nan] * len(_COLUMNS)


def _number(word: str) -> float:
    """The number that a word stands for, also one that is none as Windows programs print it: `-1.#IND`.

    >>> _number("-0.25"), _number("1.#QNAN"), _number("-1.#INF")
    (-0.25, nan, -inf)
    """
    if special := _WINDOWS.fullmatch(word):
        return float(f"{special['sign']}inf") if special["kind"] == "INF" else np.nan
    return float(word)


def write(path: Path, sequence: Sequence) -> None:
    """Write a `.skeleton` file with CR LF line ends, as NTU's files have.

    Valid joints get tracking state 2, others 0. A body without valid joints is left out of a frame. The first
    frame still names every person, so that `read` finds the same persons in the same order. Depth and colour pixels
    come from the nominal intrinsics of the Kinect v2; orientations are zero.

    Args:
        path: The file.
        sequence: The recording (M, T, 25, 3) in metres.

    Raises:
        ReadError: The skeleton is not NTU25 in 3D.
        StorageError: The file cannot be written.
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
    """The 12 numbers in the line of every joint (M, T, 25, 12)."""
    rows = np.zeros((*positions.shape[:3], _FIELDS))
    rows[..., :3] = np.where(valid[..., None], positions, 0.0)
    depth = np.maximum(rows[..., 2:3], 0.1)
    plane = rows[..., :2] / depth * np.array([1.0, -1.0])
    rows[..., 3:5] = np.where(valid[..., None], 365.5 * plane + np.array([256.0, 212.0]), 0.0)
    rows[..., 5:7] = np.where(valid[..., None], 1081.4 * plane + np.array([960.0, 540.0]), 0.0)
    rows[..., 11] = 2.0 * valid
    return rows


def _detect(_path: Path, head: bytes) -> float:
    """1 for text that begins with a number of frames, a number of bodies and a body of 10 fields."""
    lines = head.removeprefix(codecs.BOM_UTF8)[:4096].split(b"\n")
    counts = [line.split() for line in lines[:3]]
    if len(lines) < 2 or not all(len(words) == 1 and words[0].isdigit() for words in counts[:2]):
        return 0.0
    return 1.0 if int(counts[1][0]) == 0 or (len(counts) > 2 and len(counts[2]) == 10) else 0.0


FORMAT = Format("skeleton", ("*.skeleton",), "NTU RGB+D 60 and 120 (Kinect v2)", _detect, without_options(read))
