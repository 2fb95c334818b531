"""BVH: positions known by hand, positions of another program, our own files read back, and damaged files."""

from pathlib import Path

import numpy as np
import pytest

from helpers.recordings import FORMATS as SAMPLES
from helpers.viewed import WAVE, synthetic_clip
from jointwise.data.formats import bvh, detect, read
from jointwise.data.formats.bvh_names import drop_helpers, joint_names
from jointwise.data.kinematics import fit_body
from jointwise.data.layouts import load_layout
from jointwise.data.skeletons import SKELETONS, Skeleton
from jointwise.errors import EmptyRecording, ReadError
from jointwise.report.export import figures_of
from jointwise.report.export.bvh import as_bvh
from jointwise.report.export.figures import Figure

CHAIN = """HIERARCHY
ROOT Hips {
  OFFSET 1 2 3
  CHANNELS 6 Xposition Yposition Zposition Zrotation Xrotation Yrotation
  JOINT Chest
  {
    OFFSET 0 10 0
    CHANNELS {channels}
    JOINT Head
    {
      OFFSET 0 5 0
      CHANNELS 0
      End Site
      {
        OFFSET 0 1 0
      }
    }
  }
}
MOTION
Frames: {frames}
Frame Time: 0.0083333
{rows}
"""


def chain(tmp_path: Path, *rows: str, channels: str = "3 Zrotation Xrotation Yrotation", frames: int = 0) -> Path:
    """A file of a root, a spine of length 10 and a head 5 above it."""
    text = CHAIN
    for key, value in (("channels", channels), ("frames", str(frames or len(rows))), ("rows", "\n".join(rows))):
        text = text.replace("{" + key + "}", value)
    (tmp_path / "chain.bvh").write_text(text)
    return tmp_path / "chain.bvh"


def test_channels_of_position_replace_the_offset_and_rotations_turn_what_hangs_on(tmp_path: Path) -> None:
    path = chain(tmp_path, "100 200 300 0 0 0 0 0 0", "0 0 0 90 0 0 0 0 0", "0 0 0 0 90 0 0 0 0")
    assert detect(path).name == "bvh"
    found = read(path)
    assert found.skeleton.joints == ("spine_base", "spine_mid", "head")
    assert found.skeleton.bones == (("spine_base", "spine_mid"), ("spine_mid", "head"))
    assert found.fps == 120
    assert found.validity.all()
    expected = [
        [(100, 200, 300), (100, 210, 300), (100, 215, 300)],
        [(0, 0, 0), (-10, 0, 0), (-15, 0, 0)],  # a quarter turn about z takes y to -x
        [(0, 0, 0), (0, 0, 10), (0, 0, 15)],  # about x it takes y to z
    ]
    assert np.abs(found.positions[0] - expected).max() < 1e-5


@pytest.mark.parametrize(
    ("channels", "head"),
    [
        ("3 Zrotation Xrotation Yrotation", (-5, 0, 0)),  # Rz(90) Rx(90) Ry(90) applied to y: Rx takes it to z, …
        ("3 Xrotation Zrotation Yrotation", (-5, 0, 0)),
        ("3 Yrotation Xrotation Zrotation", (0, 0, -5)),
    ],
)
def test_rotations_are_applied_in_the_order_of_the_channels(
    tmp_path: Path, channels: str, head: tuple[float, float, float]
) -> None:
    turns = {
        "X": np.array([[1, 0, 0], [0, 0, -1], [0, 1, 0]]),
        "Y": np.array([[0, 0, 1], [0, 1, 0], [-1, 0, 0]]),
        "Z": np.array([[0, -1, 0], [1, 0, 0], [0, 0, 1]]),
    }
    first, second, third = (turns[word[0]] for word in channels.split()[1:])
    expected = first @ second @ third @ (0, 5, 0)
    positions = read(chain(tmp_path, "0 0 0 0 0 0 90 90 90", channels=channels)).positions[0, 0]
    assert np.abs(positions[2] - positions[1] - expected).max() < 1e-5


def test_every_joint_may_have_channels_of_position(tmp_path: Path) -> None:
    channels = "6 Xposition Yposition Zposition Yrotation Xrotation Zrotation"
    found = read(chain(tmp_path, "0 0 0 90 0 0 3 11 0 0 0 0", channels=channels)).positions[0, 0]
    assert np.abs(found - [(0, 0, 0), (-11, 3, 0), (-16, 3, 0)]).max() < 1e-5


