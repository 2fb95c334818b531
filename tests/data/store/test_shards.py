"""A store in shards is the store of the same sequences; a process opens its own shards only."""

import json
import mmap
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from helpers import tiny, worker
from helpers.stores import forget_metres
from helpers.two_processes import TRAINING, assert_same_training, pretraining, start_two
from jointwise.cli import run
from jointwise.data.clips import ClipCutter
from jointwise.data.dataset import Dataset, load_dataset
from jointwise.data.datasets import DATASETS
from jointwise.data.datasets.source import DataSource, Recordings, Split
from jointwise.data.skeletons import KINECT20
from jointwise.data.store import reader
from jointwise.data.store.build import build_store
from jointwise.data.store.join import join
from jointwise.data.store.reader import TEST, TRAIN, Store
from jointwise.data.store.shards import ShardedRows, Shards
from jointwise.errors import ConfigError, DataError
from jointwise.report.viewer.sources import find_clips
from jointwise.training import distributed
from jointwise.training.batches import BatchOrder

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


def test_only_the_shards_of_requested_sequences_are_opened(joined: Dataset) -> None:
    store = joined.store
    assert opened(store) == []
    ClipCutter.from_store(store, 16).centre(torch.tensor([58, 30]))
    assert opened(store) == [2]
    _ = store[3]
    assert opened(store) == [0, 2]


@pytest.mark.parametrize("array", ["positions", "valid"])
def test_the_bytes_that_are_read_ahead_are_those_of_the_rows(joined: Dataset, array: str) -> None:
    rows = getattr(joined.store, array)
    for item in (0, 19, 20, 40, 59):
        start = int(joined.store.index["row"][item])
        stop = start + int(joined.store.index["frames"][item]) * int(joined.store.index["persons"][item])
        number = int(rows.shard_of(np.array(start)))
        begin, length = rows._stretch(number, start, stop)
        content = rows[start:stop].tobytes()
        assert bytes(rows.of_shard(number).base[begin : begin + length]).endswith(content)
        assert begin % mmap.PAGESIZE == 0
        assert length < len(content) + mmap.PAGESIZE


def test_a_registered_split_is_computed_on_all_shards_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
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


def test_a_joined_folder_can_be_loaded_viewed_and_joined_again(disks: list[Path], tmp_path: Path) -> None:
    join(f"{tmp_path}/many", disks[:2])
    data = load_dataset(f"{tmp_path}/many")
    assert (data.name, len(data.store)) == ("many", 27)
    assert find_clips(f"{tmp_path}/many").title == "many"  # what jointwise view plays
    join(f"{tmp_path}/many", disks[1:])  # again, of others
    assert len(load_dataset(f"{tmp_path}/many").store) == 40
    with pytest.raises(ConfigError, match="written with a slash"):
        join("many", disks)


def test_a_store_written_before_stores_stated_metres_joins_a_new_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(DATASETS, tiny.NAME, tiny.SOURCE_IN_METRES)
    monkeypatch.setattr(reader, "_METRES_BEFORE_KEY", (tiny.NAME,))
    monkeypatch.setenv("JOINTWISE_DATA", str(tmp_path))
    for name, begin in (("old", 0), ("new", 30)):
        build_store(tmp_path / name, part_of_tiny(begin, begin + 30, description=tiny.SOURCE_IN_METRES.description))
    forget_metres(tmp_path / "old")
    join(tiny.NAME, [tmp_path / "old", tmp_path / "new"])
    assert load_dataset(tiny.NAME).metres
    assert load_dataset(tiny.NAME).train.ids.size == 30


def test_a_joined_folder_is_in_metres_if_all_its_shards_are(disks: list[Path], tmp_path: Path) -> None:
    for name, begin in (("a", 0), ("b", 10)):
        build_store(tmp_path / name, part_of_tiny(begin, begin + 10, description=tiny.SOURCE_IN_METRES.description))
    join(f"{tmp_path}/all", [tmp_path / "a", tmp_path / "b"])
    assert load_dataset(f"{tmp_path}/all").metres
    join(f"{tmp_path}/some", [tmp_path / "a", disks[2]])
    assert not load_dataset(f"{tmp_path}/some").metres


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


