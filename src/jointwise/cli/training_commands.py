"""The commands that train and score: demo, pretrain, finetune, evaluate."""

from __future__ import annotations

import argparse
import shlex
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jointwise.cli.arguments import (
    EVALUATE_SETTINGS,
    FINETUNE_SETTINGS,
    PRETRAIN_SETTINGS,
    TABLE_SETTINGS,
    Parser,
    add_data,
    add_labels,
    add_run,
    add_seed_and_config,
    add_settings,
    numbers_in,
)
from jointwise.cli.choose_config import (
    config_of_raw,
    config_of_resumed,
    config_of_run,
    config_of_system,
    is_resumed,
    labels_of,
    run_or_system,
    seed_of,
    transfer_suffix,
)
from jointwise.cli.output import describe_sizes, print_columns, show_progress, show_progress_beside
from jointwise.config.recipes import QUICK_NOTE
from jointwise.config.systems import systems
from jointwise.evaluation.protocols import PROTOCOLS, RAW, SEMI, evaluated_protocols

if TYPE_CHECKING:
    from jointwise.data.dataset import Dataset


def add_demo_arguments(parser: Parser) -> None:
    """Add what `demo` takes."""
    parser.add_argument("--run", metavar="DIR", type=Path, help="folder of its runs (default: runs/demo; replaced)")
    parser.add_argument("--seed", metavar="N", type=int, help="(default: 0)")
    add_settings(parser, TABLE_SETTINGS, "")


def demo(args: argparse.Namespace) -> None:
    """Pre-train, fine-tune, evaluate and report on the embedded data, in a few minutes on two cores."""
    from jointwise.cli.demo import run_demo

    run_demo(args.run or Path("runs/demo"), args.seed or 0, args.settings, show_progress)


def add_pretrain_arguments(parser: Parser) -> None:
    """Add what `pretrain` takes."""
    listed = ", ".join(systems())
    parser.add_argument(
        "start",
        metavar="SYSTEM|RUN",
        help=f"one of {listed}; or the folder of a pre-trained run, or base, to go on from",
    )
    add_data(parser)
    add_seed_and_config(parser)
    add_run(parser)
    add_settings(parser, PRETRAIN_SETTINGS, "SYSTEM|RUN --data DATA")


def pretrain(args: argparse.Namespace) -> None:
    """Pre-train a system, or a run further, on the training part of a data set or on recordings without labels."""
    from jointwise.data.datasets import user_path
    from jointwise.data.store.reader import ALL
    from jointwise.evaluation.held_out import loss_parts
    from jointwise.stages.pretrain import pretrain, training_data
    from jointwise.training.run_folder import run_path

    start = run_or_system(args.start)
    choose = (
        partial(config_of_run, run=start, free="pretrain") if start else partial(config_of_system, system=args.start)
    )
    choose(args)  # mistakes are found before data are prepared
    seed = seed_of(args, start)
    dataset = load_data(args)
    config = choose(args, dataset=dataset)
    stage = "pretrain" + (transfer_suffix(start, dataset) or "-further" if start else "")
    folder = args.run or run_path(dataset, config.system, stage, seed, quick=config.quick)
    args.resume = is_resumed(args, folder)
    if args.resume:
        config = config_of_resumed(args, folder)
        seed = args.seed
    used = training_data(config, dataset)
    if used.split != dataset.split:
        print(used.split.rpartition("; ")[2])
    elif len(dataset.test) and user_path(dataset.address):
        print(f"{len(dataset.test)} are left out, because they can be scored later; to use them too: --split {ALL}")
    run = pretrain(config, dataset, seed, folder, args.resume, start)
    if not run:  # the first process has it
        return
    report = write_run_report(folder)
    if run["collapse"]:
        print(f"WARNING: {run['collapse']}. This is a failed run; look at the report before you use it.")
    data = dataset.arguments if len(dataset.test) else ["--data", "DATA"]  # data that can be scored
    command = ["jointwise", "finetune", str(folder), *data, "--labels", "0.1", *(["--quick"] if config.quick else [])]
    losses = [f"{name} {loss:.4f}" for name, loss in loss_parts(run.get("held_out")).items() if loss]
    print_columns(
        [
            ("held-out loss", ", ".join(losses)),
            *((f"held-out {name}", f"{100 * top1:.1f} %") for name, top1 in run["probes"].items()),
            ("seconds per epoch", f"{run['seconds_per_epoch']:.2f}"),
            ("report", report),
            ("note", QUICK_NOTE if config.quick else ""),
            ("next", shlex.join(command)),
        ]
    )


