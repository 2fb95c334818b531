"""Masked prediction with student, EMA teacher and decoder: the report's systems, and without a teacher MAMP."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from jointwise.data.clips import Clips, Persons
from jointwise.data.randomness import Draws
from jointwise.model.encoders import Completion, Encoder
from jointwise.model.heads import mean_over_clips, pool_mean
from jointwise.model.losses import Total, all_here, cross_entropy, mean_square, spread
from jointwise.model.masks import MASKS, Ratio, Visible
from jointwise.model.targets import latent_target, reconstruction_target
from jointwise.model.tokens import (
    TokenSet,
    all_tokens,
    fewest_valid,
    from_segments,
    to_segments,
    token_validity,
    visible_tokens,
)


@dataclass
class Losses:
    """One batch: total loss, its two parts, and what the collapse watch looks at (no gradient).

    Where only a part of the batch is here, each scalar is what it adds to that of the whole batch. teacher_spread: mean
    over features of the standard deviation of the teacher's output over tokens of the batch.
    pooled: (B, D) the teacher's features, mean over valid tokens and persons; None without a teacher.
    """

    total: Tensor
    latent: Tensor
    reconstruction: Tensor
    teacher_spread: Tensor
    pooled: Tensor | None


@dataclass
class Look:
    """What a student makes of a batch with hidden tokens.

    segments: (P, S, V, s · C). valid, hidden: (P, S, V). everything: all tokens. visible: those it was given. features:
    (P, K, D) of them.
    """

    segments: Tensor
    valid: Tensor
    hidden: Tensor
    everything: TokenSet
    visible: TokenSet
    features: Tensor


def mask_noise(persons: Persons, clips: Clips, segment: int, draws: Draws) -> Tensor:
    """Uniform noise (P, S + 1, V + 1) for the mask; drawn per clip and slot, whoever else is in the batch."""
    frames, joints = persons.valid.shape[1:]
    noise = draws.uniform(clips.slots, frames // segment + 1, joints + 1, device=persons.valid.device)
    return noise[persons.clip, persons.slot]


class Sharpening(nn.Module):
    """Cross-entropy to the teacher's distribution over the features, centred and sharpened, instead of L2.

    S-JEPA (Abdelfattah and Alahi, ECCV 2024), after DINO (Caron et al., ICCV 2021, section 3.1): a centre that moves
    with the teacher's mean keeps one feature from winning everywhere, a low temperature keeps all from being equal.
    """

    def __init__(self, width: int, student_temperature: float, teacher_temperature: float, momentum: float) -> None:
        super().__init__()
        self.student_temperature, self.teacher_temperature = student_temperature, teacher_temperature
        self.momentum = momentum
        self.centre: Tensor
        self.register_buffer("centre", torch.zeros(width))

    def forward(self, prediction: Tensor, wanted: Tensor, weights: Tensor, total: Total = all_here) -> Tensor:
        """(P, N, D) predicted and taught features, (P, N, 1) 1 where a token counts -> the loss."""
        target = ((wanted - self.centre) / self.teacher_temperature).softmax(-1)
        return cross_entropy(prediction.float() / self.student_temperature, target, weights, total)

    @torch.no_grad()
    def move_centre(self, taught: Tensor, weights: Tensor, total: Total = all_here) -> None:
        """Moves the centre towards the mean of the taught features (P, N, D) over the tokens that are there."""
        mean = total((taught * weights).sum((0, 1))) / total(weights.sum()).clamp(min=1)
        self.centre.lerp_(mean, 1 - self.momentum)


class Distillation(nn.Module):
    """Student encoder on the visible tokens; predictor to the teacher's features; decoder to the coordinates.

    student: the encoder that is kept. predictor, decoder: None switches the part (and its loss) off. segment: frames
    per segment s. mask, ratio: which tokens are hidden; hidden_as: `dropped` for the student, or `zeroed`. parts: body
    part of each joint, for masks that need it. coordinate_scale: RMS of the training set's coordinates, by which target
    `joints` is divided. target, region (`all` or `hidden`), normalisation: of the reconstruction. teacher_normalise:
    `layer` or `none`; teacher_blocks: over how many of its last blocks its features are averaged (1: its output).
    latent_weight, reconstruction_weight: w_st and w_rec. sharpening: a latent loss instead of L2.
    """

    def __init__(
        self,
        student: Encoder,
        predictor: Completion | None,
        decoder: Completion | None,
        *,
        segment: int,
        mask: str = "joint-frame",
        ratio: Ratio = 0.9,
        hidden_as: str = "dropped",
        parts: Sequence[int] = (),
        coordinate_scale: float = 1.0,
        target: str = "joints",
        region: str = "all",
        normalisation: str = "none",
        teacher_normalise: str = "layer",
        teacher_blocks: int = 1,
        latent_weight: float = 1.0,
        reconstruction_weight: float = 1.0,
        sharpening: Sharpening | None = None,
    ) -> None:
        super().__init__()
        self.student, self.predictor, self.decoder, self.sharpening = student, predictor, decoder, sharpening
        self.teacher = None
        if predictor is not None:
            self.teacher = copy.deepcopy(student).requires_grad_(False).eval()
        self.coordinate_scale: Tensor
        self.register_buffer("coordinate_scale", torch.tensor(float(coordinate_scale)))
        self.parts: Tensor
        self.register_buffer("parts", torch.tensor(parts, dtype=torch.long), persistent=False)
        self.segment, self.mask, self.ratio, self.hidden_as = segment, MASKS[mask], ratio, hidden_as
        self.target, self.region, self.normalisation = target, region, normalisation
        self.teacher_normalise, self.teacher_blocks = teacher_normalise, teacher_blocks
        self.latent_weight, self.reconstruction_weight = latent_weight, reconstruction_weight

    def train(self, mode: bool = True) -> Distillation:
        """The teacher stays in evaluation mode always."""
        super().train(mode)
        if self.teacher is not None:
            self.teacher.eval()
        return self

    def visible(self, segments: int, joints: int) -> Visible:
        """How many tokens of a clip of this size stay visible."""
        return self.mask.visible(segments, joints, self.ratio)

    def look(self, persons: Persons, noise: Tensor) -> Look:
        """What the student sees of a batch; noise (P, S + 1, V + 1) uniform in [0, 1) decides what is hidden."""
        segments = to_segments(persons.positions, self.segment)
        valid = token_validity(persons.valid, self.segment)
        counts = self.visible(*valid.shape[1:])
        hidden = self.mask.draw(segments, valid, noise, counts, self.parts)
        fewest = 0 if persons.valid_on_cpu is None else fewest_valid(persons.valid_on_cpu, self.segment)
        everything = all_tokens(valid, fewest == valid[0].numel())
        if self.hidden_as == "zeroed":
            features = self.student(segments * ~hidden[..., None], everything)
            return Look(segments, valid, hidden, everything, everything, features)
        # invalid tokens are hidden first, in a grid whole segments and joints of them only
        whole = fewest >= (valid[0].numel() if counts.grid else counts.count)
        visible = visible_tokens(hidden, valid, counts.grid, counts.count, whole)
        return Look(segments, valid, hidden, everything, visible, self.student(segments, visible))

    def forward(self, persons: Persons, noise: Tensor, total: Total = all_here) -> Losses:
        """Losses of a batch, or of the part that is here; noise (P, S + 1, V + 1) uniform in [0, 1) hides tokens."""
        look = self.look(persons, noise)
        segments, valid, visible, features = look.segments, look.valid, look.visible, look.features
        everything = look.everything
        latent = reconstruction = teacher_spread = segments.new_zeros(())
        pooled = None
        hidden_valid, there = (look.hidden & valid).flatten(1)[..., None], valid.flatten(1)[..., None]
        if self.predictor is not None and self.teacher is not None:
            with torch.no_grad():
                layers = self.teacher.layers(segments, everything)
                taught = layers[-1]
                teacher_spread = spread(taught, there, total)
                means = pool_mean(taught.float().unflatten(1, valid.shape[1:]), valid)
                pooled = mean_over_clips(means, persons.clip, persons.clips)
                averaged = layers[-1:] if self.teacher_blocks == 1 else layers[-1 - self.teacher_blocks : -1]
                wanted = latent_target(averaged, self.teacher_normalise)
            latent = self._latent_loss(self.predictor(features, visible, everything), wanted, hidden_valid, total)
            if self.sharpening is not None and self.training:
                self.sharpening.move_centre(wanted, there, total)
        if self.decoder is not None:
            wanted, counted = reconstruction_target(
                persons.positions, persons.valid, self.segment, self.target, self.normalisation
            )
            if self.target == "joints" and self.normalisation == "none":
                wanted = wanted / self.coordinate_scale
            if self.region == "hidden":
                counted = counted * hidden_valid
            reconstruction = mean_square(self.decoder(features, visible, everything), wanted, counted, total)
        both = self.latent_weight * latent + self.reconstruction_weight * reconstruction
        return Losses(both, latent.detach(), reconstruction.detach(), teacher_spread, pooled)

    def _latent_loss(self, prediction: Tensor, wanted: Tensor, weights: Tensor, total: Total) -> Tensor:
        loss: Tensor = (self.sharpening or mean_square)(prediction, wanted, weights, total)
        return loss

    @torch.no_grad()
    def rebuild(self, persons: Persons, noise: Tensor) -> tuple[Tensor, Tensor | None]:
        """What the student sees of persons, and what the decoder makes of it; noise as for `forward`.

        Returns seen (P, T, V) bool and joints (P, T, V, C) in the unit of the data; None for the joints when there is
        no decoder or it says something else (motion, normalised coordinates). Where the decoder learned to rebuild
        hidden tokens only, seen ones are as given.
        """
        look = self.look(persons, noise)
        seen = (~look.hidden & look.valid).repeat_interleave(self.segment, 1)
        if self.decoder is None or self.target != "joints" or self.normalisation != "none":
            return seen, None
        said = self.decoder(look.features, look.visible, look.everything).float()
        joints = from_segments(said.unflatten(1, look.valid.shape[1:]), self.segment) * self.coordinate_scale
        return seen, torch.where(seen[..., None], persons.positions, joints) if self.region == "hidden" else joints

    @torch.no_grad()
    def update_teacher(self, momentum: float) -> None:
        """Δ ← α Δ + (1 − α) θ (the report, eq. 3), to be called after each optimiser step."""
        if self.teacher is not None:
            teacher: list[Tensor] = list(self.teacher.parameters())
            student: list[Tensor] = list(self.student.parameters())
            torch._foreach_lerp_(teacher, student, 1 - momentum)
