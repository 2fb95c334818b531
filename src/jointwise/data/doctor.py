"""Look at recordings before a training: what they are, what was taken for granted, and what would spoil it.

Of a recording its facts and digests are kept, not its coordinates, so that a large data set can be looked at.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from jointwise.data import agreement_checks, set_checks
from jointwise.data.agreement_checks import check_agreement
from jointwise.data.body_checks import REMEDIES, check_recording
from jointwise.data.cleaning import CLEANING
from jointwise.data.conventions import guess_units
from jointwise.data.datasets import (
    DATASETS,
    PREPARED_FILES,
    existing_path,
    find_source,
    holds_data_set,
    is_pool,
    is_store,
    store_path,
)
from jointwise.data.datasets.folder_tree import Tree
from jointwise.data.datasets.source import DataSource, Recordings, file_size
from jointwise.data.examination import Examination, Look
from jointwise.data.findings import LOOK, STOP, UNREADABLE, Finding
from jointwise.data.formats import detect, read, recordings_in
from jointwise.data.frame_digests import frame_digests
from jointwise.data.sequence import Sequence
from jointwise.data.set_checks import Member, check_set
from jointwise.data.skeletons import unnamed_skeleton
from jointwise.data.store.build import ShowProgress, no_progress
from jointwise.data.store.content import digest
from jointwise.data.store.reader import INDEX, UNKNOWN, UNUSED, Parts, Store, label_name
from jointwise.data.store.workers import run_in_order
from jointwise.errors import ConfigError, DataError, EmptyRecording, JointwiseError

NOBODY = "nobody"
SETTINGS_CHECK = "settings"


def examine(
    place: str,
    root: Path | None = None,
    options: Mapping[str, Any] | None = None,
    *,
    workers: int = 1,
    progress: ShowProgress = no_progress,
) -> Examination:
    """Look at a recording or a data set.

    Args:
        place: A file, a folder, a prepared file, a store, or the name of a data set or pool.
        root: The folder of the files of a registered data set; None looks at its store.
        options: Arguments of `read` that take the place of what files and `dataset.yaml` say.
        workers: Processes that read.
        progress: Shows progress while recordings are read.

    Returns:
        What was seen.

    Raises:
        JointwiseError: There is nothing to look at, or the options do not go with it.
    """
    scene = _find(place, root, dict(options or {}))
    cleaning = "none" if scene.source is None or scene.prepared else scene.source.description.cleaning
    work = partial(_look_one, scene.recordings.read, dict(options or {}), cleaning)
    items = list(scene.recordings.items.items())
    outcomes = run_in_order(
        work, items, lambda pair: scene.recordings.size(pair[1]), workers if scene.recordings.parallel else 1
    )
    if len(items) > 1:
        outcomes = iter(progress(outcomes, len(items), place))
    looks: list[Look] = []
    findings = list(scene.findings)
    for outcome in outcomes:
        if isinstance(outcome, Look):
            looks.append(outcome)
            findings += outcome.findings
        else:
            findings.append(outcome)
    checks: tuple[str, ...] = (UNREADABLE, *REMEDIES)
    if scene.source is not None or scene.folder is not None:
        parts, trouble = _parts(scene.source, looks)
        findings += [*trouble, *check_agreement(looks), *check_set(_members(scene, looks, parts))]
        checks += agreement_checks.CHECKS + set_checks.CHECKS
    looks = [replace(look, findings=(), digest="", frame_digests=None) for look in looks]
    return Examination(place, looks, findings, scene.source, scene.folder, scene.prepared, checks)


def recordings_at(place: str) -> Recordings:
    """The recordings that `examine` looks at, to read them one by one.

    Args:
        place: As for `examine`.

    Raises:
        JointwiseError: There is nothing to look at.
    """
    return _find(place, None, {}).recordings


@dataclass(frozen=True)
class _Scene:
    """What is to be looked at; the fields are those of Examination and Recordings."""

    recordings: Recordings
    source: DataSource | None = None
    folder: Path | None = None
    prepared: bool = False
    findings: tuple[Finding, ...] = ()
    classes: tuple[str, ...] = ()


def _find(place: str, root: Path | None, options: dict[str, Any]) -> _Scene:
    """What a name or path stands for."""
    if place in DATASETS:
        if root is None and is_store(store_path(place)):
            return _of_store(Store(store_path(place)), options)
        return _of_source(DATASETS[place], root)
    if root is not None:
        raise ConfigError(f"--root: only known data sets have one ({', '.join(DATASETS)}). Leave it out for {place}.")
    if is_pool(place):
        return _of_store(Store(store_path(place)), options)
    path = existing_path(place)
    if is_store(path):
        return _of_store(Store(path), options)
    if path.is_dir():
        found = recordings_in(path)
        return _of_recording(path) if found == [path] else _of_folder(path, found)
    return _of_file(path, options)


def _of_source(source: DataSource, root: Path | None) -> _Scene:
    return _Scene(source.recordings(root), source, findings=source.findings, classes=source.description.classes)


def _of_recording(path: Path) -> _Scene:
    return _Scene(Recordings({str(path): path}, read))


def _of_file(path: Path, options: dict[str, Any]) -> _Scene:
    """A recording, or a prepared file of many."""
    if path.suffix.lower() in PREPARED_FILES and not options:
        try:
            return _of_source(find_source(str(path)), None)
        except JointwiseError:
            if holds_data_set(path):
                raise
    return _of_recording(path)


def _of_folder(path: Path, found: list[Path]) -> _Scene:
    """A data set of the user's own. Where it cannot be described, its recordings are looked at one by one."""
    if not found:
        raise DataError(f"no recordings in {path}. jointwise formats lists the files that can be read.")
    try:
        return replace(_of_source(find_source(str(path)), None), folder=path)
    except JointwiseError as error:
        place_of = {file.relative_to(path): file for file in found}
        class_names = {place: Tree().class_of(place) for place in place_of}
        classes = tuple(sorted({name for name in class_names.values() if name is not None}))
        labels: dict[str | None, int] = {name: label for label, name in enumerate(classes)}
        items = {place.as_posix(): _Placed(file, labels.get(class_names[place])) for place, file in place_of.items()}
        each_says_it = isinstance(error, DataError) and "can be read" in str(error)
        trouble = () if each_says_it else (Finding(SETTINGS_CHECK, STOP, str(error), str(path)),)
        recordings = Recordings(items, _read_placed, size=_place_size)
        return _Scene(recordings, folder=path, findings=trouble, classes=classes)


