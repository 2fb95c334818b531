"""A live stream: what it says is what the timeline of the same frames says, and no frame stops it."""

import warnings
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from jointwise.data.conventions import Conventions, turn
from jointwise.data.dataset import Dataset
from jointwise.data.sequence import Sequence
from jointwise.data.skeletons import unnamed_skeleton
from jointwise.data.synthetic import generate
from jointwise.data.tracking import Detection, link_persons
from jointwise.errors import CheckpointError, ConfigError, JointwiseWarning, ReadError
from jointwise.inference.recognizer import Recognizer
from jointwise.inference.stream import Event, Stream
from jointwise.inference.timeline import Named, Segment

SIZES = {"window": 0.5, "hop": 0.2, "switch_cost": 1.0}  # many windows, many changes


@pytest.fixture(scope="module")
def recognizer(finetuned: Path, dataset: Dataset) -> Recognizer:
    """A model that says something else of most windows, and is sure of it."""
    recognizer = Recognizer.from_pretrained(finetuned, device="cpu")
    assert recognizer._classifier is not None
    *_, last = (module for module in recognizer._classifier.modules() if isinstance(module, torch.nn.Linear))
    answers = recognizer.predict([dataset.test[number] for number in range(30)])
    usual = np.mean([[np.log(one.probabilities[name]) for name in recognizer.classes] for one in answers], 0)
    with torch.no_grad():
        last.bias.sub_(torch.tensor(usual, dtype=torch.float32)).mul_(30)
        last.weight.mul_(30)
    return recognizer


@pytest.fixture(scope="module")
def scene(dataset: Dataset) -> Sequence:
    """Three persons of 220 frames: one always there, one who goes and comes back, one who comes late for a while."""
    parts = [dataset.test[number].on_persons([0]) for number in (0, 7, 14, 21, 28, 3, 9)]
    steps = np.concatenate([np.diff(part.positions, axis=1, prepend=part.positions[:, :1]) for part in parts], 1)
    positions = (parts[0].positions[:, :1] + steps.cumsum(1))[:, :220]  # what one did begins where the one before ended
    valid = np.concatenate([part.validity for part in parts], 1)[:, :220]
    shifted = [positions[:, :: (-1) ** person] + np.float32([9 * person + 0.5, 0, 0]) for person in range(3)]
    there = np.tile(valid, (3, 1, 1))
    there[1, 40:130] = False
    there[2, :60] = there[2, 150:] = False
    there[:, 90:93] = False  # three frames that the camera dropped
    return replace(parts[0], positions=np.concatenate(shifted), valid=there, source="scene")


def played(
    stream: Stream, recording: Sequence, ids: Iterable[int | str] | None, times: np.ndarray | None = None
) -> list[Event]:
    """The events of a recording that is played to a stream, with all its persons in each frame."""
    names = None if ids is None else list(ids)
    events: list[Event] = []
    for frame in range(recording.frames):
        time = None if times is None else float(times[frame])
        events += stream.push(recording.positions[:, frame], recording.validity[:, frame], time, names)
    return events + stream.close()


def segments_in(events: list[Event]) -> list[Segment]:
    found = [event for event in events if isinstance(event, Segment)]
    return sorted(found, key=lambda segment: (str(segment.person), segment.start))


def assert_same(found: list[Segment], expected: list[Segment]) -> None:
    assert [(one.person, one.label) for one in found] == [(one.person, one.label) for one in expected]
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose((one.start, one.end), (other.start, other.end), atol=1e-6)
        assert one.probability == pytest.approx(other.probability, abs=1e-5)  # of batches of different sizes


def test_the_segments_of_one_person_are_those_of_the_timeline(recognizer: Recognizer, scene: Sequence) -> None:
    alone = scene.on_persons([0])
    expected = recognizer.timeline(alone, **SIZES)
    assert len(expected) >= 3
    assert_same(segments_in(played(recognizer.stream(**SIZES), alone, [0])), expected)
    assert_same(segments_in(played(recognizer.stream(**SIZES), alone, None)), expected)
    short = alone.on_frames(0, 9)  # less than a window
    assert_same(segments_in(played(recognizer.stream(**SIZES), short, [0])), recognizer.timeline(short, **SIZES))


