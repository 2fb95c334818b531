"""Encoder and classification head: fine-tuning of a pre-trained encoder, or training from random weights."""

from __future__ import annotations

from torch import Tensor, nn

from jointwise.clips import Persons
from jointwise.nn.encoders import Encoder
from jointwise.nn.heads import ClassificationHead
from jointwise.nn.tokens import all_tokens, to_segments, token_validity


def encode(encoder: nn.Module, persons: Persons, segment: int) -> tuple[Tensor, Tensor]:
    """Features of all tokens of whole clips: (P, S, V, D) and their validity (P, S, V)."""
    segments, valid = to_segments(persons.positions, segment), token_validity(persons.valid, segment)
    features: Tensor = encoder(segments, all_tokens(valid))
    return features.unflatten(1, valid.shape[1:]), valid


class Classifier(nn.Module):
    """Names the action of a clip. segment: frames per segment of the encoder."""

    def __init__(self, encoder: Encoder, head: ClassificationHead, segment: int) -> None:
        super().__init__()
        self.encoder, self.head, self.segment = encoder, head, segment

    def forward(self, persons: Persons) -> Tensor:
        """-> (B, K) logits."""
        features, valid = encode(self.encoder, persons, self.segment)
        logits: Tensor = self.head(features, valid, persons.clip, persons.clips)
        return logits
