"""Masked prediction with student, EMA teacher and decoder: the report's systems, and without a teacher MAMP."""

from __future__ import annotations

import copy
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from jointwise.clips import Clips, Persons
from jointwise.nn.encoders import Completion, Encoder
from jointwise.nn.heads import mean_over_clips, pool_mean
from jointwise.nn.masks import MASKS, Visible
from jointwise.nn.targets import latent_target, mean_square, reconstruction_target
from jointwise.nn.tokens import all_tokens, from_segments, to_segments, token_validity, visible_tokens


@dataclass
class Losses:
    """One batch: total loss, its two parts, and what the collapse watch looks at (no gradient).

    teacher_spread: mean over features of the standard deviation of the teacher's output over tokens of the batch.
    pooled: (B, D) the teacher's features, mean over valid tokens and persons; None without a teacher.
    """

    total: Tensor
    latent: Tensor
    reconstruction: Tensor
    teacher_spread: Tensor
    pooled: Tensor | None


def mask_noise(persons: Persons, clips: Clips, segment: int, generator: torch.Generator) -> Tensor:
    """Uniform noise (P, S + 1, V + 1) for the mask; drawn per clip and slot, whoever is present."""
    batch, slots, frames, joints = clips.valid.shape
    noise = torch.rand((batch, slots, frames // segment + 1, joints + 1), generator=generator)
    return noise.to(clips.positions.device)[persons.clip, persons.slot]


class Distillation(nn.Module):
    """Student encoder on the visible tokens; predictor to the teacher's features; decoder to the coordinates.

    student: the encoder that is kept. predictor, decoder: None switches the part (and its loss) off. segment: frames
    per segment s. mask, ratio: which tokens are hidden. coordinate_scale: RMS of the training set's coordinates, by
    which target `joints` is divided. target, region (`all` or `hidden`), normalisation: of the reconstruction.
    teacher_normalise: `layer` or `none`. latent_weight, reconstruction_weight: w_st and w_rec.
    """

    def __init__(
        self,
        student: Encoder,
        predictor: Completion | None,
        decoder: Completion | None,
        *,
        segment: int,
        mask: str = "joint-frame",
        ratio: float = 0.9,
        coordinate_scale: float = 1.0,
        target: str = "joints",
        region: str = "all",
        normalisation: str = "none",
        teacher_normalise: str = "layer",
        latent_weight: float = 1.0,
        reconstruction_weight: float = 1.0,
    ) -> None:
        super().__init__()
        self.student, self.predictor, self.decoder = student, predictor, decoder
        self.teacher = None
        if predictor is not None:
            self.teacher = copy.deepcopy(student).requires_grad_(False).eval()
        self.coordinate_scale: Tensor
        self.register_buffer("coordinate_scale", torch.tensor(float(coordinate_scale)))
        self.segment, self.mask, self.ratio = segment, MASKS[mask], ratio
        self.target, self.region, self.normalisation = target, region, normalisation
        self.teacher_normalise = teacher_normalise
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

    def forward(self, persons: Persons, noise: Tensor) -> Losses:
        """Losses of a batch; noise (P, S + 1, V + 1) uniform in [0, 1) decides what is hidden."""
        segments = to_segments(persons.positions, self.segment)
        valid = token_validity(persons.valid, self.segment)
        counts = self.visible(*valid.shape[1:])
        hidden = self.mask.draw(segments, valid, noise, counts)
        visible, everything = visible_tokens(hidden, valid, counts.grid), all_tokens(valid)
        features = self.student(segments, visible)
        latent = reconstruction = spread = segments.new_zeros(())
        pooled = None
        hidden_valid = (hidden & valid).flatten(1)[..., None]
        if self.predictor is not None and self.teacher is not None:
            with torch.no_grad():
                taught = self.teacher(segments, everything)
                spread = taught[valid.flatten(1)].float().std(0).mean()
                means = pool_mean(taught.float().unflatten(1, valid.shape[1:]), valid)
                pooled = mean_over_clips(means, persons.clip, persons.clips)
                wanted = latent_target(taught, self.teacher_normalise)
            latent = mean_square(self.predictor(features, visible, everything), wanted, hidden_valid)
        if self.decoder is not None:
            wanted, counted = reconstruction_target(
                persons.positions, persons.valid, self.segment, self.target, self.normalisation
            )
            if self.target == "joints" and self.normalisation == "none":
                wanted = wanted / self.coordinate_scale
            if self.region == "hidden":
                counted = counted * hidden_valid
            reconstruction = mean_square(self.decoder(features, visible, everything), wanted, counted)
        total = self.latent_weight * latent + self.reconstruction_weight * reconstruction
        return Losses(total, latent.detach(), reconstruction.detach(), spread, pooled)

    @torch.no_grad()
    def rebuild(self, persons: Persons, noise: Tensor) -> tuple[Tensor, Tensor | None]:
        """What the student sees of persons, and what the decoder makes of it; noise as for `forward`.

        Returns seen (P, T, V) bool and joints (P, T, V, C) in the unit of the data; None for the joints when there is
        no decoder or it says something else (motion, normalised coordinates). Where the decoder learned to rebuild
        hidden tokens only, seen ones are as given.
        """
        segments = to_segments(persons.positions, self.segment)
        valid = token_validity(persons.valid, self.segment)
        counts = self.visible(*valid.shape[1:])
        hidden = self.mask.draw(segments, valid, noise, counts)
        seen = (~hidden & valid).repeat_interleave(self.segment, 1)
        if self.decoder is None or self.target != "joints" or self.normalisation != "none":
            return seen, None
        visible = visible_tokens(hidden, valid, counts.grid)
        said = self.decoder(self.student(segments, visible), visible, all_tokens(valid)).float()
        joints = from_segments(said.unflatten(1, valid.shape[1:]), self.segment) * self.coordinate_scale
        return seen, torch.where(seen[..., None], persons.positions, joints) if self.region == "hidden" else joints

    @torch.no_grad()
    def update_teacher(self, momentum: float) -> None:
        """Δ ← α Δ + (1 − α) θ (the report, eq. 3), to be called after each optimiser step."""
        if self.teacher is not None:
            teacher: list[Tensor] = list(self.teacher.parameters())
            student: list[Tensor] = list(self.student.parameters())
            torch._foreach_lerp_(teacher, student, 1 - momentum)
