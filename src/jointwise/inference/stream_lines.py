"""Streams as lines of JSON: a frame goes in as one line, an event comes out as one."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from jointwise.data.typed_files import parse_json
from jointwise.errors import ReadError, counted

if TYPE_CHECKING:
    from jointwise.inference.stream import Event


def frame_of(line: str | bytes, min_confidence: float = 0.3) -> dict[str, Any]:
    """A line of JSON as the arguments of `Stream.push`.

    Args:
        line: One frame.
        min_confidence: Below it a joint is not seen.

    Raises:
        ReadError: It is no such line.

    >>> frame_of('{"time": 1.5, "positions": [[0.1, 0.2, 2.0], null]}')["time"]
    1.5
    """
    try:
        frame = parse_json(line)
    except (ValueError, RecursionError) as error:
        raise ReadError(f"no JSON: {error}. A frame is one line.") from None
    persons = frame.get("persons", [frame] if "positions" in frame else None) if isinstance(frame, dict) else None
    if not isinstance(persons, list) or not all(isinstance(one, dict) and "positions" in one for one in persons):
        raise ReadError('a frame is {"positions": [[x, y, z], …]} or {"persons": [{"positions": […]}, …]}.')
    points = [_points(one["positions"]) for one in persons]
    for one, joints in zip(persons, points, strict=True):
        _hide(joints, one.get("confidence"), min_confidence)
    ids = [one["id"] for one in persons if one.get("id") is not None]
    if ids and len(ids) < len(persons):
        raise ReadError("some persons have an id and some have none. Give all of them one, or none.")
    return {"positions": points, "time": frame.get("time"), "ids": ids or None}


def _points(joints: Any) -> list[Any]:
    """The joints of a person, with NaN for those that are null."""
    if not isinstance(joints, list):
        raise ReadError("positions are no list of joints.")
    coordinates = next((len(joint) for joint in joints if isinstance(joint, list)), 3)
    return [[float("nan")] * coordinates if joint is None else joint for joint in joints]


def _hide(joints: list[Any], confidence: Any, least: float) -> None:
    """Put NaN in place of joints of little confidence."""
    if confidence is None:
        return
    if not isinstance(confidence, list) or len(confidence) != len(joints):
        raise ReadError(f"the confidences are no list of {counted(len(joints), 'number')}, one for each joint.")
    for place, sure in enumerate(confidence):
        if not isinstance(sure, int | float | None):
            raise ReadError(f"confidence {place} is {sure!r}, which is no number.")
        if not (sure or 0) >= least and isinstance(joints[place], list):
            joints[place] = [float("nan")] * len(joints[place])


def event_as_json(event: Event) -> dict[str, Any]:
    """What a stream says, as plain values: a window, or a segment, which has no window's `smoothed`.

    Args:
        event: An event of a stream.
    """
    content = asdict(event)
    if "smoothed" not in content:
        return {"event": "segment", **content}
    del content["probabilities"]
    if not content["reason"]:
        del content["reason"]
    return {"event": "window", **content}
