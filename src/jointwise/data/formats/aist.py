"""AIST++ (Li et al., ICCV 2021): pickles of 3D keypoints, COCO-17, centimetres, 60 frames per second."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from jointwise.data.formats import restricted_pickle
from jointwise.data.formats.format import Format, without_options
from jointwise.data.sequence import Sequence
from jointwise.data.skeletons import COCO17
from jointwise.errors import ReadError

_KEYS = ("keypoints3d_optim", "keypoints3d")  # the optimised ones have steadier bones


def read(path: Path) -> Sequence:
    """Read a file of `keypoints3d/`.

    Args:
        path: The file.

    Returns:
        The recording (1, T, 17, 3) in centimetres, y up; joints that are NaN are missing.

    Raises:
        ReadError: The file is missing or damaged, or holds something else, such as the SMPL parameters of `motions/`.
    """
    path = Path(path)
    content = restricted_pickle.load(path)
    keys = tuple(content) if isinstance(content, dict) else ()
    if "smpl_poses" in keys:
        raise ReadError(
            f"{path}: parameters of the SMPL body. Its joints need the SMPL model, which has a licence of its own and "
            "does not come with jointwise. Use the file of the same name in AIST++'s keypoints3d/."
        )
    key = next((key for key in _KEYS if key in keys), None)
    if key is None:
        found = ", ".join(map(str, keys)) or type(content).__name__
        raise ReadError(f"{path}: no 'keypoints3d' (found: {found}). Is this a file of AIST++'s keypoints3d/?")
    array = np.asarray(content[key])
    if array.ndim != 3 or array.shape[1:] != (len(COCO17.joints), 3) or not len(array) or array.dtype.kind not in "fiu":
        raise ReadError(f"{path}: '{key}' has shape {array.shape}, expected (frames, {len(COCO17.joints)}, 3).")
    positions = array.astype(np.float32)
    told: tuple[str, ...] = ("AIST++'s conventions are assumed: centimetres, y up, 60 frames per second.",)
    if key == _KEYS[0] and _KEYS[1] in keys:
        told = (*told, "Of the two kinds in the file the optimised keypoints are read.")
    return Sequence(
        positions=positions,
        skeleton=COCO17,
        valid=np.asarray(np.isfinite(positions).all(-1), bool),
        fps=60.0,
        source=str(path),
        units="cm",
        up="y",
        assumed=told,
    )


def _detect(_path: Path, head: bytes) -> float:
    """1 for a pickle with the keys of AIST++."""
    is_pickle = head.startswith((b"\x80", b"(dp"))
    return 1.0 if is_pickle and (b"keypoints3d" in head or b"smpl_poses" in head) else 0.0


FORMAT = Format("aist", ("*.pkl",), "AIST++ (keypoints3d/)", _detect, without_options(read))