def test_persons_with_ids_who_come_and_go_have_the_segments_of_the_timeline(
    recognizer: Recognizer, scene: Sequence
) -> None:
    expected = recognizer.timeline(scene, **SIZES)
    assert {segment.person for segment in expected} == {0, 1, 2}
    assert_same(segments_in(played(recognizer.stream(**SIZES), scene, range(3))), expected)
    named = segments_in(played(recognizer.stream(**SIZES), scene, ("a", "b", "c")))
    assert_same([replace(one, person="abc".index(str(one.person))) for one in named], expected)


def test_persons_without_ids_are_followed_as_the_reader_of_a_file_follows_them(
    recognizer: Recognizer, scene: Sequence
) -> None:
    random = np.random.default_rng(0)
    points = np.where(scene.validity[..., None], scene.positions, np.float32(np.nan))
    frames = []
    for frame in range(scene.frames):
        there = [person for person in random.permutation(3) if scene.validity[person, frame].any()]
        frames.append(points[there, frame])
    tracks = link_persons([[Detection(one) for one in frame] for frame in frames], 20, 3, scene.fps)
    assert len(tracks.positions) >= 4  # who comes back after seconds is another person
    expected = recognizer.timeline(replace(scene, positions=tracks.positions, valid=tracks.valid), **SIZES)
    found = segments_in(list(recognizer.stream(frames, **SIZES)))
    numbers = {number: place for place, number in enumerate(sorted({int(one.person) for one in found}))}
    slots = sorted({one.person for one in expected})  # without those who were there for a moment
    assert_same(
        [replace(one, person=numbers[int(one.person)]) for one in found],
        [replace(one, person=slots.index(one.person)) for one in expected],
    )


@pytest.mark.parametrize(("seed", "zero"), [(0, 0.0), (1, 12.5), (2, 1.7e9), (3, -4.0)])
def test_frames_that_were_dropped_are_gaps_and_times_need_not_be_regular(
    recognizer: Recognizer, scene: Sequence, seed: int, zero: float
) -> None:
    random = np.random.default_rng(seed)
    jitter = random.uniform(-0.4, 0.4, 219)
    dropped = set((1 + random.permutation(218)[: 20 * seed]).tolist())
    gone = sorted(dropped)
    gaps = scene.validity.copy()
    gaps[:, gone] = False
    expected = recognizer.timeline(replace(scene, valid=gaps), **SIZES)
    places = np.arange(220) + np.array([0.0, *jitter])
    stream = recognizer.stream(**SIZES)
    events: list[Event] = []
    for frame in range(220):
        if frame not in dropped:
            time = zero + places[frame] / scene.fps
            events += stream.push(scene.positions[:, frame], scene.validity[:, frame], time, range(3))
    events += stream.close()
    found = [replace(one, start=one.start - zero, end=one.end - zero) for one in segments_in(events)]
    assert_same(found, expected)


def test_there_is_an_answer_at_each_hop_and_a_segment_when_it_is_final(recognizer: Recognizer, scene: Sequence) -> None:
    alone = scene.on_persons([0]).on_frames(0, 60)
    stream = recognizer.stream(window=1.0, hop=0.5)
    told = [stream.push(alone.positions[:, frame], alone.validity[:, frame], ids=["ann"]) for frame in range(60)]
    assert [frame for frame, events in enumerate(told) if events] == [29, 44, 59]  # with the last frame of the window
    answers = [event for events in told for event in events if isinstance(event, Named)]
    assert [(one.person, one.start, one.end) for one in answers] == [
        ("ann", 0.0, 1.0),
        ("ann", 0.5, 1.5),
        ("ann", 1.0, 2.0),
    ]
    for one in answers:
        assert one.label == next(iter(one.probabilities)) or one.reason
        assert one.probability == max(one.probabilities.values())
        assert one.smoothed in (*stream.classes, "none of these")
    (segment,) = stream.close()
    assert (segment.start, segment.end) == (0.0, 2.0)
    assert stream.close() == []


