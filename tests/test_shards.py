"""A store in shards is the store of the same sequences; a process opens its own shards only."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import tiny
from jointwise.cli import run
from jointwise.clips import ClipCutter
from jointwise.datasets import DATASETS, Dataset, join, load_dataset
from jointwise.datasets.preparing import build_store
from jointwise.datasets.source import DataSource, Recordings, Split
from jointwise.errors import ConfigError, DataError
from jointwise.shards import ShardedRows
from jointwise.skeletons import KINECT20
from jointwise.store import TEST, TRAIN, Store

SIZES = (20, 7, 33)  # sequences, of the 60 of the tiny data


def part_of_tiny(*places: int, **about: Any) -> DataSource:
    """The tiny data set as one who has only some of its recordings would prepare it."""

    def recordings(root: Path | None) -> Recordings:
        whole = tiny.recordings(root)
        return replace(whole, items=dict([*whole.items.items()][slice(*places)]))

    return replace(tiny.SOURCE, recordings=recordings, **about)


def write_shards(folder: Path, sizes: tuple[int, ...] = SIZES) -> list[Path]:
    ends = np.cumsum((0, *sizes)).tolist()
    paths = [folder / f"disk{number}" / tiny.NAME for number in range(len(sizes))]
    for path, begin, end in zip(paths, ends[:-1], ends[1:], strict=True):
        build_store(path, part_of_tiny(begin, end))
    return paths


@pytest.fixture(scope="module")
def disks(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Three stores that are the tiny data set together. Read only."""
    return write_shards(tmp_path_factory.mktemp("disks"))


