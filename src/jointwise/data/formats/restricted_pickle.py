"""Load pickles of plain containers and arrays of numbers, and refuse all others.

A pickle is a program that may import and call anything. Here it may name only what `_ALLOWED` lists, and this module
builds the result. Not even NumPy's own unpickling code runs on a type that the pickle describes.
"""

from __future__ import annotations

import mmap
import pickle  # the only module that may import it: tests/test_floors.py
import pickletools
import re
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

import numpy as np

from jointwise.data.formats.files import FETCH_AGAIN, check_file
from jointwise.errors import ReadError

_PLAIN_TYPE = re.compile(r"[<>=|]?(b1|[iu][1248]|f[248]|[SU]\d{1,4})")  # bytes of these types are numbers or text


class _Type:
    """Replaces numpy.dtype: a code, and the byte order that the pickle sets afterwards."""

    def __init__(self, code: object, *_: object) -> None:
        text = code.decode("ascii", "replace") if isinstance(code, bytes) else code
        if not isinstance(text, str) or not _PLAIN_TYPE.fullmatch(text):
            raise pickle.UnpicklingError(f"an array of type {text!r}, not of numbers or text")
        self.dtype = np.dtype(text)

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        if state[1] in ("<", ">"):
            self.dtype = self.dtype.newbyteorder(state[1])


class _Array(np.ndarray[Any, Any]):
    """Replaces numpy.ndarray: takes a shape, a plain type and as many bytes as they need."""

    def __setstate__(self, state: Any) -> None:
        _version, shape, kind, fortran, content = state
        if not isinstance(kind, _Type) or not isinstance(content, bytes):
            raise pickle.UnpicklingError("an array of Python objects")
        plain: Any = (1, tuple(int(size) for size in shape), kind.dtype, bool(fortran), content)
        super().__setstate__(plain)


def _reconstruct(*_: object) -> _Array:
    return np.empty(0, np.int8).view(_Array)


def _scalar(kind: _Type, content: bytes) -> Any:
    return np.frombuffer(content, kind.dtype, 1)[0]


def _from_buffer(content: bytes, kind: _Type, shape: tuple[int, ...], order: str) -> Any:
    return np.frombuffer(content, kind.dtype).reshape(shape, order="F" if order == "F" else "C")


def _encode(text: str, encoding: str) -> bytes:
    if encoding != "latin1":
        raise pickle.UnpicklingError(f"text encoded as {encoding!r}")
    return text.encode("latin1")


class _Fixed:
    """A function that a pickle may call but not change. The opcode BUILD would set attributes of a bare function."""

    __slots__ = ("_call",)

    def __init__(self, call: Callable[..., Any]) -> None:
        self._call = call

    def __call__(self, *arguments: Any) -> Any:
        return self._call(*arguments)

    def __setstate__(self, _state: object) -> None:
        raise pickle.UnpicklingError("it changes a function")


_ALLOWED: dict[tuple[str, str], Any] = {
    ("numpy", "ndarray"): "ndarray",  # only ever an argument of _reconstruct, which ignores it
    ("numpy", "dtype"): _Fixed(_Type),
    ("_codecs", "encode"): _Fixed(_encode),  # how protocols 0 to 2 write bytes
    ("collections", "OrderedDict"): _Fixed(dict),  # an OrderedDict would take attributes: one could hide its keys()
}
for _builtins in ("builtins", "__builtin__"):
    _ALLOWED[_builtins, "set"] = _Fixed(set)
    _ALLOWED[_builtins, "frozenset"] = _Fixed(frozenset)
    _ALLOWED[_builtins, "bytes"] = _Fixed(lambda: b"")
for _core in ("numpy.core", "numpy._core"):  # before and since NumPy 2
    _ALLOWED[_core + ".multiarray", "_reconstruct"] = _Fixed(_reconstruct)
    _ALLOWED[_core + ".multiarray", "scalar"] = _Fixed(_scalar)
    _ALLOWED[_core + ".numeric", "_frombuffer"] = _Fixed(_from_buffer)


