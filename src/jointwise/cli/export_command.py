"""The command that writes a finished model for use elsewhere: export."""

from __future__ import annotations

import argparse
import shlex
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
