"""From a config to the networks it names: the only file where a setting meets a class of `nn` or `methods`."""

from __future__ import annotations

import torch

from jointwise.config.schema import Config, FinetuneConfig, LossConfig
from jointwise.data.randomness import seed_for
from jointwise.data.skeletons import Skeleton
from jointwise.model.classifier import Classifier
from jointwise.model.encoders import Completion, Encoder
from jointwise.model.heads import ClassificationHead
from jointwise.model.masked_prediction import Distillation, Sharpening


def build_encoder(config: Config, skeleton: Skeleton, coordinates: int, drop_path: float = 0.0) -> Encoder:
    """The encoder of a config for clips of a skeleton."""
    return Encoder(
        segments=config.segments,
        joints=len(skeleton.joints),
        numbers=config.clip.segment * coordinates,
        scale=config.clip.scale or 1.0,
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
    """A predictor or decoder for the encoder of a config: `outputs` numbers per token. width: None is the encoder's."""
    encoder = config.encoder
    size = config.segments, len(skeleton.joints), encoder.width
    return Completion(*size, outputs, depth, width or encoder.width, encoder.heads, axis, mask_token)


def build_decoder(config: Config, skeleton: Skeleton, coordinates: int) -> Completion:
    """The decoder of a config, from the features of its encoder to coordinates."""
    numbers, dropped = config.clip.segment * coordinates, config.mask.hidden == "dropped"
    return build_completion(config, skeleton, numbers, config.decoder.depth, config.decoder.width, mask_token=dropped)


def build_completion_head(config: Config, skeleton: Skeleton, coordinates: int, depth: int, seed: int) -> Completion:
    """The head of protocol `complete`, weights drawn from `seed` alone."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed_for(seed, "completion head"))
        return build_completion(config, skeleton, config.clip.segment * coordinates, depth)


def build_distillation(
    config: Config, skeleton: Skeleton, coordinates: int, coordinate_scale: float, seed: int
) -> Distillation:
    """Student, teacher, predictor and decoder of a config, weights drawn from `seed` alone."""
    width, predictor, mask = config.encoder.width, config.predictor, config.mask
    both = None if mask.segment_ratio is None or mask.joint_ratio is None else (mask.segment_ratio, mask.joint_ratio)
    dropped = mask.hidden == "dropped"
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed_for(seed, "weights"))
        return Distillation(
            build_encoder(config, skeleton, coordinates),
            build_completion(config, skeleton, width, predictor.depth, axis=predictor.axis, mask_token=dropped)
            if predictor.use
            else None,
            build_decoder(config, skeleton, coordinates) if config.decoder.use else None,
            segment=config.clip.segment,
            mask=config.mask.strategy,
            ratio=both or mask.ratio,
            hidden_as=mask.hidden,
            parts=skeleton.body_parts,
            coordinate_scale=coordinate_scale,
            target=config.decoder.target,
            region=config.decoder.region,
            normalisation=config.decoder.normalisation,
            teacher_normalise=config.teacher.normalise,
            teacher_blocks=config.teacher.blocks,
            latent_weight=config.loss.latent,
            reconstruction_weight=config.loss.reconstruction,
            sharpening=_sharpening(config.loss, width),
        )


def _sharpening(settings: LossConfig, width: int) -> Sharpening | None:
    if settings.objective == "l2":
        return None
    return Sharpening(width, settings.student_temperature, settings.teacher_temperature, settings.centre_momentum)


def build_classifier(
    config: Config, recipe: FinetuneConfig, skeleton: Skeleton, coordinates: int, classes: int, seed: int
) -> Classifier:
    """Encoder and head with the regularisation of `recipe`, weights drawn from `seed` alone."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed_for(seed, "classifier weights"))
        encoder = build_encoder(config, skeleton, coordinates, recipe.drop_path)
        head = ClassificationHead(len(skeleton.joints), config.encoder.width, classes, recipe.hidden, recipe.dropout)
        return Classifier(encoder, head, config.clip.segment)
