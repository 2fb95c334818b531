"""Labels of recordings in a table: a CSV file with the columns file, label and, if known, subject."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from jointwise.errors import DataError, first_few

COLUMNS = ("file", "label", "subject")


@dataclass(frozen=True)
class Labelled:
    """A row of the table.

    Args:
        label: Name of the class; None where the field is empty.
        subject: Who performs; None where the column or the field is empty.
    """

    label: str | None
    subject: int | str | None


def read_labels(path: Path, names: Iterable[str]) -> dict[str, Labelled]:
    """Read a table of labels.

    Args:
        path: The CSV file, with a header line. `file` names a recording by its place in the folder of the table, or by
            its file name alone, with or without ending, where only one recording is called so.
        names: Places of the recordings in the folder, such as `monday/03.npz`.

    Returns:
        Place of a recording -> its row. Recordings that the table does not name are not in it.

    Raises:
        DataError: The file is missing or no such table; it names a file that is not there, or several, or one twice.
    """
    rows = _rows(path)
    known: dict[str, list[str]] = {}
    for name in names:
        for key in {name, Path(name).name, Path(name).with_suffix("").as_posix(), Path(name).stem}:
            known.setdefault(key, []).append(name)
    found: dict[str, Labelled] = {}
    lost: list[str] = []
    for line, (file, label, subject) in enumerate(rows, 2):
        places = known.get(file, [])
        place = file if file in places else places[0] if places else None
        if place is None:
            lost.append(file)
            continue
        if len(places) > 1 and place != file:
            raise DataError(f"{path}, line {line}: several recordings are called '{file}': {first_few(places)}.")
        if place in found:
            raise DataError(f"{path}, line {line}: '{file}' is there twice. Which row is right?")
        found[place] = Labelled(label or None, number_or_name(subject) or None)
    if lost:
        raise DataError(
            f"{path}: {len(lost)} of {len(rows)} files are not in the folder: {first_few(lost)}. Write them as places "
            f"in {path.parent}, such as {next(iter(known), 'wave/03.npz')}."
        )
    return found


def number_or_name(text: str) -> int | str:
    """A subject as a number where its name is one.

    >>> number_or_name("07"), number_or_name("Ann"), number_or_name("²")
    (7, 'Ann', '²')
    """
    return int(text) if text.isdecimal() and len(text) < 19 else text


def _rows(path: Path) -> list[tuple[str, str, str]]:
    """File, label and subject of each row; empty text where a field is."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as stream:
            head = stream.readline()
            stream.seek(0)
            delimiter = max(",;\t", key=head.count)
            table = [[field.strip() for field in row] for row in csv.reader(stream, delimiter=delimiter) if any(row)]
    except (OSError, ValueError, csv.Error) as error:
        raise DataError(f"{path}: the table of labels cannot be read ({error}).") from error
    header = [name.lower() for name in table[0]] if table else []
    if not {"file", "label"} <= set(header):
        raise DataError(
            f"{path}: expected a table with the columns file, label and, if known, subject; its first line is "
            f"'{','.join(header)}'."
        )
    columns = [header.index(name) if name in header else None for name in COLUMNS]
    rows = []
    for line, row in enumerate(table[1:], 2):
        if len(row) != len(header):
            raise DataError(f"{path}, line {line}: {len(row)} fields, expected {len(header)}.")
        file, label, subject = ("" if column is None else row[column] for column in columns)
        rows.append((file.removeprefix("./"), label, subject))
    return rows
