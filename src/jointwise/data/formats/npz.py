"""jointwise's own files: one recording as a NumPy `.npz`, which anybody can write with `numpy.savez`.

Only `positions` is required. A file that has no `positions` but one array that can be a recording is read like an
`.npy` file: its axes are found by rule.

- `positions`: (persons, frames, joints, 2 or 3), or (frames, joints, 2 or 3) for one person.
- `valid`: (persons, frames, joints) or (frames, joints), true where a joint was seen. Without it, a joint is valid
  where all its coordinates are finite.
- `fps`: frames per second; 30 without it.
- `confidence`: (persons, frames, joints) or (frames, joints), from 0 to 1, how sure a detector was.
- `axes`: the order of the axes of `positions` where it is another, such as `TMVC`: M persons, T frames, V joints, C
  coordinates. `valid` and `confidence` then have the same order without C.
- `units`, `up_axis`: the unit of the coordinates (`m`, `px`, …) and the axis that points up (`y`, `-y`, …), as text.
- `assumed`: what the file that this one was converted from did not say, as sentences.
- `label`, `subject`, `camera`: numbers of the class (from 0), the subject and the view.
- `joints`: the name of a known layout such as `coco17`, or the names of all joints. Joints that come in pairs are
  named `left_…` and `right_…`.

With names of joints, these may be given as well:

- `bones`: (bones, 2) pairs of names.
- `root`: the joint that is put at the origin.
- `up`, `lateral`: the axes (0 x, 1 y, 2 z) that point up and to the side.
- `layout`: a name for the layout.
"""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from jointwise.data.array_files import read_array
from jointwise.data.formats.arrays import MOST_PERSONS, array_recording, fits, in_order
from jointwise.data.formats.files import FETCH_AGAIN, check_file
from jointwise.data.formats.format import Format, ReadOptions
from jointwise.data.memory_limit import check_memory
from jointwise.data.sequence import Sequence
from jointwise.data.skeletons import SKELETONS, Skeleton, get_skeleton, unnamed_skeleton
from jointwise.errors import ConfigError, JointwiseError, ReadError, writing

Content = Mapping[str, npt.NDArray[Any]]  # key -> array
INT32_MAX = 2**31 - 1  # label, subject and camera of a store are 32-bit numbers


def read(path: Path, options: ReadOptions | None = None) -> Sequence:
    """Read a file with the keys above. Units stay as they are.

    Args:
        path: The file.
        options: What the user says, for files without `positions`.

    Returns:
        The recording. Joints without names become `joint_0`, `joint_1`, …, a layout without bones.

    Raises:
        ReadError: The file is missing, empty or damaged, or holds something else: many recordings, Python objects,
            another shape, a value of the wrong kind, or coordinates that are not finite where `valid` is true.
    """
    path = Path(path)
    content = _load(path)
    if "x_train" in content:
        raise ReadError(
            f"{path}: 'x_train' says that this file holds many recordings, not one. Use it as a data set: --data {path}"
        )
    if "positions" not in content:
        return _bare(path, content, options or ReadOptions())
    content = _ordered(path, content)
    positions = _numbers(path, "positions", content["positions"])
    if positions.ndim not in (3, 4) or positions.shape[-1] not in (2, 3) or not positions.size:
        raise ReadError(
            f"{path}: 'positions' has shape {positions.shape}, expected (persons, frames, joints, 2 or 3), or (frames, "
            "joints, 2 or 3) for one person, no axis empty. Bring the axes into this order, or save it beside them: "
            "axes='TMVC' (T frames, M persons, V joints, C coordinates)."
        )
    if positions.ndim == 4 and positions.shape[0] > max(MOST_PERSONS, positions.shape[1]) and "axes" not in content:
        raise ReadError(
            f"{path}: 'positions' has shape {positions.shape}: {positions.shape[0]} persons in {positions.shape[1]} "
            "frames. The axes seem to be exchanged: the order is (persons, frames, joints, coordinates). Save another "
            "order beside it, as axes='TMVC'; or axes='MTVC' if there are so many persons."
        )
    with np.errstate(over="ignore"):  # a number beyond float32 becomes infinite, and Sequence says where it stands
        positions = positions.astype(np.float32)
    return Sequence(
        positions=positions,
        skeleton=_skeleton(path, content, positions.shape[-2]),
        valid=_valid(path, content, positions),
        fps=_fps(path, content),
        label=_whole_number(path, content, "label", INT32_MAX),
        subject=_whole_number(path, content, "subject", INT32_MAX),
        camera=_whole_number(path, content, "camera", INT32_MAX),
        source=str(path),
        confidence=_confidence(path, content, positions),
        units=str(_texts(path, content, "units")) if "units" in content else None,
        up=str(_texts(path, content, "up_axis")) if "up_axis" in content else None,
        assumed=tuple(_texts(path, content, "assumed").ravel().tolist()) if "assumed" in content else (),
    )


