"""From a config to the networks it names: the only file where a setting meets a class of `nn` or `methods`."""

from __future__ import annotations

import torch

from jointwise.config import Config, FinetuneConfig
from jointwise.errors import ConfigError
from jointwise.methods.distillation import Distillation
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


def build_completion(config: Config, skeleton: Skeleton, outputs: int, depth: int) -> Completion:
    """A predictor or decoder for the encoder of a config: `outputs` numbers per token."""
    width, heads = config.encoder.width, config.encoder.heads
    return Completion(config.segments, len(skeleton.joints), width, outputs, depth, width, heads)


def build_completion_head(config: Config, skeleton: Skeleton, coordinates: int, depth: int, seed: int) -> Completion:
    """The head of protocol `complete`, weights drawn from `seed` alone."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed_for(seed, "completion head"))
        return build_completion(config, skeleton, config.clip.segment * coordinates, depth)


def build_distillation(
    config: Config, skeleton: Skeleton, coordinates: int, coordinate_scale: float, seed: int
) -> Distillation:
    """Student, teacher, predictor and decoder of a config, weights drawn from `seed` alone."""
    width, numbers = config.encoder.width, config.clip.segment * coordinates
    predictor, decoder = config.predictor, config.decoder
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed_for(seed, "weights"))
        return Distillation(
            build_encoder(config, skeleton, coordinates),
            build_completion(config, skeleton, width, predictor.depth) if predictor.use else None,
            build_completion(config, skeleton, numbers, decoder.depth) if decoder.use else None,
            segment=config.clip.segment,
            mask=config.mask.strategy,
            ratio=config.mask.ratio,
            coordinate_scale=coordinate_scale,
            target=config.decoder.target,
            region=config.decoder.region,
            normalisation=config.decoder.normalisation,
            teacher_normalise=config.teacher.normalise,
            latent_weight=config.loss.latent,
            reconstruction_weight=config.loss.reconstruction,
        )


def build_classifier(
    config: Config, recipe: FinetuneConfig, skeleton: Skeleton, coordinates: int, classes: int, seed: int
) -> Classifier:
    """Encoder and head with the regularisation of `recipe`, weights drawn from `seed` alone."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed_for(seed, "classifier weights"))
        encoder = build_encoder(config, skeleton, coordinates, recipe.drop_path)
        head = ClassificationHead(len(skeleton.joints), config.encoder.width, classes, recipe.hidden, recipe.dropout)
        return Classifier(encoder, head, config.clip.segment)
