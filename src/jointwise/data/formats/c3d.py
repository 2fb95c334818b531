"""C3D files of marker positions, the standard of optical motion capture (c3d.org); read by the library ezc3d."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from jointwise.data.formats.files import FETCH_AGAIN, check_file
from jointwise.data.formats.format import Format, ReadOptions
from jointwise.data.formats.markers import marker_recording
from jointwise.data.formats.timing import rounded_fps
from jointwise.data.sequence import Sequence
from jointwise.errors import ReadError

EXTRA = "formats"
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

    if not _is_c3d(path):
        raise ReadError(f"{path}: not a C3D file ({path.stat().st_size} bytes). {FETCH_AGAIN}")
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


def _is_c3d(path: Path) -> bool:
    """Whether a file begins as C3D does; ezc3d would read on behind the end of some others."""
    with path.open("rb") as stream:
        return _detect(path, stream.read(2)) > 0


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
    """1 for the second byte 0x50 behind the number of the parameter block, and a sane number of that block."""
    return 1.0 if len(head) > 1 and head[1] == 0x50 and 2 <= head[0] <= 100 else 0.0


FORMAT = Format("c3d", ("*.c3d",), "Vicon, Qualisys, OptiTrack, Motion Analysis", _detect, read, extra=EXTRA)
