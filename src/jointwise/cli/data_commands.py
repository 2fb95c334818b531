"""The commands about data: datasets, prepare, join, pool, view."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from jointwise.cli.arguments import Parser, add_reading, reading_options
from jointwise.cli.output import (
    describe_sizes,
    grouped_warnings,
    print_columns,
    show_progress,
    show_progress_beside,
    stem_of,
)
from jointwise.data.findings import STOP
from jointwise.errors import ConfigError, counted, first_few, group_messages

if TYPE_CHECKING:
    from jointwise.data.findings import Group
    from jointwise.data.sequence import Sequence
    from jointwise.data.store.shards import Member

_CLASSES_SHOWN = 8


def add_datasets_arguments(parser: Parser) -> None:
    """`datasets` takes nothing."""


def datasets(args: argparse.Namespace) -> None:
    """What data sets are known, where their files come from, which are prepared; and the pools that were made."""
    from jointwise.data.datasets import DATASETS, pools, store_path
    from jointwise.data.store.reader import Store

    for name, source in DATASETS.items():
        path = store_path(name)
        about = source.description
        print(name)
        print_columns(
            [
                (
                    "what",
                    f"{source.title}: {source.count} sequences, {len(about.classes)} classes, {about.skeleton.name}",
                ),
                *((f"split {name}", split.about) for name, split in (source.splits.items())),
                ("files", source.origin),
                ("terms", about.terms or "free"),
                ("prepared", path if (path / "store.json").is_file() else "no"),
            ]
        )
    for store in map(Store, pools()):
        print(f"{store.description.data} (pool)")
        print_columns([*_lines_of_mixture(store.mixture), ("terms", store.description.terms), ("store", store.path)])


def add_prepare_arguments(parser: Parser) -> None:
    """Add what `prepare` takes."""
    parser.add_argument("name", metavar="DATA", help="name of the data set, or folder/ or file of your own")
    parser.add_argument("--root", metavar="DIR", type=Path, help="folder of its files (none for synthetic or your own)")
    parser.add_argument("--workers", metavar="N", type=int, default=0, help="processes that read (default: all cores)")
    parser.add_argument("--skip-list", metavar="FILE", type=Path, help="names of recordings to leave out, one per line")
    parser.add_argument("--skip-bad", action="store_true", help="leave damaged files out instead of failing")


def prepare(args: argparse.Namespace) -> None:
    """Read the recordings of a data set and write its store; goes on where it was interrupted.

    Args:
        args: Arguments of `add_prepare_arguments`.

    Raises:
        ConfigError: --workers is negative, or --root does not go with the data.
        JointwiseError: Recordings cannot be read or stored, see `jointwise.data.dataset.prepare`.
        KeyboardInterrupt: After Ctrl-C; what was read is kept.
    """
    import numpy as np

    from jointwise.data.dataset import Dataset, prepare
    from jointwise.data.datasets import store_path
    from jointwise.data.store.build import copies_list
    from jointwise.data.store.reader import UNKNOWN, Store

    if args.workers < 0:
        raise ConfigError(f"--workers {args.workers}: at least one process reads; 0 means one for each core.")
    workers = args.workers or os.cpu_count() or 1
    try:
        summary = prepare(
            args.name,
            args.root,
            skip_list=args.skip_list,
            skip_bad=args.skip_bad,
            workers=workers,
            progress=show_progress,
        )
    except KeyboardInterrupt:
        print("interrupted; what was read is kept: the same command goes on from here", file=sys.stderr)
        raise
    store = Store(store_path(args.name))
    labels, copies = store.index["label"], copies_list(store.path)
    skeleton, splits = store.description.skeleton, [Dataset.of(store, args.name, name) for name in store.splits]
    print(f"prepared {store.description.data}")
    print_columns(
        [
            ("store", store.path),
            ("recordings", f"{summary.stored} of {summary.read}"),
            *(("left out", f"{count}: {reason}") for reason, count in summary.left_out.items()),
            *(("", line.strip()) for line in group_messages(text for _, text in summary.bad).splitlines()),
            *(("cleaned", f"{count} {what}") for what, count in summary.cleaned.items()),
            ("classes", _describe_classes(store.description.classes, np.unique(labels[labels != UNKNOWN]).tolist())),
            ("unlabelled", np.count_nonzero(labels == UNKNOWN) or None),
            ("frames", f"{store.index['frames'].min()} to {store.index['frames'].max()}"),
            ("joints", f"{len(skeleton.joints)} ({skeleton.name}), {100 * store.valid_share():.2f} % valid"),
            ("", "" if skeleton.bones else _layout_hint(store[0])),
            ("persons", f"{store.index['persons'].min()} to {store.index['persons'].max()}"),
            *((f"split {part.split_name}", f"{describe_sizes(part)}: {part.split}") for part in splits),
            *_lines_of_findings(summary.findings, summary.stored),
            ("", f"all scored copies, for --skip-list: {copies}" if any(summary.duplicates.values()) else ""),
            ("fingerprint", store.fingerprint),
            ("terms", store.description.terms),
        ]
    )


def add_join_arguments(parser: Parser) -> None:
    """Add what `join` takes."""
    parser.add_argument("name", metavar="DATA", help="name of the data set, or folder/ to write, for --data")
    parser.add_argument("stores", metavar="STORE", nargs="+", type=Path, help="folders that prepare has made, in order")


def join(args: argparse.Namespace) -> None:
    """Make one data set of stores that were prepared apart, for data beyond one disk; nothing is copied."""
    from jointwise.data.store.join import join

    store = join(args.name, args.stores)
    shards = [(str(shard.path), counted(shard.sequences, "sequence")) for shard in store.joined]
    print_columns([("store", store.path), *shards, ("sequences", len(store)), ("fingerprint", store.fingerprint)])


def add_pool_arguments(parser: Parser) -> None:
    """Add what `pool` takes."""
    parser.add_argument("name", metavar="NAME", help="name of the pool, for --data")
    parser.add_argument(
        "sets",
        metavar="SET",
        nargs="+",
        help="data sets as --data takes them; the training part of the first split is taken, or of another: wmft:fold2",
    )
    parser.add_argument(
        "--weights",
        metavar="SET=W",
        nargs="+",
        default=[],
        help="how often a set is drawn, relative to the others (default: the square root of its hours)",
    )


def pool(args: argparse.Namespace) -> None:
    """Pool the training parts of data sets for pre-training, on one layout, in metres, at one frame rate.

    Args:
        args: Arguments of `add_pool_arguments`.

    Raises:
        ConfigError: A weight is no number.
        JointwiseError: Sets cannot be pooled or stored, see `jointwise.data.dataset.pool`.
    """
    from jointwise.data.dataset import pool

    dataset = pool(args.name, args.sets, dict(map(_weight_from, args.weights)), show_progress)
    store = dataset.store
    print(f"pool {dataset.name}")
    print_columns(
        [
            ("store", store.path),
            *_lines_of_mixture(store.mixture),
            ("sequences", f"{len(dataset.train)}, {sum(member.hours for member in store.mixture):.2f} hours"),
            ("joints", f"{len(dataset.skeleton.joints)} ({dataset.skeleton.name})"),
            ("fingerprint", store.fingerprint),
            ("terms", store.description.terms),
        ]
    )


def _weight_from(text: str) -> tuple[str, float]:
    """The name and the weight in `SET=W`."""
    name, _, weight = text.partition("=")
    try:
        return name, float(weight)
    except ValueError as error:
        raise ConfigError(f"--weights {text}: expected the name of a set and a number, such as wmft=2.") from error


def _lines_of_mixture(mixture: Iterable[Member]) -> Iterator[tuple[str, str]]:
    """The sets of a pool as lines: what is drawn of each, and what was brought into line."""
    for member in mixture:
        drawn = f"{100 * member.share:.1f} % of an epoch (weight {member.weight:g})"
        yield member.data, f"{drawn}, {counted(member.sequences, 'sequence')}, {member.hours:.2f} hours: {member.split}"
        yield "", "; ".join(member.notes)


def _lines_of_findings(groups: Iterable[Group], recordings: int) -> Iterator[tuple[str, str]]:
    """What was noticed in recordings, of which there are `recordings`: each check with examples and what to do."""
    for group in groups:
        heading = "WARNING" if group.verdict == STOP else "look at"
        of_recordings = [finding for finding in group.examples if finding.source]
        if of_recordings:
            yield heading, f"{group.check}, in {group.count} of {recordings} recordings. {group.remedy}"
        for finding in of_recordings:
            yield "", f"  {finding.source}: {finding.message}"
        for finding in group.examples:
            if not finding.source:
                yield heading, f"{group.check}: {finding.message}"


def _describe_classes(names: tuple[str, ...], found: list[int]) -> str:
    """How many classes have recordings, and the first names."""
    number = f"{len(found)}" if len(found) == len(names) else f"{len(found)} of {len(names)} have recordings"
    return f"{number}: {first_few([names[label] for label in found], _CLASSES_SHOWN)}" if found else "none"


def _layout_hint(recording: Sequence) -> str:
    """Which known layouts have as many joints as a recording without bones: the one with the shortest bones first."""
    import numpy as np

    from jointwise.data.layout_guess import bone_ratios
    from jointwise.data.skeletons import SKELETONS

    joints = len(recording.skeleton.joints)
    candidates = [layout for layout in SKELETONS.values() if len(layout.joints) == joints and layout.bones]
    if not candidates:
        return (
            f"no bones, and no known layout has {counted(joints, 'joint')}: dataset.yaml can list joints and bones, as "
            "in skeleton: {joints: [hip, knee, …], bones: [[hip, knee], …]}"
        )
    points = np.where(recording.validity[..., None], recording.positions, np.nan)
    best, *others = bone_ratios(points.reshape(-1, *points.shape[2:]), candidates)
    of = f", which fits best of those with {joints} joints ({', '.join([best, *others])})" if others else ""
    return f"no bones: if it is right, dataset.yaml can name a layout, as in skeleton: {best}{of}"


def add_view_arguments(parser: Parser) -> None:
    """Add what `view` takes."""
    parser.add_argument(
        "path", metavar="PATH", help="recording, folder of recordings, run, or name of a prepared data set"
    )
    parser.add_argument(
        "--model",
        "--run",  # its first name
        metavar="RUN",
        help="folder of a fine-tuned run: shows its answer, what that rests on, the nearest training clips, and what "
        "every person does over time",
    )
    parser.add_argument("--out", metavar="FILE", type=Path, help="the page (default: <name>-view.html)")
    add_reading(parser)


def view(args: argparse.Namespace) -> None:
    """Write a page that plays recordings in 3D: a file, a folder of files, a run's clips, or a prepared data set."""
    from jointwise.report.viewer import answers_by, find_clips, no_answer, write_view
    from jointwise.training.progress import showing

    ask = answers_by(args.model) if args.model is not None else no_answer
    with grouped_warnings(), showing(show_progress_beside):
        source = find_clips(args.path, show_progress, ask, reading_options(args))
    out = args.out or Path(f"{stem_of(args.path)}-view.html")
    print(write_view(out, source.title, source.clips, source.notes))
