"""What the columns of a table are, by their names: coordinates of joints, confidences, frames, times, persons."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

AXES = ("x", "y", "z")
SCORE = "score"
STATE = "state"  # a score of a few whole numbers, 0 for not seen
_SCORES = "v|vis|visibility|visible|c|conf|confidence|score|likelihood|presence|prob|probability"
_STATES = "state|tracking_?state|status|tracked|confidence_?level"
_MARK = rf"w?[xyz]|{_SCORES}|{_STATES}"
_UNIT = r"(?:[\s_]*[\[(]?(?P<unit>mm|cm|m|px|pixels?)[\])]?)?"
_NAMED = re.compile(rf"(?P<joint>.*\D.*?|\d+)[\s_.:/|-]+(?P<mark>{_MARK}){_UNIT}", re.IGNORECASE)  # nose_x
_CAMEL = re.compile(r"(?P<joint>.*[a-z0-9])(?P<mark>[XYZ])(?P<unit>)")  # noseX
_NUMBERED = re.compile(rf"(?P<mark>{_MARK})[\s_]*(?P<joint>\d+)(?P<unit>)", re.IGNORECASE)  # x1
_AXIS_FIRST = re.compile(r"(?P<mark>[xyz])[\s_.:/|-]+(?P<joint>\w.*?)(?P<unit>)", re.IGNORECASE)  # x_nose
_ALONE = re.compile(rf"(?P<mark>{_MARK}){_UNIT}", re.IGNORECASE)  # in a long table
_OTHERS = "acc|gyro|mag|quat|rot|vel|angle|angular|orient|euler|bbox|box|normal"
# coordinates, but not of a joint's place: words that begin so
_NO_PLACE = re.compile(rf"(?:^|[\W_])(?i:{_OTHERS})|[a-z](?:{'|'.join(map(str.capitalize, _OTHERS.split('|')))})")
_WORLD = re.compile(r"[\s_.]*\bworld\b[\s_.]*|[\s_.]*world[\s_.]+|[\s_.]+world[\s_.]*", re.IGNORECASE)
# what a column that stands for itself is, by its name in small letters without separators -> its role
_FRAME = ("frame", "frameid", "frameno", "framenumber", "framenum", "frameidx", "frameindex", "framecount", "frame#")
_TIME = {
    "time": "",
    "timestamp": "",
    "t": "",
    "ts": "",
    "relativetime": "",
    **dict.fromkeys(("times", "timesec", "timeseconds", "timestamps", "ts", "seconds", "sec", "timestampsec"), "s"),
    **dict.fromkeys(("tms", "timems", "timestampms", "ms", "msec", "millis", "milliseconds"), "ms"),
    **dict.fromkeys(("timestampusec", "timestampus", "tus", "timeus", "usec", "microseconds"), "µs"),
    **dict.fromkeys(("timestampns", "timens", "tns", "nanoseconds"), "ns"),
}
_PERSON = ("person", "personid", "id", "track", "trackid", "trackingid", "body", "bodyid", "skeletonid", "player",
           "playerid", "userid", "individual", "individuals", "personidx", "bodyindex")  # fmt: skip
_CLASS = ("class", "label", "action", "activity")
_JOINT = ("jointname", "landmarkname", "keypointname", "joint", "jointtype", "landmark", "keypoint", "bodypart",
          "marker", "point", "name", "jointid", "landmarkid", "keypointid", "lmid", "kpid", "jointindex")  # fmt: skip
_LONGEST = 200  # characters of a column's name


@dataclass(frozen=True)
class Group:
    """The columns of the joints in one kind of coordinates.

    Args:
        joints: Joint, as the file names it -> mark (x, y, z, score, state) -> place of the column.
        units: The units that the names of the columns give.
    """

    joints: dict[str, dict[str, int]] = field(default_factory=dict)
    units: set[str] = field(default_factory=set)

    @property
    def axes(self) -> tuple[str, ...]:
        """The coordinates that all joints have: x and y, or x, y and z."""
        return tuple(axis for axis in AXES if all(axis in marks for marks in self.joints.values()))

    @property
    def scored(self) -> str:
        """SCORE or STATE where a column tells how well a joint was seen, else empty."""
        return next((mark for mark in (SCORE, STATE) if any(mark in marks for marks in self.joints.values())), "")


@dataclass(frozen=True)
class Columns:
    """The columns of a table.

    Args:
        place: The coordinates; the only joint is called "" in a long table, where each row holds one joint.
        world: Coordinates that are called world coordinates; None without.
        frame: Place of the column of the numbers of frames; None without.
        time: Place of that of the times.
        time_unit: Their unit, where the name says it.
        person: Place of that of the persons.
        label: Place of that of the class.
        joint: Place of that of the joints' names or numbers, in a long table.
    """

    place: Group
    world: Group | None = None
    frame: int | None = None
    time: int | None = None
    time_unit: str = ""
    person: int | None = None
    label: int | None = None
    joint: int | None = None

    @property
    def best(self) -> Group:
        """The world coordinates where there are any."""
        return self.place if self.world is None else self.world


def find_columns(names: Iterable[str]) -> Columns | None:
    """Find out what the columns of a table are.

    Args:
        names: Their names.

    Returns:
        What they are; None where no column holds coordinates of joints.
    """
    names = list(names)
    plain = [re.sub(r"[\s_.-]", "", name.lower()) for name in names]
    place, world = _joint_columns(names, plain)
    time = _first(plain, _TIME)
    person = _first([word if at != time else "" for at, word in enumerate(plain)], _PERSON)
    common = Columns(
        place,
        world if world.joints else None,
        _first(plain, _FRAME),
        time,
        "" if time is None else _TIME[plain[time]],
        person,
        _first(plain, _CLASS),
    )
    if len(place.joints) > 1 or len(world.joints) > 1:
        return common
    joint = _first(plain, _JOINT)
    place, world = _long_columns(names)
    if joint is None or not {"x", "y"} <= set(place.joints.get("", {})):
        return None
    return Columns(
        place,
        world if {"x", "y"} <= set(world.joints.get("", {})) else None,
        common.frame,
        common.time,
        common.time_unit,
        None if person is not None and plain[person] in ("id",) and "name" not in plain[joint] else person,
        common.label,
        joint,
    )


def _first(words: list[str], wanted: Iterable[str]) -> int | None:
    """The place of the first word of `wanted` that is there."""
    return next((words.index(word) for word in wanted if word and word in words), None)


def _mark(text: str) -> str:
    """x, y, z, SCORE or STATE for the last part of a column's name."""
    text = text.lower()
    if text[-1] in AXES and len(text) <= 2:
        return text[-1]
    return STATE if re.fullmatch(_STATES, text) else SCORE


