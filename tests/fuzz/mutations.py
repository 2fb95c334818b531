"""Damaged copies of a file: bytes, numbers and structure changed at random, the same for the same seed."""

import io
import json
import pickle
import random
import re
import zipfile
from collections.abc import Callable
from typing import Any

import yaml

_BYTES = (
    b"\0",
    b"\xff",
    b"\x80",
    b"\r",
    b"\n",
    b",",
    b'"',
    b"[",
    b"{",
    b"-",
    b"\xc2\xb2",
    b"\xff\xfe",
    b"\xef\xbb\xbf",
)
_NUMBERS = (
    "-1",
    "0",
    "1e308",
    "-1e308",
    "1e400",
    "nan",
    "inf",
    "2147483648",
    "9" * 19,
    "9" * 400,
    "1e-320",
    "²",
    "0x10",
)
_NUMBER = re.compile(rb"-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?")
_ENDINGS = (".json", ".jsonl", ".yaml", ".npz", ".pth", ".safetensors", ".pkl")


class Payload:
    """A pickle that would run code: it asks for a harmless function that the worker watches."""

    def __reduce__(self) -> tuple[Any, ...]:
        import os

        return os.system, ("true",)


def nested(depth: int, of_lists: bool) -> Any:
    """A value inside `depth` lists or mappings."""
    value: Any = 0
    for _ in range(depth):
        value = [value] if of_lists else {"a": value}
    return value


VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1, 2**31, 2**63, -(2**70), 0.5, 1e308, float("nan"), float("inf")),
    *("", "a", "²", "1", "\0", "\x1b[2J", "\ud800", "../../x", "x" * 300, "x" * 100_000, "nan", "(", "S(9)?"),
    *([], {}, [[]], [None], {"": 1}, ["a", 1], [0] * 10_000, {str(n): n for n in range(1000)}),
    *(nested(20, True), nested(20, False)),
)


def mutate(content: bytes, name: str, rng: random.Random, other: bytes) -> bytes:
    """A damaged copy of a file.

    Args:
        content: The file.
        name: Its name; the ending tells its structure.
        rng: Decides what is done.
        other: Another file, for splices.
    """
    structured = next((_STRUCTURED[ending] for ending in _ENDINGS if name.endswith(ending)), None)
    if structured and rng.random() < 0.7:
        try:
            return structured(content, rng)
        except (ValueError, KeyError, RecursionError, zipfile.BadZipFile, yaml.YAMLError, MemoryError):
            pass  # it has not the structure that its name says
    for _ in range(rng.choice((1, 1, 1, 2, 5))):
        content = rng.choice(_RAW)(content, rng, other)
    return content


def _place(content: bytes, rng: random.Random) -> int:
    """A place in a file, in every second case near its beginning, where headers are."""
    return rng.randrange(min(len(content), 300 if rng.random() < 0.5 else len(content)) + 1)


def _flip(content: bytes, rng: random.Random, _other: bytes) -> bytes:
    changed = bytearray(content)
    for _ in range(rng.choice((1, 1, 3, 20)) if content else 0):
        changed[min(_place(content, rng), len(changed) - 1)] ^= 1 << rng.randrange(8)
    return bytes(changed)


def _truncate(content: bytes, rng: random.Random, _other: bytes) -> bytes:
    return content[: _place(content, rng)]


def _splice(content: bytes, rng: random.Random, other: bytes) -> bytes:
    return content[: _place(content, rng)] + other[_place(other, rng) :]


def _repeat(content: bytes, rng: random.Random, _other: bytes) -> bytes:
    begin, size = _place(content, rng), rng.choice((1, 10, 100, 1000))
    return content[:begin] + content[begin : begin + size] * rng.choice((2, 3, 50)) + content[begin + size :]


def _delete(content: bytes, rng: random.Random, _other: bytes) -> bytes:
    begin = _place(content, rng)
    return content[:begin] + content[begin + rng.choice((1, 4, 10, 100)) :]


def _insert(content: bytes, rng: random.Random, _other: bytes) -> bytes:
    begin = _place(content, rng)
    return content[:begin] + rng.choice(_BYTES) * rng.choice((1, 1, 2, 1000)) + content[begin:]


def _number(content: bytes, rng: random.Random, _other: bytes) -> bytes:
    begin = _place(content, rng)
    found = _NUMBER.search(content, begin) or _NUMBER.search(content)
    return (
        content if found is None else content[: found.start()] + rng.choice(_NUMBERS).encode() + content[found.end() :]
    )


