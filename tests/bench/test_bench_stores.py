"""The stores of the benchmark are stores, and what is timed happens."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from jointwise.bench import stores
from jointwise.data.clips import ClipCutter
from jointwise.data.dataset import Dataset
from jointwise.data.store.content import fingerprint
from jointwise.data.store.reader import Store
from jointwise.errors import DataError
from jointwise.training.batches import BatchOrder


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store of 1000 sequences, written as the bench writes it."""
    path = tmp_path_factory.mktemp("bench") / "1000"
    subprocess.run([sys.executable, "-m", stores.__name__, str(path), "1000"], check=True)
    return path


@pytest.mark.slow
def test_a_store_of_the_bench_is_whole(path: Path) -> None:
    data = Dataset.of(Store(path), "synthetic")
    assert (len(data.train) + len(data.test), len(data.classes)) == (1000, 60)
    assert {sequence.positions.shape for sequence in data.train} == {(1, stores.FRAMES, 25, 3)}
    assert len(set(Store(path).digests)) == 1000


@pytest.mark.slow
def test_reading_reads_sequences_of_the_training_part(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[int] = []
    part = type(Dataset.of(Store(path), "synthetic").train)
    before = part.__getitem__
    monkeypatch.setattr(part, "__getitem__", lambda self, place: (read.append(place), before(self, place))[1])
    stores.reading(path)(0)
    assert len(read) == stores.ACCESSES
    assert len(set(read)) > 100  # not one again and again


@pytest.mark.slow
def test_checking_finds_a_sequence_in_both_parts(path: Path, tmp_path: Path) -> None:
    stores.opening(path)(0)
    stores.checking(path)(0)
    data, other = Dataset.of(Store(path), "synthetic"), tmp_path / "store"
    digests = np.array(data.store.digests)
    digests[data.test.ids[0]] = digests[data.train.ids[0]]
    shutil.copytree(path, other)
    np.save(other / "digests.npy", digests)
    header = json.loads((other / "store.json").read_text())
    header["fingerprint"] = fingerprint(digests.tolist(), data.store.index)
    (other / "store.json").write_text(json.dumps(header))
    stores.opening(other)(0)
    with pytest.raises(DataError, match="training part"):
        stores.checking(other)(0)


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two shards, written as the bench writes them, but smaller."""
    folder = tmp_path_factory.mktemp("shards") / "2"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stores, "IN_SHARD", 300)
        stores.write_shards(folder, 2, whole=False)
    return folder


@pytest.mark.slow
def test_shards_of_the_bench_are_one_store_in_which_every_sequence_trains(shards: Path) -> None:
    data = Dataset.of(Store(shards / "joined"), "joined", "all")
    assert len(data.train) == 600
    assert len(data.store.joined) == 2
    assert {sequence.frames for sequence in data.train} == {stores.WINDOW}
    assert len(set(data.train.digests)) == len(set(data.train.names)) == 600


@pytest.mark.slow
def test_what_is_timed_on_shards_happens(shards: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shuffled: list[int] = []
    cut: list[int] = []
    shuffle, random = BatchOrder._pass, ClipCutter.random
    monkeypatch.setattr(BatchOrder, "_pass", lambda self, number: (shuffled.append(number), shuffle(self, number))[1])
    monkeypatch.setattr(
        ClipCutter, "random", lambda self, ids, *rest: (cut.append(len(ids)), random(self, ids, *rest))[1]
    )
    stores.opening_shards(shards)(0)
    step = stores.shuffling(shards)
    for number in range(4):
        step(number)
    assert set(shuffled) >= {0, 1, 2, 3}  # each step shuffles another epoch
    stores.cutting(shards)(0)
    stores.cutting_from_disk(shards)(0)
    assert cut == [stores.BATCH] * 2
    stores.measuring(shards)(0)
