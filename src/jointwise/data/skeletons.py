"""Joint layouts: which joints a skeleton has, which are connected, which mirror each other, and which is the root.

The joints and bones of the shipped layouts stand in `layouts/*.yaml`. Layouts are matched by the names of their joints.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property

from jointwise.data.joint_map import JointMap, map_joints, shared_names, synthesis
from jointwise.data.layouts import Layout, layout_names, load_layout
from jointwise.errors import ConfigError, first_few, unknown

MIN_JOINTS = 5  # with fewer, too little is left to mask
MAX_JOINTS = 133  # the largest layout that a sensor or detector gives: COCO-WholeBody

_FINGERS = ("thumb", "index", "middle", "ring", "pinky")
_BODY_PARTS = {  # the joints of each part of the body, without `left_` and `right_`
    "arm": ("clavicle", "shoulder", "elbow", "wrist", "hand", "hand_root", "hand_tip"),
    "leg": ("hip_joint", "hip", "knee", "ankle", "foot", "heel", "big_toe", "small_toe", "foot_index"),
    "trunk": ("neck", "neck_base", "spine_shoulder", "spine_chest", "spine_mid", "spine_1", "lower_back", "spine_base"),
}
_HEAD = ("head", "nose", "eye", "ear", "mouth", "jaw", "chin", "brow", "nostril", "lip")  # first words of its joints
_OTHER_SIDE = {"left": "right", "right": "left"}


def _is_list(value: object) -> bool:
    return isinstance(value, list | tuple)  # not any sequence: text would be a list of its letters


def _shortened(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}…"


def split_side(joint: str) -> tuple[str, str]:
    """The side and the rest of a joint's name; the side is empty where the name has none.

    >>> split_side("left_hand_tip"), split_side("head")
    (('left', 'hand_tip'), ('', 'head'))
    """
    for side in _OTHER_SIDE:
        if joint.startswith(f"{side}_"):
            return side, joint.removeprefix(f"{side}_")
    return "", joint


@dataclass(frozen=True)
class Skeleton:
    """A joint layout.

    Args:
        name: Name of the layout.
        joints: V different names, as a tuple or list. Left and right joints begin with `left_` and `right_`.
        bones: Pairs (parent, child) of joint names, as tuples or lists. In the shipped layouts they form a tree.
        root: The joint that becomes the origin. None: the mean of the valid joints becomes the origin.
        up: The coordinate axis that points up (0 x, 1 y, 2 z). None where unknown, or where an axis points down as the
            y axis of an image does.
        lateral: The coordinate axis to the side of a person who faces the camera. None where unknown; clips are then
            not mirrored.

    Raises:
        ConfigError: The joints are not different names, a bone or the root names an unknown joint, a bone connects a
            joint with itself, or an axis is not 0, 1, 2 or None.
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
            raise ConfigError(f"{about}: joints must be a list of names, found {_shortened(self.joints)}.")
        if not _is_list(self.bones) or not all(_is_list(bone) and len(bone) == 2 for bone in self.bones):
            raise ConfigError(f"{about}: bones must be a list of pairs of joint names, found {_shortened(self.bones)}.")
        object.__setattr__(self, "joints", tuple(self.joints))
        object.__setattr__(self, "bones", tuple((parent, child) for parent, child in self.bones))
        if len(set(self.joints)) != len(self.joints):
            raise ConfigError(f"{about} names a joint twice: {', '.join(self.joints)}.")
        named = [] if self.root is None else [self.root]
        for bone in self.bones:
            named.extend(bone)
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
            raise ConfigError(f"{about}: up and lateral are both axis {self.up}. They must be different axes.")

    def on_joints(self, names: Iterable[str]) -> Skeleton:
        """The layout reduced to some of its joints.

        A bone whose parent is left out begins at the nearest ancestor that is kept. If the root is left out, the new
        layout has none.

        Args:
            names: The joints to keep, in the order of the new layout. Joints that it lacks may be named too, where they
                follow from those that it has (`synthesis.yaml`); they have no bones.

        Returns:
            The reduced layout; this same object when `names` are all its joints in their order.

        Raises:
            ConfigError: The layout has no joint of that name.

        >>> NTU25.on_joints(["spine_shoulder", "head"]).bones  # the neck between them is left out
        (('spine_shoulder', 'head'),)
        """
        kept = tuple(names)
        if kept == self.joints:
            return self
        foreign = map_joints(kept, self.joints).missing
        if foreign:
            raise ConfigError(f"skeleton '{self.name}': {unknown('joint', foreign[0], self.joints)}")
        parents = {child: parent for parent, child in self.bones}
        bones = []
        for parent, child in self.bones:
            visited = {child}  # bones of a user's layout may form a circle
            while parent not in kept and parent in parents and parent not in visited:
                visited.add(parent)
                parent = parents[parent]
            if child in kept and parent in kept and parent != child:
                bones.append((parent, child))
        name = f"{self.name}-{len(kept)}joints"
        return replace(self, name=name, joints=kept, bones=tuple(bones), root=self.root if self.root in kept else None)

    def map_to(self, other: Skeleton, synthesise: bool = True) -> JointMap:
        """How the joints of another layout follow from those of this one.

        Args:
            other: The layout that is wanted.
            synthesise: Whether joints that this layout lacks may be computed from those that it has.

        >>> MEDIAPIPE33.map_to(NTU25).missing
        ('neck', 'left_hand_tip', 'right_hand_tip')
        """
        return map_joints(other.joints, self.joints, synthesise)

    @property
    def root_index(self) -> int | None:
        """Index of the root joint; None where the layout has none."""
        return None if self.root is None else self.joints.index(self.root)

    def centre_joints(self, wanted: str | None = None) -> tuple[int, ...]:
        """Places of the joints whose mean is the centre of a body.

        Args:
            wanted: The joint that an encoder takes for the centre, also one that this layout lacks.

        Returns:
            That joint, else those that it follows from (`synthesis.yaml`), else the root, else both hips; empty
            without them.

        >>> kinect = get_skeleton("kinect20")
        >>> [kinect.joints[place] for place in kinect.centre_joints()]
        ['spine_mid']
        >>> coco = get_skeleton("coco17")
        >>> [coco.joints[place] for place in coco.centre_joints("spine_base")]
        ['left_hip', 'right_hip']
        """
        means = synthesis().get(wanted or "", ())
        known: tuple[tuple[str | None, ...], ...] = ((wanted,), *means, (self.root,), ("left_hip", "right_hip"))
        for names in known:
            if set(names) <= set(self.joints):
                return tuple(self.joints.index(name) for name in names if name is not None)
        return ()

    @cached_property
    def bone_indices(self) -> tuple[tuple[int, int], ...]:
        """The bones as (parent, child) joint indices."""
        index = {joint: i for i, joint in enumerate(self.joints)}
        return tuple((index[parent], index[child]) for parent, child in self.bones)

    @cached_property
    def mirror_permutation(self) -> tuple[int, ...]:
        """For each joint the index of its mirror image: left and right swap, the others stay."""
        index = {joint: i for i, joint in enumerate(self.joints)}

        def mirrored(joint: str) -> str:
            side, rest = split_side(joint)
            return f"{_OTHER_SIDE[side]}_{rest}" if side else joint

        return tuple(index.get(mirrored(joint), i) for i, joint in enumerate(self.joints))

    @property
    def has_mirror_image(self) -> bool:
        """Whether mirroring gives a body again: the lateral axis is known and every sided joint has its other side.

        A layout in which no joint is called left_… or right_… has none: it is not known which joints to swap.
        """
        sided = [i for i, joint in enumerate(self.joints) if split_side(joint)[0]]
        return self.lateral is not None and bool(sided) and all(self.mirror_permutation[i] != i for i in sided)

    @cached_property
    def part_names(self) -> tuple[str, ...]:
        """For each joint the name of its part of the body: left and right arm and leg, head, trunk.

        A joint that belongs to none of the six parts is a part of its own.

        >>> get_skeleton("kinect20").part_names[:5]
        ('head', 'trunk', 'trunk', 'trunk', 'left arm')
        """

        def part_of(joint: str) -> str:
            side, rest = split_side(joint)
            first = rest.split("_")[0]
            if first in _FINGERS:
                return f"{side} arm" if side else first
            known = "head" if first in _HEAD else joint
            part = next((name for name, joints in _BODY_PARTS.items() if rest in joints), known)
            return f"{side} {part}" if part in ("arm", "leg") else part

        return tuple(part_of(joint) for joint in self.joints)

    @cached_property
    def body_parts(self) -> tuple[int, ...]:
        """For each joint the number of its part of the body, as in `part_names`; from 0, without gaps."""
        numbers = {part: number for number, part in enumerate(dict.fromkeys(self.part_names))}
        return tuple(numbers[part] for part in self.part_names)