def test_who_leaves_ends_a_segment_without_anybody_else_in_view(recognizer: Recognizer, scene: Sequence) -> None:
    stream = recognizer.stream(window=0.5, hop=0.25)
    events: list[Event] = []
    for frame in range(30):
        events += stream.push(scene.positions[0, frame], scene.validity[0, frame])
    assert not segments_in(events)
    for _ in range(40):
        events += stream.push([])
    (segment,) = segments_in(events)
    assert segment.end == 1.0
    assert stream.close() == []


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (
            {"positions": np.zeros((2, 7, 3))},
            r"frame 30: positions have the shape \(2, 7, 3\), expected \(persons, 20, 3\)",
        ),
        ({"positions": np.ones((33, 3))}, r"name their layout, such as mediapipe33"),
        ({"positions": np.ones((20, 2))}, r"frame 30: 2 coordinates per joint"),
        ({"positions": "nobody"}, r"frame 30: positions are no array of numbers"),
        (
            {"positions": np.full((1, 20, 3), np.inf)},
            r"frame 30: person 0, joint 0 \(head\) is at \[inf, inf, inf\]",
        ),
        ({"time": 0.9}, r"frame 30: the time goes back from 0\.966667 to 0\.9 seconds"),
        ({"time": float("nan")}, r"frame 30: the time nan is no number of seconds"),
        ({"time": "noon"}, r"frame 30: the time 'noon' is no number of seconds"),
        ({"ids": [1, 2]}, r"frame 30: 2 ids for 1 persons"),
        ({"ids": [1.5]}, r"frame 30: the id 1\.5 is neither a whole number nor text"),
        ({"ids": None}, r"frame 30: persons without ids, but those of the frames before were with"),
        ({"positions": np.ones((2, 20, 3)), "ids": [1, 1]}, r"frame 30: two persons have the id 1"),
        ({"valid": np.ones((1, 7))}, r"frame 30: the valid mask has shape \(1, 7\), expected \(1, 20\)"),
    ],
)
def test_a_frame_that_cannot_be_used_is_named_and_the_stream_goes_on(
    recognizer: Recognizer, scene: Sequence, frame: dict[str, Any], message: str
) -> None:
    stream = recognizer.stream(**SIZES)
    events: list[Event] = []
    for number in range(100):
        own = {
            "positions": scene.positions[:1, number],
            "valid": scene.validity[:1, number],
            "time": number / 30,
            "ids": [0],
        }
        if number == 30:
            with pytest.raises(ReadError, match=message):
                stream.push(**{key: value for key, value in (own | frame).items() if key != "valid" or key in frame})
        events += stream.push(**own)
    found = segments_in(events + stream.close())
    assert_same(found, recognizer.timeline(scene.on_persons([0]).on_frames(0, 100), **SIZES))


def test_joints_at_zero_were_not_seen_but_the_origin_was(recognizer: Recognizer, scene: Sequence) -> None:
    alone = scene.on_persons([0])
    centred = alone.positions - alone.positions[:, :, :1]
    assert (centred[:, :, 0] == 0).all()
    valid = alone.validity.copy()
    valid[:, :, 0] = alone.validity.any(2)
    valid[:, 0] = True
    zeros = np.where(valid[..., None], centred, np.float32(0))
    expected = recognizer.timeline(replace(alone, positions=zeros, valid=valid), **SIZES)
    assert_same(segments_in(list(recognizer.stream(zeros[0], **SIZES))), expected)
    lost = np.where(valid[..., None], alone.positions + np.float32(0.001), np.float32(0))
    expected = recognizer.timeline(replace(alone, positions=lost, valid=(lost != 0).any(-1)), **SIZES)
    frames = [{"positions": positions, "ids": ["ann"]} for positions in lost[0]]
    assert_same([replace(one, person=0) for one in segments_in(list(recognizer.stream(frames, **SIZES)))], expected)


