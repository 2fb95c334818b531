"""WMFT: 15 tasks of the Wolf motor function test by 24 subjects before a Kinect v2 (IEEE JBHI, 2017).

Every subject did every task three times: healthy, and with mild and moderate impairment. The label is the task. The
condition is never a label: a model that names it would look like a diagnosis, which this data cannot support.
"""

from __future__ import annotations

from pathlib import Path

from jointwise.data.datasets.source import DataSource, Recordings, by_name, find_files, folds
from jointwise.data.formats import wmft
from jointwise.data.skeletons import NTU25
from jointwise.data.store.reader import Description
from jointwise.errors import DataError

_ORIGIN = "github.com/alexandrebarachant/WMFT_JBHI (folder data)"
_PATTERN = "S*_*_task*.bin"
_SUBJECTS, _FOLDS = 24, 4

CLASSES = (
    *("forearm to table", "forearm to box", "extend elbow 1", "extend elbow 2", "hand to table", "hand to box"),
    *("reach and retrieve", "lift can", "lift pencil", "lift paper clip", "stack checkers", "flip cards"),
    *("turn key", "fold towel", "lift basket"),
)


def recordings(root: Path | None) -> Recordings:
    """Every `S{subject}_{condition}_task{task}.bin` below `root`, sorted.

    Raises DataError, saying where the files come from, when there is none, and naming one that is called otherwise.
    """
    found = find_files("wmft", root, _PATTERN, _ORIGIN)
    for path in found:
        if not wmft.NAME.fullmatch(path.stem):
            raise DataError(f"wmft: {path} is not called S01_healthy_task01.bin or alike. Rename it or move it away.")
    return Recordings(by_name("wmft", sorted(found, key=lambda path: path.name)), wmft.read)


SOURCE = DataSource(
    title="WMFT",
    description=Description(
        data="wmft",
        skeleton=NTU25,
        classes=CLASSES,
        terms="BSD-3-Clause; cite: Using data from the Microsoft Kinect 2 to quantify upper limb behavior, IEEE JBHI",
    ),
    recordings=recordings,
    splits=folds(
        [[s for s in range(1, _SUBJECTS + 1) if (s - 1) % _FOLDS == fold] for fold in range(_FOLDS)],
        "subjects, (subject - 1) mod 4",
    ),
    count=1080,
    origin=_ORIGIN,
    metres=True,
)
