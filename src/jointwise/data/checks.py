"""What a data set must have before a training starts: something to learn from, and a fair test part."""

from __future__ import annotations

import numpy as np

from jointwise.data.dataset import Dataset
from jointwise.data.datasets.folder import HELP
from jointwise.data.set_checks import Shared, find_shared
from jointwise.data.store.reader import ALL, UNKNOWN
from jointwise.errors import DataError, counted, first_few

_SHOWN = 10  # sequences that a message names


def find_leaks(dataset: Dataset) -> list[Shared]:
    """Find the test sequences that equal a training sequence, or share most of their frames with training sequences.

    Args:
        dataset: The data under its split.

    Returns:
        What is shared, by name, whole sequences first.
    """
    store = dataset.store
    train, test = np.zeros((2, len(store)), bool)
    train[dataset.train.ids] = True
    test[dataset.test.ids] = True
    return find_shared(store.names, store.digests.tolist(), store.frames, train, test)


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
    leaks = [] if allow_duplicates else find_leaks(dataset)
    if leaks:
        shown = first_few([str(leak) for leak in leaks], _SHOWN, "\n  ")
        raise DataError(
            f"{dataset.name}: {counted(len(leaks), 'sequence')} of the test part are in the training part too, or most "
            f"of their frames are:\n  {shown}\nA score would partly measure memory. Leave copies out with jointwise "
            "prepare --skip-list FILE, keep all pieces of one recording in one part (subject_pattern or test_files in "
            "dataset.yaml), or train with --allow_duplicates true."
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
        size = int((dataset.test.labels == missing[0]).sum())
        name = dataset.classes[missing[0]]
        raise DataError(
            f"{dataset.name}: class '{name}' has {counted(size, 'sequence')}, all in the test part: it can be tested "
            f"but never learned. Add recordings of it by training subjects, or leave it out: --without-classes "
            f"'{name}'."
        )