class _Refused(Exception):
    """The pickle names something that is not allowed."""


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _ALLOWED:
            raise _Refused(f"{module}.{name}")
        return _ALLOWED[module, name]


_DEEPEST = 100  # tuples in tuples; Python's hash of a key with a million of them ends the process
_TUPLES = {"EMPTY_TUPLE": 0, "TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}  # opcode -> how many items it takes


class _Depths:
    """The stack of a pickle, with the depth of nested tuples in the place of each value."""

    def __init__(self) -> None:
        self._stack: list[int] = []
        self._marks: list[int] = []
        self._memo: dict[int, int] = {}

    def step(self, opcode: pickletools.OpcodeInfo, argument: Any) -> None:
        """Does to the depths what an opcode does to the values."""
        name, stack = opcode.name, self._stack
        if name == "MARK":
            self._marks.append(len(stack))
        elif name in ("MEMOIZE", "PUT", "BINPUT", "LONG_BINPUT"):
            self._remember(len(self._memo) if name == "MEMOIZE" else int(argument))
        elif name in ("GET", "BINGET", "LONG_BINGET"):
            stack.append(self._memo.get(int(argument), 0))
        elif name == "POP" and self._marks and self._marks[-1] == len(stack):
            self._marks.pop()
        elif name == "DUP":
            stack.append(stack[-1])
        elif name == "TUPLE" or name in _TUPLES:
            count = _TUPLES.get(name)
            start = self._marks.pop() if count is None else len(stack) - count
            depth = 1 + max(stack[start:], default=0)
            if depth > _DEEPEST:
                raise pickle.UnpicklingError(f"more than {_DEEPEST} tuples in each other")
            stack[start:] = [depth]
        else:
            self._apply(opcode)

    def _remember(self, place: int) -> None:
        if not 0 <= place <= len(self._memo) + 1000:  # the table of an unpickler is as long as its largest place
            raise pickle.UnpicklingError(f"place {place} in a memo of {len(self._memo)} values")
        self._memo[place] = self._stack[-1]

    def _apply(self, opcode: pickletools.OpcodeInfo) -> None:
        """Any other opcode: what it takes and what it leaves, which is no tuple."""
        taken = opcode.stack_before
        if pickletools.markobject in taken:
            below = taken.index(pickletools.markobject)  # values that it takes from below the mark
            del self._stack[self._marks.pop() - below :]
        elif taken:
            del self._stack[-len(taken) :]
        self._stack += [0] * len(opcode.stack_after)


def check_opcodes(content: IO[bytes] | mmap.mmap) -> None:
    """Walk through a pickle without building anything.

    Args:
        content: It begins where this stands; afterwards it stands behind the end.

    Raises:
        UnpicklingError: To build it would end the process, or take all memory: tuples nested too deeply, or a value
            that is remembered at a place that no pickle needs.
        ValueError: It is cut off; a text or array promises more bytes than there are.
    """
    depths = _Depths()
    for opcode, argument, _place in pickletools.genops(content):  # type: ignore[arg-type]  # mmap reads like a file
        depths.step(opcode, argument)


def load(path: Path) -> Any:
    """Load a pickle file without running any code that it names.

    Args:
        path: The file.

    Returns:
        Its content: containers, numbers, text, and NumPy arrays of numbers or text.

    Raises:
        ReadError: The file is missing, empty or damaged, or asks for anything else.
    """
    check_file(path)
    try:
        with path.open("rb") as file:
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:  # reads no more than there is
                check_opcodes(content)
            return _Unpickler(file).load()
    except _Refused as refused:
        raise ReadError(
            f"{path}: the pickle asks for '{refused}', which may run code, so it was not loaded. Only containers and "
            "arrays of numbers are. If you trust the file, load it yourself and save plain arrays."
        ) from refused
    except Exception as error:  # a damaged pickle may raise nearly anything
        raise ReadError(
            f"{path}: damaged, or not a pickle of containers and arrays ({type(error).__name__}: {error}). "
            f"{FETCH_AGAIN}"
        ) from error
