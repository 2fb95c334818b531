"""Data sets: the contract of every entry, the road from files to parts, and the splits that papers use."""

from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import scipy.io

import tiny
from jointwise.datasets import DATASETS, Dataset, load_dataset, prepare, store_path
from jointwise.datasets.source import DataSource
from jointwise.errors import ConfigError, DataError, ReadError
from jointwise.sequence import Sequence

REAL = Path(__file__).resolve().parents[2] / "shared" / "data" / "utd-mhad"


@pytest.fixture(params=DATASETS)
def source(request: pytest.FixtureRequest) -> DataSource:
    return DATASETS[request.param]


def of_subject(source: DataSource, subject: int) -> Sequence:
    return Sequence(
        np.zeros((2, len(source.description.skeleton.joints), 3)), source.description.skeleton, subject=subject
    )


def test_an_entry_is_registered_under_its_own_name(source: DataSource) -> None:
    assert DATASETS[source.name] is source
    assert source.name == source.name.lower()
    assert "/" not in source.name  # a name with a slash is a folder


def test_classes_are_unique_and_named(source: DataSource) -> None:
    classes = source.description.classes
    assert len(set(classes)) == len(classes) > 1
    assert all(name.strip() == name and name for name in classes)


def test_the_split_is_by_subject_and_uses_both_sides(source: DataSource) -> None:
    sides = {subject: source.is_test(of_subject(source, subject)) for subject in range(1, 9)}
    again = {subject: source.is_test(replace(of_subject(source, subject), label=1, camera=2)) for subject in sides}
    assert sides == again  # nothing but the subject decides
    assert set(sides.values()) == {True, False}


def test_an_entry_says_where_files_come_from_and_how_many_there_are(source: DataSource) -> None:
    assert source.origin
    assert source.title
    assert source.count > 0
    assert source.description.split


def test_an_entry_without_files_generates_or_says_where_they_come_from(source: DataSource) -> None:
    if source.name == "synthetic":
        first = list(islice(source.sequences(None), 3))
        assert all(sequence.skeleton == source.description.skeleton for sequence in first)
    else:
        with pytest.raises(DataError, match=f"{source.name}: .*files come from .*prepare {source.name} --root"):
            source.sequences(None)


def test_an_unknown_data_set_names_the_nearest() -> None:
    with pytest.raises(ConfigError, match="unknown data set 'utd-mahd': did you mean 'utd-mhad'"):
        load_dataset("utd-mahd")


# --- the tiny data set: a store with known content ---


def test_the_parts_are_disjoint_by_subject_and_together_everything(dataset: Dataset) -> None:
    assert set(dataset.train.subjects) == {1, 3}
    assert set(dataset.test.subjects) == {2, 4}
    assert sorted([*dataset.train.ids, *dataset.test.ids]) == list(range(60))


def test_parts_are_indexable_sequences_that_carry_their_labels(dataset: Dataset) -> None:
    assert len(dataset.train) == len(list(dataset.train)) == 30
    assert [sequence.label for sequence in dataset.train] == dataset.train.labels.tolist()
    assert dataset.train[-1].subject == dataset.train.subjects[-1]
    with pytest.raises(IndexError):
        dataset.train[30]


def test_holding_out_subjects_splits_the_training_part_and_forgets_the_test_part(dataset: Dataset) -> None:
    held = dataset.hold_out([3])
    assert set(held.train.subjects) == {1}
    assert set(held.test.subjects) == {3}
    assert not set(dataset.test.ids) & {*held.train.ids, *held.test.ids}
    assert "3" in held.split
    assert held.split != dataset.split
    assert dataset.hold_out([]) is dataset


def test_holding_out_a_test_subject_is_refused(dataset: Dataset) -> None:
    with pytest.raises(DataError, match=r"subject 2 cannot be held out: the training subjects are \[1, 3\]"):
        dataset.hold_out([1, 2])


def test_holding_out_every_training_subject_is_refused(dataset: Dataset) -> None:
    with pytest.raises(DataError, match="leaves nothing to train on"):
        dataset.hold_out([1, 3])


