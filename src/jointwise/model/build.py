"""From a config to what is trained: the registry of objectives, the classifier, and the check of names in a config."""

from __future__ import annotations

from collections.abc import Collection

import torch

from jointwise.config.schema import Config, FinetuneConfig
from jointwise.data.randomness import seed_for
from jointwise.data.skeletons import Skeleton
from jointwise.model.classifier import Classifier
from jointwise.model.cross_prediction import CrossPrediction
from jointwise.model.encoders import AXES, Completion
from jointwise.model.heads import POOLINGS, ClassificationHead
from jointwise.model.masked_prediction import MaskedPrediction
from jointwise.model.masks import MASKS
from jointwise.model.objective import Objective
from jointwise.model.parts import build_completion, build_encoder, check_name
from jointwise.model.slim import Slim
from jointwise.model.targets import NORMALISATIONS, TARGETS

OBJECTIVES: dict[str, type[Objective]] = {
    "masked_prediction": MaskedPrediction,
    "cross_prediction": CrossPrediction,
    "slim": Slim,
}

NAMED: dict[str, Collection[str]] = {  # settings whose value is a key of a registry
    "objective": OBJECTIVES,
    "encoder.axis": AXES,
    "mask.strategy": MASKS,
    "predictor.axis": AXES,
    "decoder.target": TARGETS,
    "decoder.normalisation": NORMALISATIONS,
    "probe.pooling": POOLINGS,
}


def check_names(config: Config) -> None:
    """Check every setting whose value is a key of a registry, and that the objective can serve the settings.

    Called before data is loaded or anything is trained.

    Args:
        config: All settings.

    Raises:
        ConfigError: A value is unknown (names the setting and the nearest value), or the objective cannot serve one.
    """
    for setting, registry in NAMED.items():
        value: object = config
        for key in setting.split("."):
            value = getattr(value, key)
        check_name(setting, str(value), registry)
    OBJECTIVES[config.objective].check(config)


def part_titles() -> dict[str, str]:
    """Key -> short title of the loss parts of all objectives, in the order of the registry."""
    return {key: title for objective in OBJECTIVES.values() for key, title in objective.PARTS.items()}


def build_objective(
    config: Config, skeleton: Skeleton, coordinates: int, coordinate_rms: float, seed: int
) -> Objective:
    """The objective of a config, with random weights.

    Args:
        config: All settings.
        skeleton: Joints of the clips.
        coordinates: Coordinates per joint, C.
        coordinate_rms: Root mean square of the coordinates of the training part.
        seed: Decides the weights, and nothing else does.

    Raises:
        ConfigError: A name in the config is unknown.
    """
    check_names(config)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed_for(seed, "weights"))
        return OBJECTIVES[config.objective].build(config, skeleton, coordinates, coordinate_rms)


def build_completion_head(config: Config, skeleton: Skeleton, coordinates: int, depth: int, seed: int) -> Completion:
    """The head of protocol `complete`, with random weights.

    Args:
        config: Settings of the encoder.
        skeleton: Joints of the clips.
        coordinates: Coordinates per joint, C.
        depth: Transformer blocks.
        seed: Decides the weights, and nothing else does.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed_for(seed, "completion head"))
        return build_completion(config, skeleton, config.clip.segment * coordinates, depth)


def build_classifier(
    config: Config, recipe: FinetuneConfig, skeleton: Skeleton, coordinates: int, classes: int, seed: int
) -> Classifier:
    """Encoder and classification head, with random weights.

    Args:
        config: Settings of the encoder.
        recipe: Settings of the fine-tuning: regularisation and size of the head.
        skeleton: Joints of the clips.
        coordinates: Coordinates per joint, C.
        classes: Number of classes, K.
        seed: Decides the weights, and nothing else does.

    Raises:
        ConfigError: `encoder.axis` is unknown.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed_for(seed, "classifier weights"))
        encoder = build_encoder(config, skeleton, coordinates, recipe.drop_path)
        head = ClassificationHead(len(skeleton.joints), config.encoder.width, classes, recipe.hidden, recipe.dropout)
        return Classifier(encoder, head, config.clip.segment)
