"""A live stream: frames go in one by one, and what every person does comes out."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterable, Iterator, Mapping
from collections.abc import Sequence as Many
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from jointwise.data.conventions import UNITS, axis_of
from jointwise.data.sequence import Bools, Floats, Sequence, as_float_array
from jointwise.data.skeletons import SKELETONS, Skeleton, get_skeleton
from jointwise.data.tracking import Tracker
from jointwise.errors import ConfigError, JointwiseWarning, ReadError, unknown
from jointwise.inference.answers import Answers
from jointwise.inference.inputs import Inputs
from jointwise.inference.timeline import SWITCH_COST, Named, Namer, Segment
from jointwise.inference.windows import HOP, Person, Windows

Event = Named | Segment
_PACE = 1.5  # times faster or slower than stated, from which on frames are not those that were meant


@dataclass(frozen=True)
class Said:
    """What is said of the frames of a stream; None where nothing is.

    Args:
        layout: The joints, or the name of a shipped layout.
        fps: Frames per second.
        units: The unit of the coordinates.
        up: The axis that points up.

    Raises:
        ConfigError: A value cannot be meant.
    """

    layout: str | Skeleton | None = None
    fps: float | None = None
    units: str | None = None
    up: str | None = None

    def __post_init__(self) -> None:
        if self.fps is not None and not 0 < self.fps < math.inf:
            raise ConfigError(f"fps {self.fps}: frames per second must be above 0.")
        if self.units is not None and self.units not in UNITS:
            raise ConfigError(unknown("unit", self.units, UNITS))
        if self.up is not None:
            axis_of(self.up)
        if isinstance(self.layout, str):
            object.__setattr__(self, "layout", get_skeleton(self.layout))


class Stream:
    """Names what every person does while frames come in, as `Recognizer.timeline` does for a recording.

    Twice a second there is an answer about the last seconds of each person (`Named`), and a `Segment` as soon as
    nothing that comes can change it. The segments are those that `timeline` finds in the same frames.

    Args:
        inputs: What the model takes.
        answers: What it says.
        frames: Frames for a loop over the events: arrays of positions, or arguments of `push` by name.
        said: What is said of the frames.
        window: Seconds that one answer looks at; None: `Inputs.window`.
        hop: Seconds between two answers.
        switch_cost: What a change of action costs, in nats for each answer that sees it.

    Raises:
        ConfigError: The window or the hop is not positive.

    >>> import jointwise
    >>> stream = jointwise.Recognizer.from_pretrained("runs/demo/finetune").stream(fps=30)
    >>> events = [event for pose in jointwise.read("wave.npz").positions[0] for event in stream.push(pose)]
    >>> stream.close()[-1].label in (*stream.classes, "none of these")
    True
    """

    def __init__(
        self,
        inputs: Inputs,
        answers: Answers,
        frames: Iterable[npt.ArrayLike | Mapping[str, Any]] = (),
        said: Said = Said(),
        window: float | None = None,
        hop: float = HOP,
        switch_cost: float = SWITCH_COST,
    ) -> None:
        window = inputs.window if window is None else window
        if not window > 0 or not hop > 0:
            raise ConfigError(f"window {window} and hop {hop} must be above 0 seconds.")
        self.fps = said.fps or inputs.fps
        self.classes = answers.classes
        self._inputs, self._answers, self._frames, self._said = inputs, answers, frames, said
        self._window, self._hop, self._cost = window, hop, switch_cost * window / hop
        self._count = self._taken = 0  # frames that were pushed, and those of them that could be used
        self._zero = 0.0  # time of the first frame
        self._latest = -math.inf  # time of the last frame
        self._place = -1  # place of the last frame on the grid
        self._named: bool | None = None  # whether persons have ids
        self._origin: Bools | None = None  # (V,) the joint that lies at zero in all frames, if any
        self._followed: _Followed | None = None  # from the first frame with persons on

    def __iter__(self) -> Iterator[Event]:
        """The events of all frames that the stream was made with."""
        for frame in self._frames:
            yield from self.push(**frame) if isinstance(frame, Mapping) else self.push(frame)
        yield from self.close()

    def push(
        self,
        positions: npt.ArrayLike,
        valid: npt.ArrayLike | None = None,
        time: float | None = None,
        ids: Many[Person] | None = None,
    ) -> list[Event]:
        """Take the next frame.

        Args:
            positions: (M, V, C) coordinates of all persons who are there, or (V, C) of one; empty where nobody is.
            valid: (M, V) or (V,), whether a joint was seen. None: where it is neither NaN nor at zero.
            time: Seconds on any clock, not before those of the frame before; None: one frame after it. They are rounded
                to the frame rate of the stream: a frame that was dropped is a gap, and of two at one place the first
                counts.
            ids: (M,) number or name of each person; None: persons are followed from frame to frame.

        Returns:
            What is known now that was not known before; mostly nothing.

        Raises:
            ReadError: The frame cannot be used. It is left out, and the stream goes on.
        """
        where = f"frame {self._count}"
        self._count += 1
        points = self._points(positions, where)
        seen = self._seen(points, valid, where)
        names = self._names(ids, len(points), where)
        place = self._place_of(time, where)
        if place == self._place:
            return []
        self._place = place
        if self._followed is None:
            if not len(points):
                return []
            self._followed = self._follow(points)
        return self._followed.push(place, points, seen, names)

    def close(self) -> list[Event]:
        """End the stream: the answer about its last seconds, and the segments that were not final.

        Returns:
            Them; nothing if it is closed again. Frames that come later begin anew.
        """
        followed, self._followed = self._followed, None
        return followed.close(self._place + 1) if followed else []

    def _follow(self, points: Floats) -> _Followed:
        """What follows persons such as those of the first frame (M, V, C)."""
        skeleton = self._layout(points.shape[1])
        like = Sequence(
            np.zeros((1, 1, *points.shape[1:]), np.float32),
            skeleton,
            fps=self.fps,
            source="stream",
            units=self._said.units,
            up=self._said.up,
        )
        joints = self._inputs.joints(skeleton, "stream")
        namer = Namer(self._inputs, self._answers, joints, self.fps, self._cost, zero=self._zero)
        tracker = Tracker(self.fps, skeleton.bone_indices)
        return _Followed(Windows(like, self._window, self._hop, self._inputs.together), namer, tracker)

    def _layout(self, joints: int) -> Skeleton:
        """The layout of frames with so many joints."""
        layout = self._said.layout
        return layout if isinstance(layout, Skeleton) else self._inputs.layout_of(joints)

    def _points(self, positions: npt.ArrayLike, where: str) -> Floats:
        """(M, V, C) of a frame. Raises ReadError."""
        points = as_float_array(positions, where)
        points = points[None] if points.ndim == 2 else points
        if not len(points):
            return np.zeros((0, 0, 0), np.float32)
        joints = points.shape[1] if points.ndim > 1 else 0
        layout = self._layout(joints)
        if points.ndim != 3 or joints != len(layout.joints):
            fitting = [name for name, known in SKELETONS.items() if len(known.joints) == joints]
            hint = f", such as {' or '.join(fitting)}" if fitting else ""
            raise ReadError(
                f"{where}: positions have the shape {np.shape(positions)}, expected (persons, {len(layout.joints)}, 3) "
                f"for the layout {layout.name}, or ({len(layout.joints)}, 3) for one person. If these are other "
                f"joints, name their layout{hint}."
            )
        self._inputs.check_coordinates(points.shape[2], where)
        return points

    def _seen(self, points: Floats, valid: npt.ArrayLike | None, where: str) -> Bools:
        """(M, V) whether each joint was seen. Raises ReadError."""
        if valid is None:
            seen = np.asarray(~np.isnan(points).any(-1), bool)
        else:
            seen = np.asarray(valid, bool)
            seen = seen[None] if seen.ndim == 1 and len(points) == 1 else seen
            if len(points) and seen.shape != points.shape[:2]:
                raise ReadError(f"{where}: the valid mask has shape {np.shape(valid)}, expected {points.shape[:2]}.")
        wild = seen & ~np.isfinite(points).all(-1)
        if wild.any():
            person, joint = np.argwhere(wild)[0].tolist()
            name = self._layout(points.shape[1]).joints[joint]
            raise ReadError(
                f"{where}: person {person}, joint {joint} ({name}) is at {points[person, joint].tolist()}, which are "
                "no finite numbers. A joint that was not seen is NaN, or not valid."
            )
        return seen if valid is not None or not len(points) else seen & ~self._at_zero(points)

    def _at_zero(self, points: Floats) -> Bools:
        """(M, V) joints at zero, the sign of most tools for "not seen", but not that which is the origin."""
        zero = np.asarray((points == 0).all(-1), bool)
        always = np.full(zero.shape[1], (zero.sum(1) == 1).all()) if self._origin is None else self._origin
        self._origin = np.asarray(always & zero.all(0), bool)
        return zero & (~self._origin | zero.all(1, keepdims=True))

    def _names(self, ids: Many[Person] | None, count: int, where: str) -> list[Person] | None:
        """The ids of a frame. Raises ReadError."""
        if ids is None:
            names = None
        else:
            names = [name.item() if isinstance(name, np.generic) else name for name in ids]
            if len(names) != count:
                raise ReadError(f"{where}: {len(names)} ids for {count} persons.")
            for name in names:
                if isinstance(name, bool) or not isinstance(name, int | str):
                    raise ReadError(f"{where}: the id {name!r} is neither a whole number nor text.")
                if names.count(name) > 1:
                    raise ReadError(
                        f"{where}: two persons have the id {name!r}. Leave ids out: persons are then followed."
                    )
        if count and self._named not in (None, names is not None):
            before, now = ("with", "without") if self._named else ("without", "with")
            raise ReadError(f"{where}: persons {now} ids, but those of the frames before were {before}.")
        self._named = names is not None if count else self._named
        return names

    def _place_of(self, time: float | None, where: str) -> int:
        """The place of a frame on the grid. Raises ReadError."""
        if time is None:
            place = self._place + 1
            self._latest = self._zero + place / self.fps
        else:
            try:
                moment = float(time)
            except (TypeError, ValueError):
                moment = math.nan
            if not math.isfinite(moment):
                raise ReadError(f"{where}: the time {time!r} is no number of seconds.")
            if moment < self._latest:
                raise ReadError(f"{where}: the time goes back from {self._latest:g} to {moment:g} seconds.")
            if not self._taken:
                self._zero = moment
            self._latest = moment
            place = round((moment - self._zero) * self.fps)
        self._taken += 1
        if self._taken == round(self._window * self.fps):
            self._check_pace()
        return max(place, self._place)

    def _check_pace(self) -> None:
        """Warns if frames come much slower or faster than was said."""
        passed = self._latest - self._zero
        pace = (self._taken - 1) / passed if passed > 0 else math.inf
        if not self.fps / _PACE <= pace <= self.fps * _PACE:
            what = "some are left out" if pace > self.fps else "the others count as dropped, and answers are worse"
            warnings.warn(
                f"stream: {pace:.3g} frames come in a second, but {self.fps:g} are expected: {what}. Say how many the "
                f"camera gives, such as fps={pace:.0f}. Times are in seconds.",
                JointwiseWarning,
                stacklevel=4,
            )


@dataclass(frozen=True)
class _Followed:
    """What follows the persons of a stream from its first one on.

    Args:
        windows: Cuts their windows.
        namer: Names them.
        tracker: Tells who is who where persons have no ids.
    """

    windows: Windows
    namer: Namer
    tracker: Tracker

    def push(self, place: int, points: Floats, seen: Bools, names: Many[Person] | None) -> list[Event]:
        """The events of a frame: points (M, V, C), validity (M, V), and ids if there are any."""
        there = np.flatnonzero(seen.any(1)).tolist()
        numbers: Many[Person]
        if names is None:
            bodies = np.where(seen[..., None], points, np.float32(np.nan))
            numbers = self.tracker.follow([bodies[row] for row in there], place)
        else:
            numbers = [names[row] for row in there]
        persons: dict[Person, tuple[Floats, Bools]] = {
            number: (points[row], seen[row]) for number, row in zip(numbers, there, strict=True)
        }
        events: list[Event] = list(self.namer.name(self.windows.push(place, persons)))
        return events + self.namer.leave(self.windows.begin)

    def close(self, end: int) -> list[Event]:
        """The last events; `end` is the frame behind the last one."""
        events: list[Event] = list(self.namer.name(self.windows.close(end)))
        return events + self.namer.leave()
