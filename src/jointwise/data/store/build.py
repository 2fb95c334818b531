"""Build a store from recordings: each is read, cleaned and centred on its own, by one process or several."""

from __future__ import annotations

import hashlib
import json
import re
import shlex
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from jointwise.data.body_checks import REMEDIES, check_recording
from jointwise.data.centring import PREPARATION, prepare_sequence
from jointwise.data.cleaning import CLEANING, odd_bodies
from jointwise.data.datasets.source import DataSource, Recordings
from jointwise.data.findings import FINE, LOOK, Finding, Group, group_findings
from jointwise.data.frame_digests import FrameDigests, frame_digests
from jointwise.data.sequence import Sequence
from jointwise.data.set_checks import Member, check_parts, check_set
from jointwise.data.store.content import digest
from jointwise.data.store.header import VERSION
from jointwise.data.store.reader import (
    TEST,
    TRAIN,
    UNKNOWN,
    Description,
    Parts,
    find_duplicates,
    label_name,
)
from jointwise.data.store.workers import run_in_order
from jointwise.data.store.writer import StoreWriter, check_belongs
from jointwise.data.whole_files import write_text
from jointwise.errors import DataError, EmptyRecording, JointwiseError, ReadError, group_messages, writing

ROWS = 2  # to be raised when the same recording gives other rows; stores that are finished stay as they are
_REMEDIES = {"odd bodies": "If they are no persons: cleaning: clean_ntu in dataset.yaml drops most of them."}
EMPTY = "no body in it, or none after cleaning"
_FILE_ENDING = re.compile(r"\.[A-Za-z]+$")

# (items to come, their number, name of the data) -> the same items, shown as they pass, such as by a progress bar
ShowProgress = Callable[[Iterable[Any], int, str], Iterable[Any]]


def no_progress(items: Iterable[Any], _count: int, _title: str) -> Iterable[Any]:
    """The ShowProgress that shows nothing."""
    return items


@dataclass(frozen=True)
class SkipRequest:
    """The recordings that a user wants left out.

    Args:
        names: Their names, sorted.
        file: The skip list that holds the names; empty without one.
        bad: Whether to leave out damaged recordings as well.
    """

    names: tuple[str, ...] = ()
    file: str = ""
    bad: bool = False


def skip_request(skip_list: Path | None, skip_bad: bool) -> SkipRequest:
    """Read what `--skip-list` and `--skip-bad` ask for.

    Args:
        skip_list: File with names of recordings; None: no names.
        skip_bad: Whether to leave out damaged recordings.

    Returns:
        The request.

    Raises:
        DataError: The skip list cannot be read.
    """
    names = tuple(sorted(read_skip_list(skip_list))) if skip_list else ()
    return SkipRequest(names, str(skip_list) if skip_list else "", skip_bad)


def read_skip_list(path: Path) -> set[str]:
    """Read a skip list.

    Args:
        path: A text file with a name on each line, with or without the ending of the recording's file. Headings are
            allowed, because they name no recording.

    Returns:
        The lines that are not blank.

    Raises:
        DataError: The file cannot be read.
    """
    try:
        return {line.strip() for line in path.read_text("utf-8", "surrogateescape").splitlines() if line.strip()}
    except OSError as error:
        raise DataError(f"{path}: the skip list cannot be read ({error.strerror}). Check --skip-list.") from error


@dataclass
class Summary:
    """What `prepare` found.

    Args:
        read: Number of recordings found.
        stored: Number of sequences in the store.
        left_out: Reason -> number of recordings left out for it.
        cleaned: What cleaning dropped from the stored recordings -> how often.
        bad: (name, message) of each damaged recording that was left out.
        lists: Names of the skip lists that were used.
        skips: What the user wanted left out; the next `prepare` of the same folder leaves it out again.
        duplicates: Name of each split -> (training name, test name) of each pair of equal sequences.
        findings: What the stored recordings tell about themselves, and the data set as a whole, the gravest first.
    """

    read: int = 0
    stored: int = 0
    left_out: dict[str, int] = field(default_factory=dict)
    cleaned: dict[str, int] = field(default_factory=dict)
    bad: list[tuple[str, str]] = field(default_factory=list)
    lists: list[str] = field(default_factory=list)
    skips: SkipRequest = field(default_factory=SkipRequest)
    duplicates: dict[str, list[tuple[str, str]]] = field(default_factory=dict)
    findings: list[Group] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """The content of `summary` in store.json, where `skips` is called `wished`."""
        return {"wished" if key == "skips" else key: value for key, value in asdict(self).items()}


@dataclass(frozen=True)
class _Prepared:
    """A recording that is ready to be stored."""

    sequence: Sequence
    notes: dict[str, int]
    digest: str
    findings: list[Finding]
    frame_digests: FrameDigests


_Outcome = _Prepared | JointwiseError


