"""One recording as jointwise holds it: positions of joints over time with a validity mask."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from jointwise.data.skeletons import Skeleton
from jointwise.errors import ReadError

Floats = npt.NDArray[np.float32]
Bools = npt.NDArray[np.bool_]


def as_float_array(positions: object, source: str) -> Floats:
    """Positions as an array of float32. Raises ReadError for text, lists of unequal length, and what is no array."""
    try:
        with np.errstate(over="ignore"):  # a number beyond float32 becomes infinite, and Sequence says where
            return np.asarray(positions, dtype=np.float32)
    except (TypeError, ValueError, OverflowError) as error:
        raise ReadError(
            f"{source}: positions are no array of numbers ({error}). Give one of shape (persons, frames, joints, 2 or "
            "3), with every joint in every frame."
        ) from error


@dataclass(frozen=True, eq=False)
class Sequence:
    """One skeleton recording; axes are always person, frame, joint, coordinate.

    positions: (M, T, V, C) float32, metres where the sensor gives metres, C 2 or 3; (T, V, C) is taken as one person.
    skeleton: the joint layout (V joints). valid: (M, T, V) bool, True where the joint was observed or inferred by the
    sensor; None: everything is valid. fps: frames per second. label: class index. subject, camera: who and which
    view. source: the file it came from, for messages.

    Raises ReadError for wrong shapes, and for a coordinate that is not finite at a valid place (naming source, person,
    frame and joint). Values at invalid places are kept as given but must not be used.
    """

    positions: Floats
    skeleton: Skeleton
    valid: Bools | None = None
    fps: float = 30.0
    label: int | None = None
    subject: int | None = None
    camera: int | None = None
    source: str = "array"

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
        valid = np.ones(positions.shape[:3], bool) if self.valid is None else np.asarray(self.valid, bool)
        if valid.ndim == 2:
            valid = valid[None]
        if valid.shape != positions.shape[:3]:
            raise ReadError(
                f"{self.source}: the valid mask has shape {valid.shape}, positions need {positions.shape[:3]} "
                "(persons, frames, joints)."
            )
        finite = np.isfinite(positions)
        if not finite.all() and (broken := valid & ~finite.all(-1)).any():
            person, frame, joint = (int(axis[0]) for axis in np.nonzero(broken))
            raise ReadError(
                f"{self.source}: coordinates that are not finite numbers at {int(broken.sum())} places, first: person "
                f"{person}, frame {frame}, joint {joint} ({self.skeleton.joints[joint]}): "
                f"{positions[person, frame, joint].tolist()}. If these are missing joints, mark them as such "
                "in `valid`: valid = np.isfinite(positions).all(-1)."
            )
        object.__setattr__(self, "positions", positions)
        object.__setattr__(self, "valid", valid)

    @property
    def validity(self) -> Bools:
        """The (M, T, V) mask; never None."""
        assert self.valid is not None  # set in __post_init__
        return self.valid

    def on_joints(self, names: Iterable[str]) -> Sequence:
        """The same recording with the joints `names` only, in that order. Raises ConfigError for one it has not."""
        skeleton = self.skeleton.on_joints(names)
        if skeleton is self.skeleton:
            return self
        columns = [self.skeleton.joints.index(joint) for joint in skeleton.joints]
        return replace(
            self, positions=self.positions[:, :, columns], valid=self.validity[:, :, columns], skeleton=skeleton
        )

    @property
    def persons(self) -> int:
        """Number of person slots M."""
        return int(self.positions.shape[0])

    @property
    def frames(self) -> int:
        """Number of frames T."""
        return int(self.positions.shape[1])
