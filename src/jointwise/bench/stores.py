"""Stores of many sequences, and three operations on them: opening, reading at random, checking the split.

Index, names, digests and parts are those of all sequences. The sequences share the rows of one small file of positions,
so that a disk can hold a million of them.

python -m jointwise.bench.stores PATH COUNT  ->  writes such a store
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
from jointwise.data.checks import check_trainable
from jointwise.data.dataset import Dataset
from jointwise.data.skeletons import NTU25
from jointwise.data.store.reader import INDEX, TEST, TRAIN, VERSION, Description, Store, fingerprint

FRAMES = 60  # of a sequence
SHARED = 100  # sequences with rows of their own; the others share these
SIZES = (1_000, 10_000, 100_000, 1_000_000)
ACCESSES = 2000  # sequences read in a step
CLASSES = 60
SUBJECTS = 106


def write_store(path: Path, count: int) -> None:
    """Write a store of sequences of 60 frames of 25 joints.

    Args:
        path: Folder of the store; it must not exist.
        count: Number of sequences.
    """
    path.mkdir(parents=True)
    draws = np.random.default_rng(0)
    index = np.zeros(count, INDEX)
    index["row"] = np.arange(count) % SHARED * FRAMES
    index["frames"] = FRAMES
    index["persons"] = 1
    index["fps"] = 30
    index["label"] = np.arange(count) % CLASSES
    index["subject"] = draws.integers(1, SUBJECTS + 1, count)
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
    """A step that opens the store at `path` and forms the parts of its split."""

    def step(_number: int) -> None:
        _open(path)

    return step


def reading(path: Path) -> Step:
    """A step that reads 2,000 sequences of the training part at random, as `Dataset` returns them."""
    train = _open(path).train

    def step(number: int) -> None:
        draws = random.Random(number)
        for _ in range(ACCESSES):
            train[draws.randrange(len(train))]

    return step


def checking(path: Path) -> Step:
    """A step that opens the store and checks its split: labels, and that no sequence is in both parts."""

    def step(_number: int) -> None:
        check_trainable(_open(path))

    return step


if __name__ == "__main__":
    write_store(Path(sys.argv[1]), int(sys.argv[2]))
