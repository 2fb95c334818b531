"""`skeleton_pos.txt` of the SBU Kinect Interaction data set (Yun et al., CVPRW 2012): two persons of 15 joints, OpenNI.

A line per frame: its number, then 2 persons × 15 joints × (x, y, z), normalised. The rule that the data set publishes,

    x = 1280 - 2560 x',   y = 960 - 1920 y',   z = 10000 / 7.8125 z',

gives millimetres, not pixels. Two measurements show it:

- Bones keep their length over time: their median coefficient of variation is 0.9 %, from neck to torso 0.06 %. A
  pin-hole back-projection of x' and y' as parts of a 640 × 480 image lets them vary by 3.4 % at best, for any focal
  length from 300 to 580 pixels.
- Bones have the lengths of bones: a thigh 0.43 m, an upper arm 0.29 m.

The axes are then those of the other Kinect data: y up, z away from the sensor, x to the sensor's left. They are
right-handed, so a person's left is on the left of the direction in which the person looks.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import numpy.typing as npt

from jointwise.data.formats.files import FETCH_AGAIN, read_bytes
from jointwise.data.formats.format import Format, without_options
from jointwise.data.sequence import Sequence
from jointwise.data.skeletons import SBU15
from jointwise.errors import ReadError

FPS = 15.0  # of the recordings; the files do not state it
NAME = re.compile(r"s(\d\d)s(\d\d)/(\d\d)/(\d+)")  # of the folders: the two actors, action from 1, take
_PERSONS = 2
_JOINTS = len(SBU15.joints)
_COLUMNS = 1 + _PERSONS * _JOINTS * 3
_ORIGIN = np.array([1.28, 0.96, 0.0])  # metres = origin + scale * normalised
_SCALE = np.array([-2.56, -1.92, 1.28])


def read(path: Path) -> Sequence:
    """Read a `skeleton_pos.txt`.

    Args:
        path: The file. Label (action - 1) and subject (actors s01s02 -> 102) come from the folders `s01s02/03/001` it
            lies in. In other folders they are unknown.

    Returns:
        The recording (2, T, 15, 3) in metres. Every joint is valid, because the files mark none as lost.

    Raises:
        ReadError: The file is missing or empty, or has another number of columns, something that is not a number, or
            frames that do not follow one another.
    """
    path = Path(path)
    table = _parse(path, read_bytes(path))
    gaps = np.flatnonzero(np.diff(table[:, 0]) != 1)
    if len(gaps):
        line = int(gaps[0]) + 1
        raise ReadError(
            f"{path}, line {line + 1}: frame {table[line, 0]:g} follows frame {table[line - 1, 0]:g}. {FETCH_AGAIN}"
        )
    normalised = table[:, 1:].reshape(-1, _PERSONS, _JOINTS, 3)
    name = NAME.fullmatch("/".join(path.parts[-4:-1]))
    with np.errstate(over="ignore"):  # a number beyond float32 becomes infinite, and Sequence says where it stands
        positions = (_ORIGIN + _SCALE * normalised).transpose(1, 0, 2, 3).astype(np.float32)
    return Sequence(
        positions=positions,
        skeleton=SBU15,
        fps=FPS,
        label=None if name is None else int(name[3]) - 1,
        subject=None if name is None else 100 * int(name[1]) + int(name[2]),
        source=str(path),
    )


def _parse(path: Path, content: bytes) -> npt.NDArray[np.float64]:
    """The (T, 91) numbers of the file."""
    rows = []
    for number, line in enumerate(content.decode("ascii", errors="replace").splitlines(), 1):
        if not line.strip():
            continue
        fields = line.strip().rstrip(",").split(",")
        if len(fields) != _COLUMNS:
            raise ReadError(
                f"{path}, line {number}: {len(fields)} columns, expected {_COLUMNS}: the frame, then 2 persons × 15 "
                f"joints × (x, y, z). {FETCH_AGAIN}"
            )
        try:
            rows.append([float(field) for field in fields])
        except ValueError as error:
            raise ReadError(f"{path}, line {number}: not a number ({error}). {FETCH_AGAIN}") from error
    if not rows:
        raise ReadError(f"{path}: not one frame in it. {FETCH_AGAIN}")
    return np.array(rows)


def _detect(_path: Path, head: bytes) -> float:
    """1 for lines of a frame's number and 90 coordinates with commas between."""
    line = head.partition(b"\n")[0].strip().rstrip(b",").split(b",")
    return 1.0 if len(line) == _COLUMNS and line[0].strip().isdigit() else 0.0


FORMAT = Format("sbu", ("skeleton_pos.txt",), "SBU Kinect Interaction", _detect, without_options(read))
