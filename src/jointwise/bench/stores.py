"""Stores of many sequences, and what is done with them: opening, reading, checking; and the same of many shards.

Index, names, digests and parts are those of all sequences. The sequences share the rows of one small file of positions,
so that a disk can hold a million of them.

python -m jointwise.bench.stores PATH COUNT  ->  writes such a store
python -m jointwise.bench.stores PATH SHARDS whole|shared  ->  writes shards of two hours each, joined in PATH/joined;
    `whole` gives each sequence rows of its own
"""

from __future__ import annotations

import json
import os
import random
import sys
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch

from jointwise.bench.workload import Step
from jointwise.data.centring import PREPARATION
from jointwise.data.checks import check_trainable
from jointwise.data.clips import ClipCutter
from jointwise.data.dataset import Dataset
from jointwise.data.skeletons import NTU25
from jointwise.data.store.content import fingerprint
from jointwise.data.store.header import VERSION
from jointwise.data.store.join import join_stores
from jointwise.data.store.reader import ALL, INDEX, TEST, TRAIN, Description, Store
from jointwise.training.batches import BatchOrder
from jointwise.training.coordinate_scale import median_clip_rms, median_coordinate_rms

FRAMES = 60  # of a sequence
SHARED = 100  # sequences with rows of their own; the others share these
SIZES = (1_000, 10_000, 100_000, 1_000_000)
ACCESSES = 2000  # sequences read in a step
SHARDS = (5, 50, 500)  # 10, 100 and 1,000 hours
IN_SHARD = 1440  # sequences of a shard: two hours
WINDOW = 150  # frames of a sequence in a shard, five seconds
SHARED_IN_SHARD = 20
ON_DISK = 10  # shards whose sequences all have rows of their own: 0.7 GB
BATCH = 256  # clips of a step
CLIP = 64  # frames of a clip
CLASSES = 60
SUBJECTS = 106


def write_store(path: Path, count: int, frames: int = FRAMES, shared: int = SHARED, first: int = 0) -> None:
    """Write a store of sequences of 25 joints.

    Args:
        path: Folder of the store; it must not exist.
        count: Number of sequences.
        frames: Frames of each.
        shared: Sequences with rows of their own; the others share these.
        first: Number of the first sequence, in names and digests.
    """
    path.mkdir(parents=True)
    draws = np.random.default_rng(first)
    index = np.zeros(count, INDEX)
    index["row"] = np.arange(count) % shared * frames
    index["frames"] = frames
    index["persons"] = 1
    index["fps"] = 30
    index["label"] = np.arange(count) % CLASSES
    index["subject"] = draws.integers(1, SUBJECTS + 1, count)
    index["camera"] = 1
    digests = np.array([f"{number:032x}" for number in range(first, first + count)])
    arrays = {
        "positions": draws.normal(size=(shared * frames, 25, 3)).astype("<f4"),
        "valid": np.ones((shared * frames, 25), bool),
        "index": index,
        "digests": digests,
        "names": np.array([f"S001C001P{number:012d}" for number in range(first, first + count)]),
        "parts": np.where(index["subject"] % 2, TRAIN, TEST).astype(np.int8)[:, None],
    }
    for name, array in arrays.items():
        np.save(path / f"{name}.npy", array)
    about = asdict(Description("synthetic", NTU25, tuple(f"class {label}" for label in range(CLASSES))))
    header = {"version": VERSION, "description": about, "preparation": PREPARATION, "splits": {"xsub": "as drawn"}}
    header |= {"fingerprint": fingerprint(digests, index), "revision": "", "summary": {}}
    (path / "store.json").write_text(json.dumps(header))


def write_shards(path: Path, shards: int, whole: bool) -> None:
    """Write shards of two hours each and the store that joins them, `joined` in the folder.

    Args:
        path: The folder; it must not exist.
        shards: Their number.
        whole: Whether each sequence has rows of its own.
    """
    folders = [path / str(number) for number in range(shards)]
    for number, folder in enumerate(folders):
        write_store(folder, IN_SHARD, WINDOW, IN_SHARD if whole else SHARED_IN_SHARD, number * IN_SHARD)
    join_stores(path / "joined", folders, "joined", None)


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


def _all_of(path: Path) -> Dataset:
    return Dataset.of(Store(path / "joined"), "joined", ALL)


def opening_shards(path: Path) -> Step:
    """A step that opens the joined store in the folder, for training on all of it."""

    def step(_number: int) -> None:
        _all_of(path)

    return step


def shuffling(path: Path) -> Step:
    """A step that forms the first batch of an epoch, for which all samples are shuffled."""
    data = _all_of(path)
    order = BatchOrder(torch.from_numpy(data.train.ids), BATCH, 0, data.store.shards)

    def step(number: int) -> None:
        order.local_batch(-(-number * len(data.train) // BATCH))

    return step


def cutting(path: Path) -> Step:
    """A step that forms the next batch and cuts its clips, from rows that the system may keep in memory."""
    data = _all_of(path)
    order = BatchOrder(torch.from_numpy(data.train.ids), BATCH, 0, data.store.shards)
    cutter = ClipCutter.from_store(data.store, CLIP)

    def step(number: int) -> None:
        batch = order.local_batch(number)
        cutter.random(batch.ids, batch.draws(0, "clips"))

    return step


def cutting_from_disk(path: Path) -> Step:
    """As `cutting`, but the store is opened again and the system is told to forget its files before each step."""
    files = [file for shard in path.iterdir() for file in shard.glob("*.npy")]
    os.sync()  # what is not on the disk yet cannot be forgotten

    def step(number: int) -> None:
        for file in files:
            with file.open("rb") as opened:
                os.posix_fadvise(opened.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        cutting(path)(number)

    return step


def measuring(path: Path) -> Step:
    """A step that finds the typical size of coordinates and motion, as a training does before it begins."""
    data = _all_of(path)

    def step(_number: int) -> None:
        median_coordinate_rms(data.train)
        median_clip_rms(data.train, CLIP)

    return step


if __name__ == "__main__":
    if len(sys.argv) > 3:
        write_shards(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3] == "whole")
    else:
        write_store(Path(sys.argv[1]), int(sys.argv[2]))
