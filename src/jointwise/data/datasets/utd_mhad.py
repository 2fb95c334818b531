"""UTD-MHAD: 27 actions of 8 subjects before a Kinect v1 (Chen, Jafari, Kehtarnavaz, ICIP 2015)."""

from __future__ import annotations

from pathlib import Path

from jointwise.data.datasets.source import (
    DataSource,
    Index,
    Recordings,
    Split,
    assign_parts,
    find_files,
    key_by_file_name,
)
from jointwise.data.formats import utd_mat
from jointwise.data.skeletons import KINECT20
from jointwise.data.store.reader import Description, Parts

_ORIGIN = "the authors at the University of Texas at Dallas (search for UTD-MHAD; archive 'Skeleton.zip')"

CLASSES = (
    "swipe left",
    "swipe right",
    "wave",
    "clap",
    "throw",
    "arm cross",
    "basketball shoot",
    "draw x",
    "draw circle (clockwise)",
    "draw circle (counter-clockwise)",
    "draw triangle",
    "bowling",
    "boxing",
    "baseball swing",
    "tennis swing",
    "arm curl",
    "tennis serve",
    "push",
    "knock",
    "catch",
    "pickup and throw",
    "jog",
    "walk",
    "sit to stand",
    "stand to sit",
    "lunge",
    "squat",
)


def recordings(root: Path | None) -> Recordings:
    """Find the files `a*_s*_t*_skeleton.mat`.

    Args:
        root: The folder to search, with all folders below it.

    Returns:
        The recordings, in the order of action, subject and trial.

    Raises:
        DataError: There are none, or two files have the same name.
    """
    listed = find_files("utd-mhad", root, "*skeleton*.mat", _ORIGIN)
    found = [path for path in listed if utd_mat.NAME.match(path.stem)]
    ignored = [path for path in listed if not utd_mat.NAME.match(path.stem)]
    return Recordings(
        key_by_file_name("utd-mhad", sorted(found, key=_order)),
        utd_mat.read,
        ignored={"not read, as they have no name like a1_s1_t1_skeleton.mat": ignored} if ignored else {},
    )


def _order(path: Path) -> tuple[int, ...]:
    """Action, subject and trial as numbers: as text, 10 would come before 2."""
    name = utd_mat.NAME.match(path.stem)
    assert name is not None
    return tuple(int(number) for number in name.groups())


def _odd_subjects_train(index: Index, _names: list[str]) -> Parts:
    return assign_parts(index["subject"] % 2 == 1)


SOURCE = DataSource(
    title="UTD-MHAD",
    description=Description(
        data="utd-mhad", skeleton=KINECT20, classes=CLASSES, terms="research use only", metres=True
    ),
    recordings=recordings,
    splits={"xsub": Split("cross-subject (odd train, even test)", _odd_subjects_train)},
    count=861,
    origin=_ORIGIN,
)
