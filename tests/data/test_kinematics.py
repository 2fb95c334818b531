"""A body fitted to positions: answers known by hand, what rigid motion changes, and what is done about gaps."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from jointwise.data.centring import prepare_sequence
from jointwise.data.formats import read, recordings_in
from jointwise.data.kinematics import Body, BodyMotion, body_tree, fit_body
from jointwise.data.rest_pose import ball_radius, rest_place, rest_radius
from jointwise.data.skeletons import KINECT20, NTU25, SKELETONS, Skeleton, unnamed_skeleton
from jointwise.errors import DataError

RECORDINGS = Path(__file__).parents[3] / "shared" / "data"
IDENTITY = np.array([0.0, 0.0, 0.0, 1.0])
ARM = Skeleton(
    "arm", ("spine_shoulder", "left_shoulder", "left_elbow", "left_wrist"),
    (("spine_shoulder", "left_shoulder"), ("left_shoulder", "left_elbow"), ("left_elbow", "left_wrist")),
    "spine_shoulder",
)  # fmt: skip


def t_pose(skeleton: Skeleton, frames: int = 3) -> np.ndarray:
    """(T, V, 3) the figure of the table at rest, 1.7 m tall."""
    places = np.array([rest_place(joint) for joint in skeleton.joints])
    return np.tile(1.7 * places, (frames, 1, 1))


def moving(skeleton: Skeleton, seed: int, frames: int = 12) -> np.ndarray:
    """(T, V, 3) a body of constant bone lengths, every bone of which turns at random by up to 80 degrees."""
    random = np.random.default_rng(seed)
    motion = fit_body(skeleton, t_pose(skeleton), np.ones((3, len(skeleton.joints)), bool))
    nodes = len(motion.body.nodes)
    turns = np.deg2rad(80) * random.uniform(-1, 1, (frames, nodes, 3)) / np.sqrt(3)
    rotations = np.array([Rotation.from_rotvec(turns[frame]).as_quat() for frame in range(frames)])
    translations = np.tile(motion.body.offsets, (frames, 1, 1))
    translations[:, 0] = random.normal(size=(frames, 3))
    return BodyMotion(motion.body, rotations, translations, np.ones(frames, bool)).positions()


def all_valid(positions: np.ndarray) -> np.ndarray:
    return np.ones(positions.shape[:2], bool)


def angle_of(motion: BodyMotion, node: str) -> np.ndarray:
    """(T,) by how many degrees a node is turned against the one it hangs on."""
    index = [candidate.name for candidate in motion.body.nodes].index(node)
    return np.rad2deg(Rotation.from_quat(motion.rotations[:, index]).magnitude())


# --- the tree ---


@pytest.mark.parametrize("skeleton", SKELETONS.values(), ids=SKELETONS)
def test_every_joint_of_a_layout_has_a_node_after_the_one_it_hangs_on(skeleton: Skeleton) -> None:
    nodes = body_tree(skeleton)
    assert {node.joint for node in nodes} == set(range(len(skeleton.joints)))
    assert len({node.name for node in nodes}) == len(nodes)
    assert all(node.parent < index for index, node in enumerate(nodes))
    assert nodes[0].name == skeleton.root
    assert [node.free for node in nodes] == [True] + [False] * (len(nodes) - 1)
    bones = {(nodes[node.parent].joint, node.joint) for node in nodes[1:]} - {
        (node.joint, node.joint) for node in nodes
    }
    assert {frozenset(bone) for bone in bones} == {frozenset(bone) for bone in skeleton.bone_indices}


def test_nodes_stand_in_the_order_in_which_a_bvh_file_nests_them() -> None:
    """Depth first: the parent of a node is the one before it, or one that the node before it hangs on."""
    nodes = body_tree(NTU25)
    for before, node in pairwise(range(len(nodes))):
        above = [before]
        while nodes[above[-1]].parent >= 0:
            above.append(nodes[above[-1]].parent)
        assert nodes[node].parent in above


def test_a_joint_without_bones_hangs_on_the_first_freely_and_a_circle_is_opened() -> None:
    ring = Skeleton("ring", ("a", "b", "c", "alone"), (("a", "b"), ("b", "c"), ("c", "a")), None)
    nodes = {node.name: node for node in body_tree(ring)}
    assert (nodes["a"].free, nodes["alone"].free, nodes["alone"].parent) == (True, True, 0)
    assert sum(len(node.bones) for node in nodes.values() if "_to_" not in node.name) == 2


# --- exactness ---


@pytest.mark.parametrize("skeleton", SKELETONS.values(), ids=SKELETONS)
def test_positions_come_back_where_bones_keep_their_length(skeleton: Skeleton) -> None:
    positions = moving(skeleton, seed=1)
    motion = fit_body(skeleton, positions, all_valid(positions))
    assert np.abs(motion.positions() - positions).max() < 1e-5


@pytest.mark.parametrize("skeleton", SKELETONS.values(), ids=SKELETONS)
def test_the_rest_pose_turns_nothing(skeleton: Skeleton) -> None:
    positions = t_pose(skeleton)
    motion = fit_body(skeleton, positions, all_valid(positions))
    assert np.abs(np.abs(motion.rotations) - IDENTITY).max() < 1e-5
    assert motion.body.stature == pytest.approx(1.7)
    places = motion.body.rest[list(motion.body.node_of)] + motion.translations[0, 0]
    assert np.abs(places - positions[0]).max() < 1e-9


@given(seed=st.integers(0, 99), shift=st.tuples(*[st.floats(-5, 5)] * 3), turn=st.tuples(*[st.floats(-3, 3)] * 3))
def test_rigid_motion_changes_the_first_node_only(seed: int, shift: tuple[float, ...], turn: tuple[float, ...]) -> None:
    positions = moving(NTU25, seed, frames=4)
    rotation = Rotation.from_rotvec(turn)
    moved = positions @ rotation.as_matrix().T + shift
    before, after = (fit_body(NTU25, some, all_valid(some)) for some in (positions, moved))
    same = np.abs((before.rotations[:, 1:] * after.rotations[:, 1:]).sum(-1))
    assert same.min() > 1 - 1e-7  # 0.04 degrees
    expected = rotation * Rotation.from_quat(before.rotations[:, 0])
    assert (expected.inv() * Rotation.from_quat(after.rotations[:, 0])).magnitude().max() < 1e-3
    assert np.allclose(after.translations[:, 0], before.translations[:, 0] @ rotation.as_matrix().T + shift)


def test_an_elbow_bent_by_90_degrees_is_turned_by_90_degrees() -> None:
    straight = t_pose(ARM)
    bent = straight.copy()
    elbow, wrist = straight[0, 2], straight[0, 3]
    bent[1, 3] = elbow + np.array([0, 0, np.linalg.norm(wrist - elbow)])  # from +x at rest to the front
    motion = fit_body(ARM, bent, all_valid(bent))
    assert angle_of(motion, "left_elbow") == pytest.approx([0, 90, 0], abs=1e-3)
    assert angle_of(motion, "left_shoulder") == pytest.approx([0, 0, 0], abs=1e-3)
    index = [node.name for node in motion.body.nodes].index("left_elbow")
    half = np.sqrt(0.5)
    assert motion.rotations[1, index] == pytest.approx([0, -half, 0, half], abs=1e-5)  # x to z is about -y


def test_a_forearm_follows_the_upper_arm_without_twist() -> None:
    """The whole arm raised straight to the front: the shoulder turns, what hangs on it does not."""
    arm = t_pose(ARM)
    for joint in (2, 3):
        reach = np.linalg.norm(arm[1, joint] - arm[1, 1])
        arm[1, joint] = arm[1, 1] + (0, 0, reach)
    motion = fit_body(ARM, arm, all_valid(arm))
    assert angle_of(motion, "left_shoulder")[1] == pytest.approx(90, abs=1e-3)
    assert angle_of(motion, "left_elbow")[1] == pytest.approx(0, abs=1e-3)


def test_bones_have_their_median_length() -> None:
    arm = t_pose(ARM, frames=5)
    lengths = np.array([0.2, 0.25, 0.3, 0.31, 9.0])
    arm[:, 3] = arm[:, 2] + lengths[:, None] * (1, 0, 0)
    motion = fit_body(ARM, arm, all_valid(arm))
    fitted = motion.positions()
    assert np.linalg.norm(fitted[:, 3] - fitted[:, 2], axis=-1) == pytest.approx(0.3)


# --- gaps ---


def test_a_missing_joint_is_turned_halfway_between_the_frames_around_it() -> None:
    arm = t_pose(ARM)
    reach = np.linalg.norm(arm[0, 3] - arm[0, 2])
    arm[2, 3] = arm[2, 2] + (0, 0, reach)
    valid = all_valid(arm)
    valid[1, 3] = False
    arm[1, 3] = np.nan
    motion = fit_body(ARM, arm, valid)
    assert angle_of(motion, "left_elbow") == pytest.approx([0, 45, 90], abs=1e-3)


def test_before_the_first_and_after_the_last_sight_the_nearest_rotation_is_kept_while_the_body_moves_on() -> None:
    arm = t_pose(ARM, frames=4)
    arm[:, 3] = arm[:, 2] + (0, 0.25, 0)
    arm += np.arange(4)[:, None, None] * (1.0, 0, 0)  # it walks a metre in each frame
    valid = all_valid(arm)
    valid[[0, 3], 3] = False
    motion = fit_body(ARM, arm, valid)
    assert np.abs(motion.positions() - arm).max() < 1e-5


def test_a_joint_that_is_never_seen_is_left_out_and_an_absent_person_stays_as_it_was() -> None:
    positions = moving(KINECT20, seed=3)
    valid = all_valid(positions)
    valid[:, KINECT20.joints.index("spine_mid")] = False  # the root
    valid[[0, 3]] = False
    valid[5:] = False
    motion = fit_body(KINECT20, positions, valid)
    assert "spine_mid" not in motion.body.skeleton.joints
    assert sum(node.free for node in motion.body.nodes) == 2  # spine_base lost its bone to the upper body
    kept = [joint for joint in range(20) if KINECT20.joints[joint] != "spine_mid"]
    seen = [1, 2, 4]
    assert np.abs(motion.positions()[seen] - positions[seen][:, kept]).max() < 1e-5
    assert np.allclose(motion.positions()[5:], motion.positions()[4])
    assert np.allclose(motion.positions()[0], motion.positions()[1])
    assert motion.present.tolist() == [False] + [True] * 4 + [False] * (len(positions) - 5)  # a gap is no absence


def test_quaternions_do_not_jump_to_their_opposite() -> None:
    spin = np.linspace(0, 4 * np.pi, 60)
    positions = np.einsum(
        "tij,tvj->tvi", Rotation.from_rotvec(spin[:, None] * (0, 1, 0)).as_matrix(), t_pose(NTU25, 60)
    )
    motion = fit_body(NTU25, positions, all_valid(positions))
    assert (motion.rotations[1:] * motion.rotations[:-1]).sum(-1).min() > 0.9


@pytest.mark.parametrize("places", ["one point", "a line"])
def test_a_body_without_extent_has_finite_rotations(places: str) -> None:
    positions = np.zeros((4, 25, 3))
    if places == "a line":
        positions[..., 1] = np.arange(25)
    motion = fit_body(NTU25, positions, all_valid(positions))
    assert np.isfinite(motion.rotations).all()
    assert np.isfinite(motion.positions()).all()


def test_joints_that_the_figure_does_not_know_take_the_direction_in_which_they_were_seen() -> None:
    tail = Skeleton("cat", ("hip", "tail", "tip"), (("hip", "tail"), ("tail", "tip")), "hip")
    positions = np.tile(np.array([(0, 1, 0), (0, 1, -0.3), (0, 1, -0.5)], float), (4, 1, 1))
    motion = fit_body(tail, positions, all_valid(positions))
    assert np.abs(np.abs(motion.rotations) - IDENTITY).max() < 1e-5
    assert np.abs(motion.positions() - positions).max() < 1e-5
    assert motion.body.stature == pytest.approx(0.5)  # its extent, where no bone is known


def test_what_has_no_bones_or_no_joints_is_refused() -> None:
    with pytest.raises(DataError, match=r"'joints25' has no bones.*`joints` and `bones` of .npz"):
        fit_body(unnamed_skeleton(25), np.zeros((2, 25, 3)), np.ones((2, 25), bool))
    valid = np.zeros((2, 25), bool)
    valid[0, 3] = True
    with pytest.raises(DataError, match=r"no bone connects two joints .* are those of head"):
        fit_body(NTU25, np.zeros((2, 25, 3)), valid)


# --- the figure, and real recordings ---


@pytest.mark.parametrize("skeleton", SKELETONS.values(), ids=SKELETONS)
def test_the_figure_knows_every_joint_of_every_layout_and_is_symmetric(skeleton: Skeleton) -> None:
    for joint, mirror in zip(skeleton.joints, skeleton.mirror_permutation, strict=True):
        place, other = rest_place(joint), rest_place(skeleton.joints[mirror])
        assert place is not None
        assert other is not None
        if skeleton.name != "mediapipe-hand21":  # one hand is no body
            assert place.tolist() == (other * (-1, 1, 1)).tolist()
        assert 0 < rest_radius(joint) <= ball_radius(joint) < 0.1
    assert rest_place("tail") is None


def test_the_nodes_of_a_body_know_their_joints() -> None:
    body: Body = fit_body(NTU25, t_pose(NTU25), np.ones((3, 25), bool)).body
    assert tuple(body.nodes[node].joint for node in body.node_of) == tuple(range(25))


@pytest.mark.skipif(not RECORDINGS.is_dir(), reason=f"no recordings at {RECORDINGS}")
@pytest.mark.parametrize(("data", "centimetres"), [("wmft", 3.0), ("utd-mhad", 3.0)])
def test_a_body_stays_near_a_real_recording(data: str, centimetres: float) -> None:
    """Bones that a sensor stretches cannot be followed exactly: 1 to 2 cm on average."""
    distances = []
    for path in recordings_in(RECORDINGS / data)[::100]:
        sequence = prepare_sequence(read(path))
        seen = sequence.validity[0].any(0)
        fitted = fit_body(sequence.skeleton, sequence.positions[0], sequence.validity[0]).positions()
        distances.append(np.linalg.norm(fitted - sequence.positions[0][:, seen], axis=-1).mean())
    assert 100 * np.mean(distances) < centimetres
