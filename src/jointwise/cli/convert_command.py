"""The commands about files of recordings: formats, convert."""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jointwise.cli.arguments import Parser, add_reading, reading_options
from jointwise.cli.output import print_columns, show, show_progress, stem_of
from jointwise.errors import ConfigError, JointwiseError, ReadError, StorageError, unknown, writing

NPZ = "npz"
_MOST_ERRORS = 10  # that are listed


def add_formats_arguments(parser: Parser) -> None:
    """`formats` takes nothing."""


def formats(args: argparse.Namespace) -> None:
    """Which files can be read, who writes them, and what has to be installed for them."""
    from jointwise.data.formats import formats

    rows = [("NAME", "FILES", "WRITTEN BY", "NEEDS")]
    for item in formats():
        files = ", ".join(item.patterns) + (" (a folder of them)" if item.frame_files else "")
        rows.append((item.name, files, item.written_by, item.extra and f"pip install 'jointwise[{item.extra}]'"))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
    print(
        "\nA file is recognised by its content; --format NAME overrides that. Several frames in a folder of files that"
    )
    print("hold one frame each are one recording. Anything else can be saved as .npz: see docs/data.md, or use")
    print("jointwise.from_arrays in Python.")


def add_convert_arguments(parser: Parser) -> None:
    """Add what `convert` takes."""
    parser.add_argument(
        "paths",
        metavar="PATH",
        nargs="+",
        help="recordings, or folders of them; for glb and bvh also what else view takes, of a run also what it rebuilt",
    )
    parser.add_argument(
        "--to",
        metavar="FORMAT",
        default=NPZ,
        help=f"{NPZ} (jointwise's own, with all that was read), glb (glTF: bodies of capsules) or bvh (joints); "
        f"default: {NPZ}",
    )
    parser.add_argument(
        "--out", metavar="DIR", type=Path, default=Path(), help="folder of what is written, or one file (default: here)"
    )
    parser.add_argument("--clip", metavar="N", type=int, help="which of several clips of a run or data set, from 1")
    add_reading(parser)


def convert(args: argparse.Namespace) -> None:
    """Write recordings as jointwise's own .npz, or as moving bodies that Blender opens (glTF, BVH).

    Args:
        args: Arguments of `add_convert_arguments`.

    Raises:
        ConfigError: A format, an option or the clip is wrong, or a file would be overwritten.
        JointwiseError: Recordings cannot be read, or have no body; raised after the others are written.
    """
    reading = reading_options(args)
    if args.to == NPZ:
        if args.clip is not None:
            raise ConfigError("--clip goes with --to glb or bvh: --to npz writes every recording.")
        _convert_recordings(args.paths, args.out, reading)
        return
    from jointwise.report.export import WRITERS

    if args.to not in WRITERS:
        raise ConfigError(f"--to: {unknown('format', args.to, (NPZ, *WRITERS))}")
    if len(args.paths) > 1 and _is_file(args.out, args.to):
        raise ConfigError(f"--out {args.out} is one file, but there are {len(args.paths)} recordings. Name a folder.")
    for path in args.paths:
        _convert_body(path, args.to, args.clip, args.out, reading)


def _is_file(out: Path, ending: str) -> bool:
    """Whether --out names a file, not a folder."""
    return out.suffix.lower() == f".{ending}" and not out.is_dir()