def _joint_columns(names: list[str], plain: list[str]) -> tuple[Group, Group]:
    """The coordinates, and the world coordinates, of joints that have columns of their own."""
    place, world = Group(), Group()
    for column, name in enumerate(names):
        if len(name) > _LONGEST:  # no name of a joint, and the patterns would take minutes
            continue
        match = next((found for p in (_NAMED, _CAMEL, _NUMBERED, _AXIS_FIRST) if (found := p.fullmatch(name))), None)
        if match is None or plain[column] in _TIME or _NO_PLACE.search(match["joint"]):
            continue
        joint = _WORLD.sub("", match["joint"]).strip(" _.:")
        is_world = joint != match["joint"].strip(" _.:") or match["mark"].lower()[:1] == "w"
        _add(world if is_world else place, joint, match, column)
    for group in (place, world):
        for joint in [joint for joint, marks in group.joints.items() if not {"x", "y"} <= set(marks)]:
            del group.joints[joint]
    for joint, marks in world.joints.items():  # confidences may be written once, beside the other coordinates
        for mark in (SCORE, STATE):
            if mark not in marks and mark in place.joints.get(joint, {}):
                marks[mark] = place.joints[joint][mark]
    return place, world


def _long_columns(names: list[str]) -> tuple[Group, Group]:
    """The same for a table in which each row holds one joint."""
    place, world = Group(), Group()
    for column, name in enumerate(names):
        plain = _WORLD.sub("", name).strip(" _.:")
        match = _ALONE.fullmatch(plain)
        if match is not None:
            _add(world if plain != name or match["mark"].lower()[0] == "w" else place, "", match, column)
    for mark in (SCORE, STATE):
        if mark in place.joints.get("", {}) and world.joints:
            world.joints[""].setdefault(mark, place.joints[""][mark])
    return place, world


def _add(group: Group, joint: str, match: re.Match[str], column: int) -> None:
    group.joints.setdefault(joint, {}).setdefault(_mark(match["mark"]), column)
    if match["unit"]:
        unit = match["unit"].lower()
        group.units.add("px" if unit.startswith("p") else unit)


def described(columns: Columns, names: Mapping[int, str] | list[str] | tuple[str, ...]) -> str:
    """Which columns were taken for what, as a sentence.

    Args:
        columns: What was found.
        names: Names of the columns by place.
    """
    group = columns.best
    first, marks = next(iter(group.joints.items()))
    taken = ", ".join(names[marks[mark]] for mark in (*group.axes, SCORE, STATE) if mark in marks)
    beside = [(columns.frame, "frame"), (columns.time, "time"), (columns.person, "person"), (columns.joint, "joint")]
    roles = "; ".join(f"{role}: {names[place]}" for place, role in beside if place is not None)
    what = f"joint '{first}' from {taken}" if first else f"coordinates from {taken}"
    return f"Columns are told by their names: {what}{f'; {roles}' if roles else ''}."
