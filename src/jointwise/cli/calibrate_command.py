"""The command calibrate: when a fine-tuned run can be believed, and when it should say that it knows nothing."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from jointwise.cli.arguments import Parser, add_data, add_settings
from jointwise.cli.choose_config import config_of_calibration
from jointwise.cli.output import print_columns
from jointwise.cli.training_commands import load_data, write_run_report

if TYPE_CHECKING:
    from jointwise.training.model_card import Calibration


def add_calibrate_arguments(parser: Parser) -> None:
    """Add what `calibrate` takes."""
    parser.add_argument("start", metavar="RUN", help="folder of a fine-tuned run")
    add_data(parser)
    shown = ("validation_subjects", "execution.device", "execution.precision")
    add_settings(parser, shown, "RUN --data DATA")
    parser.epilog = (
        "A copy of RUN is trained without some training subjects (every fourth, or --validation_subjects), which takes "
        "as long as RUN took. Probabilities are fitted to the clips of these subjects, all of which need their labels: "
        "with few labels these are labels more. Then nothing of the copy is kept. RUN answers by the calibration from "
        "then on; its weights stay."
    )


def calibrate(args: argparse.Namespace) -> None:
    """Make the probabilities of a run trustworthy, and have it answer "none of these" to actions it does not know."""
    from jointwise.stages.calibrate import calibrate

    run = Path(args.start)
    config = config_of_calibration(args, run)
    found = calibrate(run, load_data(args), config)
    print_calibration(found)
    print_columns([("report", write_run_report(run))])


def print_calibration(found: Calibration) -> None:
    """Print what a calibration found.

    Args:
        found: The calibration.
    """
    threshold, rejected = 100 * found.threshold, 100 * found.rejected
    print_columns(
        [
            ("held out", f"{found.held_out}: {found.clips} clips, with their labels"),
            ("recognised", f"{100 * found.accuracy:.1f} %, without these subjects in the training"),
            ("temperature", f"{found.temperature:.2f}"),
            ("calibration error", f"{100 * found.error_before:.1f} % before, {100 * found.error_after:.1f} % after"),
            ("none of these", f"where no action has {threshold:.0f} %: {rejected:.1f} % of the held-out clips"),
        ]
    )