def _binary_number(content: bytes, rng: random.Random, _other: bytes) -> bytes:
    begin, size = _place(content, rng), rng.choice((1, 2, 4, 8))
    extreme = rng.choice((b"\0" * size, b"\xff" * size, b"\xff" * (size - 1) + b"\x7f", b"\x01" + b"\0" * (size - 1)))
    return content[:begin] + extreme + content[begin + size :]


_RAW = (_flip, _truncate, _splice, _repeat, _delete, _insert, _number, _binary_number)


def _places(value: Any, place: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Where the values in JSON are, as keys from outside to inside; of long lists the first values only."""
    found = [place] if place else []
    inside = value.items() if isinstance(value, dict) else enumerate(value[:8]) if isinstance(value, list) else ()
    for key, item in inside:
        found += _places(item, (*place, key))
    return found


def _structure(value: Any, rng: random.Random, odd_keys: bool) -> Any:
    """JSON or YAML with one value exchanged, removed, renamed or doubled."""
    places = _places(value)
    if not places or rng.random() < 0.05:
        return rng.choice(VALUES)
    *outer, key = rng.choice(places)
    around = value
    for step in outer:
        around = around[step]
    what = rng.randrange(10)
    if what == 0:
        del around[key]
    elif what == 1 and isinstance(around, dict):
        around[rng.choice(("a", "", "x" * 300, *((1, None, 2.5, True, (1, 2)) if odd_keys else ())))] = around.pop(key)
    elif what == 2 and isinstance(around, list):
        around.append(around[key])
    elif what == 3:
        end = rng.choice(places)
        taken = value
        for step in end:
            taken = taken[step] if isinstance(taken, list | dict) else taken
        around[key] = json.loads(json.dumps(taken, default=str)) if not odd_keys else taken
    else:
        around[key] = rng.choice(VALUES)
    return value


def _json(content: bytes, rng: random.Random) -> bytes:
    text = json.dumps(_structure(json.loads(content), rng, odd_keys=False))
    if rng.random() < 0.03:  # deeper than any parser goes
        depth = rng.choice((900, 3000, 100_000))
        text = text.replace(rng.choice(("0", "1", "null", '"')), "[" * depth + "]" * depth, 1)
    return text.encode()


def _json_lines(content: bytes, rng: random.Random) -> bytes:
    lines = content.splitlines()
    place = rng.randrange(len(lines))
    lines[place] = _json(lines[place], rng) if rng.random() < 0.7 else _truncate(lines[place], rng, b"")
    return b"\n".join(lines) + b"\n"


def _yaml(content: bytes, rng: random.Random) -> bytes:
    what = rng.random()
    if what < 0.03:
        return rng.choice((b"a: &a [*a]\n", b"? [1, 2]\n: 3\n", b"a: 2020-13-45\n", b"!!python/object:os.system x\n"))
    if what < 0.06:
        depth = rng.choice((500, 100_000))
        return content + b"\nzz: " + b"[" * depth + b"]" * depth
    if what < 0.09:  # a few bytes that stand for 10^9 values
        lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
        lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]
        key = rng.choice([*(yaml.safe_load(content) or {"joints": 1})])
        return "\n".join([*lines, f"{key}: *a8"]).encode()
    return yaml.safe_dump(_structure(yaml.safe_load(content), rng, odd_keys=True)).encode("utf-8", "surrogatepass")


def _zip(content: bytes, rng: random.Random) -> bytes:
    """An archive with one member damaged inside, so that checksums are right."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    chosen = rng.choice([*members])
    if rng.random() < 0.1:
        members[rng.choice(("a.npy", "../x.npy", "positions.npy"))] = members.pop(chosen)
    elif chosen.endswith(".pkl"):
        members[chosen] = _pickle(members[chosen], rng)
    else:
        members[chosen] = rng.choice(_RAW)(members[chosen], rng, content)
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return target.getvalue()


def _safetensors(content: bytes, rng: random.Random) -> bytes:
    size = int.from_bytes(content[:8], "little")
    header = _json(content[8 : 8 + size], rng)
    return len(header).to_bytes(8, "little") + header + content[8 + size :]


def _pickle(content: bytes, rng: random.Random) -> bytes:
    if rng.random() < 0.05:
        return pickle.dumps({"keypoints3d": Payload(), "split": Payload()})
    if rng.random() < 0.03:
        return b"\x80\x04" + b"K\x01" + b"\x85" * 1_000_000 + b"."
    return rng.choice(_RAW)(content, rng, content)


_STRUCTURED: dict[str, Callable[[bytes, random.Random], bytes]] = {
    ".json": _json,
    ".jsonl": _json_lines,
    ".yaml": _yaml,
    ".npz": _zip,
    ".pth": _zip,
    ".safetensors": _safetensors,
    ".pkl": _pickle,
}
