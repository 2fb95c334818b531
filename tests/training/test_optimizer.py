"""Which parameters decay, how fast each layer learns, and the schedules at their ends."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from jointwise.config.schema import TrainConfig
from jointwise.model.classifier import Classifier
from jointwise.model.encoders import Completion, Encoder
from jointwise.model.heads import ClassificationHead
from jointwise.model.masked_prediction import MaskedPrediction
from jointwise.training.optimizer import build_optimizer, has_weight_decay, layer_scale, learning_rate

DEPTH = 3


def make_encoder() -> Encoder:
    return Encoder(segments=4, joints=5, numbers=6, depth=DEPTH, width=8, heads=2)


def make_objective() -> MaskedPrediction:
    parts = (Completion(4, 5, 8, outputs, depth=2, width=8, heads=2) for outputs in (8, 6))
    return MaskedPrediction(make_encoder(), *parts, segment=2)


def make_classifier() -> Classifier:
    return Classifier(make_encoder(), ClassificationHead(5, 8, 3, hidden=16), segment=2)


@pytest.mark.parametrize("make", [make_objective, make_classifier])
def test_weight_decay_applies_to_the_matrices_of_linear_layers_and_to_nothing_else(make: object) -> None:
    module = make()
    matrices = {f"{name}.weight" for name, part in module.named_modules() if isinstance(part, nn.Linear)}
    decayed = {name for name, parameter in module.named_parameters() if has_weight_decay(name, parameter)}
    assert decayed == matrices
    assert len(matrices) > 10


def test_embeddings_mask_token_biases_and_norms_do_not_decay() -> None:
    module = make_objective()
    parameters = dict(module.named_parameters())
    for name in (
        "student.embed.position.segment",
        "student.embed.position.joint",
        "predictor.position.segment",
        "decoder.position.joint",
        "predictor.mask_token",
        "decoder.mask_token",
        "student.embed.proj.bias",
        "student.transformer.blocks.0.attn.qkv.bias",
        "student.transformer.blocks.1.norm2.weight",
        "student.transformer.norm.weight",
        "student.transformer.norm.bias",
    ):
        assert not has_weight_decay(name, parameters[name]), name
    head = dict(make_classifier().named_parameters())
    assert not has_weight_decay("head.mlp.1.weight", head["head.mlp.1.weight"])  # BatchNorm
    assert has_weight_decay("head.mlp.3.weight", head["head.mlp.3.weight"])


@pytest.mark.parametrize("make", [make_objective, make_classifier])
def test_the_optimizer_holds_every_trainable_parameter_once_with_the_right_decay(make: object) -> None:
    module = make()
    optimizer = build_optimizer(module, TrainConfig(lr=2e-3, weight_decay=0.07, beta2=0.95), layer_decay=0.5)
    place = {parameter: group for group in optimizer.param_groups for parameter in group["params"]}
    assert sum(len(group["params"]) for group in optimizer.param_groups) == len(place)
    trainable = {name: p for name, p in module.named_parameters() if p.requires_grad}
    assert set(place) == set(trainable.values())
    assert not any(name.startswith("teacher.") for name in trainable)
    for name, parameter in trainable.items():
        assert place[parameter]["weight_decay"] == (0.07 if has_weight_decay(name, parameter) else 0.0), name
        assert place[parameter]["betas"] == (0.9, 0.95)


def test_each_layer_below_the_head_learns_at_the_decay_times_the_one_above() -> None:
    module = make_classifier()
    optimizer = build_optimizer(module, TrainConfig(), layer_decay=0.5)
    scale = {parameter: group["scale"] for group in optimizer.param_groups for parameter in group["params"]}
    expected = {
        "head.": 1.0,
        "encoder.transformer.norm.": 0.5,
        "encoder.transformer.blocks.2.": 0.5,
        "encoder.transformer.blocks.1.": 0.25,
        "encoder.transformer.blocks.0.": 0.125,
        "encoder.embed.": 0.0625,
    }
    for name, parameter in module.named_parameters():
        (factor,) = (factor for prefix, factor in expected.items() if name.startswith(prefix))
        assert scale[parameter] == factor, name
        assert layer_scale(name, DEPTH, 0.5) == factor


@pytest.mark.parametrize("make", [make_objective, make_classifier])
def test_without_layer_decay_all_learn_at_the_same_rate(make: object) -> None:
    assert {group["scale"] for group in build_optimizer(make(), TrainConfig()).param_groups} == {1.0}


def test_the_rate_warms_up_linearly_and_falls_along_a_cosine() -> None:
    settings = TrainConfig(steps=200, lr=1.0, final_lr=0.5, warmup=0.05)
    rates = [learning_rate(step, settings) for step in range(200)]
    assert rates[:10] == pytest.approx([0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0])
    assert rates[10] == 1.0
    assert rates[10 + 95] == pytest.approx(0.75)  # half-way
    assert rates[10 + 38] == pytest.approx(0.5 + 0.25 * (1 + math.cos(0.2 * math.pi)))
    assert rates[-1] == pytest.approx(0.5, abs=1e-4)
    assert learning_rate(200, settings) == pytest.approx(0.5)


@given(steps=st.integers(1, 3000), warmup=st.floats(0, 1))
def test_the_rate_rises_to_lr_then_falls_to_the_final_one_and_never_leaves_the_range(steps: int, warmup: float) -> None:
    settings = TrainConfig(steps=steps, lr=1e-3, final_lr=5e-4, warmup=warmup)
    rates = [learning_rate(step, settings) for step in range(steps)]
    top = rates.index(max(rates))
    assert max(rates) == pytest.approx(1e-3)
    assert all(0 < rate <= 1e-3 + 1e-12 for rate in rates)
    assert rates[: top + 1] == sorted(rates[: top + 1])
    assert rates[top:] == sorted(rates[top:], reverse=True)
    assert all(rate >= 5e-4 for rate in rates[top:])


def test_the_moments_have_the_memory_of_the_settings() -> None:
    module = nn.Linear(1, 1, bias=False)
    optimizer = build_optimizer(module, TrainConfig(beta2=0.75))
    for gradient in (2.0, 4.0):
        module.weight.grad = torch.full((1, 1), gradient)
        optimizer.step()
    (moments,) = optimizer.state.values()
    assert float(moments["exp_avg"]) == pytest.approx(0.9 * 0.1 * 2 + 0.1 * 4)
    assert float(moments["exp_avg_sq"]) == pytest.approx(0.75 * 0.25 * 4 + 0.25 * 16)


def test_one_step_moves_each_parameter_by_its_scaled_rate() -> None:
    module = make_classifier()
    optimizer = build_optimizer(module, TrainConfig(lr=1e-3, weight_decay=0.0), layer_decay=0.5)
    before = {name: p.detach().clone() for name, p in module.named_parameters()}
    for group in optimizer.param_groups:
        group["lr"] = 1e-3 * group["scale"]
    for parameter in module.parameters():
        parameter.grad = torch.ones_like(parameter)
    optimizer.step()  # the first Adam step is the rate itself, whatever the gradient's size
    for name, parameter in module.named_parameters():
        moved = before[name] - parameter.detach()
        expected = torch.full_like(moved, 1e-3 * layer_scale(name, DEPTH, 0.5))
        torch.testing.assert_close(moved, expected, rtol=1e-2, atol=1e-7)
