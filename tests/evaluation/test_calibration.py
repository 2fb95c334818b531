"""Calibration: answers known by hand, and what must hold for any logits."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jointwise.errors import DataError
from jointwise.evaluation.calibration import (
    KEPT,
    LEAST_CLIPS,
    auroc,
    calibrate,
    false_alarms,
    fit_temperature,
    probabilities,
    reliability,
    threshold_keeping,
)

SEEDS = st.integers(0, 2**32 - 1)


def drawn(seed: int, clips: int = 4000, classes: int = 5, spread: float = 2.0) -> tuple[np.ndarray, np.ndarray]:
    """Logits, and labels drawn by exactly the probabilities that these state."""
    random = np.random.default_rng(seed)
    logits = random.normal(0, spread, (clips, classes))
    chances = probabilities(logits).cumsum(1)
    return logits, (random.random((clips, 1)) > chances).sum(1).clip(max=classes - 1)


@given(SEEDS, st.floats(0.05, 20))
def test_a_temperature_never_changes_the_order_of_classes(seed: int, temperature: float) -> None:
    logits = np.random.default_rng(seed).normal(size=(20, 6))
    stated = probabilities(logits, temperature)
    assert np.allclose(stated.sum(1), 1)
    assert np.array_equal(stated.argmax(1), logits.argmax(1))


def test_labels_drawn_by_the_stated_probabilities_need_no_temperature_and_have_no_error() -> None:
    logits, labels = drawn(0)
    assert fit_temperature(logits, labels) == pytest.approx(1, abs=0.06)
    assert reliability(probabilities(logits), labels).error < 0.02


@pytest.mark.parametrize("factor", [0.2, 3.0])
def test_logits_times_k_need_k_times_the_temperature(factor: float) -> None:
    logits, labels = drawn(1, 500)
    once = fit_temperature(logits, labels)
    assert fit_temperature(factor * logits, labels) == pytest.approx(factor * once, rel=1e-3)


def test_a_constant_added_to_the_logits_of_a_clip_changes_nothing() -> None:
    logits, labels = drawn(2, 500)
    shifted = logits + np.random.default_rng(0).normal(0, 5, (500, 1))
    assert fit_temperature(shifted, labels) == pytest.approx(fit_temperature(logits, labels), rel=1e-3)
    as_scores = np.log(probabilities(logits))  # what a result keeps of its clips
    assert fit_temperature(as_scores, labels) == pytest.approx(fit_temperature(logits, labels), rel=1e-3)


def test_clips_that_are_all_recognised_do_not_make_a_model_sure_of_everything() -> None:
    labels = np.arange(20) % 4
    temperature = fit_temperature(np.eye(4)[labels], labels)
    assert probabilities(np.eye(4)[:1], temperature).max() == pytest.approx(21 / 22, abs=1e-3)  # one of 22 is wrong


def test_the_error_of_two_bins_known_by_hand() -> None:
    stated = np.array([[0.92, 0.08], [0.96, 0.04], [0.55, 0.45], [0.55, 0.45]])
    found = reliability(stated, np.array([0, 1, 0, 0]))
    assert found.stated == pytest.approx([0.55, 0.94])
    assert found.right == pytest.approx([1.0, 0.5])
    assert found.clips.tolist() == [2, 2]
    assert found.share == pytest.approx([0.5, 0.5])
    assert found.error == pytest.approx(0.5 * 0.45 + 0.5 * 0.44)


def test_a_model_that_is_sure_and_right_has_no_error() -> None:
    assert reliability(np.eye(3), np.arange(3)).error == 0.0


@given(SEEDS, st.integers(1, 200), st.sampled_from([0.5, 0.9, KEPT, 1.0]))
def test_a_threshold_keeps_its_share_and_a_larger_one_does_not(seed: int, clips: int, share: float) -> None:
    scores = np.random.default_rng(seed).random(clips)
    threshold = threshold_keeping(scores, share)
    assert (scores >= threshold).mean() >= share - 1e-9
    assert (scores > threshold).mean() < share


def test_auroc_and_false_alarms_known_by_hand() -> None:
    known, unknown = np.array([0.9, 0.8, 0.4]), np.array([0.5, 0.3])
    assert auroc(known, unknown) == pytest.approx(5 / 6)  # of six pairs, one is the wrong way round
    assert auroc(np.ones(3), np.ones(2)) == 0.5
    assert auroc(known, known - 1) == 1.0
    assert false_alarms(known, unknown, kept=1.0) == 0.5  # all known have 0.4 or more, and so has one of the others
    assert false_alarms(known, unknown, kept=0.6) == 0.0


def test_a_calibration_says_what_it_found() -> None:
    logits, labels = drawn(3, 400)
    found = calibrate(4 * logits, labels, "subjects 3, 7")
    assert found.temperature == pytest.approx(4, rel=0.2)
    assert found.error_after < 0.08 < found.error_before
    assert found.accuracy == (logits.argmax(1) == labels).mean()
    assert found.rejected == pytest.approx(1 - KEPT)
    stated = probabilities(4 * logits, found.temperature).max(1)
    assert (stated < found.threshold).sum() == 20
    assert (found.held_out, found.clips) == ("subjects 3, 7", 400)


def test_too_few_clips_are_refused() -> None:
    logits, labels = drawn(4, LEAST_CLIPS - 1)
    with pytest.raises(DataError, match=r"subjects 7: 19 clips .* too few .* Hold more subjects out"):
        calibrate(logits, labels, "subjects 7")
