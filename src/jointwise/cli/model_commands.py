"""The commands about finished models: models, predict, import."""

from __future__ import annotations

import argparse
import csv
import json
import shlex
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, astuple, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jointwise.cli.arguments import Parser, add_reading, reading_options
from jointwise.cli.output import grouped_warnings, print_columns, show, show_progress_beside
from jointwise.config.recipes import QUICK_NOTE
from jointwise.errors import ConfigError, ReadError, group_messages, writing

if TYPE_CHECKING:
    from jointwise.inference.answers import Prediction
    from jointwise.inference.recognizer import Recognizer
    from jointwise.inference.timeline import Segment


def add_models_arguments(parser: Parser) -> None:
    """`models` takes nothing."""


def models(args: argparse.Namespace) -> None:
    """What pre-trained models come with the package, to fine-tune or to describe recordings with."""
    from jointwise.training.model_folder import load_card, model_folder
    from jointwise.training.shipped import shipped_models

    for name in shipped_models():
        card = load_card(Path(name))
        encoder = card.config.encoder
        sets = ", ".join(f"{member['data']} {100 * member['share']:.0f} %" for member in card.mixture)
        print(name)
        print_columns(
            [
                ("what", f"{card.system}, {encoder.depth} blocks, width {encoder.width}; pre-trained, no labels"),
                ("joints", f"{len(card.skeleton.joints)} ({card.skeleton.name}), {card.coordinates} coordinates each"),
                ("trained on", sets),
                ("terms", card.terms),
                ("model", model_folder(Path(name))),
                ("next", f"jointwise finetune {name} --data DATA --labels 5shot --unlabelled pseudo"),
            ]
        )


def add_predict_arguments(parser: Parser) -> None:
    """Add what `predict` takes."""
    parser.add_argument("start", metavar="RUN", help="folder of a fine-tuned run or of its model")
    parser.add_argument("paths", metavar="PATH", nargs="+", type=Path, help="recordings, or folders of them")
    parser.add_argument("--json", action="store_true", help="print one JSON object per recording")
    parser.add_argument(
        "--csv", metavar="FILE", type=Path, help="write path, label, probability and those of all classes to a table"
    )
    parser.add_argument(
        "--timeline", action="store_true", help="name what every person does over time, in place of one action a file"
    )
    parser.add_argument(
        "--plot", metavar="FILE", type=Path, help="with --timeline: draw the timelines of all persons (.png or .svg)"
    )
    add_reading(parser)


def predict(args: argparse.Namespace) -> None:
    """Name the actions in recordings: files of any known format, or folders of them.

    Args:
        args: Arguments of `add_predict_arguments`.

    Raises:
        ConfigError: A folder has no recording, or a picture cannot be drawn.
        ReadError: Recordings cannot be used; raised after the others are predicted.
    """
    from jointwise.data.formats import known_names, recordings_in
    from jointwise.inference.many import unusable
    from jointwise.inference.recognizer import Recognizer

    reading = reading_options(args)
    if args.plot and not args.timeline:
        raise ConfigError(f"--plot {args.plot}: it draws timelines. Add --timeline.")
    recognizer = Recognizer.from_pretrained(args.start)
    paths: list[Path] = []
    for path in args.paths:
        inside = recordings_in(path) if path.is_dir() else [path]
        if not inside:
            raise ConfigError(f"{path}: no recording in this folder. Known files: {known_names()}.")
        paths += inside
    if args.timeline:
        _print_timelines(args, recognizer, paths, reading)
        return
    errors: list[ReadError] = []
    notes: list[str] = []
    with _table(args.csv, ["path", "label", "probability", *recognizer.classes]) as write_row, grouped_warnings():
        answers: Iterable[Prediction | ReadError] = recognizer.predict_each(paths, reading=reading)
        if sys.stderr.isatty() and (args.csv or not sys.stdout.isatty()):  # else the lines show how far it is
            answers = show_progress_beside(answers, len(paths), "predict")
        for path, answer in zip(paths, answers, strict=True):
            if isinstance(answer, ReadError):
                errors.append(answer)
                continue
            notes += [f"{path}: {sentence}" for sentence in answer.assumed]
            write_row([str(path), answer.label, answer.probability, *map(answer.probabilities.get, recognizer.classes)])
            if args.json or not args.csv:
                show(_line_of(path, answer, args.json))
    if recognizer.card.config.quick:
        notes.append(f"{args.start}: {QUICK_NOTE}")
    if notes:
        show(f"jointwise: note: {group_messages(notes).strip()}", on_stderr=True)
    if args.csv:
        print(f"{len(paths) - len(errors)} of {len(paths)} recordings: {args.csv}", file=sys.stderr)
    if errors:
        raise errors[0] if len(paths) == 1 else unusable(errors, len(paths))


