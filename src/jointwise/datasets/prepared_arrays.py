"""Files in which the field passes on prepared data: arrays of CTR-GCN and MAMP (`.npz`), pickles of PYSKL (`.pkl`).

Each is a data set of its own, with the split that the file brings along. Both pad: trap 1 of the field is to take the
padding for a person.
"""

from __future__ import annotations

import re
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from jointwise.datasets import restricted_pickle
from jointwise.datasets.folder import data_name, revision_of
from jointwise.datasets.ntu import NAME as NTU_NAME
from jointwise.datasets.ntu_actions import ACTIONS
from jointwise.datasets.source import DataSource, Index, Recordings, Split, parts
from jointwise.errors import DataError, EmptyRecording, ReadError
from jointwise.formats.files import check_file
from jointwise.sequence import Bools, Floats, Sequence
from jointwise.skeletons import COCO17, NTU25, Skeleton, nameless
from jointwise.store import Description, Parts

ENDINGS = (".npz", ".pkl")
FPS = 30.0  # of NTU RGB+D; neither kind of file tells
_NTU_TERMS = "research use only: made from NTU RGB+D, terms of its authors"
_AGAIN = "Copy or download it again."
_SPLITS = {  # parts of file names, in small letters -> name and words of the split
    **dict.fromkeys(("cs", "csub", "xsub"), ("xsub", "cross-subject")),
    **dict.fromkeys(("cv", "cview", "xview"), ("xview", "cross-view")),
    **dict.fromkeys(("cset", "xset"), ("xset", "cross-setup")),
}


def source_of(path: Path) -> DataSource:
    """The data set in a `.npz` (x_train, y_train, x_test, y_test) or `.pkl` (split, annotations) file.

    Raises DataError for a file of another kind or content, ReadError for a damaged one or a pickle that is more than
    containers and arrays.
    """
    if path.suffix.lower() not in ENDINGS:
        raise DataError(f"{path}: prepared data sets are files that end in {' or '.join(ENDINGS)}, or folders.")
    check_file(path)
    return _arrays(path) if path.suffix.lower() == ".npz" else _pickle(path)


def _class_names(count: int, ntu: bool) -> tuple[str, ...]:
    if ntu and count in (60, 120):
        return ACTIONS[:count]
    return tuple(f"class {number}" for number in range(1, count + 1))


