"""Names of joints in BVH files, brought to those of jointwise: Mixamo, CMU, LAFAN1, 3ds Max, and older programs.

The same word means different places. "LeftShoulder" is the clavicle where there is a "LeftArm", which is then the
shoulder; else it is the shoulder. "LeftHand" is where the hand begins, the wrist, unless there is a "LeftWrist".
"LeftFoot" is the ankle, unless there is a "LeftAnkle".
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from jointwise.data.skeletons import SKELETONS

_OWN = {joint for skeleton in SKELETONS.values() for joint in skeleton.joints}
_PREFIX = re.compile(r"^(?:.*:|mixamorig\d*_?|Bip\d+[ _])")  # the name of a character or of a rig
_WORD = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+|\d+")
_SIDES = {"l": "left", "left": "left", "r": "right", "right": "right"}
_SPINE = re.compile(r"(?:spine|chest|torso|thorax|abdomen|(?:lower|upper)?back)\d*")
_SPINES = {1: ("spine_mid",), 2: ("spine_mid", "spine_chest"), 3: ("spine_1", "spine_mid", "spine_chest")}
_MIDDLE = {
    "spine_base": ("hips", "hip", "pelvis"),
    "neck": ("neck",),
    "head": ("head",),
    "head_top": ("headtopend", "headtop"),
}
_ARMS = ("arm", "uparm", "upperarm")
_SIDED = {
    "clavicle": ("collar", "clavicle", "shoulder"),
    "shoulder": (*_ARMS, "shoulder"),
    "elbow": ("forearm", "lowarm", "lowerarm", "elbow"),
    "wrist": ("wrist", "hand"),
    "hand": ("hand",),
    "hip": ("upleg", "upperleg", "thigh", "hip"),
    "knee": ("leg", "lowleg", "lowerleg", "calf", "shin", "knee"),
    "ankle": ("ankle", "foot"),
    "foot": ("toebase", "toe", "toes", "toe0", "foot"),
    "eye": ("eye",),
}


def drop_helpers(names: Sequence[str], parents: Sequence[int]) -> tuple[list[int], list[int]]:
    """Leave out the joints that `jointwise export` adds, one at the start of each bone: `neck_to_head` stands at `neck`.

    Args:
        names: Names of the joints in the file.
        parents: Index of the parent of each; -1 for the root.

    Returns:
        Indices of the joints that are kept; for each of them its parent among the kept ones, -1 for the root.
    """
    helpers = {f"{start}_to_{end}" for start in names for end in names}
    kept = [place for place, name in enumerate(names) if name not in helpers]
    above = []
    for place in kept:
        parent = parents[place]
        while parent >= 0 and parent not in kept:
            parent = parents[parent]
        above.append(kept.index(parent) if parent >= 0 else -1)
    return kept, above


def joint_names(names: Sequence[str]) -> tuple[str, ...]:
    """The names of the joints of a file in the words of jointwise.

    Args:
        names: Different names, in the order of the file.

    Returns:
        As many different names. A joint that is not known keeps its name in small letters, its side first; all keep
        their own names where two would become the same.

    >>> joint_names(["m:Hips", "m:Spine", "m:LeftShoulder", "m:LeftArm", "m:LeftHandThumb1"])
    ('spine_base', 'spine_mid', 'left_clavicle', 'left_shoulder', 'left_hand_thumb_1')
    >>> joint_names(["Hips", "LeftCollar", "LeftShoulder", "LeftElbow", "LeftWrist"])
    ('spine_base', 'left_clavicle', 'left_shoulder', 'left_elbow', 'left_wrist')
    """
    if set(names) <= _OWN:
        return tuple(names)
    split = [_split(name) for name in names]
    known: dict[tuple[str, str], str] = {}  # side and word -> joint
    spines = [word for side, word, _ in split if not side and _SPINE.fullmatch(word)]
    for word, joint in zip(spines, _SPINES.get(len(spines), ()), strict=False):
        known["", word] = joint
    for side in ("", "left", "right"):
        there = {word for own, word, _ in split if own == side}
        for joint, words in (_SIDED if side else _MIDDLE).items():
            word = next((word for word in words if word in there and (side, word) not in known), None)
            if joint == "clavicle" and word == "shoulder" and not there.intersection(_ARMS):
                continue
            if word is not None:
                known[side, word] = f"{side}_{joint}" if side else joint
    found = [known.get((side, word), own) for side, word, own in split]
    return tuple(found) if len(set(found)) == len(found) else tuple(names)


def _split(name: str) -> tuple[str, str, str]:
    """The side of a name, its other words put together, and all of it in small letters with the side first."""
    words = [word.lower() for word in _WORD.findall(_PREFIX.sub("", name))]
    side = ""
    if len(words) > 1 and words[0] in _SIDES:
        side, words = _SIDES[words[0]], words[1:]
    elif len(words) > 1 and words[-1] in _SIDES:
        side, words = _SIDES[words[-1]], words[:-1]
    return side, "".join(words), "_".join([side, *words] if side else words) or name