def _print_timelines(
    args: argparse.Namespace, recognizer: Recognizer, paths: list[Path], reading: dict[str, Any]
) -> None:
    """Print or write what every person does over time in each recording."""
    from jointwise.inference.many import unusable
    from jointwise.inference.timeline import Segment
    from jointwise.report.timeline_picture import check_picture, write_timelines

    if args.plot:
        check_picture(args.plot, len(paths))
    timelines: list[tuple[str, list[Segment]]] = []
    errors: list[ReadError] = []
    columns = ["path", *(field.name for field in fields(Segment))]
    with _table(args.csv, columns) as write_row, grouped_warnings():
        for path in paths:
            try:
                segments = recognizer.timeline(path, reading=reading)
            except ReadError as error:
                errors.append(error)
                continue
            timelines.append((str(path), segments))
            for segment in segments:
                write_row([str(path), *astuple(segment)])
            if args.json:
                print(json.dumps({"path": str(path), "segments": [asdict(segment) for segment in segments]}))
            elif not args.csv:
                show(path)
                print_columns((f"person {segment.person}", _span_of(segment)) for segment in segments)
    if args.plot and timelines:
        write_timelines(args.plot, timelines)
        print(f"{len(timelines)} of {len(paths)} recordings: {args.plot}", file=sys.stderr)
    if errors:
        raise errors[0] if len(paths) == 1 else unusable(errors, len(paths))


def _span_of(segment: Segment) -> str:
    """When and what, as `predict --timeline` prints a segment."""
    return f"{segment.start:7.2f} to {segment.end:7.2f} s  {segment.label} {100 * segment.probability:.0f} %"


def _line_of(path: Path, prediction: Prediction, as_json: bool) -> str:
    """What `predict` prints of a recording."""
    if as_json:
        content = {"path": str(path), "label": prediction.label, "probabilities": prediction.probabilities}
        return json.dumps(content | ({"reason": prediction.reason} if prediction.reason else {}))
    if prediction.reason:
        return f"{path}: {prediction.label}  ({prediction.reason})"
    others = list(prediction.probabilities.items())[1:3]
    rest = ", ".join(f"{name} {100 * value:.0f} %" for name, value in others)
    return f"{path}: {prediction.label} {100 * prediction.probability:.0f} %" + (f"  ({rest})" if rest else "")


@contextmanager
def _table(path: Path | None, columns: list[str]) -> Iterator[Callable[[list[Any]], object]]:
    """A function that writes a row to a CSV file; without a path it does nothing."""
    if path is None:
        yield lambda _row: None
        return
    with writing(path), path.open("w", encoding="utf-8", errors="surrogateescape", newline="") as file:
        table = csv.writer(file)
        table.writerow(columns)
        yield table.writerow


def add_import_arguments(parser: Parser) -> None:
    """Add what `import` takes."""
    parser.add_argument("method", metavar="METHOD", help="whose checkpoint it is: mamp")
    parser.add_argument("checkpoint", metavar="CHECKPOINT", type=Path, help="file of their pre-training (.pth)")
    parser.add_argument("--run", metavar="DIR", type=Path, required=True, help="run folder to make of it")
    parser.add_argument(
        "--heads", metavar="N", type=int, help="attention heads, where the file does not say (default: 8)"
    )
    parser.add_argument(
        "--skeleton", metavar="LAYOUT", help="its joint layout (default: ntu25 for 25 joints, else they are numbered)"
    )


def import_(args: argparse.Namespace) -> None:
    """Turn an official checkpoint of a method into a run that finetune, evaluate and Recognizer take."""
    from jointwise.data.skeletons import get_skeleton
    from jointwise.stages.import_checkpoint import NOT_KNOWN, import_checkpoint

    skeleton = get_skeleton(args.skeleton) if args.skeleton else None
    imported = import_checkpoint(args.method, args.checkpoint, args.run, args.heads, skeleton)
    card, config = imported.card, imported.card.config
    print(f"imported {args.checkpoint} as {card.system}")
    print_columns(
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
