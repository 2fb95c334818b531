"""Layout files: what they say, and what is wrong with one."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from jointwise.data.datasets.folder import source_of
from jointwise.data.formats import npz, read
from jointwise.data.layouts import alias_spellings, layout_names, load_layout, parse_sources, spelling
from jointwise.data.sequence import Sequence
from jointwise.data.skeletons import SKELETONS, Skeleton, get_skeleton, skeleton_of
from jointwise.errors import ConfigError, ReadError

OWN = """
joints: [pelvis, chest, head, LArm, RArm, LLeg, RLeg]
bones: [[pelvis, chest, head], [chest, LArm], [chest, RArm], [pelvis, LLeg], [pelvis, RLeg]]
root: pelvis
up: z
lateral: x
mirror: [[LArm, RArm], [LLeg, RLeg]]
aliases: {chest: [Spine2, {mean: [C7, STRN]}]}
"""


def test_a_file_of_the_user_is_a_layout(tmp_path: Path) -> None:
    path = tmp_path / "robot.yaml"
    path.write_text(OWN)
    skeleton = get_skeleton(str(path))
    assert (skeleton.name, skeleton.root, skeleton.up, skeleton.lateral) == ("robot", "pelvis", 2, 0)
    assert skeleton.joints == ("pelvis", "chest", "head", "left_arm", "right_arm", "left_leg", "right_leg")
    assert skeleton.bones[:3] == (("pelvis", "chest"), ("chest", "head"), ("chest", "left_arm"))
    assert skeleton.has_mirror_image
    aliases = load_layout(path).aliases
    assert aliases["chest"] == (("Spine2",), ("C7", "STRN"))
    assert aliases["left_arm"] == (("LArm",),)


def test_a_pair_whose_names_have_no_side_gets_one() -> None:
    layout = load_layout({"joints": ["a1", "a2", "b"], "mirror": [["a1", "a2"]], "root": "a1", "bones": [["b", "a2"]]})
    assert layout.joints == ("left_a1", "right_a1", "b")
    assert (layout.root, layout.bones) == ("left_a1", (("b", "right_a1"),))
    assert layout.aliases["right_a1"] == (("a2",),)


WRONG: dict[str, tuple[Any, str]] = {
    "no mapping": (["hip"], "expected a name, a file or a mapping, found"),
    "unknown key": ({"joints": ["a"], "bone": []}, "unknown key 'bone': did you mean 'bones'"),
    "no joints": ({"bones": []}, "no joints"),
    "joints are text": ({"joints": "a b"}, "joints must be a list of names, found 'a b'"),
    "bone of one": ({"joints": ["a"], "bones": [["a"]]}, "must have at least 2 names"),
    "bones are text": ({"joints": ["a"], "bones": "a b"}, "bones must be a list of chains"),
    "unknown joint": (
        {"joints": ["hip", "knee"], "bones": [["hip", "kne"]]},
        "unknown joint 'kne': did you mean 'knee'",
    ),
    "unknown root": ({"joints": ["hip"], "root": "hop"}, "unknown joint 'hop'"),
    "up": ({"joints": ["a"], "up": "up"}, "up must be x, y or z, not 'up'"),
    "mirror": ({"joints": ["a", "b"], "mirror": [["a", "c"]]}, r"mirror: \['a', 'c'\] are not two of its joints"),
    "mirror is text": ({"joints": ["a"], "mirror": "a"}, "mirror must be a list of pairs"),
    "alias of no joint": ({"joints": ["a"], "aliases": {"b": "x"}}, "aliases: unknown joint 'b'"),
    "alias": ({"joints": ["a"], "aliases": {"a": 3}}, "aliases: a: expected a name or {mean"),
    "aliases": ({"joints": ["a"], "aliases": ["b"]}, "aliases: expected a mapping"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_no_layout_is_refused_with_the_reason(case: str) -> None:
    content, message = WRONG[case]
    with pytest.raises(ConfigError, match=message):
        load_layout(content)


def test_a_missing_or_broken_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none.yaml: cannot be read \(No such file"):
        load_layout(tmp_path / "none.yaml")
    path = tmp_path / "broken.yaml"
    path.write_text("joints: [a")
    with pytest.raises(ConfigError, match=r"broken\.yaml: damaged, not readable as YAML"):
        load_layout(path)
    with pytest.raises(ConfigError, match=r"unknown skeleton 'ntu52': did you mean 'ntu25'.*layout.yaml"):
        load_layout("ntu52")


def test_every_shipped_layout_says_who_uses_it_and_its_aliases_name_its_joints() -> None:
    assert set(layout_names()) == set(SKELETONS)
    for name in layout_names():
        layout = load_layout(name)
        assert layout.about
        assert set(layout.aliases) <= set(layout.joints)
        assert skeleton_of(layout) == get_skeleton(name)
        assert layout.coordinates in (2, 3, None)


@pytest.mark.parametrize(
    "word",
    ["left_hand_tip", "LEFT_HAND_TIP", "LeftHandTip", "HandTipLeft", "HANDTIP_LEFT", "lHandTip", "rig:L_HandTip"],
)
def test_spellings_of_one_joint_are_the_same(word: str) -> None:
    assert spelling(word) == "left_handtip"
    assert spelling("R") == "r"
    assert spelling("*12") == "12"


def test_sources_are_alternatives_of_means() -> None:
    assert parse_sources({"a": "x", "b": ["x", {"mean": ["y", "z"]}]}, "") == {
        "a": (("x",),),
        "b": (("x",), ("y", "z")),
    }


def test_read_takes_a_layout_file_for_markers_and_refuses_joints_that_do_not_fit(tmp_path: Path) -> None:
    names = ("TOP", "LKNE", "LKNM", "RKNE", "Pelvis")
    markers = Skeleton("markers", names, (), None, None, None)
    npz.write(tmp_path / "trial.npz", Sequence(np.arange(45.0).reshape(1, 3, 5, 3), markers))
    layout = tmp_path / "mine.yaml"
    layout.write_text("joints: [pelvis, head, left_knee]\naliases: {head: TOP, left_knee: {mean: [LKNE, LKNM]}}\n")
    sequence = read(tmp_path / "trial.npz", layout=layout)
    assert (sequence.skeleton.name, sequence.skeleton.joints) == ("mine", ("pelvis", "head", "left_knee"))
    assert sequence.positions[0, 0].tolist() == [[12, 13, 14], [0, 1, 2], [4.5, 5.5, 6.5]]
    layout.write_text("joints: [pelvis, head, left_knee]\naliases: {left_knee: {mean: [LKNE, LKNX]}}\n")
    with pytest.raises(ReadError, match=r"layout 'mine' does not fit: no head, left_knee among the file's 5 joints"):
        read(tmp_path / "trial.npz", layout=str(layout))


def test_dataset_yaml_names_a_layout_file_beside_it(tmp_path: Path) -> None:
    root = tmp_path / "own"
    for number, name in enumerate(("a", "b", "a", "b")):
        (root / name).mkdir(parents=True, exist_ok=True)
        names = Skeleton("file", ("Pelvis", "Chest", "Head", "ArmL", "ArmR", "LLeg", "R_Leg"), (), None, None, None)
        positions = np.random.default_rng(number).normal(size=(1, 4, 7, 3))
        npz.write(root / name / f"{number}.npz", Sequence(positions, names))
    (root / "robot.yaml").write_text(OWN)
    (root / "dataset.yaml").write_text("skeleton: robot.yaml\n")
    description = source_of(root).description
    assert description.skeleton == get_skeleton(str(root / "robot.yaml"))


def test_aliases_are_found_in_any_spelling_but_not_means() -> None:
    layout = load_layout({"joints": ["left_knee", "hip"], "aliases": {"left_knee": ["L_KNE", {"mean": ["A", "B"]}]}})
    assert alias_spellings(layout) == {spelling("LKne"): "left_knee"}
