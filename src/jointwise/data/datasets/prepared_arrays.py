"""Prepared data in the arrays of CTR-GCN and MAMP (`.npz`), and what they share with the pickles of PYSKL.

Each file is a data set of its own and holds its split. Absent persons and frames are padded with zeros or copies, which
must not be taken for real ones.
"""

from __future__ import annotations

import math
import re
import zipfile
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from jointwise.data.array_files import read_array, read_header
from jointwise.data.datasets.folder import name_from_path, revision_of
from jointwise.data.datasets.label_numbers import check_numbers
from jointwise.data.datasets.ntu import ACTIONS
from jointwise.data.datasets.source import DataSource, Index, Recordings, Split, assign_parts, file_stamp
from jointwise.data.findings import Finding
from jointwise.data.formats.files import FETCH_AGAIN
from jointwise.data.sequence import Bools, Floats, Sequence
from jointwise.data.skeletons import NTU25, Skeleton
from jointwise.data.store.reader import Description, Parts
from jointwise.errors import DataError, EmptyRecording, ReadError

MOST_CLASSES = 100_000  # larger labels are identities or damaged, not classes
FPS = 30.0  # of NTU RGB+D; neither kind of file states it
_NUMBER_KINDS = "fiu"  # NumPy's kinds of floats and whole numbers
_LABEL_KINDS = "fiub"  # y_train and y_test may be one-hot of true and false as well
NTU_TERMS = "research use only: made from NTU RGB+D, terms of its authors"
NTU_CLASSES = (60, 120)  # of NTU RGB+D 60 and 120
_SPLITS = {  # word of a file's name, in small letters -> name of the split, and the split in words
    "cs": ("xsub", "cross-subject"),
    "csub": ("xsub", "cross-subject"),
    "xsub": ("xsub", "cross-subject"),
    "cv": ("xview", "cross-view"),
    "cview": ("xview", "cross-view"),
    "xview": ("xview", "cross-view"),
    "cset": ("xset", "cross-setup"),
    "xset": ("xset", "cross-setup"),
}


def class_names(count: int, ntu: bool) -> tuple[str, ...]:
    """Name classes whose names the file does not hold.

    Args:
        count: Number of classes.
        ntu: Whether the file was made from NTU RGB+D.

    Returns:
        The actions of NTU RGB+D 60 or 120 for as many classes, else `class 1`, `class 2`, …
    """
    if ntu and count in NTU_CLASSES:
        return ACTIONS[:count]
    return tuple(f"class {number}" for number in range(1, count + 1))


def seen_joints(positions: Floats) -> Bools:
    """Which joints were seen, where only coordinates say it.

    A body whose joints are all at 0, 0, 0 is padding; a single joint there is a centred root. NaN is a missing joint.

    Args:
        positions: (M, T, V, C) coordinates.

    Returns:
        (M, T, V) validity mask.
    """
    present = ((positions != 0) & ~np.isnan(positions)).any((2, 3))
    valid: Bools = present[..., None] & ~np.isnan(positions).any(-1)
    return valid


def real_persons(source: str, positions: Floats, valid: Bools) -> tuple[Floats, Bools]:
    """Drop the person slots that are padding: those that are never valid, and copies of an earlier one.

    Args:
        source: Name of the recording, for messages.
        positions: (M, T, V, C) coordinates.
        valid: (M, T, V) validity mask.

    Returns:
        The positions and validity mask of the other slots.

    Raises:
        EmptyRecording: No slot is left.
    """
    kept: list[int] = []
    for slot in np.flatnonzero(valid.any((1, 2))).tolist():
        copies = (
            np.array_equal(positions[slot], positions[other], equal_nan=True) and (valid[slot] == valid[other]).all()
            for other in kept
        )
        if not any(copies):
            kept.append(slot)
    if not kept:
        raise EmptyRecording(f"{source}: nobody in it: every joint of every frame is zero or without score.")
    return positions[kept], valid[kept]


@dataclass(frozen=True)
class _Header:
    """The header of an .npy inside the archive.

    Args:
        begin: Byte at which the first row begins.
        shape: Shape of the whole array.
        dtype: Type of its numbers.
    """

    begin: int
    shape: tuple[int, ...]
    dtype: np.dtype[Any]

    @property
    def row_bytes(self) -> int:
        return math.prod(self.shape[1:]) * self.dtype.itemsize


