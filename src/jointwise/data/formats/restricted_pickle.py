"""Load pickles of plain containers and arrays of numbers, and refuse all others.

A pickle is a program that may import and call anything. Here it may name only what `_ALLOWED` lists, and this module
builds the result. Not even NumPy's own unpickling code runs on a type that the pickle describes.
"""

from __future__ import annotations

import pickle  # the only module that may import it: tests/test_floors.py
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

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
