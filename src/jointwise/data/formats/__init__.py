"""Readers of recordings, one module for each format. A reader returns exactly what the file says, as a Sequence.

A format is recognised by the content of a file. Its name decides only where the content says nothing.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator
from dataclasses import replace
from fnmatch import fnmatchcase
from pathlib import Path

from jointwise.data.formats import (
    aist,
    alphapose,
    azure_kinect,
    bvh,
    c3d,
    coco,
    kinect,
    kinetics,
    mediapipe,
    mmpose,
    npy,
    npz,
    openpose,
    pose,
    sbu,
    skeleton,
    table,
    trc,
    utd_mat,
    wmft,
    yolo,
    zed,
)
from jointwise.data.formats.files import check_file, read_head
from jointwise.data.formats.format import Format, ReadOptions
from jointwise.data.layouts import Sources, load_layout
from jointwise.data.mapping import find_spellings, on_layout
from jointwise.data.sequence import Sequence
from jointwise.data.skeletons import Skeleton, skeleton_of
from jointwise.errors import ConfigError, ReadError, first_few, unknown

# in the order of `jointwise formats`
FORMATS: dict[str, Format] = {
    item.name: item
    for item in (
        npz.FORMAT,
        npy.FORMAT,
        table.FORMAT,
        table.IN_PARQUET,
        mediapipe.FORMAT,
        openpose.FORMAT,
        alphapose.FORMAT,
        mmpose.FORMAT,
        mmpose.IMAGES,
        coco.FORMAT,
        yolo.FORMAT,
        yolo.RESULTS,
        kinetics.FORMAT,
        kinect.FORMAT,
        skeleton.FORMAT,
        utd_mat.FORMAT,
        sbu.FORMAT,
        wmft.FORMAT,
        aist.FORMAT,
        azure_kinect.FORMAT,
        zed.FORMAT,
        bvh.FORMAT,
        c3d.FORMAT,
        trc.FORMAT,
        pose.FORMAT,
    )
}
# Endings that many kinds of files have. A file is a recording only if its content says so.
SHARED_ENDINGS = {".json", ".csv", ".tsv", ".txt", ".npy", ".pkl", ".parquet"}
_UNDECIDED = 0.1  # two formats whose scores are nearer than this: the file could be either


def formats() -> tuple[Format, ...]:
    """All file formats that can be read."""
    return tuple(FORMATS.values())


def known_names() -> str:
    """How files that can be read are called, as one text for messages."""
    return ", ".join(dict.fromkeys(pattern for item in FORMATS.values() for pattern in item.patterns))


def _named_like(path: Path) -> list[Format]:
    """The formats whose files are called like this one."""
    name = path.name.lower()
    return [item for item in FORMATS.values() if any(fnmatchcase(name, pattern) for pattern in item.patterns)]


def _scores(path: Path) -> list[tuple[float, Format]]:
    """(score, format) of each format that the content of a file may be, best first."""
    head = read_head(path)
    found = [(item.detect(path, head), item) for item in FORMATS.values()]
    return sorted((pair for pair in found if pair[0] > 0), key=lambda pair: -pair[0])


def detect(path: Path) -> Format:
    """Recognise the format of a recording.

    Args:
        path: A file, or a folder of files that hold one frame each.

    Returns:
        Its format.

    Raises:
        ReadError: There is no such file, it is empty, no format fits, or two fit equally well.
    """
    sample, scores = path, []
    if os.path.isdir(path):
        for sample in (file for file in _files(path) if _named_like(file)):
            scores = [pair for pair in _scores(sample) if pair[1].frame_files]
            if scores:  # a frame in which nobody is may tell nothing
                break
    check_file(sample)
    if not path.is_dir():
        scores = _scores(sample)
    if not scores:
        named = _named_like(sample)
        own = [item for item in named if path.name.lower() in item.patterns] or named
        if len(own) == 1 and not path.is_dir():  # damaged: its reader says how
            return own[0]
        if path.is_dir():
            raise ReadError(
                f"{path}: a folder whose files do not hold one frame each. Name one of its files, or prepare it as a "
                f"data set: {shlex.join(['jointwise', 'prepare', f'{path}/'])}"
            )
        why = f"it is none of: {', '.join(item.name for item in named)}" if named else "no reader for such a file"
        raise ReadError(
            f"{path}: {why}. Known files: {known_names()}; jointwise formats lists who writes them. Anything else can "
            "be saved as .npz (numpy.savez) with an array 'positions' of shape (persons, frames, joints, coordinates)."
        )
    likely = [item for score, item in scores if score > scores[0][0] - _UNDECIDED]
    if len(likely) > 1:
        names = " or ".join(item.name for item in likely)
        raise ReadError(f"{path}: this could be {names}. Say which with --format, or format= in Python.")
    return likely[0]


def _files(folder: Path) -> Iterator[Path]:
    """The files of a folder in order of name, without hidden ones."""
    return (path for path in sorted(folder.iterdir()) if not path.name.startswith(".") and path.is_file())


def recordings_in(folder: str | Path) -> list[Path]:
    """Find the recordings in a folder.

    Args:
        folder: The folder to search, with all folders below it.

    Returns:
        The files, and the folders whose files hold one frame each, sorted. Hidden ones are left out.
    """
    found: list[Path] = []
    for place, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        found += _recordings_among([Path(place, name) for name in sorted(names) if not name.startswith(".")])
    return sorted(found)


def _recordings_among(files: list[Path]) -> list[Path]:
    """The recordings among the files of one folder; the folder itself if they hold one frame each."""
    found: list[Path] = []
    frames: set[str] = set()  # endings of files that hold one frame each: one file of the folder tells it for all
    for path in files:
        if not (named := _named_like(path)) or path.suffix.lower() in frames or not path.is_file():
            continue  # a broken link is no file
        if path.suffix.lower() not in SHARED_ENDINGS:
            found.append(path)
            continue
        scores = [item for score, item in _scores(path) if item in named]
        if scores and scores[0].frame_files:
            frames.add(path.suffix.lower())
        elif scores:
            found.append(path)
    return [*found, *([files[0].parent] if frames else [])]


def read(
    path: str | Path,
    *,
    format: str = "auto",
    layout: str | Path | Skeleton | None = None,
    fps: float | None = None,
    units: str | None = None,
    up: str | None = None,
    image_size: tuple[int, int] | None = None,
    persons: int | None = None,
    min_confidence: float = 0.3,
    track: str = "auto",
) -> Sequence:
    """Read one recording.

    Args:
        path: The file, or the folder whose files hold one frame each.
        format: Name of its format; `auto` recognises it by its content.
        layout: The joints, for files that do not name them or call them otherwise: the name of a shipped layout, a
            YAML file, or a Skeleton.
        fps: Frames per second, where the file does not say it or says it wrongly.
        units: The unit of the coordinates, such as `m`, `mm` or `px`, in the same case.
        up: The axis that points up, such as `y`, or `-y` for images, in the same case.
        image_size: (width, height) of the image in pixels, for coordinates that are parts of it.
        persons: Most persons to keep; those who are seen longest stay. None: all.
        min_confidence: A joint whose confidence is lower counts as not seen.
        track: Who is who over time: `auto`, `file` or `none`; see `ReadOptions`.

    Returns:
        What the file says: every person and frame, in the file's own axes and units. `assumed` says what the file
        does not say.

    Raises:
        ReadError: The file is missing, empty or damaged, or no format fits it, or two fit equally well; or it has not
            the joints of the layout.
        ConfigError: The format or the layout is unknown, or an option has no such value.
    """
    path = Path(path)
    if format != "auto" and format not in FORMATS:
        raise ConfigError(unknown("format", format, FORMATS))
    aliases: Sources = {}
    if isinstance(layout, str | Path):
        known = load_layout(layout)
        layout, aliases = skeleton_of(known), known.aliases
    options = ReadOptions(layout, fps, units, up, image_size, persons, min_confidence, track)
    reader = detect(path) if format == "auto" else FORMATS[format]
    return _apply(options, reader.read(path, options), aliases)


def _apply(options: ReadOptions, sequence: Sequence, aliases: Sources) -> Sequence:
    """Put what the user says in the place of what the file says; aliases: of the joints of the layout."""
    if options.layout is not None:
        sequence = on_layout(sequence, options.layout, aliases)
        if sequence.skeleton != options.layout:
            own, wanted = sequence.skeleton.joints, options.layout.joints
            found = find_spellings(wanted, own, aliases)
            raise ReadError(
                f"{sequence.source}: layout '{options.layout.name}' does not fit: no "
                f"{first_few([joint for joint in wanted if joint not in found])} among the file's {len(own)} joints "
                f"({first_few(own)}). Name another layout, or a layout file whose aliases say how this file calls them."
            )
    if options.fps is not None:
        sequence = replace(sequence, fps=float(options.fps))
    if options.units is not None:
        sequence = replace(sequence, units=options.units)
    if options.up is not None:
        sequence = replace(sequence, up=options.up)
    if sequence.confidence is not None:
        sequence = replace(sequence, valid=sequence.validity & (sequence.confidence >= options.min_confidence))
    if options.persons is not None and options.persons < sequence.persons:
        seen = sequence.validity.sum((1, 2))
        sequence = sequence.on_persons(sorted(seen.argsort(kind="stable")[::-1][: options.persons].tolist()))
    return sequence
