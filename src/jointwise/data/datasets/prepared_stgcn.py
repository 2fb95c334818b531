"""Prepared data in the arrays of ST-GCN and 2s-AGCN: `train_data_joint.npy` (N, C, T, V, M) and `train_label.pkl`.

The two parts of a split lie beside each other as `train_…` and `val_…`. Any of the files names the data set.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from jointwise.data.array_files import load_array
from jointwise.data.datasets.label_numbers import check_actions, check_numbers
from jointwise.data.datasets.prepared_arrays import (
    FPS,
    NTU_CLASSES,
    NTU_TERMS,
    check_class,
    class_names,
    prepared_source,
    real_persons,
    seen_joints,
)
from jointwise.data.datasets.source import DataSource, Index, Recordings, Split, assign_parts, file_stamp
from jointwise.data.formats import restricted_pickle
from jointwise.data.formats.files import FETCH_AGAIN
from jointwise.data.formats.skeleton import NAME as NTU_NAME
from jointwise.data.sequence import Floats, Sequence
from jointwise.data.skeletons import MAX_JOINTS, MIN_JOINTS, NTU25, OPENPOSE18, Skeleton, unnamed_skeleton
from jointwise.data.store.reader import ALL_ABOUT, Parts
from jointwise.errors import DataError, ReadError

KIND = "ST-GCN and 2s-AGCN"
_NAME = re.compile(r"(?P<part>train|val|test)_data(?P<stream>\w*)")
_SCORED = ("val", "test")  # names of the part that is scored
_LAYOUTS: dict[tuple[int, int], tuple[Skeleton, int]] = {  # (joints, channels) -> layout, coordinates
    (25, 3): (NTU25, 3),
    (18, 3): (OPENPOSE18, 2),  # Kinetics-skeleton: x, y and confidence
}


def are_labels(content: Any) -> bool:
    """Whether a pickle holds labels as of ST-GCN: a list of names, and as many numbers.

    Args:
        content: What the pickle holds.
    """
    if not isinstance(content, list | tuple) or len(content) < 2 or not isinstance(content[0], list | tuple):
        return False
    numbers = np.asarray(content[1])
    named = all(isinstance(name, str) for name in content[0])
    return named and numbers.shape == (len(content[0]),) and numbers.dtype.kind in "iu"


@dataclass(frozen=True)
class _Part:
    """One array, with the name and the class of each of its rows."""

    path: Path
    array: npt.NDArray[Any]
    names: list[str]
    labels: list[int]


def source_of(path: Path) -> DataSource:
    """Describe the data set in arrays `train_data….npy` and `val_data….npy`, with the labels beside them.

    Args:
        path: One of the arrays.

    Returns:
        The description of the data set, its recordings and its split. Without a part that is scored, all train.

    Raises:
        DataError: The file holds something else, or its labels are missing or do not fit.
        ReadError: A file is damaged.
    """
    match = _NAME.fullmatch(path.stem)
    if match is None:
        raise DataError(
            f"{path}: a data set of arrays (.npy) is called train_data_joint.npy, with train_label.pkl, val_data_joint."
            f"npy and val_label.pkl beside it, as of {KIND}. A single recording belongs in a folder: name the folder."
        )
    if any(word in match["stream"] for word in ("bone", "motion")):
        raise DataError(f"{path}: holds bones or motions, not positions of joints. Name train_data_joint.npy instead.")
    others = [path.with_name(f"{part}_data{match['stream']}{path.suffix}") for part in ("train", *_SCORED)]
    parts = {_NAME.fullmatch(file.stem)["part"]: _open(file) for file in others if file.is_file()}  # type: ignore[index]
    shapes = {part.array.shape[1:] for part in parts.values()}
    if len({(shape[0], shape[2]) for shape in shapes}) > 1:
        raise DataError(f"{path}: the parts have different shapes: {', '.join(map(str, sorted(shapes)))}.")
    channels, _, joints, _ = next(iter(shapes))
    layout, coordinates = _LAYOUTS.get((joints, channels)) or (unnamed_skeleton(joints), channels)
    names = [name for part in parts.values() for name in part.names]
    unique = len(set(names)) == len(names)
    items = {
        name if unique else f"{part}[{row}]": (part, row)
        for part, content in parts.items()
        for row, name in enumerate(content.names)
    }
    labels = [label for part in parts.values() for label in part.labels]
    from_ntu = all(NTU_NAME.fullmatch(name) for name in names)
    findings = check_actions(path, zip(names, labels, strict=True))
    ntu = from_ntu and not findings
    count = max(labels) + 1
    scored = next((part for part in _SCORED if part in parts), None)
    rule = partial(_parts_of, {name: part for name, (part, _row) in items.items()}, scored)
    about = ALL_ABOUT if scored is None or "train" not in parts else f"as in the files (train and {scored})"
    return prepared_source(
        path,
        skeleton=layout,
        coordinates=coordinates,
        classes=class_names((60 if count <= 60 else 120) if ntu and 50 < count <= 120 else count, ntu),
        recordings=lambda _root: Recordings(
            items, partial(_read, parts, layout, coordinates), partial(_stamp, parts), parallel=False
        ),
        splits={"file": Split(about, rule)},
        count=len(items),
        terms=NTU_TERMS if from_ntu else "",
        findings=findings or check_numbers(labels, NTU_CLASSES if ntu else ()),
    )


def _open(path: Path) -> _Part:
    """Open an array without loading it, and load its labels."""
    try:
        array = load_array(path, mmap_mode="r")
    except (OSError, ValueError) as error:
        raise ReadError(f"{path}: damaged or not a .npy file ({error}). {FETCH_AGAIN}") from error
    if array.ndim != 5 or array.shape[1] not in (2, 3) or array.dtype.kind not in "fiu" or not array.size:
        raise DataError(
            f"{path}: shape {array.shape} of type {array.dtype}, expected real numbers of shape (recordings, 2 or 3 "
            f"coordinates, frames, joints, persons), as {KIND} have it. Bring the axes into this order."
        )
    if not MIN_JOINTS <= array.shape[3] <= MAX_JOINTS:
        raise DataError(f"{path}: {array.shape[3]} joints. jointwise works with {MIN_JOINTS} to {MAX_JOINTS} joints.")
    place = path.with_name(path.name.partition("_data")[0] + "_label.pkl")
    if not place.is_file():
        raise DataError(f"{path}: beside it is no {place.name}, which names its recordings and their classes.")
    content = restricted_pickle.load(place)
    if not are_labels(content) or len(content[0]) != len(array):
        raise DataError(
            f"{place}: expected the labels of {path.name}: a list of {len(array)} names and a list of as many classes."
        )
    labels = [int(label) for label in content[1]]
    if min(labels) < 0:
        raise DataError(f"{place}: has a negative class, {min(labels)}. Classes count from 0.")
    check_class(str(place), max(labels))
    return _Part(path, array, [re.sub(r"\.skeleton$", "", name) for name in content[0]], labels)


def _parts_of(part_of: dict[str, str], scored: str | None, _index: Index, names: list[str]) -> Parts:
    train = np.array([part_of[name] == "train" or scored is None for name in names])
    test = np.array([part_of[name] == scored for name in names])
    return assign_parts(train | ~train.any(), test & train.any())


def _stamp(parts: dict[str, _Part], item: tuple[str, int]) -> str:
    path = parts[item[0]].path
    return f"{file_stamp(path)} {parts[item[0]].labels[item[1]]}"


def _read(parts: dict[str, _Part], skeleton: Skeleton, coordinates: int, item: tuple[str, int]) -> Sequence:
    """Read one row, without persons and frames that are padding."""
    key, row = item
    part = parts[key]
    source = f"{part.path.name}: {part.names[row]} [{row}]"
    with np.errstate(over="ignore"):  # a number beyond float32 becomes infinite, and Sequence says where it stands
        block = np.array(part.array[row], np.float32).transpose(3, 1, 2, 0)  # (C, T, V, M) -> (M, T, V, C)
    positions = np.ascontiguousarray(block[..., :coordinates])
    valid = seen_joints(positions)
    if coordinates < block.shape[-1]:
        valid &= block[..., coordinates] > 0
    positions, valid = real_persons(source, positions, valid)
    frames = min(int(np.flatnonzero(valid.any((0, 2)))[-1]) + 1, _frames_before_loop(positions[0]))
    name = NTU_NAME.fullmatch(part.names[row])
    return Sequence(
        positions=positions[:, :frames],
        skeleton=skeleton,
        valid=valid[:, :frames],
        fps=FPS,
        label=part.labels[row],
        subject=int(name[3]) if name else None,
        camera=int(name[2]) if name else None,
        source=source,
    )


def _frames_before_loop(positions: Floats) -> int:
    """Number of frames before a person (T, V, C) is played again from the start: 2s-AGCN fills up clips like that."""
    count = len(positions)
    for frame in np.flatnonzero((positions[2:] == positions[:1]).all((1, 2))) + 2:
        if np.array_equal(positions[frame:], positions[: count - frame]) and (positions[1] != positions[0]).any():
            return int(frame)
    return count