def test_a_class_with_its_only_sample_in_the_test_part_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep = [tiny.walk(0, 1, 1), tiny.walk(0, 2, 1), tiny.walk(3, 2, 1)]
    monkeypatch.setitem(DATASETS, "tiny", replace(tiny.SOURCE, sequences=lambda _root: keep))
    monkeypatch.setenv("JOINTWISE_DATA", str(tmp_path))
    with pytest.raises(DataError, match=r"tiny: class 'right' has 1 sequence\(s\), all in the test part"):
        load_dataset("tiny")


# --- UTD-MHAD, from files made here ---


@pytest.fixture
def utd_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    root = tmp_path / "Skeleton" / "deeper"
    root.mkdir(parents=True)
    random = np.random.default_rng(0)
    for action in (1, 2, 10):
        for subject in (1, 2):
            d_skel = random.normal(size=(20, 3, 10 + action))
            scipy.io.savemat(root / f"a{action}_s{subject}_t1_skeleton.mat", {"d_skel": d_skel})
    monkeypatch.setenv("JOINTWISE_DATA", str(tmp_path / "stores"))
    return tmp_path / "Skeleton"


def test_utd_mhad_goes_from_files_to_odd_and_even_parts(utd_root: Path) -> None:
    dataset = load_dataset("utd-mhad", utd_root)
    assert store_path("utd-mhad") == utd_root.parent / "stores" / "utd-mhad"
    assert set(dataset.train.subjects) == {1}
    assert set(dataset.test.subjects) == {2}
    assert dataset.train.labels.tolist() == [0, 1, 9]  # in the order of actions as numbers, not as text
    assert [sequence.frames for sequence in dataset.train] == [11, 12, 20]


def test_a_prepared_data_set_needs_no_root(utd_root: Path) -> None:
    prepared = load_dataset("utd-mhad", utd_root)
    assert load_dataset("utd-mhad").store.fingerprint == prepared.store.fingerprint


def test_the_fingerprint_follows_from_the_content_alone(utd_root: Path) -> None:
    first = load_dataset("utd-mhad", utd_root).store.fingerprint
    moved = utd_root.rename(utd_root.with_name("elsewhere"))
    prepare("utd-mhad", moved)
    assert load_dataset("utd-mhad").store.fingerprint == first
    scipy.io.savemat(moved / "a1_s1_t1_skeleton.mat", {"d_skel": np.zeros((20, 3, 11))})
    prepare("utd-mhad", moved)
    assert load_dataset("utd-mhad").store.fingerprint != first


def test_a_root_without_recordings_says_what_was_looked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JOINTWISE_DATA", str(tmp_path))
    with pytest.raises(DataError, match=r"no a\*_s\*_t\*_skeleton\.mat below .*nowhere"):
        load_dataset("utd-mhad", tmp_path / "nowhere")
    with pytest.raises(DataError, match="it is not prepared yet"):
        load_dataset("utd-mhad")


def test_one_damaged_recording_stops_preparing_and_leaves_no_store(utd_root: Path) -> None:
    (damaged,) = utd_root.rglob("a2_s2_t1_skeleton.mat")
    damaged.write_bytes(damaged.read_bytes()[:300])
    with pytest.raises(ReadError, match=r"a2_s2_t1_skeleton\.mat: damaged"):
        prepare("utd-mhad", utd_root)
    assert not store_path("utd-mhad").exists()


@pytest.mark.skipif(not REAL.is_dir(), reason=f"the recordings of UTD-MHAD are not at {REAL}")
def test_the_real_utd_mhad_has_861_sequences_431_odd_430_even(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JOINTWISE_DATA", str(tmp_path))
    dataset = load_dataset("utd-mhad", REAL)
    assert len(dataset.store) == DATASETS["utd-mhad"].count == 861
    assert (len(dataset.train), len(dataset.test)) == (431, 430)
    assert set(dataset.train.subjects) == {1, 3, 5, 7}
    assert set(dataset.test.subjects) == {2, 4, 6, 8}
    assert set(dataset.train.labels) == set(dataset.test.labels) == set(range(27))
    assert (dataset.store.index["frames"].min(), dataset.store.index["frames"].max()) == (41, 125)
    assert dataset.store.valid.all()
