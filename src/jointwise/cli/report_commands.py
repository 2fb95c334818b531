"""The commands that compare and measure: table, report, bench."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from jointwise.cli.arguments import TABLE_SETTINGS, Parser, add_data, add_quick, add_settings, split_list
from jointwise.cli.choose_config import config_of_system
from jointwise.cli.output import print_columns
from jointwise.config.systems import default_systems, in_order, system_order
from jointwise.errors import ConfigError
from jointwise.evaluation.protocols import FINETUNE, compared_protocols


def add_table_arguments(parser: Parser) -> None:
    """Add what `table` takes."""
    add_data(parser, "the first; all folds of a cross-validation")
    parser.add_argument("--folds", metavar="K", type=int, nargs="+", help="which folds only (default: all)")
    listed = f"which, also as a,b, of {', '.join(system_order())} (default: the first {len(default_systems())})"
    parser.add_argument("--systems", metavar="NAME", nargs="+", help=listed)
    parser.add_argument("--seeds", metavar="N", type=int, default=1, help="how many: 0 … N - 1 (default: 1)")
    parser.add_argument(
        "--steps",
        metavar="P[+F[+A]]",
        help="steps of pre-training, with few labels, with all (default: the recipe's, and with all at least 80 "
        "passes); from scratch the better of F and P+F (A and P+A) on held-out training subjects",
    )
    parser.add_argument(
        "--labels", metavar="L", nargs="+", default=["1.0"], help="shares or shots, also as a,b (default: 1.0)"
    )
    parser.add_argument(
        "--protocols",
        metavar="P",
        nargs="+",
        default=[FINETUNE],
        help=f"{', '.join(compared_protocols())}, also as a,b (default: {FINETUNE})",
    )
    add_quick(parser)
    parser.add_argument(
        "--jobs",
        metavar="N",
        type=int,
        help="stages at once, which share the cores and so slow each other's seconds (default: 1; with --quick 2)",
    )
    default = "runs/[quick/]<data>/table[-validation]"
    parser.add_argument("--run", metavar="DIR", type=Path, help=f"folder of runs and tables (default: {default})")
    parser.add_argument("--results", metavar="DIR", type=Path, help="folder of the results (default: results in --run)")
    parser.set_defaults(config=None)
    add_settings(parser, TABLE_SETTINGS, "--data DATA")


def table(args: argparse.Namespace) -> None:
    """Train and evaluate all systems on the same data with the same budget: Table 1; continues where it was stopped."""
    from rich.console import Console

    from jointwise.cli.budgets import LABELLED_STEPS, Budget, steps_settings
    from jointwise.cli.comparison import Comparison, choose_splits
    from jointwise.cli.processes import start_process
    from jointwise.cli.table_command import compare
    from jointwise.cli.training_commands import load_data
    from jointwise.data.label_subset import canonical_labels
    from jointwise.training.distributed import is_main_process
    from jointwise.training.run_folder import runs_folder

    systems = split_list("systems", args.systems or default_systems())
    budget = Budget.of(args.steps, args.settings, args.quick)
    args.settings = steps_settings(args.steps) | args.settings
    configs = {name: config_of_system(args, name) for name in in_order(systems)}
    dataset = load_data(args)
    validation = next(iter(configs.values())).validation_subjects
    folder = args.run or runs_folder(dataset, args.quick) / ("table-validation" if validation else "table")
    common = {name: value for name, value in args.settings.items() if name not in LABELLED_STEPS}
    comparison = Comparison(
        datasets=choose_splits(dataset, args.split, args.folds, validation),
        configs=configs,
        seeds=args.seeds,
        labels=tuple(canonical_labels(labels) for labels in split_list("labels", args.labels)),
        protocols=tuple(split_list("protocols", args.protocols)),
        folder=folder,
        results=args.results or folder / "results",
        options=tuple(word for name, value in common.items() for word in (f"--{name}", value)),
        quick=args.quick,
        budget=budget,
    )
    jobs = args.jobs
    if jobs is None:
        jobs = 2 if args.quick else 1
    out = sys.stdout if is_main_process() else sys.__stdout__  # every process prints what became of its own stages
    console = Console(file=out, width=None if sys.stdout.isatty() else 120)
    compare(comparison, jobs, start_process(jobs), console, args.words)


def add_report_arguments(parser: Parser) -> None:
    """Add what `report` takes."""
    parser.add_argument("start", metavar="RUN", help="folder of a run")


def report(args: argparse.Namespace) -> None:
    """Write report.html of a run again."""
    from jointwise.cli.training_commands import write_run_report

    print(write_run_report(Path(args.start)))


def add_bench_arguments(parser: Parser) -> None:
    """Add what `bench` takes."""
    parser.add_argument(
        "group",
        metavar="GROUP",
        nargs="?",
        default="yardstick",
        help="yardstick (default): ratios to plain code; scaling: cost as work grows; stores: as data grow; "
        "shards: to 1,000 hours in 500 shards; "
        "gpu: all systems on a GPU; score: how soon recommended is as good as the final system, also with settings of "
        "yours (--clip.frames 64); experiment: the report's, in minutes; stream: a live stream on one core, and memory "
        "over a million frames",
    )
    parser.add_argument("--data", default="synthetic", help="that score trains on: synthetic (default) or utd-mhad")
    parser.add_argument("--compile", action="store_true", help="compile the transformer blocks (torch.compile)")
    parser.add_argument("--only", metavar="WORD", nargs="+", default=[], help="figures with such a word in their name")
    parser.add_argument("--device", default="auto", help="cpu, cuda, cuda:1 (default: a GPU where there is one)")
    parser.add_argument("--out", metavar="FILE", type=Path, help="(default: bench-GROUP.json)")
    add_settings(parser, TABLE_SETTINGS, "[GROUP]")


def bench(args: argparse.Namespace) -> None:
    """Measure how fast everything is here, as ratios to a plain implementation of the same mathematics.

    Args:
        args: Arguments of `add_bench_arguments`.

    Raises:
        ConfigError: The group takes no settings, or a group, figure or device is unknown.
        BenchError: The process of a figure failed.
    """
    from rich.console import Console

    from jointwise.bench.figures import BenchDevice
    from jointwise.bench.run import PROGRAMS, choose_figures, run_bench, run_program
    from jointwise.report.tables.bench_figures import as_grid
    from jointwise.training.device import pick_device

    on = BenchDevice(pick_device(args.device), args.compile)
    out = args.out or Path(f"bench-{args.group}.json")
    if args.settings and args.group != "score":
        raise ConfigError(f"bench {args.group} does not take --{next(iter(args.settings))}: its sizes are fixed.")
    if args.group in PROGRAMS:
        measurement = run_program(args.group, on, args.data, out, args.settings)
        print_columns((name, value) for name, value in measurement.items() if name not in ("curves", "options"))
    else:
        figures = choose_figures(args.group, split_list("only", args.only) if args.only else [])
        print(f"{len(figures)} figures, each variant in its own process; leave the machine idle meanwhile", flush=True)
        rows = run_bench(figures, on, out, lambda name: print(f"  {name} …", flush=True))
        Console(width=None if sys.stdout.isatty() else 160).print(as_grid(rows).to_terminal("bench"))
    print(out)
