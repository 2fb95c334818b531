"""Kinect v1 and v2 as CSV: wide, with columns like `SpineBase_X`, and long, as DumpKinectSkeleton writes it.

DumpKinectSkeleton: no header; milliseconds, joint 0 … 24, x, y, z, a quaternion, state (0 not tracked, 1 inferred,
2 tracked); one body. All of them: metres in camera coordinates, y up.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from jointwise.data.formats.columns import Columns, find_columns
from jointwise.data.formats.format import Format, ReadOptions
from jointwise.data.formats.poses import Poses, recording_of
from jointwise.data.formats.table import in_layout, joints_of, table_columns
from jointwise.data.formats.table_files import Table, read_table, sniff
from jointwise.data.sequence import Sequence
from jointwise.data.skeletons import NTU25
from jointwise.errors import ReadError

_V2 = {"spinebase", "spinemid", "spineshoulder"}  # only Kinects name joints so
_V1 = {"hipcenter", "shouldercenter"}
_DUMP_COLUMNS = 10
_MILLIMETRES = 20  # metres; no Kinect sees so far


def read(path: Path, options: ReadOptions) -> Sequence:
    """Read a table that a program for Kinects wrote.

    Args:
        path: The file.
        options: What the user says.

    Returns:
        The recording; a joint is valid where its state is tracked or inferred.

    Raises:
        ReadError: The file is missing, empty or damaged, or has other columns.
    """
    path = Path(path)
    table = read_table(path)
    columns = find_columns(table.names)
    told: tuple[str, ...]
    if columns is None:
        if not _is_dump(table):
            raise ReadError(f"{path}: no columns like SpineBase_X, and no {_DUMP_COLUMNS} columns of numbers.")
        skeleton, poses, told = NTU25, _dump(path, table), ("Layout of the joints 0 to 24: ntu25 (Kinect v2).",)
    else:
        found = joints_of(path, table, columns, columns.best)
        skeleton, poses, told = in_layout(found, columns.best.scored)
        told = (*found.told, *told)
    far = float(np.nanmedian(np.abs(poses.points))) if np.isfinite(poses.points).any() else 0.0
    units = "mm" if far > _MILLIMETRES else "m"
    told = (*told, f"A Kinect's axes are assumed: y up; the size of the numbers says {units}.")
    return recording_of(path, poses, skeleton, options, units=units, up="y", assumed=told)


def _is_dump(table: Table) -> bool:
    """Whether columns without names are those of DumpKinectSkeleton."""
    if table.names or len(table.columns) != _DUMP_COLUMNS or not all(map(table.has_numbers, range(_DUMP_COLUMNS))):
        return False
    joints, states = (table.numbers(Path(), column) for column in (1, 9))
    joint_numbers = set(range(len(NTU25.joints)))
    return set(joints.tolist()) <= joint_numbers and joints[0] == 0 and set(states.tolist()) <= {0, 1, 2}


def _dump(path: Path, table: Table) -> Poses:
    rows = np.stack([table.numbers(path, column) for column in range(_DUMP_COLUMNS)], axis=1)
    begins = np.flatnonzero(rows[:, 1] == 0)
    pose = np.searchsorted(begins, np.arange(len(rows)), side="right") - 1
    joint = rows[:, 1].astype(np.int64)
    points = np.full((len(begins), len(NTU25.joints), 3), np.nan, np.float32)
    scores = np.zeros(points.shape[:2], np.float32)
    points[pose, joint] = rows[:, 2:5]
    scores[pose, joint] = rows[:, 9] / 2
    return Poses(points, scores, times=rows[begins, 0], time_unit="ms")


def _is_kinects(columns: Columns) -> bool:
    names = {joint.lower().replace("_", "").replace(" ", "") for joint in columns.place.joints}
    return names >= _V2 or names >= _V1


def _detect(_path: Path, head: bytes) -> float:
    """1 for names of joints that only Kinects have, or the ten columns of DumpKinectSkeleton."""
    found = table_columns(head)
    if found is not None:
        return 1.0 if _is_kinects(found[1]) else 0.0
    table = sniff(head)
    return 0.95 if table is not None and table.rows >= len(NTU25.joints) and _is_dump(table) else 0.0


FORMAT = Format("kinect", ("*.csv", "*.tsv", "*.txt"), "programs for Kinect v1, v2 (DumpKinectSkeleton)", _detect, read)
