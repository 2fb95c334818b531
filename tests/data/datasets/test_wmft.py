"""The WMFT data set: from files to folds, and what the real recordings are like."""

from pathlib import Path

import numpy as np
import pytest

from helpers.recordings import WMFT as REAL
from jointwise.data.datasets.wmft import CLASSES, SOURCE
from jointwise.data.sequence import Sequence
from jointwise.data.skeletons import NTU25
from jointwise.data.store.reader import INDEX, TEST
from jointwise.errors import DataError

real = pytest.mark.skipif(not REAL.is_dir(), reason=f"the recordings of WMFT are not at {REAL}")
J = {joint: place for place, joint in enumerate(NTU25.joints)}


def make(root: Path, *names: str) -> Path:
    root.mkdir(parents=True, exist_ok=True)
    for name in names:
        np.zeros((3, 75), "<f4").tofile(root / name)
    return root


def test_recordings_are_named_after_their_files_and_the_condition_is_no_label(tmp_path: Path) -> None:
    names = ["S02_healthy_task01.bin", "S01_moderate_task15.bin", "S01_healthy_task15.bin"]
    found = SOURCE.recordings(make(tmp_path / "data", *names).parent)
    assert list(found.items) == sorted(names)
    read = [found.read(path) for path in found.items.values()]
    assert [(sequence.label, sequence.subject) for sequence in read] == [(14, 1), (14, 1), (0, 2)]


def test_a_root_without_recordings_says_where_they_come_from(tmp_path: Path) -> None:
    with pytest.raises(
        DataError, match=r"wmft: no S\*_\*_task\*\.bin below .*WMFT_JBHI.*jointwise prepare wmft --root"
    ):
        SOURCE.recordings(tmp_path)
    with pytest.raises(DataError, match="no --root says where its files are"):
        SOURCE.recordings(None)


def test_files_with_names_of_another_form_or_equal_names_are_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"S01_severe_task2_2015-11-01_3D\.bin is not called"):
        SOURCE.recordings(make(tmp_path / "old", "S01_severe_task2_2015-11-01_3D.bin"))
    make(tmp_path / "new" / "a", "S01_mild_task01.bin")
    make(tmp_path / "new" / "b", "S01_mild_task01.bin")
    with pytest.raises(DataError, match="have the same name"):
        SOURCE.recordings(tmp_path / "new")


def test_four_folds_score_every_subject_once() -> None:
    index = np.zeros(24, INDEX)
    index["subject"] = np.arange(1, 25)
    tested = {name: np.flatnonzero(split.rule(index, [""] * 24) == TEST) + 1 for name, split in SOURCE.splits.items()}
    assert list(tested) == ["fold1", "fold2", "fold3", "fold4"]
    assert tested["fold1"].tolist() == [1, 5, 9, 13, 17, 21]
    assert sorted(np.concatenate(list(tested.values()))) == list(range(1, 25))


@pytest.fixture(scope="module")
def sequences() -> list[Sequence]:
    found = SOURCE.recordings(REAL)
    return [found.read(path) for path in found.items.values()]


@real
def test_the_real_data_has_1080_sequences_15_tasks_24_subjects(sequences: list[Sequence]) -> None:
    assert len(sequences) == SOURCE.count == 1080
    assert {sequence.label for sequence in sequences} == set(range(len(CLASSES))) == set(range(15))
    assert {sequence.subject for sequence in sequences} == set(range(1, 25))
    frames = [sequence.frames for sequence in sequences]
    assert (min(frames), np.median(frames), max(frames)) == (51, 217, 2518)


@real
def test_axes_units_and_sides_are_those_of_the_kinect(sequences: list[Sequence]) -> None:
    """Metres; y up, z away from the sensor, x to the sensor's left: a left shoulder is at smaller x."""
    body = np.median(np.concatenate([sequence.positions[0] for sequence in sequences]), 0)
    assert body[J["head"], 1] > body[J["spine_mid"], 1] > body[J["spine_base"], 1] > body[J["left_foot"], 1]
    assert body[J["left_shoulder"], 0] < body[J["spine_shoulder"], 0] < body[J["right_shoulder"], 0]
    assert 2.0 < body[J["spine_mid"], 2] < 4.0
    assert body[J["left_knee"], 2] < body[J["left_hip"], 2]  # seated, knees towards the sensor
    arms = [
        np.linalg.norm(s.positions[0, :, J["left_shoulder"]] - s.positions[0, :, J["left_elbow"]], axis=-1).mean()
        for s in sequences
    ]
    assert 0.2 < np.median(arms) < 0.35
