"""From a config to the networks it names: the only file where a setting meets a class of `nn` or `methods`."""

from __future__ import annotations

import torch

from jointwise.config import Config, DecoderConfig, FinetuneConfig, LossConfig, PredictorConfig
from jointwise.errors import ConfigError
from jointwise.methods.distillation import Distillation, Sharpening
from jointwise.methods.supervised import Classifier
from jointwise.nn.encoders import Completion, Encoder
from jointwise.nn.heads import ClassificationHead
from jointwise.randomness import seed_for
from jointwise.skeletons import Skeleton


def pick_device(name: str) -> torch.device:
    """`auto` is the GPU when there is one. Raises ConfigError for a device that is unknown or not there."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise ConfigError(f"execution.device '{name}': not a device. Use auto, cpu, cuda or cuda:1.") from error
    if device.type == "cuda" and not torch.cuda.is_available():
        raise ConfigError("execution.device cuda: torch sees no GPU here. Use cpu, or install a CUDA build of torch.")
    return device


def build_encoder(config: Config, skeleton: Skeleton, coordinates: int, drop_path: float = 0.0) -> Encoder:
    """The encoder of a config for clips of a skeleton."""
    return Encoder(
        segments=config.segments,
        joints=len(skeleton.joints),
        numbers=config.clip.segment * coordinates,
        axis=config.encoder.axis,
        depth=config.encoder.depth,
        width=config.encoder.width,
        heads=config.encoder.heads,
        drop_path=drop_path,
    )


def build_distillation(
    config: Config, skeleton: Skeleton, coordinates: int, coordinate_scale: float, seed: int
) -> Distillation:
    """Student, teacher, predictor and decoder of a config, weights drawn from `seed` alone."""
    segments, joints, width = config.segments, len(skeleton.joints), config.encoder.width
    numbers = config.clip.segment * coordinates

    def completion(outputs: int, part: PredictorConfig | DecoderConfig, own_width: int, axis: str) -> Completion | None:
        if not part.use:
            return None
        mask_token, heads = config.mask.hidden == "dropped", config.encoder.heads
        return Completion(segments, joints, width, outputs, part.depth, own_width, heads, axis, mask_token)

    mask = config.mask
    both = None if mask.segment_ratio is None or mask.joint_ratio is None else (mask.segment_ratio, mask.joint_ratio)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed_for(seed, "weights"))
        return Distillation(
            build_encoder(config, skeleton, coordinates),
            completion(width, config.predictor, width, config.predictor.axis),
            completion(numbers, config.decoder, config.decoder.width or width, "spacetime"),
            segment=config.clip.segment,
            mask=config.mask.strategy,
            ratio=both or mask.ratio,
            hidden_as=mask.hidden,
            parts=skeleton.parts,
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
