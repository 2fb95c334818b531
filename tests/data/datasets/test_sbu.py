"""The SBU data set: from folders to folds, and what the real recordings are like after the conversion to metres."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from helpers.recordings import SBU as REAL
from jointwise.data.datasets.sbu import CLASSES, FOLDS, SOURCE
from jointwise.data.sequence import Sequence
from jointwise.data.skeletons import SBU15
from jointwise.data.store.reader import INDEX, TEST, TRAIN
from jointwise.errors import DataError

real = pytest.mark.skipif(not REAL.is_dir(), reason=f"the recordings of SBU Kinect Interaction are not at {REAL}")
J = {joint: place for place, joint in enumerate(SBU15.joints)}


def make(root: Path, *places: str) -> Path:
    for place in places:
        (root / place).mkdir(parents=True)
        rows = [",".join(["1", *["0.5"] * 90]), ",".join(["2", *["0.5"] * 90])]
        (root / place / "skeleton_pos.txt").write_text("\n".join(rows))
    return root


def test_recordings_are_named_by_actors_class_and_take(tmp_path: Path) -> None:
    places = ("s02s01/01/001", "s01s02/02/001", "s01s02/01/002", "s01s02/01/001")
    found = SOURCE.recordings(make(tmp_path / "x" / "clean", *places).parent)
    assert list(found.items) == sorted(places)
    sequence = found.read(found.items["s01s02/02/001"])
    assert (sequence.label, sequence.subject, sequence.frames) == (1, 102, 2)


def test_a_root_without_recordings_says_where_they_come_from(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"sbu: no skeleton_pos\.txt below .*Stony Brook.*jointwise prepare sbu --root"):
        SOURCE.recordings(tmp_path)
    with pytest.raises(DataError, match="no --root says where its files are"):
        SOURCE.recordings(None)


def test_a_recording_found_twice_or_in_other_folders_is_an_error(tmp_path: Path) -> None:
    make(tmp_path, "a/s01s02/01/001", "b/s01s02/01/001")
    with pytest.raises(DataError, match=r"s01s02/01/001 is there twice: .*a.s01s02.*b.s01s02"):
        SOURCE.recordings(tmp_path)
    with pytest.raises(DataError, match=r"take.*skeleton_pos.txt does not lie in folders such as"):
        SOURCE.recordings(make(tmp_path / "other", "take"))


def test_five_folds_score_every_pair_once() -> None:
    pairs = [pair for fold in FOLDS for pair in fold]
    assert len(pairs) == len(set(pairs)) == 21
    index = np.zeros(21, INDEX)
    index["subject"] = pairs
    parts = {name: split.rule(index, [""] * 21) for name, split in SOURCE.splits.items()}
    assert list(parts) == ["fold1", "fold2", "fold3", "fold4", "fold5"]
    assert (np.stack(list(parts.values())) == TEST).sum(0).tolist() == [1] * 21
    assert np.flatnonzero(parts["fold1"] == TEST).tolist() == [0, 1, 2, 3]
    assert set(parts["fold5"].tolist()) == {TRAIN, TEST}
    assert SOURCE.splits["fold2"].about == "fold 2 of 5 by actor pairs"


@pytest.fixture(scope="module")
def sequences() -> list[Sequence]:
    found = SOURCE.recordings(REAL)
    return [found.read(path) for path in found.items.values()]


@real
def test_the_real_data_has_282_sequences_8_classes_21_pairs(sequences: list[Sequence]) -> None:
    assert len(sequences) == SOURCE.count == 282
    assert {sequence.label for sequence in sequences} == set(range(len(CLASSES))) == set(range(8))
    assert {sequence.subject for sequence in sequences} == {pair for fold in FOLDS for pair in fold}
    frames = [sequence.frames for sequence in sequences]
    assert (min(frames), np.median(frames), max(frames)) == (10, 23, 46)
    assert {sequence.persons for sequence in sequences} == {2}


def persons(sequences: list[Sequence]) -> Iterator[np.ndarray]:
    """(T, 15, 3) of every person of every sequence."""
    for sequence in sequences:
        yield from sequence.positions


def lengths(track: np.ndarray, *bone: str) -> np.ndarray:
    """(T,) metres."""
    return np.linalg.norm(track[:, J[bone[0]]] - track[:, J[bone[1]]], axis=-1)


@real
@pytest.mark.parametrize(
    ("bone", "shortest", "longest", "varies"),  # metres, median over all persons; variation over time of the median one
    [
        (("left_shoulder", "left_elbow"), 0.24, 0.34, 0.05),
        (("right_elbow", "right_hand"), 0.24, 0.34, 0.02),
        (("left_hip", "left_knee"), 0.38, 0.47, 0.02),
        (("right_knee", "right_foot"), 0.36, 0.46, 0.02),
        (("left_shoulder", "right_shoulder"), 0.26, 0.40, 0.01),
        (("spine_mid", "spine_shoulder"), 0.18, 0.30, 0.002),  # OpenNI moves the trunk as one piece
    ],
)
def test_bones_have_the_lengths_of_bones_and_keep_them(
    sequences: list[Sequence], bone: tuple[str, str], shortest: float, longest: float, varies: float
) -> None:
    tracks = [lengths(track, *bone) for track in persons(sequences)]
    assert shortest < np.median([track.mean() for track in tracks]) < longest
    assert np.median([track.std() / track.mean() for track in tracks]) < varies


@real
def test_the_neck_lies_between_the_shoulders(sequences: list[Sequence]) -> None:
    for track in persons(sequences):
        middle = (track[:, J["left_shoulder"]] + track[:, J["right_shoulder"]]) / 2
        np.testing.assert_allclose(track[:, J["spine_shoulder"]], middle, atol=2e-4)


@real
def test_heads_are_above_feet_and_persons_before_the_sensor(sequences: list[Sequence]) -> None:
    up = [(track[:, J["head"], 1] - track[:, J["left_foot"], 1]).mean() for track in persons(sequences)]
    assert (np.array(up) > 1.0).all()
    assert all((track[..., 2] > 0.9).all() for track in persons(sequences))


@real
def test_left_is_on_the_left_of_where_a_person_looks(sequences: list[Sequence]) -> None:
    """In all classes but departing (1) the two face each other; y up in a right-handed space: left = up × forward."""
    agree = []
    for sequence in sequences:
        if sequence.label != 1:
            for person in (0, 1):
                own, other = sequence.positions[person], sequence.positions[1 - person]
                forward = other[:, J["spine_mid"]] - own[:, J["spine_mid"]]
                across = own[:, J["left_shoulder"]] - own[:, J["right_shoulder"]]
                agree.append(((np.cross([0.0, 1.0, 0.0], forward) * across).sum(-1) > 0).mean())
    assert np.mean(agree) > 0.95


@real
def test_hands_are_shaken_with_the_right(sequences: list[Sequence]) -> None:
    right = []
    for sequence in sequences:
        if sequence.label == CLASSES.index("shaking hands"):
            first, second = sequence.positions
            gaps = [
                np.linalg.norm(first[:, J[f"{side}_hand"]] - second[:, J[f"{side}_hand"]], axis=-1).min()
                for side in ("left", "right")
            ]
            right.append(gaps[1] < gaps[0])
    assert np.mean(right) > 0.9
