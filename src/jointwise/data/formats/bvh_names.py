"""Names of joints in BVH files, brought to those of jointwise: Mixamo, CMU, LAFAN1, 3ds Max, and older programs.

The same word means different places. "LeftShoulder" is the clavicle where there is a "LeftArm", which is then the
shoulder; else it is the shoulder. "LeftHand" is where the hand begins, the wrist, unless there is a "LeftWrist".
"LeftFoot" is the ankle, unless there is a "LeftAnkle".
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from jointwise.data.layouts import alias_spellings, load_layout, spelling
from jointwise.data.skeletons import SKELETONS

_RIGS = ("mixamo", "lafan", "cmu")  # layouts whose aliases are the names of a rig
_PREFIX = re.compile(r"^(?:mixamorig\d*[:_]?|Bip\d+[ _])")  # the name of a rig that no colon ends
_SPINE = re.compile(r"(?:spine|chest|torso|thorax|abdomen|(?:lower|upper)?back)\d*")
_SPINES = {1: ("spine_mid",), 2: ("spine_mid", "spine_chest"), 3: ("spine_1", "spine_mid", "spine_chest")}
# joint -> what it is called, the most exact name first. Each name of a file is taken once.
_MIDDLE = {"spine_base": ("hips", "hip", "pelvis"), "neck": ("neck",), "head": ("head",), "head_top": ("headtopend",)}
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
}


def drop_helpers(names: Sequence[str], parents: Sequence[int]) -> tuple[list[int], list[int]]:
    """Leave out the joints that `jointwise export` adds at the start of each bone: `neck_to_head` stands at `neck`.

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

    >>> joint_names(["m:Hips", "m:Spine", "m:LeftShoulder", "m:LeftArm", "m:LeftLeg", "m:Tail"])
    ('spine_base', 'spine_1', 'left_clavicle', 'left_shoulder', 'left_knee', 'tail')
    >>> joint_names(["Hips", "LeftCollar", "LeftShoulder", "LeftElbow", "LeftWrist"])
    ('spine_base', 'left_clavicle', 'left_shoulder', 'left_elbow', 'left_wrist')
    """
    if set(names) <= {joint for skeleton in SKELETONS.values() for joint in skeleton.joints}:
        return tuple(names)
    spelled = [spelling(_PREFIX.sub("", name)) for name in names]
    known = _by_words(spelled) | _by_rig(spelled)
    found = [known.get(name, name) for name in spelled]
    return tuple(found) if len(set(found)) == len(found) else tuple(names)


def _by_rig(spelled: Sequence[str]) -> dict[str, str]:
    """Spelling -> joint, by the aliases of the rig that knows most of the names; nothing where none knows most."""
    best: dict[str, str] = {}
    for rig in _RIGS:
        layout = load_layout(rig)
        table = {spelling(joint): joint for joint in layout.joints if joint not in layout.aliases}
        table |= alias_spellings(layout)
        found = {name: table[name] for name in spelled if name in table}
        best = found if len(found) > len(best) else best
    return best if 2 * len(best) > len(spelled) else {}


def _by_words(spelled: Sequence[str]) -> dict[str, str]:
    """Spelling -> joint, by words that many programs use."""
    spines = [name for name in spelled if _SPINE.fullmatch(name)]
    known = dict(zip(spines, _SPINES.get(len(spines), ()), strict=False))
    for side in ("", "left_", "right_"):
        for joint, words in (_SIDED if side else _MIDDLE).items():
            name = next((side + word for word in words if side + word in spelled and side + word not in known), None)
            is_shoulder = joint == "clavicle" and name == f"{side}shoulder"
            if name is not None and not (is_shoulder and not any(side + arm in spelled for arm in _ARMS)):
                known[name] = f"{side}{joint}"
    return known
