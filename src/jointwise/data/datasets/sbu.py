"""SBU Kinect Interaction: 8 interactions of 21 ordered pairs of actors before a Kinect v1 (Yun et al., CVPRW 2012)."""

from __future__ import annotations

from pathlib import Path

from jointwise.data.datasets.source import DataSource, Recordings, find_files, folds
from jointwise.data.formats import sbu
from jointwise.data.skeletons import SBU15
from jointwise.data.store.reader import Description
from jointwise.errors import DataError

_ORIGIN = (
    "the authors at Stony Brook University (search for SBU Kinect Interaction Dataset; the clean version, 21 archives "
    "s01s02.zip … s07s03.zip)"
)

CLASSES = (
    "approaching",
    "departing",
    "kicking",
    "pushing",
    "shaking hands",
    "hugging",
    "exchanging",
    "punching",
)

# The five folds that are published with the data. A pair of actors counts as one subject: 102 is s01s02.
FOLDS = [
    [102, 304, 502, 604],
    [203, 207, 305, 503],
    [103, 107, 701, 703],
    [201, 206, 302, 306],
    [402, 403, 406, 602, 603],
]


def recordings(root: Path | None) -> Recordings:
    """Find the files `sXXsYY/{class}/{take}/skeleton_pos.txt`.

    Args:
        root: The folder to search, with all folders below it.

    Returns:
        The recordings, sorted, named after their folders: `s01s02/01/001`.

    Raises:
        DataError: There are none, one lies in other folders, or two have the same name.
    """
    named: dict[str, Path] = {}
    for path in find_files("sbu", root, "skeleton_pos.txt", _ORIGIN):
        name = "/".join(path.parts[-4:-1])
        if not sbu.NAME.fullmatch(name):
            raise DataError(
                f"sbu: {path} does not lie in folders such as s01s02/03/001 (actors, class, take), which say what it "
                "is. Unpack the archives as they are, or move the file away."
            )
        if name in named:
            raise DataError(f"sbu: {name} is there twice: {named[name]} and {path}. Move one of them away.")
        named[name] = path
    return Recordings(dict(sorted(named.items())), sbu.read)


SOURCE = DataSource(
    title="SBU Kinect Interaction",
    description=Description(
        data="sbu", skeleton=SBU15, classes=CLASSES, terms="research use only, do not redistribute", metres=True
    ),
    recordings=recordings,
    splits=folds(FOLDS, "actor pairs"),
    count=282,
    origin=_ORIGIN,
)
