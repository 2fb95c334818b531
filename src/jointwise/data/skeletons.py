"""Joint layouts by name: which joints there are, which are connected, which mirror each other, which is the root.

The same place of the body has the same name in every layout, so that joints of two layouts can be matched by name:
the middle between the shoulders is `spine_shoulder` (the neck of OpenPose, Halpe and SBU, the thorax of Human3.6M),
the middle between the hips is `spine_base`; `head` is the middle of the head, `head_top` its top.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise
from typing import Any

from jointwise.errors import ConfigError, first_few, unknown

JOINTS = (5, 133)  # fewest and most that can be learned from: below, nothing is left to mask; above, no sensor goes

_PARTS = {  # the joints of each part of the body, without their side
    "arm": ("shoulder", "elbow", "wrist", "hand", "hand_tip", "thumb", "pinky", "index"),
    "leg": ("hip", "knee", "ankle", "foot", "heel", "big_toe", "small_toe", "foot_index"),
    "head": ("head", "head_top", "nose", "eye", "eye_inner", "eye_outer", "ear", "mouth"),
    "trunk": ("neck", "spine_shoulder", "spine_mid", "spine_base"),
}


def _is_list(value: object) -> bool:
    return isinstance(value, list | tuple)  # text would be a list of its letters


def _short(value: object) -> str:
    return text if len(text := repr(value)) <= 80 else f"{text[:77]}…"


@dataclass(frozen=True)
class Skeleton:
    """A joint layout.

    name: of the layout. joints: V names; left and right joints begin with `left_` and `right_`.
    bones: pairs (parent, child) of joint names, a tree in the shipped layouts. root: the joint that is put at the
    origin; None: the mean of the valid joints serves. up, lateral: the coordinate axes (0 x, 1 y, 2 z) that point up
    and to the side of a person facing the camera; None where unknown (no mirror augmentation without `lateral`) or, as
    the y axis of an image, pointing down. Lists become tuples. Raises ConfigError for anything that is no layout.
    """

    name: str
    joints: tuple[str, ...]
    bones: tuple[tuple[str, str], ...]
    root: str | None
    up: int | None = 1
    lateral: int | None = 0

    def __post_init__(self) -> None:
        about = f"skeleton '{self.name}'"
        if not _is_list(self.joints) or not all(isinstance(joint, str) and joint for joint in self.joints):
            raise ConfigError(f"{about}: joints must be a list of names, found {_short(self.joints)}.")
        if not _is_list(self.bones) or not all(_is_list(bone) and len(bone) == 2 for bone in self.bones):
            raise ConfigError(f"{about}: bones must be a list of pairs of joint names, found {_short(self.bones)}.")
        object.__setattr__(self, "joints", tuple(self.joints))
        object.__setattr__(self, "bones", tuple((parent, child) for parent, child in self.bones))
        if len(set(self.joints)) != len(self.joints):
            raise ConfigError(f"{about} names a joint twice: {', '.join(self.joints)}.")
        named = (*(() if self.root is None else (self.root,)), *(joint for bone in self.bones for joint in bone))
        for joint in named:
            if joint not in self.joints:
                raise ConfigError(f"{about}: {unknown('joint', str(joint), self.joints)}")
        for parent, child in self.bones:
            if parent == child:
                raise ConfigError(f"{about}: a bone connects '{parent}' with itself. Leave it out.")
        for key, axis in (("up", self.up), ("lateral", self.lateral)):
            if axis is not None and (type(axis) is not int or axis not in (0, 1, 2)):
                raise ConfigError(f"{about}: {key} must be 0 (x), 1 (y), 2 (z) or None, not {axis!r}.")
        if self.up is not None and self.up == self.lateral:
            raise ConfigError(f"{about}: up and lateral are both axis {self.up}. To the side is not up.")

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> Skeleton:
        """The skeleton that `dataclasses.asdict` turned into lists and names."""
        return cls(**content)

    def on_joints(self, names: Iterable[str]) -> Skeleton:
        """The layout of the joints `names`, in their order; itself when these are all its joints as they are.

        A bone whose upper end is left out begins at the next joint above that stays. Without its root it has none.
        Raises ConfigError, naming the nearest, for a joint it has not.

        >>> NTU25.on_joints(["spine_shoulder", "head"]).bones  # the neck between them is left out
        (('spine_shoulder', 'head'),)
        """
        kept = tuple(names)
        if kept == self.joints:
            return self
        foreign = [joint for joint in kept if joint not in self.joints]
        if foreign:
            raise ConfigError(f"skeleton '{self.name}': {unknown('joint', foreign[0], self.joints)}")
        parents = {child: parent for parent, child in self.bones}
        bones = []
        for parent, child in self.bones:
            seen = {child}
            while parent not in kept and parent in parents and parent not in seen:
                seen.add(parent)
                parent = parents[parent]
            if child in kept and parent in kept and parent != child:
                bones.append((parent, child))
        name = f"{self.name}-{len(kept)}joints"
        return replace(self, name=name, joints=kept, bones=tuple(bones), root=self.root if self.root in kept else None)

    @property
    def root_index(self) -> int | None:
        """Index of the root joint; None where the layout has none."""
        return None if self.root is None else self.joints.index(self.root)

    @cached_property
    def bone_indices(self) -> tuple[tuple[int, int], ...]:
        """The bones as (parent, child) joint indices."""
        index = {joint: i for i, joint in enumerate(self.joints)}
        return tuple((index[parent], index[child]) for parent, child in self.bones)

    @cached_property
    def mirror_permutation(self) -> tuple[int, ...]:
        """For each joint the index of its mirror image (left <-> right, others themselves)."""
        swap = {"left": "right", "right": "left"}
        index = {joint: i for i, joint in enumerate(self.joints)}

        def mirrored(joint: str) -> str:
            side, _, rest = joint.partition("_")
            return f"{swap[side]}_{rest}" if side in swap else joint

        return tuple(index.get(mirrored(joint), i) for i, joint in enumerate(self.joints))

    @property
    def has_mirror_image(self) -> bool:
        """Whether mirroring gives a body again: the lateral axis is known, every sided joint has its other side.

        Where no joint is called left_… or right_…, the sides have other names, and nobody knows which joints to swap.
        """
        sided = [i for i, joint in enumerate(self.joints) if joint.startswith(("left_", "right_"))]
        return self.lateral is not None and bool(sided) and all(self.mirror_permutation[i] != i for i in sided)

    @cached_property
    def parts(self) -> tuple[int, ...]:
        """For each joint the number of its part of the body: left and right arm and leg, head, trunk.

        A joint whose name belongs to none of them is a part of its own.
        """

        def part(joint: str) -> str:
            side, _, rest = joint.partition("_") if joint.startswith(("left_", "right_")) else ("", "", joint)
            found = next((name for name, joints in _PARTS.items() if rest in joints), joint)
            return f"{side} {found}" if found in ("arm", "leg") else found

        named = [part(joint) for joint in self.joints]
        return tuple(list(dict.fromkeys(named)).index(name) for name in named)


def _both_sides(*chains: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
    """Bones along the chains, once for each side: `*hand` stands for left_hand, then for right_hand."""
    return tuple(
        (parent.replace("*", f"{side}_"), child.replace("*", f"{side}_"))
        for side in ("left", "right")
        for chain in chains
        for parent, child in pairwise(chain)
    )


def _limbs(hand_tips: bool) -> tuple[tuple[str, str], ...]:
    """Bones of both arms and legs from the trunk outwards, as the Kinect sensors name them."""
    arm = ("spine_shoulder", "*shoulder", "*elbow", "*wrist", "*hand")
    leg = ("spine_base", "*hip", "*knee", "*ankle", "*foot")
    return _both_sides(arm, leg, *((("*hand", "*hand_tip"), ("*wrist", "*thumb")) if hand_tips else ()))


_ARMS_LEGS = tuple(
    f"{side}_{joint}"
    for limb in (("shoulder", "elbow", "wrist", "hand"), ("hip", "knee", "ankle", "foot"))
    for side in ("left", "right")
    for joint in limb
)

NTU25 = Skeleton(
    name="ntu25",  # Kinect v2: order of the NTU RGB+D files (Shahroudy et al., CVPR 2016)
    joints=(
        *("spine_base", "spine_mid", "neck", "head"),
        *_ARMS_LEGS,
        *("spine_shoulder", "left_hand_tip", "left_thumb", "right_hand_tip", "right_thumb"),
    ),
    bones=(
        *(("spine_mid", "spine_base"), ("spine_mid", "spine_shoulder"), ("spine_shoulder", "neck"), ("neck", "head")),
        *_limbs(hand_tips=True),
    ),
    root="spine_mid",
)

KINECT20 = Skeleton(
    name="kinect20",  # Kinect v1, order of UTD-MHAD (Chen et al., ICIP 2015); joints carry the names of their
    joints=(  # Kinect v2 counterparts: shoulder_center -> spine_shoulder, spine -> spine_mid, hip_center -> spine_base
        *("head", "spine_shoulder", "spine_mid", "spine_base"),
        *("left_shoulder", "left_elbow", "left_wrist", "left_hand"),
        *("right_shoulder", "right_elbow", "right_wrist", "right_hand"),
        *("left_hip", "left_knee", "left_ankle", "left_foot"),
        *("right_hip", "right_knee", "right_ankle", "right_foot"),
    ),
    bones=(
        *(("spine_mid", "spine_base"), ("spine_mid", "spine_shoulder"), ("spine_shoulder", "head")),
        *_limbs(hand_tips=False),
    ),
    root="spine_mid",
)

SBU15 = Skeleton(
    name="sbu15",  # OpenNI's 15 joints, order of the SBU Kinect Interaction data set (Yun et al., CVPRW 2012); its neck
    joints=(  # lies exactly between the shoulders and its torso between neck and hips
        *("head", "spine_shoulder", "spine_mid"),
        *(f"{side}_{joint}" for side in ("left", "right") for joint in ("shoulder", "elbow", "hand")),
        *(f"{side}_{joint}" for side in ("left", "right") for joint in ("hip", "knee", "foot")),
    ),
    bones=(
        *(("spine_mid", "spine_shoulder"), ("spine_shoulder", "head")),
        *_both_sides(("spine_shoulder", "*shoulder", "*elbow", "*hand"), ("spine_mid", "*hip", "*knee", "*foot")),
    ),
    root="spine_mid",
)

_FACE = ("nose", "left_eye", "right_eye", "left_ear", "right_ear")
_COCO = (
    *_FACE,
    *(
        f"{side}_{joint}"
        for joint in ("shoulder", "elbow", "wrist", "hip", "knee", "ankle")
        for side in ("left", "right")
    ),
)
_ARM, _LEG = ("*shoulder", "*elbow", "*wrist"), ("*hip", "*knee", "*ankle")

COCO17 = Skeleton(
    name="coco17",  # Lin et al., ECCV 2014; what PYSKL's 2D poses and most detectors give. Its only middle joint is the
    joints=_COCO,  # nose, so that is the root
    bones=_both_sides(("nose", "*eye", "*ear"), ("nose", *_ARM), ("*shoulder", *_LEG)),
    root="nose",
    up=None,
)

H36M17 = Skeleton(
    name="h36m17",  # the 17 of Human3.6M's 32 joints (Ionescu et al., TPAMI 2014) that 3D lifters keep
    joints=(
        *("spine_base", "right_hip", "right_knee", "right_ankle", "left_hip", "left_knee", "left_ankle"),
        *("spine_mid", "spine_shoulder", "neck", "head_top"),
        *("left_shoulder", "left_elbow", "left_wrist", "right_shoulder", "right_elbow", "right_wrist"),
    ),
    bones=(
        *pairwise(("spine_base", "spine_mid", "spine_shoulder", "neck", "head_top")),
        *_both_sides(("spine_shoulder", *_ARM), ("spine_base", *_LEG)),
    ),
    root="spine_base",
    up=None,
)

_OPENPOSE_ARMS = tuple(f"{side}_{joint}" for side in ("right", "left") for joint in ("shoulder", "elbow", "wrist"))
_OPENPOSE_LEGS = tuple(f"{side}_{joint}" for side in ("right", "left") for joint in ("hip", "knee", "ankle"))
_OPENPOSE_FACE = ("right_eye", "left_eye", "right_ear", "left_ear")
_FEET = (("*ankle", "*big_toe"), ("*ankle", "*small_toe"), ("*ankle", "*heel"))

OPENPOSE18 = Skeleton(
    name="openpose18",  # OpenPose's COCO model (Cao et al., TPAMI 2019)
    joints=("nose", "spine_shoulder", *_OPENPOSE_ARMS, *_OPENPOSE_LEGS, *_OPENPOSE_FACE),
    bones=(
        ("spine_shoulder", "nose"),
        *_both_sides(("nose", "*eye", "*ear"), ("spine_shoulder", *_ARM), ("spine_shoulder", *_LEG)),
    ),
    root="spine_shoulder",
    up=None,
)

BODY25 = Skeleton(
    name="body25",  # OpenPose's BODY_25: 25 joints, none of them in the order of NTU's 25
    joints=(
        *("nose", "spine_shoulder", *_OPENPOSE_ARMS, "spine_base", *_OPENPOSE_LEGS, *_OPENPOSE_FACE),
        *(f"{side}_{joint}" for side in ("left", "right") for joint in ("big_toe", "small_toe", "heel")),
    ),
    bones=(
        *pairwise(("spine_base", "spine_shoulder", "nose")),
        *_both_sides(("nose", "*eye", "*ear"), ("spine_shoulder", *_ARM), ("spine_base", *_LEG), *_FEET),
    ),
    root="spine_base",
    up=None,
)

HALPE26 = Skeleton(
    name="halpe26",  # AlphaPose and RTMPose (Fang et al., TPAMI 2022)
    joints=(
        *(*_COCO, "head_top", "spine_shoulder", "spine_base"),
        *(f"{side}_{joint}" for joint in ("big_toe", "small_toe", "heel") for side in ("left", "right")),
    ),
    bones=(
        *(("spine_base", "spine_shoulder"), ("spine_shoulder", "nose"), ("spine_shoulder", "head_top")),
        *_both_sides(("nose", "*eye", "*ear"), ("spine_shoulder", *_ARM), ("spine_base", *_LEG), *_FEET),
    ),
    root="spine_base",
    up=None,
)

MEDIAPIPE33 = Skeleton(
    name="mediapipe33",  # MediaPipe's pose landmarks (Bazarevsky et al., BlazePose, CVPRW 2020)
    joints=(
        "nose",
        *(f"{side}_eye{part}" for side in ("left", "right") for part in ("_inner", "", "_outer")),
        *(
            f"{side}_{joint}"
            for joint in (
                *("ear", "mouth", "shoulder", "elbow", "wrist", "pinky", "index", "thumb"),
                *("hip", "knee", "ankle", "heel", "foot_index"),
            )
            for side in ("left", "right")
        ),
    ),
    bones=_both_sides(
        *(("nose", "*eye_inner", "*eye", "*eye_outer", "*ear"), ("nose", "*mouth"), ("nose", *_ARM)),
        *(("*wrist", "*pinky"), ("*wrist", "*index"), ("*wrist", "*thumb")),
        *(("*shoulder", *_LEG), ("*ankle", "*heel"), ("*ankle", "*foot_index")),
    ),
    root="nose",
    up=None,
)

SKELETONS: dict[str, Skeleton] = {
    skeleton.name: skeleton
    for skeleton in (NTU25, KINECT20, SBU15, COCO17, H36M17, OPENPOSE18, BODY25, HALPE26, MEDIAPIPE33)
}


def resolve_layout(known: Skeleton, found: Skeleton) -> Skeleton:
    """`known` where `found` has the same joints, or only numbers as many; otherwise `found`, whatever it is."""
    return known if found.joints in (known.joints, unnamed_skeleton(len(known.joints)).joints) else found


def shared_joints(model: Skeleton, data: Skeleton) -> tuple[str, ...]:
    """The joints of `data` that `model` has too, matched by name, in the order of `data`.

    Numbers are no names: joints that are only numbered are shared by equal layouts alone.
    """
    if model.joints == data.joints:
        return data.joints
    return tuple(joint for joint in data.joints if joint in model.joints and not _NUMBERED.fullmatch(joint))


def choose_joints(words: str, skeleton: Skeleton) -> tuple[str, ...]:
    """The joints of `skeleton` that --joints means: those it shares with a layout of that name, or the ones listed.

    words: a key of SKELETONS, or names between commas. Raises ConfigError, naming what there is, for anything else.
    """
    if words not in SKELETONS:
        names = tuple(name.strip() for name in words.split(","))
        foreign = [name for name in names if name not in skeleton.joints]
        if foreign:
            hint = unknown(f"joint of '{skeleton.name}'", foreign[0], skeleton.joints)
            raise ConfigError(f"--joints {words}: {hint} Or name a layout: {', '.join(SKELETONS)}.")
    else:
        names = shared_joints(SKELETONS[words], skeleton)
    if len(names) < JOINTS[0] or len(set(names)) < len(names):
        found = (
            f"'{skeleton.name}' has {first_few(names)} of them"
            if names
            else f"'{skeleton.name}' has none of its joints"
        )
        raise ConfigError(
            f"--joints {words}: at least {JOINTS[0]} different joints are needed; {found}. It has: "
            f"{', '.join(skeleton.joints)}."
        )
    return names


def get_skeleton(name: str) -> Skeleton:
    """The layout called `name`. Raises ConfigError, naming the nearest, when there is none."""
    if name not in SKELETONS:
        raise ConfigError(unknown("skeleton", name, SKELETONS))
    return SKELETONS[name]


_NUMBERED = re.compile(r"joint_\d+")


def unnamed_skeleton(joints: int) -> Skeleton:
    """The layout of recordings that do not say what their joints are: no bones, no root, no sides, so no mirror images.

    >>> unnamed_skeleton(3).joints
    ('joint_0', 'joint_1', 'joint_2')
    """
    return Skeleton(f"joints{joints}", tuple(f"joint_{joint}" for joint in range(joints)), (), None, None, None)