@pytest.mark.parametrize(("up", "units"), [(None, None), ("z", "mm")])
def test_other_axes_units_and_joints_are_brought_to_the_model_once(
    recognizer: Recognizer, up: str | None, units: str | None
) -> None:
    card = replace(recognizer.card, conventions=Conventions("y", None), size=0.5)
    upright = Recognizer(card, recognizer._encoder, recognizer._classifier, recognizer.device)
    body = next(iter(generate(subjects=(1,), cameras=(2,), actions=(5,))))  # ntu25, y up, metres
    matrix = (1000 * turn("y", "z")).astype(np.float32)
    spoiled = replace(body, positions=body.positions @ matrix.T, up=up, units=units)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        expected = upright.timeline(body, **SIZES)
        file = upright.timeline(spoiled, **SIZES)
        del caught[:]
        live = segments_in(played(upright.stream(layout="ntu25", up=up, units=units, **SIZES), spoiled, [0]))
    told = [str(one.message) for one in caught]
    assert sum("turned to y up" in one for one in told) == 1
    assert sum("converted" in one for one in told) == 1
    assert_same(live, file)
    assert [one.label for one in live] == [one.label for one in expected]


def test_persons_who_are_forgotten_take_no_memory(recognizer: Recognizer, scene: Sequence) -> None:
    """Every frame brings a person with a new id, as a broken tracker does."""
    stream = recognizer.stream(window=0.5, hop=0.25)
    for frame in range(200):
        stream.push(scene.positions[:1, frame], ids=[frame])
        followed = stream._followed
        assert followed is not None
        assert followed.windows.persons <= 15 + 8
        assert not followed.namer._courses  # nobody was there for half a window
    stream = recognizer.stream(window=0.5, hop=0.25)
    for frame in range(200):
        stream.push(scene.positions[:1, frame] + np.float32(frame % 50 == 0), ids=[frame // 10])
        assert stream._followed is not None
        assert len(stream._followed.namer._courses) <= 3


def test_a_gap_of_days_takes_no_time(recognizer: Recognizer, scene: Sequence) -> None:
    stream = recognizer.stream(**SIZES)
    events: list[Event] = []
    for number, start in enumerate((0.0, 1e6)):
        for frame in range(40):
            events += stream.push(scene.positions[0, frame], time=start + frame / 30)
        assert len({one.person for one in segments_in(events)}) == number
    events += stream.close()
    assert {one.person for one in segments_in(events)} == {0, 1}


@pytest.mark.parametrize(
    ("pace", "told"), [(15, "15 frames come in a second, but 30 are expected"), (30, None), (90, "90")]
)
def test_a_camera_of_another_pace_is_told(recognizer: Recognizer, scene: Sequence, pace: int, told: str | None) -> None:
    stream = recognizer.stream()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for frame in range(100):
            stream.push(scene.positions[0, frame], time=frame / pace)
    messages = [str(one.message) for one in caught if issubclass(one.category, JointwiseWarning)]
    assert len(messages) == (told is not None)
    assert all(str(told) in message and f"fps={pace}" in message for message in messages)


def test_two_frames_at_one_place_are_one(recognizer: Recognizer, scene: Sequence) -> None:
    alone = scene.on_persons([0])
    twice = replace(alone, positions=np.repeat(alone.positions, 2, 1), valid=np.repeat(alone.validity, 2, 1))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = segments_in(played(recognizer.stream(**SIZES), twice, [0], np.repeat(np.arange(220) / 30, 2)))
    assert_same(found, recognizer.timeline(alone, **SIZES))


def test_what_cannot_be_meant_is_refused_before_the_first_frame(recognizer: Recognizer, pretrained: Path) -> None:
    with pytest.raises(ConfigError, match="fps 0: frames per second must be above 0"):
        recognizer.stream(fps=0)
    with pytest.raises(ConfigError, match="unknown skeleton 'mediapipe'"):
        recognizer.stream(layout="mediapipe")
    with pytest.raises(ConfigError, match="unknown unit 'inch'"):
        recognizer.stream(units="inch")
    with pytest.raises(ConfigError, match="unknown axis 'w'"):
        recognizer.stream(up="w")
    with pytest.raises(ConfigError, match="above 0 seconds"):
        recognizer.stream(hop=0)
    with pytest.raises(CheckpointError, match="pre-trained only"):
        Recognizer.from_pretrained(pretrained, device="cpu").stream()


def test_joints_that_the_model_hardly_knows_are_refused(recognizer: Recognizer) -> None:
    stream = recognizer.stream(layout=unnamed_skeleton(17))
    with pytest.raises(ReadError, match="too few joints that the model knows"):
        stream.push(np.ones((17, 3)))
