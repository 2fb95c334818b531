"""Targets and losses against loops over the valid numbers; what stands at invalid frames never counts."""

import math

import pytest
import torch
from torch import Tensor

from jointwise.model.losses import mean_square
from jointwise.model.targets import NORMALISATIONS, TARGETS, latent_target, motion_target, reconstruction_target

P = 2
S = 3
LENGTH = 4
V = 5
C = 3
T = S * LENGTH


def clip(seed: int = 0, share: float = 0.7) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    positions = torch.randn(P, T, V, C, generator=generator)
    valid = torch.rand(P, T, V, generator=generator) < share
    valid[0, :LENGTH, 0] = False  # a whole token
    valid[1, :, 1] = False  # a whole joint
    valid[1, :LENGTH, 2] = torch.tensor([True, False, False, False])  # one frame of a token
    return positions, valid


def reference_target(positions: Tensor, valid: Tensor, name: str) -> tuple[dict, Tensor]:
    """{(p, t, v, c): value} of the places that count, before normalisation."""
    counts = {}
    for p in range(P):
        for t in range(T):
            for v in range(V):
                following = t + 1 if t + 1 < T else t
                seen = bool(valid[p, t, v]) and (name == "joints" or bool(valid[p, following, v]))
                for c in range(C if seen else 0):
                    value = float(positions[p, t, v, c])
                    counts[p, t, v, c] = float(positions[p, following, v, c]) - value if name == "motion" else value
    return counts, valid


