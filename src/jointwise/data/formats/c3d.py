"""C3D files of marker positions, the standard of optical motion capture (c3d.org); read by the library ezc3d."""

from __future__ import annotations

import importlib.util
import struct
from pathlib import Path

import numpy as np

from jointwise.data.formats.files import FETCH_AGAIN, check_file
from jointwise.data.formats.format import HEAD_BYTES, Format, ReadOptions
from jointwise.data.formats.markers import marker_recording
from jointwise.data.formats.timing import rounded_fps
from jointwise.data.native.files import read_apart
from jointwise.data.sequence import Sequence
from jointwise.errors import ReadError

EXTRA = "formats"
_WORK = "jointwise.data.native.c3d:read_c3d"
_MEMORY_TIMES = 50.0  # ezc3d has objects for numbers of 2 bytes
_TEXTS = ("LABELS", "UNITS", "Y_SCREEN")  # parameters of the points
BLOCK = 512  # bytes: all places in a file are counted in them, from 1
# processor (Intel, DEC, MIPS) -> byte order in the letters of struct, and the byte with the sign of the scale
_PROCESSORS = {84: ("<", 15), 85: ("<", 13), 86: (">", 12)}
_COMPUTED = ("ANGLES", "FORCES", "MOMENTS", "POWERS", "SCALARS", "REACTIONS")  # points that are no places
_UNITS = {"m": "m", "cm": "cm", "mm": "mm", "meters": "m", "millimeters": "mm", "centimeters": "cm"}
_UP = {f"{sign}{axis}": ("-" if sign == "-" else "") + axis.lower() for sign in ("+", "-", "") for axis in "XYZ"}


def read(path: Path, options: ReadOptions) -> Sequence:
    """Read a C3D file.

    Args:
        path: The file.
        options: `fps` is used where the file has no rate.

    Returns:
        The recording (M, T, V, 3) in the file's unit and axes, a person for each subject whom the labels name. A marker
        whose residual is negative was not seen. Markers with names of joints become these joints.

    Raises:
        ReadError: ezc3d is not installed, or the file is missing, empty, damaged or without a frame rate.
        EmptyRecording: No marker is seen in any frame.
    """
    check_file(path)
    if importlib.util.find_spec("ezc3d") is None:
        raise ReadError(f'{path}: reading .c3d needs the library ezc3d: pip install "jointwise[{EXTRA}]"')
    _check_size(path)
    content, (points, seen) = read_apart(path, _WORK, _MEMORY_TIMES, FETCH_AGAIN, texts=(*_TEXTS, *_COMPUTED))
    texts: dict[str, list[str]] = content["texts"]
    points = np.where(seen, points, np.nan).transpose(2, 1, 0)
    labels = texts["LABELS"][: points.shape[1]]
    labels += [""] * (points.shape[1] - len(labels))
    computed = {label for key in _COMPUTED for label in texts[key] if label}
    kept = [place for place, label in enumerate(labels) if label not in computed]
    notes = []
    if len(kept) < len(labels):
        notes.append(f"{len(labels) - len(kept)} of the points are angles, forces and the like, and were left out.")
    units = _UNITS.get("".join(texts["UNITS"][:1]).lower())
    if units is None:
        notes.append("The file does not say its unit.")
    return marker_recording(
        path,
        [labels[place] for place in kept],
        points[:, kept],
        options,
        fps=_fps(path, content["rate"], options),
        units=units,
        up=_UP.get("".join(texts["Y_SCREEN"][:1]).upper()),  # upwards on the screen
        assumed=tuple(notes),
    )


def _check_size(path: Path) -> None:
    """Check that a file is as long as its header says: on one that is cut off, ezc3d can end the whole program."""
    size = path.stat().st_size
    with path.open("rb") as stream:
        head = stream.read(HEAD_BYTES)
    processor = _processor(head)
    if processor is None:
        raise ReadError(f"{path}: not a C3D file, or cut off ({size} bytes). {FETCH_AGAIN}")
    order, sign = processor
    _pointer, points, analog, first, last, _gap = struct.unpack_from(f"{order}6H", head)
    (start,) = struct.unpack_from(f"{order}H", head, 16)
    parameters = (head[0] - 1) * BLOCK
    frames = max(0, last - first + 1)  # the numbers of frames start again at 65,536
    needed = (start - 1) * BLOCK + frames * (4 * points + analog) * (4 if head[sign] & 0x80 else 2)
    if (start - 1) * BLOCK < parameters + head[parameters + 2] * BLOCK or size < needed:
        raise ReadError(
            f"{path}: damaged or cut off: its header tells of {frames} frames of {points} points, which need {needed} "
            f"bytes; it has {size}. {FETCH_AGAIN}"
        )


def _processor(head: bytes) -> tuple[str, int] | None:
    """The entry of _PROCESSORS for a file that begins so; None where it is no C3D file."""
    if len(head) < BLOCK or head[1] != 0x50 or not 2 <= head[0] <= 100:
        return None
    place = (head[0] - 1) * BLOCK + 3
    return _PROCESSORS.get(head[place]) if place < len(head) else None


def _fps(path: Path, rate: list[float], options: ReadOptions) -> float:
    """The rate of the markers; the user's where the file has none."""
    if rate and 0 < rate[0] < np.inf:
        return rounded_fps(rate[0])
    if options.fps is None:
        raise ReadError(f"{path}: POINT:RATE is {rate}. Say the frames per second (fps).")
    return float(options.fps)


def _detect(_path: Path, head: bytes) -> float:
    """1 for the mark of the format, and a block of parameters that names a processor."""
    return 0.0 if _processor(head) is None else 1.0


FORMAT = Format("c3d", ("*.c3d",), "Vicon, Qualisys, OptiTrack, Motion Analysis", _detect, read, extra=EXTRA)
