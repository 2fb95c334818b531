"""What commands take: the parser, and the groups of arguments that several commands share."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from jointwise.errors import ConfigError, unknown

if TYPE_CHECKING:
    from jointwise.config.schema import Config

LIST_SETTINGS = "--help-options"  # done before arguments are parsed: it needs none of those that are required

# What --help of a command shows of the settings; --help-options shows all.
PRETRAIN_SETTINGS = (
    "pretrain.steps",
    "pretrain.batch",
    "pretrain.lr",
    "clip.frames",
    "encoder.width",
    "encoder.depth",
    "mask.ratio",
    "validation_subjects",
    "execution.device",
    "execution.precision",
)
FINETUNE_SETTINGS = (
    "finetune.steps",
    "finetune.batch",
    "finetune.lr",
    "scratch.steps",
    "scratch.lr",
    "semi.steps",
    "semi.threshold",
    "validation_subjects",
    "execution.device",
    "execution.precision",
)
EVALUATE_SETTINGS = (
    "probe.pooling",
    "probe.linear.steps",
    "probe.linear.batch",
    "probe.linear.lr",
    "probe.complete.steps",
    "probe.complete.depth",
    "validation_subjects",
    "allow_duplicates",
    "execution.device",
    "execution.precision",
)
TABLE_SETTINGS = (
    "clip.frames",
    "encoder.width",
    "encoder.depth",
    "pretrain.batch",
    "finetune.steps",
    "scratch.steps",
    "probe.pooling",
    "validation_subjects",
    "execution.device",
    "execution.precision",
)


class Parser(argparse.ArgumentParser):
    """An argparse.ArgumentParser whose errors are ConfigErrors, and name the nearest known option."""

    def __init__(self, **options: Any) -> None:
        super().__init__(allow_abbrev=False, **options)

    def error(self, message: str) -> NoReturn:
        """Raise ConfigError with the message and the usage."""
        raise ConfigError(f"{message}\n(usage: {self.format_usage().removeprefix('usage: ').strip()})")

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """As argparse, but `--up -y` is an option and its value."""
        words = list(sys.argv[1:] if args is None else args)
        for place, word in reversed(list(enumerate(words[:-1]))):
            if word == "--up" and words[place + 1] in ("-x", "-y", "-z"):
                words[place : place + 2] = [f"--up={words[place + 1]}"]
        return super().parse_known_args(words, namespace)

    def check_rest(self, rest: Sequence[str]) -> None:
        """Raise ConfigError for words that no argument takes.

        Args:
            rest: What `parse_known_args` left.
        """
        if not rest:
            return
        word = rest[0].partition("=")[0]
        if word.startswith("-"):
            raise ConfigError(f"{self.prog}: {unknown('option', word, self._option_string_actions)}")
        self.error(f"unexpected word '{word}'")


class _StoreSetting(argparse.Action):
    """Collects settings as text in `settings` of the namespace: {"encoder.width": "64"}."""

    def __call__(
        self, parser: argparse.ArgumentParser, namespace: argparse.Namespace, values: Any, option: str | None = None
    ) -> None:
        namespace.settings = {**namespace.settings, self.dest: values}


def describe_settings(config: Config | None = None, of: str = "") -> str:
    """The text of `--help-options`: every setting with its type, default and help.

    Args:
        config: Whose values are the defaults; None: those without a system and a data set.
        of: The system and the data that these are of, for the first lines.
    """
    import textwrap

    from jointwise.config.layers import all_settings, leaves, to_settings

    own = dict(leaves(to_settings(config))) if config else {}
    lines = [
        "Every setting as --group.option value; a YAML file for --config nests them in the same way.",
        f"The defaults are those {f'of {of}' if of else 'for NTU RGB+D, without a system'}. Those of other systems",
        "and data: jointwise pretrain SYSTEM --data DATA --help-options.",
    ]
    last: str | None = None
    for setting in all_settings():
        group = setting.name.rpartition(".")[0] or "everywhere"
        if group != last:
            lines += ["", f"{group} ({setting.group})" if setting.group else group]
            last = group
        value = own.get(setting.name, setting.default)
        default = "null" if value is None else value
        lines.append(f"  --{setting.name} {setting.type}")
        lines += textwrap.wrap(
            f"{setting.help} (default: {default})", 110, initial_indent=" " * 8, subsequent_indent=" " * 8
        )
    return "\n".join(lines) + "\n"


def add_list_of_settings(parser: Parser) -> None:
    """Add --help-options."""
    parser.add_argument(
        LIST_SETTINGS,
        action="store_true",
        default=argparse.SUPPRESS,
        help="list all settings with the defaults of the system and the data named, and exit",
    )


def add_settings(parser: Parser, shown: Sequence[str], usage: str) -> None:
    """Let a command take every setting as `--group.option value`.

    Args:
        parser: The parser of the command.
        shown: The settings that its --help shows.
        usage: What the command cannot do without, for the first line of --help.
    """
    from jointwise.config.layers import all_settings

    add_list_of_settings(parser)
    parser.set_defaults(settings={})
    parser.usage = " ".join(f"%(prog)s {usage} [options] [--group.setting VALUE ...]".split())
    group = parser.add_argument_group("settings used most (--help-options lists all; defaults are those of the data)")
    for setting in sorted(all_settings(), key=lambda setting: (*shown, setting.name).index(setting.name)):
        about = f"{setting.help} ({setting.group})" if setting.group else setting.help
        group.add_argument(
            f"--{setting.name}",
            action=_StoreSetting,
            dest=setting.name,
            metavar=setting.type.partition(" ")[0].partition("[")[0],
            default=argparse.SUPPRESS,
            help=about.replace("%", "%%") if setting.name in shown else argparse.SUPPRESS,
        )


def add_data(parser: Parser, split: str = "the first") -> None:
    """Add what names the data: --data, --split, --root, --without-classes, --without-subjects, --joints.

    Args:
        parser: The parser of the command.
        split: Which split is taken without --split, for the help.
    """
    parser.add_argument(
        "--data",
        required=True,
        help="name of a data set (jointwise datasets lists them), folder/ of your own, or prepared file (.npz, .pkl)",
    )
    parser.add_argument(
        "--split",
        help=f"which of its splits or folds; all: every recording, for pre-training only (default: {split})",
    )
    parser.add_argument("--root", metavar="DIR", type=Path, help="folder of its files, where it is not prepared yet")
    parser.add_argument(
        "--without-classes", metavar="NAMES", action="append", default=[], help="leave these classes out: a,b"
    )
    parser.add_argument(
        "--without-subjects", metavar="NUMBERS", action="append", default=[], help="leave these subjects out: 3,4"
    )
    parser.add_argument(
        "--joints", metavar="LAYOUT|NAMES", help="use these joints only: those of a layout (kinect20), or a,b,c"
    )


def add_reading(parser: Parser) -> None:
    """Add what users can say of recordings: --format, --layout, --fps, --units, --up, --image-size and others."""
    group = parser.add_argument_group("what the files do not say, or say wrongly")
    group.add_argument("--format", metavar="NAME", default="auto", help="jointwise formats lists them (default: auto)")
    add_meaning(group)
    group.add_argument("--image-size", metavar="WxH", help="of the image in pixels, for coordinates in parts of it")
    group.add_argument(
        "--persons", metavar="N", type=int, help="most persons to keep, those seen longest (default: all)"
    )
    group.add_argument(
        "--track",
        choices=("auto", "file", "none"),
        default="auto",
        help="who is who over time: the file's numbers, else by place; the file's only; its order (default: auto)",
    )


def add_meaning(group: argparse._ArgumentGroup) -> None:
    """Add what users can say of any poses, in files or live: --layout, --fps, --units, --up, --min-confidence."""
    from jointwise.data.conventions import UNITS, UP

    group.add_argument("--layout", metavar="NAME|FILE", help="the joints: a name such as coco17, or a YAML file")
    group.add_argument("--fps", metavar="F", type=float, help="frames per second")
    group.add_argument("--units", choices=tuple(UNITS), help="unit of the coordinates; image: parts of the image")
    group.add_argument("--up", choices=UP, metavar="AXIS", help=f"axis that points up: {', '.join(UP)}")
    group.add_argument(
        "--min-confidence", metavar="C", type=float, default=0.3, help="below it a joint is not seen (default: 0.3)"
    )


def meaning_options(args: argparse.Namespace) -> dict[str, Any]:
    """What the options of `add_meaning` say.

    Raises:
        ConfigError: A value cannot be meant.
    """
    if args.fps is not None and not 0 < args.fps < float("inf"):
        raise ConfigError(f"--fps {args.fps:g}: frames per second must be above 0.")
    if not 0 <= args.min_confidence <= 1:
        raise ConfigError(f"--min-confidence {args.min_confidence:g}: confidences are parts of 1, such as 0.3.")
    return {name: getattr(args, name) for name in ("layout", "fps", "units", "up", "min_confidence")}


def reading_options(args: argparse.Namespace) -> dict[str, Any]:
    """What the options of `add_reading` say, as the arguments of `jointwise.read`.

    Raises:
        ConfigError: A value cannot be meant.
    """
    size = None
    if args.image_size is not None:
        match = re.fullmatch(r"(\d+)[x×,](\d+)", args.image_size.strip().lower())
        if match is None or "0" in (match[1], match[2]):
            raise ConfigError(f"--image-size {args.image_size}: expected width x height in pixels, such as 1920x1080.")
        size = (int(match[1]), int(match[2]))
    if args.persons is not None and args.persons < 1:
        raise ConfigError(f"--persons {args.persons}: at least one person is kept.")
    return meaning_options(args) | {
        "format": args.format,
        "image_size": size,
        "persons": args.persons,
        "track": args.track,
    }


def add_seed_and_config(parser: Parser) -> None:
    """Add --seed and --config."""
    parser.add_argument(
        "--seed", metavar="N", type=int, help="seed of weights, order, crops, masks and labelled subset (default: 0)"
    )
    parser.add_argument(
        "--config", metavar="FILE", type=Path, help="YAML file of settings, over those of the system and the data"
    )


def add_run(parser: Parser) -> None:
    """Add what says where a training is kept and shown: --run, --quick, --resume, --track."""
    default = "runs/[quick/]<data>/<system>/<stage>[-<split>][-<labels>]-seed<k>"
    parser.add_argument("--run", metavar="DIR", type=Path, help=f"run folder (default: {default})")
    add_quick(parser)
    parser.add_argument("--resume", action="store_true", help="continue a run that was stopped")
    parser.add_argument(
        "--track",
        metavar="WHERE",
        action=_StoreSetting,
        dest="execution.track",
        default=argparse.SUPPRESS,
        help="show the curves of the log while it runs: tensorboard, wandb or mlflow (short for --execution.track)",
    )


def add_quick(parser: Parser) -> None:
    """Add --quick."""
    about = "a tiny model and few steps, to see that all works; kept apart in runs/quick/"
    parser.add_argument("--quick", action="store_true", help=about)


def add_labels(parser: Parser) -> None:
    """Add what labels, encoder and result a stage with labels takes: --labels, --encoder, --results."""
    parser.add_argument(
        "--labels",
        metavar="SHARE|SHOTS",
        help="share of the training labels (0.1), or shots per class (5shot); default: all of them",
    )
    parser.add_argument(
        "--encoder", choices=("student", "teacher"), default="student", help="which of a run's encoders"
    )
    parser.add_argument("--results", metavar="DIR", type=Path, help="folder that gets a copy of the result")


def numbers_in(option: str, values: Sequence[str]) -> list[int]:
    """The numbers of an option that takes several, written `3,4`.

    Args:
        option: Its name, for the message.
        values: The words after it, each time it was given.

    Returns:
        The numbers in their order.

    Raises:
        ConfigError: One of them is no number.
    """
    words = [word.strip() for value in values for word in value.split(",")]
    for word in words:
        if not word.isdecimal():
            raise ConfigError(f"--{option} {word}: not a number. Write them like 3,4.")
    return [int(word) for word in words]


def split_list(option: str, values: Sequence[str]) -> list[str]:
    """The values of an option that takes several, written `a b` or `a,b`.

    Args:
        option: Its name, for the message.
        values: The words after it.

    Returns:
        The values, each once, in their order.

    Raises:
        ConfigError: There is none.
    """
    listed = list(dict.fromkeys(value for words in values for value in words.split(",") if value))
    if not listed:
        raise ConfigError(f"--{option}: none is named.")
    return listed
