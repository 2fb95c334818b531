"""Joint layouts by name: which joints there are, which are connected, which mirror each other, which is the root."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any

from jointwise.errors import ConfigError, unknown


@dataclass(frozen=True)
class Skeleton:
    """A joint layout.

    name: of the layout. joints: V names; left and right joints begin with `left_` and `right_`.
    bones: pairs (parent, child) of joint names, a tree. root: the joint that is put at the origin.
    up, lateral: the coordinate axes (0 x, 1 y, 2 z) that point up and to the side of a person facing the camera;
    None where unknown (no mirror augmentation then).
    """

    name: str
    joints: tuple[str, ...]
    bones: tuple[tuple[str, str], ...]
    root: str
    up: int | None = 1
    lateral: int | None = 0

    def __post_init__(self) -> None:
        if len(set(self.joints)) != len(self.joints):
            raise ConfigError(f"skeleton '{self.name}' names a joint twice: {', '.join(self.joints)}.")
        for joint in (self.root, *(joint for bone in self.bones for joint in bone)):
            if joint not in self.joints:
                raise ConfigError(f"skeleton '{self.name}': {unknown('joint', joint, self.joints)}")

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> Skeleton:
        """The skeleton that `dataclasses.asdict` turned into lists and names."""
        bones = tuple((parent, child) for parent, child in content["bones"])
        return cls(**content | {"joints": tuple(content["joints"]), "bones": bones})

    @property
    def root_index(self) -> int:
        """Index of the root joint."""
        return self.joints.index(self.root)

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


def _limbs(hand_tips: bool) -> tuple[tuple[str, str], ...]:
    """Bones of both arms and legs from the trunk outwards, as the Kinect sensors name them."""
    bones = []
    for side in ("left", "right"):
        arm = ["spine_shoulder", f"{side}_shoulder", f"{side}_elbow", f"{side}_wrist", f"{side}_hand"]
        leg = ["spine_base", f"{side}_hip", f"{side}_knee", f"{side}_ankle", f"{side}_foot"]
        bones += [*pairwise(arm), *pairwise(leg)]
        if hand_tips:
            bones += [(f"{side}_hand", f"{side}_hand_tip"), (f"{side}_wrist", f"{side}_thumb")]
    return tuple(bones)


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

SKELETONS: dict[str, Skeleton] = {skeleton.name: skeleton for skeleton in (NTU25, KINECT20)}


def get_skeleton(name: str) -> Skeleton:
    """The layout called `name`. Raises ConfigError, naming the nearest, when there is none."""
    if name not in SKELETONS:
        raise ConfigError(unknown("skeleton", name, SKELETONS))
    return SKELETONS[name]