@dataclass(frozen=True)
class _Placed:
    """A recording in a folder that cannot be described as a data set."""

    path: Path
    label: int | None
    subject: None = None


def _read_placed(item: _Placed) -> Sequence:
    return replace(read(item.path), label=item.label)


def _place_size(item: _Placed) -> int:
    return file_size(item.path)


def _of_store(store: Store, options: dict[str, Any]) -> _Scene:
    """A prepared data set."""
    if options:
        names = ", ".join(f"--{name.replace('_', '-')}" for name in options)
        raise ConfigError(f"{names}: {store.path} is prepared already. Name the folder of its files.")
    source = DataSource(
        title=store.description.data,
        description=store.description,
        recordings=lambda _root: Recordings({}, read),
        splits={},
        count=len(store),
        origin=str(store.path),
    )
    units = "m" if store.description.metres else None
    items = {str(name): number for number, name in enumerate(store.names)}
    recordings = Recordings(
        items, lambda number: replace(store[number], units=units), str, lambda _number: 0, parallel=False
    )
    return _Scene(recordings, source, prepared=True, classes=store.description.classes)


def _look_one(
    reader: Callable[[Any], Sequence], options: dict[str, Any], cleaning: str, named: tuple[str, Any]
) -> Look | Finding:
    """Look at one recording, cleaned. An error is a finding, so that it does not stop the others."""
    name, item = named
    path = item if isinstance(item, Path) else getattr(item, "path", None)
    try:
        if options and path is not None:
            told = read(path, **options)
            label, subject = getattr(item, "label", told.label), getattr(item, "subject", None)
            sequence = replace(told, label=label, subject=told.subject if subject is None else subject)
        else:
            sequence = reader(item)
        return _look(name, _format_of(path, options), CLEANING[cleaning](sequence).sequence)
    except EmptyRecording as error:
        return Finding(NOBODY, LOOK, str(error), name)
    except JointwiseError as error:
        return Finding(UNREADABLE, STOP, str(error), name)
    except Exception as error:
        return Finding(UNREADABLE, STOP, f"unexpected {type(error).__name__}: {error}. Please report it.", name)


