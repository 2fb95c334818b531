"""Masked prediction with student, EMA teacher and decoder: the report's systems, and without a teacher MAMP."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import torch
from torch import Tensor

from jointwise.config.schema import Config, LossConfig, MaskConfig
from jointwise.data.clips import Clips, Persons
from jointwise.data.randomness import Draws
from jointwise.data.skeletons import Skeleton
from jointwise.errors import ConfigError
from jointwise.model.ema import teacher_momentum, update_ema
from jointwise.model.encoders import Completion, Encoder
from jointwise.model.heads import mean_over_clips, pool_mean
from jointwise.model.losses import BatchSum, mean_square, spread, whole_batch
from jointwise.model.masks import MASKS, Ratio, Visible
from jointwise.model.objective import Losses, Objective, Rebuilt, Watched
from jointwise.model.parts import build_decoder, build_encoder, build_predictor
from jointwise.model.sharpening import Sharpening
from jointwise.model.targets import latent_target, reconstruction_target
from jointwise.model.tokens import (
    TokenSet,
    all_tokens,
    fewest_valid,
    from_centre,
    from_segments,
    relative_to_centre,
    to_segments,
    token_validity,
    visible_tokens,
)


@dataclass
class StudentView:
    """What the student sees of a batch, and its features.

    Args:
        segments: (P, S, V, s · C) numbers of all tokens.
        valid: (P, S, V) bool.
        hidden: (P, S, V) bool.
        everything: All tokens.
        visible: The tokens that the student gets.
        features: (P, K, D) the student's features of the visible tokens.
    """

    segments: Tensor
    valid: Tensor
    hidden: Tensor
    everything: TokenSet
    visible: TokenSet
    features: Tensor

    @property
    def valid_tokens(self) -> Tensor:
        """(P, N, 1) bool: tokens that are valid."""
        return self.valid.flatten(1)[..., None]

    @property
    def hidden_tokens(self) -> Tensor:
        """(P, N, 1) bool: tokens that are valid and hidden."""
        return (self.hidden & self.valid).flatten(1)[..., None]


def mask_noise(persons: Persons, clips: Clips, segment: int, draws: Draws) -> Tensor:
    """Uniform noise for the masks, drawn per clip and person slot: a person's noise does not depend on the others.

    Args:
        persons: The P persons of the clips.
        clips: B clips.
        segment: Frames per segment, s.
        draws: Random numbers of the clips.

    Returns:
        (P, S + 1, V + 1) in [0, 1).
    """
    frames, joints = persons.valid.shape[1:]
    noise = draws.uniform(clips.slots, frames // segment + 1, joints + 1, device=persons.valid.device)
    return noise[persons.clip, persons.slot]


class MaskedPrediction(Objective):
    """A student sees some tokens; a predictor predicts the teacher's features, a decoder the coordinates.

    Settings keep their names: `mask.strategy` is `mask_strategy` here.

    Args:
        student: The encoder that is kept.
        predictor: None: no teacher and no latent loss.
        decoder: None: no reconstruction loss.
        segment: Frames per segment, s.
        mask_strategy: Which tokens are hidden, a key of MASKS.
        mask_ratio: Share of hidden tokens; or shares of hidden segments and of hidden joints.
        mask_hidden: Whether hidden tokens are `dropped` or `zeroed`.
        body_parts: (V,) body part of each joint, for masks that need it.
        coordinate_scale: RMS of the coordinates of the training part. Target `joints` is divided by it.
        decoder_target: What the decoder rebuilds, a key of TARGETS.
        decoder_region: Whether `all` tokens or `hidden` ones only enter the reconstruction loss.
        decoder_normalisation: How the target is standardised, a key of NORMALISATIONS.
        teacher_momentum: α, share of the teacher that a step keeps.
        teacher_normalise: `layer` or `none`, see `latent_target`.
        teacher_blocks: 1: the target is the teacher's output; K > 1: the mean over its last K blocks.
        loss_latent: Weight of the latent loss, w_st.
        loss_reconstruction: Weight of the reconstruction loss, w_rec.
        sharpening: The latent loss instead of L2.
    """

    PARTS: ClassVar = {"latent": "L_st", "reconstruction": "L_rec"}

    def __init__(
        self,
        student: Encoder,
        predictor: Completion | None,
        decoder: Completion | None,
        *,
        segment: int,
        mask_strategy: str = "joint-frame",
        mask_ratio: Ratio = 0.9,
        mask_hidden: str = "dropped",
        body_parts: Sequence[int] = (),
        coordinate_scale: float = 1.0,
        decoder_target: str = "joints",
        decoder_region: str = "all",
        decoder_normalisation: str = "none",
        teacher_momentum: float = 0.9999,
        teacher_normalise: str = "layer",
        teacher_blocks: int = 1,
        loss_latent: float = 1.0,
        loss_reconstruction: float = 1.0,
        sharpening: Sharpening | None = None,
    ) -> None:
        super().__init__(student)
        self.predictor = predictor
        self.decoder = decoder
        self.sharpening = sharpening
        self.teacher = None
        if predictor is not None:
            self.teacher = copy.deepcopy(student).requires_grad_(False).eval()
        self.coordinate_scale: Tensor
        self.register_buffer("coordinate_scale", torch.tensor(float(coordinate_scale)))
        self.body_parts: Tensor
        self.register_buffer("body_parts", torch.tensor(body_parts, dtype=torch.long), persistent=False)
        self.segment = segment
        self.mask_strategy = mask_strategy
        self.mask_ratio = mask_ratio
        self.mask_hidden = mask_hidden
        self.decoder_target = decoder_target
        self.decoder_region = decoder_region
        self.decoder_normalisation = decoder_normalisation
        self.teacher_momentum = teacher_momentum
        self.teacher_normalise = teacher_normalise
        self.teacher_blocks = teacher_blocks
        self.loss_latent = loss_latent
        self.loss_reconstruction = loss_reconstruction

    @classmethod
    def build(cls, config: Config, skeleton: Skeleton, coordinates: int, coordinate_rms: float) -> Self:
        """See `Objective.build`."""
        # first, because it draws the student's weights
        shared = cls.shared_parts(config, skeleton, coordinates, coordinate_rms)
        return cls(
            predictor=build_predictor(config, skeleton) if config.predictor.use else None,
            decoder=build_decoder(config, skeleton, coordinates) if config.decoder.use else None,
            **shared,
        )

    @staticmethod
    def shared_parts(config: Config, skeleton: Skeleton, coordinates: int, coordinate_rms: float) -> dict[str, Any]:
        """All arguments but predictor and decoder; see `Objective.build`."""
        return {
            "student": build_encoder(config, skeleton, coordinates),
            "segment": config.clip.segment,
            "mask_strategy": config.mask.strategy,
            "mask_ratio": _mask_ratio(config.mask),
            "mask_hidden": config.mask.hidden,
            "body_parts": skeleton.body_parts,
            "coordinate_scale": coordinate_rms,
            "decoder_target": config.decoder.target,
            "decoder_region": config.decoder.region,
            "decoder_normalisation": config.decoder.normalisation,
            "teacher_momentum": teacher_momentum(config.teacher, config.pretrain.steps),
            "teacher_normalise": config.teacher.normalise,
            "teacher_blocks": config.teacher.blocks,
            "loss_latent": config.loss.latent,
            "loss_reconstruction": config.loss.reconstruction,
            "sharpening": _build_sharpening(config.loss, config.encoder.width),
        }

    @classmethod
    def joint_decoder(cls, config: Config, skeleton: Skeleton, coordinates: int) -> Completion | None:
        """See `Objective.joint_decoder`. Where hidden tokens were zeroed, the decoder never saw tokens left out."""
        decoder = config.decoder
        if config.mask.hidden != "dropped" or decoder.target != "joints" or decoder.normalisation != "none":
            return None
        return build_decoder(config, skeleton, coordinates) if decoder.use else None

    @classmethod
    def check(cls, config: Config) -> None:
        """See `Objective.check`: where hidden tokens are zeroed, there is no centre to be relative to."""
        if config.mask.hidden == "zeroed" and config.clip.is_relative:
            raise ConfigError(
                "mask.hidden zeroed: a hidden root would be taken for one at the origin, and clip.input "
                f"{config.clip.input} is relative to it. Set mask.hidden dropped, or clip.input place+motion."
            )

    def train(self, mode: bool = True) -> Self:
        """Set training or evaluation mode. The teacher stays in evaluation mode always."""
        super().train(mode)
        if self.teacher is not None:
            self.teacher.eval()
        return self

    def losses(self, persons: Persons, clips: Clips, draws: Draws, batch_sum: BatchSum = whole_batch) -> Losses:
        """See `Objective.losses`; `draws` decides which tokens are hidden."""
        losses: Losses = self(persons, mask_noise(persons, clips, self.segment, draws), batch_sum)
        return losses

    def forward(self, persons: Persons, noise: Tensor, batch_sum: BatchSum = whole_batch) -> Losses:
        """The losses of a batch, or of a share of it.

        Args:
            persons: P persons.
            noise: (P, S + 1, V + 1) uniform in [0, 1): decides which tokens are hidden.
            batch_sum: Adds up the shares of a batch.
        """
        view = self.student_view(persons, noise)
        latent = reconstruction = view.segments.new_zeros(())
        watched = None
        if self.predictor is not None and self.teacher is not None:
            latent, watched = self._latent_loss(self.predictor, self.teacher, view, persons, batch_sum)
        if self.decoder is not None:
            reconstruction = self._reconstruction_loss(self.decoder, view, persons, batch_sum)
        total = self.loss_latent * latent + self.loss_reconstruction * reconstruction
        return Losses(total, {"latent": latent.detach(), "reconstruction": reconstruction.detach()}, watched)

    def visible(self, segments: int, joints: int) -> Visible:
        """How many tokens of a clip of S segments and V joints stay visible."""
        return MASKS[self.mask_strategy].visible(segments, joints, self.mask_ratio)

    def student_view(self, persons: Persons, noise: Tensor) -> StudentView:
        """Hide tokens, and encode what is left.

        Args:
            persons: P persons.
            noise: As for `forward`.
        """
        segments = to_segments(persons.positions, self.segment)
        valid = token_validity(persons.valid, self.segment)
        counts = self.visible(*valid.shape[1:])
        hidden = MASKS[self.mask_strategy].draw(segments, valid, noise, counts, self.body_parts)
        fewest = 0 if persons.valid_on_cpu is None else fewest_valid(persons.valid_on_cpu, self.segment)
        everything = all_tokens(valid, fewest == valid[0].numel())
        if self.mask_hidden == "zeroed":
            features = self.student(segments * ~hidden[..., None], everything)
            return StudentView(segments, valid, hidden, everything, everything, features)
        # Invalid tokens are hidden first, so visible ones are all valid where enough are. A grid hides whole segments
        # and joints: there it is only certain where all tokens are valid.
        whole = fewest >= (valid[0].numel() if counts.grid else counts.count)
        visible = visible_tokens(hidden, valid, counts.grid, counts.count, whole)
        return StudentView(segments, valid, hidden, everything, visible, self.student(segments, visible))

    def _latent_loss(
        self, predictor: Completion, teacher: Encoder, view: StudentView, persons: Persons, batch_sum: BatchSum
    ) -> tuple[Tensor, Watched]:
        """The loss of the predictor over hidden tokens (the report, eq. 1), and the teacher's features to watch."""
        target, watched = self.teacher_features(teacher, view, persons, batch_sum)
        prediction = predictor(view.features, view.visible, view.everything)
        loss: Tensor = (self.sharpening or mean_square)(prediction, target, view.hidden_tokens, batch_sum)
        if self.sharpening is not None and self.training:
            self.sharpening.move_centre(target, view.valid_tokens, batch_sum)
        return loss, watched

    @torch.no_grad()
    def teacher_features(
        self, teacher: Encoder, view: StudentView, persons: Persons, batch_sum: BatchSum
    ) -> tuple[Tensor, Watched]:
        """What the teacher makes of all tokens: the target (P, N, D), and its features for the collapse watch.

        Args:
            teacher: Sees everything.
            view: What the student sees.
            persons: P persons.
            batch_sum: Adds up the shares of a batch.
        """
        layers = teacher.layers(view.segments, view.everything)
        output = layers[-1]
        means = pool_mean(output.float().unflatten(1, view.valid.shape[1:]), view.valid)
        watched = Watched(
            spread=spread(output, view.valid_tokens, batch_sum),
            pooled=mean_over_clips(means, persons.clip, persons.clips),
            momentum=self.teacher_momentum,
        )
        averaged = layers[-1:] if self.teacher_blocks == 1 else layers[-1 - self.teacher_blocks : -1]
        return latent_target(averaged, self.teacher_normalise), watched

    def joint_targets(self, view: StudentView, persons: Persons) -> tuple[Tensor, Tensor]:
        """What is rebuilt of all tokens: (P, N, s · C), and where it counts: 1 or 0, same shape.

        Args:
            view: What the student sees.
            persons: P persons.
        """
        places = relative_to_centre(persons.positions, self.student.centre)
        target, counted = reconstruction_target(
            places, persons.valid, self.segment, self.decoder_target, self.decoder_normalisation
        )
        if self.decodes_joints:
            target = target / self.coordinate_scale
        if self.decoder_region == "hidden":
            counted = counted * view.hidden_tokens
        return target, counted

    def _reconstruction_loss(
        self, decoder: Completion, view: StudentView, persons: Persons, batch_sum: BatchSum
    ) -> Tensor:
        """The loss of the decoder over valid coordinates (the report, eq. 2)."""
        target, counted = self.joint_targets(view, persons)
        return mean_square(decoder(view.features, view.visible, view.everything), target, counted, batch_sum)

    @property
    def decodes_joints(self) -> bool:
        """Whether what is decoded, times `coordinate_scale`, is coordinates."""
        return self.decoder_target == "joints" and self.decoder_normalisation == "none"

    @torch.no_grad()
    def rebuild(self, persons: Persons, clips: Clips, draws: Draws) -> Rebuilt:
        """What the student sees of persons, and the joints that the decoder makes of it.

        Where the decoder has learned hidden tokens only, visible joints are those that were given.

        Args:
            persons: The persons of the clips, packed.
            clips: B clips.
            draws: Random numbers of the clips.

        Returns:
            No joints where there is no decoder, or where it decodes motion or normalised coordinates.
        """
        view = self.student_view(persons, mask_noise(persons, clips, self.segment, draws))
        seen = (~view.hidden & view.valid).repeat_interleave(self.segment, 1)
        if self.decoder is None or not self.decodes_joints:
            return Rebuilt(seen, None)
        output = self.decoder(view.features, view.visible, view.everything)
        return Rebuilt(seen, self.place_joints(output, persons, seen if self.decoder_region == "hidden" else None))

    def place_joints(self, output: Tensor, persons: Persons, given: Tensor | None) -> Tensor:
        """Coordinates of decoded tokens.

        Args:
            output: (P, N, s · C) what was decoded.
            persons: P persons.
            given: (P, T, V) bool, joints that keep the places that they have; None: none of them.

        Returns:
            (P, T, V, C).
        """
        grid = persons.valid.shape[1] // self.segment, persons.valid.shape[2]
        joints = from_segments(output.float().unflatten(1, grid), self.segment) * self.coordinate_scale
        centre = self.student.centre
        if given is None:
            return from_centre(joints, centre)
        given = given[..., None]
        joints = torch.where(given, relative_to_centre(persons.positions, centre), joints)
        return torch.where(given, persons.positions, from_centre(joints, centre))

    def describe(self, segments: int, joints: int) -> dict[str, Any]:
        """How many tokens of a clip the student sees."""
        return {"visible_tokens": self.visible(segments, joints).count}

    def after_step(self, step: int) -> None:
        """Move the teacher."""
        self.update_teacher(self.teacher_momentum)

    def update_teacher(self, momentum: float) -> None:
        """Move the teacher towards the student, see `update_ema`.

        Args:
            momentum: α, share of the teacher's weights that stays.
        """
        if self.teacher is not None:
            update_ema(self.teacher, self.student, momentum)


def _mask_ratio(settings: MaskConfig) -> Ratio:
    """The share of hidden tokens, or where these are given the shares of hidden segments and of hidden joints."""
    if settings.segment_ratio is None or settings.joint_ratio is None:
        return settings.ratio
    return settings.segment_ratio, settings.joint_ratio


def _build_sharpening(settings: LossConfig, width: int) -> Sharpening | None:
    if settings.objective == "l2":
        return None
    return Sharpening(width, settings.student_temperature, settings.teacher_temperature, settings.centre_momentum)
