"""The Wolf motor function test before a Kinect v2 (WMFT_JBHI): raw float32, frame by frame 25 × (x, y, z).

The data of *Using data from the Microsoft Kinect 2 to quantify upper limb behavior: a feasibility study* (IEEE JBHI,
2017). The files are arrays without a header, little-endian: metres in the camera space of the sensor, its own joints.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from jointwise.data.formats.files import FETCH_AGAIN, read_bytes
from jointwise.data.formats.format import Format, without_options
from jointwise.data.sequence import Sequence
from jointwise.data.skeletons import NTU25
from jointwise.errors import ReadError

FPS = 30.0  # of the sensor; the files do not state it
NAME = re.compile(r"S(\d+)_([a-z]+)_task(\d+)", re.IGNORECASE)  # subject, condition and task, from 1
_FRAME_BYTES = len(NTU25.joints) * 3 * 4


def read(path: Path) -> Sequence:
    """Read a file of WMFT.

    The condition (healthy, mild, moderate) is ignored: it is no action, and jointwise makes no diagnosis.

    Args:
        path: The file. Label (task - 1) and subject come from a name like `S01_healthy_task01.bin`. Under other names
            they are unknown.

    Returns:
        The recording (1, T, 25, 3) in metres, y up, every joint valid.

    Raises:
        ReadError: The file is missing, empty or cut off, or holds coordinates that are not numbers.
    """
    path = Path(path)
    content = read_bytes(path)
    if len(content) % _FRAME_BYTES:
        raise ReadError(
            f"{path}: {len(content)} bytes are no whole number of frames of {_FRAME_BYTES} bytes (25 joints × 3 float32"
            f"): the file is cut off or of another kind. {FETCH_AGAIN}"
        )
    name = NAME.fullmatch(path.stem)
    return Sequence(
        positions=np.frombuffer(content, "<f4").reshape(1, -1, len(NTU25.joints), 3).astype(np.float32),
        skeleton=NTU25,
        fps=FPS,
        label=None if name is None else int(name[3]) - 1,
        subject=None if name is None else int(name[1]),
        source=str(path),
    )


def _detect(path: Path, head: bytes) -> float:
    """Above 0 for a name of WMFT: the files have no header."""
    return 0.9 if NAME.fullmatch(path.stem) and path.suffix.lower() == ".bin" and head else 0.0


FORMAT = Format("wmft", ("*_task*.bin",), "WMFT (Kinect v2)", _detect, without_options(read))