def add_finetune_arguments(parser: Parser) -> None:
    """Add what `finetune` takes."""
    parser.add_argument(
        "start",
        metavar="RUN|SYSTEM",
        help="folder of a pre-trained run; base, the model in the package; or a system to train from scratch: "
        + ", ".join(systems()),
    )
    add_data(parser)
    add_seed_and_config(parser)
    add_run(parser)
    add_labels(parser)
    parser.add_argument(
        "--unlabelled",
        metavar="HOW",
        help="pseudo: learn from all training clips, also from those whose label is not used, by labels that a moving "
        "average of the classifier gives them (default: from labelled clips only)",
    )
    add_settings(parser, FINETUNE_SETTINGS, "RUN|SYSTEM --data DATA")


def finetune(args: argparse.Namespace) -> None:
    """Train a recogniser with labels, from a pre-trained run or (given a system's name) from random weights."""
    from jointwise.stages.finetune import check_unlabelled, finetune
    from jointwise.training.run_folder import run_path, training_name

    check_unlabelled(args.unlabelled)
    run = run_or_system(args.start)
    labels = labels_of(args)
    choose = partial(config_of_run, run=run) if run else partial(config_of_system, system=args.start)
    choose(args)  # mistakes are found before data are prepared
    seed = seed_of(args, run)
    dataset = load_data_for(args, run)
    config = choose(args, dataset=dataset)
    stage = training_name(bool(run), args.unlabelled) + (transfer_suffix(run, dataset) if run else "")
    folder = args.run or run_path(dataset, config.system, stage, seed, labels, config.quick)
    args.resume = is_resumed(args, folder)
    if args.resume:
        config = config_of_resumed(args, folder)
        labels, seed = args.labels, args.seed
    unused = f"{'finetune' if run else 'scratch'}.steps"
    if args.unlabelled and unused in args.settings:
        print(
            f"--{unused} is not used with --unlabelled {args.unlabelled}: it takes semi.steps ({config.semi.steps:,})"
        )
    result = finetune(
        config, dataset, seed, labels, folder, run, args.encoder, args.resume, args.results, args.unlabelled
    )
    print_result([result], folder)


def add_evaluate_arguments(parser: Parser) -> None:
    """Add what `evaluate` takes."""
    parser.add_argument("start", metavar="RUN|raw", help="folder of a run, or raw for coordinates without an encoder")
    titles = [f"{name} ({PROTOCOLS[name].title})" for name in evaluated_protocols(raw=False)]
    parser.add_argument(
        "--protocol", required=True, help=f"{', '.join(titles)}; of raw also {SEMI} (label propagation)"
    )
    add_data(parser)
    add_seed_and_config(parser)
    add_labels(parser)
    parser.set_defaults(quick=False)
    add_settings(parser, EVALUATE_SETTINGS, "RUN|raw --protocol PROTOCOL --data DATA")


def evaluate(args: argparse.Namespace) -> None:
    """Judge a trained encoder, or `raw` coordinates, by a protocol; the encoder is never changed."""
    from jointwise.stages.evaluate import evaluate
    from jointwise.training.distributed import is_main_process
    from jointwise.training.progress import showing

    run = None if args.start == RAW else Path(args.start)
    config = config_of_run(args, run) if run else config_of_raw(args)
    labels = labels_of(args)
    dataset = load_data_for(args, run)
    with showing(show_progress_beside) if is_main_process() else nullcontext():
        paths = evaluate(run, args.protocol, dataset, config, seed_of(args, run), labels, args.encoder, args.results)
    print_result(paths[:1], run)


