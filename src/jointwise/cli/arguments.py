"""What the command `jointwise` takes: the arguments of each of its commands, and their help."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NoReturn

import jointwise
from jointwise.errors import ConfigError

Command = Callable[[argparse.Namespace, list[str]], None]

EXAMPLES = """examples:
  jointwise demo
  jointwise prepare utd-mhad --root Skeleton/
  jointwise pretrain spatial_segments_decoder --data utd-mhad
  jointwise finetune runs/utd-mhad/spatial_segments_decoder/pretrain-seed0 --data utd-mhad --labels 0.1
  jointwise finetune supervised_segments --data utd-mhad --labels 0.1      (from random weights)
  jointwise evaluate RUN --protocol linear --data utd-mhad
  jointwise table --data utd-mhad --labels 0.1 1.0 --seeds 3      (all systems side by side)
  jointwise predict RUN recording.mat
  jointwise view recording.mat
  jointwise finetune supervised_segments --data gestures/      (a folder of your own: gestures/<class>/<recording>)
"""


class Parser(argparse.ArgumentParser):
    """argparse whose mistakes are ConfigErrors like all others."""

    def error(self, message: str) -> NoReturn:
        """Raises ConfigError with the message and the usage."""
        raise ConfigError(f"{message}\n(usage: {self.format_usage().removeprefix('usage: ').strip()})")


def _data(parser: Parser, split: str = "the first") -> None:
    parser.add_argument(
        "--data",
        required=True,
        help="name of a data set (jointwise datasets lists them), folder/ of your own, or prepared file (.npz, .pkl)",
    )
    parser.add_argument("--split", help=f"which of its splits or folds (default: {split})")
    parser.add_argument("--root", type=Path, help="folder of its files, where it is not prepared yet")
    parser.add_argument(
        "--joints", metavar="LAYOUT|NAMES", help="look at these joints only: those of a layout (kinect20), or a,b,c"
    )
    parser.add_argument("--help-options", action="store_true", help="list all settings: --group.option value")
    parser.set_defaults(takes_options=True, quick=False)


def _settings(parser: Parser) -> None:
    parser.add_argument("--seed", type=int, help="of weights, order, crops, masks and labelled subset (default: 0)")
    parser.add_argument("--config", type=Path, help="YAML file of settings, over those of the system and the data")


def _run(parser: Parser) -> None:
    where = "runs/<data>/<system>/<stage>[-<split>][-<labels>]-seed<k>"
    parser.add_argument("--run", type=Path, help=f"run folder (default: {where})")
    parser.add_argument("--quick", action="store_true", help="a tiny model and few steps, to see that all works")
    parser.add_argument("--resume", action="store_true", help="continue a run that was stopped")


def _labels(parser: Parser) -> None:
    parser.add_argument(
        "--labels", help="share of the training labels (0.1), or shots per class (5shot); default: all of them"
    )
    parser.add_argument(
        "--encoder", choices=("student", "teacher"), default="student", help="which of a run's encoders"
    )
    parser.add_argument("--results", type=Path, help="folder that gets a copy of the result")


def _demo(parser: Parser) -> None:
    parser.add_argument("--run", type=Path, help="folder of its runs (default: runs/demo; replaced if there)")
    parser.add_argument("--seed", type=int, help="(default: 0)")
    parser.set_defaults(takes_options=True)


def _prepare(parser: Parser) -> None:
    parser.add_argument("name", metavar="DATA", help="name of the data set, or folder/ or file of your own")
    parser.add_argument("--root", type=Path, help="folder of its files (none for synthetic or your own)")
    parser.add_argument("--workers", metavar="N", type=int, default=0, help="processes that read (default: all cores)")
    parser.add_argument("--skip-list", metavar="FILE", type=Path, help="names of recordings to leave out, one per line")
    parser.add_argument("--skip-bad", action="store_true", help="leave damaged files out instead of failing")


def _join(parser: Parser) -> None:
    parser.add_argument("name", metavar="DATA", help="name of the data set, or folder/ to write, for --data")
    parser.add_argument("stores", metavar="STORE", nargs="+", type=Path, help="folders that prepare has made, in order")


def _view(parser: Parser) -> None:
    parser.add_argument("path", metavar="PATH", help="recording, folder of recordings, or name of a prepared data set")
    parser.add_argument("--out", type=Path, metavar="FILE", help="the page (default: <name>-view.html)")


def _pretrain(parser: Parser) -> None:
    parser.add_argument("start", metavar="SYSTEM", help="such as spatial_segments_decoder")
    _data(parser)
    _settings(parser)
    _run(parser)


def _finetune(parser: Parser) -> None:
    parser.add_argument(
        "start", metavar="RUN|SYSTEM", help="folder of a pre-trained run, or a system to train from scratch"
    )
    _data(parser)
    _settings(parser)
    _run(parser)
    _labels(parser)


def _evaluate(parser: Parser) -> None:
    parser.add_argument("start", metavar="RUN|raw", help="folder of a run, or raw for coordinates without an encoder")
    parser.add_argument(
        "--protocol", required=True, help="linear, knn, complete (future frames, missing joints), or score"
    )
    _data(parser)
    _settings(parser)
    _labels(parser)


def _predict(parser: Parser) -> None:
    parser.add_argument("start", metavar="RUN", help="folder of a fine-tuned run or of its model")
    parser.add_argument("paths", metavar="PATH", nargs="+", type=Path, help="recordings, or folders of them")
    parser.add_argument("--json", action="store_true", help="one JSON object per recording")


def _import(parser: Parser) -> None:
    parser.add_argument("method", metavar="METHOD", help="whose checkpoint it is: mamp")
    parser.add_argument("checkpoint", metavar="CHECKPOINT", type=Path, help="file of their pre-training (.pth)")
    parser.add_argument("--run", type=Path, required=True, help="run folder to make of it")
    parser.add_argument("--heads", type=int, help="attention heads, where the file does not say (default: 8)")
    parser.add_argument("--skeleton", help="its joint layout (default: ntu25 for 25 joints, else they are numbered)")


def _table(parser: Parser) -> None:
    _data(parser, "the first; all folds of a cross-validation")
    parser.add_argument("--folds", metavar="K", type=int, nargs="+", help="which folds only (default: all)")
    parser.add_argument(
        "--systems", metavar="NAME", nargs="+", help="which, also as a,b (default: Table 1 and recommended)"
    )
    parser.add_argument("--seeds", metavar="N", type=int, default=1, help="how many: 0 … N - 1 (default: 1)")
    parser.add_argument("--steps", metavar="P[+F]", help="steps of pre-training, and of fine-tuning or from scratch")
    parser.add_argument(
        "--labels", metavar="L", nargs="+", default=["1.0"], help="shares or shots, also as a,b (default: 1.0)"
    )
    parser.add_argument(
        "--protocols",
        metavar="P",
        nargs="+",
        default=["finetune"],
        help="finetune, linear, knn, also as a,b (default: finetune)",
    )
    parser.add_argument("--quick", action="store_true", help="tiny models and few steps, to see that all works")
    parser.add_argument(
        "--jobs",
        metavar="N",
        type=int,
        help="stages at once, which share the cores and so slow each other's seconds (default: 1; with --quick 2)",
    )
    where = "runs/<data>/table[-quick][-validation]"
    parser.add_argument("--run", metavar="DIR", type=Path, help=f"folder of runs and tables (default: {where})")
    parser.add_argument("--results", metavar="DIR", type=Path, help="folder of the results (default: results in --run)")


def _report(parser: Parser) -> None:
    parser.add_argument("start", metavar="RUN", help="folder of a run")


def _bench(parser: Parser) -> None:
    parser.add_argument(
        "group",
        metavar="GROUP",
        nargs="?",
        default="yardstick",
        help="yardstick (default): ratios to the plain way; scaling: cost as work grows; stores: as data grow; "
        "gpu: all systems on a GPU; score: how soon recommended is as good as the final system, also with settings of "
        "yours (--clip.frames 64); experiment: the report's, in minutes",
    )
    parser.add_argument("--data", default="synthetic", help="that score trains on: synthetic (default) or utd-mhad")
    parser.add_argument("--compile", action="store_true", help="compile the transformer blocks (torch.compile)")
    parser.add_argument("--only", metavar="WORD", nargs="+", default=[], help="figures with such a word in their name")
    parser.add_argument("--device", default="auto", help="cpu, cuda, cuda:1 (default: a GPU where there is one)")
    parser.add_argument("--out", metavar="FILE", type=Path, help="(default: bench-GROUP.json)")
    parser.set_defaults(takes_options=True)


ARGUMENTS: dict[str, Callable[[Parser], None]] = {
    "demo": _demo,
    "datasets": lambda _parser: None,
    "prepare": _prepare,
    "join": _join,
    "view": _view,
    "pretrain": _pretrain,
    "finetune": _finetune,
    "evaluate": _evaluate,
    "table": _table,
    "predict": _predict,
    "import": _import,
    "report": _report,
    "bench": _bench,
}


def build_parser(commands: Mapping[str, Command]) -> Parser:
    """The parser of the whole command line; a command's docstring is its help."""
    parser = Parser(
        prog="jointwise",
        description=jointwise.__doc__,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"jointwise {jointwise.__version__}")
    parsers = parser.add_subparsers(title="commands", metavar="COMMAND", parser_class=Parser)
    for name, command in commands.items():
        about = (command.__doc__ or "").strip()
        added = parsers.add_parser(name, help=about, description=about, allow_abbrev=False)
        added.set_defaults(function=command, takes_options=False)
        ARGUMENTS[name](added)
    return parser