@pytest.mark.parametrize("name", ["example", "test_freebvh", "test_mocapbank"])
def test_positions_are_those_of_another_program(name: str) -> None:
    path = SAMPLES / "bvh" / f"{name}.bvh"
    if not path.exists():
        pytest.skip("the samples of file formats are not here")
    golden = np.load(path.with_suffix(".world.npz"))
    joints, table, seconds = bvh.parse(path)
    names = [joint.name for joint in joints]
    assert (len(table), seconds) == (golden["frame_count"], pytest.approx(float(golden["frame_time"])))
    assert set(names) == set(golden["names"])
    order = [names.index(joint) for joint in golden["names"]]
    positions = bvh.world_positions(joints, table)[golden["frames"]][:, order]
    assert np.abs(positions - golden["positions"]).max() < 1e-4 * np.abs(golden["positions"]).max()


def test_the_unit_is_that_in_which_the_body_has_a_human_size() -> None:
    if not (SAMPLES / "bvh").exists():
        pytest.skip("the samples of file formats are not here")
    mixamo = read(SAMPLES / "bvh" / "test_freebvh.bvh")
    assert (mixamo.units, mixamo.up, len(mixamo.skeleton.joints)) == ("cm", "y", 55)
    assert any("unit" in note and "cm" in note for note in mixamo.assumed)
    assert {"left_clavicle", "left_shoulder", "left_elbow", "left_wrist", "head_top"} <= set(mixamo.skeleton.joints)
    inches = read(SAMPLES / "bvh" / "example.bvh")
    assert inches.units is None
    assert any("in none of m, cm and mm" in note for note in inches.assumed)
    told = read(SAMPLES / "bvh" / "example.bvh", units="cm", up="y")
    assert (told.units, told.assumed) == ("cm", ())


@pytest.mark.parametrize("skeleton", SKELETONS.values(), ids=SKELETONS)
def test_a_file_that_jointwise_writes_is_read_back(tmp_path: Path, skeleton: Skeleton) -> None:
    random = np.random.default_rng(0)
    count = len(skeleton.joints)
    positions = random.normal(0, 0.05, (6, count, 3)).cumsum(0) + random.normal(0, 0.3, (1, count, 3))
    motion = fit_body(skeleton, positions, np.ones((6, count), bool))
    (tmp_path / "own.bvh").write_text(as_bvh(Figure("one", 0, motion, 25, 0)))
    found = read(tmp_path / "own.bvh")
    assert found.fps == 25
    assert (found.skeleton.joints, found.skeleton.bones) == (skeleton.joints, skeleton.bones)
    assert np.abs(found.positions[0] - motion.positions()).max() < 1e-4


def test_an_exported_clip_is_read_back_in_metres_with_y_up(tmp_path: Path) -> None:
    (figure,), _ = figures_of(synthetic_clip(WAVE))
    (tmp_path / "own.bvh").write_text(as_bvh(figure))
    found = read(tmp_path / "own.bvh")
    assert (found.units, found.up, found.skeleton.name) == ("m", "y", "ntu25")
    assert np.abs(found.positions[0] - figure.motion.positions()).max() < 1e-4


@pytest.mark.parametrize("rig", ["mixamo", "cmu", "lafan"])
def test_the_names_of_a_rig_are_its_layout(rig: str) -> None:
    layout = load_layout(rig)
    names = [layout.aliases.get(joint, ((joint.capitalize(),),))[0][0] for joint in layout.joints]
    assert "LeftShoulder" in names
    assert joint_names(names) == layout.joints
    assert joint_names([f"mixamorig:{name}" for name in names]) == layout.joints


def test_names_follow_the_programs_that_write_them() -> None:
    sides = ("Left", "Right")
    lafan = ["Hips", "LeftUpLeg", "LeftLeg", "LeftFoot", "LeftToe", "Spine", "Spine1", "Spine2", "Neck", "Head"]
    assert joint_names([*lafan, "LeftShoulder", "LeftArm", "LeftForeArm", "LeftHand"]) == (
        *("spine_base", "left_hip", "left_knee", "left_ankle", "left_foot", "spine_1", "spine_mid", "spine_chest"),
        *("neck", "head", "left_clavicle", "left_shoulder", "left_elbow", "left_wrist"),
    )
    older = [side + part for side in sides for part in ("Shoulder", "Elbow", "Wrist", "Hip", "Knee", "Ankle")]
    parts = ("shoulder", "elbow", "wrist", "hip", "knee", "ankle")
    assert joint_names(["Hips", *older]) == (
        "spine_base",
        *(f"{side.lower()}_{part}" for side in sides for part in parts),
    )
    biped = ["Bip01 Pelvis", "Bip01 L Thigh", "Bip01 L Calf", "Bip01 L Foot", "Bip01 L Toe0", "Bip01 L UpperArm"]
    assert joint_names(biped) == (
        "spine_base",
        *(f"left_{part}" for part in ("hip", "knee", "ankle", "foot", "shoulder")),
    )
    assert joint_names(["upper_arm.L", "hand.R", "Tail", "pole"]) == ("left_shoulder", "right_wrist", "tail", "pole")
    assert joint_names(["a:Hips", "b:Hips"]) == ("a:Hips", "b:Hips")  # both would become spine_base


