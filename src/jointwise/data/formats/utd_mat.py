"""UTD-MHAD's MATLAB files (Chen, Jafari, Kehtarnavaz, ICIP 2015): `d_skel` (20 joints, 3 coordinates, T frames)."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from jointwise.data.formats.files import FETCH_AGAIN
from jointwise.data.formats.format import Format, without_options
from jointwise.data.formats.mat_check import check_mat
from jointwise.data.sequence import Sequence
from jointwise.data.skeletons import KINECT20
from jointwise.errors import ReadError

NAME = re.compile(r"a(\d+)_s(\d+)_t(\d+)_skeleton$")  # action, subject and trial, from 1


def read(path: Path) -> Sequence:
    """Read a file of UTD-MHAD.

    Args:
        path: The file. Label (action - 1) and subject come from a name like `a1_s1_t1_skeleton.mat`. Under other names
            they are unknown.

    Returns:
        The recording (1, T, 20, 3) in metres in camera coordinates, 30 frames per second, every joint valid.

    Raises:
        ReadError: The file is missing or damaged, has no `d_skel` or one of another shape, or holds coordinates that
            are not numbers.
    """
    import scipy.io  # imported here because it takes longer than all other readers together

    check_mat(path)
    try:
        content = scipy.io.loadmat(path)
    except Exception as error:  # on a damaged file scipy may raise almost anything
        raise ReadError(
            f"{path}: damaged or not a MATLAB file ({path.stat().st_size} bytes; {error}). {FETCH_AGAIN}"
        ) from error
    if "d_skel" not in content:
        found = ", ".join(sorted(key for key in content if not key.startswith("__"))) or "nothing"
        raise ReadError(f"{path}: no variable 'd_skel' (found: {found}). Is this a UTD-MHAD skeleton file?")
    array = content["d_skel"]
    joints = len(KINECT20.joints)
    if array.ndim != 3 or array.shape[:2] != (joints, 3) or not array.shape[2] or array.dtype.kind not in "fiu":
        raise ReadError(
            f"{path}: 'd_skel' has shape {array.shape} and type {array.dtype}, expected real numbers "
            f"({joints}, 3, frames) with at least one frame. Only Kinect v1 skeletons are read from .mat files."
        )
    name = NAME.match(path.stem)
    with np.errstate(over="ignore"):  # a number beyond float32 becomes infinite, and Sequence says where it stands
        positions = np.ascontiguousarray(array.transpose(2, 0, 1), dtype=np.float32)
    return Sequence(
        positions=positions,
        skeleton=KINECT20,
        fps=30.0,
        label=int(name[1]) - 1 if name else None,
        subject=int(name[2]) if name else None,
        source=str(path),
    )


def _detect(_path: Path, head: bytes) -> float:
    """1 for MATLAB's files with the name of the variable in it; less where it may be compressed."""
    if not head.startswith(b"MATLAB 5.0"):
        return 0.0
    return 1.0 if b"d_skel" in head else 0.5


FORMAT = Format("utd_mat", ("*.mat",), "UTD-MHAD", _detect, without_options(read))
