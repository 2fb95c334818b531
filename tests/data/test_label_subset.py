"""Few labels: stratified, at least one per class, drawn from the seed and nothing else."""

from collections import Counter

import numpy as np
import pytest

from jointwise.data.dataset import Dataset, Part
from jointwise.data.label_subset import canonical_labels, choose_labelled
from jointwise.errors import ConfigError, DataError


def choose(dataset: Dataset, labels: str, seed: int = 0, train: Part | None = None) -> Part:
    return choose_labelled(train or dataset.train, labels, seed, dataset.classes)


def without(dataset: Dataset, label: int, keep: int) -> Part:
    """The training part with only `keep` sequences of class `label`."""
    ids = dataset.train.ids
    members = ids[dataset.train.labels == label]
    return Part(dataset.store, np.setdiff1d(ids, members[keep:]))


@pytest.mark.parametrize(
    ("labels", "each"), [("0.5", 3), ("0.34", 2), ("0.3", 2), ("0.01", 1), ("1shot", 1), ("4shot", 4), ("6shot", 6)]
)
def test_every_class_keeps_its_share_and_at_least_one(dataset: Dataset, labels: str, each: int) -> None:
    assert Counter(choose(dataset, labels).labels.tolist()) == dict.fromkeys(range(5), each)  # 6 sequences per class


@pytest.mark.parametrize("labels", ["0.3", "2shot", "1.0"])
def test_only_training_sequences_are_chosen_each_once_and_in_order(dataset: Dataset, labels: str) -> None:
    chosen = choose(dataset, labels)
    assert set(chosen.ids) <= set(dataset.train.ids)
    assert (np.diff(chosen.ids) > 0).all()


@pytest.mark.parametrize("labels", ["1", "1.0", "1.00"])
def test_all_labels_are_the_whole_training_part(dataset: Dataset, labels: str) -> None:
    assert choose(dataset, labels).ids.tolist() == dataset.train.ids.tolist()


def test_the_choice_follows_from_the_seed_alone(dataset: Dataset) -> None:
    first = choose(dataset, "0.3", seed=1).ids.tolist()
    np.random.default_rng(5).random(100)
    np.random.seed(3)  # noqa: NPY002 - global state must not matter
    assert choose(dataset, "0.3", seed=1).ids.tolist() == first
    assert any(choose(dataset, "0.3", seed=seed).ids.tolist() != first for seed in range(2, 6))


def test_a_smaller_share_is_part_of_a_larger_one(dataset: Dataset) -> None:
    assert set(choose(dataset, "0.2").ids) <= set(choose(dataset, "0.5").ids) <= set(choose(dataset, "0.9").ids)


def test_a_class_with_one_sample_keeps_it_at_every_share(dataset: Dataset) -> None:
    train = without(dataset, 3, keep=1)
    assert Counter(choose(dataset, "0.01", train=train).labels.tolist())[3] == 1
    assert Counter(choose(dataset, "1shot", train=train).labels.tolist())[3] == 1


def test_more_shots_than_a_class_has_names_class_and_counts(dataset: Dataset) -> None:
    with pytest.raises(
        DataError, match=r"--labels 2shot: class 'right' has 1 training sequence\(s\), 2 asked for\. Ask for"
    ):
        choose(dataset, "2shot", train=without(dataset, 3, keep=1))


@pytest.mark.parametrize(
    "labels", ["0", "-0.1", "1.5", "10%", "five", "", "nan", "inf", "shot", "-1shot", "1.5shot", "0shot"]
)
def test_anything_else_is_refused_with_an_example(dataset: Dataset, labels: str) -> None:
    with pytest.raises(ConfigError, match=rf"--labels {labels}: expected .* such as 0\.1, or shots such as 5shot"):
        choose(dataset, labels)


def test_all_has_one_name() -> None:
    assert [canonical_labels(labels) for labels in ("1", "1.0", "all", "0.1", "5shot", "05shot")] == [
        "1.0",
        "1.0",
        "1.0",
        "0.1",
        "5shot",
        "5shot",
    ]