def build_store(
    path: Path,
    source: DataSource,
    root: Path | None = None,
    *,
    skips: SkipRequest | None = None,
    workers: int = 1,
    progress: ShowProgress = no_progress,
) -> Summary:
    """Read, clean and centre every recording of a data set, and write its store.

    An interrupted call is continued by the next, which reads only what is missing or has changed.

    Args:
        path: The folder of the store.
        source: The data set.
        root: The folder of its recordings; None for a data set that needs none.
        skips: What to leave out; None: nothing.
        workers: Processes that read.
        progress: Shows progress while recordings are read.

    Returns:
        What was found.

    Raises:
        DataError: No recordings are found or left, or some are damaged; all others are kept for the next call.
        StorageError: The disk refuses, or something that is no store lies at `path`.
    """
    skips = skips or SkipRequest()
    recordings = source.recordings(root)
    skipped = _find_skipped(source, root, skips, recordings.items)
    names = [name for name in recordings.items if name not in skipped]
    with StoreWriter(path, source.description, _made_from(source)) as writer:
        bad = _read_all(writer, source, recordings, names, workers, progress)
        _check_bad(path.with_name(f"{path.name}.bad.txt"), source, root, skips, bad, len(names))
        names = [name for name in names if name not in bad]
        left_out = Counter(writer.entries[name]["left_out"] for name in names if "left_out" in writer.entries[name])
        left_out.update(f"named in {skip_list}" for skip_list in skipped.values())
        if bad:
            left_out["damaged"] = len(bad)
        for reason, paths in recordings.ignored.items():
            left_out[f"{reason}, first: {paths[0].name}"] = len(paths)
        stored, index = writer.table(names)
        if not stored:
            reasons = ", ".join(f"{count} {reason}" for reason, count in left_out.items())
            raise DataError(f"{source.name}: not one of {len(recordings.items)} recordings is left: {reasons}.")
        splits = source.split(index, stored)
        summary = Summary(
            read=len(recordings.items) + sum(map(len, recordings.ignored.values())),
            stored=len(stored),
            left_out=dict(left_out),
            cleaned=_sum_notes(writer, stored),
            bad=list(bad.items()),
            lists=sorted(set(skipped.values())),
            skips=skips,
            duplicates=_duplicates(writer, stored, splits),
            findings=group_findings(
                [*_noticed(writer, stored), *_noticed_of_set(writer, stored, source, splits)], REMEDIES | _REMEDIES
            ),
        )
        writer.finish(stored, splits, summary.to_json(), source.revision)
    _list_copies(copies_list(path), summary)
    return summary


def _made_from(source: DataSource) -> str:
    """A hash of what the rows of a store depend on, besides the recordings.

    `metres` changes no row. It is left out, so that a store begun before version 0.2 can still be finished.
    """
    description = asdict(source.description)
    del description["metres"]
    return hashlib.sha256(json.dumps([VERSION, ROWS, PREPARATION, source.title, description]).encode()).hexdigest()


def _find_skipped(source: DataSource, root: Path | None, skips: SkipRequest, names: Iterable[str]) -> dict[str, str]:
    """Name of each recording to leave out -> name of the skip list that holds it."""
    lists = sorted(root.rglob(source.skip_lists)) if root is not None and root.is_dir() and source.skip_lists else []
    listed = {name: path.name for path in lists for name in read_skip_list(path)}
    listed |= dict.fromkeys(skips.names, Path(skips.file).name)
    listed |= {_FILE_ENDING.sub("", name): path for name, path in listed.items()}
    found = {name: listed.get(name) or listed.get(_FILE_ENDING.sub("", name)) for name in names}
    if skips.names and Path(skips.file).name not in found.values():
        raise DataError(
            f"{skips.file}: not one of its lines names a recording of {source.name}. A skip list has one name per "
            f"line, such as {next(iter(found), 'NAME')}."
        )
    return {name: path for name, path in found.items() if path}


def _read_all(
    writer: StoreWriter,
    source: DataSource,
    recordings: Recordings,
    names: list[str],
    workers: int,
    progress: ShowProgress,
) -> dict[str, str]:
    """Add the recordings that are not in the store yet. Returns the damaged ones: name -> message."""
    stamps = {name: recordings.stamp(recordings.items[name]) for name in names}
    missing = [name for name in names if writer.entries.get(name, {}).get("stamp") != stamps[name]]
    read_one = partial(_read_one, recordings.read, source.description)
    items = [recordings.items[name] for name in missing]
    outcomes = run_in_order(read_one, items, recordings.size, workers if recordings.parallel else 1)
    bad: dict[str, str] = {}
    for name, outcome in zip(missing, progress(outcomes, len(missing), source.name), strict=True):
        if isinstance(outcome, _Prepared):
            writer.add(
                name,
                outcome.sequence,
                outcome.notes,
                stamps[name],
                outcome.digest,
                outcome.findings,
                outcome.frame_digests,
            )
        elif isinstance(outcome, EmptyRecording):
            writer.leave_out(name, EMPTY, stamps[name])
        else:
            bad[name] = str(outcome)
    return bad


