"""SLiM: masked features and a clip's global feature are predicted by the encoder alone, without a decoder.

Do et al., *Less is More*, arXiv 2603.10648. What is said of it here comes from its abstract, its page and the authors'
public code. Theirs: the student's encoder gets mask tokens and predicts the EMA teacher's features of hidden tokens.
Masked local views are pulled to the teacher's feature of the whole clip. Both losses are cross-entropies between
distributions over prototypes, which Sinkhorn-Knopp balances for the teacher, and weigh the same. Heads have three
layers. Local views are a half, a quarter, a quarter and an eighth of the clip.

Ours: the clip itself is the one global view (theirs are two crops, each pulled to the other). A clip's feature is a
mean over tokens (theirs a class token). Local views keep their place in time and leave hidden tokens out. Every mask
hides the same share (theirs half of the global views, 0.5 to 0.9 of the tokens). The teacher's temperature and momentum
are constant. There are four prototypes per feature (theirs 65,536), no KoLeo regulariser and no register tokens.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any, ClassVar, Self

import torch
from torch import Tensor, nn
from torch.nn import functional

from jointwise.config.schema import Config
from jointwise.data.clips import Clips, Persons
from jointwise.data.randomness import Draws
from jointwise.data.skeletons import Skeleton
from jointwise.errors import ConfigError
from jointwise.model.blocks import embedding, initialise
from jointwise.model.ema import teacher_momentum, update_ema
from jointwise.model.encoders import Encoder
from jointwise.model.losses import BatchSum, cross_entropy, spread, whole_batch
from jointwise.model.masks import MASKS, Visible
from jointwise.model.objective import Losses, Objective, Rebuilt, Watched
from jointwise.model.parts import build_encoder
from jointwise.model.tokens import TokenSet, all_tokens, fewest_valid, to_segments, token_validity, visible_tokens

LOCAL_VIEWS = (1 / 2, 1 / 4, 1 / 4, 1 / 8)  # lengths as shares of the clip
PROTOTYPES = 4  # for each feature of the encoder
SINKHORN_ROUNDS = 3


class PrototypeHead(nn.Module):
    """From features to prototypes: an MLP of three layers, then the cosine to each of K learned directions.

    Args:
        width: Features of what comes in, D.
        prototypes: Number of prototypes, K.
    """

    def __init__(self, width: int, prototypes: int) -> None:
        super().__init__()
        hidden = 2 * width
        self.mlp = nn.Sequential(
            nn.Linear(width, hidden), nn.GELU(), nn.Linear(hidden, hidden), nn.GELU(), nn.Linear(hidden, width)
        )
        self.prototypes = nn.Linear(width, prototypes, bias=False)
        initialise(self)

    def forward(self, features: Tensor) -> Tensor:
        """Features (…, D) -> cosines (…, K), in fp32."""
        directions = functional.normalize(self.mlp(features), dim=-1)
        cosines: Tensor = functional.linear(directions, functional.normalize(self.prototypes.weight, dim=-1))
        return cosines.float()


@torch.no_grad()
def assign(cosines: Tensor, weights: Tensor, temperature: float, batch_sum: BatchSum = whole_batch) -> Tensor:
    """Soft prototypes of samples, all prototypes alike in use: Sinkhorn-Knopp (SwAV: Caron et al., NeurIPS 2020).

    Args:
        cosines: (P, N, K) of samples to prototypes.
        weights: (P, N, 1), 1 where a sample counts, else 0.
        temperature: Of the distributions; lower is sharper.
        batch_sum: Adds up the shares of a batch.

    Returns:
        (P, N, K), a distribution over prototypes for each sample that counts; zeros for the others.
    """
    shares = ((cosines.float() - 1) / temperature).exp() * weights  # a cosine is at most 1: nothing overflows
    least = torch.finfo(shares.dtype).tiny
    for _ in range(SINKHORN_ROUNDS):
        shares = shares / batch_sum(shares.sum((0, 1))).clamp(min=least)
        shares = shares / shares.sum(-1, keepdim=True).clamp(min=least)
    return shares


def pool_clips(features: Tensor, weights: Tensor, clip: Tensor, clips: int) -> tuple[Tensor, Tensor]:
    """Mean over the tokens of all persons of a clip, in fp32.

    Args:
        features: (P, K, D).
        weights: (P, K, 1), 1 where a token counts, else 0.
        clip: (P,) the clip each person belongs to.
        clips: Number of clips, B.

    Returns:
        (B, D), zeros for a clip without tokens; and (B, 1) bool, whether it has any.
    """
    weights = weights.float()
    total = weights.new_zeros(clips, features.shape[2]).index_add(0, clip, (features.float() * weights).sum(1))
    count = weights.new_zeros(clips, 1).index_add(0, clip, weights.sum(1))
    return total / count.clamp(min=1), count > 0


class Slim(Objective):
    """An encoder with mask tokens predicts its EMA teacher's features of hidden tokens and of the whole clip.

    Settings keep their names: `mask.strategy` is `mask_strategy` here.

    Args:
        student: The encoder that is kept.
        segment: Frames per segment, s.
        mask_strategy: Which tokens are hidden, a key of MASKS.
        mask_ratio: Share of hidden tokens, of the whole clip and of local views.
        body_parts: (V,) body part of each joint, for masks that need it.
        teacher_momentum: α, share of the teacher that a step keeps.
        student_temperature: Temperature of the student's distributions over prototypes.
        teacher_temperature: Temperature of the teacher's distributions over prototypes.
        loss_latent: Weight of the loss on hidden tokens beside that on local views.
    """

    PARTS: ClassVar = {"masked_features": "L_MFM", "global_local": "L_GLCL"}

    def __init__(
        self,
        student: Encoder,
        *,
        segment: int,
        mask_strategy: str = "semantic-tube",
        mask_ratio: float = 0.9,
        body_parts: Sequence[int] = (),
        teacher_momentum: float = 0.9999,
        student_temperature: float = 0.1,
        teacher_temperature: float = 0.07,
        loss_latent: float = 1.0,
    ) -> None:
        super().__init__(student)
        width, prototypes = student.width, PROTOTYPES * student.width
        self.mask_token = embedding(1, 1, width)
        self.heads = nn.ModuleDict({name: PrototypeHead(width, prototypes) for name in ("token", "clip")})
        self.teacher = copy.deepcopy(student).requires_grad_(False).eval()
        self.teacher_heads = copy.deepcopy(self.heads).requires_grad_(False).eval()
        self.body_parts: Tensor
        self.register_buffer("body_parts", torch.tensor(body_parts, dtype=torch.long), persistent=False)
        self.segment = segment
        self.mask_strategy = mask_strategy
        self.mask_ratio = mask_ratio
        self.teacher_momentum = teacher_momentum
        self.student_temperature = student_temperature
        self.teacher_temperature = teacher_temperature
        self.loss_latent = loss_latent

    @classmethod
    def build(cls, config: Config, skeleton: Skeleton, coordinates: int, coordinate_rms: float) -> Self:
        """See `Objective.build`.

        Raises:
            ConfigError: A setting of the mask asks for what this objective does not do.
        """
        if config.mask.hidden != "dropped" or config.mask.joint_ratio is not None:
            raise ConfigError(
                "objective slim puts a mask token where something is hidden, and hides mask.ratio of the tokens: leave "
                "mask.hidden, mask.joint_ratio and mask.segment_ratio out."
            )
        return cls(
            build_encoder(config, skeleton, coordinates),
            segment=config.clip.segment,
            mask_strategy=config.mask.strategy,
            mask_ratio=config.mask.ratio,
            body_parts=skeleton.body_parts,
            teacher_momentum=teacher_momentum(config.teacher, config.pretrain.steps),
            student_temperature=config.loss.student_temperature,
            teacher_temperature=config.loss.teacher_temperature,
            loss_latent=config.loss.latent,
        )

    def train(self, mode: bool = True) -> Self:
        """Set training or evaluation mode. The teacher stays in evaluation mode always."""
        super().train(mode)
        self.teacher.eval()
        self.teacher_heads.eval()
        return self

    def losses(self, persons: Persons, clips: Clips, draws: Draws, batch_sum: BatchSum = whole_batch) -> Losses:
        """See `Objective.losses`; `draws` decides which tokens are hidden, and where local views begin."""
        losses: Losses = self(persons, self._noise(persons, clips, draws), batch_sum)
        return losses

    def _noise(self, persons: Persons, clips: Clips, draws: Draws) -> Tensor:
        """Uniform noise (P, 2 + L, S + 1, V + 1): of the whole clip, of L local views, and of where these begin.

        It is drawn per clip and slot, so that it does not depend on other persons. The last is that of the clip.
        """
        frames, joints = persons.valid.shape[1:]
        shape = clips.slots, 2 + len(LOCAL_VIEWS), frames // self.segment + 1, joints + 1
        noise = draws.uniform(*shape, device=persons.valid.device)
        return torch.cat([noise[persons.clip, persons.slot, :-1], noise[persons.clip, 0, -1:]], 1)

    def forward(self, persons: Persons, noise: Tensor, batch_sum: BatchSum = whole_batch) -> Losses:
        """The losses of a batch, or of a share of it.

        Args:
            persons: P persons.
            noise: (P, 2 + L, S + 1, V + 1) uniform in [0, 1): which tokens of the clip and of L local views are
                hidden, and in which segment the views begin, which is the same for all persons of a clip.
            batch_sum: Adds up the shares of a batch.
        """
        segments = to_segments(persons.positions, self.segment)
        valid = token_validity(persons.valid, self.segment)
        fewest = 0 if persons.valid_on_cpu is None else fewest_valid(persons.valid_on_cpu, self.segment)
        whole = fewest == valid[0].numel()
        everything = all_tokens(valid, whole)
        valid_tokens = valid.flatten(1)[..., None]
        with torch.no_grad():
            taught = self.teacher(segments, everything)
            pooled, present = pool_clips(taught, valid_tokens, persons.clip, persons.clips)
            watched = Watched(spread(taught, valid_tokens, batch_sum), pooled, self.teacher_momentum)

        hidden = self._hide(segments, valid, noise[:, 0])
        features = self.encode_masked(segments, hidden, everything)
        masked = self._masked_loss(features, taught, hidden, valid, batch_sum, whole)
        shown = (~hidden & valid).flatten(1)[..., None]
        views = [pool_clips(features, shown, persons.clip, persons.clips)]
        starts = noise[:, -1].flatten(1)
        for number, share in enumerate(LOCAL_VIEWS):
            local, tokens = self._local_view(segments, valid, noise[:, 1 + number], starts[:, number], share, whole)
            counted = local.new_ones(*local.shape[:2], 1) if tokens.valid is None else tokens.valid[..., None]
            views.append(pool_clips(local, counted, persons.clip, persons.clips))
        clip = self._clip_loss(views, pooled, present, batch_sum)
        total = self.loss_latent * masked + clip
        return Losses(total, {"masked_features": masked.detach(), "global_local": clip.detach()}, watched)

    def visible(self, segments: int, joints: int) -> Visible:
        """How many tokens of a clip or view of S segments and V joints the student sees."""
        return MASKS[self.mask_strategy].visible(segments, joints, self.mask_ratio)

    def _hide(self, segments: Tensor, valid: Tensor, noise: Tensor) -> Tensor:
        """(P, S, V) bool, True where a token is hidden."""
        visible = self.visible(*valid.shape[1:])
        return MASKS[self.mask_strategy].draw(segments, valid, noise, visible, self.body_parts)

    def encode_masked(self, segments: Tensor, hidden: Tensor, everything: TokenSet) -> Tensor:
        """The student's features of all tokens, with a mask token in place of what hidden ones hold.

        Args:
            segments: (P, S, V, s · C) numbers of all tokens.
            hidden: (P, S, V) bool.
            everything: All N tokens.

        Returns:
            (P, N, D).
        """
        embed = self.student.embed
        shown = embed(segments, everything)
        masked = (self.mask_token + embed.position(everything.index)).to(shown.dtype)
        features: Tensor = self.student.transformer(
            torch.where(hidden.flatten(1)[..., None], masked, shown), everything
        )
        return features

    def _masked_loss(
        self, features: Tensor, taught: Tensor, hidden: Tensor, valid: Tensor, batch_sum: BatchSum, whole: bool
    ) -> Tensor:
        """The loss on hidden tokens that are valid; features of student and teacher (P, N, D)."""
        count = hidden[0].numel() - self.visible(*hidden.shape[1:]).count
        places = visible_tokens(~hidden, valid, None, count, whole)
        grid = hidden.shape[1:]
        weights = places.take(valid[..., None]).float()
        prediction = self.heads["token"](places.take(features.unflatten(1, grid)))
        with torch.no_grad():
            target = self.teacher_heads["token"](places.take(taught.unflatten(1, grid)))
        target = assign(target, weights, self.teacher_temperature, batch_sum)
        return cross_entropy(prediction / self.student_temperature, target, weights, batch_sum)

    def _local_view(
        self, segments: Tensor, valid: Tensor, noise: Tensor, start: Tensor, share: float, whole: bool
    ) -> tuple[Tensor, TokenSet]:
        """The student's features of what is visible in a run of segments, and which tokens these are.

        `start` (P,) in [0, 1) says where it begins. Its tokens keep their places in the clip.
        """
        length = max(1, round(share * valid.shape[1]))
        first = (start * (valid.shape[1] - length + 1)).long()
        run = first[:, None] + torch.arange(length, device=first.device)  # (P, length)
        part = valid.gather(1, run[..., None].expand(-1, -1, valid.shape[2]))
        numbers = segments.gather(1, run[..., None, None].expand(-1, -1, *segments.shape[2:]))
        hidden = self._hide(numbers, part, noise[:, : length + 1])
        counts = self.visible(*part.shape[1:])
        shown = visible_tokens(hidden, part, counts.grid, counts.count, whole)
        tokens = TokenSet(shown.index + first[:, None] * shown.joints, shown.valid, shown.joints, shown.grid)
        return self.student(segments, tokens), tokens

    def _clip_loss(
        self, views: Sequence[tuple[Tensor, Tensor]], taught: Tensor, present: Tensor, batch_sum: BatchSum
    ) -> Tensor:
        """The mean over views (B, D), with (B, 1) where they see anything, of the loss to the teacher's (B, D)."""
        with torch.no_grad():
            target = self.teacher_heads["clip"](taught[None])
        target = assign(target, present[None].float(), self.teacher_temperature, batch_sum)
        prediction = self.heads["clip"](torch.stack([pooled for pooled, _ in views]))
        weights = torch.stack([sees for _, sees in views]).float()
        return cross_entropy(prediction / self.student_temperature, target, weights, batch_sum)

    @torch.no_grad()
    def rebuild(self, persons: Persons, clips: Clips, draws: Draws) -> Rebuilt:
        """What the student sees of persons; no joints are rebuilt, as there is no decoder.

        Args:
            persons: The persons of the clips, packed.
            clips: B clips.
            draws: Random numbers of the clips.
        """
        valid = token_validity(persons.valid, self.segment)
        noise = self._noise(persons, clips, draws)[:, 0]
        hidden = self._hide(to_segments(persons.positions, self.segment), valid, noise)
        return Rebuilt((~hidden & valid).repeat_interleave(self.segment, 1), None)

    def describe(self, segments: int, joints: int) -> dict[str, Any]:
        """How many tokens of a clip the student sees."""
        return {"visible_tokens": self.visible(segments, joints).count}

    def after_step(self, step: int) -> None:
        """Move the teacher and its heads towards the student's, see `update_ema`."""
        update_ema(self.teacher, self.student, self.teacher_momentum)
        update_ema(self.teacher_heads, self.heads, self.teacher_momentum)
