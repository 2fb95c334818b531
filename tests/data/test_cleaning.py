"""Cleaning: each rule of the NTU heuristic on bodies with answers known by hand, all together against plain loops."""

from collections.abc import Iterable
from dataclasses import replace
from statistics import pvariance

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jointwise.data.cleaning import BRIEF, CLEANING, STILL, clean_ntu, odd_bodies
from jointwise.data.sequence import Sequence
from jointwise.data.skeletons import NTU25
from jointwise.errors import EmptyRecording, ReadError

FRAMES, JOINTS = 60, len(NTU25.joints)
UPRIGHT, WIDE = 0.5, 2.0  # metres from side to side of a body that is 1 metre high


def body(frames: Iterable[int], step: float = 0.0, width: float = UPRIGHT) -> tuple[np.ndarray, np.ndarray]:
    """A body 1 m high that goes `step` metres to the side in every frame, seen in these frames only; (T, V, 3), (T, V).

    Joint v is at (width · v / 24, v / 24, 3); the first coordinate of frame t is moved by t · step.
    """
    share = np.arange(JOINTS) / (JOINTS - 1)
    rest = np.stack([width * share, share, np.full(JOINTS, 3.0)], -1)
    seen = np.zeros((FRAMES, JOINTS), bool)
    seen[list(frames)] = True
    moved = rest + np.arange(FRAMES)[:, None, None] * np.array([step, 0.0, 0.0])
    return np.where(seen[..., None], moved, 0.0), seen


def recording(*bodies: tuple[np.ndarray, np.ndarray]) -> Sequence:
    positions, valid = (np.stack(part) for part in zip(*bodies, strict=True))
    # the third coordinate says where a row came from: slot (metres) and frame (1024ths, so that equal motion is equal)
    slot, frame = np.indices(positions.shape[:2])
    positions[..., 2] = np.where(valid, slot[..., None] + frame[..., None] / 1024, 0.0)
    return Sequence(positions, NTU25, valid, label=49, subject=7, camera=2, source="S001C002P007R001A050")


def rows(sequence: Sequence) -> list[list[tuple[int, int] | None]]:
    """For each person and frame the slot and the frame of the recording it came from; None where nobody is."""
    came_from = np.round(sequence.positions[:, :, 0, 2] * 1024).astype(int)
    seen = sequence.validity.any(-1)
    return [
        [divmod(int(code), 1024) if present else None for code, present in zip(codes, person, strict=True)]
        for codes, person in zip(came_from, seen, strict=True)
    ]


def slots(sequence: Sequence) -> list[list[int]]:
    """For each person the slots it was made of, in the order in which they come."""
    return [list(dict.fromkeys(row[0] for row in person if row)) for person in rows(sequence)]


def frames_of(sequence: Sequence) -> list[int]:
    """The frames of the recording that are left."""
    return [next(row[1] for row in column if row) for column in zip(*rows(sequence), strict=True)]


# --- one rule at a time ---


def test_a_track_of_eleven_frames_is_dropped_and_one_of_twelve_is_kept() -> None:
    short = clean_ntu(recording(body(range(FRAMES), 0.01), body(range(20, 31), 0.5)))
    assert slots(short.sequence) == [[0]]
    assert short.notes == {"tracks of at most 11 frames": 1}
    long = clean_ntu(recording(body(range(FRAMES), 0.01), body(range(20, 32))))
    assert slots(long.sequence) == [[0], [1]]
    assert long.notes == {}


def test_the_frames_of_a_track_are_counted_without_its_gaps() -> None:
    blinking = clean_ntu(recording(body(range(FRAMES)), body(range(0, 22, 2))))  # 11 frames over 21
    assert slots(blinking.sequence) == [[0]]


def test_a_wide_body_is_dropped_however_much_it_moves() -> None:
    cleaned = clean_ntu(recording(body(range(FRAMES), 0.5, WIDE), body(range(FRAMES))))
    assert slots(cleaned.sequence) == [[1]]
    assert cleaned.notes == {"tracks wider than a person (spread)": 1}