def load_data(args: argparse.Namespace) -> Dataset:
    """Open the data of a command, prepare it where that is still to be done, and print what it is.

    Args:
        args: Arguments of `add_data`.

    Returns:
        The data under its split, without what is to be left out, on the joints that were asked for.

    Raises:
        ConfigError: A class, subject or joint is named that the data have not.
    """
    from jointwise.data.dataset import load_dataset
    from jointwise.data.skeletons import choose_joints
    from jointwise.training.distributed import main_process_first

    with main_process_first():  # it prepares what is not prepared yet
        dataset = load_dataset(args.data, args.root, args.split, show_progress)
    classes = [
        name for words in args.without_classes for name in ([words] if words in dataset.classes else words.split(","))
    ]  # the name of a class may have a comma in it
    dataset = dataset.without(classes, numbers_in("without-subjects", args.without_subjects))
    print(f"{dataset.name}: {describe_sizes(dataset)} ({dataset.split})")
    if args.joints is not None:
        dataset = dataset.on_joints(choose_joints(args.joints, dataset.skeleton))
        print(f"{len(dataset.skeleton.joints)} joints of {dataset.name}: {', '.join(dataset.skeleton.joints)}")
    return dataset


def load_data_for(args: argparse.Namespace, run: Path | None) -> Dataset:
    """Open the data of a command, and print which joints the run and the data have in common.

    Args:
        args: As for `load_data`.
        run: The run whose encoder is used; None: there is none.

    Returns:
        As `load_data`.
    """
    from jointwise.training.model_folder import load_card

    dataset = load_data(args)
    coverage = load_card(run).compatibility_notes(dataset) if run else None
    if coverage:
        print(coverage)
    return dataset


def print_result(results: list[Path], run: Path | None) -> None:
    """Print what was measured, and write the report of the run again.

    Args:
        results: Paths of the result's JSON; the first is printed.
        run: Folder of the run that was scored; None: raw coordinates.
    """
    from jointwise.evaluation.metrics import telling_ranks
    from jointwise.evaluation.references import in_words, warning_of
    from jointwise.report.tables.completions import is_completion, lines_of
    from jointwise.training.checkpoint import read_json
    from jointwise.training.distributed import is_main_process

    if not is_main_process():
        return
    content = read_json(results[0], dict[str, Any])
    scores, interval = content["scores"], content["interval"]
    split = content["split"]
    print(f"{content['system']} on {content['data']}, {content['protocol']}, labels {content['labels']}:")
    lines: list[tuple[str, object]] = []
    if is_completion(content):
        lines += lines_of(content)
    else:
        for k in telling_ranks(len(content["classes"])):
            low, high = interval[f"top{k}"]
            score = scores[f"top{k}"]
            lines.append((f"top-{k}", f"{100 * score:.1f} % (95 %: {100 * low:.1f} to {100 * high:.1f})"))
        beside = content.get("references", {})
        lines += [("beside it", in_words(beside)), ("WARNING", warning_of(scores["top1"], beside))]
        if PROTOCOLS[content["protocol"]].learns_labels:
            lines.append(("labelled", f"{split['labelled']} of {split['train']} training clips"))
    lines.append(("note", QUICK_NOTE if content["config"].get("quick") else ""))
    lines += [("scored on", f"{content['n']} clips: {split['name']}"), ("result", results[0])]
    print_columns(lines)
    if run and (run / "about.json").is_file():  # after the score: a damaged result beside it ends the report only
        print_columns([("report", write_run_report(run))], width=max(len(name) for name, _ in lines))


def write_run_report(run: Path) -> Path:
    """Write report.html of a run: its curves and results, and the curves of the run that it started from.

    Args:
        run: Folder of the run.

    Returns:
        Path of the page.
    """
    from jointwise.report.page import write_report
    from jointwise.training.run_folder import read_run_settings

    _, about = read_run_settings(run)
    before = about.get("pretrained")
    runs = [*([Path(before)] if before and Path(before).is_dir() else []), run]
    results = sorted((run / "results").glob("*.json"))
    title = f"{about['system']} on {about['data']}" + (": pre-training" if about["stage"] == "pretrain" else "")
    return write_report(run / "report.html", title, runs, results)