def _read_header(path: Path, archive: zipfile.ZipFile, key: str, kinds: str = _NUMBER_KINDS) -> _Header:
    """Raise DataError unless the array has numbers of these kinds, lies in C order and is complete."""
    with archive.open(f"{key}.npy") as file:
        try:
            shape, fortran, dtype = read_header(file)
        except ValueError as error:
            raise DataError(f"{path}: '{key}' is not a plain NumPy array ({error}). {FETCH_AGAIN}") from error
        header = _Header(file.tell(), shape, dtype)
    if dtype.kind not in kinds or dtype.itemsize > 8:
        raise DataError(f"{path}: '{key}' has type {dtype}, expected real numbers. Save it as float32.")
    if fortran and len(shape) > 1:
        raise DataError(
            f"{path}: '{key}' lies in Fortran order, in which a recording is scattered over the whole file. Save it "
            f"again with numpy.ascontiguousarray({key})."
        )
    size = archive.getinfo(f"{key}.npy").file_size
    promised = math.prod(shape) * dtype.itemsize
    if size != header.begin + promised:
        raise DataError(
            f"{path}: '{key}' of shape {shape} needs {promised} bytes, but has {size - header.begin}. {FETCH_AGAIN}"
        )
    return header


class _RowReader:
    """Reads single rows of the arrays in an archive.

    Reading on to the next row costs one row, in a compressed archive too. `numpy.load` would read the whole array: it
    ignores `mmap_mode` for .npz files.
    """

    def __init__(self, path: Path, headers: Mapping[str, _Header], labels: Mapping[str, npt.NDArray[np.int64]]) -> None:
        self.path = path
        self.headers = headers
        self.labels = labels
        self._stream: IO[bytes] | None = None
        self._key = ""  # key of the array that is open
        self._damage: dict[str, str] = {}  # array -> its damage: no row behind it can be read

    def read(self, item: tuple[str, int]) -> Sequence:
        """Read the recording in row `item[1]` of array `item[0]`, without the padding behind its last frame."""
        key, row = item
        header = self.headers[key]
        source = f"{self.path.name}: {key}[{row}]"
        try:
            block = self._read_block(key, row)
        except (OSError, EOFError, zipfile.BadZipFile, zlib.error) as error:
            self._damage.setdefault(key, str(error))
            self._close()
            raise ReadError(f"{source}: damaged ({error}). {FETCH_AGAIN}") from error
        with np.errstate(over="ignore"):  # a number beyond float32 becomes infinite, and Sequence says where it stands
            numbers = np.frombuffer(block, header.dtype).astype(np.float32)
        positions = numbers.reshape(header.shape[1], -1, len(NTU25.joints), 3).transpose(1, 0, 2, 3)
        positions, valid = real_persons(source, positions, seen_joints(positions))
        frames = int(np.flatnonzero(valid.any((0, 2)))[-1]) + 1
        return Sequence(
            positions=np.ascontiguousarray(positions[:, :frames]),
            skeleton=NTU25,
            valid=valid[:, :frames],
            fps=FPS,
            label=int(self.labels[key][row]),
            source=source,
        )

    def _read_block(self, key: str, row: int) -> bytes:
        header = self.headers[key]
        if key in self._damage:
            raise OSError(self._damage[key])
        if self._stream is None or self._key != key:
            self._close()
            archive = zipfile.ZipFile(self.path)
            self._key = key
            self._stream = archive.open(f"{key}.npy")  # it stays open until the last row, so that seeking is cheap
        self._stream.seek(
            header.begin + row * header.row_bytes
        )  # a compressed stream reads on, or from the start again
        block: bytes = self._stream.read(header.row_bytes)
        if len(block) != header.row_bytes:
            raise EOFError("the file is cut off")
        if row == header.shape[0] - 1:
            self._close()
        return block

    def _close(self) -> None:
        if self._stream is not None:
            self._stream.close()
            self._stream = None

    def __del__(self) -> None:
        self._close()


def _read_labels(path: Path, archive: zipfile.ZipFile, key: str, rows: int) -> tuple[npt.NDArray[np.int64], int]:
    """The class of each row (N,) and the number of classes, from one-hot (N, K) or whole numbers (N,)."""
    header = _read_header(path, archive, key, _LABEL_KINDS)
    with archive.open(f"{key}.npy") as file:
        array = read_array(file, archive.getinfo(f"{key}.npy").file_size)
    if header.shape[:1] != (rows,) or array.ndim not in (1, 2) or (array.ndim == 1 and array.dtype.kind not in "iu"):
        raise DataError(
            f"{path}: '{key}' has shape {header.shape} and type {header.dtype}, expected {rows} rows, as there are "
            f"recordings: one-hot ({rows}, classes), or whole numbers ({rows},)."
        )
    if array.ndim == 1:
        if array.min() < 0:
            raise DataError(f"{path}: '{key}' has a negative class, {array.min()}. Classes count from 0.")
        check_class(f"{path}: '{key}'", int(array.max()))
        return array.astype(np.int64), int(array.max()) + 1
    check_class(f"{path}: '{key}'", array.shape[1] - 1)
    hot = array > 0
    broken = np.flatnonzero((hot.sum(1) != 1) | ((array != 0).sum(1) != 1))  # NaN counts as not 0 and not above 0
    if len(broken):
        raise DataError(
            f"{path}: '{key}' is not one-hot in row {broken[0]}: it needs exactly one number above 0, and else zeros."
        )
    return hot.argmax(1).astype(np.int64), array.shape[1]