def test_a_missing_or_changed_shard_is_an_error_when_it_is_needed(tmp_path: Path) -> None:
    disks = write_shards(tmp_path, (3, 4))
    join(f"{tmp_path}/many", disks)
    build_store(disks[0], part_of_tiny(0, 2))
    store = Store(tmp_path / "many")
    with pytest.raises(DataError, match=r"disk0/tiny: made again since .*many\. Make that again too"):
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


# --- which process does what ---

LAYOUTS = given(
    sizes=st.lists(st.integers(1, 40), min_size=1, max_size=6),
    count=st.integers(1, 5),
    batch=st.integers(1, 50),
    seed=st.integers(0, 9),
)


def as_one_of(rank: int, count: int, patch: pytest.MonkeyPatch) -> None:
    patch.setattr(distributed, "rank", lambda: rank)
    patch.setattr(distributed, "world_size", lambda: count)


def owned(weights: list[int], count: int) -> list[set[int]]:
    """Shards that reach into the piece of each process, by steps of a thousandth of one; too small ones in none."""
    line = np.repeat(np.arange(len(weights)), np.array(weights) * 1000 * count)
    return [set(piece.tolist()) for piece in np.split(line, count)]


@LAYOUTS
def test_an_epoch_has_every_sample_once_and_a_batch_a_proportional_part_of_each_shard(
    sizes: list[int], count: int, batch: int, seed: int
) -> None:
    shards, whole = Shards.of_sizes(sizes), sum(sizes)
    order = BatchOrder(torch.arange(whole), batch, seed, shards)
    batches = [order[step] for step in range(-(-3 * whole // order.batch_size))]
    seen = np.bincount(torch.cat(batches).numpy(), minlength=whole)
    assert set(seen.tolist()) <= {3, 4}
    stream = [order._shuffled(epoch).sort().values.tolist() for epoch in range(3)]
    assert stream == [list(range(whole))] * 3
    for some in batches:
        found = np.bincount(shards.of(some.numpy()), minlength=len(sizes))
        assert np.abs(found - order.batch_size * np.array(sizes) / whole).max() <= 1 + len(sizes) / 2


@LAYOUTS
def test_the_shares_of_processes_are_the_batch_of_one_process_and_lie_in_their_own_shards(
    sizes: list[int], count: int, batch: int, seed: int
) -> None:
    shards, whole = Shards.of_sizes(sizes), sum(sizes)
    order = BatchOrder(torch.arange(whole), batch, seed, shards)
    mine = [set() for _ in range(count)]
    for step in range(4):
        with pytest.MonkeyPatch.context() as patch:
            single = order.local_batch(step)
            shares = []
            for rank in range(count):
                as_one_of(rank, count, patch)
                try:
                    shares.append(order.local_batch(step))
                except ConfigError:  # fewer samples than processes, or none in the shards of one
                    assert order.batch_size < 4 * count
                    return
                mine[rank] |= set(shards.of(shares[-1].ids.numpy()).tolist())
        assert torch.equal(torch.cat([share.ids for share in shares]), single.ids)
        drawn = torch.cat([share.draws(seed, "clips").uniform(3) for share in shares])
        assert torch.equal(drawn, single.draws(seed, "clips").uniform(3))
    for some, own in zip(mine, owned(sizes, count), strict=True):
        assert some <= own


@pytest.mark.parametrize("sizes", [(100,) * 8, (103, 97, 99, 101), (100, 100), (5, 390, 5), (0, 50, 50, 0)])
def test_training_and_evaluation_open_the_same_shards_and_the_work_is_nearly_even(sizes: tuple[int, ...]) -> None:
    shards = Shards.of_sizes(sizes)
    order, ids = BatchOrder(torch.arange(sum(sizes)), 64, 0, shards), torch.arange(sum(sizes))
    taken, batches = [], []
    for rank in range(4):
        with pytest.MonkeyPatch.context() as patch:
            as_one_of(rank, 4, patch)
            shares = [order.local_batch(step).ids.numpy() for step in range(20)]
            own = distributed.local_batches(ids, 10, shards)
        taken.append(set(shards.of(np.concatenate(shares)).tolist()))
        assert {int(number) for places in own for number in shards.of(places.numpy())} <= taken[-1]
        assert {len(share) for share in shares} <= set(range(13, 20))
        batches += own
    assert torch.equal(torch.cat(batches), ids)  # every sequence once, in order
    if len(sizes) >= 4 and 0 not in sizes:  # whole shards: nobody shares one, though they are not quite equal
        assert sum(map(len, taken)) == len(sizes)


def test_the_error_of_a_process_without_samples_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    order = BatchOrder(torch.arange(40), 2, 0, Shards.of_sizes([10] * 4))
    as_one_of(0, 3, monkeypatch)
    with pytest.raises(ConfigError, match=r"needs 1 of its own shards\. Start fewer, at most 2, or raise `batch`"):
        order.local_batch(0)


# --- two processes, neither of which has the other's shard ---


def missing(place: Path, number: int, at: Path) -> Path:
    """A copy of prepared tiny data, one of whose shards is not there."""
    shutil.copytree(place, at)
    header = json.loads((at / tiny.NAME / "store.json").read_text())
    header["shards"][number]["path"] = "/nowhere"
    (at / tiny.NAME / "store.json").write_text(json.dumps(header))
    return at


@pytest.mark.slow
def test_two_processes_with_a_shard_each_compute_what_one_process_computes(
    dataset: Dataset, pretrained: Path, tiny_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(DATASETS, tiny.NAME, tiny.SOURCE)
    monkeypatch.setenv("JOINTWISE_DATA", str(tmp_path / "data"))
    join(tiny.NAME, write_shards(tmp_path, (30, 30)))
    before, commands = shutil.copytree(pretrained, tmp_path / "before"), tmp_path / "commands"

    def judging(results: str, protocol: str = "knn") -> list[str]:
        judged = ("--protocol", protocol, "--data", tiny.NAME, "--results", str(tmp_path / results))
        return ["evaluate", str(before), *judged, "--probe.complete.steps", "4"]

    few = ("--finetune.steps", "2", "--run", str(tmp_path / "finetuned"))
    finetuning = ["finetune", str(before), *TRAINING, *few, "--labels", "0.7"]
    todo = [judging("by two"), judging("completed by two", "complete"), finetuning, pretraining(tmp_path / "two")]
    commands.write_text(json.dumps([(command, None) for command in todo]))
    output = start_two(commands, *(missing(tmp_path / "data", 1 - rank, tmp_path / f"of{rank}") for rank in range(2)))
    assert [json.loads(Path(f"{commands}.{rank}").read_text()) for rank in range(2)] == [[""] * 4] * 2, output
    worker.adapt(monkeypatch.setattr)
    run(pretraining(tmp_path / "one"))
    run(judging("completed by one", "complete"))
    assert_same_training(tmp_path / "one", tmp_path / "two")
    with np.load(tmp_path / "one" / "examples.npz") as one, np.load(tmp_path / "two" / "examples.npz") as two:
        for name in ("names", "labels", "recording", "valid", "clip", "seen"):
            np.testing.assert_array_equal(one[name], two[name])
    monkeypatch.setenv("JOINTWISE_DATA", str(tiny_data))  # the same without shards
    run(judging("by one"))
    for prefix in ("by", "completed by"):
        (by_one,) = (tmp_path / f"{prefix} one").glob("*.npz")
        (by_two,) = (tmp_path / f"{prefix} two").glob("*.npz")
        with np.load(by_one) as one, np.load(by_two) as two:
            assert one["ids"].tolist() == two["ids"].tolist()
            for name in set(one.files) - {"ids"}:
                np.testing.assert_allclose(two[name], one[name], atol=1e-5)
