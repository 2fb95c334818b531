"""The command `jointwise`: reads arguments, calls the library, prints what came out. Nothing else happens here."""

from __future__ import annotations

import argparse
import io
import json
import shlex
import sys
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

from jointwise.cli.arguments import build_parser
from jointwise.cli.choose_config import (
    as_run,
    config_for,
    goes_on,
    labels_of,
    listed,
    raw_config,
    recipe_of,
    resumed_config,
    seed_of,
    transferred,
)
from jointwise.cli.data_commands import datasets, join, prepare, view
from jointwise.cli.output import show, watch
from jointwise.cli.process_group import company, in_company
from jointwise.errors import ConfigError, JointwiseError, JointwiseWarning, ReadError, unknown

if TYPE_CHECKING:
    from jointwise.data.dataset import Dataset


def _load(args: argparse.Namespace) -> Dataset:
    from jointwise.data.dataset import load_dataset
    from jointwise.data.skeletons import choose_joints
    from jointwise.training.distributed import first_goes_first

    with first_goes_first():  # it prepares what is not prepared yet
        dataset = load_dataset(args.data, args.root, args.split, watch)
    print(f"{dataset.name}: {len(dataset.train)} to train, {len(dataset.test)} to test ({dataset.split})")
    if args.joints is not None:
        dataset = dataset.on_joints(choose_joints(args.joints, dataset.skeleton))
        print(f"{len(dataset.skeleton.joints)} joints of {dataset.name}: {', '.join(dataset.skeleton.joints)}")
    return dataset


def _load_for(args: argparse.Namespace, run: Path | None) -> Dataset:
    """The data, after saying which joints a run of other data and they have in common."""
    from jointwise.training.model_folder import load_card

    dataset = _load(args)
    coverage = load_card(run).coverage(dataset) if run else None
    if coverage:
        print(coverage)
    return dataset


def demo(args: argparse.Namespace, options: list[str]) -> None:
    """Pre-train, fine-tune, evaluate and report on the embedded data, in a few minutes on two cores."""
    from jointwise.cli.demo import run_demo

    run_demo(args.run or Path("runs/demo"), args.seed or 0, options, watch)


def pretrain(args: argparse.Namespace, options: list[str]) -> None:
    """Pre-train a system without labels on the training part of a data set."""
    from jointwise.report.page import write_report
    from jointwise.stages.pretrain import pretrain
    from jointwise.training.run_folder import run_path

    config = None if args.resume else config_for(args, options, None)
    dataset = _load(args)
    folder = args.run or run_path(dataset, args.start, "pretrain", args.seed or 0)
    args.resume = goes_on(args, folder)
    config = resumed_config(args, options, folder) if args.resume or config is None else config
    seed = args.seed or 0
    run = pretrain(config, dataset, seed, folder, args.resume)
    if not run:  # the first process has it
        return
    report = write_report(folder / "report.html", f"{args.start} on {dataset.name}: pre-training", [folder], [])
    if run["collapse"]:
        print(f"WARNING: {run['collapse']}. This is a failed run; look at the report before you use it.")
    held_out = run["held_out"]
    parts = {"latent": config.predictor.use, "reconstruction": config.decoder.use}
    losses = [f"{name} {held_out[name]:.4f}" for name, used in parts.items() if used]
    show(
        [
            ("held-out loss", ", ".join(losses)),
            *((f"held-out {name}", f"{100 * top1:.1f} %") for name, top1 in run["probes"].items()),
            ("seconds per epoch", f"{run['seconds_per_epoch']:.2f}"),
            ("report", report),
            ("next", f"jointwise finetune {folder} {shlex.join(dataset.arguments)} --labels 0.1"),
        ]
    )


def finetune(args: argparse.Namespace, options: list[str]) -> None:
    """Train a recogniser with labels, from a pre-trained run or (given a system's name) from random weights."""
    from jointwise.stages.finetune import finetune
    from jointwise.training.run_folder import run_path

    run, labels = as_run(args.start), labels_of(args)
    config, seed = config_for(args, options, run), seed_of(args, run)
    dataset = _load_for(args, run)
    stage = ("finetune" + transferred(run, dataset)) if run else "scratch"
    folder = args.run or run_path(dataset, config.system, stage, seed, labels)
    args.resume = goes_on(args, folder)
    if args.resume:
        config = resumed_config(args, options, folder)
        labels, seed = args.labels, args.seed
    result = finetune(config, dataset, seed, labels, folder, run, args.encoder, args.resume, results=args.results)
    _after_scoring([result], folder)


def evaluate(args: argparse.Namespace, options: list[str]) -> None:
    """Judge a trained encoder, or `raw` coordinates, by a protocol; never changes it."""
    from jointwise.evaluation.protocols import RAW
    from jointwise.stages.evaluate import evaluate

    run = None if args.start == RAW else Path(args.start)
    config = config_for(args, options, run) if run else raw_config(args, options)
    labels = labels_of(args)
    dataset = _load_for(args, run)
    paths = evaluate(run, args.protocol, dataset, config, seed_of(args, run), labels, args.encoder, args.results)
    _after_scoring(paths[:1], run)