def _convert_recordings(places: list[str], out: Path, reading: Mapping[str, Any]) -> None:
    """Write every recording as .npz; what cannot be read is told at the end."""
    from jointwise.data.formats import npz, read

    targets = _targets(places, out)
    assumed: Counter[str] = Counter()
    errors: list[JointwiseError] = []
    for target, path in targets.items():
        try:
            sequence = read(path, **reading)
            with writing(target):
                target.parent.mkdir(parents=True, exist_ok=True)
            npz.write(target, sequence)
        except StorageError:
            raise
        except JointwiseError as error:
            errors.append(error)
            continue
        assumed.update(sequence.assumed)
        persons = f"{sequence.persons} person" + ("s" if sequence.persons != 1 else "")
        frames = f"{sequence.frames} frame" + ("s" if sequence.frames != 1 else "")
        about = f"{frames} at {sequence.fps:g} per second, {persons}, {sequence.skeleton.name}"
        units = f", {sequence.units}" if sequence.units else ""
        seen = 100 * float(sequence.validity.mean())
        show(f"{target}: {about}, {sequence.positions.shape[-1]}D{units}, {seen:.1f} % seen")
    written = len(targets) - len(errors)
    for sentence, count in assumed.items():
        show(f"  {f'({count} of {written}) ' if written > 1 else ''}{sentence}")
    if len(errors) == 1 and len(targets) == 1:
        raise errors[0]
    if errors:
        listed = "\n".join(f"  {error}" for error in errors[:_MOST_ERRORS])
        more = f"\n  and {len(errors) - _MOST_ERRORS} more" if len(errors) > _MOST_ERRORS else ""
        raise ReadError(f"{len(errors)} of {len(targets)} recordings cannot be read:\n{listed}{more}")


def _targets(places: list[str], out: Path) -> dict[Path, Path]:
    """The file to write -> the recording to read."""
    from jointwise.data.formats import known_names, recordings_in

    found: list[tuple[Path, Path]] = []  # (recording, its name below the folder of what is written)
    for place in map(Path, places):
        inside = recordings_in(place) if place.is_dir() else [place]
        if not inside:
            raise ConfigError(f"{place}: no recording in this folder. Known files: {known_names()}.")
        for path in inside:
            below = Path(stem_of(path)) if path == place else path.relative_to(place)
            found.append((path, below if path == place or path.is_dir() else below.with_suffix("")))
    if _is_file(out, NPZ):
        if len(found) > 1:
            raise ConfigError(f"--out {out} is one file, but there are {len(found)} recordings. Name a folder.")
        targets = {out: found[0][0]}
    else:
        targets = {}
        for path, below in found:
            target = out / below.with_name(f"{below.name}.{NPZ}")
            if target in targets:
                raise ConfigError(f"{targets[target]} and {path} would both become {target}. Convert them apart.")
            targets[target] = path
    _refuse_existing(targets)
    return targets


def _refuse_existing(files: Mapping[Path, Any]) -> None:
    for path in files:
        if path.exists():
            raise ConfigError(f"{path} exists already. Name another place with --out, or move it away.")


def _convert_body(place: str, ending: str, number: int | None, out: Path, reading: Mapping[str, Any]) -> None:
    """Write one clip as moving bodies."""
    from jointwise.report.export import WRITERS, figures_of
    from jointwise.report.viewer import find_clips

    source = find_clips(place, show_progress, reading=reading)
    number = _choose_clip(place, number, [clip.title for clip in source.clips])
    clip = source.clips[number - 1]
    figures, notes = figures_of(clip)
    several = f"-{number}" if len(source.clips) > 1 else ""
    stem = out.with_suffix("") if _is_file(out, ending) else out / f"{stem_of(place)}{several}"
    files = WRITERS[ending](figures, stem)
    _refuse_existing(files)
    for path, content in files.items():
        with writing(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
    print_columns(
        [
            ("clip", clip.title),
            *(
                (
                    figure.name,
                    f"{len(figure.motion.body.skeleton.joints)} joints, {figure.motion.body.stature:.2f} m "
                    f"tall; {100 * figure.distance:.1f} cm from the joints on average",
                )
                for figure in figures
            ),
            ("frames", f"{clip.frames} at {clip.fps:.4g} per second"),
            *(("note", note) for note in (*notes, *(source.notes if several else ()))),
            *(("written", path) for path in files),
        ]
    )


def _choose_clip(place: str, number: int | None, titles: list[str]) -> int:
    """The number of the clip, from 1."""
    if number is None and len(titles) == 1:
        return 1
    listed = "\n".join(f"  {place:>3}  {title}" for place, title in enumerate(titles, 1))
    if number is None:
        raise ConfigError(f"{place}: {len(titles)} clips. Choose one with --clip N:\n{listed}")
    if not 1 <= number <= len(titles):
        raise ConfigError(f"--clip {number}: there are clips 1 to {len(titles)} in {place}:\n{listed}")
    return number