def check_class(source: str, label: int) -> None:
    """Check that a label is small enough to be a class.

    Args:
        source: Where the label stands, for the message.
        label: The class, from 0.

    Raises:
        DataError: The label is too large.
    """
    if label >= MOST_CLASSES:
        raise DataError(
            f"{source} has class {label}, but jointwise works with at most {MOST_CLASSES:,} classes, counted from 0. "
            "Number the classes without gaps, or check that these are the labels."
        )


def source_of(path: Path) -> DataSource:
    """Describe the data set in an archive of x_train, y_train, x_test and y_test.

    Args:
        path: The .npz file.

    Returns:
        The description of the data set, its recordings and its split.

    Raises:
        DataError: The file holds something else.
        ReadError: The file is damaged.
    """
    headers: dict[str, _Header] = {}
    labels: dict[str, npt.NDArray[np.int64]] = {}
    counts: list[int] = []
    one_hot: set[bool] = set()
    try:
        with zipfile.ZipFile(path) as archive:
            found = [name.removesuffix(".npy") for name in archive.namelist() if name.endswith(".npy")]
            missing = [key for key in ("x_train", "y_train", "x_test", "y_test") if key not in found]
            if missing:
                raise DataError(_not_a_data_set(path, missing, found))
            for part in ("train", "test"):
                key = f"x_{part}"
                headers[key] = header = _read_header(path, archive, key)
                if len(header.shape) != 3 or header.shape[2] not in (75, 150) or min(header.shape) < 1:
                    raise DataError(
                        f"{path}: '{key}' has shape {header.shape}, expected (recordings, frames, 150) in the order 2 "
                        "persons × 25 joints × 3 coordinates (or 75 for one person). Bring the axes into this order."
                    )
                labels[key], count = _read_labels(path, archive, f"y_{part}", header.shape[0])
                counts.append(count)
                one_hot.add(len(_read_header(path, archive, f"y_{part}", _LABEL_KINDS).shape) == 2)
    except (OSError, EOFError, zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError) as error:
        raise ReadError(f"{path}: damaged or not a .npz file ({error}). {FETCH_AGAIN}") from error
    classes = max(counts)
    if one_hot == {True} and len(set(counts)) > 1:
        raise DataError(f"{path}: 'y_train' has {counts[0]} classes, 'y_test' {counts[1]}. Give both the same columns.")
    words = re.split(r"[^a-z0-9]+", path.stem.lower())
    name, about = next((_SPLITS[word] for word in words if word in _SPLITS), ("file", "as in the file"))
    items = {f"{key}[{row}]": (key, row) for key, header in headers.items() for row in range(header.shape[0])}
    return prepared_source(
        path,
        skeleton=NTU25,
        coordinates=3,
        classes=class_names(classes, ntu=True),
        recordings=lambda _root: Recordings(
            items, _RowReader(path, headers, labels).read, stamp=lambda _item: file_stamp(path), parallel=False
        ),
        splits={name: Split(f"{about} (x_train and x_test of the file)", _part_of_each_array)},
        count=len(items),
        terms=NTU_TERMS if classes in NTU_CLASSES else "",
        findings=check_numbers(np.concatenate(list(labels.values())).tolist()),
    )


def _not_a_data_set(path: Path, missing: list[str], found: list[str]) -> str:
    hint = "Save x_train, y_train, x_test and y_test with numpy.savez."
    if "positions" in found:
        hint = (
            "It is one recording: give `jointwise predict` the file, or --data a folder with a folder for each class "
            "(to pre-train: any folder of recordings)."
        )
    return f"{path}: no array '{missing[0]}' (found: {', '.join(found) or 'nothing'}). {hint}"


def _part_of_each_array(_index: Index, names: list[str]) -> Parts:
    return assign_parts(np.array([name.startswith("x_train") for name in names]))


def prepared_source(
    path: Path,
    *,
    skeleton: Skeleton,
    classes: tuple[str, ...],
    coordinates: int,
    terms: str,
    recordings: Callable[[Path | None], Recordings],
    splits: Mapping[str, Split],
    count: int,
    findings: tuple[Finding, ...] = (),
) -> DataSource:
    """Describe the data set in a prepared file of any kind.

    Args:
        path: The file.
        skeleton: The joint layout.
        classes: Names of the classes in label order.
        coordinates: 2 or 3.
        terms: Terms of use; empty where unknown.
        recordings: As in `DataSource`.
        splits: As in `DataSource`.
        count: Number of recordings.
        findings: As in `DataSource`.

    Returns:
        The description of the data set, its recordings and splits.
    """
    description = Description(
        data=name_from_path(path), skeleton=skeleton, classes=classes, coordinates=coordinates, terms=terms
    )
    return DataSource(
        title=path.name,
        description=description,
        recordings=recordings,
        splits=splits,
        count=count,
        origin=str(path),
        path=path,
        revision=revision_of(path),
        findings=findings,
    )
