"""The command that writes a finished model for use elsewhere: export."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

from jointwise.cli.arguments import Parser
from jointwise.cli.output import print_columns
from jointwise.errors import ConfigError, unknown

Lines = list[tuple[str, object]]  # what is printed of a written model: name and value


def _to_hub(args: argparse.Namespace) -> Lines:
    """Write a model folder with a card, as the Hugging Face hub takes it."""
    from jointwise.inference.hub import write_hub_folder

    written = write_hub_folder(Path(args.start), args.out)
    return [("written", written)]


# target -> what writes `args.out` and says what it wrote
EXPORTS: dict[str, Callable[[argparse.Namespace], Lines]] = {
    "hub": _to_hub,
}


def add_export_arguments(parser: Parser) -> None:
    """Add what `export` takes."""
    parser.add_argument("start", metavar="RUN", help="folder of a run or of its model, base, or hf://owner/name")
    parser.add_argument(
        "--to", metavar="TARGET", required=True, help="hub: a model folder with a card, for the Hugging Face hub"
    )
    parser.add_argument("--out", metavar="PATH", type=Path, required=True, help="what is written; a new folder for hub")


def export(args: argparse.Namespace) -> None:
    """Write a model for use elsewhere: as a folder with a card for the Hugging Face hub.

    Args:
        args: Arguments of `add_export_arguments`.

    Raises:
        ConfigError: The target is unknown, or something would be overwritten.
        CheckpointError: There is no model.
    """
    if args.to not in EXPORTS:
        raise ConfigError(f"--to: {unknown('target', args.to, EXPORTS)}")
    print_columns(EXPORTS[args.to](args))
