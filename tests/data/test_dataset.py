"""Data sets: the contract of every entry, the road from files to parts, and the splits that papers use."""

import copy
import shutil
from collections.abc import Callable
from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import scipy.io

from helpers import tiny
from helpers.recordings import UTD_MHAD as REAL
from helpers.stores import forget_metres
from jointwise.data.checks import check_trainable, find_leaks
from jointwise.data.dataset import Dataset, load_dataset, prepare
from jointwise.data.datasets import DATASETS, store_path
from jointwise.data.datasets.source import DataSource, Recordings
from jointwise.data.sequence import Sequence
from jointwise.data.set_checks import Shared
from jointwise.data.store import reader
from jointwise.data.store.build import copies_list
from jointwise.data.store.reader import INDEX, TEST, TRAIN, UNKNOWN
from jointwise.errors import ConfigError, DataError
from jointwise.stages.finetune import finetune
from jointwise.stages.pretrain import pretrain


@pytest.fixture(params=DATASETS)
def source(request: pytest.FixtureRequest) -> DataSource:
    return DATASETS[request.param]


def test_an_entry_is_registered_under_its_own_name(source: DataSource) -> None:
    assert DATASETS[source.name] is source
    assert source.name == source.name.lower()
    assert "/" not in source.name  # a name with a slash is a folder


@pytest.mark.parametrize("name", reader._METRES_BEFORE_KEY)
def test_old_stores_are_taken_for_metres_only_where_new_ones_are_in_metres(name: str) -> None:
    assert DATASETS[name].description.metres


def test_classes_are_unique_and_named(source: DataSource) -> None:
    classes = source.description.classes
    assert len(set(classes)) == len(classes) > 1
    assert all(name.strip() == name and name for name in classes)


def made_up_index(source: DataSource) -> tuple[np.ndarray, list[str]]:
    """Every class by many subjects before three cameras, named as NTU names its files."""
    subjects = [*range(1, 107), 201, 203, 302, 305, 402, 502, 602, 701]  # some of SBU's pairs among them
    places = [(s, c, a) for s in subjects for c in (1, 2, 3) for a in range(len(source.description.classes))]
    index = np.zeros(len(places), INDEX)
    for name, column in zip(("subject", "camera", "label"), np.array(places).T, strict=True):
        index[name] = column
    return index, [f"S{1 + s % 17 + 17 * (a >= 60):03d}C{c:03d}P{s:03d}R001A{a + 1:03d}" for s, c, a in places]


def test_every_split_trains_and_scores_every_class_and_says_how(source: DataSource) -> None:
    index, names = made_up_index(source)
    for about, parts in source.split(index, names).values():
        assert about
        assert set(index["label"][parts == TRAIN]) == set(index["label"][parts == TEST]) == set(index["label"])


def test_a_split_does_not_depend_on_the_order_of_recordings(source: DataSource) -> None:
    index, names = made_up_index(source)
    order = np.random.default_rng(0).permutation(len(index))
    shuffled = source.split(index[order], [names[i] for i in order])
    for name, (_, parts) in source.split(index, names).items():
        np.testing.assert_array_equal(shuffled[name][1], parts[order])


def test_the_first_split_is_by_subject(source: DataSource) -> None:
    index, names = made_up_index(source)
    _, parts = next(iter(source.split(index, names).values()))
    assert not set(index["subject"][parts == TRAIN]) & set(index["subject"][parts == TEST])


def test_an_entry_says_where_files_come_from_and_how_many_there_are(source: DataSource) -> None:
    assert source.origin
    assert source.title
    assert source.count > 0
    assert source.splits


def test_an_entry_without_files_generates_or_says_where_they_come_from(source: DataSource) -> None:
    if source.name == "synthetic":
        found = source.recordings(None)
        assert len(found.items) == source.count
        first = [found.read(item) for item in islice(found.items.values(), 4)]
        assert all(sequence.skeleton == source.description.skeleton for sequence in first)
        assert [sequence.source for sequence in first] == list(islice(found.items, 4))
    else:
        with pytest.raises(DataError, match=f"{source.name}: .*files come from .*prepare {source.name} --root"):
            source.recordings(None)


def test_an_unknown_data_set_names_the_nearest() -> None:
    with pytest.raises(ConfigError, match="unknown data set 'utd-mahd': did you mean 'utd-mhad'"):
        load_dataset("utd-mahd")


# --- the tiny data set: a store with known content ---


def only(*items: tuple[int, int, int], read: Callable[[tuple[int, int, int]], Sequence] = tiny.read) -> DataSource:
    """The tiny data set with these recordings only."""
    found = Recordings(
        {"a{}_s{}_t{}".format(item[0] + 1, *item[1:]): item for item in items}, read, str, parallel=False
    )
    return replace(tiny.SOURCE, recordings=lambda _root: found)


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


def test_holding_out_subjects_splits_the_training_part_and_drops_the_test_part(dataset: Dataset) -> None:
    held = dataset.hold_out([3])
    assert set(held.train.subjects) == {1}
    assert set(held.test.subjects) == {3}
    assert not set(dataset.test.ids) & {*held.train.ids, *held.test.ids}
    assert "3" in held.split
    assert held.split != dataset.split
    assert dataset.hold_out([]) is dataset


