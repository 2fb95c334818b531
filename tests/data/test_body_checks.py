"""What the body tells about a recording: every spoiled copy is noticed, and clean recordings are left in peace."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from helpers.recordings import SBU, UTD_MHAD
from jointwise.data.body_checks import REMEDIES, check_recording, exchanged_axes
from jointwise.data.body_checks.body import Body, name_frames
from jointwise.data.body_checks.pose import bone_excess
from jointwise.data.body_checks.values import repeated_points
from jointwise.data.conventions import turn
from jointwise.data.datasets import DATASETS
from jointwise.data.findings import LOOK, STOP
from jointwise.data.sequence import Sequence
from jointwise.data.skeletons import NTU25, Skeleton, unnamed_skeleton
from jointwise.data.synthetic import generate

Spoil = Callable[[np.ndarray, np.ndarray], None]


@pytest.fixture(scope="module")
def recordings() -> list[Sequence]:
    """Every action of one person, seen by one camera."""
    return list(generate(subjects=(1,), cameras=(2,)))


@pytest.fixture(scope="module")
def one(recordings: list[Sequence]) -> Sequence:
    return next(sequence for sequence in recordings if sequence.label == 5)


def checks(sequence: Sequence) -> dict[str, str]:
    """Check -> message of what is found, and every finding has a remedy and names its recording."""
    found = check_recording(sequence)
    assert len({finding.check for finding in found}) == len(found)
    assert all(finding.check in REMEDIES and finding.source == sequence.source for finding in found)
    return {finding.check: finding.message for finding in found}


def changed(sequence: Sequence, spoil: Spoil) -> Sequence:
    positions, valid = sequence.positions.copy(), sequence.validity.copy()
    spoil(positions, valid)
    return replace(sequence, positions=positions, valid=valid)


def moved(sequence: Sequence, matrix: np.ndarray) -> Sequence:
    return replace(sequence, positions=sequence.positions @ np.asarray(matrix, np.float32).T)


def test_clean_recordings_are_left_in_peace(recordings: list[Sequence]) -> None:
    assert [finding for sequence in recordings for finding in check_recording(sequence)] == []


@pytest.mark.parametrize(("name", "root"), [("utd-mhad", UTD_MHAD), ("sbu", SBU)])
def test_real_recordings_have_jumps_at_most(name: str, root: object) -> None:
    source = DATASETS[name]
    if not root.is_dir():  # type: ignore[attr-defined]
        pytest.skip(f"the recordings of {name} are not here")
    found = source.recordings(root)  # type: ignore[arg-type]
    named = [
        finding.check
        for item in list(found.items.values())[::20]
        for finding in check_recording(replace(found.read(item), skeleton=source.description.skeleton))
    ]
    assert set(named) <= {"jumps"}


def test_frames_before_persons_are_exchanged_axes(one: Sequence) -> None:
    exchanged = Sequence(one.positions.swapaxes(0, 1), NTU25, one.validity.swapaxes(0, 1))
    assert exchanged_axes(exchanged)
    assert not exchanged_axes(one)
    assert "persons in 1 frame: are the axes exchanged?" in checks(exchanged)["axes exchanged"]
    assert not exchanged_axes(Sequence(np.zeros((4, 1, 25, 3)), NTU25))  # four persons in one picture


@pytest.mark.parametrize("pixels", [True, False])
def test_a_confidence_in_the_place_of_z_is_noticed(one: Sequence, pixels: bool) -> None:
    def spoil(positions: np.ndarray, valid: np.ndarray) -> None:
        valid[:] = True
        positions[..., :2] = positions[..., :2] * (300, -300) + 500 if pixels else 0.5 + 0.2 * positions[..., :2]
        positions[..., 2] = np.random.default_rng(0).uniform(0.3, 1, valid.shape)

    assert "confidence of a detector" in checks(changed(one, spoil))["confidence as depth"]


@pytest.mark.parametrize("point", [(0, 0, 0), (-1, -1, -1), (9999, 9999, 9999), (0, 4.8, 0)])
def test_signs_for_missing_joints_are_noticed(one: Sequence, point: tuple[float, float, float]) -> None:
    def spoil(positions: np.ndarray, valid: np.ndarray) -> None:
        positions[0, 5:15, [6, 7]] = point
        valid[0, 5:15, [6, 7]] = True

    spoiled = changed(one, spoil)
    (found,) = repeated_points(Body.of(spoiled))
    expected = np.zeros(spoiled.validity.shape, bool)
    expected[0, 5:15, [6, 7]] = True
    assert np.array_equal(found.places, expected)
    assert found.point.tolist() == pytest.approx(point)
    assert "first left_wrist, left_hand in frame 5" in checks(spoiled)["same point"]


def test_a_root_at_the_origin_is_no_missing_joint(one: Sequence) -> None:
    centred = replace(one, positions=one.positions - one.positions[:, :, :1])
    assert "same point" not in checks(centred)
    assert "frozen joints" not in checks(centred)


def test_missing_joints_and_missing_persons_are_counted(one: Sequence) -> None:
    def half(_positions: np.ndarray, valid: np.ndarray) -> None:
        valid[:, ::3, ::5], valid[:, 1::3, 1::5], valid[:, 2::3, 2::5] = False, False, False
        valid[:, ::2, 3:] = False

    def absent(_positions: np.ndarray, valid: np.ndarray) -> None:
        valid[:, valid.shape[1] // 4 :] = False

    def nobody(_positions: np.ndarray, valid: np.ndarray) -> None:
        valid[:] = False

    assert "of the joints of persons are not seen" in checks(changed(one, half))["missing"]
    assert "Nobody is seen in 7" in checks(changed(one, absent))["missing"]
    assert "in any frame" in checks(changed(one, nobody))["missing"]
    assert "missing" not in checks(changed(one, lambda _, valid: valid.__setitem__((..., slice(20, 25)), False)))


def test_units_are_compared_with_the_height_of_the_body(one: Sequence) -> None:
    assert "millimetres, not metres?" in checks(replace(moved(one, 1000 * np.eye(3)), units="m"))["unit"]
    assert "no human's height" in checks(moved(one, 25 * np.eye(3)))["unit"]
    assert "unit" not in checks(replace(moved(one, 100 * np.eye(3)), units="cm"))


def test_axes_are_compared_with_the_stance_of_the_body(one: Sequence) -> None:
    assert "stands on its head" in checks(moved(one, np.diag([1, -1, -1])))["upside down"]
    assert "z up?" in checks(moved(one, turn("y", "z")))["up axis"]
    assert "up axis" not in checks(replace(moved(one, turn("y", "z")), up="z"))
    assert "mirror image" in checks(moved(one, np.diag([-1, 1, 1])))["mirrored"]


def test_joints_in_another_order_are_noticed_and_the_order_found(one: Sequence) -> None:
    rolled = checks(changed(one, lambda positions, _: positions.__setitem__(..., np.roll(positions, 1, 2))))
    assert "joint 0 of the file is 'right_thumb'" in rolled["joint order"]
    drawn = np.random.default_rng(0).permutation(25)
    assert "joint order" in checks(
        changed(one, lambda positions, _: positions.__setitem__(..., positions[:, :, drawn]))
    )
    backwards = replace(NTU25, name="mine", joints=NTU25.joints[::-1])
    assert "joint order" not in checks(
        replace(one, positions=one.positions[:, :, ::-1], valid=None, skeleton=backwards)
    )


def test_bones_of_a_straight_line_are_no_longer_than_the_shortest_tree() -> None:
    line = np.arange(8.0)[None, :, None] * [1, 0, 0]
    chain = [(joint, joint + 1) for joint in range(7)]
    assert bone_excess(chain, line) == pytest.approx(1)
    assert bone_excess([(0, joint) for joint in range(1, 8)], line) == pytest.approx(28 / 7)
    assert bone_excess(chain, line[:0]) == 0


def test_bones_that_change_their_length_are_noticed(one: Sequence) -> None:
    grow = np.where(np.arange(one.frames) % 2, 0.6, 1.4)[:, None, None]
    assert "bone lengths" in checks(replace(one, positions=one.positions * grow))


def test_frames_and_joints_that_stand_still_are_noticed(one: Sequence) -> None:
    def frames(positions: np.ndarray, valid: np.ndarray) -> None:
        positions[:, 10:40], valid[:, 10:40] = positions[:, 10:11], True

    def joint(positions: np.ndarray, valid: np.ndarray) -> None:
        positions[:, 10:, 9], valid[:, 10:, 9] = positions[:, 10:11, 9], True

    assert "29 of" in checks(changed(one, frames))["frozen frames"]
    assert "up to 29 in a row from frame 11" in checks(changed(one, frames))["frozen frames"]
    assert checks(changed(one, joint))["frozen joints"].endswith("while others move: right_elbow.")
    assert "still" in checks(replace(one, positions=np.repeat(one.positions[:, :1], one.frames, 1), valid=None))


def test_jumps_and_exchanged_sides_are_noticed_with_their_frames(one: Sequence) -> None:
    def jump(positions: np.ndarray, valid: np.ndarray) -> None:
        valid[:, 19:22] = True
        positions[:, 20, 4] += 2

    def swap(positions: np.ndarray, valid: np.ndarray) -> None:
        valid[:] = True
        positions[:, 20:30] = positions[:, 20:30][:, :, list(NTU25.mirror_permutation)]

    jumps = checks(changed(one, jump))["jumps"]
    assert "(left_shoulder): frames 20, 21." in jumps
    assert "frames 20, 30." in checks(changed(one, swap))["left and right"]
    slow = changed(one, jump)
    assert "jumps" in checks(replace(slow, fps=10.0))
    assert "jumps" not in checks(replace(slow, fps=3.0))  # 3.5 m in a third of a second


def test_few_frames_are_noticed(one: Sequence) -> None:
    short = replace(one, positions=one.positions[:, :3], valid=one.validity[:, :3])
    assert checks(short)["few frames"] == "Only 3 frames."


def test_joints_without_names_are_looked_at_as_far_as_that_goes(one: Sequence) -> None:
    unnamed = replace(one, skeleton=unnamed_skeleton(25))
    assert checks(unnamed) == {}
    jumping = changed(unnamed, lambda positions, _: positions[:, 20, 4].__iadd__(5))
    assert set(checks(jumping)) == {"jumps"}
    bones = Skeleton("mine", unnamed.skeleton.joints, tuple(
        (f"joint_{a}", f"joint_{b}") for a, b in NTU25.bone_indices), None, None, None)  # fmt: skip
    assert checks(replace(one, skeleton=bones)) == {}
    assert "joint order" in checks(replace(one, skeleton=bones, positions=np.roll(one.positions, 1, 2), valid=None))


def test_verdicts_tell_what_would_spoil_a_training(one: Sequence) -> None:
    verdict = {finding.check: finding.verdict for finding in check_recording(moved(one, np.diag([1, -1, 1])))}
    assert verdict["upside down"] == STOP
    short = replace(one, positions=one.positions[:, :3], valid=one.validity[:, :3])
    assert check_recording(short)[0].verdict == LOOK


def test_frames_are_named_and_counted() -> None:
    assert name_frames(np.ones(5, bool)) == "frames 0, 1, 2 and 2 more"
    assert name_frames(np.array([False, True])) == "frame 1"
