"""The command `stream`: frames as lines of JSON go in, what every person does comes out as lines of JSON."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from jointwise.cli.arguments import Parser, add_meaning, meaning_options
from jointwise.errors import ReadError, counted

if TYPE_CHECKING:
    from jointwise.inference.stream import Event

_EXAMPLES = """a line of input, one person or several:
  {"time": 0.033, "positions": [[x, y, z], …], "confidence": [0.9, …]}
  {"time": 0.033, "persons": [{"id": 1, "positions": [[x, y, z], …], "confidence": […]}, …]}
time (seconds), confidence (0 to 1) and id may be left out; null in place of a joint: not seen.

a line of output:
  {"event": "window", "person": 1, "start": 0.0, "end": 2.0, "label": "wave", "probability": 0.8, "smoothed": "wave"}
  {"event": "segment", "person": 1, "start": 0.0, "end": 5.5, "label": "wave", "probability": 0.7}
  {"error": "frame 12: …", "line": 13}
"""


def add_stream_arguments(parser: Parser) -> None:
    """Add what `stream` takes."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = _EXAMPLES
    parser.add_argument("start", metavar="RUN", help="folder of a fine-tuned run or of its model")
    parser.add_argument(
        "--window",
        metavar="S",
        type=float,
        help="seconds that one answer looks at (two thirds of a usual recording of the training)",
    )
    parser.add_argument("--hop", metavar="S", type=float, help="seconds between two answers (0.5)")
    add_meaning(parser.add_argument_group("what the frames do not say"))


def stream(args: argparse.Namespace) -> None:
    """Name what every person does while frames come in: lines of JSON from stdin, lines of JSON to stdout.

    Args:
        args: Arguments of `add_stream_arguments`.

    Raises:
        ReadError: Lines could not be used; raised at the end, when all others are answered.
    """
    from jointwise.inference.recognizer import Recognizer

    said = meaning_options(args)
    least = said.pop("min_confidence")
    sizes = {name: value for name in ("window", "hop") if (value := getattr(args, name)) is not None}
    live = Recognizer.from_pretrained(args.start).stream(**said, **sizes)
    if sys.stdin.isatty():
        print("jointwise: a line of JSON is a frame (--help shows some); Ctrl-D ends", file=sys.stderr)
    errors: list[ReadError] = []
    count = 0
    try:
        for count, line in enumerate(_lines(sys.stdin.buffer), 1):
            try:
                _print(live.push(**frame_of(line, least)))
            except ReadError as error:
                errors.append(error)
                _print_line({"error": str(error), "line": count})
    except KeyboardInterrupt:
        pass
    _print(live.close())
    if errors:
        raise ReadError(f"{len(errors)} of {counted(count, 'line')} could not be used. The first: {errors[0]}")


def _lines(file: Iterable[bytes]) -> Iterator[bytes]:
    """The lines that are not empty."""
    return (line for line in file if line.strip())


def frame_of(line: str | bytes, min_confidence: float = 0.3) -> dict[str, Any]:
    """A line of JSON as the arguments of `Stream.push`.

    Args:
        line: One frame.
        min_confidence: Below it a joint is not seen.

    Raises:
        ReadError: It is no such line.

    >>> frame_of('{"time": 1.5, "positions": [[0.1, 0.2, 2.0], null]}')["time"]
    1.5
    """
    try:
        frame = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise ReadError(f"no JSON: {error}. A frame is one line.") from None
    persons = frame.get("persons", [frame] if "positions" in frame else None) if isinstance(frame, dict) else None
    if not isinstance(persons, list) or not all(isinstance(one, dict) and "positions" in one for one in persons):
        raise ReadError('a frame is {"positions": [[x, y, z], …]} or {"persons": [{"positions": […]}, …]}.')
    points = [_points(one["positions"]) for one in persons]
    for one, joints in zip(persons, points, strict=True):
        _hide(joints, one.get("confidence"), min_confidence)
    ids = [one["id"] for one in persons if one.get("id") is not None]
    if ids and len(ids) < len(persons):
        raise ReadError("some persons have an id and some have none. Give all of them one, or none.")
    return {"positions": points, "time": frame.get("time"), "ids": ids or None}


def _points(joints: Any) -> list[Any]:
    """The joints of a person, with NaN for those that are null."""
    if not isinstance(joints, list):
        raise ReadError("positions are no list of joints.")
    coordinates = next((len(joint) for joint in joints if isinstance(joint, list)), 3)
    return [[float("nan")] * coordinates if joint is None else joint for joint in joints]


def _hide(joints: list[Any], confidence: Any, least: float) -> None:
    """Put NaN in place of joints of little confidence."""
    if confidence is None:
        return
    if not isinstance(confidence, list) or len(confidence) != len(joints):
        raise ReadError(f"the confidences are no list of {counted(len(joints), 'number')}, one for each joint.")
    for place, sure in enumerate(confidence):
        if not isinstance(sure, int | float | None):
            raise ReadError(f"confidence {place} is {sure!r}, which is no number.")
        if not (sure or 0) >= least and isinstance(joints[place], list):
            joints[place] = [float("nan")] * len(joints[place])


def _print(events: list[Event]) -> None:
    """Print events as lines."""
    from jointwise.inference.timeline import Segment

    for event in events:
        if isinstance(event, Segment):
            _print_line({"event": "segment", **asdict(event)})
        else:
            content = asdict(event)
            del content["probabilities"]
            if not content["reason"]:
                del content["reason"]
            _print_line({"event": "window", **content})


def _print_line(content: dict[str, Any]) -> None:
    print(json.dumps(content), flush=True)
