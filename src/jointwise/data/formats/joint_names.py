"""Names of joints as people write them, brought to the names of the shipped layouts."""

from __future__ import annotations

import re
from collections.abc import Sequence

from jointwise.data.skeletons import SKELETONS, Skeleton, split_side, unnamed_skeleton

_SIDES = {"l": "left", "lt": "left", "left": "left", "r": "right", "rt": "right", "right": "right"}
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_GLUED = re.compile(r"(?P<first>left|right|l|r)(?P<rest>[a-z]{2,})|(?P<begin>[a-z]{2,}?)(?P<last>left|right)")
_NUMBERED = re.compile(r"(?:joint|point|landmark|keypoint|kpt?|marker|lm|p|j)?_?(\d+)")
# joint without a side, in small letters and without separators -> its name here
_OTHER_NAMES = {
    "hipcenter": "spine_base",
    "hipcentre": "spine_base",
    "midhip": "spine_base",
    "hips": "spine_base",
    "pelvis": "spine_base",
    "spine": "spine_mid",
    "torso": "spine_mid",
    "spinenavel": "spine_mid",
    "spinenaval": "spine_mid",
    "shouldercenter": "spine_shoulder",
    "shouldercentre": "spine_shoulder",
    "midshoulder": "spine_shoulder",
    "thorax": "spine_shoulder",
    "chest": "spine_chest",
    "spinechest": "spine_chest",
    "littletoe": "small_toe",
    "collar": "clavicle",
}
_KNOWN = {split_side(joint)[1] for skeleton in SKELETONS.values() for joint in skeleton.joints}
_PARTS = {name.replace("_", ""): name for name in sorted(_KNOWN)} | _OTHER_NAMES


def standard_name(text: str) -> str:
    """The name of a joint in small letters, the side first, as the shipped layouts have it where they have the joint.

    Args:
        text: The name in a file.

    >>> [standard_name(text) for text in ("LShoulder", "ShoulderLeft", "Left Shoulder", "SHOULDER.LEFT", "HipCenter")]
    ['left_shoulder', 'left_shoulder', 'left_shoulder', 'left_shoulder', 'spine_base']
    """
    words = re.sub(r"[\W_]+", "_", _CAMEL.sub("_", text.strip()).lower()).strip("_").split("_")
    side = ""
    if len(words) > 1 and words[0] in _SIDES:
        side, words = _SIDES[words[0]], words[1:]
    elif len(words) > 1 and words[-1] in _SIDES:
        side, words = _SIDES[words[-1]], words[:-1]
    elif len(words) == 1 and words[0] not in _PARTS and (match := _GLUED.fullmatch(words[0])):
        rest = match["rest"] or match["begin"]
        if rest in _PARTS:
            side, words = _SIDES[match["first"] or match["last"]], [rest]
    name = _PARTS.get("".join(words), "_".join(words))
    return f"{side}_{name}" if side else name


def standard_names(texts: Sequence[str]) -> tuple[str, ...]:
    """The standard names of all joints of a file; those of its own where two would become the same.

    Args:
        texts: Different names.

    Returns:
        As many different names. Names that are only numbers become `joint_0`, `joint_1`, …, from the lowest number on.
    """
    numbers = [_NUMBERED.fullmatch(text.strip().lower()) for text in texts]
    if all(numbers):
        values = [int(match[1]) for match in numbers if match is not None]
        if len(set(values)) == len(values):
            return tuple(f"joint_{value - min(values)}" for value in values)
    names = [standard_name(text) for text in texts]
    return tuple(name if names.count(name) == 1 else text for name, text in zip(names, texts, strict=True))


def layout_of(names: Sequence[str]) -> tuple[Skeleton, list[int]]:
    """The layout of the joints of a file.

    Args:
        names: Different names of V joints, in the order of the file.

    Returns:
        The shipped layout that has exactly these joints, else a part of one that has them all, else a layout of these
        names without bones. And the V places of its joints in `names`.
    """
    places = {name: place for place, name in enumerate(names)}
    numbered = unnamed_skeleton(len(names))
    known = sorted((*SKELETONS.values(), numbered), key=lambda skeleton: len(skeleton.joints))
    for skeleton in known:
        if set(skeleton.joints) == set(names):
            return skeleton, [places[joint] for joint in skeleton.joints]
    for skeleton in known:
        if set(names) <= set(skeleton.joints):
            return skeleton.on_joints(joint for joint in skeleton.joints if joint in places), [
                places[joint] for joint in skeleton.joints if joint in places
            ]
    return Skeleton(f"joints{len(names)}", tuple(names), (), None, None, None), list(range(len(names)))
