"""The command `stream`: frames as lines of JSON go in, what every person does comes out as lines of JSON."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from jointwise.cli.arguments import Parser, add_meaning, meaning_options
from jointwise.errors import ReadError, counted
from jointwise.inference.stream_lines import event_as_json, frame_of

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


def _print(events: list[Event]) -> None:
    """Print events as lines."""
    for event in events:
        _print_line(event_as_json(event))


def _print_line(content: dict[str, Any]) -> None:
    print(json.dumps(content), flush=True)
