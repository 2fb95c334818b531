"""Who is who over time."""

from pathlib import Path

import numpy as np
import pytest

from jointwise.data.sequence import Bools, Floats
from jointwise.data.skeletons import NTU25, get_skeleton
from jointwise.data.tracking import Bones, Detection, Tracker, Tracks, link_persons

BODY = np.array([[0, 0], [0, 0.5], [0, 1]], np.float32)
TWINS = Path(__file__).parents[3] / "shared/formats/twins"


def walkers(shuffled: bool = True, numbered: bool = False) -> list[list[Detection]]:
    """Two persons 2 apart who walk along x, listed in another order in every second frame."""
    frames = []
    for time in range(20):
        both = [
            Detection(BODY + np.float32([0.1 * time, place]), None, number if numbered else None)
            for number, place in enumerate((0.0, 2.0))
        ]
        frames.append(both[::-1] if shuffled and time % 2 else both)
    return frames


@pytest.mark.parametrize("numbered", [False, True])
def test_persons_listed_in_any_order_keep_their_slot(numbered: bool) -> None:
    tracks = link_persons(walkers(numbered=numbered), 3, 2)
    assert tracks.positions.shape == (2, 20, 3, 2)
    assert tracks.valid.all()
    np.testing.assert_array_equal(tracks.positions[:, :, 0, 1], [[0.0] * 20, [2.0] * 20])
    assert tracks.persons == ((0, 1) if numbered else (None, None))


def test_without_tracking_the_order_of_the_file_is_kept() -> None:
    tracks = link_persons(walkers(), 3, 2, track="none")
    np.testing.assert_allclose(tracks.positions[0, :4, 0, 1], [0, 2, 0, 2])


def test_a_joint_that_is_nan_is_not_seen_and_a_gap_is_bridged() -> None:
    frames = walkers(shuffled=False)
    frames[3][0].points[1] = np.nan
    frames[5] = []
    frames[6] = frames[6][1:]
    tracks = link_persons(frames, 3, 2)
    assert tracks.positions.shape[0] == 2
    assert not tracks.valid[0, 3, 1]
    assert tracks.valid[0, 3, 0]
    assert not tracks.valid[:, 5].any()
    assert not tracks.valid[0, 6].any()
    assert tracks.valid[1, 6].all()


def test_who_comes_back_late_is_another_person() -> None:
    frames = [frame[:1] for frame in walkers(shuffled=False)]
    frames[4:16] = [[] for _ in range(12)]
    assert link_persons(frames, 3, 2, fps=30.0).positions.shape[0] == 1
    assert link_persons(frames, 3, 2, fps=10.0).positions.shape[0] == 2


def test_who_walks_on_behind_something_is_as_fast_afterwards_as_before() -> None:
    frames = [[Detection(BODY + np.float32([0.2 * time, 0]))] for time in range(30)]
    frames[15:19] = [[] for _ in range(4)]
    assert link_persons(frames, 3, 2, fps=30.0).positions.shape[0] == 1


def test_who_comes_back_at_the_end_of_the_gap_is_the_same_person() -> None:
    for missing, persons in ((4, 1), (5, 2)):  # 10 frames a second: seen again 0.5 and 0.6 seconds later
        frames = [[Detection(BODY)] for _ in range(20)]
        frames[8 : 8 + missing] = [[] for _ in range(missing)]
        assert link_persons(frames, 3, 2, fps=10.0).positions.shape[0] == persons


def detections(positions: Floats, valid: Bools, seed: int) -> list[list[Detection]]:
    """The persons who are there in each frame, in random order."""
    random = np.random.default_rng(seed)
    missing = np.where(valid[..., None], positions, np.nan).astype(np.float32)
    return [
        [Detection(missing[person, time]) for person in random.permutation(len(positions)) if valid[person, time].any()]
        for time in range(positions.shape[1])
    ]


def assert_same_persons(tracks: Tracks, positions: Floats, valid: Bools) -> None:
    """Every person has one slot, with all of the person's frames and none of another's; slots may be in any order."""
    order = sorted(range(len(tracks.valid)), key=lambda slot: np.abs(tracks.positions[slot] - positions[0]).sum())
    np.testing.assert_array_equal(tracks.valid[order], valid)
    np.testing.assert_array_equal(tracks.positions[order], np.where(valid[..., None], positions, 0))


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("name", ["truth_mediapipe33_px", "truth_ntu25_metres_yup"])
def test_two_real_persons_in_random_order_with_gaps_are_told_apart(name: str, seed: int) -> None:
    path = TWINS / f"{name}.npz"
    if not path.is_file():
        pytest.skip("the sample files are not here")
    with np.load(path, allow_pickle=False) as file:
        positions, valid = file["positions"].astype(np.float32), file["valid"].copy()
        bones = get_skeleton(str(file["joints"])).bone_indices
    valid[1, 14:18] = False  # besides person 1 in frames 20 to 22
    for some in ((), bones):
        tracks = link_persons(detections(positions, valid, seed), *positions.shape[2:], 60.0, bones=some)
        assert_same_persons(tracks, positions, valid)
        assert tracks.notes == ()


def crossing(unit: float, coordinates: int, fps: float) -> Floats:
    """Two persons of different height who walk through each other at 1.2 m/s; (2, T, 25, C)."""
    body = np.random.default_rng(0).uniform(0, 1, (25, 3)) * [0.5, 1.7, 0.3]  # a cloud of joints of a body's size
    time = np.arange(-1, 1, 1 / fps)
    positions = np.stack([body + np.zeros((len(time), 1, 1)), 0.9 * body + np.zeros((len(time), 1, 1))])
    positions[..., 0] += 1.2 * np.array([1, -1])[:, None, None] * time[:, None]
    return (unit * positions[..., :coordinates]).astype(np.float32)


