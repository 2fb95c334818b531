"""What is checked before a training: everything for scores on labels, less for a pre-training."""

from dataclasses import replace

import numpy as np
import pytest

from jointwise.data.checks import check_pretrainable, check_trainable, find_leaks
from jointwise.data.dataset import Dataset, Part
from jointwise.data.store.reader import UNKNOWN
from jointwise.errors import DataError


def unlabelled(dataset: Dataset, *ids: int) -> Dataset:
    """The data with some sequences that have no label."""
    store = dataset.store.on_joints(dataset.skeleton.joints[:10])  # a view, whose index may be another
    store.index = store.index.copy()
    store.index["label"][[*ids]] = UNKNOWN
    return replace(dataset, store=store, train=Part(store, dataset.train.ids), test=Part(store, dataset.test.ids))


def test_a_class_that_only_the_test_part_has_can_be_pre_trained_beside_but_not_scored(dataset: Dataset) -> None:
    lacking = replace(dataset, train=Part(dataset.store, dataset.train.ids[dataset.train.labels != 2]))
    check_pretrainable(lacking)
    check_trainable(lacking, labels=False)
    with pytest.raises(DataError, match=r"class 'left' has 6 .* leave it out: --without-classes 'left'"):
        check_trainable(lacking)


def test_without_a_test_part_only_pre_training_is_left(dataset: Dataset) -> None:
    whole = Dataset.of(dataset.store, "tiny", "all")
    assert (len(whole.train), len(whole.test)) == (60, 0)
    assert (whole.split_mark, whole.arguments) == ("all", ["--data", "tiny", "--split", "all"])
    check_pretrainable(whole)
    for labels in (True, False):
        with pytest.raises(DataError, match=r"test part is empty under the split 'all recordings .* with --split"):
            check_trainable(whole, labels=labels)


def test_an_empty_training_part_names_the_split_that_has_none(dataset: Dataset) -> None:
    empty = replace(dataset, train=Part(dataset.store, dataset.train.ids[:0]))
    for check in (check_pretrainable, check_trainable):
        with pytest.raises(DataError, match=r"training part is empty .* --split all"):
            check(empty)


def test_a_label_is_learned_where_it_is_known_and_scored_only_then(dataset: Dataset) -> None:
    first = int(dataset.train.ids[0])
    some = unlabelled(dataset, first)
    check_trainable(some)
    assert some.train.labelled.ids.tolist() == dataset.train.ids.tolist()[1:]
    assert dataset.train.labelled is dataset.train
    with pytest.raises(DataError, match=r"what would be scored under the split .* has no labels"):
        check_trainable(unlabelled(dataset, int(dataset.test.ids[0])))
    check_trainable(unlabelled(dataset, int(dataset.test.ids[0])), labels=False)


def test_held_out_subjects_are_scored_on_what_has_a_label_where_something_has(dataset: Dataset) -> None:
    of_three = dataset.train.ids[dataset.train.subjects == 3]
    held = unlabelled(dataset, *of_three[:4].tolist()).hold_out([3])
    assert held.test.ids.tolist() == of_three[4:].tolist()
    assert set(held.train.subjects) == {1}
    held = unlabelled(dataset, *of_three.tolist()).hold_out([3])
    assert held.test.ids.tolist() == of_three.tolist()
    check_pretrainable(held)
    assert (np.unique(held.test.labels) == UNKNOWN).all()


@pytest.mark.parametrize("place", [0, 1, -1])
def test_a_copy_is_found_wherever_it_stands_in_the_test_part(dataset: Dataset, place: int) -> None:
    """A test sequence that trains as well equals itself."""
    copied = dataset.test.ids[place]
    both = replace(dataset, train=Part(dataset.store, np.append(dataset.train.ids, copied)))
    (leak,) = find_leaks(both)
    assert (leak.train, leak.test, leak.equal) == (*[str(dataset.store.names[copied])] * 2, True)
    with pytest.raises(DataError, match="1 sequence of the test part"):
        check_pretrainable(both)
