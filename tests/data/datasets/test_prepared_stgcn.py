"""Arrays of ST-GCN and 2s-AGCN as a data set."""

import pickle
from pathlib import Path

import numpy as np
import pytest

from jointwise.data.dataset import load_dataset, prepare
from jointwise.data.datasets import source_of_file
from jointwise.data.datasets.folder import revision_of
from jointwise.data.datasets.folder import source_of as folder_source_of
from jointwise.data.skeletons import NTU25, OPENPOSE18
from jointwise.data.store.reader import TRAIN
from jointwise.errors import DataError, JointwiseError, ReadError

FRAMES = 12


def rows(count: int, seed: int, joints: int = 25) -> np.ndarray:
    """(N, 3, T, V, 2): 8 frames of one person, then zeros."""
    array = np.zeros((count, 3, FRAMES, joints, 2), np.float32)
    array[:, :, :8, :, 0] = np.random.default_rng(seed).normal(0, 1, (count, 3, 8, joints))
    return array


def save(folder: Path, part: str, array: np.ndarray, labels: list[int], first: int = 1) -> Path:
    names = [f"S001C002P{first + row:03d}R001A{label + 1:03d}.skeleton" for row, label in enumerate(labels)]
    (folder / f"{part}_label.pkl").write_bytes(pickle.dumps((names, labels)))
    np.save(folder / f"{part}_data_joint.npy", array)
    return folder / f"{part}_data_joint.npy"


def test_both_parts_are_read_whichever_is_named(tmp_path: Path) -> None:
    train = rows(3, 0)
    paths = [save(tmp_path, "train", train, [0, 1, 2]), save(tmp_path, "val", rows(2, 1), [1, 2], first=11)]
    for path in paths:
        source = source_of_file(path)
        found = source.recordings(None)
        assert len(found.items) == source.count == 5
        sequence = found.read(found.items["S001C002P002R001A002"])
        np.testing.assert_array_equal(sequence.positions[0], train[1, :, :8, :, 0].transpose(1, 2, 0))
        assert (sequence.label, sequence.subject, sequence.camera, sequence.persons) == (1, 2, 2, 1)
        assert sequence.validity.all()
        assert source.description.skeleton is NTU25
    assert revision_of(paths[0]) != revision_of(paths[1])


def test_a_data_set_is_prepared_with_its_split(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JOINTWISE_DATA", str(tmp_path / "stores"))
    path = save(tmp_path, "train", rows(4, 0), [0, 1, 0, 1])
    save(tmp_path, "val", rows(2, 1), [0, 1], first=11)
    prepare(str(path))
    dataset = load_dataset(str(path))
    assert (len(dataset.train), len(dataset.test)) == (4, 2)
    assert dataset.test.subjects.tolist() == [11, 12]


def test_the_folder_of_such_arrays_says_which_file_to_name(tmp_path: Path) -> None:
    save(tmp_path, "train", rows(2, 0), [0, 1])
    with pytest.raises(DataError, match=r"data set by themselves: jointwise prepare .*train_data_joint\.npy"):
        folder_source_of(tmp_path)


def test_without_a_part_to_score_all_train(tmp_path: Path) -> None:
    source = source_of_file(save(tmp_path, "train", rows(3, 0), [0, 1, 2]))
    names = list(source.recordings(None).items)
    ((_, split),) = source.splits.items()
    assert split.rule(np.zeros(3), names).tolist() == [TRAIN] * 3


def test_a_clip_that_was_filled_up_by_playing_it_again_is_cut(tmp_path: Path) -> None:
    array = rows(2, 0)
    array[0, :, 8:, :, 0] = array[0, :, :4, :, 0]
    array[1, :, :, :, 0] = array[1, :, :1, :, 0]  # somebody who stands as still as a stone is no loop
    found = source_of_file(save(tmp_path, "train", array, [0, 1])).recordings(None)
    assert [found.read(item).frames for item in found.items.values()] == [8, FRAMES]


def test_names_that_repeat_are_replaced_by_places(tmp_path: Path) -> None:
    path = save(tmp_path, "train", rows(2, 0), [0, 1])
    (tmp_path / "train_label.pkl").write_bytes(pickle.dumps((["same", "same"], [0, 1])))
    assert list(source_of_file(path).recordings(None).items) == ["train[0]", "train[1]"]


def test_the_third_channel_of_kinetics_is_confidence(tmp_path: Path) -> None:
    array = np.abs(rows(1, 0, joints=18))
    array[0, 2, 3, 5, 0] = 0
    source = source_of_file(save(tmp_path, "train", array, [0]))
    found = source.recordings(None)
    sequence = found.read(next(iter(found.items.values())))
    assert source.description.skeleton is OPENPOSE18
    assert sequence.positions.shape == (1, 8, 18, 2)
    assert np.argwhere(~sequence.validity).tolist() == [[0, 3, 5]]


def test_what_does_not_fit_is_told(tmp_path: Path) -> None:
    def refused(path: Path, message: str, kind: type[JointwiseError] = DataError) -> None:
        with pytest.raises(kind, match=message):
            source_of_file(path)

    path = save(tmp_path, "train", rows(2, 0), [0, 1])
    (tmp_path / "train_data_bone.npy").write_bytes(path.read_bytes())
    refused(tmp_path / "train_data_bone.npy", "Name train_data_joint.npy instead")
    (tmp_path / "walk.npy").write_bytes(path.read_bytes())
    refused(tmp_path / "walk.npy", "called train_data_joint.npy")
    np.save(path, rows(3, 0))
    refused(path, r"expected the labels of train_data_joint.npy: a list of 3 names")
    np.save(path, rows(2, 0)[0])
    refused(path, r"shape \(3, 12, 25, 2\)")
    np.save(path, rows(2, 0))
    (tmp_path / "train_label.pkl").write_bytes(pickle.dumps((["a", "b"], [0, -1])))
    refused(path, "negative class, -1")
    (tmp_path / "train_label.pkl").unlink()
    refused(path, r"no train_label.pkl")
    path.write_bytes(path.read_bytes()[:500])
    refused(path, "damaged", ReadError)
