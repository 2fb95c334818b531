"""How good a timeline is: answers known by hand."""

import pytest

from jointwise.evaluation.segments import Span, count_matches, edit_score, segmental_f1

TRUE = [Span(0, 4, "walk"), Span(4, 6, "wave"), Span(6, 10, "walk")]


def test_the_truth_itself_is_perfect() -> None:
    assert edit_score(TRUE, TRUE) == 1
    assert segmental_f1([(TRUE, TRUE)], 0.5) == 1
    assert edit_score([], []) == 1
    assert segmental_f1([([], [])], 0.5) == 1


def test_the_edit_score_looks_at_the_order_only() -> None:
    shifted = [Span(span.start / 10, span.end / 10, span.label) for span in TRUE]
    assert edit_score(shifted, TRUE) == 1
    assert edit_score(TRUE[:1], TRUE) == pytest.approx(1 / 3)
    assert edit_score([Span(0, 1, "sit")], TRUE) == 0


def test_an_overlap_decides_whether_a_segment_is_found() -> None:
    late = [Span(2, 4, "walk"), Span(4, 6, "wave"), Span(6, 10, "walk")]  # half of the first one
    assert count_matches(late, TRUE, 0.5) == (3, 0, 0)
    assert count_matches(late, TRUE, 0.51) == (2, 1, 1)
    assert segmental_f1([(late, TRUE)], 0.51) == pytest.approx(2 / 3)


def test_a_true_segment_is_found_once() -> None:
    split = [Span(0, 2, "walk"), Span(2, 4, "walk")]
    assert count_matches(split, TRUE[:1], 0.1) == (1, 1, 0)
    assert segmental_f1([(split, TRUE[:1])], 0.1) == pytest.approx(2 / 3)


def test_another_label_at_the_right_place_is_no_match() -> None:
    assert count_matches([Span(0, 4, "sit")], TRUE[:1], 0.1) == (0, 1, 1)
    assert segmental_f1([([], TRUE)], 0.1) == 0
