"""Write a store sequence by sequence, so that an interrupted `prepare` continues where it was stopped."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager, suppress
from dataclasses import asdict
from pathlib import Path
from time import monotonic
from types import TracebackType
from typing import Any, Self, TextIO

import numpy as np
import numpy.typing as npt

from jointwise.data.centring import PREPARATION
from jointwise.data.findings import Finding
from jointwise.data.frame_digests import FrameDigests, digest_table
from jointwise.data.locks import lock_file, locked
from jointwise.data.sequence import Sequence
from jointwise.data.store.content import digest, fingerprint, rest_fingerprint
from jointwise.data.store.growing_array import GrowingArray
from jointwise.data.store.header import VERSION
from jointwise.data.store.journal import LeftOutEntry, StoredEntry
from jointwise.data.store.places import check_replaceable, empty_folder, former_of, move_into_place, remove_folder
from jointwise.data.store.reader import INDEX, ROWS_DIGESTED, UNKNOWN, Description, Parts
from jointwise.data.store.shards import Member, Shard
from jointwise.data.typed_files import parse_as
from jointwise.data.whole_files import write_text
from jointwise.errors import DataError, StorageError, StoreBusy, describe_difference, writing

_SAVE_EVERY = 1.0  # seconds of work that a power cut can cost
_BEGUN = "begun.txt"  # what the store is made from; a writer locks it
_WORKING = ("journal.jsonl", _BEGUN)  # of a store that is not finished
Entry = dict[str, Any]  # one line of the journal: a StoredEntry or a LeftOutEntry


class StoreWriter:
    """A context manager that writes a store, beside its final place, as two growing arrays and a journal of them.

    What is added is kept when the context is left by an error or Ctrl-C; the next writer of the same store continues
    from there. Only `finish` moves the store to its place, whole or not at all.

    Args:
        path: The folder of the finished store.
        description: What all its sequences have in common.
        made_from: Identifies what the store is made from and how. What an earlier writer left is deleted if it was
            made from something else.
        converted: Whether digests are those of other sequences, of which these are converted copies.

    Attributes:
        entries: Name -> journal entry of every recording added so far, by this writer or an earlier one.

    Raises:
        StorageError: The disk refuses, or something that is no store is in the way.
        StoreBusy: Another process is writing this store.
    """

    def __init__(self, path: Path, description: Description, made_from: str, converted: bool = False) -> None:
        self.path = path
        self.converted = converted
        self.description = description
        self.made_from = made_from
        self.folder = path.with_name(f"{path.name}.unfinished")
        for place, sign in ((path, "store.json"), (former_of(path), "store.json"), (self.folder, _BEGUN)):
            check_replaceable(place, sign)
        self.entries: dict[str, Entry] = {}
        self._unsaved: list[Entry] = []
        self._saved_at = monotonic()
        self._finished = False

    def __enter__(self) -> Self:
        with writing(self.path):
            self._take_back()
            self._begun = lock_file(self.folder / _BEGUN, _busy(self.path))
            if _read_text(self._begun) != self.made_from:
                empty_folder(self.folder, _BEGUN)
                self._begun.truncate(0)
                self._begun.write(self.made_from)
                self._begun.flush()
            row = (len(self.description.skeleton.joints),)
            self._positions = GrowingArray(self.folder / "positions.npy", (*row, self.description.coordinates), "<f4")
            self._valid = GrowingArray(self.folder / "valid.npy", row, "|b1")
            self._recover()
        return self

    def _take_back(self) -> None:
        """Go on with a store that was stopped when it had been moved to its place: its journal is still in it."""
        if self.folder.exists() or not all((self.path / name).is_file() for name in _WORKING):
            return
        with lock_file(self.path / _BEGUN, _busy(self.path)) as begun:
            same = _read_text(begun) == self.made_from
        if same:
            self.path.rename(self.folder)

    def _recover(self) -> None:
        """Take over what an earlier writer saved. Rows that its journal does not list are cut off."""
        journal = self.folder / "journal.jsonl"
        rows_in_files = min(self._positions.rows_in_file(), self._valid.rows_in_file())
        rows = 0
        for line in journal.read_bytes().splitlines() if journal.is_file() else ():
            try:
                kind = LeftOutEntry if b'"left_out"' in line else StoredEntry
                entry: Entry = dict(parse_as(line, kind, str(journal), DataError, ""))
            except DataError:  # the last line may be cut off by a power cut; what follows a damaged one is read again
                break
            if entry.get("row", 0) + _rows_of(entry) > rows_in_files:
                break
            self.entries[entry["name"]] = entry
            rows = max(rows, entry.get("row", 0) + _rows_of(entry))
        for array in (self._positions, self._valid):
            array.truncate(rows)
        text = "".join(json.dumps(entry) + "\n" for entry in self.entries.values())
        write_text(journal, text)
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
            if not self._finished and not self.entries:  # nothing to continue from
                with suppress(OSError):
                    remove_folder(self.folder, _BEGUN)
            self._begun.close()  # this releases the lock

    def _close(self) -> None:
        for file in (self._positions.file, self._valid.file, self._journal):
            with suppress(OSError):  # on a full disk, closing fails once more; the first error is reported
                file.close()

    def add(
        self,
        name: str,
        sequence: Sequence,
        notes: Mapping[str, int],
        stamp: str = "",
        known_digest: str = "",
        findings: Iterable[Finding] = (),
        frames: Iterable[int] = (),
    ) -> None:
        """Append a prepared sequence.

        Args:
            name: Name of the recording.
            sequence: The sequence, cleaned and centred.
            notes: What cleaning dropped -> how often.
            stamp: Text that changes when its file does.
            known_digest: `digest(sequence)`, if it is computed already.
            findings: What was noticed about the recording.
            frames: `frame_digests` of the recording.

        Raises:
            DataError: The sequence has another skeleton or dimension than the store, or an impossible label.
            StorageError: The disk refuses.
        """
        check_belongs(sequence, self.description)
        joints = len(self.description.skeleton.joints)
        numbers = {"label": sequence.label, "subject": sequence.subject, "camera": sequence.camera}
        entry: Entry = {
            "name": name,
            "row": self._positions.rows,
            "frames": sequence.frames,
            "persons": sequence.persons,
            **{key: UNKNOWN if number is None else int(number) for key, number in numbers.items()},
            "fps": sequence.fps,
            "digest": known_digest or digest(sequence),
            "notes": dict(notes),
            "stamp": stamp,
            "findings": [(finding.check, finding.verdict, finding.message) for finding in findings],
            "frame_digests": [int(found) for found in frames],
        }
        with writing(self.path):
            self._positions.append(sequence.positions.reshape(-1, joints, self.description.coordinates))
            self._valid.append(sequence.validity.reshape(-1, joints))
            self._append_entry(entry)

    def leave_out(self, name: str, reason: str, stamp: str = "") -> None:
        """Note that a recording was read but is not in the store.

        Args:
            name: Name of the recording.
            reason: Why it is left out.
            stamp: Text that changes when its file does.

        Raises:
            StorageError: The disk refuses.
        """
        with writing(self.path):
            self._append_entry({"name": name, "left_out": reason, "stamp": stamp})

    def _append_entry(self, entry: Entry) -> None:
        self.entries[entry["name"]] = entry
        self._unsaved.append(entry)
        if monotonic() - self._saved_at >= _SAVE_EVERY:
            self._save()

    def _save(self) -> None:
        """Save the rows first, then the journal: what the journal lists is surely there."""
        for array in (self._positions, self._valid):
            array.save()
        self._journal.write("".join(json.dumps(entry) + "\n" for entry in self._unsaved))
        self._journal.flush()
        os.fsync(self._journal.fileno())
        self._unsaved.clear()
        self._saved_at = monotonic()

    def table(self, names: Iterable[str]) -> tuple[list[str], npt.NDArray[np.void]]:
        """Index the stored recordings.

        Args:
            names: Names of recordings.

        Returns:
            Those of them that are stored, in the same order, and their index (n,).
        """
        stored = [name for name in names if "row" in self.entries.get(name, ())]
        columns = INDEX.names or ()
        rows = [tuple(self.entries[name][column] for column in columns) for name in stored]
        return stored, np.array(rows, INDEX)

    def frame_digests(self, name: str) -> FrameDigests:
        """The digests of frames of a stored recording; none where an earlier version read it."""
        return np.array(self.entries[name].get("frame_digests", ()), np.uint32)

    def finish(
        self, names: list[str], splits: Mapping[str, tuple[str, Parts]], summary: dict[str, Any], revision: str = ""
    ) -> Path:
        """Finish the store and move it into its place.

        Args:
            names: The recordings of the store in order, as `table` returns them.
            splits: Name of each split -> (its rule in words, the part of each sequence (n,)).
            summary: What was read and left out.
            revision: Changes with what the store is made from; `load_dataset` then prepares it again.

        Returns:
            The folder of the store.

        Raises:
            DataError: Not one of the recordings is stored.
            StorageError: The disk refuses.
        """
        names, index = self.table(names)
        if not names:
            raise DataError(f"{self.description.data}: not one sequence to store. Check --root.")
        digests = [self.entries[name]["digest"] for name in names]
        frames = digest_table(self.frame_digests(name) for name in names)
        with writing(self.path):
            self._save()
            for array in (self._positions, self._valid):
                array.finish()
            self._close()  # a folder with open files cannot be moved on every system
            write_all_but_rows(
                self.folder,
                self.description,
                names,
                digests,
                index,
                splits,
                summary,
                revision,
                frames,
                rows_digested=not self.converted,
            )
            move_into_place(self.folder, self.path)
            self._finished = True
            for name in _WORKING:  # last: with them, whatever is stopped before can go on
                (self.path / name).unlink()
        return self.path


def write_all_but_rows(
    folder: Path,
    description: Description,
    names: list[str],
    digests: list[str],
    index: npt.NDArray[np.void],
    splits: Mapping[str, tuple[str, Parts]],
    summary: dict[str, Any],
    revision: str,
    frames: npt.NDArray[np.void],
    shards: tuple[Shard, ...] = (),
    mixture: tuple[Member, ...] = (),
    rows_digested: bool = False,
) -> None:
    """Write all files of a store but `positions.npy` and `valid.npy`.

    Args:
        folder: The folder to write into.
        description: What all sequences have in common.
        names: (n,) names of the recordings.
        digests: (n,) digests of the sequences.
        index: (n,) of dtype INDEX.
        splits: Name of each split -> (its rule in words, the part of each sequence (n,)).
        summary: What was read and left out.
        revision: Changes with what the store is made from.
        frames: (K,) the digests of frames, as `digest_table` returns them.
        shards: The stores that hold the rows; empty when the rows are in `folder`.
        mixture: The sets of a pool, one for each shard.
        rows_digested: Whether digests are those of the rows in `folder`.
    """
    parts = np.stack([parts for _, parts in splits.values()], 1).astype(np.int8)
    header: dict[str, Any] = {
        "version": VERSION,
        "description": asdict(description),
        "preparation": PREPARATION,
        # the digests of a pool are those of the recordings, whatever was made of them and however often they are drawn
        "fingerprint": fingerprint([*digests, revision] if mixture else digests, index),
        "splits": {name: about for name, (about, _) in splits.items()},
        "revision": revision,
        "summary": summary,
        ROWS_DIGESTED: rows_digested,
        "rest_fingerprint": rest_fingerprint(np.array(names), index, parts),
    }
    if shards:
        header["shards"] = [asdict(shard) for shard in shards]
    if mixture:
        header["mixture"] = [asdict(member) for member in mixture]
    np.save(folder / "index.npy", index)
    np.save(folder / "names.npy", np.array(names))
    np.save(folder / "digests.npy", np.array(digests))
    np.save(folder / "parts.npy", parts)
    np.save(folder / "frames.npy", frames)
    (folder / "store.json").write_text(json.dumps(header, indent=1))


def _read_text(file: TextIO) -> str:
    """The text of an open file; empty where it is none."""
    try:
        return file.read()
    except ValueError:
        return ""


def _busy(store: Path) -> StoreBusy:
    return StoreBusy(f"{store}: another jointwise is preparing it. Wait until it has finished.")


def lock_store(path: Path) -> AbstractContextManager[None]:
    """Keep other processes from writing the store at `path` meanwhile.

    Args:
        path: The folder of the store; it may be missing.

    Raises:
        StoreBusy: Another process is writing it.
        StorageError: The disk refuses.
    """
    return locked(path.with_name(f"{path.name}.lock"), _busy(path))


def _rows_of(entry: Entry) -> int:
    """Rows of a journal entry; 0 for a recording that was left out."""
    return int(entry.get("frames", 0) * entry.get("persons", 0))


def check_belongs(sequence: Sequence, description: Description) -> None:
    """Check that a sequence fits into a store.

    Args:
        sequence: The sequence.
        description: What all sequences of the store have in common.

    Raises:
        DataError: It has other joints, another number of coordinates, a label that is no class of the store, or a
            number that the index cannot hold.
    """
    if sequence.skeleton.joints != description.skeleton.joints:
        own = sequence.skeleton
        others = description.skeleton
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
