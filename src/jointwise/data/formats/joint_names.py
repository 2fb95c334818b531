"""The layout of joints that a table names: the names of any layout or its aliases, however they are written."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache

from jointwise.data.layouts import alias_spellings, load_layout, spelling
from jointwise.data.skeletons import SKELETONS, Skeleton, unnamed_skeleton

_SIDES = {"l": "left", "left": "left", "r": "right", "right": "right"}
_GLUED = re.compile(r"(?P<first>left|right|l|r)(?P<rest>[a-z]{2,})|(?P<begin>[a-z]{2,}?)(?P<last>left|right)")
_NUMBERED = re.compile(r"(?:joint|point|landmark|keypoint|kpt?|marker|lm|p|j)?[_ ]?(\d{1,9})")
# names that no layout has, in plain spelling -> the joint
_OTHER_NAMES = {
    "hips": "spine_base",
    "hipcentre": "spine_base",
    "midhip": "spine_base",
    "spinenavel": "spine_mid",
    "spinenaval": "spine_mid",
    "shouldercentre": "spine_shoulder",
    "midshoulder": "spine_shoulder",
    "pelvis": "spine_base",
    "hipcenter": "spine_base",
    "shouldercenter": "spine_shoulder",
    "littletoe": "small_toe",
    "collar": "clavicle",
}


@cache
def _spellings(name: str, aliases: bool) -> dict[str, str]:
    """Plain spelling -> joint, for the joints of a layout and, if asked, their aliases."""
    layout = load_layout(name)
    others = alias_spellings(layout) if aliases else {}
    return others | {spelling(joint): joint for joint in layout.joints}


@cache
def _by_size() -> tuple[str, ...]:
    """The names of the shipped layouts, those with few joints first."""
    return tuple(sorted(SKELETONS, key=lambda name: len(SKELETONS[name].joints)))


@cache
def _all_spellings() -> dict[str, str]:
    """Plain spelling -> joint, for the joints of all layouts."""
    return {plain: joint for name in _by_size() for plain, joint in _spellings(name, False).items()}


def _plain(text: str) -> str:
    """The plain spelling of a name, also where side and joint are written as one word."""
    plain = spelling(text)
    side, _, part = plain.rpartition("_")
    known = _all_spellings()
    if not side and plain not in known and (match := _GLUED.fullmatch(plain)):
        end = match["rest"] or match["begin"]
        if f"left_{end}" in known:
            return f"{_SIDES[match['first'] or match['last']]}_{end}"
    if part in _OTHER_NAMES:
        part = _OTHER_NAMES[part].replace("_", "")
    return f"{side}_{part}" if side else part


def standard_name(text: str) -> str:
    """The name of a joint in small letters, the side first, as the shipped layouts have it where they have the joint.

    Args:
        text: The name in a file.

    >>> [standard_name(text) for text in ("LShoulder", "ShoulderLeft", "Left Shoulder", "lshoulder", "HipCenter")]
    ['left_shoulder', 'left_shoulder', 'left_shoulder', 'left_shoulder', 'spine_base']
    """
    plain = _plain(text)
    return _all_spellings().get(plain, re.sub(r"[\W_]+", "_", text.strip().lower()).strip("_") or text)


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


def layout_of(texts: Sequence[str]) -> tuple[Skeleton, list[int]]:
    """The layout of the joints of a file.

    Args:
        texts: Different names of V joints, in the order of the file.

    Returns:
        The shipped layout that has exactly these joints, else a part of one that has them all, else a layout of these
        names without bones. And the V places of its joints in `texts`.
    """
    plain = [_plain(text) for text in texts]
    best: tuple[tuple[bool, int, int], str, list[str]] | None = None  # how well it fits, layout, joints
    for name in _by_size():
        joints = [_spellings(name, True).get(word, "") for word in plain]
        if "" in joints or len(set(joints)) < len(joints):
            continue
        whole = len(joints) == len(SKELETONS[name].joints)
        as_written = sum(spelling(text) in _spellings(name, True) for text in texts)
        fit = (whole, as_written, sum(word in _spellings(name, False) for word in plain))
        if best is None or fit > best[0]:
            best = (fit, name, joints)
    if best is not None:
        skeleton, joints = SKELETONS[best[1]], best[2]
        kept = [joint for joint in skeleton.joints if joint in joints]
        return skeleton.on_joints(kept), [joints.index(joint) for joint in kept]
    names = standard_names(texts)
    numbered = unnamed_skeleton(len(names))
    if set(names) == set(numbered.joints):
        return numbered, [names.index(joint) for joint in numbered.joints]
    return Skeleton(f"own{len(names)}", names, (), None, None, None), list(range(len(names)))
