"""Who is who over time."""

import numpy as np
import pytest

from jointwise.data.tracking import Detection, link_persons


def walkers(shuffled: bool = True, numbered: bool = False) -> list[list[Detection]]:
    """Two persons 2 apart who walk along x, listed in another order in every second frame."""
    frames = []
    for time in range(20):
        both = [
            Detection([*np.full((3, 2), place, np.float32), 0.1 * time, 0], None, number if numbered else None)
            for number, place in enumerate((0.0, 2.0))
        ]
        frames.append(both[::-1] if shuffled and time % 2 else both)
    return frames


@pytest.mark.parametrize("numbered", [False, True])
def test_persons_listed_in_any_order_keep_their_slot(numbered: bool) -> None:
    tracks = link_persons(walkers(numbered=numbered), 3, 2)
    assert tracks.positions.shape == (2, 20, 3, 2)
    assert tracks.valid.all()
    np.testing.assert_allclose(tracks.positions[:, :, 0, 1], [[0.0] * 20, [2.0] * 20])
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
