"""The embedded data set: bodies that stay whole, motions that mean what their label says, cameras that lose joints."""

import re
from pathlib import Path

import numpy as np
import pytest

from jointwise.data.formats import skeleton as skeleton_format
from jointwise.data.sequence import Sequence
from jointwise.data.skeletons import NTU25
from jointwise.data.synthetic import ACTIONS, VERSION, Performance, fingerprint, generate, perform, write_files
from jointwise.data.synthetic.body import Body, Motion, bend_limb, pose, rotation_matrices
from jointwise.data.synthetic.library import LIBRARY, Duo
from jointwise.errors import ConfigError

SUBJECTS = (1, 2, 3)
INDEX = {name: i for i, name in enumerate(NTU25.joints)}
TWO_PERSONS = {"shake hands", "hug", "push", "hand over an object"}


def joint(positions: np.ndarray, name: str) -> np.ndarray:
    return positions[..., INDEX[name], :]


def facing(positions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Directions to the right and ahead of the pelvis (..., 3), level with the floor."""
    right = joint(positions, "right_hip") - joint(positions, "left_hip")
    right = right * [1.0, 0.0, 1.0]
    right /= np.linalg.norm(right, axis=-1, keepdims=True)
    return right, np.cross([0.0, 1.0, 0.0], right)


@pytest.fixture(scope="module")
def performances() -> dict[tuple[int, int], Performance]:
    return {(subject, action): perform(0, subject, action) for subject in range(1, 11) for action in range(24)}


@pytest.fixture(scope="module")
def sequences() -> list[Sequence]:
    return list(generate(0, subjects=SUBJECTS))


def test_there_are_24_actions_of_which_the_last_4_are_for_two() -> None:
    assert len(ACTIONS) == len(set(ACTIONS)) == 24
    assert {entry.name for entry in LIBRARY if isinstance(entry, Duo)} == TWO_PERSONS == set(ACTIONS[20:])
    assert VERSION == 1


def test_labels_sources_and_persons_agree(sequences: list[Sequence]) -> None:
    assert len(sequences) == len(SUBJECTS) * 24 * 3
    assert len({sequence.source for sequence in sequences}) == len(sequences)
    for sequence in sequences:
        name = re.fullmatch(r"S001C(\d{3})P(\d{3})R001A(\d{3})", sequence.source)
        assert name is not None
        assert tuple(map(int, name.groups())) == (sequence.camera, sequence.subject, sequence.label + 1)
        assert sequence.persons == (2 if ACTIONS[sequence.label] in TWO_PERSONS else 1)
        assert sequence.skeleton is NTU25
        assert sequence.positions.dtype == np.float32
        assert 40 <= sequence.frames <= 150
        assert sequence.fps == 30.0


def test_the_same_seed_gives_the_same_data_and_another_seed_other_data(sequences: list[Sequence]) -> None:
    for again in generate(0, subjects=(2,)):
        (first,) = [sequence for sequence in sequences if sequence.source == again.source]
        np.testing.assert_array_equal(first.positions, again.positions)
        np.testing.assert_array_equal(first.validity, again.validity)
    other = next(generate(1, subjects=(1,)))
    assert other.positions.shape != sequences[0].positions.shape or not np.allclose(
        other.positions, sequences[0].positions
    )


def test_a_part_equals_the_same_part_of_the_whole() -> None:
    whole = {s.source: s for s in generate(0, subjects=(4, 5), repetitions=2)}
    part = list(generate(0, subjects=(5,), cameras=(3,)))
    assert [s.camera for s in part] == [3] * 24
    for sequence in part:
        np.testing.assert_array_equal(sequence.positions, whole[sequence.source].positions)
        np.testing.assert_array_equal(sequence.validity, whole[sequence.source].validity)
    repeated = [whole[f"S001C001P004R{r:03d}A001"] for r in (1, 2)]
    assert repeated[0].frames != repeated[1].frames or not np.allclose(repeated[0].positions, repeated[1].positions)


def test_an_unknown_camera_is_refused() -> None:
    with pytest.raises(ConfigError, match="cameras 1, 2 and 3, not"):
        next(generate(cameras=(4,)))


def test_the_fingerprint_is_stable_and_depends_on_the_seed() -> None:
    assert re.fullmatch(r"[0-9a-f]{16}", fingerprint())
    assert fingerprint() == fingerprint(0) != fingerprint(1)


def test_the_generator_is_frozen() -> None:
    # lab/LOG.md: every number on this data belongs to this version; new motions need a new VERSION and new numbers
    assert (VERSION, fingerprint()) == (1, "7230d55009b57104")


def test_bones_never_change_their_length(performances: dict[tuple[int, int], Performance]) -> None:
    for performance in performances.values():
        for person in performance.positions:
            for parent, child in NTU25.bone_indices:
                length = np.linalg.norm(person[:, child] - person[:, parent], axis=-1)
                np.testing.assert_allclose(length, length[0], atol=1e-5)
                assert 0.03 < length[0] < 0.6


def test_bodies_have_the_proportions_of_the_tables() -> None:
    standing = pose(Body(), Motion(1))[0]
    assert joint(standing, "head")[1] == pytest.approx(0.93 * 1.70, abs=0.03)  # the middle of the head: eye height
    assert joint(standing, "spine_shoulder")[1] == pytest.approx(0.818 * 1.70, abs=0.02)
    assert joint(standing, "left_hip")[1] == pytest.approx(0.530 * 1.70, abs=0.02)
    assert joint(standing, "right_knee")[1] == pytest.approx(0.285 * 1.70, abs=0.02)
    mirrored = standing[list(NTU25.mirror_permutation)] * [-1.0, 1.0, 1.0]
    np.testing.assert_allclose(mirrored, standing, atol=1e-12)


def test_everything_is_where_a_body_can_have_it(performances: dict[tuple[int, int], Performance]) -> None:
    for performance in performances.values():
        for person, body in zip(performance.positions, performance.bodies, strict=True):
            assert np.isfinite(person).all()
            assert person[..., 1].min() > -0.06  # toes of a lifted heel may dip a little
            assert person[..., 1].max() < 1.6 * body.stature
            assert np.abs(person - person[:, 1:2]).max() < 0.75 * body.stature
            assert np.linalg.norm(np.diff(person, axis=0), axis=-1).max() < 0.55  # metres per frame: 16 m/s
            assert np.abs(person[..., [0, 2]]).max() < 3.2


def test_somebody_who_does_not_jump_has_a_foot_on_the_floor(
    performances: dict[tuple[int, int], Performance],
) -> None:
    for (_, action), performance in performances.items():
        if ACTIONS[action] == "jump":
            continue
        for person, body in zip(performance.positions, performance.bodies, strict=True):
            lower = np.minimum(joint(person, "left_ankle"), joint(person, "right_ankle"))[:, 1] - body.ankle
            assert lower.min() > -0.01
            assert lower.max() < 0.06


def test_knees_bend_forward_and_elbows_do_not_break(performances: dict[tuple[int, int], Performance]) -> None:
    for performance in performances.values():
        _, ahead = facing(performance.positions)
        for side in ("left", "right"):
            hip, knee, ankle = (joint(performance.positions, f"{side}_{name}") for name in ("hip", "knee", "ankle"))
            along = (ankle - hip) / np.linalg.norm(ankle - hip, axis=-1, keepdims=True)
            off = (knee - hip) - along * ((knee - hip) * along).sum(-1, keepdims=True)
            front = ahead - along * (ahead * along).sum(-1, keepdims=True)
            assert ((off * front).sum(-1) > -0.02).all()
            shoulder, elbow, wrist = (
                joint(performance.positions, f"{side}_{name}") for name in ("shoulder", "elbow", "wrist")
            )
            upper, lower = shoulder - elbow, wrist - elbow
            cosine = (upper * lower).sum(-1) / np.linalg.norm(upper, axis=-1) / np.linalg.norm(lower, axis=-1)
            assert np.degrees(np.arccos(cosine)).min() > 25.0


def test_motions_mean_what_their_label_says(performances: dict[tuple[int, int], Performance]) -> None:
    for (_, action), performance in performances.items():
        first, name = performance.positions[0], ACTIONS[action]
        head, pelvis = joint(first, "head"), joint(first, "spine_base")
        wrists = np.stack([joint(first, "left_wrist"), joint(first, "right_wrist")])
        to_head = np.linalg.norm(wrists - head, axis=-1).min()
        stature = performance.bodies[0].stature
        if name in ("drink", "answer phone", "brush teeth", "scratch head"):
            assert to_head < 0.33
        elif name == "sit down":
            assert pelvis[0, 1] > 0.47 * stature
            assert 0.35 < pelvis[-1, 1] < 0.60
        elif name == "stand up":
            assert 0.35 < pelvis[0, 1] < 0.60
            assert pelvis[-1, 1] > 0.47 * stature
        elif name == "pick up":
            assert wrists[..., 1].min() < 0.50
        elif name == "bow":
            assert head[:, 1].min() < 0.92 * head[0, 1]
        elif name == "jump":
            assert joint(first, "left_ankle")[:, 1].max() > 0.12
        elif name == "walk":
            assert np.linalg.norm(pelvis[-1] - pelvis[0]) > 0.5
        elif name == "march in place":
            assert np.linalg.norm(pelvis[-1] - pelvis[0]) < 0.45


def test_circles_turn_the_way_they_are_called(performances: dict[tuple[int, int], Performance]) -> None:
    for (_, action), performance in performances.items():
        if "circle" not in ACTIONS[action]:
            continue
        person = performance.positions[0]
        right, _ = facing(person)
        shoulder = joint(person, "spine_shoulder")
        areas = []
        for side in ("left", "right"):
            hand = joint(person, f"{side}_wrist") - shoulder
            x, y = (hand * right).sum(-1), hand[:, 1]
            swept = (x[:-1] * np.diff(y) - y[:-1] * np.diff(x)) / 2.0
            areas.append(swept.sum() + (x[-1] * y[0] - y[-1] * x[0]) / 2.0)
        area = max(areas, key=abs)  # of the drawing hand; positive is counter-clockwise for the drawer
        assert (area > 0.0) == ("counter" in ACTIONS[action])


def test_two_persons_face_each_other_and_meet(performances: dict[tuple[int, int], Performance]) -> None:
    for (_, action), performance in performances.items():
        if ACTIONS[action] not in TWO_PERSONS:
            continue
        one, other = performance.positions
        between = joint(other, "spine_base")[0] - joint(one, "spine_base")[0]
        assert (facing(one)[1][0] * between).sum() > 0.8 * np.linalg.norm(between)
        assert (facing(other)[1][0] * -between).sum() > 0.8 * np.linalg.norm(between)
        hands = [np.stack([joint(person, f"{side}_hand") for side in ("left", "right")]) for person in (one, other)]
        apart = np.linalg.norm(hands[0][:, None] - hands[1][None], axis=-1)
        if ACTIONS[action] in ("shake hands", "hand over an object"):
            assert apart.min() < 0.25
        if ACTIONS[action] == "hug":
            assert np.linalg.norm(joint(one, "spine_mid") - joint(other, "spine_mid"), axis=-1).min() < 0.6


def test_cameras_see_the_scene_from_a_few_metres_and_three_sides(sequences: list[Sequence]) -> None:
    angles: dict[int, list[float]] = {1: [], 2: [], 3: []}
    for sequence in sequences:
        seen = sequence.positions[sequence.validity]
        assert seen[:, 2].min() > 0.8
        assert seen[:, 2].max() < 6.5
        if sequence.persons == 1 and ACTIONS[sequence.label] not in ("walk", "march in place"):
            left, right = (joint(sequence.positions[0], f"{side}_shoulder").mean(0) for side in ("left", "right"))
            angles[sequence.camera].append(float(np.degrees(np.arctan2((right - left)[2], (right - left)[0]))))
    means = [np.mean(angles[camera]) for camera in (1, 2, 3)]
    np.testing.assert_allclose(np.abs(means), [45.0, 0.0, 45.0], atol=15.0)
    assert means[0] * means[2] < 0.0


def test_the_sensor_trembles_a_little_and_loses_some_joints(sequences: list[Sequence]) -> None:
    lost = np.concatenate([~sequence.validity.reshape(-1, 25) for sequence in sequences])
    assert 0.003 < lost.mean() < 0.10
    for sequence in sequences:
        assert not sequence.positions[~sequence.validity].any()
        assert sequence.validity[..., INDEX["spine_mid"]].mean() > 0.5
    trembling = []
    for sequence in sequences:
        performance = perform(0, sequence.subject, sequence.label)
        for person, valid, body in zip(sequence.positions, sequence.validity, performance.positions, strict=True):
            both = valid[:, INDEX["spine_mid"]] & valid[:, INDEX["spine_shoulder"]]
            seen = np.linalg.norm(joint(person, "spine_mid") - joint(person, "spine_shoulder"), axis=-1)
            true = np.linalg.norm(joint(body, "spine_mid") - joint(body, "spine_shoulder"), axis=-1)
            trembling.append((seen - true)[both])
    assert 0.002 < np.concatenate(trembling).std() < 0.02


def test_limbs_join_at_known_places() -> None:
    middle, end = bend_limb(
        np.zeros((1, 3)), np.array([[0.0, 0.0, -5.0]]) * 0.2, np.array([[0.0, 1.0, 0.0]]), np.sqrt(0.5), np.sqrt(0.5)
    )
    np.testing.assert_allclose(middle, [[0.0, 0.5, -0.5]], atol=1e-6)
    np.testing.assert_allclose(end, [[0.0, 0.0, -1.0]], atol=1e-6)


def test_turns_are_rotations_in_the_named_directions() -> None:
    angles = np.random.default_rng(0).normal(size=(3, 50))
    matrices = rotation_matrices(angles)
    np.testing.assert_allclose(matrices @ matrices.swapaxes(-1, -2), np.broadcast_to(np.eye(3), (50, 3, 3)), atol=1e-12)
    np.testing.assert_allclose(np.linalg.det(matrices), 1.0)
    quarter = np.pi / 2.0
    up, ahead = np.array([0.0, 1.0, 0.0]), np.array([0.0, 0.0, -1.0])
    np.testing.assert_allclose(rotation_matrices(np.array([quarter, 0.0, 0.0])) @ up, ahead, atol=1e-12)  # bend forward
    np.testing.assert_allclose(
        rotation_matrices(np.array([0.0, quarter, 0.0])) @ up, [1.0, 0.0, 0.0], atol=1e-12
    )  # lean right
    np.testing.assert_allclose(
        rotation_matrices(np.array([0.0, 0.0, quarter])) @ ahead, [-1.0, 0.0, 0.0], atol=1e-12
    )  # turn left


def test_written_files_hold_the_same_recordings(tmp_path: Path) -> None:
    assert write_files(tmp_path / "raw", subjects=(1,), cameras=(2,)) == 24
    expected = {sequence.source: sequence for sequence in generate(0, subjects=(1,), cameras=(2,))}
    files = sorted((tmp_path / "raw").glob("*.skeleton"))
    assert [file.stem for file in files] == sorted(expected)
    for file in files[::4]:
        read, made = skeleton_format.read(file), expected[file.stem]
        np.testing.assert_allclose(read.positions, made.positions, atol=1e-4)
        np.testing.assert_array_equal(read.validity, made.validity)
        assert (read.label, read.subject, read.camera) == (made.label, made.subject, made.camera)
