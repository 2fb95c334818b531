"""The reliability plot: drawn for probabilities of a classifier, before and after its run was calibrated."""

import json
import re
from pathlib import Path

import numpy as np
import pytest

from helpers.made_pages import make_result, text_of
from jointwise.evaluation.calibration import Reliability
from jointwise.report.page import write_report
from jointwise.report.page.reading import CALIBRATED, FITTED, TRAINED, read_result
from jointwise.report.page.reliability import draw_reliability


def make_scored(folder: Path, sure: float = 0.8, **facts: object) -> Path:
    """A fine-tuning with 20 clips that all say 80 % for the first class; half of them are right."""
    (folder / "results").mkdir(parents=True)
    path = make_result(folder / "results" / "finetune.json", protocol="finetune", **facts)
    labels = np.arange(20) % 2
    scores = np.tile([sure, (1 - sure) / 2, (1 - sure) / 2], (20, 1)).astype(np.float32)
    np.savez(
        path.with_suffix(".npz"), ids=[f"clip{i}" for i in range(20)], subjects=labels, labels=labels, scores=scores
    )
    return path


def calibrated(folder: Path, temperature: float) -> None:
    (folder / "model").mkdir()
    (folder / "model" / "config.json").write_text(json.dumps({"calibration": {"temperature": temperature}}))


def test_a_classifier_that_says_80_and_is_right_in_half_is_off_by_30(tmp_path: Path) -> None:
    (curve,) = read_result(make_scored(tmp_path)).reliability.values()
    assert curve.error == pytest.approx(0.3)
    words = text_of(write_report(tmp_path / "r.html", "T", [], [make_scored(tmp_path / "b")]).read_text("utf-8"))
    assert "as trained, off by 30.0 %" in words
    assert "jointwise calibrate makes it smaller" in words


def test_the_calibration_of_the_run_beside_the_result_is_drawn_too(tmp_path: Path) -> None:
    path = make_scored(tmp_path)
    calibrated(tmp_path, 2.0)
    curves = read_result(path).reliability
    assert list(curves) == [TRAINED, CALIBRATED]
    powers = np.sqrt([0.8, 0.1, 0.1])  # half the logarithms
    assert curves[CALIBRATED].stated == pytest.approx([powers[0] / powers.sum()])
    page = write_report(tmp_path / "r.html", "T", [], [path]).read_text("utf-8")
    assert "calibrated, off by" in text_of(page)
    assert "makes it smaller" not in text_of(page)


def test_a_curve_says_where_it_was_fitted_to_the_clips_that_it_shows(tmp_path: Path) -> None:
    path = make_scored(tmp_path, split={"name": "held out", "is_test": False})
    calibrated(tmp_path, 2.0)
    assert list(read_result(path).reliability) == [TRAINED, FITTED]


@pytest.mark.parametrize("facts", [{"protocol": "knn"}, {"system": "raw", "protocol": "semi"}])
def test_scores_that_are_no_probabilities_have_no_plot(tmp_path: Path, facts: dict[str, str]) -> None:
    path = make_scored(tmp_path)
    path.write_text(json.dumps(json.loads(path.read_text()) | facts))
    assert read_result(path).reliability == {}


def test_scores_that_do_not_add_up_have_no_plot(tmp_path: Path) -> None:
    path = make_scored(tmp_path)
    with np.load(path.with_suffix(".npz")) as arrays:
        np.savez(path.with_suffix(".npz"), **{**arrays, "scores": 2 * arrays["scores"]})
    assert read_result(path).reliability == {}


def test_a_dot_stands_for_five_clips_or_more() -> None:
    curve = Reliability(np.array([0.35, 0.65, 0.95]), np.array([0.0, 0.5, 1.0]), np.array([4, 32, 64]))
    chart = draw_reliability({TRAINED: curve})
    assert chart is not None
    radii = [float(radius) for radius in re.findall(r'<circle[^>]* r="([\d.]+)"', chart.drawing)]
    assert radii == pytest.approx([9 * 0.32**0.5, 9 * 0.64**0.5], abs=0.06)
    assert draw_reliability({}) is None