def test_unknown_subjects_cannot_be_held_out(dataset: Dataset) -> None:
    nameless = dataset.store.index.copy()
    nameless["subject"] = UNKNOWN
    store = copy.copy(dataset.store)
    store.index = nameless
    with pytest.raises(DataError, match="its recordings do not say whose they are"):
        replace(dataset, train=replace(dataset.train, store=store)).hold_out([1])


def test_holding_out_a_test_subject_is_refused(dataset: Dataset) -> None:
    with pytest.raises(DataError, match=r"subject 2 cannot be held out: the training subjects are \[1, 3\]"):
        dataset.hold_out([1, 2])


def test_holding_out_every_training_subject_is_refused(dataset: Dataset) -> None:
    with pytest.raises(DataError, match="leaves nothing to train on"):
        dataset.hold_out([1, 3])


def test_a_class_without_training_samples_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(DATASETS, "tiny", only((0, 1, 1), (0, 2, 1), (3, 2, 1)))
    monkeypatch.setenv("JOINTWISE_DATA", str(tmp_path))
    with pytest.raises(DataError, match=r"tiny: class 'right' has 1 sequence, all in the test part"):
        check_trainable(load_dataset("tiny"))


def test_an_empty_test_part_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(DATASETS, "tiny", only((0, 1, 1), (1, 1, 1)))
    monkeypatch.setenv("JOINTWISE_DATA", str(tmp_path))
    with pytest.raises(DataError, match=r"tiny: the test part is empty under the split 'cross-subject"):
        check_trainable(load_dataset("tiny"))


def test_a_test_sequence_that_was_trained_on_is_reported_and_refused_unless_allowed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read(item: tuple[int, int, int]) -> Sequence:
        same = tiny.walk(0, 1, 1) if item == (0, 2, 2) else tiny.walk(*item)
        return replace(same, subject=item[1])

    source = only((0, 1, 1), (0, 1, 2), (0, 2, 1), (0, 2, 2), read=read)
    monkeypatch.setitem(DATASETS, "tiny", source)
    monkeypatch.setenv("JOINTWISE_DATA", str(tmp_path))
    pairs = [("a1_s1_t1", "a1_s2_t2")]
    assert prepare("tiny").duplicates == {"xsub": pairs}
    dataset = load_dataset("tiny")
    assert find_leaks(dataset) == [Shared("a1_s1_t1", "a1_s2_t2", 1.0, equal=True)]
    with pytest.raises(DataError, match=r"1 sequence of the test part (.|\n)*a1_s2_t2 equals a1_s1_t1(.|\n)*--allow_d"):
        pretrain(tiny.config(), dataset, 0, tmp_path / "run")
    with pytest.raises(DataError, match="a1_s2_t2 equals a1_s1_t1"):
        finetune(tiny.config(), dataset, 0, "1.0", tmp_path / "run")
    check_trainable(dataset, allow_duplicates=True)
    listed = copies_list(dataset.store.path)
    assert listed.read_text() == "a1_s2_t2\n"
    assert prepare("tiny", skip_list=listed).duplicates == {"xsub": []}
    assert listed.is_file()
    assert prepare("tiny", skip_list=shutil.copy(listed, tmp_path / "leave-out.txt")).duplicates == {"xsub": []}
    assert not listed.is_file()  # there are none
    check_trainable(load_dataset("tiny"))


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


def test_a_store_written_before_stores_stated_metres_is_opened_as_it_is(utd_root: Path) -> None:
    path = load_dataset("utd-mhad", utd_root).store.path
    forget_metres(path)
    before = (path / "store.json").read_bytes()
    assert load_dataset("utd-mhad").metres
    assert (path / "store.json").read_bytes() == before  # it was not prepared again


def test_the_fingerprint_follows_from_the_content_alone(utd_root: Path) -> None:
    first = load_dataset("utd-mhad", utd_root).store.fingerprint
    moved = utd_root.rename(utd_root.with_name("elsewhere"))
    prepare("utd-mhad", moved)
    assert load_dataset("utd-mhad").store.fingerprint == first
    scipy.io.savemat(moved / "deeper" / "a1_s1_t1_skeleton.mat", {"d_skel": np.zeros((20, 3, 11))})
    prepare("utd-mhad", moved)
    assert load_dataset("utd-mhad").store.fingerprint != first


def test_a_root_without_recordings_says_what_was_looked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JOINTWISE_DATA", str(tmp_path))
    with pytest.raises(DataError, match=r"no \*skeleton\*\.mat below .*nowhere"):
        load_dataset("utd-mhad", tmp_path / "nowhere")
    with pytest.raises(DataError, match="no --root says where its files are"):
        load_dataset("utd-mhad")


def test_one_damaged_recording_stops_preparing_and_leaves_no_store(utd_root: Path) -> None:
    (damaged,) = utd_root.rglob("a2_s2_t1_skeleton.mat")
    damaged.write_bytes(damaged.read_bytes()[:300])
    with pytest.raises(DataError, match=r"1 of 6 recordings cannot be used:\n  .*a2_s2_t1_skeleton\.mat: damaged"):
        prepare("utd-mhad", utd_root)
    assert not store_path("utd-mhad").exists()


def test_the_error_for_two_files_of_one_name_names_both(utd_root: Path) -> None:
    (original,) = utd_root.rglob("a1_s1_t1_skeleton.mat")
    shutil.copy(original, utd_root / original.name)
    with pytest.raises(DataError, match=r"a1_s1_t1_skeleton\.mat have the same name\. Which is right"):
        prepare("utd-mhad", utd_root)


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
