"""What the viewer shows: clips of panels side by side, and what recognisers say of them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from jointwise.data.kinematics import body_at_rest
from jointwise.data.sequence import Bools, Floats
from jointwise.data.skeletons import Skeleton
from jointwise.errors import DataError
from jointwise.inference.timeline import Segment


@dataclass(frozen=True, eq=False)
class Panel:
    """One view of a clip.

    Args:
        title: Title of the panel.
        skeleton: Layout of the joints; positions have its unit and axes.
        positions: (M, T, V, C), C is 2 or 3.
        valid: (M, T, V); joints that are not valid are drawn faintly.
        shown: (M, T, V); joints that are not shown are not drawn, or as a dot in a panel with `hiding`. None: all are.
        hiding: Whether the panel is about joints that are hidden from the student.
        weights: (V,) from 0 to 1, by which joints are coloured in place of left and right; None: they are not.

    Raises:
        DataError: Shapes do not fit together, or a valid joint has no finite coordinates.
    """

    title: str
    skeleton: Skeleton
    positions: Floats
    valid: Bools
    shown: Bools | None = None
    hiding: bool = False
    weights: npt.NDArray[np.float64] | None = None

    def __post_init__(self) -> None:
        shape = np.shape(self.positions)
        joints = len(self.skeleton.joints)
        if len(shape) != 4 or shape[2] != joints or shape[3] not in (2, 3) or 0 in shape:
            raise DataError(
                f"panel '{self.title}': positions have shape {shape}, but skeleton '{self.skeleton.name}' needs "
                f"(persons, frames, {joints}, 3), or 2 coordinates; at least one person and one frame."
            )
        for name, mask in (("valid", self.valid), ("shown", self.shown)):
            if mask is not None and np.shape(mask) != shape[:3]:
                raise DataError(
                    f"panel '{self.title}': {name} has shape {np.shape(mask)}, positions need {shape[:3]} "
                    "(persons, frames, joints)."
                )
        if self.weights is not None and np.shape(self.weights) != (joints,):
            raise DataError(f"panel '{self.title}': {np.shape(self.weights)} weights for {joints} joints.")
        broken = self.drawn & self.valid & ~np.isfinite(self.positions).all(-1)
        if broken.any():
            person, frame, joint = np.argwhere(broken)[0].tolist()
            raise DataError(
                f"panel '{self.title}': person {person}, frame {frame}, joint {joint} "
                f"({self.skeleton.joints[joint]}) is valid but not finite. Mark it as not valid."
            )

    @property
    def drawn(self) -> Bools:
        """(M, T, V): where a joint is drawn, if only faintly: it is shown, and valid or at least finite."""
        shown = np.ones(self.valid.shape, bool) if self.shown is None else np.asarray(self.shown, bool)
        return shown & (self.valid | np.isfinite(self.positions).all(-1))

    @cached_property
    def stature(self) -> float:
        """How tall the person with most valid joints is, by the length of its bones; 0 without a bone."""
        shown = self.drawn & self.valid
        person = int(shown.sum((1, 2)).argmax())
        places = np.zeros((*shown.shape[1:], 3))
        places[..., : self.positions.shape[3]] = self.positions[person]
        try:
            return body_at_rest(self.skeleton, places, shown[person]).stature
        except DataError:
            return 0.0


def recorded_panel(title: str, skeleton: Skeleton, positions: Floats, valid: Bools) -> Panel:
    """The panel of prepared positions. A joint of a person that is valid in no frame has no place, so it is not shown.

    Args:
        title: Title of the panel.
        skeleton: Layout of the joints.
        positions: (M, T, V, C).
        valid: (M, T, V).
    """
    ever_valid = np.broadcast_to(valid.any(1, keepdims=True), valid.shape)
    return Panel(title, skeleton, positions, valid, None if ever_valid.all() else ever_valid)


@dataclass(frozen=True)
class Answer:
    """The class probabilities that one recogniser gives to a clip.

    Args:
        title: Name of the recogniser.
        scores: (class, probability) pairs in any order.

    Raises:
        DataError: There is no pair.
    """

    title: str
    scores: tuple[tuple[str, float], ...]

    def __post_init__(self) -> None:
        if not self.scores:
            raise DataError(f"answer '{self.title}' names no class.")


@dataclass(frozen=True)
class Bars:
    """Named shares of a clip, drawn as bars under it.

    Args:
        title: Title of the list.
        rows: (name, value from 0 to 1, the value in words) in order.
        words: A sentence below the title; empty for none.
    """

    title: str
    rows: tuple[tuple[str, float, str], ...]
    words: str = ""


@dataclass(frozen=True)
class Clip:
    """One entry of the viewer: panels side by side that play together.

    Args:
        title: Name of the clip.
        fps: Frames per second.
        panels: At least one; all have the same number of frames.
        truth: The true class; None if unknown.
        answers: Answers of recognisers.
        timeline: What each person does over time, in seconds from the first frame of the clip.
        compared: (name, timeline) of each further recogniser.
        bars: What else is said of it.
        spans: (begin, end, weight, words) of spans of time: in seconds from the first frame of the clip, from 0 to 1,
            and what is said of them.

    Raises:
        DataError: There is no panel, the panels have different lengths, or the frame rate is not a positive number.
    """

    title: str
    fps: float
    panels: tuple[Panel, ...]
    truth: str | None = None
    answers: tuple[Answer, ...] = ()
    timeline: tuple[Segment, ...] = ()
    compared: tuple[tuple[str, tuple[Segment, ...]], ...] = ()
    bars: tuple[Bars, ...] = ()
    spans: tuple[tuple[float, float, float, str], ...] = ()

    def __post_init__(self) -> None:
        if not self.panels:
            raise DataError(f"clip '{self.title}' has no panel. Give it one at least.")
        lengths = {panel.positions.shape[1] for panel in self.panels}
        if len(lengths) > 1:
            raise DataError(f"clip '{self.title}': panels of {sorted(lengths)} frames. Give all the same frames.")
        if not (np.isfinite(self.fps) and self.fps > 0):
            raise DataError(f"clip '{self.title}': {self.fps} frames per second. Give a number above 0.")

    @property
    def frames(self) -> int:
        """Number of frames T."""
        return int(self.panels[0].positions.shape[1])
