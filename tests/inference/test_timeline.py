"""What a person does over time."""

from itertools import pairwise, product

import numpy as np
import pytest

from jointwise.errors import ConfigError
from jointwise.inference.timeline import cut_segments, smooth_labels, window_frames


def dense_course(scores: np.ndarray, cost: float) -> float:
    """The best sum of scores less changes over all courses, one by one."""
    count, actions = scores.shape
    return max(
        scores[range(count), course].sum() - cost * np.count_nonzero(np.diff(course))
        for course in map(np.array, product(range(actions), repeat=count))
    )


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("cost", [0.0, 0.3, 1.0, 5.0])
def test_the_smoothed_course_is_the_best_of_all(seed: int, cost: float) -> None:
    scores = np.log(np.random.default_rng(seed).dirichlet(np.ones(3), 7))
    course = smooth_labels(scores, cost)
    value = scores[range(7), course].sum() - cost * np.count_nonzero(np.diff(course))
    assert value == pytest.approx(dense_course(scores, cost))


def test_windows_cover_a_recording_to_its_last_frame() -> None:
    for frames in (1, 5, 59, 60, 61, 200):
        windows = window_frames(frames, 30, 2.0, 0.5)
        assert windows[0][0] == 0
        assert windows[-1][1] == frames
        assert {end - begin for begin, end in windows} == {min(60, frames)}
        assert all(0 < b - a <= 15 for (a, _), (b, _) in pairwise(windows))
    with pytest.raises(ConfigError, match="above 0 seconds"):
        window_frames(10, 30, 2.0, 0.0)


def test_segments_follow_one_another_and_change_between_windows() -> None:
    windows = [(0, 20), (10, 30), (20, 40), (30, 50)]
    probabilities = np.array([[0.9, 0.1], [0.7, 0.3], [0.2, 0.8], [0.4, 0.6]])
    first, second = cut_segments(np.array([0, 0, 1, 1]), probabilities, windows, 10.0, ("walk", "wave"), 3)
    assert (first.person, first.start, first.end, first.label) == (3, 0.0, 2.5, "walk")
    assert (second.start, second.end, second.label) == (2.5, 5.0, "wave")
    assert first.probability == pytest.approx(0.8)
    assert second.probability == pytest.approx(0.7)
    (only,) = cut_segments(np.array([1]), probabilities[:1], windows[:1], 10.0, ("walk", "wave"))
    assert (only.start, only.end, only.label) == (0.0, 2.0, "wave")
