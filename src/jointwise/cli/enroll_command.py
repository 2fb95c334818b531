"""The command that teaches a model an action by example: enroll."""

from __future__ import annotations

import argparse
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from jointwise.cli.arguments import Parser, add_reading, reading_options
from jointwise.cli.output import print_columns
from jointwise.errors import ConfigError, counted, first_few

if TYPE_CHECKING:
    from jointwise.inference.many import Recording
    from jointwise.inference.recognizer import Recognizer


def add_enroll_arguments(parser: Parser) -> None:
    """Add what `enroll` takes."""
    parser.add_argument("start", metavar="RUN", help="folder of a run or of its model; base, the model in the package")
    parser.add_argument("name", metavar="NAME", nargs="?", help="name of the action (default: list what was taught)")
    parser.add_argument("paths", metavar="FILE", nargs="*", type=Path, help="one to five recordings of it, or a folder")
    parser.add_argument("--remove", metavar="NAME", help="remove an action that was taught")
    parser.add_argument(
        "--out", metavar="MODEL", type=Path, help="new folder for the taught model; needed for base (default: RUN)"
    )
    parser.add_argument(
        "--data", metavar="DATA", help="the training data of the run, where the run does not tell where they are"
    )
    add_reading(parser)


def enroll(args: argparse.Namespace) -> None:
    """Teach a model an action by one to five recordings of it; nothing is trained.

    Args:
        args: Arguments of `add_enroll_arguments`.

    Raises:
        ConfigError: The name is taken, there is no recording, or nothing may be written where it should be.
        CheckpointError: There is no model.
        DataError: The training data are not on this machine.
        ReadError: A recording cannot be used. The model stays as it is.
    """
    from jointwise.inference.enroll import own_folder
    from jointwise.inference.recognizer import Recognizer
    from jointwise.training.model_folder import check_new_folder

    if args.remove is not None and args.name is not None:
        raise ConfigError("--remove takes the name, and nothing is taught beside: jointwise enroll RUN --remove NAME")
    reading = reading_options(args)
    recognizer = Recognizer.from_pretrained(args.start)
    if args.remove is None and args.name is None:
        _tell(recognizer, args.start)
        return
    if args.out is None:
        own_folder(Path(args.start), "Teach a copy of it: --out MODEL.")
    else:
        check_new_folder(args.out)
    if args.remove is not None:
        recognizer.forget(args.remove)
        print(f"removed '{args.remove}'")
    else:
        clips = _recordings(args.paths)
        recognizer.enroll(args.name, clips, args.data, reading)
        print(f"taught '{args.name}' by {counted(len(clips), 'recording')}")
    recognizer.save(args.out)
    _tell(recognizer, str(args.out or args.start))


def _recordings(paths: list[Path]) -> list[Recording]:
    """The recordings in files and folders."""
    from jointwise.data.formats import recordings_in

    return [found for path in paths for found in (recordings_in(path) if path.is_dir() else [path])]


def _tell(recognizer: Recognizer, place: str) -> None:
    """Print what a model knows and what it was taught."""
    from jointwise.inference.enroll import is_shared

    trained, taught = recognizer.card.classes, recognizer.taught
    usable = trained or len(taught) > 1
    quoted = shlex.quote(place)
    copy = " --out MODEL" if is_shared(Path(place)) else ""
    print_columns(
        [
            ("classes", len(trained) or "none: it is pre-trained only"),
            ("taught", first_few(list(taught), 20) if taught else "nothing yet"),
            ("model", place),
            ("next", f"jointwise predict {quoted} FILE" if usable else f"jointwise enroll {quoted} NAME FILE…{copy}"),
        ]
    )