def _bare(path: Path, content: Content, options: ReadOptions) -> Sequence:
    """A file without `positions`, if one of its arrays alone can be a recording."""
    arrays = {
        key: array
        for key, array in content.items()
        if array.ndim >= 3 and array.dtype.kind in "fiu" and (fits(array.shape) or options.layout is not None)
    }
    if len(arrays) != 1:
        raise ReadError(
            f"{path}: no array 'positions' (found: {', '.join(content) or 'nothing'}). "
            "Save one of shape (persons, frames, joints, coordinates)."
        )
    ((key, array),) = arrays.items()
    sequence = array_recording(path, array, options)
    told = f"There is no array 'positions': '{key}' is read as the coordinates."
    if "fps" in content and options.fps is None:
        sequence = replace(sequence, fps=_fps(path, content))
    return replace(sequence, assumed=(told, *sequence.assumed))


def _ordered(path: Path, content: Content) -> Content:
    """The arrays in the order persons, frames, joints, coordinates, where `axes` says that theirs is another."""
    if "axes" not in content:
        return content
    axes = str(_texts(path, content, "axes"))
    positions = _numbers(path, "positions", content["positions"])
    place = axes.find("V")
    if len(axes) != positions.ndim or place < 0:
        raise ReadError(
            f"{path}: 'axes' is {axes!r}, but 'positions' has shape {positions.shape}. Give a letter for each axis: M "
            "persons, T frames, V joints, C coordinates, as in TMVC."
        )
    joints = positions.shape[place]
    ordered = dict(content)
    try:
        for key in ("positions", "valid", "confidence"):
            if key in content:
                order = axes if key == "positions" else axes.replace("C", "")
                ordered[key] = in_order(content[key], order, joints)
    except JointwiseError as error:
        raise ReadError(f"{path}: {error}") from error
    if "valid" in ordered:
        ordered["valid"] = ordered["valid"] != 0
    return ordered


def _confidence(path: Path, content: Content, positions: npt.NDArray[np.float32]) -> npt.NDArray[np.float32] | None:
    if "confidence" not in content:
        return None
    confidence = _numbers(path, "confidence", content["confidence"])
    if confidence.shape != positions.shape[:-1]:
        raise ReadError(
            f"{path}: 'confidence' has shape {confidence.shape}, expected {positions.shape[:-1]}, as many as joints."
        )
    return confidence.astype(np.float32)


def _load(path: Path) -> Content:
    check_file(path)
    try:
        with path.open("rb") as stream:  # np.load would leave a damaged file open
            if stream.read(6) == np.lib.format.MAGIC_PREFIX:
                raise ReadError(f"{path}: a single array, not an .npz file. Give it the ending .npy.")
            if not zipfile.is_zipfile(stream):
                raise ReadError(f"{path}: not an .npz file, or cut off ({path.stat().st_size} bytes). {FETCH_AGAIN}")
            stream.seek(0)
            with zipfile.ZipFile(stream) as archive:
                found = {entry.filename.removesuffix(".npy"): entry for entry in archive.infolist()}
                if "x_train" in found:  # it may be larger than the memory, so nothing of its file is loaded
                    return dict.fromkeys(found, np.empty(0))
                check_memory(path, [sum(entry.file_size for entry in found.values())], "its arrays in bytes", 1)
                return {key: _array(path, archive, entry) for key, entry in found.items()}
    except ReadError:
        raise
    except Exception as error:  # on a damaged archive NumPy raises nearly anything; a false size is a MemoryError
        raise ReadError(
            f"{path}: damaged or not an .npz file ({path.stat().st_size} bytes; {error}). {FETCH_AGAIN}"
        ) from error


