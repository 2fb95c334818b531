"""What a person does over time."""

import json
from dataclasses import replace
from itertools import pairwise, product
from pathlib import Path

import numpy as np
import pytest

from jointwise import cli
from jointwise.data.dataset import Dataset
from jointwise.data.formats import npz
from jointwise.errors import ConfigError
from jointwise.inference.answers import NONE
from jointwise.inference.recognizer import Recognizer
from jointwise.inference.timeline import cut_segments, join_windows, smooth_labels, window_frames


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


def test_a_timeline_names_every_person_from_the_first_frame_of_the_file(finetuned: Path, dataset: Dataset) -> None:
    recognizer = Recognizer.from_pretrained(finetuned)
    own = dataset.test[0]
    first = own.on_persons([0])
    late = np.zeros((1, 30, *first.positions.shape[2:]), np.float32)  # one second before anybody is there
    positions = np.concatenate([late, first.positions], 1)
    valid = np.concatenate([np.zeros(late.shape[:3], bool), first.validity], 1)
    (segment, *others) = recognizer.timeline(replace(first, positions=positions, valid=valid), window=10)
    assert not others
    assert segment.start == pytest.approx(30 / own.fps)
    assert segment.end == pytest.approx((30 + own.frames) / own.fps)
    answer = recognizer.predict(first)
    assert segment.label in (*recognizer.classes, NONE)
    assert (segment.label == NONE) == bool(answer.reason)


def test_two_persons_have_timelines_and_one_who_leaves_has_a_gap(finetuned: Path, dataset: Dataset) -> None:
    recognizer = Recognizer.from_pretrained(finetuned)
    recognizer.card = replace(recognizer.card, movement=None)
    own = dataset.test[0].on_persons([0])
    positions = np.tile(own.positions, (2, 4, 1, 1))
    valid = np.tile(own.validity, (2, 4, 1))
    away = slice(own.frames, 3 * own.frames)
    valid[1, away] = False
    segments = recognizer.timeline(replace(own, positions=positions, valid=valid), window=0.5, hop=0.25)
    assert {segment.person for segment in segments} == {0, 1}
    for person in (0, 1):
        spans = [(segment.start, segment.end) for segment in segments if segment.person == person]
        assert spans == sorted(spans)
        assert all(end <= start + 1e-6 for (_, end), (start, _) in pairwise(spans))
    seen = sum(segment.end - segment.start for segment in segments if segment.person == 1)
    assert seen == pytest.approx(2 * own.frames / own.fps, abs=1.0)  # a window is half empty at most


def test_standing_still_in_between_is_none_of_the_actions() -> None:
    windows = [(0, begin, begin + 20) for begin in range(0, 100, 10)]
    acts, rests = [0.9, 0.099, 0.001], [0.0009, 0.0001, 0.999]
    probabilities = np.array([acts] * 3 + [rests] * 4 + [acts] * 3)
    found = join_windows(windows, probabilities, ("walk", "wave", NONE), 10.0)
    assert [segment.label for segment in found] == ["walk", NONE, "walk"]
    assert join_windows([], np.zeros((0, 3)), ("walk", "wave", NONE), 10.0) == []


@pytest.mark.slow
def test_predict_prints_timelines(
    finetuned: Path, dataset: Dataset, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    npz.write(tmp_path / "own.npz", dataset.test[0])
    words = ["predict", str(finetuned), str(tmp_path / "own.npz"), "--timeline"]
    cli.run(words)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == str(tmp_path / "own.npz")
    assert lines[1].split()[:3] == ["person", "0", "0.00"]
    cli.run([*words, "--json"])
    (content,) = map(json.loads, capsys.readouterr().out.splitlines())
    assert set(content["segments"][0]) == {"person", "start", "end", "label", "probability"}
    cli.run([*words, "--csv", str(tmp_path / "out.csv")])
    rows = (tmp_path / "out.csv").read_text().splitlines()
    assert rows[0] == "path,person,start,end,label,probability"
    assert len(rows) == 1 + len(content["segments"])
