"""What a person does over time."""

import json
from dataclasses import replace
from itertools import pairwise, product
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from jointwise import cli
from jointwise.data.dataset import Dataset
from jointwise.data.formats import npz
from jointwise.data.sequence import Sequence
from jointwise.data.skeletons import KINECT20
from jointwise.errors import ConfigError, ReadError
from jointwise.inference.answers import NONE, Answer
from jointwise.inference.recognizer import Recognizer
from jointwise.inference.timeline import Course, Segment, Smoother, smooth_labels
from jointwise.inference.windows import LEAST_SEEN, Window, windows_of


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


@pytest.mark.parametrize("seed", range(5))
def test_an_action_is_told_as_soon_as_nothing_can_change_it_and_after_the_lag_at_the_latest(seed: int) -> None:
    scores = np.log(np.random.default_rng(seed).dirichlet(np.ones(3), 60))
    for lag in (1, 5, 100):
        smoother, told = Smoother(2.0, lag), []
        for count, row in enumerate(scores, 1):
            told += smoother.push(row)
            assert count - lag <= len(told) < count
        told += smoother.close()
        assert len(told) == 60
        if lag == 100:
            best = scores[range(60), told].sum() - 2.0 * np.count_nonzero(np.diff(told))
            for changed in range(60):  # no other action in one window, and none in all, is better
                for action in range(3):
                    other = [*told[:changed], action, *told[changed + 1 :]]
                    assert best >= scores[range(60), other].sum() - 2.0 * np.count_nonzero(np.diff(other)) - 1e-9


def test_what_stays_open_between_two_actions_is_decided_after_the_lag() -> None:
    even = np.log([0.5, 0.5])
    smoother = Smoother(2.0, 3)
    told = [smoother.push(even) for _ in range(6)]
    assert told[:4] == [[], [], [], [0, 0, 0]]
    assert [action for actions in told for action in actions] + smoother.close() == [0] * 6


def windows_in(sequence: Sequence, window: float, hop: float) -> list[Window]:
    return list(windows_of(sequence, window, hop))


def test_windows_cover_a_recording_to_its_last_frame() -> None:
    for frames in (1, 5, 59, 60, 61, 200):
        found = windows_in(Sequence(np.ones((1, frames, 20, 3), np.float32), KINECT20), 2.0, 0.5)
        assert found[0].begin == 0
        assert found[-1].end == frames
        assert {one.end - one.begin for one in found} == {min(60, frames)}
        assert all(0 < after.begin - before.begin <= 15 for before, after in pairwise(found))
    with pytest.raises(ConfigError, match="above 0 seconds"):
        windows_in(Sequence(np.ones((1, 10, 20, 3), np.float32), KINECT20), 2.0, 0.0)


@settings(max_examples=30)
@given(
    seen=arrays(bool, array_shapes(min_dims=2, max_dims=2, max_side=40)),
    length=st.integers(1, 12),
    step=st.integers(1, 12),
)
def test_windows_hold_what_the_recording_holds(seen: np.ndarray, length: int, step: int) -> None:
    """Against windows that are cut from the whole recording at once."""
    persons, frames = seen.shape
    positions = np.random.default_rng(0).normal(size=(persons, frames, 20, 3)).astype(np.float32)
    recording = Sequence(positions, KINECT20, np.repeat(seen[..., None], 20, 2), fps=1.0)
    expected = []
    if seen.any():
        start = int(seen.any(0).argmax())
        ends = list(range(start + length, frames + 1, step))
        ends += [frames] if not ends or ends[-1] != frames else []
        for end in ends:
            begin = max(start, end - length)
            expected += [
                (person, begin, end) for person in range(persons) if seen[person, begin:end].mean() >= LEAST_SEEN
            ]
    found = windows_in(recording, length, step)
    assert sorted((one.end, one.begin, one.person) for one in found) == sorted((e, b, p) for p, b, e in expected)
    for one in found:
        part = slice(one.begin, one.end)
        there = np.flatnonzero(seen[one.person, part])
        assert (one.first - one.begin, one.last - one.begin) == (there[0], there[-1] + 1)
        np.testing.assert_array_equal(one.piece.validity[0], recording.validity[one.person, part])
        np.testing.assert_array_equal(one.piece.positions[0][there], recording.positions[one.person, part][there])


def test_windows_stay_on_their_grid_while_nobody_is_there() -> None:
    seen = np.zeros((1, 25, 20), bool)
    seen[:, :4] = seen[:, 14:] = True
    recording = Sequence(np.ones((1, 25, 20, 3), np.float32), KINECT20, seen, fps=1.0)
    assert [(one.begin, one.end) for one in windows_in(recording, 4, 3)] == [
        (0, 4),
        (12, 16),
        (15, 19),
        (18, 22),
        (21, 25),
    ]


def course_of(actions: list[int], spans: list[tuple[int, int]], person: int = 0, cost: float = 0.0) -> list[Segment]:
    """The segments of windows that show walking (0), waving (1) or nothing (2)."""
    course = Course(person, ("walk", "wave", NONE), 10.0, cost)
    piece = Sequence(np.ones((1, 1, 20, 3), np.float32), KINECT20)
    segments = []
    for action, (begin, end) in zip(actions, spans, strict=True):
        shares = np.array([[0.9, 0.1], [0.2, 0.8], [0.9, 0.1]][action])
        answer = Answer(shares, "It stands still.", 999.0) if action == 2 else Answer(shares)
        segments += course.push(Window(person, begin, end, begin, end, piece), answer)
    return segments + course.close()


