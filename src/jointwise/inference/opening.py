"""A trained model, from its folder to its networks."""

from __future__ import annotations

from pathlib import Path

from jointwise.errors import ConfigError, unknown
from jointwise.model.build import build_classifier
from jointwise.model.classifier import Classifier
from jointwise.model.encoders import Encoder
from jointwise.model.parts import build_encoder
from jointwise.training.checkpoint import load_weights
from jointwise.training.model_card import ModelCard
from jointwise.training.model_folder import load_model

ENCODERS = ("student", "teacher")  # of a pre-trained model


def open_model(folder: Path, encoder: str) -> tuple[ModelCard, Encoder, Classifier | None]:
    """Build the networks of a model with its weights.

    Args:
        folder: The model folder, or the run folder that it lies in; or the name or address of a model.
        encoder: The encoder of a pre-trained model, one of ENCODERS.

    Returns:
        Its card, its encoder (of a classifier, the classifier's own), and its classifier, None if it is pre-trained
        only.

    Raises:
        CheckpointError: There is no model, or it is damaged.
        ConfigError: The encoder is unknown.
    """
    if encoder not in ENCODERS:
        raise ConfigError(unknown("encoder", encoder, ENCODERS))
    card, weights = load_model(folder)
    config = card.config
    if card.kind == "classifier":
        classifier = build_classifier(
            config, card.recipe, card.skeleton, card.coordinates, len(card.classes), card.seed
        )
        load_weights(classifier, weights, folder)
        return card, classifier.encoder, classifier
    pretrained = build_encoder(config, card.skeleton, card.coordinates)
    prefix = f"{encoder}."
    own = {key.removeprefix(prefix): value for key, value in weights.items() if key.startswith(prefix)}
    load_weights(pretrained, own, folder)
    return card, pretrained, None
