"""Masked prediction for less: one trunk predicts some of the hidden tokens, by cross-attention to visible ones."""

from __future__ import annotations

import copy
from typing import Any, Self

import torch
from torch import Tensor, nn

from jointwise.config.schema import Config
from jointwise.data.clips import Clips, Persons
from jointwise.data.randomness import Draws
from jointwise.data.skeletons import Skeleton
from jointwise.errors import ConfigError
from jointwise.model.attention import attend
from jointwise.model.blocks import embedding, initialise
from jointwise.model.encoders import Encoder
from jointwise.model.losses import BatchSum, mean_square, whole_batch
from jointwise.model.masked_prediction import MaskedPrediction, StudentView, mask_noise
from jointwise.model.objective import Losses, Rebuilt
from jointwise.model.tokens import PositionEmbedding, TokenSet

LATENT, JOINTS = "latent", "reconstruction"  # the outputs of the trunk, and the parts of the loss
_LOWER_BITS = 4096.0  # what is left of a random number of 24 bits after its upper 12 bits


class CrossBlock(nn.Module):
    """Tokens that are asked for attend to the visible ones, not to each other; then an MLP. Pre-norm, residual.

    Args:
        width: Features per token, D; a multiple of `heads`.
        heads: Attention heads.
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm1 = nn.LayerNorm(width)
        self.query = nn.Linear(width, width)
        self.key_value = nn.Linear(width, 2 * width)
        self.proj = nn.Linear(width, width)
        self.norm2 = nn.LayerNorm(width)
        self.mlp = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))

    def forward(self, asked: Tensor, seen: Tensor, valid: Tensor | None) -> Tensor:
        """The tokens that are asked for, after attention and MLP.

        Args:
            asked: (P, Q, D).
            seen: (P, K, D) the visible tokens.
            valid: (P, K) bool, the visible tokens that may be attended to; None: all.

        Returns:
            (P, Q, D).
        """
        query = self._by_head(self.query(self.norm1(asked)))
        key, value = (self._by_head(part) for part in self.key_value(seen).chunk(2, -1))
        mask = None if valid is None else valid[:, None, None, None, :]
        mixed = attend(query, key, value, mask)  # (P, 1, heads, Q, d)
        asked = asked + self.proj(mixed[:, 0].transpose(1, 2).flatten(2))
        return asked + self.mlp(self.norm2(asked))

    def _by_head(self, features: Tensor) -> Tensor:
        """(P, L, D) -> (P, 1, heads, L, d)."""
        return features.unflatten(-1, (self.heads, -1)).transpose(1, 2)[:, None]


class CrossTrunk(nn.Module):
    """From the student's features of visible tokens to predictions at the tokens that are asked for.

    Args:
        segments: Segments per clip, S.
        joints: Joints, V.
        width: Features per token, D, as those of the encoder.
        heads: Attention heads.
        depth: Blocks.
        outputs: Name of each output -> its numbers per token.
    """

    def __init__(self, segments: int, joints: int, width: int, heads: int, depth: int, outputs: dict[str, int]) -> None:
        super().__init__()
        self.embed = nn.Linear(width, width)
        self.mask_token = embedding(1, 1, width)
        self.position = PositionEmbedding(segments, joints, width)
        self.blocks = nn.ModuleList(CrossBlock(width, heads) for _ in range(depth))
        self.norm = nn.LayerNorm(width)
        self.heads = nn.ModuleDict({name: nn.Linear(width, numbers) for name, numbers in outputs.items()})
        initialise(self)

    def forward(self, features: Tensor, visible: TokenSet, asked: TokenSet) -> dict[str, Tensor]:
        """Every output at the tokens that are asked for.

        Args:
            features: (P, K, D) the student's features.
            visible: The K tokens of each person that they belong to.
            asked: Q tokens of each person.

        Returns:
            Name of an output -> (P, Q, numbers).
        """
        seen = self.embed(features) + self.position(visible.index)
        tokens = self.mask_token + self.position(asked.index)
        for block in self.blocks:
            tokens = block(tokens, seen, visible.valid)
        tokens = self.norm(tokens)
        return {name: head(tokens) for name, head in self.heads.items()}


class CrossPrediction(MaskedPrediction):
    """The student's and the teacher's part as in MaskedPrediction; predictor and decoder share one trunk.

    A random part of the hidden tokens is predicted, each by cross-attention to the visible ones (as CrossMAE does for
    images: Fu et al., 2024). Nothing else is computed, so a step costs a fraction. `predictor.depth` is the depth of
    the trunk. `predictor.axis`, `decoder.depth`, `decoder.width` and `decoder.region` have no effect.

    Args:
        student: The encoder that is kept.
        trunk: From visible to hidden tokens.
        share: Share of the hidden tokens that are predicted.
        options: Those of MaskedPrediction, without predictor and decoder.
    """

    def __init__(self, student: Encoder, trunk: CrossTrunk, share: float = 0.25, **options: Any) -> None:
        super().__init__(student, None, None, **options)
        self.trunk = trunk
        self.share = share
        if LATENT in trunk.heads:
            self.teacher = copy.deepcopy(student).requires_grad_(False).eval()

    @classmethod
    def check(cls, config: Config) -> None:
        """See `Objective.check`: hidden tokens must not stay, and the latent loss must be a distance."""
        found = {"mask.hidden": (config.mask.hidden, "dropped"), "loss.objective": (config.loss.objective, "l2")}
        for name, (value, served) in found.items():
            if value != served:
                raise ConfigError(
                    f"{name} {value}: objective cross_prediction predicts dropped tokens, by their distance. Set "
                    f"{name} {served}, or take objective masked_prediction."
                )

    @classmethod
    def build(cls, config: Config, skeleton: Skeleton, coordinates: int, coordinate_rms: float) -> Self:
        """See `Objective.build`."""
        shared = cls.shared_parts(config, skeleton, coordinates, coordinate_rms)
        outputs = {LATENT: config.encoder.width} if config.predictor.use else {}
        outputs |= {JOINTS: config.clip.segment * coordinates} if config.decoder.use else {}
        trunk = CrossTrunk(
            segments=config.segments,
            joints=len(skeleton.joints),
            width=config.encoder.width,
            heads=config.encoder.heads,
            depth=config.predictor.depth,
            outputs=outputs,
        )
        return cls(trunk=trunk, share=config.predictor.share, **shared)

    @classmethod
    def joint_decoder(cls, config: Config, skeleton: Skeleton, coordinates: int) -> None:
        """See `Objective.joint_decoder`: there is no decoder of its own."""

    def forward(self, persons: Persons, noise: Tensor, batch_sum: BatchSum = whole_batch) -> Losses:
        """See `MaskedPrediction.forward`."""
        view = self.student_view(persons, noise)
        asked = self.asked_tokens(view, noise)
        predicted = self.trunk(view.features, view.visible, asked)
        counted = asked.take_flat(view.hidden_tokens)
        latent = reconstruction = view.segments.new_zeros(())
        watched = None
        if self.teacher is not None:
            target, watched = self.teacher_features(self.teacher, view, persons, batch_sum)
            latent = mean_square(predicted[LATENT], asked.take_flat(target), counted, batch_sum)
        if JOINTS in predicted:
            joints, places = (asked.take_flat(whole) for whole in self.joint_targets(view, persons))
            reconstruction = mean_square(predicted[JOINTS], joints, places * counted, batch_sum)
        total = self.loss_latent * latent + self.loss_reconstruction * reconstruction
        return Losses(total, {LATENT: latent.detach(), JOINTS: reconstruction.detach()}, watched)

    def asked_tokens(self, view: StudentView, noise: Tensor) -> TokenSet:
        """A random part of the hidden tokens, the same number for every person; invalid ones come last.

        Args:
            view: What the student sees.
            noise: (P, S + 1, V + 1) uniform in [0, 1), as for `forward`.

        Returns:
            round(share · hidden tokens) tokens of each person, at least 1.
        """
        hidden = view.hidden.flatten(1)
        count = max(1, round(self.share * (hidden.shape[1] - view.visible.index.shape[1])))
        keys = (noise[:, 1:, 1:].flatten(1) * _LOWER_BITS).frac()  # the upper bits have chosen what is hidden
        keys = keys.masked_fill(~view.hidden_tokens[..., 0], 2).masked_fill(~hidden, 3)
        index = keys.argsort(dim=1, stable=True)[:, :count].sort(1).values
        return TokenSet(index, None, view.valid.shape[2], None)

    @torch.no_grad()
    def rebuild(self, persons: Persons, clips: Clips, draws: Draws) -> Rebuilt:
        """See `Objective.rebuild`: every token is asked for, also those that a step would leave out."""
        view = self.student_view(persons, mask_noise(persons, clips, self.segment, draws))
        seen = (~view.hidden & view.valid).repeat_interleave(self.segment, 1)
        if JOINTS not in self.trunk.heads or not self.decodes_joints:
            return Rebuilt(seen, None)
        output = self.trunk(view.features, view.visible, view.everything)[JOINTS]
        return Rebuilt(seen, self.place_joints(output, persons, seen))
