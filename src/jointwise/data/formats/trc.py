"""TRC files of marker positions, as OpenSim, OpenCap and Pose2Sim have them: text with tabs or commas.

- line 1: `PathFileType 4 (X/Y/Z) name`
- lines 2 and 3: names and values: DataRate CameraRate NumFrames NumMarkers Units OrigDataRate …
- line 4: `Frame# Time`, then the name of a marker every three columns; line 5: X1 Y1 Z1 …
- then a row for each frame. An empty field or NaN is a marker that was not seen.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from jointwise.data.formats.files import FETCH_AGAIN, read_bytes
from jointwise.data.formats.format import Format, ReadOptions
from jointwise.data.formats.markers import marker_recording
from jointwise.data.formats.timing import fps_of_times, rounded_fps
from jointwise.data.sequence import Sequence
from jointwise.errors import ReadError

_HEADER = 5  # lines before the first row
_UNITS = {"m": "m", "meter": "m", "meters": "m", "metre": "m", "metres": "m", "cm": "cm", "mm": "mm"}
_UNITS |= {"millimeter": "mm", "millimeters": "mm", "millimetre": "mm", "millimetres": "mm", "centimeters": "cm"}


def read(path: Path, options: ReadOptions) -> Sequence:
    """Read a TRC file.

    Args:
        path: The file.
        options: `fps` is used where the file has no rate.

    Returns:
        The recording (M, T, V, 3) in the file's unit. Markers with names of joints become these joints.

    Raises:
        ReadError: The file is missing, empty, cut off, or not laid out as above.
        EmptyRecording: No marker is seen in any frame.
    """
    lines = read_bytes(path).decode("utf-8-sig", errors="replace").splitlines()
    if len(lines) < _HEADER or not lines[0].startswith("PathFileType"):
        raise ReadError(
            f"{path}: not a TRC file, or cut off: it should begin with five lines, of which the first begins with "
            f"PathFileType. {FETCH_AGAIN}"
        )
    separator = "\t" if "\t" in lines[3] else ","
    settings = _settings(lines, separator)
    markers = [name.strip() for name in lines[3].split(separator)[2:]]
    while markers and not markers[-1]:
        markers.pop()
    if any(name for place, name in enumerate(markers) if place % 3):
        raise ReadError(
            f"{path}, line 4: the name of a marker should stand in every third column, in columns 3, 6, 9, …; found "
            f"'{lines[3].strip()[:60]}'. {FETCH_AGAIN}"
        )
    markers = markers[::3]
    times, points = _rows(path, lines, separator, markers)
    unit = _UNITS.get(settings.get("units", "").lower())
    notes = [] if unit else [f"The file does not say its unit (Units: '{settings.get('units', '')}')."]
    promised = settings.get("numframes", "")
    if promised.isdecimal() and promised.lstrip("0") != str(len(points)):
        notes.append(f"Line 3 promises {promised} frames, and the file has {len(points)}: it may be cut off.")
    return marker_recording(
        path,
        markers,
        points,
        options,
        fps=_fps(path, settings.get("datarate", ""), times, options),
        units=unit,
        assumed=tuple(notes),
    )


def _settings(lines: list[str], separator: str) -> dict[str, str]:
    """The names of line 2 in small letters -> the values of line 3."""
    keys, values = ([word.strip() for word in line.split(separator)] for line in lines[1:3])
    return {key.lower(): value for key, value in zip(keys, values, strict=False) if key}


def _rows(path: Path, lines: list[str], separator: str, markers: list[str]) -> tuple[list[float], np.ndarray]:
    """The times of the frames, and (T, markers, 3) where markers were; NaN where they were not seen."""
    times: list[float] = []
    rows: list[list[float]] = []
    width = 2 + 3 * len(markers)
    for number, line in enumerate(lines[_HEADER:], _HEADER + 1):
        fields = line.split(separator)
        if not any(field.strip() for field in fields):
            continue
        where = f"{path}, line {number} (frame {len(rows)})"
        if len(fields) < width or any(field.strip() for field in fields[width:]):
            raise ReadError(
                f"{where}: {len(fields)} columns, but the {len(markers)} markers of line 4 need {width}. {FETCH_AGAIN}"
            )
        try:
            numbers = [float(field) if field.strip() else np.nan for field in fields[1:width]]
        except ValueError as error:
            raise ReadError(f"{where}: a field is no number ({error}). {FETCH_AGAIN}") from error
        times.append(numbers[0])
        rows.append(numbers[1:])
    return times, np.array(rows, np.float64).reshape(len(rows), len(markers), 3)


def _fps(path: Path, rate: str, times: list[float], options: ReadOptions) -> float:
    """The rate that the file states, else that of its times, else the user's."""
    try:
        stated = float(rate)
    except ValueError:
        stated = 0.0
    fps = rounded_fps(stated) if 0 < stated < np.inf else (fps_of_times(times)[0] or options.fps)
    if fps is None:
        raise ReadError(f"{path}, line 3: DataRate is '{rate}', and the times do not rise. Say the rate (fps).")
    return float(fps)


def _detect(_path: Path, head: bytes) -> float:
    """1 for text that begins as such a file must."""
    return 1.0 if head.removeprefix(b"\xef\xbb\xbf").startswith(b"PathFileType") else 0.0


FORMAT = Format("trc", ("*.trc",), "OpenSim, OpenCap, Pose2Sim, Cortex", _detect, read)
