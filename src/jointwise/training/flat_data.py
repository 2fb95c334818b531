"""2D data for an encoder of 3D recordings: the depth that they lack counts as 0."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from jointwise.config.layers import to_settings
from jointwise.data.conventions import turn
from jointwise.data.dataset import Dataset
from jointwise.training.coordinate_scale import with_coordinate_scale
from jointwise.training.model_card import ModelCard, conventions_of


def in_2d(card: ModelCard, dataset: Dataset) -> ModelCard:
    """The card of an encoder that takes 2D data.

    Args:
        card: Of an encoder of 3D recordings.
        dataset: The data, on joints that the encoder knows.

    Returns:
        The card with as many coordinates as the data have, and with the units of the data's training part: pixels are
        no metres.
    """
    clip = replace(card.config.clip, scale=None, motion_scale=None)
    config = with_coordinate_scale(replace(card.config, clip=clip), dataset)
    return replace(card, coordinates=dataset.store.description.coordinates, settings=to_settings(config))


def axes_in(card: ModelCard, dataset: Dataset) -> Tensor:
    """Where the axes of data lie among those of an encoder: bodies stand as they stood when it was trained.

    Args:
        card: Of the encoder, before `in_2d`.
        dataset: The data.

    Returns:
        (C, C') for C coordinates of the encoder and C' of the data.
    """
    up, own = conventions_of(dataset).up, card.axes.up
    axes = torch.eye(card.coordinates)
    if up is not None and own is not None:
        axes = torch.from_numpy(turn(up, own, card.coordinates)).float()
    return axes[:, : dataset.store.description.coordinates]
