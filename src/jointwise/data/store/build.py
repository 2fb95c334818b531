"""From recordings to a store: read, cleaned and centred one by one, by several processes, in bounded memory."""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import os
import re
import shlex
import signal
import threading
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from jointwise.data.centring import PREPARATION, prepare_sequence
from jointwise.data.cleaning import CLEANING
from jointwise.data.datasets.source import DataSource, Recordings
from jointwise.data.sequence import Sequence
from jointwise.data.store.reader import TEST, TRAIN, VERSION, Description, digest, find_duplicates
from jointwise.data.store.writer import StoreWriter, check_belongs
from jointwise.errors import DataError, EmptyRecording, JointwiseError, ReadError, writing

ZEROS = "joints at zero"  # beside what cleaning notes of a recording
EMPTY = "no body in it, or none after cleaning"
_BATCH = 16  # recordings a worker gets at once: fewer letters between processes
_BATCH_BYTES = 8 << 20  # that their files have, unless one alone has more
_AHEAD = 2  # batches each other process has before it, so that it never waits for the one that writes
_UNWRITTEN = 8  # batches more that may be done and not written yet: with `_AHEAD`, what bounds the memory
_WORTH_A_WORKER = 200  # recordings: with fewer, starting another process takes longer than reading them
_SHOWN = 10  # damaged files that an error message names

# (things that will come, how many, name of the data) -> the same things, shown as they pass (a progress bar)
ShowProgress = Callable[[Iterable[Any], int, str], Iterable[Any]]


def no_progress(things: Iterable[Any], _count: int, _title: str) -> Iterable[Any]:
    """The ShowProgress that shows nothing."""
    return things


@dataclass(frozen=True)
class SkipRequest:
    """What a user wants left out. names: of recordings, and the file they stand in. bad: damaged ones as well."""

    names: tuple[str, ...] = ()
    file: str = ""
    bad: bool = False


@dataclass
class Summary:
    """What `prepare` found.

    read: recordings looked at. stored: how many of them are in the store. left_out: why the others are not, how many.
    cleaned: what cleaning dropped inside the stored ones. bad: name and message of damaged files that were left out.
    zeros: joints that are valid and lie exactly at zero, together with another one of their body, in all stored ones:
    most likely nobody saw them. lists: skip lists that were honoured. skips: what --skip-list and --skip-bad asked for,
    for the next time. duplicates: by split, (training name, test name) of equal sequences.
    """

    read: int = 0
    stored: int = 0
    left_out: dict[str, int] = field(default_factory=dict)
    cleaned: dict[str, int] = field(default_factory=dict)
    bad: list[tuple[str, str]] = field(default_factory=list)
    zeros: int = 0
    lists: list[str] = field(default_factory=list)
    skips: SkipRequest = field(default_factory=SkipRequest)
    duplicates: dict[str, list[tuple[str, str]]] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """The content of `summary` in store.json, where `skips` is called `wished`."""
        return {"wished" if key == "skips" else key: value for key, value in asdict(self).items()}


@dataclass(frozen=True)
class _Ready:
    sequence: Sequence
    notes: dict[str, int]
    digest: str


_Outcome = _Ready | JointwiseError


def joints_at_zero(sequence: Sequence) -> int:
    """How many valid joints lie exactly at zero; one alone in a frame of a body is its root, put there by somebody."""
    at_zero = sequence.validity & ~sequence.positions.any(-1)
    count = at_zero.sum(-1)
    return int(count[count > 1].sum())


def _read_one(read: Callable[[Any], Sequence], description: Description, item: Any) -> _Outcome:
    """Runs in a worker process: an error is a value, so that one damaged file does not stop the others."""
    try:
        cleaned = CLEANING[description.cleaning](read(item))
        sequence, joints = cleaned.sequence, description.skeleton.joints
        if set(sequence.skeleton.joints) == set(joints):
            sequence = sequence.on_joints(joints)
        check_belongs(sequence, description)
        sequence = replace(sequence, skeleton=description.skeleton)  # one root for all, whatever files say
        prepared = prepare_sequence(sequence)
        zeros = joints_at_zero(sequence)
        return _Ready(prepared, cleaned.notes | ({ZEROS: zeros} if zeros else {}), digest(prepared))
    except JointwiseError as error:
        return error
    except Exception as error:
        return ReadError(f"{item}: {type(error).__name__}: {error}. Nobody foresaw this: please report it.")


