"""Encoder and classification head: fine-tuning of a pre-trained encoder, or training from random weights."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

from jointwise.data.clips import Persons
from jointwise.model.encoders import Encoder
from jointwise.model.heads import ClassificationHead
from jointwise.model.tokens import all_tokens, fewest_valid, to_segments, token_validity


def encode(encoder: nn.Module, persons: Persons, segment: int) -> tuple[Tensor, Tensor]:
    """Features of all tokens of whole clips: (P, S, V, D) and their validity (P, S, V)."""
    segments, valid = to_segments(persons.positions, segment), token_validity(persons.valid, segment)
    whole = persons.valid_on_cpu is not None and fewest_valid(persons.valid_on_cpu, segment) == valid[0].numel()
    features: Tensor = encoder(segments, all_tokens(valid, whole))
    return features.unflatten(1, valid.shape[1:]), valid


class Classifier(nn.Module):
    """Names the action of a clip. segment: frames per segment of the encoder.

    average: a copy whose weights follow slowly (`keep_average`), None without.
    """

    def __init__(self, encoder: Encoder, head: ClassificationHead, segment: int) -> None:
        super().__init__()
        self.encoder, self.head, self.segment = encoder, head, segment
        self.average: Classifier | None = None

    def keep_average(self) -> None:
        """From now on `update_average` moves a copy of this classifier."""
        self.average = copy.deepcopy(self).requires_grad_(False).eval()

    def train(self, mode: bool = True) -> Classifier:
        """The average stays in evaluation mode always."""
        super().train(mode)
        if self.average is not None:
            self.average.eval()
        return self

    @torch.no_grad()
    def update_average(self, momentum: float) -> None:
        """Moves the average towards the weights with share 1 − momentum; BatchNorm's statistics are copied."""
        if self.average is not None:
            followed: list[Tensor] = [*self.encoder.parameters(), *self.head.parameters()]
            torch._foreach_lerp_(list(self.average.parameters()), followed, 1 - momentum)
            for own, followed_buffer in zip(self.average.head.buffers(), self.head.buffers(), strict=True):
                own.copy_(followed_buffer)

    def forward(self, persons: Persons) -> Tensor:
        """-> (B, K) logits."""
        features, valid = encode(self.encoder, persons, self.segment)
        logits: Tensor = self.head(features, valid, persons.clip, persons.clips)
        return logits
