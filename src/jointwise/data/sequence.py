"""One recording: positions of joints over time, with a validity mask and what is known about the recording."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from jointwise.data.joint_map import columns_of
from jointwise.data.skeletons import Skeleton
from jointwise.errors import ReadError

Floats = npt.NDArray[np.float32]
Bools = npt.NDArray[np.bool_]


def as_float_array(positions: object, source: str) -> Floats:
    """Converts positions to an array of float32.

    Args:
        positions: An array, or nested lists of numbers.
        source: Where they come from, for messages.

    Raises:
        ReadError: They are text, lists of unequal length, or anything else that is no array of numbers.
    """
    try:
        with np.errstate(over="ignore"):  # a number too large for float32 becomes infinite; Sequence reports where
            return np.asarray(positions, dtype=np.float32)
    except (TypeError, ValueError, OverflowError) as error:
        raise ReadError(
            f"{source}: positions are no array of numbers ({error}). Give one of shape (persons, frames, joints, 2 or "
            "3), with every joint in every frame."
        ) from error


@dataclass(frozen=True, eq=False)
class Sequence:
    """One skeleton recording; axes are always person, frame, joint, coordinate.

    Args:
        positions: (M, T, V, C) float32, metres where the sensor gives metres, C 2 or 3. (T, V, C) is one person.
            Values at invalid places are kept as given but must not be used.
        skeleton: The layout of the V joints.
        valid: (M, T, V) bool, True where the sensor observed or inferred the joint. None: all joints but those that are
            NaN, the sign of most tools for "not seen"; `assumed` says how many.
        fps: Frames per second.
        label: Class index.
        subject: Number of the person who performs.
        camera: Number of the view.
        source: The file it came from, for messages.
        confidence: (M, T, V) float32 from 0 to 1, how sure a detector was; None where nothing says it.
        units: The unit of the coordinates, such as `m` or `px`; None where unknown.
        up: The axis that points up, such as `y`, or `-y` for images; None where unknown.
        assumed: What the file does not say and its reader took for granted, as whole sentences.
        begin: Frames of the file before the first one here, which were cut off.

    Raises:
        ReadError: The shapes do not fit, or a coordinate at a valid place is not finite. The message names source,
            person, frame and joint.
    """

    positions: Floats
    skeleton: Skeleton
    valid: Bools | None = None
    fps: float = 30.0
    label: int | None = None
    subject: int | None = None
    camera: int | None = None
    source: str = "array"
    confidence: Floats | None = None
    units: str | None = None
    up: str | None = None
    assumed: tuple[str, ...] = ()
    begin: int = 0

    def __post_init__(self) -> None:
        positions = as_float_array(self.positions, self.source)
        if positions.ndim == 3:
            positions = positions[None]
        joints = len(self.skeleton.joints)
        if positions.ndim != 4 or positions.shape[2] != joints or positions.shape[3] not in (2, 3):
            raise ReadError(
                f"{self.source}: positions have shape {np.shape(self.positions)}, but skeleton "
                f"'{self.skeleton.name}' needs (persons, frames, {joints}, 3), or (frames, {joints}, 3) for one "
                "person (2 coordinates for 2D poses). Bring the axes into this order, or name the right skeleton."
            )
        finite = np.isfinite(positions)
        if self.valid is None:
            valid = np.asarray(~np.isnan(positions).any(-1), bool)
            if not valid.all():
                told = f"{int((~valid).sum())} joints ({100 * (~valid).mean():.1f} %) are NaN: they count as not seen."
                object.__setattr__(self, "assumed", (*self.assumed, told))
        else:
            valid = np.asarray(self.valid, bool)
        if valid.ndim == 2:
            valid = valid[None]
        if valid.shape != positions.shape[:3]:
            raise ReadError(
                f"{self.source}: the valid mask has shape {valid.shape}, positions need {positions.shape[:3]} "
                "(persons, frames, joints)."
            )
        if not finite.all() and (broken := valid & ~finite.all(-1)).any():
            person, frame, joint = np.argwhere(broken)[0].tolist()
            raise ReadError(
                f"{self.source}: coordinates that are not finite numbers at {int(broken.sum())} places, first: person "
                f"{person}, frame {frame}, joint {joint} ({self.skeleton.joints[joint]}): "
                f"{positions[person, frame, joint].tolist()}. If these are missing joints, mark them as such "
                "in `valid`: valid = np.isfinite(positions).all(-1)."
            )
        object.__setattr__(self, "positions", positions)
        object.__setattr__(self, "valid", valid)
        if self.confidence is not None:
            confidence = np.asarray(self.confidence, np.float32)
            object.__setattr__(self, "confidence", confidence[None] if confidence.ndim == 2 else confidence)
            if self.confidence.shape != positions.shape[:3]:
                raise ReadError(
                    f"{self.source}: the confidences have shape {self.confidence.shape}, positions need "
                    f"{positions.shape[:3]} (persons, frames, joints)."
                )

    def __repr__(self) -> str:
        """One line: how long, how many persons, which joints."""
        persons = f"{self.persons} person" + ("s" if self.persons != 1 else "")
        size = (
            f"{self.frames} frame{'s' if self.frames != 1 else ''}, {persons}, {self.skeleton.name}, {self.fps:g} fps"
        )
        return f"Sequence({size}, {self.positions.shape[-1]}D, {100 * self.validity.mean():.1f} % seen, {self.source})"

    @property
    def validity(self) -> Bools:
        """(M, T, V) mask; as `valid`, but never None."""
        assert self.valid is not None  # __post_init__ fills it in
        return self.valid

    def on_joints(self, names: Iterable[str]) -> Sequence:
        """The same recording with some of its joints, and with those that follow from them (`synthesis.yaml`).

        Args:
            names: The joints to keep, in the order of the result. A joint that follows is valid where all are that it
                is the mean of.

        Returns:
            The reduced recording; this same object when `names` are all its joints in their order.

        Raises:
            ConfigError: The recording has no joint of that name.
        """
        skeleton = self.skeleton.on_joints(names)
        if skeleton is self.skeleton:
            return self
        columns = columns_of(skeleton.joints, self.skeleton.joints)
        return replace(
            self,
            positions=self.positions[:, :, columns].mean(3),
            valid=np.all(self.validity[:, :, columns], axis=3),
            confidence=None if self.confidence is None else self.confidence[:, :, columns].min(3),
            skeleton=skeleton,
        )

    def on_persons(self, slots: list[int]) -> Sequence:
        """The same recording with some of its persons.

        Args:
            slots: Numbers of the person slots to keep, from 0, in the order of the result.

        Returns:
            The reduced recording.
        """
        return replace(
            self,
            positions=self.positions[slots],
            valid=self.validity[slots],
            confidence=None if self.confidence is None else self.confidence[slots],
        )

    def on_frames(self, begin: int, end: int) -> Sequence:
        """The same recording from one frame to another.

        Args:
            begin: First frame to keep.
            end: The frame behind the last one.

        Returns:
            The shorter recording.
        """
        return replace(
            self,
            positions=self.positions[:, begin:end],
            valid=self.validity[:, begin:end],
            confidence=None if self.confidence is None else self.confidence[:, begin:end],
            begin=self.begin + begin,
        )

    @property
    def persons(self) -> int:
        """Number of person slots M."""
        return int(self.positions.shape[0])

    @property
    def frames(self) -> int:
        """Number of frames T."""
        return int(self.positions.shape[1])