def test_a_body_exactly_as_wide_as_allowed_is_upright() -> None:
    tall = np.array([1.0, 2.5, 1.0])  # 0.8 x 2.5 metres are exactly 2 metres
    exact, seen = body(range(FRAMES), 0.0, 2.0)
    above, _ = body(range(FRAMES), 0.0, float(np.nextafter(np.float32(2), np.float32(3))))
    assert slots(clean_ntu(recording((exact * tall, seen), body(range(FRAMES)))).sequence) == [[0], [1]]
    assert slots(clean_ntu(recording((above * tall, seen), body(range(FRAMES)))).sequence) == [[1]]


@pytest.mark.parametrize(("wide_frames", "dropped"), [(41, False), (42, True)])
def test_the_share_of_wide_frames_decides(wide_frames: int, dropped: bool) -> None:
    narrow, seen = body(range(FRAMES))
    narrow[:wide_frames, :, 0] *= WIDE / UPRIGHT  # 41 / 60 = 68.3 %, 42 / 60 = 70 %: the limit is 69.754 %
    cleaned = clean_ntu(recording((narrow, seen), body(range(FRAMES))))
    assert sorted(slots(cleaned.sequence)) == ([[1]] if dropped else [[0], [1]])


def test_the_last_body_is_kept_even_if_it_is_wide() -> None:
    cleaned = clean_ntu(recording(*[body(range(FRAMES), step, WIDE) for step in (0.0, 0.3, 0.1)]))
    assert slots(cleaned.sequence) == [[2]]  # judged in the order of the file: the third is the last left
    assert cleaned.notes == {"tracks wider than a person (spread)": 2}
    after_length = clean_ntu(recording(body(range(FRAMES), 0.0, WIDE), body(range(5))))
    assert slots(after_length.sequence) == [[0]]


def test_the_body_that_moves_most_is_the_first_person() -> None:
    cleaned = clean_ntu(recording(body(range(FRAMES), 0.01), body(range(FRAMES), -0.02)))
    assert slots(cleaned.sequence) == [[1], [0]]
    assert cleaned.notes == {}


def test_equal_motion_keeps_the_order_of_the_file() -> None:
    cleaned = clean_ntu(recording(body(range(FRAMES), 0.01), body(range(FRAMES), 0.01), body(range(3))))
    assert slots(cleaned.sequence) == [[0], [1]]


def test_motion_while_a_body_is_wide_does_not_count() -> None:
    jumpy, seen = body(range(FRAMES))
    jumpy[:10, :, 0] = jumpy[:10, :, 0] * WIDE / UPRIGHT + np.arange(10)[:, None]  # wide and all over the place
    cleaned = clean_ntu(recording((jumpy, seen), body(range(FRAMES), 0.01)))
    assert slots(cleaned.sequence) == [[1], [0]]
    whole = clean_ntu(recording((jumpy * [UPRIGHT / WIDE, 1, 1], seen), body(range(FRAMES), 0.01)))
    assert slots(whole.sequence) == [[0], [1]]  # the same jumps of an upright body do


def test_motion_adds_the_variances_over_frames_and_joints_together() -> None:
    """A body that stands still counts for its size; a crouching one must move to come first."""
    crouching, seen = body(range(FRAMES), 0.005)
    crouching *= 0.5
    cleaned = clean_ntu(recording((crouching, seen), body(range(FRAMES))))
    assert slots(cleaned.sequence) == [[1], [0]]


def test_a_body_that_comes_back_under_a_new_number_is_the_same_person() -> None:
    cleaned = clean_ntu(recording(body(range(20)), body(range(30, 60))))
    assert rows(cleaned.sequence) == [[(0, t) for t in range(20)] + [(1, t) for t in range(30, 60)]]
    assert cleaned.notes == {"frames without a body": 10}


def test_a_body_that_comes_back_keeps_its_gap_while_somebody_is_there() -> None:
    away = [*range(15), *range(40, 60)]
    cleaned = clean_ntu(recording(body(range(FRAMES)), body(away, 0.01)))
    assert rows(cleaned.sequence) == [
        [(1, t) if t in away else None for t in range(FRAMES)],
        [(0, t) for t in range(FRAMES)],
    ]
    assert cleaned.notes == {}