def table(args: argparse.Namespace, options: list[str]) -> None:
    """Train and evaluate all systems on the same data with the same budget: Table 1; goes on where it was stopped."""
    from rich.console import Console

    from jointwise.cli.processes import start_process
    from jointwise.cli.table_command import Comparison, choose_splits, compare, steps_options
    from jointwise.config.layers import build_config, layered_settings
    from jointwise.config.systems import default_systems, in_order
    from jointwise.data.label_subset import labels_name
    from jointwise.training.distributed import is_first

    systems = listed("systems", args.systems or default_systems())
    options = [*steps_options(args.steps), *options]
    configs = {
        name: build_config(layered_settings(name, recipe_of(args), args.quick), options) for name in in_order(systems)
    }
    dataset = _load(args)
    validation = next(iter(configs.values())).validation_subjects
    kind = "table" + ("-quick" if args.quick else "") + ("-validation" if validation else "")
    folder = args.run or Path("runs") / dataset.name / kind
    comparison = Comparison(
        datasets=choose_splits(dataset, args.split, args.folds, validation),
        configs=configs,
        seeds=args.seeds,
        labels=tuple(labels_name(labels) for labels in listed("labels", args.labels)),
        protocols=tuple(listed("protocols", args.protocols)),
        folder=folder,
        results=args.results or folder / "results",
        options=tuple(options),
        quick=args.quick,
    )
    jobs = (2 if args.quick else 1) if args.jobs is None else args.jobs
    out = sys.stdout if is_first() else sys.__stdout__  # every process says what became of its own stages
    console = Console(file=out, width=None if sys.stdout.isatty() else 120)
    compare(comparison, jobs, start_process(jobs), console, args.words)


def _after_scoring(results: list[Path], run: Path | None) -> None:
    from jointwise.report.tables.completions import is_completion, lines_of
    from jointwise.training.checkpoint import read_json
    from jointwise.training.distributed import is_first

    if not is_first():
        return
    content = read_json(results[0])
    scores, interval = content["scores"], content["interval"]
    rows = [(f"top-{k}", f"top{k}") for k in (1, 5)] if not is_completion(content) else []
    split = content["split"]
    print(f"{content['system']} on {content['data']}, {content['protocol']}, labels {content['labels']}:")
    learned = content["protocol"] != "score" and not is_completion(content)  # from labels, just now
    lines = [
        *(
            (name, f"{100 * scores[key]:.1f} % (95 %: {100 * interval[key][0]:.1f} to {100 * interval[key][1]:.1f})")
            for name, key in rows
        ),
        *(lines_of(content) if is_completion(content) else ()),
        ("labelled", f"{split['labelled']} of {split['train']} training clips" if learned else None),
        ("scored on", f"{content['n']} clips: {split['name']}"),
        ("result", results[0]),
    ]
    show(lines)
    if run and (run / "about.json").is_file():  # after the score: a damaged result beside it ends the report only
        show([("report", _write_report(run))], width=max(len(name) for name, _ in lines))


def _write_report(run: Path) -> Path:
    """report.html of a run: its own curves and results, and the curves of the run its encoder came from."""
    from jointwise.report.page import write_report
    from jointwise.training.run_folder import read_run_settings

    _, about = read_run_settings(run)
    before = about.get("pretrained")
    runs = [*([Path(before)] if before and Path(before).is_dir() else []), run]
    results = sorted((run / "results").glob("*.json"))
    return write_report(run / "report.html", f"{about['system']} on {about['data']}", runs, results)


def predict(args: argparse.Namespace, options: list[str]) -> None:
    """Name the actions in recordings: files of any known format, or folders of them."""
    from jointwise.data.formats import FORMATS, recordings_in
    from jointwise.inference.recognizer import Recognizer

    recognizer = Recognizer.from_pretrained(args.start)
    paths: list[Path] = []
    for path in args.paths:
        inside = recordings_in(path) if path.is_dir() else [path]
        if not inside:
            raise ConfigError(f"{path}: no recording in this folder. Known files: {', '.join(FORMATS)}.")
        paths += inside
    unread = []
    for path in paths:
        try:
            prediction = recognizer.predict(path)
        except ReadError as error:
            unread.append(error)
            continue
        if args.json:
            print(json.dumps({"path": str(path), "label": prediction.label, "probabilities": prediction.probabilities}))
        else:
            others = list(prediction.probabilities.items())[1:3]
            rest = ", ".join(f"{name} {100 * value:.0f} %" for name, value in others)
            print(f"{path}: {prediction.label} {100 * prediction.probability:.0f} %  ({rest})")
    if unread:
        listed = f"{len(unread)} of {len(paths)} recordings cannot be used:\n" if len(paths) > 1 else ""
        raise ReadError(listed + "\n".join(f"  {error}" if listed else str(error) for error in unread))