def _read_one(read: Callable[[Any], Sequence], description: Description, item: Any) -> _Outcome:
    """Read, clean and centre one recording. Errors are returned, so that a damaged file does not stop the others."""
    try:
        cleaned = CLEANING[description.cleaning](read(item))
        sequence = cleaned.sequence
        if set(sequence.skeleton.joints) == set(description.skeleton.joints):
            sequence = sequence.on_joints(description.skeleton.joints)
        check_belongs(sequence, description)
        sequence = replace(sequence, skeleton=description.skeleton)  # all get the same root, whatever their files say
        prepared = prepare_sequence(sequence)
        findings = [finding for finding in check_recording(sequence) if finding.verdict != FINE]
        findings += _noticed_in(sequence)
        return _Prepared(prepared, cleaned.notes, digest(prepared), findings, frame_digests(sequence))
    except JointwiseError as error:
        return error
    except Exception as error:
        return ReadError(f"{item}: unexpected {type(error).__name__}: {error}. Please report it.")


def _noticed_in(sequence: Sequence) -> list[Finding]:
    """What a recording is told of beside its bodies: one finding of each kind."""
    no_number = int((~sequence.validity & np.isnan(sequence.positions).any(-1)).sum())
    found = {
        "no numbers": f"Joints that are no numbers (NaN), and count as missing: {no_number}." if no_number else "",
        "odd bodies": " ".join(f"{what.capitalize()}: {count}." for what, count in odd_bodies(sequence).items()),
        "assumed": " ".join(sequence.assumed),
    }
    return [Finding(check, LOOK, message, sequence.source) for check, message in found.items() if message]


def _sum_notes(writer: StoreWriter, stored: list[str]) -> dict[str, int]:
    """What cleaning noted -> how often, over all stored recordings."""
    return dict(sum((Counter(writer.entries[name]["notes"]) for name in stored), Counter[str]()))


def _noticed(writer: StoreWriter, stored: list[str]) -> list[Finding]:
    """What was noticed in the stored recordings. A recording has its name in the store."""
    return [
        Finding(check, verdict, message, name)
        for name in stored
        for check, verdict, message in writer.entries[name].get("findings", ())
    ]


def _noticed_of_set(
    writer: StoreWriter, stored: list[str], source: DataSource, splits: Mapping[str, tuple[str, Parts]]
) -> list[Finding]:
    """What the stored recordings tell as a whole: under the first split all of it, under the others what they share."""
    found = list(source.findings)
    for number, (name, (_, parts)) in enumerate(splits.items()):
        members = [
            _member(writer, recording, part, source.description.classes)
            for recording, part in zip(stored, parts.tolist(), strict=True)
        ]
        found += check_parts(members, name) if number else check_set(members)
    return found


def _member(writer: StoreWriter, name: str, part: int, classes: tuple[str, ...]) -> Member:
    entry = writer.entries[name]
    label = None if entry["label"] == UNKNOWN else label_name(classes, entry["label"])
    subject = None if entry["subject"] == UNKNOWN else entry["subject"]
    return Member(name, label, subject, part, entry["frames"], entry["digest"], writer.frame_digests(name))


def _duplicates(
    writer: StoreWriter, stored: list[str], splits: Mapping[str, tuple[str, Parts]]
) -> dict[str, list[tuple[str, str]]]:
    """Name of each split -> (training name, test name) of each pair of equal sequences."""
    digests = [writer.entries[name]["digest"] for name in stored]
    return {
        name: [(stored[a], stored[b]) for a, b in find_duplicates(digests, parts == TRAIN, parts == TEST)]
        for name, (_, parts) in splits.items()
    }


def copies_list(store: Path) -> Path:
    """Where the names of scored recordings that equal a training one are listed, as a skip list.

    Args:
        store: The folder of the store.
    """
    return store.with_name(f"{store.name}.copies.txt")


def _list_copies(place: Path, summary: Summary) -> None:
    """Write the list, or remove that of an earlier call; one that is a skip list itself stays as it is."""
    copies = sorted({scored for pairs in summary.duplicates.values() for _, scored in pairs})
    if str(place) == summary.skips.file:
        return
    if copies:
        write_text(place, "".join(f"{name}\n" for name in copies), "surrogateescape")
        return
    with writing(place):
        place.unlink(missing_ok=True)


def _check_bad(
    bad_list: Path, source: DataSource, root: Path | None, skips: SkipRequest, bad: dict[str, str], count: int
) -> None:
    """Raise DataError for damaged recordings, unless they are to be left out.

    The message says what to do with them. All their names are written to `bad_list`, which can be used as a skip list.
    """
    if not bad and str(bad_list) != skips.file:
        with writing(bad_list):
            bad_list.unlink(missing_ok=True)  # of an earlier call
    if not bad or skips.bad:
        return
    write_text(bad_list, "".join(f"{name}\n" for name in bad), "surrogateescape")
    command = ["jointwise", "prepare", source.address]
    command += ["--root", str(root)] if root else []
    command += ["--skip-list", skips.file] if skips.file else []
    command += ["--skip-bad"]
    raise DataError(
        f"{source.name}: {len(bad)} of {count} recordings cannot be used:\n{group_messages(bad.values())}\nTheir names "
        f"are in {bad_list}. Mend or replace them and run the same command (what was read is kept), or leave them out: "
        f"{shlex.join(command)}"
    )
