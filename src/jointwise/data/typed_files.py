"""JSON and YAML files, checked against a type when they are read. Recordings have readers of their own."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, TypeVar, cast, is_typeddict

import msgspec
import yaml

from jointwise.errors import JointwiseError

T = TypeVar("T")
YAML_ENDINGS = (".yaml", ".yml")
KINDS = {  # msgspec's name of a type -> ours
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "str": "text",
    "array": "a list such as [7]",
    "object": "a group of settings",
    "null": "null",
}
_INT64 = range(-(2**63), 2**63)
_DIGITS = bytes.maketrans(b"0123456789", b"0" * 10)
_LONG_NUMBER = b"0" * 19  # after `_DIGITS`; where there is none, numbers are parsed several times as fast
_DEEPEST = 50  # values inside each other; the files that jointwise reads have 8
_MOST_VALUES = 1_000_000  # in one file, with those that YAML repeats by a name
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # several times as fast, where it is built in
# what YAML's loader raises beside its own errors, for a date of the 45th, `!!bool x` and alike
_YAML_ERRORS = (yaml.YAMLError, ArithmeticError, AttributeError, LookupError, TypeError, ValueError, RecursionError)


def read_as(path: Path, kind: type[T], error: type[JointwiseError], hint: str) -> T:
    """Read a JSON or YAML file; its ending tells which.

    Args:
        path: The file.
        kind: What it must hold: a dataclass, a dict or list of a type, or a TypedDict. Of a TypedDict the keys that it
            names are checked; all are returned, as they are.
        error: Raised where the file is missing or holds something else.
        hint: What to do then, as a sentence.

    Returns:
        The content. An empty YAML file is an empty mapping.
    """
    try:
        content = path.read_bytes()
    except OSError as problem:
        raise error(f"{path}: cannot be read ({problem.strerror or problem}). {hint}") from problem
    return parse_as(content, kind, str(path), error, hint, is_yaml=path.suffix.lower() in YAML_ENDINGS)


def parse_json(content: bytes | str) -> Any:
    """Parse JSON. A whole number that is no number of 64 bits becomes one with a point, as in most other parsers.

    Args:
        content: The text.

    Raises:
        ValueError: It is no JSON.
        RecursionError: It has thousands of brackets inside each other.

    >>> parse_json("[7, 18446744073709551616]")
    [7, 1.8446744073709552e+19]
    """
    if isinstance(content, bytes):
        content = content.decode(json.detect_encoding(content), "surrogatepass")
    long = _LONG_NUMBER in content.encode("utf-8", "surrogatepass").translate(_DIGITS)
    return json.loads(content, parse_int=_whole_number if long else None)


def _whole_number(text: str) -> int | float:
    """Python's whole numbers have no end: arrays and `float` refuse those that are too large."""
    return int(text) if len(text) <= 20 and int(text) in _INT64 else float(text)


def parse_as(
    content: bytes | str, kind: type[T], where: str, error: type[JointwiseError], hint: str, is_yaml: bool = False
) -> T:
    """Parse JSON or YAML.

    Args:
        content: The text.
        kind: As for `read_as`.
        where: File and place in it, for the message.
        error: Raised where it is something else.
        hint: What to do then, as a sentence.
        is_yaml: Whether it is YAML.

    >>> parse_as('{"step": 3}', dict[str, int], "metrics.jsonl, line 1", JointwiseError, "")
    {'step': 3}
    """
    try:
        value = _parse_yaml(content) if is_yaml else parse_json(content)
        _check_plain(value)
    except (*_YAML_ERRORS, OSError) as problem:
        name = "YAML" if is_yaml else "JSON"
        raise error(f"{where}: damaged, not readable as {name} ({_shortened(str(problem))}). {hint}") from problem
    return convert_as(value, kind, where, error, hint)


