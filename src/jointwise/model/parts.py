"""From settings to the networks that objectives and classifiers are made of."""

from __future__ import annotations

from collections.abc import Collection

from jointwise.config.schema import Config
from jointwise.data.skeletons import Skeleton
from jointwise.errors import ConfigError, unknown
from jointwise.model.encoders import AXES, Completion, Encoder
from jointwise.model.tokens import MotionInput


def check_name(setting: str, name: str, registry: Collection[str]) -> None:
    """Check that the value of a setting is in a registry.

    Args:
        setting: The setting, for messages: `encoder.axis`.
        name: Its value.
        registry: The names that are known.

    Raises:
        ConfigError: It is not; names the nearest.
    """
    if name not in registry:
        raise ConfigError(unknown(f"value of --{setting}", name, registry))


def build_encoder(config: Config, skeleton: Skeleton, coordinates: int, drop_path: float = 0.0) -> Encoder:
    """The encoder of a config.

    Args:
        config: All settings.
        skeleton: Joints of the clips.
        coordinates: Coordinates per joint, C.
        drop_path: Probability that the last block is skipped for a person in training.

    Returns:
        An encoder with random weights.

    Raises:
        ConfigError: `encoder.axis` is unknown.
    """
    check_name("encoder.axis", config.encoder.axis, AXES)
    clip = config.clip
    return Encoder(
        segments=config.segments,
        joints=len(skeleton.joints),
        numbers=clip.segment * coordinates,
        scale=clip.scale or 1.0,
        motion=MotionInput(clip.segment, clip.motion_scale or 1.0) if clip.has_motion else None,
        centre=skeleton.centre_joints(clip.centre) if clip.is_relative else (),
        axis=config.encoder.axis,
        depth=config.encoder.depth,
        width=config.encoder.width,
        heads=config.encoder.heads,
        drop_path=drop_path,
    )


def build_completion(
    config: Config,
    skeleton: Skeleton,
    outputs: int,
    depth: int,
    width: int | None = None,
    axis: str = "spacetime",
    mask_token: bool = True,
) -> Completion:
    """A predictor or decoder for the encoder of a config.

    Args:
        config: All settings.
        skeleton: Joints of the clips.
        outputs: Numbers per token.
        depth: Transformer blocks.
        width: Features per token; None: the encoder's width.
        axis: Which tokens attend to each other, a key of AXES.
        mask_token: Whether a mask token stands for hidden tokens; False where these are zeroed and not dropped.

    Returns:
        A network with random weights.
    """
    return Completion(
        segments=config.segments,
        joints=len(skeleton.joints),
        encoder_width=config.encoder.width,
        outputs=outputs,
        depth=depth,
        width=width or config.encoder.width,
        heads=config.encoder.heads,
        axis=axis,
        mask_token=mask_token,
    )


def build_predictor(config: Config, skeleton: Skeleton) -> Completion:
    """The predictor of a config, from features of its encoder at visible tokens to features at all tokens.

    Args:
        config: All settings.
        skeleton: Joints of the clips, V.

    Returns:
        A network with random weights, whose output has the encoder's width for each of the S · V tokens.

    Raises:
        ConfigError: `predictor.axis` is unknown.
    """
    check_name("predictor.axis", config.predictor.axis, AXES)
    return build_completion(
        config,
        skeleton,
        outputs=config.encoder.width,
        depth=config.predictor.depth,
        axis=config.predictor.axis,
        mask_token=config.mask.hidden == "dropped",
    )


def build_decoder(config: Config, skeleton: Skeleton, coordinates: int) -> Completion:
    """The decoder of a config, from features of its encoder at visible tokens to coordinates at all tokens.

    Args:
        config: All settings.
        skeleton: Joints of the clips, V.
        coordinates: Coordinates per joint, C.

    Returns:
        A network with random weights, whose output is s · C numbers for each of the S · V tokens.
    """
    return build_completion(
        config,
        skeleton,
        outputs=config.clip.segment * coordinates,
        depth=config.decoder.depth,
        width=config.decoder.width,
        mask_token=config.mask.hidden == "dropped",
    )
