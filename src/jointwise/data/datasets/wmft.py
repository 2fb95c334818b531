"""WMFT: 15 tasks of the Wolf motor function test by 24 subjects before a Kinect v2 (IEEE JBHI, 2017).

Every subject did every task three times: healthy, and with mild and moderate impairment. The label is the task. The
condition is never a label: a model that predicts it would look like a diagnosis, which these data cannot support.
"""

from __future__ import annotations

from pathlib import Path

from jointwise.data.datasets.source import DataSource, Recordings, find_files, folds, key_by_file_name
from jointwise.data.formats import wmft
from jointwise.data.skeletons import NTU25
from jointwise.data.store.reader import Description
from jointwise.errors import DataError

_ORIGIN = "github.com/alexandrebarachant/WMFT_JBHI (folder data)"
_PATTERN = "S*_*_task*.bin"
_SUBJECTS = 24
_FOLDS = 4

CLASSES = (
    "forearm to table",
    "forearm to box",
    "extend elbow 1",
    "extend elbow 2",
    "hand to table",
    "hand to box",
    "reach and retrieve",
    "lift can",
    "lift pencil",
    "lift paper clip",
    "stack checkers",
    "flip cards",
    "turn key",
    "fold towel",
    "lift basket",
)


def recordings(root: Path | None) -> Recordings:
    """Find the files `S{subject}_{condition}_task{task}.bin`.

    Args:
        root: The folder to search, with all folders below it.

    Returns:
        The recordings, sorted by their names.

    Raises:
        DataError: There are none, one has a name of another form, or two have the same name.
    """
    found = find_files("wmft", root, _PATTERN, _ORIGIN)
    for path in found:
        if not wmft.NAME.fullmatch(path.stem):
            raise DataError(f"wmft: {path} is not called S01_healthy_task01.bin or alike. Rename it or move it away.")
    return Recordings(key_by_file_name("wmft", sorted(found, key=lambda path: path.name)), wmft.read)


SOURCE = DataSource(
    title="WMFT",
    description=Description(
        data="wmft",
        skeleton=NTU25,
        classes=CLASSES,
        terms="BSD-3-Clause; cite: Using data from the Microsoft Kinect 2 to quantify upper limb behavior, IEEE JBHI",
        metres=True,
    ),
    recordings=recordings,
    splits=folds(
        [list(range(1 + fold, _SUBJECTS + 1, _FOLDS)) for fold in range(_FOLDS)],
        "subjects, (subject - 1) mod 4",
    ),
    count=1080,
    origin=_ORIGIN,
)
