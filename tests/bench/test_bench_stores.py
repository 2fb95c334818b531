"""The stores of the benchmark are stores, and what is timed happens."""

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from jointwise.bench import stores
from jointwise.data.dataset import Dataset
from jointwise.data.store.reader import Store
from jointwise.errors import DataError


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
    stores.opening(other)(0)
    with pytest.raises(DataError, match="training part"):
        stores.checking(other)(0)
