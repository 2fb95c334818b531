"""Accuracy and intervals: hand-counted cases, ties, and what is no knowledge."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import top_k_accuracy_score

from jointwise.evaluation.metrics import macro_f1, telling_ranks, top_k_hits
from jointwise.evaluation.statistics import Measurement, bootstrap_interval

SCORES = np.array(
    [
        [0.6, 0.3, 0.1, 0.0],  # label 0: first
        [0.6, 0.3, 0.1, 0.0],  # label 1: second
        [0.6, 0.3, 0.1, 0.0],  # label 3: last
        [0.1, 0.2, 0.3, 0.4],  # label 2: second
    ]
)
LABELS = np.array([0, 1, 3, 2])


def measure(hits: list[float], subjects: list[int]) -> Measurement:
    return Measurement(np.array(hits, float), np.array(subjects))


@pytest.mark.parametrize(("k", "hits"), [(1, [1, 0, 0, 0]), (2, [1, 1, 0, 1]), (3, [1, 1, 0, 1]), (4, [1, 1, 1, 1])])
def test_top_k_matches_hand_counts(k: int, hits: list[int]) -> None:
    assert top_k_hits(SCORES, LABELS, k).tolist() == hits


def test_ties_count_against_the_label() -> None:
    scores = np.array([[0.5, 0.5, 0.0], [0.5, 0.5, 0.0], [0.0, 0.0, 0.0]])
    labels = np.array([0, 1, 0])
    assert top_k_hits(scores, labels, 1).tolist() == [0, 0, 0]
    assert top_k_hits(scores, labels, 2).tolist() == [1, 1, 0]
    assert top_k_hits(scores, labels, 3).tolist() == [1, 1, 1]


def test_scores_that_are_no_numbers_are_no_knowledge() -> None:
    nan = np.nan
    scores = np.array([[nan, nan, nan], [nan, 0.1, 0.2], [nan, 0.9, 0.2]])
    assert top_k_hits(scores, np.array([0, 0, 1]), 1).tolist() == [0, 0, 0]
    assert top_k_hits(scores, np.array([0, 0, 1]), 2).tolist() == [0, 0, 1]


@given(st.integers(0, 10_000), st.integers(2, 8), st.integers(1, 8))
def test_without_ties_top_k_is_scikit_learns(seed: int, classes: int, k: int) -> None:
    random = np.random.default_rng(seed)
    scores = random.permuted(np.arange(30.0 * classes)).reshape(30, classes)
    labels = random.integers(classes, size=30)
    expected = (
        top_k_accuracy_score(labels, scores, k=k, labels=np.arange(classes)) if k < classes and classes > 2 else None
    )
    mine = top_k_hits(scores, labels, k).mean()
    assert mine == 1.0 if k >= classes else expected is None or mine == pytest.approx(expected)


@pytest.mark.parametrize("value", [0.0, 1.0])
@pytest.mark.parametrize("subjects", [[1, 1, 1, 1], [1, 2, 3, 4], [-1, -1, -1, -1]])
def test_all_right_or_all_wrong_has_an_interval_of_one_point(value: float, subjects: list[int]) -> None:
    assert bootstrap_interval([measure([value] * 4, subjects)]) == (value, value)


def test_the_interval_holds_the_mean_and_lies_in_0_to_1() -> None:
    hits = [1, 0, 1, 1, 0, 1, 1, 1]
    low, high = bootstrap_interval([measure(hits, [1, 1, 2, 2, 3, 3, 4, 4])])
    assert 0 <= low < np.mean(hits) < high <= 1


def test_equal_subjects_leave_no_doubt_between_subjects() -> None:
    assert bootstrap_interval([measure([1, 0, 1, 0, 1, 0], [1, 1, 2, 2, 3, 3])]) == (0.5, 0.5)


def test_two_opposite_subjects_span_everything() -> None:
    # each draw of two subjects is (0, 0), (0, 1), (1, 0) or (1, 1), so both ends have a quarter of the draws
    assert bootstrap_interval([measure([0, 0, 1, 1], [1, 1, 2, 2])]) == (0.0, 1.0)


def test_clips_are_drawn_when_there_is_a_single_subject() -> None:
    low, high = bootstrap_interval([measure([1, 0] * 50, [7] * 100)])
    # binomial with n = 100, p = 0.5: 1.96 · 0.05
    assert low == pytest.approx(0.402, abs=0.02)
    assert high == pytest.approx(0.598, abs=0.02)


def test_a_subject_with_more_clips_weighs_more() -> None:
    hits, subjects = [1] * 30 + [0] * 10, [1] * 30 + [2] * 10
    low, high = bootstrap_interval([measure(hits, subjects)])
    assert (low, high) == (0.0, 1.0)
    many = bootstrap_interval([measure(hits * 20, [s + 2 * copy for copy in range(20) for s in subjects])])
    assert many[0] < 0.75 < many[1]


def test_seeds_widen_the_interval() -> None:
    one = measure([1, 0, 1, 0], [1, 1, 2, 2])
    other = measure([1, 1, 1, 1], [1, 1, 2, 2])
    assert bootstrap_interval([one, one]) == (0.5, 0.5)
    assert bootstrap_interval([one, other]) == (0.5, 1.0)


def test_the_interval_is_the_same_every_time() -> None:
    measurement = measure([1, 0, 1, 1, 0], [1, 2, 3, 4, 5])
    assert bootstrap_interval([measurement]) == bootstrap_interval([measurement])


def test_macro_f1_by_hand() -> None:
    # predictions 0 0 0 3 of labels 0 1 3 2. Class 0: precision 1/3, recall 1, F1 1/2; classes 1, 2, 3: 0
    assert macro_f1(SCORES, LABELS) == pytest.approx(0.5 / 4)


def test_macro_f1_counts_the_classes_that_occur_only() -> None:
    scores = np.eye(5)[[0, 0, 1, 1]]
    # predictions 0 0 1 1 of labels 0 0 0 1. Class 0: 1, 2/3, F1 0.8. Class 1: 1/2, 1, F1 2/3. No others occur
    assert macro_f1(scores, np.array([0, 0, 0, 1])) == pytest.approx((0.8 + 2 / 3) / 2)


def test_seeds_that_judge_different_clips_are_drawn_by_the_same_subjects() -> None:
    """Against the plain way: a table of errors for each draw of subjects and seeds."""
    nan, subjects = np.nan, np.array([1, 1, 2, 2, 2, 9])
    seeds = [np.array([4.0, nan, 1.0, 2.0, 3.0, 8.0]), np.array([4.0, 6.0, nan, 2.0, nan, 7.0])]
    generator = np.random.default_rng(0)
    drawn_subjects = generator.integers(3, size=(2000, 3))
    drawn_seeds = generator.integers(2, size=(2000, 2))
    means = []
    for some, which in zip(drawn_subjects, drawn_seeds, strict=True):
        clips = np.concatenate([np.flatnonzero(subjects == np.array([1, 2, 9])[subject]) for subject in some])
        means.append(np.mean([np.nanmean(seeds[seed][clips]) for seed in which]))
    assert bootstrap_interval([Measurement(hits, subjects) for hits in seeds]) == pytest.approx(
        tuple(np.quantile(means, [0.025, 0.975]))
    )


def test_a_subject_without_a_judged_clip_leaves_the_interval_to_the_others() -> None:
    assert bootstrap_interval([measure([np.nan, np.nan, 3, 5], [1, 1, 2, 2])]) == (4.0, 4.0)


@pytest.mark.parametrize("classes", [1, 2, 5, 6, 60])
def test_a_rank_is_told_only_if_an_answer_can_miss_it(classes: int) -> None:
    worst = -np.eye(classes)[[0]]  # the right class is scored last
    for k in (1, 5):
        can_miss = top_k_hits(worst, np.array([0]), k).sum() == 0
        assert (k in telling_ranks(classes)) == (can_miss or k == 1)
