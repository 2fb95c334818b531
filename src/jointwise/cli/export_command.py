"""The command that writes a finished model for use elsewhere: export."""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Callable
from pathlib import Path

from jointwise.cli.arguments import Parser
from jointwise.cli.output import print_columns
from jointwise.errors import ConfigError, unknown

Lines = list[tuple[str, object]]  # what is printed of a written model: name and value


def _to_hub(args: argparse.Namespace) -> Lines:
    """Write a model folder with a card, as the Hugging Face hub takes it."""
    from jointwise.inference.hub import OWNER, repository_of, write_hub_folder
    from jointwise.inference.hub_card import licence_of
    from jointwise.training.model_folder import load_card

    folder = write_hub_folder(Path(args.start), args.out)
    licence = licence_of(load_card(folder).all_sources())
    return [
        ("model", folder),
        ("licence", " (".join(licence.values()) + (")" if len(licence) > 1 else "")),
        ("card", folder / "README.md"),
        ("note", f"read the card, and put yourself in place of {OWNER} in it"),
        ("next", f"hf upload {repository_of(folder)} {shlex.quote(str(folder))}"),
    ]


def _to_onnx(args: argparse.Namespace) -> Lines:
    """Write an ONNX file, checked with onnxruntime."""
    from jointwise.inference.recognizer import Recognizer

    recognizer = Recognizer.from_pretrained(args.start, device="cpu")
    print("tracing the model, which takes up to a minute", file=sys.stderr)
    written = recognizer.export(args.out, args.int8)
    frames, joints, coordinates = written.shape
    told = f"onnxruntime and PyTorch differ by {written.difference:.0e} at most on {written.clips} clips"
    return [
        ("model", f"{written.path} ({written.size / 1e6:.1f} MB)"),
        ("takes", f"{frames} frames, {joints} joints, {coordinates} coordinates; any number of clips and persons"),
        ("checked", told + (", as weights are in 8 bits: it is another model, so score it" if args.int8 else "")),
        *(("terms", f"{one['data']}: {one['terms'] or 'not stated'}") for one in recognizer.card.all_sources()),
        ("not in it", "joints by name, axes, unit, number of frames: its metadata says what it expects"),
        ("next", "docs/how-to/run-without-pytorch.md: twenty lines of Python that run it"),
    ]


# target -> what writes `args.out` and says what it wrote
EXPORTS: dict[str, Callable[[argparse.Namespace], Lines]] = {
    "hub": _to_hub,
    "onnx": _to_onnx,
}


def add_export_arguments(parser: Parser) -> None:
    """Add what `export` takes."""
    parser.add_argument("start", metavar="RUN", help="folder of a run or of its model, base, or hf://owner/name")
    parser.add_argument(
        "--to",
        metavar="TARGET",
        required=True,
        help="hub: a model folder with a card, for the Hugging Face hub; onnx: a file that runs without PyTorch",
    )
    parser.add_argument(
        "--out", metavar="PATH", type=Path, required=True, help="what is written; a new folder for hub, a file for onnx"
    )
    parser.add_argument(
        "--int8", action="store_true", help="onnx: weights in 8 bits, a quarter of the size, slightly other answers"
    )


def export(args: argparse.Namespace) -> None:
    """Write a model for use elsewhere: a folder with a card for the Hugging Face hub, or an ONNX file.

    Args:
        args: Arguments of `add_export_arguments`.

    Raises:
        ConfigError: The target is unknown, something would be overwritten, or a library is not installed.
        CheckpointError: There is no model.
        StorageError: It cannot be written, or gives other answers than PyTorch.
    """
    if args.to not in EXPORTS:
        raise ConfigError(f"--to: {unknown('target', args.to, EXPORTS)}")
    if args.int8 and args.to != "onnx":
        raise ConfigError(f"--int8 is for --to onnx, not for --to {args.to}.")
    print_columns(EXPORTS[args.to](args))
