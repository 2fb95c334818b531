"""UTD-MHAD: 27 actions of 8 subjects before a Kinect v1 (Chen, Jafari, Kehtarnavaz, ICIP 2015)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from jointwise.datasets.source import DataSource
from jointwise.errors import DataError
from jointwise.formats import utd_mat
from jointwise.sequence import Sequence
from jointwise.skeletons import KINECT20
from jointwise.store import Description

_ORIGIN = "the authors at the University of Texas at Dallas (search for UTD-MHAD; archive 'Skeleton.zip')"

CLASSES = (
    *("swipe left", "swipe right", "wave", "clap", "throw", "arm cross", "basketball shoot", "draw x"),
    *("draw circle (clockwise)", "draw circle (counter-clockwise)", "draw triangle", "bowling", "boxing"),
    *("baseball swing", "tennis swing", "arm curl", "tennis serve", "push", "knock", "catch", "pickup and throw"),
    *("jog", "walk", "sit to stand", "stand to sit", "lunge", "squat"),
)


def sequences(root: Path | None) -> Iterator[Sequence]:
    """Reads every `a*_s*_t*_skeleton.mat` below `root`, in the order of action, subject, trial.

    Raises DataError, saying where the files come from, when there is none.
    """
    paths = [path for path in root.rglob("*.mat") if utd_mat.NAME.match(path.stem)] if root is not None else []
    if not paths:
        looked = f"no a*_s*_t*_skeleton.mat below {root}" if root is not None else "it is not prepared yet"
        raise DataError(
            f"utd-mhad: {looked}. The files come from {_ORIGIN}; then run: jointwise prepare utd-mhad --root DIR."
        )
    return (utd_mat.read(path) for path in sorted(paths, key=_order))


def _order(path: Path) -> tuple[int, ...]:
    name = utd_mat.NAME.match(path.stem)
    return tuple(int(number) for number in name.groups()) if name else ()


SOURCE = DataSource(
    title="UTD-MHAD",
    description=Description(
        data="utd-mhad",
        skeleton=KINECT20,
        classes=CLASSES,
        split="cross-subject (odd train, even test)",
        fps=30.0,
        terms="research use only",
    ),
    sequences=sequences,
    is_test=lambda sequence: sequence.subject is not None and sequence.subject % 2 == 0,
    count=861,
    origin=_ORIGIN,
)