def _keep_freed_memory() -> None:
    """Lets glibc keep what is freed after each file, instead of giving it back and asking for it at the next one.

    A block this large is mapped; once it was freed, twice as much is kept (mallopt(3), dynamic threshold). That saves a
    quarter of the time of reading. Elsewhere it does nothing.
    """
    np.empty(1 << 23, np.uint8)


def _begin_worker() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that writes
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _keep_freed_memory()


def _end_with_parent() -> None:
    """Ends a worker whose parent was killed: it would wait for work forever."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _batches(items: list[Any], size: Callable[[Any], int]) -> Iterator[list[Any]]:
    batch: list[Any] = []
    total = 0
    for item in items:
        own = size(item)
        if batch and (len(batch) == _BATCH or total + own > _BATCH_BYTES):
            yield batch
            batch, total = [], 0
        batch.append(item)
        total += own
    if batch:
        yield batch


def _outcomes(
    work: Callable[[Any], _Outcome], items: list[Any], size: Callable[[Any], int], workers: int
) -> Iterator[_Outcome]:
    """What `work` makes of the items, in their order; size: bytes of an item's file.

    This process is one of the workers: batches that would only wait for the others it does itself.
    """
    _keep_freed_memory()
    others = workers - 1
    if others < 1:
        yield from map(work, items)
        return
    spawn = multiprocessing.get_context("spawn")  # a fork would inherit the threads of torch in whatever state they are
    with ProcessPoolExecutor(others, mp_context=spawn, initializer=_begin_worker) as pool:
        waiting: deque[Future[list[_Outcome]]] = deque()
        try:
            for batch in _batches(items, size):
                if sum(not future.done() for future in waiting) < _AHEAD * others:
                    waiting.append(pool.submit(_do_all, work, batch))
                else:
                    waiting.append(_done(_do_all(work, batch)))
                while waiting and (waiting[0].done() or len(waiting) >= _AHEAD * others + _UNWRITTEN):
                    yield from waiting.popleft().result()
            while waiting:
                yield from waiting.popleft().result()
        except BrokenProcessPool as error:
            raise ReadError(
                "a process that read recordings was ended from outside, most often for lack of memory. What was read "
                "is kept: run the same command again, with --workers 1."
            ) from error
        finally:
            for future in waiting:
                future.cancel()


def _done(outcomes: list[_Outcome]) -> Future[list[_Outcome]]:
    future: Future[list[_Outcome]] = Future()
    future.set_result(outcomes)
    return future


def _do_all(work: Callable[[Any], _Outcome], items: list[Any]) -> list[_Outcome]:
    return [work(item) for item in items]


def read_skip_list(path: Path) -> set[str]:
    """The lines of a skip list: names of recordings, with or without the ending of the file, and headings."""
    try:
        return {line.strip() for line in path.read_text("utf-8", "surrogateescape").splitlines() if line.strip()}
    except OSError as error:
        raise DataError(f"{path}: the skip list cannot be read ({error.strerror}). Check --skip-list.") from error


def skip_request(skip_list: Path | None, skip_bad: bool) -> SkipRequest:
    """The wishes that --skip-list and --skip-bad express."""
    names = tuple(sorted(read_skip_list(skip_list))) if skip_list else ()
    return SkipRequest(names, str(skip_list) if skip_list else "", skip_bad)


_ENDING = re.compile(r"\.[A-Za-z]+$")


def _skipped(source: DataSource, root: Path | None, skips: SkipRequest, names: Iterable[str]) -> dict[str, str]:
    """Name -> file of the skip list that names it."""
    below = sorted(root.rglob(source.skip_lists)) if root is not None and root.is_dir() and source.skip_lists else []
    listed = {name: path.name for path in below for name in read_skip_list(path)}
    listed |= dict.fromkeys(skips.names, Path(skips.file).name)
    listed |= {_ENDING.sub("", name): path for name, path in listed.items()}
    found = {name: listed.get(name) or listed.get(_ENDING.sub("", name)) for name in names}
    if skips.names and Path(skips.file).name not in found.values():
        raise DataError(
            f"{skips.file}: not one of its lines names a recording of {source.name}. A skip list has one name per "
            f"line, such as {next(iter(found), 'NAME')}."
        )
    return {name: path for name, path in found.items() if path}


def build_store(
    path: Path,
    source: DataSource,
    root: Path | None = None,
    *,
    skips: SkipRequest | None = None,
    workers: int = 1,
    progress: ShowProgress = no_progress,
) -> Summary:
    """Reads, cleans and prepares every recording of a data set and writes its store at `path`.

    An interrupted call goes on where it was stopped. Damaged files are collected; in the end they are an error that
    lists them (what was read is kept), or with `skips.bad` left out. workers: processes that read.
    Raises DataError, StorageError.
    """
    skips = skips or SkipRequest()
    recordings = source.recordings(root)
    skipped = _skipped(source, root, skips, recordings.items)
    names = [name for name in recordings.items if name not in skipped]
    made_from = json.dumps([VERSION, PREPARATION, source.title, asdict(source.description)])
    made_from = hashlib.sha256(made_from.encode()).hexdigest()
    with StoreWriter(path, source.description, made_from) as writer:
        bad = _read_all(writer, source, recordings, names, workers, progress)
        listed = path.with_name(f"{path.name}.bad.txt")
        if bad and not skips.bad:
            again = ["jointwise", "prepare", source.address]
            again += ["--root", str(root)] if root else []
            again += ["--skip-list", skips.file] if skips.file else []
            raise DataError(_bad_message(listed, source.name, bad, len(names), shlex.join([*again, "--skip-bad"])))
        if not bad and str(listed) != skips.file:
            listed.unlink(missing_ok=True)
        names = [name for name in names if name not in bad]
        left_out = Counter(writer.entries[name]["left_out"] for name in names if "left_out" in writer.entries[name])
        left_out.update(f"named in {path}" for path in skipped.values())
        left_out.update({"damaged": len(bad)} if bad else {})
        stored, index = writer.table(names)
        if not stored:
            why = ", ".join(f"{count} {reason}" for reason, count in left_out.items())
            raise DataError(f"{source.name}: not one of {len(recordings.items)} recordings is left: {why}.")
        splits = source.split(index, stored)
        digests = [writer.entries[name]["digest"] for name in stored]
        notes = sum((Counter(writer.entries[name]["notes"]) for name in stored), Counter[str]())
        zeros = notes.pop(ZEROS, 0)
        summary = Summary(
            read=len(recordings.items),
            stored=len(stored),
            left_out=dict(left_out),
            cleaned=dict(notes),
            zeros=zeros,
            bad=list(bad.items()),
            lists=sorted(set(skipped.values())),
            skips=skips,
            duplicates={
                name: [(stored[a], stored[b]) for a, b in find_duplicates(digests, parts == TRAIN, parts == TEST)]
                for name, (_, parts) in splits.items()
            },
        )
        writer.finish(stored, splits, summary.to_json(), source.revision)
    return summary


def _read_all(
    writer: StoreWriter,
    source: DataSource,
    recordings: Recordings,
    names: list[str],
    workers: int,
    progress: ShowProgress,
) -> dict[str, str]:
    """Adds what is not in the store yet; returns the damaged ones, name -> message."""
    stamps = {name: recordings.stamp(recordings.items[name]) for name in names}
    todo = [name for name in names if writer.entries.get(name, {}).get("stamp") != stamps[name]]
    work = partial(_read_one, recordings.read, source.description)
    items = [recordings.items[name] for name in todo]
    workers = min(workers, 1 + len(items) // _WORTH_A_WORKER) if recordings.parallel else 1
    outcomes = _outcomes(work, items, recordings.size, workers)
    bad: dict[str, str] = {}
    for name, outcome in zip(todo, progress(outcomes, len(todo), source.name), strict=True):
        if isinstance(outcome, _Ready):
            writer.add(name, outcome.sequence, outcome.notes, stamps[name], outcome.digest)
        elif isinstance(outcome, EmptyRecording):
            writer.leave_out(name, EMPTY, stamps[name])
        else:
            bad[name] = str(outcome)
    return bad


def _bad_message(listed: Path, data: str, bad: dict[str, str], count: int, again: str) -> str:
    """Names the damaged files, and what to do with them; `listed` becomes a list of all, which is a skip list."""
    with writing(listed):
        listed.write_text("".join(f"{name}\n" for name in bad), "utf-8", "surrogateescape")
    shown = "\n".join(f"  {message}" for message in list(bad.values())[:_SHOWN])
    more = f"\n  … and {len(bad) - _SHOWN} more" if len(bad) > _SHOWN else ""
    return (
        f"{data}: {len(bad)} of {count} recordings cannot be used:\n{shown}{more}\nTheir names are in {listed}. Fetch "
        f"these files again and run the same command (what was read is kept), or leave them out: {again}"
    )
