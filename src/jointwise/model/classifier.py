"""Encoder and classification head: fine-tuning of a pre-trained encoder, or training from random weights."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

from jointwise.data.clips import Persons
from jointwise.model.ema import update_ema
from jointwise.model.encoders import Encoder
from jointwise.model.heads import ClassificationHead
from jointwise.model.tokens import all_tokens, fewest_valid, to_segments, token_validity


def encode(encoder: nn.Module, persons: Persons, segment: int) -> tuple[Tensor, Tensor]:
    """Features of all tokens of persons; nothing is hidden.

    Args:
        encoder: Of tokens with `segment` frames.
        persons: P persons.
        segment: Frames per segment, s.

    Returns:
        Features (P, S, V, D), and their validity (P, S, V) bool.
    """
    segments, valid = to_segments(persons.positions, segment), token_validity(persons.valid, segment)
    whole = persons.valid_on_cpu is not None and fewest_valid(persons.valid_on_cpu, segment) == valid[0].numel()
    features: Tensor = encoder(segments, all_tokens(valid, whole))
    return features.unflatten(1, valid.shape[1:]), valid


class Classifier(nn.Module):
    """Scores the classes of a clip.

    `average` is a copy whose weights follow slowly, None before `keep_average`.

    Args:
        encoder: From tokens to features.
        head: From features to logits.
        segment: Frames per segment of the encoder, s.
    """

    def __init__(self, encoder: Encoder, head: ClassificationHead, segment: int) -> None:
        super().__init__()
        self.encoder = encoder
        self.head = head
        self.segment = segment
        self.average: Classifier | None = None

    def keep_average(self) -> None:
        """Start an average of the weights, at the present ones. `update_average` moves it."""
        self.average = copy.deepcopy(self).requires_grad_(False).eval()

    def train(self, mode: bool = True) -> Classifier:
        """Set training or evaluation mode. The average stays in evaluation mode always."""
        super().train(mode)
        if self.average is not None:
            self.average.eval()
        return self

    @torch.no_grad()
    def update_average(self, momentum: float) -> None:
        """Move the average towards the weights; statistics of BatchNorm are copied. Without an average, do nothing.

        Args:
            momentum: Share of the average that stays.
        """
        if self.average is not None:
            update_ema(self.average.encoder, self.encoder, momentum)
            update_ema(self.average.head, self.head, momentum)
            for own, followed_buffer in zip(self.average.head.buffers(), self.head.buffers(), strict=True):
                own.copy_(followed_buffer)

    def forward(self, persons: Persons) -> Tensor:
        """The logits (B, K) of the clips that the persons belong to."""
        features, valid = encode(self.encoder, persons, self.segment)
        logits: Tensor = self.head(features, valid, persons.clip, persons.clips)
        return logits
