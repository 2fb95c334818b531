"""What a data set must have before a training starts: something to learn from, and a fair test part."""

from __future__ import annotations

import numpy as np

from jointwise.data.dataset import Dataset
from jointwise.data.datasets.folder import HELP
from jointwise.data.store.reader import ALL, TEST, TRAIN, UNKNOWN, find_duplicates
from jointwise.errors import DataError


def find_copies(dataset: Dataset) -> list[tuple[str, str]]:
    """Find the test sequences that equal a training sequence.

    Args:
        dataset: The data under its split.

    Returns:
        (training name, test name) of each pair.
    """
    store = dataset.store
    part = np.zeros(len(store), np.int8)
    part[dataset.train.ids] = TRAIN
    part[dataset.test.ids] = TEST
    pairs = find_duplicates(store.digests.tolist(), part == TRAIN, part == TEST)
    return [(str(store.names[a]), str(store.names[b])) for a, b in pairs]


def check_pretrainable(dataset: Dataset, allow_duplicates: bool = False) -> None:
    """Check that there is something to train on, and nothing of it in the test part. Labels do not matter.

    Args:
        dataset: The data under its split.
        allow_duplicates: Accept test sequences that equal a training sequence.

    Raises:
        DataError: The training part is empty, or (unless allowed) a test sequence equals a training sequence.
    """
    if not len(dataset.train):
        raise DataError(
            f"{dataset.name}: the training part is empty under the split '{dataset.split}'. Are files missing? Prepare "
            f"the whole data set, or pre-train on all there is: --split {ALL}."
        )
    pairs = [] if allow_duplicates else find_copies(dataset)
    if pairs:
        raise DataError(
            f"{dataset.name}: {len(pairs)} sequences of the test part are in the training part too, first: "
            f"{pairs[0][1]} equals {pairs[0][0]}. A score would partly measure memory. Leave them out with "
            "jointwise prepare --skip-list FILE, or train with --allow_duplicates true."
        )


def check_trainable(dataset: Dataset, allow_duplicates: bool = False, labels: bool = True) -> None:
    """Check that a score on the test part would be meaningful.

    Args:
        dataset: The data under its split.
        allow_duplicates: Accept test sequences that equal a training sequence.
        labels: Whether classes are learned and scored.

    Raises:
        DataError: As `check_pretrainable`; or the test part is empty. With labels also: there are fewer than two
            classes, a test sequence is unlabelled, or a class has test sequences only.
    """
    if labels and dataset.store.mixture:
        sets = ", ".join(member.data for member in dataset.store.mixture)
        raise DataError(f"{dataset.name}: a pool has no classes, it is for pre-training. Name one of its sets: {sets}.")
    if labels and len(dataset.classes) < 2:
        found = f"only one class, '{dataset.classes[0]}'" if dataset.classes else "its recordings have no classes"
        raise DataError(f"{dataset.name}: {found}. A recogniser needs at least two to tell apart. {HELP}.")
    if len(dataset.train) and not len(dataset.test):
        remedy = "Name another with --split" if dataset.split_name == ALL else "Are files missing? Prepare all of them"
        raise DataError(
            f"{dataset.name}: the test part is empty under the split '{dataset.split}'. {remedy}; only pre-training "
            "works without."
        )
    if labels and len(dataset.train):
        _check_labels(dataset)
    check_pretrainable(dataset, allow_duplicates)


def _check_labels(dataset: Dataset) -> None:
    """Raise DataError where labels of the test part are missing or cannot be learned."""
    if UNKNOWN in dataset.test.labels:
        raise DataError(
            f"{dataset.name}: what would be scored under the split '{dataset.split}' has no labels. Hold out subjects "
            "that have labelled recordings."
        )
    missing = np.setdiff1d(dataset.test.labels, dataset.train.labels).tolist()
    if missing:
        count = int((dataset.test.labels == missing[0]).sum())
        name = dataset.classes[missing[0]]
        raise DataError(
            f"{dataset.name}: class '{name}' has {count} sequence(s), all in the test part: it can be tested but never "
            f"learned. Add recordings of it by training subjects, or leave it out: --without-classes '{name}'."
        )
