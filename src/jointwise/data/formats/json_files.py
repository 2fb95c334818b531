"""JSON files: a whole one, the beginning of one for recognising it, and the values in it, with clear errors."""

from __future__ import annotations

import json
import re
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from jointwise.data.formats.files import FETCH_AGAIN, read_bytes
from jointwise.data.typed_files import parse_json
from jointwise.errors import ReadError

T = TypeVar("T")
_KINDS: dict[type, str] = {dict: "an object {…}", list: "a list […]", str: "text", int: "a whole number"}
_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*(?:"|\\?\Z)|[][{},]', re.DOTALL)  # a string, a bracket or a comma


def read_json(path: Path) -> Any:
    """Read a JSON file. The words NaN and Infinity are numbers, as many tools write them.

    Args:
        path: The file.

    Returns:
        Its content: dictionaries, lists, texts, numbers.

    Raises:
        ReadError: It is missing, empty, cut off or not JSON.
    """
    content = read_bytes(path)
    try:
        return parse_json(content.decode("utf-8-sig"))
    except json.JSONDecodeError as error:
        cut = not error.doc[error.pos :].strip() or error.msg.startswith("Unterminated")
        what = "is cut off" if cut else "is no JSON"
        raise ReadError(
            f"{path}: the file {what} at line {error.lineno}, column {error.colno} ({error.msg}). {FETCH_AGAIN}"
        ) from error
    except (ValueError, RecursionError) as error:  # no UTF-8, a number of thousands of digits, thousands of brackets
        raise ReadError(f"{path}: the file is no JSON ({error}). {FETCH_AGAIN}") from error


@lru_cache(maxsize=2)
def parse_head(head: bytes) -> Any:
    """Parse the beginning of a JSON file, for a `detect`. Every `detect` gets the same object: do not change it.

    Args:
        head: The first bytes of the file.

    Returns:
        The content as far as it goes: what is cut off ends after its last whole value. None where it is no JSON.

    >>> parse_head(b'{"version": 1.3, "people": [{"a": [1, 2, 3')
    {'version': 1.3, 'people': [{'a': [1, 2]}]}
    """
    text = head.decode("utf-8-sig", errors="ignore")
    if not text.lstrip().startswith(("{", "[")):
        return None
    try:
        return parse_json(text)
    except (ValueError, RecursionError):
        pass
    closing: list[str] = []  # the brackets that are open, in the form that closes them
    end = 0
    for token in _TOKEN.finditer(text):
        mark = token[0]
        if mark in "{[":
            closing.append("}" if mark == "{" else "]")
        elif mark in "}]" and closing:
            closing.pop()
        if not mark.startswith('"'):
            end = token.start() if mark == "," else token.end()
    try:
        return parse_json(text[:end] + "".join(reversed(closing)))
    except (ValueError, RecursionError):
        return None


def value_at(content: Any, *path: str | int) -> Any:
    """The value at a place in JSON, for a `detect`.

    Args:
        content: The content, or part of it.
        path: Keys of objects and places in lists, from outside to inside.

    Returns:
        The value; None where there is none.

    >>> value_at({"people": [{"id": 7}]}, "people", 0, "id")
    7
    """
    try:
        for key in path:
            content = content[key]
    except (KeyError, IndexError, TypeError):
        return None
    return content


def expect(value: Any, kind: type[T], where: str) -> T:
    """Check the kind of a value.

    Args:
        value: The value.
        kind: dict, list, str or int.
        where: File and place in it, for the message.

    Returns:
        The value.

    Raises:
        ReadError: It is of another kind.
    """
    if isinstance(value, kind) and not (kind is int and isinstance(value, bool)):
        return value
    raise ReadError(f"{where}: expected {_KINDS.get(kind, kind.__name__)}, found {_shown(value)}. {FETCH_AGAIN}")


def take(content: Any, key: str, kind: type[T], where: str) -> T:
    """The value of a key that must be there.

    Args:
        content: The object that should have it.
        key: The key.
        kind: The kind of the value: dict, list, str or int.
        where: File and place in it, for the message.

    Returns:
        The value.

    Raises:
        ReadError: `content` is no object, has no such key, or has another kind of value there.
    """
    found = expect(content, dict, where)
    if key not in found:
        raise ReadError(
            f"{where}: '{key}' is missing (found: {', '.join(map(str, found)) or 'nothing'}). {FETCH_AGAIN}"
        )
    return expect(found[key], kind, f"{where}, '{key}'")


def numbers(value: Any, where: str) -> npt.NDArray[np.float64]:
    """An array from lists of numbers. null is a missing number.

    Args:
        value: A list of numbers, or lists of equal length of them.
        where: File and place in it, for the message.

    Returns:
        The numbers, NaN where one is missing.

    Raises:
        ReadError: It is something else.
    """
    try:
        array = np.array(value)
        if array.dtype.kind not in "biuf":
            array = np.array(value, dtype=object)
            if any(isinstance(item, str | dict) for item in array.flat):
                raise ValueError("text among them")
        return array.astype(np.float64)  # None becomes NaN
    except (TypeError, ValueError, OverflowError) as error:
        raise ReadError(
            f"{where}: expected a list of numbers, found {_shown(value)} ({error}). {FETCH_AGAIN}"
        ) from error


def groups_of(value: Any, size: int, where: str) -> npt.NDArray[np.float64]:
    """Numbers that stand in groups in one flat list, such as x, y, confidence, x, y, confidence.

    Args:
        value: The list.
        size: Numbers in a group.
        where: File and place in it, for the message.

    Returns:
        (groups, size) numbers.

    Raises:
        ReadError: It is no flat list of numbers, or their count is no multiple of the size.
    """
    found = numbers(expect(value, list, where), where)
    if found.ndim != 1 or len(found) % size:
        raise ReadError(
            f"{where}: expected groups of {size} numbers in one list, found {_shown(value)} ({len(value)} values). "
            f"{FETCH_AGAIN}"
        )
    return found.reshape(-1, size)


def _shown(value: Any) -> str:
    """A value as JSON, shortened."""
    try:
        text = json.dumps(value, ensure_ascii=False)
    except (TypeError, ValueError, RecursionError):
        text = type(value).__name__
    return text if len(text) <= 60 else f"{text[:57]}…"
