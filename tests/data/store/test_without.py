"""Leaving classes and subjects out of a data set: a view without them, and nothing else changed."""

import numpy as np
import pytest

from helpers import tiny
from jointwise.data.dataset import Dataset
from jointwise.data.store.reader import LeftOut
from jointwise.errors import ConfigError


def test_what_is_left_out_is_in_no_part_and_all_else_is_as_it_was(dataset: Dataset) -> None:
    view = dataset.without(["down", "still"], [2])
    assert view.classes == ("up", "left", "right")
    for part, before in ((view.train, dataset.train), (view.test, dataset.test)):
        stay = [
            (name, tiny.CLASSES[label])
            for name, label, subject in zip(before.names, before.labels, before.subjects, strict=True)
            if tiny.CLASSES[label] not in ("down", "still") and subject != 2
        ]
        assert [(name, view.classes[label]) for name, label in zip(part.names, part.labels, strict=True)] == stay
        assert part.digests == [before.digests[before.names.index(name)] for name, _ in stay]
        assert [sequence.label for sequence in part] == part.labels.tolist()
    assert set(dataset.test.subjects) == {2, 4}  # the data themselves stay as they are
    assert dataset.classes == tiny.CLASSES


def test_no_split_brings_back_what_was_left_out(dataset: Dataset) -> None:
    view = dataset.without(subjects=[1, 2])
    assert set(Dataset.of(view.store, "tiny", "all").train.subjects) == {3, 4}
    assert set(view.on_joints(dataset.skeleton.joints[:9]).train.subjects) == {3}
    assert set(view.without(["up"]).train.subjects) == {3}
    assert view.without(["up"]).store.left_out == LeftOut(("up",), (1, 2))


def test_arguments_names_and_words_say_what_was_left_out(dataset: Dataset) -> None:
    view = dataset.without(["up", "left"], [4, 2])
    assert view.arguments == [
        *("--data", "tiny", "--without-classes", "left", "--without-classes", "up"),
        *("--without-subjects", "2", "--without-subjects", "4"),
    ]
    assert view.split == f"{dataset.split}; without classes left, up and subjects 2, 4"
    assert Dataset.of(view.store, "tiny", "all").split.endswith("; without classes left, up and subjects 2, 4")
    same, other = dataset.without(["left", "up"], [2, 4, 4]), dataset.without(["left"])
    assert same.selection_name == view.selection_name != other.selection_name
    joints = view.on_joints(dataset.skeleton.joints[:9])
    assert joints.selection_name == f"{joints.joints_name}-{view.selection_name}"
    assert dataset.without() is dataset
    assert (dataset.selection_name, str(dataset.store.left_out)) == ("", "")


def test_an_unknown_class_or_subject_is_refused_with_what_there_is(dataset: Dataset) -> None:
    with pytest.raises(ConfigError, match=r"tiny has no class 'upp' to leave out. It has: up, down, left, right, st"):
        dataset.without(["upp"])
    with pytest.raises(ConfigError, match=r"tiny has no subject '9' to leave out. It has: 1, 2, 3, 4\."):
        dataset.without(subjects=[9])


def test_unlabelled_sequences_stay_unlabelled(dataset: Dataset) -> None:
    store = dataset.store.on_joints(dataset.skeleton.joints[:9])
    store.index = store.index.copy()
    store.index["label"][::7] = -1
    view = store.without(["up"])
    assert np.array_equal(np.flatnonzero(view.index["label"][::7] == -1), np.arange(len(store.index[::7])))
    assert view.kept[::7].all()
