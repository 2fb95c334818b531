"""Tables of joints in CSV, TSV or Parquet that nobody has a name for: columns and their order are found by their names.

Wide: a row for each frame (and person), columns like `left_knee_x`. Long: a row for each joint, columns joint, x, y, z.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from jointwise.data.formats.arrays import array_recording
from jointwise.data.formats.columns import SCORE, STATE, Columns, Group, described, find_columns
from jointwise.data.formats.files import FETCH_AGAIN
from jointwise.data.formats.format import Format, ReadOptions
from jointwise.data.formats.joint_names import layout_of
from jointwise.data.formats.poses import Poses, recording_of
from jointwise.data.formats.table_files import PARQUET, Table, parquet_names, read_table, sniff
from jointwise.data.memory_limit import check_memory
from jointwise.data.sequence import Floats, Sequence
from jointwise.data.skeletons import MIN_JOINTS, Skeleton
from jointwise.errors import ConfigError, ReadError, first_few

_STATE_WORDS = {"nottracked": 0, "inferred": 1, "tracked": 2, "none": 0, "low": 1, "medium": 2, "high": 3}


@dataclass(frozen=True, eq=False)
class Joints:
    """What a table says, before anything is taken for granted about it.

    Args:
        names: The V joints as the file calls them.
        poses: Their poses; scores as in the file.
        columns: Where they stand.
        told: What was found by rule, as sentences.
    """

    names: tuple[str, ...]
    poses: Poses
    columns: Columns
    told: tuple[str, ...]


def joints_of(path: Path, table: Table, columns: Columns, group: Group) -> Joints:
    """Read the coordinates of a table.

    Args:
        path: The file, for messages.
        table: Its content.
        columns: What its columns are.
        group: Which coordinates are read: those of `columns.place` or `columns.world`.

    Raises:
        ReadError: A value is no number, or a column of classes names several.
    """
    if not table.rows:
        raise ReadError(f"{path}: no row below the header. {FETCH_AGAIN}")
    _check_class(path, table, columns)
    if columns.joint is not None:
        names, poses = _long(path, table, columns, group)
    else:
        names, poses = tuple(group.joints), _wide(path, table, columns, group)
    return Joints(names, poses, columns, (described(columns, table.names),))


def _check_class(path: Path, table: Table, columns: Columns) -> None:
    """Refuse a table of examples of several classes: its rows do not follow each other in time."""
    if columns.label is None:
        return
    labels = table.texts(columns.label)
    changes = [row for row in range(1, len(labels)) if labels[row] != labels[row - 1]]
    if changes:
        found = first_few(list(dict.fromkeys(labels)))
        raise ReadError(
            f"{path}: the column '{table.names[columns.label]}' changes in row {changes[0] + table.first_row} "
            f"and names {len(set(labels))} classes ({found}): this is a list of examples, not one recording. Split it "
            "where the class changes and save each part as CLASS/NAME.csv."
        )


def _wide(path: Path, table: Table, columns: Columns, group: Group) -> Poses:
    axes = group.axes
    points = np.empty((table.rows, len(group.joints), len(axes)))
    scores = np.full(points.shape[:2], np.nan)
    for place, marks in enumerate(group.joints.values()):
        for axis, name in enumerate(axes):
            points[:, place, axis] = table.numbers(path, marks[name])
        if group.scored in marks:
            scores[:, place] = _scores(path, table, marks[group.scored], group.scored)
    return Poses(_float32(points), _float32(scores) if group.scored else None, **_about(path, table, columns))


def _long(path: Path, table: Table, columns: Columns, group: Group) -> tuple[tuple[str, ...], Poses]:
    """Rows of one joint each, gathered into poses by frame, time and person."""
    assert columns.joint is not None
    marks, axes = group.joints[""], group.axes
    joints = table.texts(columns.joint)
    names = tuple(dict.fromkeys(joints))
    about = _about(path, table, columns)
    frames, times, persons = about["frames"], about["times"], about["persons"]
    if frames is None and times is None:
        raise ReadError(f"{path}: each row holds one joint, but no column says of which frame: name one 'frame'.")
    keys: dict[tuple[Any, Any], int] = {}
    when = (frames if frames is not None else times).tolist()
    who = persons if persons is not None else [None] * table.rows
    rows = np.array([keys.setdefault(key, len(keys)) for key in zip(when, who, strict=True)])
    place_of = {name: place for place, name in enumerate(names)}
    places = np.array([place_of[joint] for joint in joints])
    cells, times_there = np.unique(rows * len(names) + places, return_counts=True)
    if (times_there > 1).any():
        row, joint = divmod(int(cells[times_there > 1][0]), len(names))
        raise ReadError(
            f"{path}: joint '{names[joint]}' stands twice in frame {list(keys)[row][0]:g}. If there are several "
            "persons, tell them apart in a column 'person'."
        )
    shape = (len(keys), len(names), len(axes))
    check_memory(path, shape, "poses, joints and coordinates", 8)
    points = np.full(shape, np.nan)
    for axis, name in enumerate(axes):
        points[rows, places, axis] = table.numbers(path, marks[name])
    scores = np.full(points.shape[:2], np.nan)
    if group.scored:
        scores[rows, places] = _scores(path, table, marks[group.scored], group.scored)
    first = np.unique(rows, return_index=True)[1]
    return names, Poses(
        _float32(points),
        _float32(scores) if group.scored else None,
        None if frames is None else frames[first],
        None if times is None else times[first],
        about["time_unit"],
        None if persons is None else [persons[row] for row in first.tolist()],
    )


def _float32(values: npt.NDArray[np.float64]) -> Floats:
    with np.errstate(over="ignore"):
        return values.astype(np.float32)


def _about(path: Path, table: Table, columns: Columns) -> dict[str, Any]:
    """Frames, times and persons of the rows, as arguments of Poses."""
    frames = None if columns.frame is None else table.numbers(path, columns.frame)
    times = None
    if columns.time is not None and table.has_numbers(columns.time):
        times = table.numbers(path, columns.time)
    persons = None if columns.person is None else table.texts(columns.person)
    return {"frames": frames, "times": times, "time_unit": columns.time_unit, "persons": persons}


def _scores(path: Path, table: Table, column: int, kind: str) -> npt.NDArray[np.float64]:
    """The scores in a column; words of Kinects become their numbers."""
    if kind == STATE and not table.has_numbers(column):
        words = [text.lower().replace(" ", "").replace("_", "") for text in table.texts(column)]
        return np.array([_STATE_WORDS.get(word, np.nan) for word in words], float)
    return table.numbers(path, column)


def as_parts_of_one(scores: Floats, kind: str) -> tuple[Floats, tuple[str, ...]]:
    """Bring scores to 0 … 1.

    Args:
        scores: Any numbers from 0 on; NaN where there is none.
        kind: SCORE or STATE.

    Returns:
        The scores, and what was taken for granted.
    """
    known = scores[np.isfinite(scores)]
    most = float(known.max()) if len(known) else 0.0
    if kind == STATE or (most in (2.0, 3.0) and (known % 1 == 0).all()):
        most = max(most, 2.0)
        note = f"States from 0 to {most:g} are taken for 0 = not seen up to {most:g} = surely seen."
        return scores / np.float32(most), (note,)
    if 1.5 < most <= 100:
        return scores / np.float32(100), ("Confidences above 1 are taken for percents.",)
    return scores, ()


def read(path: Path, options: ReadOptions) -> Sequence:
    """Read a table of joints.

    Args:
        path: The file.
        options: What the user says. With a layout, columns of numbers without names are joints of it.

    Returns:
        The recording, in the layout whose joints the columns name.

    Raises:
        ReadError: The file is missing, empty or damaged, or no column holds coordinates of joints.
        ConfigError: It is Parquet, and pyarrow is not installed.
    """
    path = Path(path)
    table = read_table(path)
    columns = find_columns(table.names)
    if columns is None:
        if not table.names:
            rows = np.stack([table.numbers(path, column) for column in range(len(table.columns))], axis=1)
            return array_recording(path, rows, options)
        raise ReadError(
            f"{path}: no columns of joints, found: {first_few(table.names)}. Name them like left_knee_x, left_knee_y, "
            "left_knee_z (or have a row for each joint, with columns frame, joint, x, y, z)."
        )
    found = joints_of(path, table, columns, columns.best)
    skeleton, poses, told = in_layout(found, columns.best.scored)
    units = next(iter(columns.best.units)) if len(columns.best.units) == 1 else None
    if len(skeleton.joints) < MIN_JOINTS:
        raise ReadError(f"{path}: coordinates of {len(skeleton.joints)} joints; at least {MIN_JOINTS} make a skeleton.")
    return recording_of(path, poses, skeleton, options, units=units, assumed=(*found.told, *told))


def in_layout(found: Joints, scored: str) -> tuple[Skeleton, Poses, tuple[str, ...]]:
    """Name the joints of a table like those of the layouts, and put them in the order of the layout.

    Args:
        found: What the table says.
        scored: SCORE, STATE or empty.

    Returns:
        The layout, the poses with scores from 0 to 1, and what was taken for granted.
    """
    skeleton, order = layout_of(found.names)
    poses = found.poses
    scores, told = (None, ()) if poses.scores is None else as_parts_of_one(poses.scores[:, order], scored)
    ordered = Poses(poses.points[:, order], scores, poses.frames, poses.times, poses.time_unit, poses.persons)
    return skeleton, ordered, told


def table_columns(head: bytes) -> tuple[Table, Columns] | None:
    """The beginning of a table with columns of joints, for a `detect`; None where it is none."""
    table = sniff(head)
    columns = None if table is None or not table.names else find_columns(table.names)
    if table is None or columns is None or not table.rows:
        return None
    group = columns.best
    used = {place for marks in group.joints.values() for mark, place in marks.items() if mark not in (SCORE, STATE)}
    return (table, columns) if all(map(table.has_numbers, used)) else None


def _detect(_path: Path, head: bytes) -> float:
    """A little above half for columns that are named like coordinates of at least MIN_JOINTS joints."""
    found = table_columns(head)
    if found is None:
        return 0.0
    table, columns = found
    if columns.joint is not None:
        enough = len(set(table.texts(columns.joint))) >= MIN_JOINTS and (columns.frame, columns.time) != (None, None)
    else:
        enough = len(columns.best.joints) >= MIN_JOINTS
    return 0.6 if enough else 0.0


def _detect_parquet(path: Path, head: bytes) -> float:
    """As for text; without pyarrow half for every Parquet file, whose reader says what to install."""
    if not head.startswith(PARQUET):
        return 0.0
    try:
        columns = find_columns(parquet_names(path))
    except ConfigError:
        return 0.5
    except ReadError:  # its reader reports it
        return 0.0
    return 0.6 if columns is not None and (columns.joint is not None or len(columns.best.joints) >= MIN_JOINTS) else 0.0


FORMAT = Format("table", ("*.csv", "*.tsv", "*.txt"), "anybody: columns like left_knee_x", _detect, read)
IN_PARQUET = Format("parquet", ("*.parquet",), "anybody, as table", _detect_parquet, read, "parquet")
