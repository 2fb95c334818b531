"""Stores of many sequences, and what is done to them: opened, read at random, their split checked.

They have index, names, digests and parts of all their sequences; the sequences share the rows of a small file of
positions, because a disk should hold a million of them.

python -m jointwise.bench.stores PATH COUNT  ->  such a store
"""

from __future__ import annotations

import json
import random
import sys
from dataclasses import asdict
from pathlib import Path

import numpy as np

from jointwise.bench.workload import Step
from jointwise.data.centring import PREPARATION
from jointwise.data.dataset import Dataset
from jointwise.data.skeletons import NTU25
from jointwise.data.store.reader import INDEX, TEST, TRAIN, VERSION, Description, Store, fingerprint

FRAMES, SHARED = 60, 100  # of a sequence; sequences that have rows of their own
SIZES = (1_000, 10_000, 100_000, 1_000_000)
ACCESSES = 2000  # of a step
CLASSES, SUBJECTS = 60, 106


def write_store(path: Path, count: int) -> None:
    """Writes a store of `count` sequences of 60 frames of 25 joints at `path`, which must not be there yet."""
    path.mkdir(parents=True)
    draws = np.random.default_rng(0)
    index = np.zeros(count, INDEX)
    index["row"] = np.arange(count) % SHARED * FRAMES
    index["frames"], index["persons"], index["fps"] = FRAMES, 1, 30
    index["label"], index["subject"] = np.arange(count) % CLASSES, draws.integers(1, SUBJECTS + 1, count)
    index["camera"] = 1
    digests = np.array([f"{number:032x}" for number in range(count)])
    arrays = {
        "positions": draws.normal(size=(SHARED * FRAMES, 25, 3)).astype("<f4"),
        "valid": np.ones((SHARED * FRAMES, 25), bool),
        "index": index,
        "digests": digests,
        "names": np.array([f"S001C001P{number:012d}" for number in range(count)]),
        "parts": np.where(index["subject"] % 2, TRAIN, TEST).astype(np.int8)[:, None],
    }
    for name, array in arrays.items():
        np.save(path / f"{name}.npy", array)
    about = asdict(Description("synthetic", NTU25, tuple(f"class {label}" for label in range(CLASSES))))
    header = {"version": VERSION, "description": about, "preparation": PREPARATION, "splits": {"xsub": "as drawn"}}
    header |= {"fingerprint": fingerprint(digests, index), "revision": "", "summary": {}}
    (path / "store.json").write_text(json.dumps(header))


def _open(path: Path) -> Dataset:
    return Dataset.of(Store(path), "synthetic")


def opening(path: Path) -> Step:
    """Opens the store and deals its sequences to the parts of its split."""

    def step(_number: int) -> None:
        _open(path)

    return step


def reading(path: Path) -> Step:
    """Reads 2,000 sequences of the training part at random, as `Dataset` gives them."""
    train = _open(path).train

    def step(number: int) -> None:
        draws = random.Random(number)
        for _ in range(ACCESSES):
            train[draws.randrange(len(train))]

    return step


def checking(path: Path) -> Step:
    """Opens the store and checks its split: labels, and no sequence in both parts."""

    def step(_number: int) -> None:
        _open(path).check_trainable()

    return step


if __name__ == "__main__":
    write_store(Path(sys.argv[1]), int(sys.argv[2]))