def import_(args: argparse.Namespace, options: list[str]) -> None:
    """Turn an official checkpoint of a method into a run that finetune, evaluate and Recognizer take."""
    from jointwise.data.skeletons import get_skeleton
    from jointwise.stages.import_checkpoint import NOT_KNOWN, import_checkpoint

    skeleton = get_skeleton(args.skeleton) if args.skeleton else None
    imported = import_checkpoint(args.method, args.checkpoint, args.run, args.heads, skeleton)
    card, config = imported.card, imported.card.config
    print(f"imported {args.checkpoint} as {card.system}")
    show(
        [
            ("encoder", f"{config.encoder.depth} blocks, width {config.encoder.width}, {config.encoder.heads} heads"),
            ("decoder", f"{config.decoder.depth} blocks, width {config.decoder.width}"),
            ("clips", f"{config.clip.frames} frames, {config.clip.segment} per segment"),
            ("joints", f"{len(card.skeleton.joints)} ({card.skeleton.name}), {card.coordinates} coordinates each"),
            *(("assumed", what) for what in imported.assumed),
            ("trained on", f"{NOT_KNOWN}, so nobody can check whether a clip that you score was in it"),
            ("model", args.run / "model"),
            ("next", f"jointwise evaluate {shlex.quote(str(args.run))} --protocol knn --data DATA"),
        ]
    )


def report(args: argparse.Namespace, options: list[str]) -> None:
    """Write report.html of a run again."""
    print(_write_report(Path(args.start)))


def bench(args: argparse.Namespace, options: list[str]) -> None:
    """Measure how fast everything is here, as ratios to the same mathematics written the obvious way."""
    from rich.console import Console

    from jointwise.bench.figures import Where
    from jointwise.bench.run import PROGRAMS, chosen, run_bench, run_program
    from jointwise.report.tables.bench_figures import as_grid
    from jointwise.training.device import pick_device

    where, out = Where(pick_device(args.device), args.compile), args.out or Path(f"bench-{args.group}.json")
    if options and args.group != "score":
        raise ConfigError(f"bench {args.group} does not take {options[0]}: its sizes are fixed.")
    if args.group in PROGRAMS:
        told = run_program(args.group, where, args.data, out, options)
        show((name, value) for name, value in told.items() if name not in ("curves", "options"))
    else:
        figures = chosen(args.group, listed("only", args.only) if args.only else [])
        print(
            f"{len(figures)} figures, each way in a process of its own; leave the machine alone meanwhile", flush=True
        )
        rows = run_bench(figures, where, out, lambda name: print(f"  {name} …", flush=True))
        Console(width=None if sys.stdout.isatty() else 160).print(as_grid(rows).to_terminal("bench"))
    print(out)


_ALL = (demo, datasets, prepare, join, view, pretrain, finetune, evaluate, table, predict, import_, report, bench)
COMMANDS = {command.__name__.removesuffix("_"): command for command in _ALL}  # `import` is a word of Python's own


SHARED = ("pretrain", "finetune", "evaluate", "table")  # what several processes do together


def run(arguments: list[str]) -> None:
    """Runs one command. Raises JointwiseError for anything that is wrong with it."""
    if arguments and not arguments[0].startswith("-") and arguments[0] not in COMMANDS:
        raise ConfigError(unknown("command", arguments[0], COMMANDS))
    parser = build_parser(COMMANDS)
    if "--help-options" in arguments:
        from jointwise.config.layers import options_help

        print(options_help())
        return
    args, options = parser.parse_known_args(arguments)
    if in_company() and arguments[0] not in SHARED:
        raise ConfigError(f"{arguments[0]} is done by one process. Call it without torchrun: jointwise {arguments[0]}.")
    args.words = arguments
    if not hasattr(args, "function"):
        if options:
            raise ConfigError(f"{options[0]} without a command. Name one first: jointwise {next(iter(COMMANDS))} …")
        parser.print_help()
        return
    if options and not args.takes_options:
        raise ConfigError(f"{arguments[0]} does not take {options[0]}. See: jointwise {arguments[0]} --help.")
    args.function(args, options)


_format_any = warnings.formatwarning


def _format(
    message: Warning | str, category: type[Warning], filename: str, lineno: int, line: str | None = None
) -> str:
    """Our own warnings as one line, such as errors are; those of others as Python prints them."""
    own = issubclass(category, JointwiseWarning)
    return f"jointwise: WARNING: {message}\n" if own else _format_any(message, category, filename, lineno, line)


def main() -> None:
    """Entry point: errors become one message on stderr and exit status 1; a second Ctrl-C ends at once with 130."""
    warnings.formatwarning = _format
    for stream in (sys.stdout, sys.stderr):  # names of files may be bytes that no encoding knows
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        with company():
            run(sys.argv[1:])
    except JointwiseError as error:
        print(f"jointwise: {error}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:  # the reader of our output has gone
        sys.exit(0)


if __name__ == "__main__":
    main()