def test_tracks_join_the_first_person_before_the_second() -> None:
    first, second = body(range(30), 0.05), body(range(25), 0.04)
    later, last = body(range(32, 60), 0.02), body(range(35, 50))
    cleaned = clean_ntu(recording(last, later, second, first))
    assert slots(cleaned.sequence) == [[3, 1], [2, 0]]
    assert frames_of(cleaned.sequence) == [*range(30), *range(32, 60)]
    assert cleaned.notes == {"frames without a body": 2}


def test_a_person_is_there_from_its_first_to_its_last_track() -> None:
    """After two tracks joined, the gap between them is taken: a third one inside goes to the second person."""
    cleaned = clean_ntu(recording(body(range(12), 0.09), body(range(48, 60), 0.08), body(range(20, 40))))
    assert slots(cleaned.sequence) == [[0, 1], [2]]


def test_a_third_body_at_the_same_time_is_dropped_and_counted() -> None:
    steps = (0.01, 0.03, 0.0, 0.02)
    cleaned = clean_ntu(recording(*[body(range(FRAMES), step) for step in steps]))
    assert slots(cleaned.sequence) == [[1], [3]]
    assert cleaned.notes == {"overlapping tracks beyond two persons": 2}


def test_tracks_that_share_one_frame_overlap() -> None:
    cleaned = clean_ntu(recording(body(range(31), 0.01), body(range(30, 60))))
    assert slots(cleaned.sequence) == [[0], [1]]
    assert rows(cleaned.sequence)[0][30] == (0, 30)
    assert rows(cleaned.sequence)[1][30] == (1, 30)


def test_frames_with_dropped_bodies_only_go_as_well() -> None:
    cleaned = clean_ntu(recording(body(range(10, 40)), body(range(5))))
    assert frames_of(cleaned.sequence) == list(range(10, 40))
    assert cleaned.notes == {"tracks of at most 11 frames": 1, "frames without a body": 30}


# --- corner cases ---


def test_a_recording_of_one_body_is_left_as_it_is() -> None:
    for alone in (
        recording(body([*range(3, 8), *range(30, 33)], 0.0, WIDE)),  # short, wide, with gaps
        recording(body(()), body(range(5, 50)), body(())),  # slots that are never valid are no bodies
    ):
        cleaned = clean_ntu(alone)
        assert cleaned.sequence is alone
        assert cleaned.notes == {}


def test_a_recording_of_short_tracks_only_or_without_any_is_empty() -> None:
    with pytest.raises(EmptyRecording, match=r"A050: none of its 2 bodies is there for more than 11 frames. Leave it"):
        clean_ntu(recording(body(range(11)), body(range(20, 31))))
    with pytest.raises(EmptyRecording, match=r"A050: no body: not one joint of 2 person slots in 60 frames was seen"):
        clean_ntu(recording(body(()), body(())))
    for shape in ((0, 9, JOINTS, 3), (1, 0, JOINTS, 3), (2, 0, JOINTS, 3)):
        with pytest.raises(EmptyRecording, match="no body"):
            clean_ntu(Sequence(np.zeros(shape, np.float32), NTU25))
    assert issubclass(EmptyRecording, ReadError)


def test_what_is_known_about_a_recording_stays_known() -> None:
    before = replace(recording(body(range(FRAMES)), body(range(20))), fps=25.0)
    after = clean_ntu(before).sequence
    for name in ("skeleton", "fps", "label", "subject", "camera", "source"):
        assert getattr(after, name) == getattr(before, name)


def test_lost_joints_count_nowhere() -> None:
    """A lost joint far to the side, or not a number, makes no body wide and is no motion."""
    good, other = body(range(FRAMES), 0.02), body(range(FRAMES), 0.01)
    expected = clean_ntu(recording(good, other))
    lost = recording(good, other)
    valid = lost.validity.copy()
    valid[:, :, 7] = False
    positions = lost.positions.copy()
    positions[0, :, 7], positions[1, ::2, 7] = np.nan, 1000.0
    cleaned = clean_ntu(replace(lost, positions=positions, valid=valid))
    assert slots(cleaned.sequence) == slots(expected.sequence) == [[0], [1]]
    np.testing.assert_array_equal(cleaned.sequence.validity, valid)