def _format_of(path: Path | None, options: dict[str, Any]) -> str:
    if path is None:
        return ""
    return str(options.get("format", "auto")).replace("auto", "") or detect(path).name


def _look(name: str, format: str, sequence: Sequence) -> Look:
    """The facts of a recording."""
    skeleton, coordinates = sequence.skeleton, sequence.positions.shape[-1]
    unnamed = " (not named)" if skeleton == unnamed_skeleton(len(skeleton.joints)) else ""
    up = sequence.up or (None if skeleton.up is None or coordinates == 2 else "xyz"[skeleton.up])
    return Look(
        name=name,
        format=format,
        layout=skeleton.name,
        joints=f"{skeleton.name}{unnamed}, {len(skeleton.joints)} joints, {coordinates}D",
        persons=sequence.persons,
        frames=sequence.frames,
        fps=sequence.fps,
        units=sequence.units,
        guess=None if sequence.units else guess_units(sequence),
        up=up,
        size=_body_size(sequence) if coordinates == 3 else None,
        seen=float(sequence.validity.mean()) if sequence.validity.size else 0.0,
        label=sequence.label,
        subject=sequence.subject,
        camera=sequence.camera,
        assumed=sequence.assumed,
        digest=digest(sequence),
        frame_digests=frame_digests(sequence),
        findings=tuple(replace(finding, source=name) for finding in check_recording(sequence)),
    )


def _body_size(sequence: Sequence) -> float | None:
    """Median diagonal of the box around a body, over persons and frames; None without a body."""
    seen = sequence.validity[..., None]
    there = sequence.validity.sum(-1) > 1
    if not there.any():
        return None
    high = np.where(seen, sequence.positions, -np.inf).max(2)[there]
    low = np.where(seen, sequence.positions, np.inf).min(2)[there]
    return float(np.median(np.linalg.norm(high - low, axis=-1)))


def _parts(source: DataSource | None, looks: list[Look]) -> tuple[Parts, list[Finding]]:
    """The part of each recording under the first split, and what keeps it from being known."""
    index = np.zeros(len(looks), INDEX)
    for row, look in zip(index, looks, strict=True):
        row["frames"], row["persons"], row["fps"] = look.frames, look.persons, look.fps
        for key in ("label", "subject", "camera"):
            value = getattr(look, key)
            row[key] = UNKNOWN if value is None else value
    unused = np.full(len(looks), UNUSED, np.int8)
    if source is None or not looks or not (source.splits or source.choose_splits):
        return unused, []
    try:
        splits = source.split(index, [look.name for look in looks])
    except JointwiseError as error:
        return unused, [Finding(SETTINGS_CHECK, STOP, str(error))]
    return next(iter(splits.values()))[1], []


def _members(scene: _Scene, looks: list[Look], parts: Parts) -> list[Member]:
    """The recordings as the checks of the whole set take them."""
    return [
        Member(
            look.name,
            None if look.label is None else label_name(scene.classes, look.label),
            look.subject,
            int(part),
            look.frames,
            look.digest,
            look.frame_digests,
        )
        for look, part in zip(looks, parts.tolist(), strict=True)
    ]
