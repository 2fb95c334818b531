"""The commands that look before a training: doctor, init."""

from __future__ import annotations

import argparse
import json
import os
import shlex
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jointwise.cli.arguments import Parser, add_reading, reading_options
from jointwise.cli.output import print_columns, show, show_progress_beside
from jointwise.errors import ConfigError, printable

if TYPE_CHECKING:
    from jointwise.data.examination import Examination, Look
    from jointwise.data.findings import Group

_ASSUMPTIONS_SHOWN = 5
_STYLES = {"fine": "green", "look": "yellow", "stop": "bold red"}


def add_doctor_arguments(parser: Parser) -> None:
    """Add what `doctor` takes."""
    parser.add_argument("path", metavar="PATH", help="recording, folder of recordings, prepared file or data set")
    parser.add_argument("--root", metavar="DIR", type=Path, help="folder of the files of a known data set")
    parser.add_argument("--json", action="store_true", help="print all of it as JSON")
    parser.add_argument("--strict", action="store_true", help="exit with 1 for what is only worth a look, too")
    parser.add_argument("--workers", metavar="N", type=int, default=0, help="processes that read (default: all cores)")
    add_reading(parser)


def doctor(args: argparse.Namespace) -> None:
    """Look at recordings or a data set before a training: what they are, and what would spoil it.

    Args:
        args: Arguments of `add_doctor_arguments`.

    Raises:
        JointwiseError: There is nothing to look at, or an option has no such value.
        SystemExit: With 1, where something would spoil a training; with --strict also where something is worth a look.
    """
    from jointwise.data.doctor import examine
    from jointwise.data.findings import LOOK, STOP

    options = {name: value for name, value in reading_options(args).items() if value not in _defaults()[name]}
    examination = examine(args.path, args.root, options, workers=_workers(args.workers), progress=_progress)
    if args.json:
        print(json.dumps(examination.to_json() | {"next": _next(examination, args)}))
    else:
        _print(examination, _next(examination, args))
    if examination.verdict in (STOP, LOOK if args.strict else STOP):
        sys.exit(1)


def _defaults() -> dict[str, tuple[Any, ...]]:
    """Name of each option of reading -> the values that change nothing."""
    parser = Parser()
    add_reading(parser)
    return {name: (value,) for name, value in reading_options(parser.parse_args([])).items()}


def _workers(wanted: int) -> int:
    if wanted < 0:
        raise ConfigError(f"--workers {wanted}: at least one process reads; 0 means one for each core.")
    return wanted or os.cpu_count() or 1


def _progress(items: Iterable[Any], count: int, title: str) -> Iterable[Any]:
    return show_progress_beside(items, count, f"look at {title}")