def test_segments_follow_one_another_and_change_between_windows() -> None:
    first, second = course_of([0, 0, 1, 1], [(0, 20), (10, 30), (20, 40), (30, 50)], 3)
    assert (first.person, first.start, first.end, first.label) == (3, 0.0, 2.5, "walk")
    assert (second.start, second.end, second.label) == (2.5, 5.0, "wave")
    assert first.probability == pytest.approx(0.9, abs=1e-3)
    assert second.probability == pytest.approx(0.8, abs=1e-3)
    (only,) = course_of([1], [(0, 20)])
    assert (only.start, only.end, only.label) == (0.0, 2.0, "wave")


def test_between_windows_that_do_not_overlap_there_is_nothing() -> None:
    first, second = course_of([0, 0], [(0, 20), (21, 41)])
    assert (first.end, second.start) == (2.0, 2.1)
    (whole,) = course_of([0, 0], [(0, 20), (20, 40)])
    assert (whole.start, whole.end) == (0.0, 4.0)


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
    (part,) = recognizer.timeline(first.on_frames(6, own.frames), window=10)
    assert (part.start, part.end) == pytest.approx((6 / own.fps, own.frames / own.fps))
    answer = recognizer.predict(first)
    assert segment.label in (*recognizer.classes, NONE)
    assert (segment.label == NONE) == bool(answer.reason)


def test_a_change_costs_as_much_for_each_of_the_answers_that_see_it(
    finetuned: Path, dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    costs: list[float] = []

    class Noted(Smoother):
        def __init__(self, switch_cost: float) -> None:
            super().__init__(switch_cost)
            costs.append(switch_cost)

    monkeypatch.setattr("jointwise.inference.timeline.Smoother", Noted)
    recognizer = Recognizer.from_pretrained(finetuned)
    for window, hop in ((0.8, 0.4), (0.8, 0.2), (0.4, 0.2)):  # 2, 4 and 2 answers see each moment
        costs.clear()
        assert recognizer.timeline(dataset.test[0].on_persons([0]), window, hop, switch_cost=0.5)
        assert costs == pytest.approx([0.5 * window / hop] * len(costs))


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
    found = course_of([0] * 3 + [2] * 4 + [0] * 3, [(begin, begin + 20) for begin in range(0, 100, 10)], cost=4.0)
    assert [segment.label for segment in found] == ["walk", NONE, "walk"]


def test_a_recording_of_nobody_is_refused_and_one_of_a_moment_has_no_segment(finetuned: Path, dataset: Dataset) -> None:
    recognizer = Recognizer.from_pretrained(finetuned)
    own = dataset.test[0].on_persons([0])
    with pytest.raises(ReadError, match="no valid person"):
        recognizer.timeline(replace(own, valid=np.zeros_like(own.validity)))
    positions, valid = np.tile(own.positions, (1, 9, 1, 1)), np.tile(own.validity, (1, 9, 1))
    valid[:, 3:] = False
    assert recognizer.timeline(replace(own, positions=positions, valid=valid)) == []


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


def test_persons_who_are_named_together_share_windows() -> None:
    seen = np.zeros((3, 40), bool)
    seen[0], seen[1, :20], seen[2, 3:5] = True, True, True
    positions = np.random.default_rng(0).normal(size=(3, 40, 20, 3)).astype(np.float32)
    recording = Sequence(positions, KINECT20, np.repeat(seen[..., None], 20, 2), fps=10.0)
    together = list(windows_of(recording, 1.0, 1.0, together=True))
    alone = list(windows_of(recording, 1.0, 1.0))
    assert [(one.person, one.begin) for one in together] == [(one.person, one.begin) for one in alone]
    first, second = together[:2]
    assert (first.person, second.person) == (0, 1)
    assert first.piece is second.piece
    np.testing.assert_array_equal(first.piece.positions, positions[:2, :10])
    assert [one.piece.persons for one in together] == [2, 2, 2, 2, 1, 1]


def test_a_model_of_interactions_names_persons_by_what_they_do_together(finetuned: Path, dataset: Dataset) -> None:
    recognizer = Recognizer.from_pretrained(finetuned)
    recognizer.card.together = True
    one, other = (dataset.test[place] for place in (0, 20))
    frames = min(one.frames, other.frames)
    pair = replace(
        one,
        positions=np.concatenate([clip.positions[:1, :frames] for clip in (one, other)]),
        valid=np.concatenate([clip.validity[:1, :frames] for clip in (one, other)]),
    )
    found = recognizer.timeline(pair, window=60.0)
    assert [(segment.person, segment.start) for segment in found] == [(0, 0.0), (1, 0.0)]
    assert found[0] == replace(found[1], person=0)
    swapped = recognizer.timeline(replace(pair, positions=pair.positions[::-1], valid=pair.validity[::-1]), window=60.0)
    assert swapped[0].probability == pytest.approx(found[0].probability, abs=1e-4)  # nobody's place matters
    recognizer.card.together = False
    alone = recognizer.timeline(pair, window=60.0)
    assert alone[0].probability != alone[1].probability
