"""How training clips vary: the groups of settings for every kind of training."""

from __future__ import annotations

from dataclasses import dataclass

from jointwise.config.fields import check_at_least, check_share, setting


@dataclass
class AugmentConfig:
    """How training clips vary."""

    crop: float = setting(0.5, "least share of the frames that a training clip keeps")
    rotation: float = setting(0.3, "largest rotation about each axis, radians")
    mirror: float = setting(0.0, "probability of a mirror image")
    scale: float = setting(0.0, "largest relative change of size")
    bones: float = setting(0.0, "largest relative change of the length of each bone")

    def __post_init__(self) -> None:
        check_share("augment", crop=self.crop, mirror=self.mirror, scale=self.scale, bones=self.bones)
        check_at_least(0, "augment", rotation=self.rotation)


@dataclass
class WeakConfig(AugmentConfig):
    """How the clips vary that the teacher of `semi` labels."""

    crop: float = setting(0.9, "least share of the frames that a training clip keeps")
    rotation: float = setting(0.1, "largest rotation about each axis, radians")


@dataclass
class StrongConfig(AugmentConfig):
    """How the clips vary that the student of `semi` learns from."""

    scale: float = setting(0.1, "largest relative change of size")
    bones: float = setting(0.1, "largest relative change of the length of each bone")