def skeleton_of(layout: Layout) -> Skeleton:
    """The skeleton that a layout describes.

    Raises:
        ConfigError: Its joints, bones or axes do not fit together.
    """
    return Skeleton(layout.name, layout.joints, layout.bones, layout.root, layout.up, layout.lateral)


class _Shipped(Mapping[str, Skeleton]):
    """Name -> shipped layout. Each file is read when its layout is first asked for."""

    def __init__(self) -> None:
        self._known: dict[str, Skeleton] = {}

    def __getitem__(self, name: str) -> Skeleton:
        if name not in self._known:
            if name not in layout_names():
                raise KeyError(name)
            self._known[name] = skeleton_of(load_layout(name))
        return self._known[name]

    def __iter__(self) -> Iterator[str]:
        return iter(layout_names())

    def __len__(self) -> int:
        return len(layout_names())


SKELETONS: Mapping[str, Skeleton] = _Shipped()


def get_skeleton(name: str) -> Skeleton:
    """A layout.

    Args:
        name: Name of a shipped layout, or of a YAML file.

    Raises:
        ConfigError: There is no such layout, or the file does not describe one.
    """
    return SKELETONS[name] if name in SKELETONS else skeleton_of(load_layout(name))


NTU25 = SKELETONS["ntu25"]  # those that the code names
KINECT20 = SKELETONS["kinect20"]
SBU15 = SKELETONS["sbu15"]
COCO17 = SKELETONS["coco17"]
H36M17 = SKELETONS["h36m17"]
OPENPOSE18 = SKELETONS["openpose18"]
BODY25 = SKELETONS["body25"]
BODY25B = SKELETONS["body25b"]
HALPE26 = SKELETONS["halpe26"]
MEDIAPIPE33 = SKELETONS["mediapipe33"]