def _array(path: Path, archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> npt.NDArray[Any]:
    key = entry.filename.removesuffix(".npy")
    if key == entry.filename:
        raise ReadError(f"{path}: '{key}' is no NumPy array. Save the file with numpy.savez.")
    try:
        with archive.open(entry) as stream:
            return read_array(stream, entry.file_size)
    except ValueError as error:
        if "allow_pickle" not in str(error):
            raise
        raise ReadError(  # unpickling them could run code
            f"{path}: '{key}' holds Python objects, which are not loaded. Save arrays of numbers, or of text."
        ) from error


def _numbers(path: Path, key: str, array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    if array.dtype.kind not in "fiu":
        raise ReadError(f"{path}: '{key}' has type {array.dtype}, expected real numbers.")
    return array


def _valid(path: Path, content: Content, positions: npt.NDArray[np.float32]) -> npt.NDArray[np.bool_]:
    if "valid" not in content:
        return np.asarray(np.isfinite(positions).all(-1), bool)
    valid = content["valid"]
    if valid.shape != positions.shape[:-1] or valid.dtype.kind not in "biu":
        raise ReadError(
            f"{path}: 'valid' has shape {valid.shape} and type {valid.dtype}, expected true or false of shape "
            f"{positions.shape[:-1]}. Without it, the joints whose coordinates are not finite count as missing."
        )
    return valid.astype(bool)


def _fps(path: Path, content: Content) -> float:
    if "fps" not in content:
        return 30.0
    fps = _numbers(path, "fps", content["fps"])
    if fps.size != 1 or not 0 < float(fps.item()) < np.inf:
        raise ReadError(f"{path}: 'fps' is {fps.tolist()}, expected one number above 0.")
    return float(fps.item())


def _whole_number(path: Path, content: Content, key: str, highest: int) -> int | None:
    if key not in content:
        return None
    array = content[key]
    if array.dtype.kind not in "iu" or array.size != 1 or not 0 <= int(array.item()) <= highest:
        remedy = "For names, use numbers, or put names into dataset.yaml (subject_pattern)." if key == "subject" else ""
        raise ReadError(
            f"{path}: '{key}' is {array.tolist()!r}, expected one whole number from 0 to {highest}. {remedy}".rstrip()
        )
    return int(array.item())


def _texts(path: Path, content: Content, key: str) -> npt.NDArray[np.str_]:
    array = content[key]
    if array.dtype.kind not in "U" and array.size:
        raise ReadError(f"{path}: '{key}' has type {array.dtype}, expected text.")
    return array.astype(str)


def _skeleton(path: Path, content: Content, count: int) -> Skeleton:
    """The layout that `joints` names, or spells out together with the keys beside it."""
    details = [key for key in ("bones", "root", "up", "lateral", "layout") if key in content]
    if "joints" not in content:
        if details:
            raise ReadError(f"{path}: '{details[0]}' without 'joints'. Save the names of the {count} joints as well.")
        return unnamed_skeleton(count)
    joints = _texts(path, content, "joints")
    try:
        if joints.ndim == 0:
            skeleton = get_skeleton(str(joints))
        else:
            skeleton = _spelled_out(path, content, tuple(joints.ravel().tolist()), bool(details))
    except ConfigError as error:
        raise ReadError(f"{path}: 'joints': {error}") from error
    if len(skeleton.joints) != count:
        raise ReadError(
            f"{path}: 'joints' names {len(skeleton.joints)} joints ({skeleton.name}), but 'positions' has {count} "
            f"(shape {content['positions'].shape}). Which is right?"
        )
    return skeleton


def _spelled_out(path: Path, content: Content, joints: tuple[str, ...], detailed: bool) -> Skeleton:
    """The layout of these joints: a known one if nothing but its names is given, else one of the file's own."""
    known = next((skeleton for skeleton in SKELETONS.values() if skeleton.joints == joints), None)
    if known is not None and not detailed:
        return known
    bones = _texts(path, content, "bones") if "bones" in content else np.empty((0, 2), str)
    if bones.size and (bones.ndim != 2 or bones.shape[1] != 2):
        raise ReadError(f"{path}: 'bones' has shape {bones.shape}, expected (bones, 2): pairs of names of joints.")
    text = {key: str(_texts(path, content, key)) if key in content else None for key in ("root", "layout")}
    axes = {key: _whole_number(path, content, key, 2) for key in ("up", "lateral")}
    return Skeleton(
        name=text["layout"] or f"joints{len(joints)}",
        joints=joints,
        bones=tuple((str(parent), str(child)) for parent, child in bones.reshape(-1, 2)),
        root=text["root"],
        **axes,
    )


def write(path: Path, sequence: Sequence) -> None:
    """Write a recording so that `read` restores all of it but its `source`.

    Args:
        path: The file. Its name is kept as it is, whatever its ending.
        sequence: The recording.

    Raises:
        StorageError: The file cannot be written.
    """
    skeleton = sequence.skeleton
    content: dict[str, Any] = {
        "positions": sequence.positions,
        "valid": sequence.validity,
        "fps": np.float64(sequence.fps),
    }
    for key in ("label", "subject", "camera"):
        if getattr(sequence, key) is not None:
            content[key] = np.int64(getattr(sequence, key))
    if sequence.confidence is not None:
        content["confidence"] = sequence.confidence
    texts = {"units": sequence.units, "up_axis": sequence.up, "assumed": sequence.assumed or None}
    content |= {key: np.array(value) for key, value in texts.items() if value is not None}
    if SKELETONS.get(skeleton.name) == skeleton:
        content["joints"] = np.array(skeleton.name)
    elif skeleton != unnamed_skeleton(len(skeleton.joints)):
        content["joints"] = np.array(skeleton.joints)
        content["bones"] = np.array(skeleton.bones, str).reshape(-1, 2)
        content["layout"] = np.array(skeleton.name)
        details = {"root": skeleton.root, "up": skeleton.up, "lateral": skeleton.lateral}
        content |= {key: np.array(value) for key, value in details.items() if value is not None}
    if sequence.persons > max(MOST_PERSONS, sequence.frames):  # without a word it is taken for exchanged axes
        content["axes"] = np.array("MTVC")
    path = Path(path)
    with writing(path), path.open("wb") as file:  # given a path, savez would append .npz to any other ending
        np.savez_compressed(file, **content)


def _detect(_path: Path, head: bytes) -> float:
    """1 for a zip archive whose first files are arrays."""
    return 1.0 if head.startswith(b"PK\x03\x04") and b".npy" in head[:200] else 0.0


FORMAT = Format("npz", ("*.npz",), "jointwise, numpy.savez", _detect, read)
