"""Writes a store sequence by sequence, so that an interrupted `prepare` goes on where it was stopped."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from time import monotonic
from types import TracebackType
from typing import Any, Self, TextIO

import numpy as np
import numpy.typing as npt

from jointwise.data.centring import PREPARATION
from jointwise.data.sequence import Sequence
from jointwise.data.store.reader import INDEX, UNKNOWN, VERSION, Description, Parts, digest, fingerprint
from jointwise.data.store.shards import Shard
from jointwise.errors import DataError, StorageError, StoreBusy, describe_difference, writing

try:
    import fcntl
except ImportError:  # not on Windows: there, two at once are not kept apart
    fcntl = None  # type: ignore[assignment]

_SAVE_EVERY = 1.0  # seconds between two savings: what a power cut can cost
Entry = dict[str, Any]  # one line of the journal


class _GrowingArray:
    """An .npy file that rows are appended to; its header is written again with the final count at the end."""

    def __init__(self, path: Path, row_shape: tuple[int, ...], dtype: str) -> None:
        self.row_shape, self.dtype, self.rows = row_shape, np.dtype(dtype), 0
        self.row_bytes = int(np.prod(row_shape)) * self.dtype.itemsize
        self.file = path.open("r+b" if path.exists() else "w+b")
        self._header()
        self.begin = self.file.tell()

    def _header(self) -> None:
        self.file.seek(0)
        fields = {"descr": self.dtype.str, "fortran_order": False, "shape": (self.rows, *self.row_shape)}
        np.lib.format.write_array_header_1_0(self.file, fields)  # pads so that the first axis may grow in place

    def in_file(self) -> int:
        """Whole rows that lie in the file, whether they count or not."""
        return (self.file.seek(0, os.SEEK_END) - self.begin) // self.row_bytes

    def cut(self, rows: int) -> None:
        """Goes on behind the first `rows` rows."""
        self.rows = rows
        self.file.truncate(self.begin + rows * self.row_bytes)
        self.file.seek(0, os.SEEK_END)

    def append(self, rows: npt.NDArray[Any]) -> None:
        self.file.write(np.ascontiguousarray(rows, self.dtype).data)
        self.rows += len(rows)

    def save(self) -> None:
        self.file.flush()
        os.fsync(self.file.fileno())

    def finish(self) -> None:
        self._header()
        self.save()


class StoreWriter:
    """A store in the making, beside its final place: two growing arrays and a journal of what is in them.

    A context manager. `entries` tells what is already there, by name: begun by an earlier writer with the same
    `made_from` (what the store is made of and how; what was begun with another is thrown away). What is added stays
    when the context is left by an error or Ctrl-C. Only `finish` moves the store to `path`, whole or not at all.

    Raises StorageError when the disk refuses, or when a file is in the way.
    """

    def __init__(self, path: Path, description: Description, made_from: str) -> None:
        self.path, self.description, self.made_from = path, description, made_from
        self.folder = path.with_name(f"{path.name}.unfinished")
        for place, sign in ((path, "store.json"), (_former(path), "store.json"), (self.folder, "begun.txt")):
            check_replaceable(place, sign)
        self.entries: dict[str, Entry] = {}
        self._unsaved: list[Entry] = []
        self._saved_at = monotonic()
        self._finished = False

    def __enter__(self) -> Self:
        with writing(self.path):
            self._begun = _lock(self.folder / "begun.txt", self.path)
            if self._begun.read() != self.made_from:
                for file in self.folder.iterdir():
                    if file.name != "begun.txt":
                        file.unlink()
                self._begun.truncate(0)
                self._begun.write(self.made_from)
                self._begun.flush()
            row = (len(self.description.skeleton.joints),)
            self._positions = _GrowingArray(self.folder / "positions.npy", (*row, self.description.coordinates), "<f4")
            self._valid = _GrowingArray(self.folder / "valid.npy", row, "|b1")
            self._recover()
        return self

    def _recover(self) -> None:
        """Takes over what an earlier writer saved; whatever lies behind it in the files is cut off."""
        journal = self.folder / "journal.jsonl"
        there = min(self._positions.in_file(), self._valid.in_file())
        rows = 0
        for line in journal.read_text().splitlines() if journal.is_file() else ():
            try:
                entry = json.loads(line)
            except ValueError:  # torn by a power cut
                break
            if entry.get("row", 0) + _rows_of(entry) > there:
                break
            self.entries[entry["name"]] = entry
            rows = max(rows, entry.get("row", 0) + _rows_of(entry))
        for array in (self._positions, self._valid):
            array.cut(rows)
        text = "".join(json.dumps(entry) + "\n" for entry in self.entries.values())
        journal.write_text(text)
        self._journal = journal.open("a")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            with writing(self.path):
                if not self._journal.closed and not isinstance(error, StorageError):
                    self._save()
        finally:
            self._close()
            if not self._finished and not self.entries:  # nothing to go on with
                shutil.rmtree(self.folder, ignore_errors=True)
            self._begun.close()  # and with it the lock

    def _close(self) -> None:
        for file in (self._positions.file, self._valid.file, self._journal):
            with suppress(OSError):  # a full disk says so once more when what is buffered is given up
                file.close()

    def add(
        self, name: str, sequence: Sequence, notes: Mapping[str, int], stamp: str = "", known_digest: str = ""
    ) -> None:
        """Appends a prepared sequence. notes: what cleaning dropped, by reason. stamp: changes when its file does.

        known_digest: what `store.digest` makes of the sequence, where somebody has computed it already.

        Raises DataError for a sequence of another skeleton or label.
        """
        check_belongs(sequence, self.description)
        joints = len(self.description.skeleton.joints)
        who = {key: getattr(sequence, key) for key in ("label", "subject", "camera")}
        entry: Entry = {"name": name, "row": self._positions.rows, "frames": sequence.frames}
        entry |= {"persons": sequence.persons} | {k: UNKNOWN if v is None else int(v) for k, v in who.items()}
        entry |= {"fps": sequence.fps, "digest": known_digest or digest(sequence), "notes": dict(notes), "stamp": stamp}
        with writing(self.path):
            self._positions.append(sequence.positions.reshape(-1, joints, self.description.coordinates))
            self._valid.append(sequence.validity.reshape(-1, joints))
            self._note(entry)

    def leave_out(self, name: str, reason: str, stamp: str = "") -> None:
        """Notes that a recording was read, and why it is not in the store."""
        with writing(self.path):
            self._note({"name": name, "left_out": reason, "stamp": stamp})

    def _note(self, entry: Entry) -> None:
        self.entries[entry["name"]] = entry
        self._unsaved.append(entry)
        if monotonic() - self._saved_at >= _SAVE_EVERY:
            self._save()

    def _save(self) -> None:
        """The rows first, then the journal that tells of them."""
        for array in (self._positions, self._valid):
            array.save()
        self._journal.write("".join(json.dumps(entry) + "\n" for entry in self._unsaved))
        self._journal.flush()
        os.fsync(self._journal.fileno())
        self._unsaved.clear()
        self._saved_at = monotonic()

    def table(self, names: Iterable[str]) -> tuple[list[str], npt.NDArray[np.void]]:
        """The stored ones among `names`, in that order, and their index (n,)."""
        stored = [name for name in names if "row" in self.entries.get(name, ())]
        columns = INDEX.names or ()
        rows = [tuple(self.entries[name][column] for column in columns) for name in stored]
        return stored, np.array(rows, INDEX)

    def finish(
        self, names: list[str], splits: Mapping[str, tuple[str, Parts]], summary: dict[str, Any], revision: str = ""
    ) -> Path:
        """Puts the store of `names` (as `table` gives them) in its place; returns where.

        splits: name -> (the rule in words, part of each sequence). summary: what was read and left out. revision: of
        what it was made from; `load_dataset` prepares again when it has changed. Raises DataError without sequences.
        """
        names, index = self.table(names)
        if not names:
            raise DataError(f"{self.description.data}: not one sequence to store. Check --root.")
        digests = [self.entries[name]["digest"] for name in names]
        with writing(self.path):
            self._save()
            for array in (self._positions, self._valid):
                array.finish()
            self._close()  # a folder with open files cannot be moved on every system
            write_about(self.folder, self.description, names, digests, index, splits, summary, revision)
            for name in ("journal.jsonl", "begun.txt"):
                (self.folder / name).unlink()
            put_in_place(self.folder, self.path)
            self._finished = True
        return self.path


def write_about(
    folder: Path,
    description: Description,
    names: list[str],
    digests: list[str],
    index: npt.NDArray[np.void],
    splits: Mapping[str, tuple[str, Parts]],
    summary: dict[str, Any],
    revision: str,
    shards: tuple[Shard, ...] = (),
) -> None:
    """Writes all of a store but its rows; as `StoreWriter.finish`. shards: where the rows are, if not here."""
    header = {
        "version": VERSION,
        "description": asdict(description),
        "preparation": PREPARATION,
        "fingerprint": fingerprint(digests, index),
        "splits": {name: about for name, (about, _) in splits.items()},
        "revision": revision,
        "summary": summary,
        **({"shards": [asdict(shard) for shard in shards]} if shards else {}),
    }
    parts = np.stack([parts for _, parts in splits.values()], 1).astype(np.int8)
    for name, content in (("index", index), ("names", np.array(names)), ("digests", np.array(digests))):
        np.save(folder / f"{name}.npy", content)
    np.save(folder / "parts.npy", parts)
    (folder / "store.json").write_text(json.dumps(header, indent=1))


def put_in_place(folder: Path, path: Path) -> None:
    """Moves a finished store to `path`, where it replaces one that is there."""
    former = _former(path)
    shutil.rmtree(former, ignore_errors=True)
    if path.exists():
        path.rename(former)
    folder.rename(path)
    shutil.rmtree(former, ignore_errors=True)


def _former(path: Path) -> Path:
    return path.with_name(f"{path.name}.former")


def check_replaceable(place: Path, sign: str) -> None:
    """Raises StorageError for what is no store of ours: people unpack recordings where a store would go."""
    if place.is_dir() and any(place.iterdir()) and not (place / sign).is_file():
        raise StorageError(
            f"{place} holds something that is no store, and a store would replace it. Move it to another place, or set "
            "JOINTWISE_DATA to another folder for stores."
        )
    if place.exists() and not place.is_dir():
        raise StorageError(f"{place} is a file, but a store is a folder. Move it away, or set JOINTWISE_DATA.")


def _lock(path: Path, store: Path) -> TextIO:
    """Opens `path`, made where missing, for this process alone. Raises StoreBusy while another one has it."""
    while True:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("a+")
        try:
            if fcntl is not None:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            file.close()
            raise StoreBusy(f"{store}: another jointwise is preparing it. Wait until it has finished.") from error
        if path.is_file() and os.path.samestat(os.fstat(file.fileno()), path.stat()):
            file.seek(0)
            return file
        file.close()  # the other one finished in between: what was opened is gone


def _rows_of(entry: Entry) -> int:
    return int(entry.get("frames", 0) * entry.get("persons", 0))


def check_belongs(sequence: Sequence, description: Description) -> None:
    """Raises DataError when a sequence has another skeleton, dimension or label than a store of `description` holds."""
    if sequence.skeleton.joints != description.skeleton.joints:
        own, others = sequence.skeleton, description.skeleton
        raise DataError(
            f"{sequence.source}: skeleton '{own.name}' ({len(own.joints)} joints) in a store of '{others.name}' "
            f"({len(others.joints)} joints) sequences: {describe_difference(own.joints, others.joints)}. A store "
            "holds one joint layout."
        )
    if sequence.positions.shape[-1] != description.coordinates:
        raise DataError(
            f"{sequence.source}: {sequence.positions.shape[-1]} coordinates per joint in a store of "
            f"{description.coordinates}. A store holds either 2D poses or 3D skeletons."
        )
    for name in ("label", "subject", "camera"):
        value = getattr(sequence, name)
        if value is not None and not -(2**31) < value < 2**31:
            raise DataError(f"{sequence.source}: {name} {value} is too large. Number them from 0 or 1.")
    if sequence.label is not None and not 0 <= sequence.label < len(description.classes):
        raise DataError(
            f"{sequence.source}: class {sequence.label + 1}, but '{description.data}' has classes "
            f"1 to {len(description.classes)}."
        )
