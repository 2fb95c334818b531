"""Tables in files: CSV with any separator, and Parquet. What the columns mean is not known here."""

from __future__ import annotations

import csv
import importlib.util
import io
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from jointwise.data.formats.files import FETCH_AGAIN, check_file, read_bytes
from jointwise.data.native.files import read_apart
from jointwise.data.native.process import Answer
from jointwise.errors import ConfigError, ReadError

PARQUET = b"PAR1"  # how such a file begins
_WORK = "jointwise.data.native.parquet:read_parquet"
_MEMORY_TIMES = 20.0  # columns that repeat values take little of a file
_MISSING = {"", "nan", "na", "n/a", "null", "none", "-nan", "nil"}
_DLC_ROWS = ("scorer", "bodyparts", "coords")  # first cells of DeepLabCut's three rows of headers


@dataclass(frozen=True)
class Table:
    """A table.

    Args:
        names: Names of the columns as in the file; empty where it has no header.
        columns: The values of each column, as a list or an array.
        decimal_comma: Numbers are written like 0,5.
        first_row: Number of the first row of values in the file, from 1, for messages.
    """

    names: tuple[str, ...]
    columns: list[Any]
    decimal_comma: bool = False
    first_row: int = 2

    @property
    def rows(self) -> int:
        """Number of rows of values."""
        return len(self.columns[0]) if self.columns else 0

    def numbers(self, path: Path, column: int) -> npt.NDArray[np.float64]:
        """The numbers of a column; NaN where it has none.

        Args:
            path: The file, for the message.
            column: Place of the column.

        Raises:
            ReadError: A value is not a number.
        """
        if isinstance(self.columns[column], np.ndarray):
            return self.columns[column].astype(np.float64)
        result = np.empty(self.rows)
        for row, value in enumerate(self.columns[column]):
            try:
                result[row] = self._number(value)
            except ValueError as error:
                name = f" ({self.names[column]})" if self.names else ""
                raise ReadError(
                    f"{path}: row {row + self.first_row}, column {column + 1}{name}: {value!r} is no number. Leave a "
                    "cell empty where a value is missing."
                ) from error
        return result

    def _number(self, value: Any) -> float:
        if value is None:
            return math.nan
        if not isinstance(value, str):
            return float(value)
        text = value.strip()
        if text.lower() in _MISSING:
            return math.nan
        return float(text.replace(",", ".") if self.decimal_comma else text)

    def has_numbers(self, column: int) -> bool:
        """Whether the values of a column are numbers, up to missing ones."""
        try:
            self.numbers(Path(), column)
        except ReadError:
            return False
        return True

    def texts(self, column: int) -> list[str]:
        """The values of a column as text."""
        return [str(value).strip() for value in self.columns[column]]


def read_table(path: Path) -> Table:
    """Read a table.

    Args:
        path: CSV, separated by commas, semicolons or tabs, or Parquet.

    Returns:
        Its columns.

    Raises:
        ReadError: The file is missing, empty or damaged, or its rows have different lengths.
        ConfigError: It is Parquet, and pyarrow is not installed.
    """
    check_file(path)
    with path.open("rb") as stream:
        if stream.read(len(PARQUET)) == PARQUET:
            return _read_parquet(path)
    content = read_bytes(path)
    try:
        text = _decode(content)
    except UnicodeDecodeError as error:
        raise ReadError(f"{path}: no text ({error.reason} at byte {error.start}). {FETCH_AGAIN}") from error
    table = parse(text)
    if isinstance(table, str):
        raise ReadError(f"{path}: {table}")
    return table


def _decode(content: bytes) -> str:
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        return content.decode("utf-16")
    return content.decode("utf-8-sig")


def sniff(head: bytes) -> Table | None:
    """The beginning of a table; None where the first bytes of a file hold none.

    Args:
        head: The first bytes. The last line may be cut off and is left out, unless it is the only one.
    """
    if b"\0" in head[:1000] and not head.startswith((b"\xff\xfe", b"\xfe\xff")):
        return None
    try:
        text = head[: head.rfind(b"\n") + 1 or None].decode("utf-8-sig")
    except UnicodeDecodeError:
        return None
    if text.lstrip()[:1] in ("{", "[", "<") or not text.strip():
        return None
    table = parse(text)
    return None if isinstance(table, str) else table


def parse(text: str) -> Table | str:
    """Parse a table that is written as text.

    Args:
        text: Lines with separators between the cells.

    Returns:
        The table, or what is wrong with it.
    """
    lines = text.splitlines()
    first = next((line for line in lines if line.strip()), "")
    separator = max("\t;,", key=first.count)
    if not first.count(separator):
        return "no table: its first line has no commas, semicolons or tabs."
    try:
        rows = list(csv.reader(io.StringIO(text), delimiter=separator, strict=True))
    except csv.Error as error:
        return f"no table ({error}). {FETCH_AGAIN}"
    rows = [row for row in rows if any(map(str.strip, row))]
    if not rows:
        return f"no table: all its cells are empty. {FETCH_AGAIN}"
    names, first_row = _header(rows)
    body = rows[first_row - 1 :]
    width = max(len(row) for row in rows)
    while width > 1 and all(len(row) < width or not row[width - 1].strip() for row in rows):
        width -= 1  # separators at the end of each line
    for number, row in enumerate(body, first_row):
        if len(row) < width:
            return f"row {number} has {len(row)} cells, other rows have {width}: the file is cut off. {FETCH_AGAIN}"
    columns = [[row[place] for row in body] for place in range(width)]
    return Table((*names, *[""] * (width - len(names)))[:width] if names else (), columns, separator == ";", first_row)


def _header(rows: list[list[str]]) -> tuple[tuple[str, ...], int]:
    """The names of the columns, and the number of the first row of values, from 1."""
    firsts = tuple(row[0].strip().lower() for row in rows[:3])
    if firsts == _DLC_ROWS:
        parts = [(f"{part.strip()}_{axis.strip()}") for part, axis in zip(rows[1], rows[2], strict=False)]
        return ("frame", *parts[1:]), 4
    if all(_is_number(cell) for cell in rows[0]):
        return (), 1
    return tuple(cell.strip() for cell in rows[0]), 2


def _is_number(cell: str) -> bool:
    try:
        float(cell.replace(",", "."))
    except ValueError:
        return cell.strip().lower() in _MISSING
    return True


def parquet_names(path: Path) -> list[str]:
    """The names of the columns of a Parquet file, for a `detect`.

    Args:
        path: The file.

    Raises:
        ReadError: It is damaged.
        ConfigError: pyarrow is not installed.
    """
    names: list[str] = _parquet(path, content=False)[0]["names"]
    return names


def _parquet(path: Path, content: bool) -> Answer:
    if importlib.util.find_spec("pyarrow") is None:
        raise ConfigError(
            f"{path}: Parquet needs pyarrow, which is not installed. Install it with pip install 'jointwise[parquet]', "
            "or save the table as CSV."
        )
    return read_apart(path, _WORK, _MEMORY_TIMES, FETCH_AGAIN, content=content)


def _read_parquet(path: Path) -> Table:
    found, arrays = _parquet(path, content=True)
    numbers = iter(arrays)
    columns = [next(numbers) if texts is None else texts for texts in found["texts"]]
    return Table(tuple(found["names"]), columns, first_row=1)
