"""What predictor and decoder learn: the targets of the reconstruction and of the latent loss."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.nn import functional

from jointwise.model.tokens import to_segments

Target = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]  # positions, valid -> target, its validity
Normalisation = Callable[[Tensor, Tensor, int], Tensor]  # target (P, T, V, C), valid (P, T, V), segment length


def joints_target(positions: Tensor, valid: Tensor) -> tuple[Tensor, Tensor]:
    """The coordinates themselves (the report, eq. 2).

    Args:
        positions: (P, T, V, C).
        valid: (P, T, V) bool.

    Returns:
        Target and its validity, same shapes.
    """
    return positions, valid


def motion_target(positions: Tensor, valid: Tensor) -> tuple[Tensor, Tensor]:
    """Difference to the next frame, 0 in the last frame (MAMP, eq. 6).

    Args:
        positions: (P, T, V, C).
        valid: (P, T, V) bool.

    Returns:
        Target and its validity, same shapes. A difference is valid where both frames are; the last frame, where it is.
    """
    motion = torch.zeros_like(positions)
    motion[:, :-1] = positions[:, 1:] - positions[:, :-1]
    both = valid.clone()
    both[:, :-1] &= valid[:, 1:]
    return motion, both


TARGETS: dict[str, Target] = {"joints": joints_target, "motion": motion_target}


def _keep(target: Tensor, valid: Tensor, length: int) -> Tensor:
    return target


def _standardise(values: Tensor, weights: Tensor, axes: tuple[int, ...]) -> Tensor:
    """(x − mean) / √(unbiased variance + 1e-6) over `axes`; the statistics are of values with weight 1, not 0."""
    count = weights.sum(axes, keepdim=True)
    mean = (values * weights).sum(axes, keepdim=True) / count.clamp(min=1)
    variance = ((values - mean).square() * weights).sum(axes, keepdim=True) / (count - 1).clamp(min=1)
    return (values - mean) / (variance + 1e-6).sqrt()


def _by_token(target: Tensor, valid: Tensor, length: int) -> Tensor:
    """Over the s · C numbers of each token (MAMP). ε 1e-6 makes sensor noise of still joints a target of variance 1."""
    values, weights = target.unflatten(1, (-1, length)), valid.unflatten(1, (-1, length))[..., None]
    return _standardise(values, weights.expand_as(values).to(values), (2, 4)).flatten(1, 2)


def _by_axis_over_time(target: Tensor, valid: Tensor, length: int) -> Tensor:
    """Over the frames of the clip, for each joint and each of x, y, z."""
    return _standardise(target, valid[..., None].to(target), (1,))


NORMALISATIONS: dict[str, Normalisation] = {
    "none": _keep,
    "token": _by_token,
    "axis-over-time": _by_axis_over_time,
}


def reconstruction_target(
    positions: Tensor, valid: Tensor, length: int, target: str, normalisation: str
) -> tuple[Tensor, Tensor]:
    """What the decoder rebuilds. Filled values of invalid frames never count.

    Args:
        positions: (P, T, V, C).
        valid: (P, T, V) bool.
        length: Frames per segment, s.
        target: A key of TARGETS.
        normalisation: A key of NORMALISATIONS.

    Returns:
        Target (P, N, s · C), and where it counts: 1 or 0, same shape.
    """
    values, valid = TARGETS[target](positions, valid)
    values = NORMALISATIONS[normalisation](values, valid, length)
    counts = valid[..., None].expand_as(values).to(values)
    return to_segments(values, length).flatten(1, 2), to_segments(counts, length).flatten(1, 2)


def latent_target(layers: Sequence[Tensor], normalise: str) -> Tensor:
    """What the predictor predicts: the mean over layers of the teacher's features, in fp32.

    Args:
        layers: Features (…, D) of each layer.
        normalise: `layer`: each layer passes a LayerNorm without parameters; `none`: as it is.

    Returns:
        (…, D).
    """
    whole = [layer.float() for layer in layers]
    if normalise == "layer":
        whole = [functional.layer_norm(layer, layer.shape[-1:]) for layer in whole]
    return torch.stack(whole).mean(0)
