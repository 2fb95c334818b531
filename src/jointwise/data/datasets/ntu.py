"""NTU RGB+D 60 and 120: 60 and 120 actions before three Kinect v2 (Shahroudy et al., CVPR 2016; Liu et al., 2020)."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt

from jointwise.data.datasets.source import (
    DataSource,
    Index,
    Recordings,
    Split,
    assign_parts,
    find_files,
    key_by_file_name,
    train_on_subjects,
)
from jointwise.data.formats import skeleton
from jointwise.data.formats.skeleton import NAME
from jointwise.data.skeletons import NTU25
from jointwise.data.store.reader import Description, Parts
from jointwise.errors import DataError

# The 120 actions in the order of their numbers, worded as in the authors' list; the first 60 are those of NTU RGB+D 60.
ACTIONS: tuple[str, ...] = (
    # A001 to A040: daily actions
    "drink water",
    "eat meal/snack",
    "brushing teeth",
    "brushing hair",
    "drop",
    "pickup",
    "throw",
    "sitting down",
    "standing up (from sitting position)",
    "clapping",
    "reading",
    "writing",
    "tear up paper",
    "wear jacket",
    "take off jacket",
    "wear a shoe",
    "take off a shoe",
    "wear on glasses",
    "take off glasses",
    "put on a hat/cap",
    "take off a hat/cap",
    "cheer up",
    "hand waving",
    "kicking something",
    "reach into pocket",
    "hopping (one foot jumping)",
    "jump up",
    "make a phone call/answer phone",
    "playing with phone/tablet",
    "typing on a keyboard",
    "pointing to something with finger",
    "taking a selfie",
    "check time (from watch)",
    "rub two hands together",
    "nod head/bow",
    "shake head",
    "wipe face",
    "salute",
    "put the palms together",
    "cross hands in front (say stop)",
    # A041 to A049: medical conditions
    "sneeze/cough",
    "staggering",
    "falling",
    "touch head (headache)",
    "touch chest (stomachache/heart pain)",
    "touch back (backache)",
    "touch neck (neckache)",
    "nausea or vomiting condition",
    "use a fan (with hand or paper)/feeling warm",
    # A050 to A060: two persons
    "punching/slapping other person",
    "kicking other person",
    "pushing other person",
    "pat on back of other person",
    "point finger at the other person",
    "hugging other person",
    "giving something to other person",
    "touch other person's pocket",
    "handshaking",
    "walking towards each other",
    "walking apart from each other",
    # A061 to A102: daily actions
    "put on headphone",
    "take off headphone",
    "shoot at the basket",
    "bounce ball",
    "tennis bat swing",
    "juggling table tennis balls",
    "hush (quiet)",
    "flick hair",
    "thumb up",
    "thumb down",
    "make ok sign",
    "make victory sign",
    "staple book",
    "counting money",
    "cutting nails",
    "cutting paper (using scissors)",
    "snapping fingers",
    "open bottle",
    "sniff (smell)",
    "squat down",
    "toss a coin",
    "fold paper",
    "ball up paper",
    "play magic cube",
    "apply cream on face",
    "apply cream on hand back",
    "put on bag",
    "take off bag",
    "put something into a bag",
    "take something out of a bag",
    "open a box",
    "move heavy objects",
    "shake fist",
    "throw up cap/hat",
    "hands up (both hands)",
    "cross arms",
    "arm circles",
    "arm swings",
    "running on the spot",
    "butt kicks (kick backward)",
    "cross toe touch",
    "side kick",
    # A103 to A105: medical conditions
    "yawn",
    "stretch oneself",
    "blow nose",
    # A106 to A120: two persons
    "hit other person with something",
    "wield knife towards other person",
    "knock over other person (hit with body)",
    "grab other person's stuff",
    "shoot at other person with a gun",
    "step on foot",
    "high-five",
    "cheers and drink",
    "carry something with other person",
    "take a photo of other person",
    "follow other person",
    "whisper in other person's ear",
    "exchange things with other person",
    "support somebody with hand",
    "finger-guessing game (playing rock-paper-scissors)",
)

XSUB60_TRAIN = (1, 2, 4, 5, 8, 9, 13, 14, 15, 16, 17, 18, 19, 25, 27, 28, 31, 34, 35, 38)
# fmt: off
XSUB120_TRAIN = (
    1, 2, 4, 5, 8, 9, 13, 14, 15, 16, 17, 18, 19, 25, 27, 28, 31, 34, 35, 38,  # as in NTU RGB+D 60
    45, 46, 47, 49, 50, 52, 53, 54, 55, 56, 57, 58, 59, 70, 74, 78, 80, 81, 82, 83, 84, 85, 86,
    89, 91, 92, 93, 94, 95, 97, 98, 100, 103,
)
# fmt: on
XVIEW_TRAIN = (2, 3)  # cameras
SETUPS60 = 17  # set-ups of NTU RGB+D 60; set-ups 18 to 32 hold the actions 61 to 120
CLEAN60 = 56_578  # sequences of NTU RGB+D 60 without those that have missing skeletons
QUARTER = 14_220  # of them, the sequences that the report uses

_ORIGIN = (
    "ROSE Lab, Nanyang Technological University, which gives them to researchers who ask (rose1.ntu.edu.sg, data set "
    "'NTU RGB+D', skeletons only: {archives}). Unpack them below DIR, with the authors' list of samples with missing "
    "skeletons ({skipped}, from github.com/shahroudy/NTURGB-D)"
)
_TERMS = "research use only: non-commercial academic work, no redistribution of the data"
_ORIGIN60 = _ORIGIN.format(
    archives="nturgbd_skeletons_s001_to_s017.zip", skipped="NTU_RGBD_samples_with_missing_skeletons.txt"
)
_ORIGIN120 = _ORIGIN.format(
    archives="nturgbd_skeletons_s001_to_s017.zip and nturgbd_skeletons_s018_to_s032.zip",
    skipped="NTU_RGBD120_samples_with_missing_skeletons.txt",
)
_PATTERN = "*.skeleton"
_NO_NAME = "not read, as they have no name like S001C001P001R001A001.skeleton"


def _find(name: str, origin: str, belongs: Callable[[int, int], bool], root: Path | None) -> Recordings:
    """Find the files `SsssCcccPpppRrrrAaaa.skeleton` of a data set, sorted by their names.

    Args:
        name: Name of the data set.
        origin: Where the files can be had, for messages.
        belongs: (set-up, action) -> whether a file is of this data set.
        root: The folder to search, with all folders below it.

    Returns:
        The recordings, named after their files without the ending.

    Raises:
        DataError: There are none, or two files have the same name.
    """
    paths = find_files(name, root, _PATTERN, origin)
    named = [(path, match) for path in paths if (match := NAME.fullmatch(path.stem))]
    chosen = [path for path, match in named if belongs(int(match[1]), int(match[5]))]
    if not chosen:
        raise DataError(
            f"{name}: none of the {len(paths)} {_PATTERN} below {root} has a name like S001C001P001R001A001.skeleton "
            f"of its set-ups and actions, first: {paths[0].name}. The files come from {origin}; then run: jointwise "
            f"prepare {name} --root DIR. Files with other names: jointwise prepare a folder of your own."
        )
    paths_by_name = key_by_file_name(name, sorted(chosen, key=lambda path: path.name))
    ignored = [path for path in paths if not NAME.fullmatch(path.stem)]
    return Recordings(
        {path.stem: path for path in paths_by_name.values()},
        skeleton.read,
        ignored={_NO_NAME: ignored} if ignored else {},
    )


def _of_ntu60(setup: int, action: int) -> bool:
    """Whether a file is one of NTU RGB+D 60, so that a folder with all of NTU RGB+D 120 serves as well."""
    return 1 <= setup <= SETUPS60 and 1 <= action <= 60


def _of_ntu120(_setup: int, _action: int) -> bool:
    return True


def _cameras_train(index: Index, _names: list[str]) -> Parts:
    """X-view: cameras 2 and 3 train, camera 1 is scored."""
    return assign_parts(np.isin(index["camera"], XVIEW_TRAIN))


def _even_setups_train(_index: Index, names: list[str]) -> Parts:
    """X-set: even set-ups train, odd ones are scored."""
    setups = [int(match[1]) for name in names if (match := NAME.fullmatch(name))]
    if len(setups) != len(names):
        odd = next(name for name in names if not NAME.fullmatch(name))
        raise DataError(f"'{odd}' is no name like S018C001P008R001A061, so its set-up is unknown. Use the split xsub.")
    return assign_parts(np.array(setups, int) % 2 == 0)


def _quarter(index: Index, names: list[str]) -> Parts:
    """X-sub within the report's quarter; all other sequences are unused."""
    inside = _draw_stratified(index["label"], index["subject"], names, QUARTER, CLEAN60)
    train = np.isin(index["subject"], XSUB60_TRAIN)
    return assign_parts(train & inside, ~train & inside)