def test_bodies_that_hardly_move_or_last_few_frames_are_counted_beside_others() -> None:
    person, chair, ghost = body(range(FRAMES), step=0.01), body(range(FRAMES)), body(range(11))

    def found(*bodies: tuple[np.ndarray, np.ndarray]) -> dict[str, int]:
        positions, valid = (np.stack(part) for part in zip(*bodies, strict=True))
        return odd_bodies(Sequence(positions, NTU25, valid))

    assert found(person, chair, ghost, ghost) == {STILL: 1, BRIEF: 2}
    assert found(person, person) == {}
    assert found(chair) == {}  # the only body is the person, however still it stands


def test_a_body_hardly_moves_where_no_joint_strays_by_a_hundredth_of_its_size() -> None:
    share = np.arange(JOINTS) / (JOINTS - 1)
    rest = np.stack([0.5 * share, share, np.full(JOINTS, 3.0)], -1)  # its largest extent is 1 m
    seen = np.ones((FRAMES, JOINTS), bool)
    for strayed, still in ((0.009, True), (0.011, False)):
        positions = np.stack([rest, rest])[:, None].repeat(FRAMES, 1)
        positions[0, :, :, 0] += np.arange(FRAMES)[:, None] / 10
        positions[1, ::2, 7, 1] += 2 * strayed  # half of the time it is twice that far: standard deviation `strayed`
        found = odd_bodies(Sequence(positions, NTU25, np.stack([seen, seen])))
        assert found == ({STILL: 1} if still else {})


def test_none_keeps_everything() -> None:
    before = recording(*[body(range(3))] * 4)
    assert CLEANING["none"](before).sequence is before
    assert CLEANING["none"](before).notes == {}
    assert CLEANING["clean_ntu"] is clean_ntu


# --- against plain loops ---


def plainly_cleaned(sequence: Sequence) -> tuple[list[dict[int, int]], list[int]] | None:
    """The rules once more, one number at a time: for each person, frame -> slot; the frames left; None: untouched."""
    frames = {m: [t for t in range(sequence.frames) if any(sequence.validity[m, t])] for m in range(sequence.persons)}
    frames = {m: seen for m, seen in frames.items() if seen}
    if len(frames) == 1:
        return None
    frames = {m: seen for m, seen in frames.items() if len(seen) > 11}

    def joints(m: int, t: int) -> list[list[float]]:
        return [[float(c) for c in sequence.positions[m, t, v]] for v in range(JOINTS) if sequence.validity[m, t, v]]

    def is_wide(m: int, t: int) -> bool:
        xs, ys = ([joint[axis] for joint in joints(m, t)] for axis in (0, 1))
        return max(xs) - min(xs) > 0.8 * (max(ys) - min(ys))

    def motion(m: int, among: list[int]) -> float:
        points = [joint for t in among for joint in joints(m, t)]
        return sum(pvariance([point[axis] for point in points]) for axis in range(3))

    upright = {m: [t for t in seen if not is_wide(m, t)] for m, seen in frames.items()}
    for m in list(frames):
        if len(frames) > 1 and (len(frames[m]) - len(upright[m])) / len(frames[m]) >= 0.69754:
            del frames[m]
    strength = {}
    for m, seen in frames.items():
        strength[m] = motion(m, seen)
        if upright[m]:
            strength[m] = min(strength[m], motion(m, upright[m]))
    persons: list[dict[int, int]] = [{}, {}]
    for m in sorted(frames, key=lambda m: (-strength[m], m)):
        for person in persons:
            taken = set(range(min(person), max(person) + 1)) if person else set()
            if not taken & set(range(frames[m][0], frames[m][-1] + 1)):
                person.update(dict.fromkeys(frames[m], m))
                break
    persons = [person for person in persons if person]
    return persons, sorted(set().union(*persons))