def normalised(counts: dict, name: str) -> dict:
    groups: dict = {}
    for p, t, v, c in counts:
        key = {"none": (p, t, v, c), "token": (p, t // LENGTH, v), "axis-over-time": (p, v, c)}[name]
        groups.setdefault(key, []).append((p, t, v, c))
    result = {}
    for places in groups.values():
        values = [counts[place] for place in places]
        mean = sum(values) / len(values)
        variance = sum((value - mean) ** 2 for value in values) / max(len(values) - 1, 1)
        for place in places:
            plain = counts[place]
            result[place] = plain if name == "none" else (plain - mean) / math.sqrt(variance + 1e-6)
    return result


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("normalisation", NORMALISATIONS)
def test_the_target_is_that_of_loops_over_the_valid_numbers(target: str, normalisation: str) -> None:
    positions, valid = clip()
    values, counts = reconstruction_target(positions, valid, LENGTH, target, normalisation)
    assert values.shape == counts.shape == (P, S * V, LENGTH * C)
    expected = normalised(reference_target(positions, valid, target)[0], normalisation)
    for p in range(P):
        for t in range(T):
            for v in range(V):
                for c in range(C):
                    token, number = (t // LENGTH) * V + v, (t % LENGTH) * C + c
                    assert float(counts[p, token, number]) == ((p, t, v, c) in expected)
                    if (p, t, v, c) in expected:
                        wanted = pytest.approx(expected[p, t, v, c], abs=1e-4)
                        assert float(values[p, token, number]) == wanted
    assert values.isfinite().all()


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("normalisation", NORMALISATIONS)
@pytest.mark.parametrize("share", [0.7, 0.2, 0.0])
def test_filled_values_of_invalid_frames_change_no_loss(target: str, normalisation: str, share: float) -> None:
    positions, valid = clip(1, share)
    prediction = torch.randn(P, S * V, LENGTH * C, generator=torch.Generator().manual_seed(2))
    losses = []
    for filling in (0.0, 37.0):
        filled = torch.where(valid[..., None], positions, torch.tensor(filling))
        losses.append(mean_square(prediction, *reconstruction_target(filled, valid, LENGTH, target, normalisation)))
    assert losses[0].isfinite()
    torch.testing.assert_close(*losses, rtol=1e-6, atol=0)


def test_without_gaps_the_token_normalisation_is_the_published_one() -> None:
    positions = torch.randn(P, T, V, C)
    values, counts = reconstruction_target(positions, torch.ones(P, T, V, dtype=torch.bool), LENGTH, "motion", "token")
    motion = torch.cat([positions[:, 1:] - positions[:, :-1], torch.zeros(P, 1, V, C)], 1)
    tokens = motion.view(P, S, LENGTH, V, C).permute(0, 1, 3, 2, 4).reshape(P, S * V, LENGTH * C)
    mean, variance = tokens.mean(-1, keepdim=True), tokens.var(-1, keepdim=True)  # torch's variance is unbiased
    torch.testing.assert_close(values, (tokens - mean) / (variance + 1e-6) ** 0.5, atol=1e-5, rtol=1e-5)
    assert counts.all()


def test_a_line_at_constant_speed_has_constant_motion_and_none_in_the_last_frame() -> None:
    positions = torch.arange(T).float().view(1, T, 1, 1) * torch.tensor([1.0, 2.0, -3.0]).expand(1, 1, V, C)
    motion, _ = motion_target(positions, torch.ones(1, T, V, dtype=torch.bool))
    assert torch.equal(motion[:, :-1], torch.tensor([1.0, 2.0, -3.0]).expand(1, T - 1, V, C))
    assert not motion[:, -1].any()


def test_motion_counts_where_both_of_its_frames_are_valid() -> None:
    valid = torch.tensor([1, 1, 0, 1, 1, 1, 0, 1], dtype=torch.bool).view(1, 8, 1)
    _, both = motion_target(torch.zeros(1, 8, 1, 3), valid)
    assert both.flatten().int().tolist() == [1, 0, 0, 1, 1, 0, 0, 1]
    assert valid.flatten().int().tolist() == [1, 1, 0, 1, 1, 1, 0, 1]  # the given mask stays


def test_mean_square_is_the_mean_over_the_places_that_count() -> None:
    prediction, target = torch.randn(2, 3, 4), torch.randn(2, 3, 4)
    weights = (torch.rand(2, 3, 4, generator=torch.Generator().manual_seed(0)) < 0.5).float()
    errors = [
        (float(prediction[i, j, k]) - float(target[i, j, k])) ** 2
        for i in range(2)
        for j in range(3)
        for k in range(4)
        if weights[i, j, k]
    ]
    assert float(mean_square(prediction, target, weights)) == pytest.approx(sum(errors) / len(errors), rel=1e-5)


@pytest.mark.parametrize("dtype", [torch.bool, torch.float32])
def test_mean_square_with_one_weight_per_token_is_the_mean_over_tokens_and_features(dtype: torch.dtype) -> None:
    prediction, target = torch.tensor([[[1.0, 2.0], [5.0, 5.0]]]), torch.tensor([[[0.0, 0.0], [0.0, 0.0]]])
    weights = torch.tensor([[[1], [0]]], dtype=dtype)
    assert float(mean_square(prediction, target, weights)) == pytest.approx((1 + 4) / 2)
    assert float(mean_square(prediction, target, weights * 0)) == 0


def test_mean_square_is_computed_in_fp32() -> None:
    prediction, target = torch.full((1, 4000, 1), 1.0, dtype=torch.bfloat16), torch.zeros(1, 4000, 1)
    loss = mean_square(prediction, target, torch.ones(1, 4000, 1))
    assert loss.dtype == torch.float32
    assert float(loss) == 1.0


def test_the_latent_target_has_zero_mean_and_unit_variance_over_features() -> None:
    features = torch.randn(2, 7, 64) * 5 + 3
    target = latent_target([features], "layer")
    torch.testing.assert_close(target.mean(-1), torch.zeros(2, 7), atol=1e-5, rtol=0)
    torch.testing.assert_close(target.var(-1, unbiased=False), torch.ones(2, 7), atol=1e-4, rtol=0)
    assert torch.equal(latent_target([features], "none"), features)
    assert latent_target([features.bfloat16()], "layer").dtype == torch.float32