@pytest.mark.parametrize(("unit", "coordinates"), [(1.0, 3), (1000.0, 3), (400.0, 2)])
@pytest.mark.parametrize("fps", [10.0, 30.0])
def test_persons_who_cross_keep_their_slot_in_any_unit(unit: float, coordinates: int, fps: float) -> None:
    positions = crossing(unit, coordinates, fps)
    valid = np.ones(positions.shape[:3], bool)
    valid[1, positions.shape[1] // 2 - 2 : positions.shape[1] // 2 + 1] = False  # hidden behind the other
    tracks = link_persons(detections(positions, valid, 0), 25, coordinates, fps, bones=NTU25.bone_indices)
    assert_same_persons(tracks, positions, valid)


@pytest.mark.parametrize(("bones", "kept"), [((), False), (((0, 1), (1, 2)), True)])
def test_bone_lengths_tell_who_is_who_where_places_do_not(bones: Bones, kept: bool) -> None:
    """Two persons of different build jump to where the other was."""
    small, tall = BODY, np.array([[0.1, 0], [0.1, 0.4], [0.1, 1]], np.float32)
    one, other = np.float32([0, 0]), np.float32([0.12, 0])
    frames = [[Detection(small + one), Detection(tall + one)] for _ in range(5)]
    frames += [[Detection(tall + one - other), Detection(small + other)]]
    tracks = link_persons(frames, 3, 2, bones=bones)
    assert (tracks.positions[0, 5] == small + other).all() == kept


def test_a_short_ghost_is_dropped_and_told_and_one_with_a_number_is_kept() -> None:
    ghost = BODY + np.float32(9)
    frames = [[*frame, *([Detection(ghost)] if time in (3, 4) else [])] for time, frame in enumerate(walkers())]
    tracks = link_persons(frames, 3, 2, fps=30.0)
    assert tracks.positions.shape[0] == 2
    assert tracks.positions.max() < 9
    assert tracks.notes == ("1 person was seen for less than 0.2 s (2 frames in all) and left out.",)
    frames = [
        [*frame, *([Detection(ghost, None, 7)] if time in (3, 4) else [])]
        for time, frame in enumerate(walkers(numbered=True))
    ]
    assert link_persons(frames, 3, 2, fps=30.0).persons == (0, 1, 7)


def test_who_is_there_for_a_fifth_of_a_short_recording_is_no_ghost() -> None:
    for there, persons in ((3, 1), (4, 2)):  # of 20 frames, at 30 frames a second: less than 0.2 seconds
        frames = [[Detection(BODY)] for _ in range(20)]
        for frame in frames[:there]:
            frame.append(Detection(BODY + 5))
        assert link_persons(frames, 3, 2, fps=30.0).positions.shape[0] == persons


def test_a_person_of_a_single_image_is_no_ghost() -> None:
    assert link_persons(walkers()[:1], 3, 2).positions.shape == (2, 1, 3, 2)
    assert link_persons([[], []], 3, 2).positions.shape == (0, 2, 3, 2)


def test_numbers_of_persons_count_only_where_all_have_one() -> None:
    frames = walkers(numbered=True)
    frames[4] = [Detection(person.points) for person in frames[4]]
    tracks = link_persons(frames, 3, 2)
    np.testing.assert_array_equal(tracks.positions[:, :, 0, 1], [[0.0] * 20, [2.0] * 20])
    assert link_persons(frames, 3, 2, track="file").positions[0, 1, 0, 1] == 2  # by order


def test_two_persons_with_one_number_are_told_apart_by_places() -> None:
    frames = walkers(numbered=True)
    frames[7] = [Detection(person.points, None, 0) for person in frames[7]]
    tracks = link_persons(frames, 3, 2)
    assert tracks.valid.all()  # neither takes the place of the other
    np.testing.assert_array_equal(tracks.positions[:, :, 0, 1], [[0.0] * 20, [2.0] * 20])
    assert "Two persons of frame 7 have the same number" in tracks.notes[0]
    assert link_persons(frames, 3, 2, track="file").positions[0, 1, 0, 1] == 2  # by order


def test_a_tracker_follows_persons_frame_by_frame_and_forgets_who_left() -> None:
    tracker = Tracker(30.0)
    there = [BODY, BODY + np.float32(5)]
    assert tracker.follow(there, 0) == [0, 1]
    assert tracker.follow(there[::-1], 1) == [1, 0]
    assert tracker.follow([], 2) == []
    assert tracker.follow(there[1:], 3) == [1]
    assert tracker.follow(there, 17) == [2, 1]  # the first was last seen more than half a second ago
    for time in range(18, 400):
        tracker.follow([BODY + np.float32(9 * time)], time)  # another person in each frame
    assert len(tracker._tracks) == 16


def test_who_walks_on_while_half_of_the_body_is_hidden_stays_one_person() -> None:
    body = np.array([[0, 0], [0, 0.25], [0, 0.5], [0, 1]], np.float32)
    frames = [[Detection(body + np.float32([0.03 * time, 0]))] for time in range(60)]
    for frame in frames[10:40]:
        frame[0].points[:2] = np.nan
    assert link_persons(frames, 4, 2).positions.shape[0] == 1