def _persons(source: str, positions: Floats, valid: Bools) -> tuple[Floats, Bools]:
    """The real person slots of (M, T, V, C), (M, T, V): never valid ones and copies of an earlier one are dropped.

    Raises EmptyRecording when none is left.
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


# --- arrays of CTR-GCN and MAMP ---


@dataclass(frozen=True)
class _Header:
    """Of an .npy inside the archive: where its first row begins, and what a row is."""

    begin: int
    shape: tuple[int, ...]
    dtype: np.dtype[Any]

    @property
    def row_bytes(self) -> int:
        return int(np.prod(self.shape[1:], dtype=np.int64)) * self.dtype.itemsize


def _header(path: Path, archive: zipfile.ZipFile, key: str) -> _Header:
    """Raises DataError unless the array is real numbers (rows, …) in C order with all its bytes."""
    with archive.open(f"{key}.npy") as file:
        try:
            version = np.lib.format.read_magic(file)
            read = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}[version]
            shape, fortran, dtype = read(file)
        except (ValueError, KeyError) as error:
            raise DataError(f"{path}: '{key}' is not a plain NumPy array ({error}). {_AGAIN}") from error
        header = _Header(file.tell(), shape, dtype)
    if dtype.kind not in "fiu" or dtype.itemsize > 8:
        raise DataError(f"{path}: '{key}' has type {dtype}, expected real numbers. Save it as float32.")
    if fortran and len(shape) > 1:
        raise DataError(
            f"{path}: '{key}' lies in Fortran order, in which a recording is scattered over the whole file. Save it "
            f"again with numpy.ascontiguousarray({key})."
        )
    size, promised = archive.getinfo(f"{key}.npy").file_size, int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
    if size != header.begin + promised:
        raise DataError(
            f"{path}: '{key}' of shape {shape} needs {promised} bytes, but has {size - header.begin}. {_AGAIN}"
        )
    return header


class _Rows:
    """Reads single rows of the arrays in an archive; the next row costs only itself, in a compressed archive too.

    `numpy.load` cannot do that: it ignores `mmap_mode` for .npz files and reads the whole array.
    """

    def __init__(self, path: Path, headers: Mapping[str, _Header], labels: Mapping[str, npt.NDArray[np.int64]]) -> None:
        self.path, self.headers, self.labels = path, headers, labels
        self._stream: IO[bytes] | None = None
        self._key = ""  # of the array that is open
        self._broken: dict[str, str] = {}  # array -> what is wrong with it: nothing can be read behind the damage

    def read(self, item: tuple[str, int]) -> Sequence:
        """The recording in row `item[1]` of array `item[0]`: frames behind the last person are cut off as padding."""
        key, row = item
        header, source = self.headers[key], f"{self.path.name}: {key}[{row}]"
        try:
            block = self._block(key, row)
        except (OSError, EOFError, zipfile.BadZipFile, zlib.error) as error:
            self._broken.setdefault(key, str(error))
            self._close()
            raise ReadError(f"{source}: damaged ({error}). {_AGAIN}") from error
        with np.errstate(over="ignore"):  # a number beyond float32 becomes infinite, and Sequence says where it stands
            numbers = np.frombuffer(block, header.dtype).astype(np.float32)
        positions = numbers.reshape(header.shape[1], -1, len(NTU25.joints), 3).transpose(1, 0, 2, 3)
        present = (positions != 0).any((2, 3))  # a root at 0, 0, 0 is a centred root, a whole body there is none
        valid = np.repeat(present[..., None], len(NTU25.joints), -1)
        positions, valid = _persons(source, positions, valid)
        frames = int(np.flatnonzero(valid.any((0, 2)))[-1]) + 1
        return Sequence(
            positions=np.ascontiguousarray(positions[:, :frames]),
            skeleton=NTU25,
            valid=valid[:, :frames],
            fps=FPS,
            label=int(self.labels[key][row]),
            source=source,
        )

    def _block(self, key: str, row: int) -> bytes:
        header = self.headers[key]
        if key in self._broken:
            raise OSError(self._broken[key])
        if self._stream is None or self._key != key:
            self._close()
            archive = zipfile.ZipFile(self.path)
            self._key, self._stream = key, archive.open(f"{key}.npy")  # open until the last row: the place in it counts
        self._stream.seek(header.begin + row * header.row_bytes)  # forwards: reads on; backwards: begins anew
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


def _labels(path: Path, archive: zipfile.ZipFile, key: str, rows: int) -> tuple[npt.NDArray[np.int64], int]:
    """Class of each row and the number of classes, from one-hot (N, K) or whole numbers (N,)."""
    header = _header(path, archive, key)
    with archive.open(f"{key}.npy") as file:
        array = np.lib.format.read_array(file, allow_pickle=False)
    if header.shape[:1] != (rows,) or array.ndim not in (1, 2) or (array.ndim == 1 and array.dtype.kind not in "iu"):
        raise DataError(
            f"{path}: '{key}' has shape {header.shape} and type {header.dtype}, expected {rows} rows, as there are "
            f"recordings: one-hot ({rows}, classes), or whole numbers ({rows},)."
        )
    if array.ndim == 1:
        if array.min() < 0:
            raise DataError(f"{path}: '{key}' has a negative class, {array.min()}. Classes count from 0.")
        return array.astype(np.int64), int(array.max()) + 1
    broken = np.flatnonzero((array != 0).sum(1) != 1)
    if len(broken):
        raise DataError(
            f"{path}: '{key}' is not one-hot in row {broken[0]}: it needs exactly one number that is not 0."
        )
    return array.argmax(1).astype(np.int64), array.shape[1]


def _arrays(path: Path) -> DataSource:
    headers: dict[str, _Header] = {}
    labels: dict[str, npt.NDArray[np.int64]] = {}
    counts: list[int] = []
    one_hot: set[bool] = set()
    try:
        with zipfile.ZipFile(path) as archive:
            found = [name.removesuffix(".npy") for name in archive.namelist()]
            missing = [key for key in ("x_train", "y_train", "x_test", "y_test") if key not in found]
            if missing:
                raise DataError(_not_a_data_set(path, missing, found))
            for part in ("train", "test"):
                key = f"x_{part}"
                headers[key] = header = _header(path, archive, key)
                if len(header.shape) != 3 or header.shape[2] not in (75, 150) or 0 in header.shape:
                    raise DataError(
                        f"{path}: '{key}' has shape {header.shape}, expected (recordings, frames, 150) in the order 2 "
                        "persons × 25 joints × 3 coordinates (or 75 for one person). Bring the axes into this order."
                    )
                labels[key], count = _labels(path, archive, f"y_{part}", header.shape[0])
                counts.append(count)
                one_hot.add(len(_header(path, archive, f"y_{part}").shape) == 2)
    except (OSError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise ReadError(f"{path}: damaged or not a .npz file ({error}). {_AGAIN}") from error
    classes = max(counts)
    if one_hot == {True} and len(set(counts)) > 1:
        raise DataError(f"{path}: 'y_train' has {counts[0]} classes, 'y_test' {counts[1]}. Give both the same columns.")
    words = re.split(r"[^a-z0-9]+", path.stem.lower())
    name, about = next((_SPLITS[word] for word in words if word in _SPLITS), ("file", "as in the file"))
    items = {f"{key}[{row}]": (key, row) for key, header in headers.items() for row in range(header.shape[0])}
    return _source(
        path,
        skeleton=NTU25,
        coordinates=3,
        classes=_class_names(classes, ntu=True),
        recordings=lambda _root: Recordings(items, _Rows(path, headers, labels).read, parallel=False),
        splits={name: Split(f"{about} (x_train and x_test of the file)", _by_array)},
        count=len(items),
        terms=_NTU_TERMS if classes in (60, 120) else "",
    )


def _not_a_data_set(path: Path, missing: list[str], found: list[str]) -> str:
    hint = "Save x_train, y_train, x_test and y_test with numpy.savez."
    if "positions" in found:
        hint = (
            "It is one recording: give `jointwise predict` the file, or --data a folder with a folder for each class."
        )
    return f"{path}: no array '{missing[0]}' (found: {', '.join(found) or 'nothing'}). {hint}"


def _by_array(_index: Index, names: list[str]) -> Parts:
    return parts(np.array([name.startswith("x_train") for name in names]))


def _source(
    path: Path, skeleton: Skeleton, classes: tuple[str, ...], coordinates: int, terms: str, **more: Any
) -> DataSource:
    description = Description(
        data=data_name(path), skeleton=skeleton, classes=classes, coordinates=coordinates, fps=FPS, terms=terms
    )
    return DataSource(title=path.name, description=description, origin=str(path), revision=revision_of(path), **more)


# --- pickles of PYSKL ---

_LAYOUTS = {(17, 2): COCO17, (25, 3): NTU25}  # joints, coordinates
_HALF = re.compile(r"(?:^|_)(train|val|test)(?=$|_|\d)")  # in names such as xsub_train, xsub_val, test2


def _pickle(path: Path) -> DataSource:
    content = restricted_pickle.load(path)
    if not isinstance(content, dict) or not {"split", "annotations"} <= content.keys() or not content["annotations"]:
        found = ", ".join(str(key) for key in content) if isinstance(content, dict) else type(content).__name__
        raise DataError(
            f"{path}: expected a mapping with 'split' and 'annotations', as PYSKL's pickles have (found: {found})."
        )
    items: dict[str, dict[str, Any]] = {}
    for place, annotation in enumerate(content["annotations"]):
        _check_annotation(path, place, annotation)
        if annotation["frame_dir"] in items:
            raise DataError(f"{path}: two annotations are called '{annotation['frame_dir']}'. Which is right?")
        items[annotation["frame_dir"]] = annotation
    joints, coordinates = next(iter(items.values()))["keypoint"].shape[2:]
    skeleton = _LAYOUTS.get((joints, coordinates)) or nameless(joints)
    ntu = "ntu" in path.stem.lower()
    count = max(int(annotation["label"]) for annotation in items.values()) + 1
    if ntu and count <= 120:
        count = 120 if count > 60 or "120" in path.stem else 60
    return _source(
        path,
        skeleton=skeleton,
        coordinates=coordinates,
        classes=_class_names(count, ntu),
        recordings=lambda _root: Recordings(items, partial(_read_annotation, path.name, skeleton), parallel=False),
        splits=_pairs(path, content["split"]),
        count=len(items),
        terms=_NTU_TERMS if ntu else "",
    )


def _check_annotation(path: Path, place: int, annotation: Any) -> None:
    if not isinstance(annotation, dict):
        raise DataError(f"{path}: annotations[{place}] is a {type(annotation).__name__}, expected a mapping.")
    for key, kind in (("frame_dir", str), ("label", int | np.integer), ("keypoint", np.ndarray)):
        if not isinstance(annotation.get(key), kind):
            raise DataError(
                f"{path}: annotations[{place}] has no '{key}' of the right type (found: "
                f"{', '.join(str(known) for known in annotation)}). Each needs frame_dir (text), label (a number) and "
                "keypoint (an array (persons, frames, joints, coordinates))."
            )
    shape = annotation["keypoint"].shape
    if len(shape) != 4 or shape[3] not in (2, 3) or annotation["label"] < 0:
        raise DataError(
            f"{path}: annotations[{place}] ({annotation['frame_dir']}) has keypoint of shape {shape} and label "
            f"{annotation['label']}, expected (persons, frames, joints, 2 or 3) and a class from 0."
        )


def _pairs(path: Path, split: Any) -> dict[str, Split]:
    """`xsub_train` and `xsub_val` are the parts of `xsub`; plain `train` and `test` those of `file`."""
    halves: dict[str, dict[str, frozenset[str]]] = {}
    for name, members in split.items() if isinstance(split, dict) else ():
        half = _HALF.search(str(name))
        if half:
            rest = (str(name)[: half.start()] + str(name)[half.end() :]).strip("_")
            side = "train" if half[1] == "train" else "test"
            halves.setdefault(f"split{rest}" if rest.isdigit() else rest or "file", {})[side] = frozenset(members)
    whole = {name: pair for name, pair in halves.items() if len(pair) == 2}
    if not whole:
        found = ", ".join(str(name) for name in split) if isinstance(split, dict) else type(split).__name__
        raise DataError(
            f"{path}: no two splits such as xsub_train and xsub_val in 'split' (found: {found or 'nothing'})."
        )
    return {
        name: Split(f"{name}, as in the file", partial(_by_name, pair["train"], pair["test"]))
        for name, pair in whole.items()
    }


def _by_name(train: frozenset[str], test: frozenset[str], _index: Index, names: list[str]) -> Parts:
    return parts(np.array([name in train for name in names]), np.array([name in test for name in names]))


def _read_annotation(file: str, skeleton: Skeleton, annotation: dict[str, Any]) -> Sequence:
    """One annotation: valid where the keypoint has a score, or without scores where the person is not all zero."""
    source = f"{file}: {annotation['frame_dir']}"
    keypoint = np.asarray(annotation["keypoint"], np.float32)
    if keypoint.shape[2] != len(skeleton.joints):
        raise ReadError(
            f"{source}: keypoint has shape {keypoint.shape}, the first annotation {len(skeleton.joints)} joints."
        )
    if annotation.get("keypoint_score") is not None:
        score = np.asarray(annotation["keypoint_score"])
        if score.shape != keypoint.shape[:3]:
            raise ReadError(f"{source}: keypoint_score has shape {score.shape}, keypoint {keypoint.shape}.")
        valid = score > 0
    else:
        valid = np.repeat((keypoint != 0).any((2, 3))[..., None], keypoint.shape[2], -1)
    positions, valid = _persons(source, keypoint, valid)
    name = NTU_NAME.fullmatch(annotation["frame_dir"])
    return Sequence(
        positions=positions,
        skeleton=skeleton,
        valid=valid,
        fps=FPS,
        label=int(annotation["label"]),
        subject=int(name[3]) if name else None,
        camera=int(name[2]) if name else None,
        source=source,
    )
