"""C3D files of marker positions, the standard of optical motion capture (c3d.org); read by the library ezc3d."""

from __future__ import annotations

import importlib.util
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from jointwise.data.formats.files import FETCH_AGAIN, check_file
from jointwise.data.formats.format import HEAD_BYTES, Format, ReadOptions
from jointwise.data.formats.markers import marker_recording
from jointwise.data.formats.timing import rounded_fps
from jointwise.data.sequence import Sequence
from jointwise.errors import ReadError

EXTRA = "formats"
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
    import ezc3d  # an extra

    _check_size(path)
    try:
        content = ezc3d.c3d(str(path))
        parameters = content["parameters"]["POINT"]
        points = np.asarray(content["data"]["points"], np.float64)[:3]
        seen = np.asarray(content["data"]["meta_points"]["residuals"])[0] >= 0
    except Exception as error:  # on a damaged file the library raises nearly anything
        raise ReadError(
            f"{path}: damaged or cut off ({path.stat().st_size} bytes; {str(error)[:200]}). {FETCH_AGAIN}"
        ) from error
    points = np.where(seen, points, np.nan).transpose(2, 1, 0)
    labels = _texts(parameters, "LABELS")[: points.shape[1]]
    labels += [""] * (points.shape[1] - len(labels))
    computed = {label for key in _COMPUTED for label in _texts(parameters, key) if label}
    kept = [place for place, label in enumerate(labels) if label not in computed]
    notes = []
    if len(kept) < len(labels):
        notes.append(f"{len(labels) - len(kept)} of the points are angles, forces and the like, and were left out.")
    units = _UNITS.get("".join(_texts(parameters, "UNITS")[:1]).lower())
    if units is None:
        notes.append("The file does not say its unit.")
    return marker_recording(
        path,
        [labels[place] for place in kept],
        points[:, kept],
        options,
        fps=_fps(path, parameters, options),
        units=units,
        up=_UP.get("".join(_texts(parameters, "Y_SCREEN")[:1]).upper()),  # upwards on the screen
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


def _texts(parameters: Mapping[str, Any], key: str) -> list[str]:
    """The texts of a parameter and of its continuations (LABELS, LABELS2, …), as a parameter holds at most 255."""
    texts: list[str] = []
    number = 1
    while (name := key if number == 1 else f"{key}{number}") in parameters:
        texts += [str(text).strip() for text in np.ravel(parameters[name]["value"]).tolist()]
        number += 1
    return texts


def _fps(path: Path, parameters: Mapping[str, Any], options: ReadOptions) -> float:
    """The rate of the markers; the user's where the file has none."""
    rates = np.ravel(parameters["RATE"]["value"]) if "RATE" in parameters else np.zeros(0)
    if len(rates) and 0 < float(rates[0]) < np.inf:
        return rounded_fps(float(rates[0]))
    if options.fps is None:
        raise ReadError(f"{path}: POINT:RATE is {rates.tolist()}. Say the frames per second (fps).")
    return float(options.fps)


def _detect(_path: Path, head: bytes) -> float:
    """1 for the mark of the format, and a block of parameters that names a processor."""
    return 0.0 if _processor(head) is None else 1.0


FORMAT = Format("c3d", ("*.c3d",), "Vicon, Qualisys, OptiTrack, Motion Analysis", _detect, read, extra=EXTRA)