def _print(examination: Examination, following: str) -> None:
    """Facts, findings, verdict, next command."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from jointwise.data.findings import FINE

    show(examination.place)
    if examination.recordings:
        print_columns(_facts(examination), width=10)
    console = Console(width=None if sys.stdout.isatty() else 120, highlight=False)
    table = Table("verdict", "check", "what", box=None, padding=(0, 2, 0, 0), header_style="bold")
    for group in examination.groups:
        table.add_row(Text(group.verdict, _STYLES[group.verdict]), group.check, Text(printable(_describe(group))))
    if examination.fine:
        table.add_row(Text(FINE, _STYLES[FINE]), f"{len(examination.fine)} checks", Text(", ".join(examination.fine)))
    print()
    console.print(table)
    print()
    print_columns([("verdict", _verdict(examination)), ("next", following)], width=10)


def _facts(examination: Examination) -> Iterator[tuple[str, str]]:
    """What the recordings are, as lines."""
    looks = examination.recordings
    yield "format", _counted(_format_name(look) for look in looks)
    yield "joints", _counted(look.joints for look in looks)
    yield (
        "units",
        _counted(look.units or (f"{look.guess}, as the body tells" if look.guess else "not said") for look in looks),
    )
    yield "up axis", _counted(look.up or "not said" for look in looks)
    yield "fps", _counted(f"{look.fps:.4g}" for look in looks)
    yield "frames", _range([look.frames for look in looks])
    yield "persons", _range([look.persons for look in looks])
    yield "seen", f"{100 * sum(look.seen for look in looks) / len(looks):.1f} % of the joints"
    if not examination.single:
        yield "recordings", str(len(looks))
        labels = Counter(look.label for look in looks)
        unlabelled = labels.pop(None, 0)
        yield "classes", f"{len(labels)}" + (f", {unlabelled} recordings without one" if unlabelled else "")
        subjects = {look.subject for look in looks if look.subject is not None}
        yield "subjects", str(len(subjects) or "not known")
    assumed = Counter(sentence for look in looks for sentence in look.assumed).most_common()
    for number, (sentence, count) in enumerate(assumed[:_ASSUMPTIONS_SHOWN]):
        yield "" if number else "assumed", sentence + (f" ({count} recordings)" if len(looks) > 1 else "")
    if len(assumed) > _ASSUMPTIONS_SHOWN:
        yield "", f"… and {len(assumed) - _ASSUMPTIONS_SHOWN} more (--json lists all)"


def _format_name(look: Look) -> str:
    from jointwise.data.formats import FORMATS

    return f"{look.format} ({FORMATS[look.format].written_by}), by its content" if look.format else "prepared"


def _counted(values: Iterable[str]) -> str:
    """The values, the most frequent first, each with its number where there are several."""
    counts = Counter(values).most_common()
    if len(counts) == 1:
        return counts[0][0]
    shown = "; ".join(f"{value}: {count}" for value, count in counts[:3])
    return shown + (f"; and {len(counts) - 3} more" if len(counts) > 3 else "")


def _range(values: list[int]) -> str:
    import statistics

    if min(values) == max(values):
        return str(values[0])
    return f"{min(values)} to {max(values)}, {statistics.median(values):g} at the median"


def _describe(group: Group) -> str:
    """How often, up to three examples, what to do."""
    lines = []
    sources = [finding.source for finding in group.examples if finding.source]
    if group.count > 1 or (sources and group.remedy):
        lines.append(f"{group.count} {'recordings' if group.count > 1 else 'recording'}, such as" if sources else "")
    for finding in group.examples:
        start = f"{finding.source}: " if finding.source and not finding.message.startswith(finding.source) else ""
        lines.append(f"{start}{finding.message}")
    return "\n".join(filter(None, [*lines, group.remedy and f"→ {group.remedy}"]))


def _verdict(examination: Examination) -> str:
    about = {
        "fine": "nothing stands out",
        "look": "worth a look; a training works",
        "stop": "it would spoil a training",
    }
    return f"{examination.verdict}: {about[examination.verdict]}"


def _next(examination: Examination, args: argparse.Namespace) -> str:
    """The command to run next."""
    from jointwise.data.findings import STOP, UNREADABLE

    place = shlex.quote(args.path)
    stops = {finding.check for finding in examination.findings if finding.verdict == STOP}
    again = " ".join(["jointwise", *map(shlex.quote, args.words)])
    root = f" --root {shlex.quote(str(args.root))}" if args.root else ""
    if stops == {UNREADABLE} and examination.recordings and not examination.single:
        return f"jointwise prepare {place}{root} --skip-bad"
    if stops:
        return f"mend what says stop, then: {again}"
    if examination.single:
        return f"jointwise view {place}"
    if examination.folder is not None and not (examination.folder / "dataset.yaml").is_file():
        return f"jointwise init {place}"
    if examination.prepared:
        return f"jointwise pretrain recommended --data {place}"
    return f"jointwise prepare {place}{root}"


def add_init_arguments(parser: Parser) -> None:
    """Add what `init` takes."""
    parser.add_argument("folder", metavar="DIR", type=Path, help="folder of recordings")
    parser.add_argument(
        "--from",
        dest="labels",
        metavar="FILE",
        type=Path,
        help="CSV table with the columns file, label and, if known, subject",
    )


def init(args: argparse.Namespace) -> None:
    """Write the dataset.yaml of a folder of recordings: what was seen in them, and guesses to confirm.

    Args:
        args: Arguments of `add_init_arguments`.

    Raises:
        ConfigError: There is no such folder, or it has a dataset.yaml.
        DataError: The folder has no recordings that can be read, or the table of labels is wrong.
        StorageError: The file cannot be written.
    """
    from jointwise.data.datasets.folder_settings import SETTINGS
    from jointwise.data.datasets.labels_file import read_labels
    from jointwise.data.datasets.settings_file import describe_folder
    from jointwise.data.doctor import examine
    from jointwise.errors import DataError, writing

    place, file = str(args.folder), args.folder / SETTINGS
    if not args.folder.is_dir():
        raise ConfigError(f"{place}: no such folder. Check the path.")
    if file.exists():
        raise ConfigError(f"{file} exists already. Change it, or move it away; jointwise doctor {place} looks at it.")
    examination = examine(place, workers=_workers(0), progress=_progress)
    if examination.single:
        raise ConfigError(f"{place}: the files of this folder are the frames of one recording. Name the folder above.")
    if not examination.recordings:
        raise DataError(f"{place}: not one recording can be read. jointwise doctor {place} says why.")
    labels = None
    if args.labels is not None:
        read_labels(args.labels, [look.name for look in examination.recordings])
        labels = os.path.relpath(args.labels, args.folder)
    with writing(file):
        file.write_text(describe_folder(place, examination.recordings, labels), "utf-8")
    print_columns([("written", file), ("next", f"jointwise doctor {shlex.quote(place)}")])