def test_joints_that_our_own_writer_adds_are_left_out_and_the_tree_stays_whole() -> None:
    names = ["neck", "neck_to_head", "head", "neck_to_left_shoulder", "left_shoulder"]
    assert drop_helpers(names, [-1, 0, 1, 0, 3]) == ([0, 2, 4], [-1, 0, 0])


DAMAGES = {  # what is wrong -> (text to find, what stands there instead, the message)
    "a row is short": ("0 0 0 0 0 0 1 2 3", "0 0 0 0", r"line 24 \(frame 1\): 4 numbers, but the joints have 9"),
    "a row is long": ("0 0 0 0 0 0 1 2 3", "0 " * 10, r"line 24 \(frame 1\): 10 numbers"),
    "no number": ("0 0 0 0 0 0 1 2 3", "0 0 0 0 0 0 1 2 x", r"line 24 \(frame 1\)"),
    "not finite": ("0 0 0 0 0 0 1 2 3", "0 0 0 0 0 0 1 2 nan", r"line 24 \(frame 1\): nan is no finite number"),
    "fewer frames": ("Frames: 2", "Frames: 5", "promises 5 frames, the file has 2"),
    "more frames": ("Frames: 2", "Frames: 1", "promises 1 frames, the file has 2"),
    "frames are text": (
        "Frames: 2",
        "Frames: two",
        "line 21: expected Frames: and at most 9 digits, found 'Frames: two'",
    ),
    "no number of frames": ("Frames: 2", f"Frames: {'9' * 400}", "line 21: expected Frames: and at most 9 digits"),
    "no number of channels": ("3 Zrotation", f"{'9' * 5000} Zrotation", "line 8: CHANNELS needs a number"),
    "no frame time": ("Frame Time: 0.0083333", "", "line 23: expected Frame Time"),
    "frame time of zero": ("0.0083333", "0", "line 22: the frame time is 0 seconds"),
    "an unknown channel": ("3 Zrotation Xrotation", "3 Wrotation Xrotation", "line 8: channel 'wrotation' is none of"),
    "a wrong count of channels": ("3 Zrotation", "4 Zrotation", "line 8: CHANNELS needs a number"),
    "an offset of two numbers": ("OFFSET 0 10 0", "OFFSET 0 10", "line 7: OFFSET needs three numbers"),
    "a brace is missing": ("  }\n}\nMOTION", "  }\nMOTION", "the hierarchy is not complete: 1 braces are open"),
    "a brace too many": ("}\nMOTION", "}\n}\nMOTION", "a brace } without a joint"),
    "two skeletons": ("MOTION", "ROOT Other\n{\n}\nMOTION", "a second skeleton, 'Other'"),
    "a joint comes twice": ("JOINT Head", "JOINT Chest", "JOINT Chest stands at a wrong place, or comes twice"),
    "a joint without a name": ("JOINT Head", "JOINT", "JOINT without a name"),
    "a foreign line": ("OFFSET 0 10 0", "SCALE 0 10 0", "line 7: 'SCALE 0 10 0' does not belong"),
}


@pytest.mark.parametrize("what", DAMAGES)
def test_damage_is_named_with_its_line(tmp_path: Path, what: str) -> None:
    find, instead, message = DAMAGES[what]
    path = chain(tmp_path, "0 0 0 0 0 0 0 0 0", "0 0 0 0 0 0 1 2 3")
    text = path.read_text()
    assert find in text
    path.write_text(text.replace(find, instead, 1))
    with pytest.raises(ReadError, match=message):
        read(path)


@pytest.mark.parametrize("part", [0.2, 0.5, 0.7, 0.9])
def test_a_file_that_is_cut_off_is_refused(tmp_path: Path, part: float) -> None:
    path = chain(tmp_path, *["0 0 0 0 0 0 1 2 3"] * 20)
    text = path.read_text()
    path.write_text(text[: int(part * len(text))])
    with pytest.raises(ReadError, match=r"chain\.bvh, line \d+"):
        read(path)


def test_a_file_without_frames_is_empty(tmp_path: Path) -> None:
    path = chain(tmp_path, "0 0 0 0 0 0 0 0 0")
    path.write_text(path.read_text().replace("Frames: 1", "Frames: 0"))
    with pytest.raises(EmptyRecording, match="0 frames"):
        read(path)
