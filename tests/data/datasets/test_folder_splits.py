"""The split of a user's folder: by its settings, by subject, or a share of each class."""

from pathlib import Path

import numpy as np
import pytest

from helpers import tiny
from helpers.own_folder import gestures, load, settings, write
from jointwise.cli import run as jointwise
from jointwise.data.checks import check_trainable
from jointwise.errors import ConfigError, DataError


@pytest.fixture(autouse=True)
def stores(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JOINTWISE_DATA", str(tmp_path / "stores"))


def test_without_subjects_three_tenths_of_each_class_are_scored_and_prepare_prints_the_rule(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = gestures(tmp_path / "own", ("nod", "wave", "point"))
    dataset = load(root)
    assert dataset.split == "30% of each class is scored, drawn by name"
    assert np.bincount(dataset.test.labels).tolist() == [3, 3, 3]
    assert np.bincount(dataset.train.labels).tolist() == [7, 7, 7]
    assert load(root).test.names == dataset.test.names
    assert dataset.test.names != [f"{c}/{i:02d}.npz" for c in ("nod", "point", "wave") for i in range(3)]
    jointwise(["prepare", str(root)])
    assert "split own" in (printed := capsys.readouterr().out)
    assert "21 to train, 9 to test: 30% of each class is scored, drawn by name" in printed


def test_with_subjects_every_second_one_is_scored(tmp_path: Path) -> None:
    dataset = load(gestures(tmp_path / "own", subjects=True))
    assert (set(dataset.train.subjects), set(dataset.test.subjects)) == ({1, 3, 5}, {2, 4})
    assert dataset.split == "every second subject is scored, 2 of 5: 2, 4"


def test_a_pattern_finds_subjects_in_the_names(tmp_path: Path) -> None:
    for name in ("nod", "wave"):
        for number, who in enumerate(("anna", "bob", "cem")):
            write(tmp_path / "own" / name / f"{who}-1.npz", number)
    assert load(settings(tmp_path / "own", subject_pattern=r"/([a-z]+)-")).split.endswith("1 of 3: bob")
    root = settings(tmp_path / "own", subject_pattern=r"/([a-z]+)-", test_subjects=["bob"])
    dataset = load(root)
    assert dataset.test.names == ["nod/bob-1.npz", "wave/bob-1.npz"]
    assert dataset.split == "test subjects named in dataset.yaml: bob"
    assert set(dataset.train.subjects) == {1, 3}
    with pytest.raises(DataError, match=r"test_subjects: unknown subject 'bop': did you mean 'bob'"):
        load(settings(root, subject_pattern=r"/([a-z]+)-", test_subjects=["bop"]))
    with pytest.raises(DataError, match=r"finds no subject in 'nod/anna-1\.npz'"):
        load(settings(root, subject_pattern=r"P(\d+)"))
    with pytest.raises(DataError, match="has no group"):
        load(settings(root, subject_pattern=r"P\d+"))


def test_test_files_are_patterns_of_names(tmp_path: Path) -> None:
    root = settings(gestures(tmp_path / "own", each=4), test_files=["*/00.npz", "wave/03.npz"])
    assert load(root).test.names == ["nod/00.npz", "wave/00.npz", "wave/03.npz"]
    with pytest.raises(DataError, match=r"'nod/9\.npz' matches no recording\. Names look like 'nod/00\.npz'"):
        load(settings(root, test_files=["nod/9.npz"]))


def test_recordings_a_model_was_trained_on_are_never_scored_even_under_another_split_or_folder_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    root = settings(gestures(tmp_path / "own", each=4), test_files=["*/00.npz"])
    small = ["--quick", *tiny.SMALL, "--pretrain.steps", "2"]
    jointwise(["pretrain", tiny.SYSTEM, "--data", "own/", "--run", "before", *small])
    settings(root, test_files=["*/01.npz"])
    with pytest.raises(DataError, match=r"before: trained with .* had 2 of the 2 sequences .* first: nod/01\.npz"):
        jointwise(["finetune", "before", "--data", "own/", "--quick", "--run", "after"])
    with pytest.raises(ConfigError, match="train_sha256"):
        jointwise(["pretrain", tiny.SYSTEM, "--data", "own/", "--run", "before", "--resume"])
    root.rename(tmp_path / "other")
    with pytest.raises(DataError, match="which had 2 of the 2 sequences"):
        jointwise(["evaluate", "before", "--data", "other/", "--protocol", "knn"])
    settings(tmp_path / "other", test_files=["*/00.npz"])
    jointwise(["evaluate", "before", "--data", "other/", "--protocol", "knn"])


def test_adding_a_recording_changes_the_part_of_at_most_one_other(tmp_path: Path) -> None:
    root = gestures(tmp_path / "own", each=10)
    before = set(load(root).test.names)
    write(root / "nod" / "new.npz", 77)
    after = set(load(root).test.names)
    assert len(before - after) <= 1
    assert {name for name in before if name.startswith("wave")} <= after


def test_test_subjects_are_matched_by_name_where_subjects_have_names(tmp_path: Path) -> None:
    for name in ("nod", "wave"):
        for number, who in enumerate(("anna", "bob", "cem")):
            write(tmp_path / "own" / name / f"{who}-1.npz", number)
    with pytest.raises(DataError, match="unknown subject '2'"):
        load(settings(tmp_path / "own", subject_pattern=r"/([a-z]+)-", test_subjects=[2]))
    with pytest.raises(DataError, match="no recording tells its subject"):
        load(settings(gestures(tmp_path / "none", each=2), test_subjects=[2]))


def test_a_subject_may_be_a_number_beyond_32_bits(tmp_path: Path) -> None:
    for name in ("nod", "wave"):
        for number in range(3):
            write(tmp_path / "own" / name / f"2024010112000{number}.npz", number)
    assert set(load(settings(tmp_path / "own", subject_pattern=r"(\d{14})")).train.subjects) == {1, 3}


def test_one_recording_per_class_cannot_be_split(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="the test part is empty"):
        check_trainable(load(gestures(tmp_path / "own", each=1)))