def unnamed_skeleton(joints: int) -> Skeleton:
    """The layout of recordings that do not name their joints: without bones, root, sides and known axes.

    >>> unnamed_skeleton(3).joints
    ('joint_0', 'joint_1', 'joint_2')
    """
    return Skeleton(f"joints{joints}", tuple(f"joint_{joint}" for joint in range(joints)), (), None, None, None)


def resolve_layout(known: Skeleton, found: Skeleton) -> Skeleton:
    """The layout of a recording, given the one that is expected.

    Args:
        known: The expected layout.
        found: The layout that the recording came with.

    Returns:
        `known` if the recording has its joints, or as many joints without names; otherwise `found`.
    """
    unnamed = unnamed_skeleton(len(known.joints))
    return known if found.joints in (known.joints, unnamed.joints) else found


def shared_joints(model: Skeleton, data: Skeleton) -> tuple[str, ...]:
    """The joints of the data that the model has too, matched by name.

    A number is not a name: layouts without names share joints only if they are equal.

    Args:
        model: The layout that a model was trained on.
        data: The layout of the data.

    Returns:
        Joint names in the order of `data`.
    """
    return shared_names(model.joints, data.joints)


def choose_joints(choice: str, skeleton: Skeleton) -> tuple[str, ...]:
    """The joints that the option --joints chooses.

    Args:
        choice: The name of a shipped layout, for the joints that `skeleton` shares with it; or names of joints,
            separated by commas.
        skeleton: The layout of the data.

    Returns:
        At least MIN_JOINTS joint names.

    Raises:
        ConfigError: A name is unknown or given twice, or there are too few joints.
    """
    if choice in SKELETONS:
        names = shared_joints(SKELETONS[choice], skeleton)
    else:
        names = tuple(name.strip() for name in choice.split(","))
        foreign = map_joints(names, skeleton.joints).missing
        if foreign:
            hint = unknown(f"joint of '{skeleton.name}'", foreign[0], skeleton.joints)
            raise ConfigError(f"--joints {choice}: {hint} Or name a layout: {', '.join(SKELETONS)}.")
    if len(names) < MIN_JOINTS or len(set(names)) < len(names):
        found = f"has {first_few(names)} of them" if names else "has none of its joints"
        raise ConfigError(
            f"--joints {choice}: at least {MIN_JOINTS} different joints are needed; '{skeleton.name}' {found}. It has: "
            f"{', '.join(skeleton.joints)}."
        )
    return names