def convert_as(content: Any, kind: type[T], where: str, error: type[JointwiseError], hint: str) -> T:
    """Check what JSON or YAML holds.

    Args:
        content: Parsed JSON or YAML.
        kind: As for `read_as`.
        where: File and place in it, for the message.
        error: Raised where it is something else.
        hint: What to do then, as a sentence.
    """
    try:
        found = msgspec.convert(content, kind)
    except (msgspec.ValidationError, ValueError, OverflowError) as problem:
        raise error(f"{where}: damaged ({explain(str(problem))}). {hint}") from problem
    except JointwiseError as problem:  # of the checks of a dataclass
        raise error(f"{where}: damaged ({_shortened(str(problem))}) {hint}") from problem
    return cast(T, content) if is_typeddict(kind) else found


def read_lines(path: Path, kind: type[T], error: type[JointwiseError], hint: str) -> list[T]:
    """Read a file with JSON on each line, to which lines are appended; a last line that was cut off is left out.

    Args:
        path: The file.
        kind: What each line must hold, as for `read_as`.
        error: Raised where the file is missing, or a line holds something else.
        hint: What to do then, as a sentence.
    """
    try:
        lines = path.read_bytes().splitlines(keepends=True)
    except OSError as problem:
        raise error(f"{path}: cannot be read ({problem.strerror or problem}). {hint}") from problem
    found = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            found.append(parse_as(line, kind, f"{path}, line {number}", error, hint))
        except error:
            if number == len(lines) and not line.rstrip().endswith(b"}"):
                break
            raise
    return found


def explain(message: str) -> str:
    """What msgspec says, in words for people who do not write Python.

    >>> explain("Expected `int | null`, got `str` - at `$.split.train`")
    'split.train: expected a whole number or null, found text'
    >>> explain("Object missing required field `step`")
    "no 'step'"
    """
    what, _, place = message.partition(" - at `")
    place = re.sub(r"^\$\.?", "", place.removeprefix("key in `").rstrip("`"))
    what = re.sub(r"^Expected `(.*?)`", lambda match: f"expected {_words(match[1])}", what)
    what = re.sub(r"got `(.*?)`", lambda match: f"found {_words(match[1])}", what)
    what = re.sub(r"^Object missing required field `(.*)`", r"no '\1'", what)
    return _shortened(f"{place}: {what}" if place else what)


def _words(kinds: str) -> str:
    return " or ".join(KINDS.get(kind, kind) for kind in kinds.split(" | "))


def _shortened(text: str) -> str:
    return text if len(text) <= 300 else f"{text[:297]}…"


def _parse_yaml(content: bytes | str) -> Any:
    text = content if isinstance(content, str) else content.decode("utf-8-sig")
    _check_nesting(text)
    value = yaml.load(text, _LOADER)  # of plain values only: both loaders are safe ones
    return {} if value is None else value


def _check_nesting(text: str) -> None:
    """Raise ValueError for brackets inside each other at which the library hangs, or ends the process."""
    depth = 0
    for mark in re.findall(r"[][{}]|(?:[-?:][ \t]+){50}", text):
        depth = depth + 1 if mark in "[{" else max(0, depth - 1) if mark in "]}" else _DEEPEST + 1
        if depth > _DEEPEST:
            raise ValueError(f"more than {_DEEPEST} values inside each other")


def _check_plain(content: Any) -> None:
    """Raise ValueError for what JSON cannot hold, too deep values, or few bytes of YAML that stand for many."""
    waiting = [(content, 0)]
    count = 0
    while waiting:
        value, depth = waiting.pop()
        count += 1
        if depth > _DEEPEST or count > _MOST_VALUES:
            raise ValueError(f"more than {_DEEPEST if depth > _DEEPEST else _MOST_VALUES} values inside each other")
        if isinstance(value, dict):
            for key, item in value.items():
                if not isinstance(key, str):
                    raise ValueError(f"the key {key!r} is no text: put it in quotes")
                waiting.append((item, depth + 1))
        elif isinstance(value, list):
            waiting += [(item, depth + 1) for item in value]
        elif not isinstance(value, str | int | float | None):
            raise ValueError(f"{value!s:.80} is no text and no number: put it in quotes")
        elif isinstance(value, int) and value not in _INT64:
            raise ValueError("a whole number of more than 64 bits")