@st.composite
def recordings(draw: st.DrawFn) -> Sequence:
    """Up to five bodies that come, blink and go, upright or wide or now and then so, with lost joints."""
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    bodies = []
    for _ in range(draw(st.integers(1, 5))):
        first, length = draw(st.integers(0, 50)), draw(st.integers(1, 60))
        tracked = np.arange(first, min(first + length, FRAMES))
        seen = tracked[random.random(len(tracked)) > draw(st.sampled_from([0.0, 0.0, 0.3]))]
        positions, valid = body(seen, random.normal(0, 0.02))
        wide = random.random(FRAMES) < draw(st.sampled_from([0.0, 0.3, 0.7, 1.0]))
        positions[wide, :, 0] *= WIDE / UPRIGHT
        positions += random.normal(0, 0.02, positions.shape)
        bodies.append((positions, valid & (random.random(valid.shape) > draw(st.sampled_from([0.0, 0.1])))))
    return recording(*bodies)


def cleaned_or_none(sequence: Sequence) -> Sequence | None:
    try:
        return clean_ntu(sequence).sequence
    except EmptyRecording:
        return None


@settings(max_examples=60)
@given(recordings())
def test_any_recording_is_cleaned_as_plain_loops_clean_it(sequence: Sequence) -> None:
    longest = max((int(present.sum()) for present in sequence.validity.any(-1)), default=0)
    bodies = int(sequence.validity.any((1, 2)).sum())
    cleaned = cleaned_or_none(sequence)
    assert (cleaned is None) == (bodies == 0 or (bodies > 1 and longest <= 11))
    if cleaned is None:
        return
    expected = plainly_cleaned(sequence)
    if expected is None:
        assert cleaned is sequence
        return
    persons, frames = expected
    assert cleaned.positions.shape[:2] == (len(persons), len(frames))
    for person, slot_at in enumerate(persons):
        for place, frame in enumerate(frames):
            if frame in slot_at:
                slot = slot_at[frame]
                np.testing.assert_array_equal(cleaned.positions[person, place], sequence.positions[slot, frame])
                np.testing.assert_array_equal(cleaned.validity[person, place], sequence.validity[slot, frame])
            else:
                assert not cleaned.validity[person, place].any()
                assert not cleaned.positions[person, place].any()


@settings(max_examples=60)
@given(recordings())
def test_rows_are_chosen_and_never_altered(sequence: Sequence) -> None:
    cleaned = cleaned_or_none(sequence)
    if cleaned is None or cleaned is sequence:
        return
    assert cleaned.persons <= 2
    assert cleaned.validity.any((1, 2)).all()
    assert cleaned.validity.any((0, 2)).all()
    at = -1
    for frame in range(cleaned.frames):
        same = [
            original
            for original in range(at + 1, sequence.frames)
            if all(
                not cleaned.validity[person, frame].any()
                or any(
                    np.array_equal(cleaned.positions[person, frame], sequence.positions[slot, original])
                    and np.array_equal(cleaned.validity[person, frame], sequence.validity[slot, original])
                    for slot in range(sequence.persons)
                )
                for person in range(cleaned.persons)
            )
        ]
        assert same, f"frame {frame} is no frame of the recording after {at}"
        at = same[0]


@settings(max_examples=60)
@given(recordings())
def test_cleaning_again_changes_at_most_the_order_of_the_persons(sequence: Sequence) -> None:
    """Not idempotent: tracks are ordered before they are merged, and a merged person may move more than the first."""
    once = cleaned_or_none(sequence)
    if once is None or once is sequence:
        return
    again = clean_ntu(once)
    assert again.notes == {}
    straight = np.array_equal(again.sequence.positions, once.positions)
    crossed = np.array_equal(again.sequence.positions, once.positions[::-1])
    assert straight or crossed
    third = clean_ntu(again.sequence).sequence
    np.testing.assert_array_equal(third.positions, again.sequence.positions)
    np.testing.assert_array_equal(third.validity, again.sequence.validity)
