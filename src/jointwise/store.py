"""A data set on disk: many prepared sequences end to end in one memory-mapped array, with an index."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from jointwise.errors import DataError, StorageError, writing
from jointwise.prepare import PREPARATION, prepare_sequence
from jointwise.sequence import Sequence
from jointwise.skeletons import Skeleton

VERSION = 1
UNKNOWN = -1  # label, subject or camera that the recording does not tell

INDEX = np.dtype(
    [
        ("row", "i8"),  # first row of the sequence in positions and valid; person m begins at row + m * frames
        ("frames", "i4"),
        ("persons", "i2"),
        ("label", "i4"),
        ("subject", "i4"),
        ("camera", "i4"),
        ("test", "?"),  # belongs to the test split
    ]
)


class _GrowingArray:
    """An .npy file that rows are appended to; its header is written again with the final count at the end."""

    def __init__(self, path: Path, row_shape: tuple[int, ...], dtype: str) -> None:
        self.path, self.row_shape, self.dtype, self.rows = path, row_shape, np.dtype(dtype), 0
        self.digest = hashlib.sha256()
        self.file = path.open("w+b")
        self._header()

    def _header(self) -> None:
        self.file.seek(0)
        fields = {"descr": self.dtype.str, "fortran_order": False, "shape": (self.rows, *self.row_shape)}
        np.lib.format.write_array_header_1_0(self.file, fields)  # pads so that the first axis may grow in place

    def __enter__(self) -> _GrowingArray:
        return self

    def __exit__(self, *_: object) -> None:
        self.file.close()

    def append(self, rows: npt.NDArray[Any]) -> None:
        block = np.ascontiguousarray(rows, self.dtype).tobytes()
        self.file.write(block)
        self.digest.update(block)
        self.rows += len(rows)

    def finish(self) -> str:
        self._header()
        self.file.flush()
        os.fsync(self.file.fileno())
        return self.digest.hexdigest()


@dataclass(frozen=True)
class Description:
    """What a store is about: the part of the index that is not per sequence.

    data: name of the data set. classes: names in label order. split: name of the rule that chose the test sequences.
    terms: of use, empty when free.
    """

    data: str
    skeleton: Skeleton
    classes: tuple[str, ...]
    split: str
    coordinates: int = 3
    fps: float = 30.0
    terms: str = ""


def write_store(path: Path, description: Description, sequences: Iterable[tuple[Sequence, bool]]) -> Path:
    """Prepares (sequence, is_test) pairs one by one and writes them as a store at `path`, whole or not at all.

    Returns `path`. Raises ReadError for a sequence that cannot be prepared, DataError for one of another skeleton or
    label, StorageError when the disk refuses.
    """
    if path.exists() and not path.is_dir():
        raise StorageError(f"{path} is a file, but a store is a folder. Move it away, or set JOINTWISE_DATA.")
    unfinished, former = (path.with_name(f"{path.name}.{state}") for state in ("unfinished", "former"))
    with writing(path):
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(parents=True)
        try:
            _write_files(unfinished, description, sequences)
        except BaseException:  # Ctrl-C too: what is unfinished only takes space
            shutil.rmtree(unfinished, ignore_errors=True)
            raise
        shutil.rmtree(former, ignore_errors=True)
        if path.exists():
            path.rename(former)
        unfinished.rename(path)
        shutil.rmtree(former, ignore_errors=True)
    return path


def _write_files(folder: Path, description: Description, sequences: Iterable[tuple[Sequence, bool]]) -> None:
    joints = len(description.skeleton.joints)
    with (
        _GrowingArray(folder / "positions.npy", (joints, description.coordinates), "<f4") as positions,
        _GrowingArray(folder / "valid.npy", (joints,), "|b1") as valid,
    ):
        index, sources = [], []
        for sequence, is_test in sequences:
            _check_belongs(sequence, description)
            ready = prepare_sequence(sequence)
            who = (UNKNOWN if value is None else value for value in (ready.label, ready.subject, ready.camera))
            index.append((positions.rows, ready.frames, ready.persons, *who, is_test))
            sources.append(ready.source)
            positions.append(ready.positions.reshape(-1, joints, description.coordinates))
            valid.append(ready.validity.reshape(-1, joints))
        if not index:
            raise DataError(f"{description.data}: not one sequence to store. Check --root.")
        table = np.array(index, INDEX)
        np.save(folder / "index.npy", table)
        np.save(folder / "sources.npy", np.array(sources))
        digests = (positions.finish(), valid.finish(), hashlib.sha256(table.tobytes()).hexdigest())
    header = {
        "version": VERSION,
        **asdict(description),
        "preparation": PREPARATION,
        "fingerprint": hashlib.sha256("".join(digests).encode()).hexdigest()[:16],
    }
    (folder / "store.json").write_text(json.dumps(header, indent=1))


def _check_belongs(sequence: Sequence, description: Description) -> None:
    if sequence.skeleton.joints != description.skeleton.joints:
        raise DataError(
            f"{sequence.source}: skeleton '{sequence.skeleton.name}' in a store of '{description.skeleton.name}' "
            "sequences. A store holds one joint layout."
        )
    if sequence.label is not None and not 0 <= sequence.label < len(description.classes):
        raise DataError(
            f"{sequence.source}: class {sequence.label + 1}, but '{description.data}' has classes "
            f"1 to {len(description.classes)}."
        )


class Store:
    """A prepared data set, memory-mapped.

    positions: (R, V, C) float32, gaps filled. valid: (R, V) bool. index: (n,) of dtype INDEX. sources: (n,) str.
    Indexing gives the prepared Sequence. Raises DataError when the folder is missing or damaged.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        if not (path / "store.json").is_file():
            raise DataError(f"{path}: no store here. Make it with: jointwise prepare NAME --root DIR.")
        try:
            header = json.loads((path / "store.json").read_text())
            # copy-on-write, so that torch may share the memory; nothing is ever written back
            self.positions = np.load(path / "positions.npy", mmap_mode="c")
            self.valid = np.load(path / "valid.npy", mmap_mode="c")
            self.index = np.load(path / "index.npy")
            self.sources = np.load(path / "sources.npy", mmap_mode="r")
            if header["version"] != VERSION:
                raise DataError(f"{path}: store of version {header['version']}, this is {VERSION}. Prepare it again.")
            self.fingerprint: str = header["fingerprint"]
            self.preparation: str = header["preparation"]
            self.description = _description(header)
            self._check_sizes()
        except (OSError, ValueError, EOFError, KeyError, TypeError) as error:
            what = f"{type(error).__name__}: {error}"
            raise DataError(f"{path}: damaged store ({what}). Delete the folder and prepare it again.") from error

    def _check_sizes(self) -> None:
        rows = int((self.index["frames"].astype(np.int64) * self.index["persons"]).sum())
        sizes = {"positions": len(self.positions), "valid": len(self.valid), "index": rows}
        if len(set(sizes.values())) > 1 or len(self.sources) != len(self.index):
            raise ValueError(f"its files do not belong together: rows {sizes}")

    def __len__(self) -> int:
        return len(self.index)

    def __getitem__(self, item: int) -> Sequence:
        entry = self.index[item]
        rows = slice(int(entry["row"]), int(entry["row"]) + int(entry["frames"]) * int(entry["persons"]))
        shape = (int(entry["persons"]), int(entry["frames"]))
        known = {name: int(entry[name]) for name in ("label", "subject", "camera") if entry[name] != UNKNOWN}
        return Sequence(
            positions=np.array(self.positions[rows]).reshape(*shape, *self.positions.shape[1:]),
            valid=np.array(self.valid[rows]).reshape(*shape, -1),
            skeleton=self.description.skeleton,
            fps=self.description.fps,
            source=str(self.sources[item]),
            **known,
        )


def _description(header: dict[str, Any]) -> Description:
    return Description(
        data=header["data"],
        skeleton=Skeleton.from_json(header["skeleton"]),
        classes=tuple(header["classes"]),
        split=header["split"],
        coordinates=header["coordinates"],
        fps=header["fps"],
        terms=header["terms"],
    )
