"""The command `runs`: what was trained, how far it is, what it scored; goes on with a run, or deletes some."""

from __future__ import annotations

import argparse
import json
import os
import shlex
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from jointwise.cli.arguments import Parser
from jointwise.errors import ConfigError, counted

if TYPE_CHECKING:
    from jointwise.report.run_list import RunSummary

RUNS = Path("runs")  # where commands keep runs


def add_runs_arguments(parser: Parser) -> None:
    """Add what `runs` takes."""
    parser.add_argument("folder", metavar="FOLDER", nargs="?", type=Path, help="where to look (default: runs)")
    action = parser.add_mutually_exclusive_group()
    action.add_argument("--json", action="store_true", help="print one JSON object per run, a line each")
    action.add_argument("--resume", metavar="RUN", type=Path, help="go on with a run that was stopped")
    action.add_argument(
        "--delete", metavar="RUN", nargs="+", type=Path, help="delete runs of FOLDER with their models, after asking"
    )
    parser.add_argument("--yes", action="store_true", help="with --delete: do not ask")


def runs(args: argparse.Namespace) -> None:
    """List the runs in a folder: steps, score, size, age, and whether they are finished; go on with or delete some.

    Args:
        args: Arguments of `add_runs_arguments`.

    Raises:
        ConfigError: There is no such folder, or a run can be neither resumed nor deleted.
        CheckpointError: A folder is no run.
    """
    from jointwise.report.run_list import list_runs

    folder = args.folder or RUNS
    if args.yes and not args.delete:
        raise ConfigError("--yes: it answers the question of --delete. Name the runs: --delete RUN …")
    if args.resume:
        _resume(args.resume)
        return
    if args.folder and not folder.is_dir():
        raise ConfigError(f"{folder}: no such folder. Without one, jointwise runs looks in {RUNS}/.")
    if args.delete:
        _delete(args.delete, folder, args.yes)
        return
    found = list_runs(folder)
    if args.json:
        for run in found:
            print(json.dumps(asdict(run) | {"path": str(run.path)}))
    elif found:
        _print(found)
    else:
        print(f"no runs in {folder}/. jointwise demo makes some; or: jointwise pretrain recommended --data DATA")


def _print(found: list[RunSummary]) -> None:
    """The runs as a table, and how many they are."""
    from rich.console import Console
    from rich.filesize import decimal
    from rich.table import Table
    from rich.text import Text

    from jointwise.report.run_list import STOPPED
    from jointwise.training.forecast import duration

    table = Table("run", "state", "data", "system", "stage", box=None, padding=(0, 2, 0, 0), header_style="bold")
    table.columns[0].overflow = "fold"
    for name in ("steps", "score", "size", "age"):
        table.add_column(name, justify="left" if name == "score" else "right", no_wrap=name != "score")
    for run in found:
        steps = f"{run.done}/{run.steps}" if run.steps else ""
        words = [str(run.path), run.state, run.data, run.system, run.stage, steps, _score(run), decimal(run.size)]
        table.add_row(*map(Text, [*words, duration(round(run.age))]))
    Console(width=None if sys.stdout.isatty() else 200, highlight=False).print(table)
    print(f"\n{counted(len(found), 'run')}, {decimal(sum(run.size for run in found))}")
    stopped = next((run for run in found if run.state == STOPPED), None)
    if stopped:
        print(f"go on with one: jointwise runs --resume {shlex.quote(str(stopped.path))}")


def _score(run: RunSummary) -> str:
    """The scores of a run: top-1, or the first error of a protocol that names no classes."""
    parts = []
    for score in run.scores:
        if "top1" in score:
            value = f"{100 * score['top1']:.1f} %"
        else:
            value = next(f"{number:.3g} {score['unit']}" for number in score.values() if isinstance(number, float))
        parts.append(f"{score['protocol']} {value}")
    return ", ".join(dict.fromkeys(parts))


def _resume(run: Path) -> None:
    """Print the command that goes on with a run, and become it."""
    from jointwise.report.run_list import resume_words

    command = resume_words(run)
    print(command, flush=True)
    # not a process of its own: Ctrl-C and the exit status are those of the training
    os.execv(sys.executable, [sys.executable, "-m", "jointwise", *shlex.split(command)[1:]])


def _delete(chosen: list[Path], folder: Path, yes: bool) -> None:
    """Delete runs, after all of them were looked at and the user was asked."""
    from rich.filesize import decimal

    from jointwise.report.run_list import RUNNING, summarise
    from jointwise.training.run_folder import check_deletable, delete_run

    found = []
    for run in chosen:
        check_deletable(run)
        if not run.resolve().is_relative_to(folder.resolve()):
            raise ConfigError(
                f"{run} is not in {folder}, so it is not deleted. Name its folder: jointwise runs FOLDER --delete …"
            )
        found.append(summarise(run))
        if found[-1].state == RUNNING:
            raise ConfigError(f"{run}: a training of this run is going on. Stop it first. Nothing was deleted.")
    for one in found:
        print(f"{one.path}: {one.state}, {decimal(one.size)}" + (f", {_score(one)}" if one.scores else ""))
    if not yes and not _confirmed(f"Delete {counted(len(found), 'run')} for good?"):
        print("nothing was deleted")
        return
    for one in found:
        delete_run(one.path)
    print(f"deleted {counted(len(found), 'run')}, {decimal(sum(one.size for one in found))}")


def _confirmed(question: str) -> bool:
    """Whether the user says yes; where there is nobody to ask, an error says how to go on."""
    if not sys.stdin.isatty():
        raise ConfigError("--delete asks before it deletes, and there is no terminal to ask in. Add --yes.")
    try:
        return input(f"{question} [y/N] ").strip().lower() in ("y", "yes")
    except EOFError:
        return False
