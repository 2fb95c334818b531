"""UTD-MHAD: 27 actions of 8 subjects before a Kinect v1 (Chen, Jafari, Kehtarnavaz, ICIP 2015)."""

from __future__ import annotations

from pathlib import Path

from jointwise.data.datasets.source import DataSource, Recordings, Split, by_name, find_files, parts
from jointwise.data.formats import utd_mat
from jointwise.data.skeletons import KINECT20
from jointwise.data.store.reader import Description

_ORIGIN = "the authors at the University of Texas at Dallas (search for UTD-MHAD; archive 'Skeleton.zip')"

CLASSES = (
    *("swipe left", "swipe right", "wave", "clap", "throw", "arm cross", "basketball shoot", "draw x"),
    *("draw circle (clockwise)", "draw circle (counter-clockwise)", "draw triangle", "bowling", "boxing"),
    *("baseball swing", "tennis swing", "arm curl", "tennis serve", "push", "knock", "catch", "pickup and throw"),
    *("jog", "walk", "sit to stand", "stand to sit", "lunge", "squat"),
)


def recordings(root: Path | None) -> Recordings:
    """Every `a*_s*_t*_skeleton.mat` below `root`, in the order of action, subject, trial.

    Raises DataError, saying where the files come from, when there is none.
    """
    found = find_files("utd-mhad", root, "a*_s*_t*_skeleton.mat", _ORIGIN)
    found = [path for path in found if utd_mat.NAME.match(path.stem)]
    return Recordings(by_name("utd-mhad", sorted(found, key=_order)), utd_mat.read)


def _order(path: Path) -> tuple[int, ...]:
    name = utd_mat.NAME.match(path.stem)
    assert name is not None
    return tuple(int(number) for number in name.groups())


SOURCE = DataSource(
    title="UTD-MHAD",
    description=Description(data="utd-mhad", skeleton=KINECT20, classes=CLASSES, terms="research use only"),
    recordings=recordings,
    splits={"xsub": Split("cross-subject (odd train, even test)", lambda index, _: parts(index["subject"] % 2 == 1))},
    count=861,
    origin=_ORIGIN,
    metres=True,
)