def _draw_stratified(
    labels: npt.NDArray[np.int32], subjects: npt.NDArray[np.int32], names: list[str], share: int, whole: int
) -> npt.NDArray[np.bool_]:
    """Draw `share / whole` of n sequences, evenly from every cell. A cell is one class by one subject.

    The draw has n · share / whole sequences, rounded. Each cell gets its own quota, rounded down. What is left goes,
    one each, to the cells with the largest remainders. Equal remainders, and the sequences within a cell, are ordered
    by a hash of their names. So the draw depends on nothing but which sequences there are.

    Args:
        labels: (n,) classes.
        subjects: (n,) subjects.
        names: (n,) names of the recordings.
        share: Numerator of the share.
        whole: Denominator of the share.

    Returns:
        (n,) whether a sequence is drawn.
    """
    # Imported here because it imports torch, which a process that only reads files does not need.
    from jointwise.data.randomness import seed_for

    count = len(names)
    drawn = np.zeros(count, bool)
    if not count:
        return drawn
    target = (2 * count * share + whole) // (2 * whole)
    cells: dict[tuple[int, int], list[int]] = {}
    for place, cell in enumerate(zip(labels.tolist(), subjects.tolist(), strict=True)):
        cells.setdefault(cell, []).append(place)
    quota = {cell: len(places) * target // count for cell, places in cells.items()}
    remainder = {cell: len(places) * target % count for cell, places in cells.items()}
    by_remainder = sorted(cells, key=lambda cell: (-remainder[cell], seed_for("quarter", "cell", *cell)))
    for cell in by_remainder[: target - sum(quota.values())]:
        quota[cell] += 1
    for cell, places in cells.items():
        order = sorted(places, key=lambda place: seed_for("quarter", names[place]))
        drawn[order[: quota[cell]]] = True
    return drawn


def _source(
    name: str, actions: int, count: int, origin: str, belongs: Callable[[int, int], bool], splits: dict[str, Split]
) -> DataSource:
    """The entry of one of the two, which share skeleton, cleaning, terms and the pattern of skip lists."""
    return DataSource(
        title=f"NTU RGB+D {actions}",
        description=Description(
            data=name, skeleton=NTU25, classes=ACTIONS[:actions], cleaning="clean_ntu", terms=_TERMS, metres=True
        ),
        recordings=partial(_find, name, origin, belongs),
        splits=splits,
        count=count,
        origin=origin,
        skip_lists="*missing_skeleton*.txt",
    )


NTU60 = _source(
    name="ntu60",
    actions=60,
    count=56_880,
    origin=_ORIGIN60,
    belongs=_of_ntu60,
    splits={
        "xsub": Split("X-sub: 20 subjects train, 20 are scored", train_on_subjects(*XSUB60_TRAIN)),
        "xview": Split("X-view: cameras 2 and 3 train, camera 1 is scored", _cameras_train),
        "xsub-quarter": Split("X-sub within the report's quarter, drawn by class and subject", _quarter),
    },
)

NTU120 = _source(
    name="ntu120",
    actions=120,
    count=114_480,
    origin=_ORIGIN120,
    belongs=_of_ntu120,
    splits={
        "xsub": Split("X-sub: 53 subjects train, 53 are scored", train_on_subjects(*XSUB120_TRAIN)),
        "xset": Split("X-set: even set-ups train, odd ones are scored", _even_setups_train),
    },
)