@pytest.fixture
def joined(disks: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Dataset:
    """The tiny data set in shards."""
    monkeypatch.setitem(DATASETS, tiny.NAME, tiny.SOURCE)
    monkeypatch.setenv("JOINTWISE_DATA", str(tmp_path / "data"))
    run(["join", tiny.NAME, *map(str, disks)])
    return load_dataset(tiny.NAME)


def opened(store: Store) -> list[int]:
    """The shards whose positions were opened."""
    assert isinstance(store.positions, ShardedRows)
    return sorted(store.positions._opened)


# --- one store ---


def test_sequences_names_labels_splits_and_fingerprint_are_those_of_one_store(
    joined: Dataset, dataset: Dataset
) -> None:
    store, whole = joined.store, dataset.store
    assert (store.fingerprint, store.splits, store.description) == (whole.fingerprint, whole.splits, whole.description)
    for name in ("index", "names", "digests", "parts"):
        np.testing.assert_array_equal(getattr(store, name), getattr(whole, name))
    assert (joined.train.ids.tolist(), joined.test.ids.tolist()) == (
        dataset.train.ids.tolist(),
        dataset.test.ids.tolist(),
    )
    for place in range(60):
        np.testing.assert_array_equal(store[place].positions, whole[place].positions)
        np.testing.assert_array_equal(store[place].validity, whole[place].validity)
        assert (store[place].label, store[place].source) == (whole[place].label, whole[place].source)


@pytest.mark.parametrize("joints", [KINECT20.joints, KINECT20.joints[5:12]])
def test_clips_are_those_of_one_store_on_any_joints(joined: Dataset, dataset: Dataset, joints: tuple[str, ...]) -> None:
    ids = torch.tensor([59, 0, 20, 19, 26, 27, 15])  # first and last ones of shards, one and two persons
    clips, expected = (
        ClipCutter.from_store(data.store.on_joints(joints), 16).centre(ids) for data in (joined, dataset)
    )
    assert torch.equal(clips.positions, expected.positions)
    assert torch.equal(clips.valid, expected.valid)


def test_nothing_is_opened_but_the_shards_of_the_sequences_asked_for(joined: Dataset) -> None:
    store = joined.store
    assert opened(store) == []
    ClipCutter.from_store(store, 16).centre(torch.tensor([58, 30]))
    assert opened(store) == [2]
    _ = store[3]
    assert opened(store) == [0, 2]


def test_a_split_that_looks_at_all_recordings_is_made_of_the_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As X-sub within a quarter of NTU is: the parts of the shards are not those of the whole."""
    half = Split("first half", lambda index, _: np.where(np.arange(len(index)) * 2 < len(index), TRAIN, TEST))
    source = replace(tiny.SOURCE, splits={"half": half})
    monkeypatch.setitem(DATASETS, tiny.NAME, source)
    monkeypatch.setenv("JOINTWISE_DATA", str(tmp_path))
    paths = [tmp_path / "a", tmp_path / "b"]
    for path, begin in zip(paths, (0, 30), strict=True):
        build_store(path, part_of_tiny(begin, begin + 30, splits=source.splits))
    join(tiny.NAME, paths)
    assert load_dataset(tiny.NAME).train.ids.tolist() == list(range(30))


def test_a_folder_that_was_joined_is_data_of_its_own(disks: list[Path], tmp_path: Path) -> None:
    join(f"{tmp_path}/many", disks[:2])
    data = load_dataset(f"{tmp_path}/many")
    assert (data.name, len(data.store)) == ("many", 27)
    join(f"{tmp_path}/many", disks[1:])  # again, of others
    assert len(load_dataset(f"{tmp_path}/many").store) == 40
    with pytest.raises(ConfigError, match="written with a slash"):
        join("many", disks)


# --- shards that cannot be ---


def test_shards_that_do_not_belong_together_are_named_with_what_differs(disks: list[Path], tmp_path: Path) -> None:
    about = replace(tiny.SOURCE.description, classes=(*tiny.CLASSES[:4], "quiet"))
    build_store(tmp_path / "other", part_of_tiny(7, description=about))
    with pytest.raises(
        DataError, match=r"other does not belong with .*tiny: classes differs, .*'quiet'.* against .*'still'"
    ):
        join(f"{tmp_path}/many", [disks[0], tmp_path / "other"])
    assert not (tmp_path / "many").exists()


def test_a_recording_in_two_shards_is_an_error_that_names_both(disks: list[Path], tmp_path: Path) -> None:
    build_store(tmp_path / "more", part_of_tiny(15, 22))
    with pytest.raises(DataError, match=r"more: 5 of its 7 sequences are in .*disk0/tiny too, first: a2_s2_t1\."):
        join(f"{tmp_path}/many", [disks[0], tmp_path / "more"])


@pytest.mark.parametrize("number", [0, 1])
def test_a_store_that_has_rows_or_shards_of_its_own_is_neither_replaced_nor_joined(
    disks: list[Path], tmp_path: Path, number: int
) -> None:
    if number:
        join(f"{tmp_path}/many", disks)
        with pytest.raises(DataError, match="joined itself"):
            join(f"{tmp_path}/more", [disks[0], tmp_path / "many"])
    else:
        shutil.copytree(disks[0], tmp_path / "many")
        with pytest.raises(DataError, match="a store of its own"):
            join(f"{tmp_path}/many", disks)
        assert (tmp_path / "many" / "positions.npy").is_file()


def test_a_shard_that_is_missing_or_was_made_again_is_named_when_it_is_needed(tmp_path: Path) -> None:
    disks = write_shards(tmp_path, (3, 4))
    join(f"{tmp_path}/many", disks)
    build_store(disks[0], part_of_tiny(0, 2))
    store = Store(tmp_path / "many")
    with pytest.raises(DataError, match=r"disk0/tiny: prepared again since .*many\. Join them again"):
        _ = store[0]
    disks[1].rename(tmp_path / "elsewhere")
    with pytest.raises(
        DataError, match=r"disk1/tiny/store\.json: missing, but .* is a shard of .*many\. Bring it back"
    ):
        _ = store[3]
    header = json.loads((tmp_path / "many" / "store.json").read_text())
    header["shards"][1]["path"] = "../elsewhere"
    (tmp_path / "many" / "store.json").write_text(json.dumps(header))
    assert Store(tmp_path / "many")[3].source == "a1_s2_t1"
    (tmp_path / "elsewhere" / "positions.npy").write_bytes(b"x" * 300)
    with pytest.raises(DataError, match="elsewhere: damaged shard of"):
        _ = Store(tmp_path / "many")[3]
