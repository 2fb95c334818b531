"""Joint layouts as data: YAML files of this folder, and a user's own in the same form.

    joints: [pelvis, chest, LArm, RArm, …]    in the order of the coordinates
    bones: [[pelvis, chest, LArm], …]         chains of joints, from parent to child
    root: pelvis                              the joint that becomes the origin
    up: y                                     the axis that points up
    lateral: x                                the axis to the side of a person who faces the camera
    mirror: [[LArm, RArm], …]                 left and right, where names do not begin with left_ and right_
    aliases: {chest: Spine2, …}               how a recording may call a joint, or the joints it is the mean of

The same place of the body has the same name in every layout, so that joints of two layouts can be matched by name.
`spine_shoulder` is the middle between the shoulders (the neck of OpenPose, Halpe and SBU, the thorax of Human3.6M),
`spine_base` the middle between the hips, `head` the middle of the head, `head_top` its top. `clavicle` is where the
clavicle begins, `hand_tip` the tip of the middle finger, `thumb` that of the thumb, `index` and `pinky` the knuckles.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

from jointwise.data.typed_files import YAML_ENDINGS, read_as
from jointwise.errors import ConfigError, unknown

Sources = Mapping[str, tuple[tuple[str, ...], ...]]  # joint -> alternatives, each the joints whose mean it is

_FOLDER = Path(__file__).parent
_AXES = {"x": 0, "y": 1, "z": 2}
_SIDES = {"l": "left", "left": "left", "r": "right", "right": "right"}
_WORD = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+|\d+")
_KEYS = ("name", "about", "coordinates", "joints", "bones", "root", "up", "lateral", "mirror", "aliases")
_FORM = (
    "A layout has joints: [names], bones: [[parent, child, …], …], root: name, up: y, lateral: x, mirror: [[left, "
    "right], …], aliases: {joint: other name}; only joints is needed"
)


@dataclass(frozen=True)
class Layout:
    """What a layout file says.

    Args:
        name: Name of the layout.
        joints: The names of its V joints. With `mirror`, those of its pairs begin with `left_` and `right_`.
        bones: Pairs (parent, child) of names.
        root: The joint that becomes the origin, or None.
        up: The axis that points up (0 x, 1 y, 2 z), or None.
        lateral: The axis to the side of a person who faces the camera, or None.
        about: Who uses it.
        coordinates: How many coordinates its joints have, where it is always the same.
        aliases: How recordings may call its joints, or of which joints they are the mean.
    """

    name: str
    joints: tuple[str, ...]
    bones: tuple[tuple[str, str], ...] = ()
    root: str | None = None
    up: int | None = None
    lateral: int | None = None
    about: str = ""
    coordinates: int | None = None
    aliases: Sources = field(default_factory=dict)


def layout_names() -> tuple[str, ...]:
    """The names of the shipped layouts, in alphabetical order."""
    return tuple(sorted(path.stem for path in _FOLDER.glob("*.yaml")))


def spelling(name: str) -> str:
    """A joint's name without what people write differently: case, separators, a rig's name, and where the side stands.

    >>> [spelling(name) for name in ("left_hand_tip", "HandTipLeft", "LHandTip", "mixamorig:LeftHandTip", "HipCenter")]
    ['left_handtip', 'left_handtip', 'left_handtip', 'left_handtip', 'hipcenter']
    """
    words = [word.lower() for word in _WORD.findall(name.rpartition(":")[2])]
    for place in (0, -1):
        if len(words) > 1 and words[place] in _SIDES:
            side = _SIDES[words.pop(place)]
            return f"{side}_{''.join(words)}"
    return "".join(words) or name


def alias_spellings(layout: Layout) -> dict[str, str]:
    """What recordings may call the joints of a layout, in plain spelling, without what is a mean of joints.

    Args:
        layout: The layout.

    Returns:
        Spelling -> joint.

    >>> alias_spellings(load_layout("mixamo"))["left_upleg"]
    'left_hip'
    """
    return {
        spelling(names[0]): joint
        for joint in layout.joints
        for names in layout.aliases.get(joint, ())
        if len(names) == 1
    }


def load_layout(source: str | Path | Mapping[str, Any], where: str = "") -> Layout:
    """Load a layout.

    Args:
        source: The name of a shipped layout, a YAML file, or what such a file holds.
        where: Where the content stands, for messages.

    Raises:
        ConfigError: There is no such layout or file, or it does not describe a layout.

    >>> load_layout("ntu25").joints[:3]
    ('spine_base', 'spine_mid', 'neck')
    """
    if isinstance(source, Mapping):
        return _parsed(source, str(source.get("name", "own")), where or "layout")
    if not isinstance(source, str | Path):
        raise ConfigError(f"{where or 'layout'}: expected a name, a file or a mapping, found {source!r}. {_FORM}.")
    path = Path(source)
    if path.suffix.lower() in YAML_ENDINGS:
        return _parsed(_read(path), path.stem, str(path))
    if os.path.isfile(path):  # false for a name that no file may have
        raise ConfigError(f"{path}: a layout is a YAML file, called like my-layout.yaml.")
    return _shipped(str(source))


@cache
def _shipped(name: str) -> Layout:
    if name not in layout_names():
        raise ConfigError(f"{unknown('skeleton', name, layout_names())} Or name a file of your own: layout.yaml.")
    path = _FOLDER / f"{name}.yaml"
    return _parsed(_read(path), name, str(path))


def _read(path: Path) -> dict[str, Any]:
    return read_as(path, dict[str, Any], ConfigError, f"{_FORM}.")


def _parsed(content: object, name: str, where: str) -> Layout:
    if not isinstance(content, Mapping):
        raise ConfigError(f"{where}: expected a mapping. {_FORM}.")
    for key in content:
        if key not in _KEYS:
            raise ConfigError(f"{where}: {unknown('key', str(key), _KEYS)} {_FORM}.")
    if "joints" not in content:
        raise ConfigError(f"{where}: no joints. {_FORM}.")
    joints = _names(content["joints"], "joints", where)
    chains = content.get("bones") or []
    if not isinstance(chains, Sequence) or isinstance(chains, str):
        raise ConfigError(f"{where}: bones must be a list of chains, such as [[hip, knee, ankle]], found {chains!r}.")
    bones = [bone for chain in chains for bone in pairwise(_names(chain, "a chain of bones", where, 2))]
    renamed = _mirrored(content.get("mirror") or [], joints, where)
    for joint in (*(joint for bone in bones for joint in bone), content.get("root")):
        if joint is not None and joint not in joints:
            raise ConfigError(f"{where}: {unknown('joint', str(joint), joints)}")
    root = content.get("root")
    new = tuple(renamed.get(joint, joint) for joint in joints)
    aliases = {
        renamed.get(joint, joint): found
        for joint, found in parse_sources(content.get("aliases") or {}, f"{where}: aliases").items()
    }
    for joint in aliases:
        if joint not in new:
            raise ConfigError(f"{where}: aliases: {unknown('joint', joint, new)}")
    aliases |= {now: ((was,), *aliases.get(now, ())) for was, now in renamed.items()}
    return Layout(
        name=str(content.get("name", name)),
        joints=new,
        bones=tuple((renamed.get(parent, parent), renamed.get(child, child)) for parent, child in bones),
        root=None if root is None else renamed.get(root, root),
        up=_axis(content, "up", where),
        lateral=_axis(content, "lateral", where),
        about=str(content.get("about", "")),
        coordinates=_coordinates(content.get("coordinates"), where),
        aliases=aliases,
    )


def _names(value: object, what: str, where: str, least: int = 1) -> tuple[str, ...]:
    """A list of different names as a tuple."""
    if not isinstance(value, list | tuple) or not all(isinstance(name, str) and name for name in value):
        raise ConfigError(f"{where}: {what} must be a list of names, found {value!r}.")
    if len(value) < least:
        raise ConfigError(f"{where}: {what} must have at least {least} names, found {value!r}.")
    return tuple(value)


def _coordinates(value: object, where: str) -> int | None:
    if value not in (None, 2, 3) or isinstance(value, float):
        raise ConfigError(f"{where}: coordinates must be 2 or 3, not {value!r}. Leave it out where either may be.")
    return None if value is None else 2 if value == 2 else 3


def _axis(content: Mapping[str, Any], key: str, where: str) -> int | None:
    """The number of an axis that a key names by its letter or its number."""
    axis = content.get(key)
    axis = _AXES.get(axis, axis) if isinstance(axis, str) else axis
    if axis is not None and (type(axis) is not int or axis not in _AXES.values()):
        raise ConfigError(f"{where}: {key} must be x, y or z, not {axis!r}. Leave it out where it is unknown.")
    return axis


def _mirrored(pairs: object, joints: tuple[str, ...], where: str) -> dict[str, str]:
    """Joint of a pair -> its name with the side in front, for all joints of pairs that have other names."""
    if not isinstance(pairs, list | tuple):
        raise ConfigError(f"{where}: mirror must be a list of pairs [left, right], found {pairs!r}.")
    renamed: dict[str, str] = {}
    for pair in pairs:
        names = _names(pair, "a pair of mirror", where, 2)
        if len(names) != 2 or not set(names) <= set(joints):
            raise ConfigError(f"{where}: mirror: {list(names)} are not two of its joints: {', '.join(joints)}.")
        left, right = (spelling(name).partition("_")[::2] for name in names)
        rest = left[1] if (left[0], right[0]) == ("left", "right") and left[1] == right[1] else names[0]
        renamed |= {name: f"{side}_{rest}" for name, side in zip(names, ("left", "right"), strict=True)}
    return {was: now for was, now in renamed.items() if was != now}


def parse_sources(content: object, where: str) -> dict[str, tuple[tuple[str, ...], ...]]:
    """What a mapping says of where joints come from.

    Args:
        content: joint -> name, {mean: [names]}, or a list of such alternatives, the best first.
        where: Where it stands, for messages.

    Raises:
        ConfigError: It is no such mapping.

    >>> parse_sources({"knee": ["KNE", {"mean": ["KNL", "KNM"]}]}, "aliases")
    {'knee': (('KNE',), ('KNL', 'KNM'))}
    """
    if not isinstance(content, Mapping):
        raise ConfigError(f"{where}: expected a mapping such as {{left_knee: LKNE}}, found {content!r}.")
    found: dict[str, tuple[tuple[str, ...], ...]] = {}
    for joint, value in content.items():
        alternatives = value if isinstance(value, list) else [value]
        found[str(joint)] = tuple(_alternative(item, f"{where}: {joint}") for item in alternatives)
    return found


def _alternative(item: object, where: str) -> tuple[str, ...]:
    if isinstance(item, str) and item:
        return (item,)
    if isinstance(item, Mapping) and list(item) == ["mean"]:
        return _names(item["mean"], "mean", where)
    raise ConfigError(f"{where}: expected a name or {{mean: [names]}}, found {item!r}.")
