"""Encoder and completion equal a dense transformer over all tokens whose mask says who may look at whom."""

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from jointwise.model.encoders import AXES, Completion, Encoder, Transformer
from jointwise.model.masks import MASKS
from jointwise.model.tokens import TokenSet, all_tokens, visible_tokens

P = 4
S = 6
V = 5
NUMBERS = 12
WIDTH = 16
HEADS = 2
DEPTH = 3

Sees = Callable[[int, int], bool]
SPATIAL: Sees = lambda i, j: i // V == j // V  # noqa: E731
TEMPORAL: Sees = lambda i, j: i % V == j % V  # noqa: E731
SEES: dict[str, tuple[Sees, ...]] = {  # may token i look at token j in each block; tokens are segment · V + joint
    "spatial": (SPATIAL,) * DEPTH,
    "temporal": (TEMPORAL,) * DEPTH,
    "spacetime": (lambda i, j: True,) * DEPTH,
    "factorised": (SPATIAL, TEMPORAL, SPATIAL),
}


def dense_transformer(weights: dict[str, Tensor], features: Tensor, masks: list[Tensor]) -> Tensor:
    """Pre-norm blocks over all N tokens of one person, (N, D), each with a full (N, N) mask of who sees whom."""
    width = features.shape[1]
    size = width // HEADS

    def linear(values: Tensor, name: str) -> Tensor:
        return values @ weights[f"{name}.weight"].T + weights[f"{name}.bias"]

    def norm(values: Tensor, name: str) -> Tensor:
        centred = values - values.mean(1, keepdim=True)
        scaled = centred / (centred.square().mean(1, keepdim=True) + 1e-5).sqrt()
        return scaled * weights[f"{name}.weight"] + weights[f"{name}.bias"]

    for block, mask in enumerate(masks):
        sees = mask | torch.eye(len(mask), dtype=torch.bool) & ~mask.any(1, keepdim=True)  # nothing: itself, unused
        name = f"blocks.{block}"
        query, key, value = linear(norm(features, f"{name}.norm1"), f"{name}.attn.qkv").split(width, 1)
        heads = []
        for h in range(HEADS):
            part = slice(h * size, (h + 1) * size)
            scores = query[:, part] @ key[:, part].T / math.sqrt(size)
            heads.append(scores.masked_fill(~sees, -math.inf).softmax(1) @ value[:, part])
        features = features + linear(torch.cat(heads, 1), f"{name}.attn.proj")
        inner = functional.gelu(linear(norm(features, f"{name}.norm2"), f"{name}.mlp.0"))
        features = features + linear(inner, f"{name}.mlp.2")
    return norm(features, "norm")


def part_of(weights: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value for name, value in weights.items() if name.startswith(prefix)}


def dense_encoder(encoder: Encoder, axis: str, segments: Tensor, attended: Tensor) -> Tensor:
    """(P, S, V, numbers), (P, S, V) bool keys -> (P, N, D): every token embedded, only `attended` ones looked at."""
    weights = dict(encoder.named_parameters())
    position = (weights["embed.position.segment"] + weights["embed.position.joint"]).reshape(S * V, -1)
    outputs = []
    for p in range(len(segments)):
        tokens = segments[p].reshape(S * V, -1)
        embedded = tokens @ weights["embed.proj.weight"].T + weights["embed.proj.bias"] + position
        key = attended[p].flatten()
        masks = [
            torch.tensor([[sees(i, j) and bool(key[j]) for j in range(S * V)] for i in range(S * V)])
            for sees in SEES[axis]
        ]
        outputs.append(dense_transformer(part_of(weights, "transformer."), embedded, masks))
    return torch.stack(outputs)


def random_weights(module: torch.nn.Module) -> None:
    """Every parameter away from its zeros and ones, so that none can be forgotten."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=generator) * 0.1)


def make_encoder(axis: str, **options: float) -> Encoder:
    encoder = Encoder(S, V, NUMBERS, axis, DEPTH, WIDTH, HEADS, **options)
    random_weights(encoder)
    return encoder


def batch(gaps: bool) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    segments = torch.randn(P, S, V, NUMBERS, generator=generator)
    valid = torch.ones(P, S, V, dtype=torch.bool)
    if gaps:
        valid = torch.rand(P, S, V, generator=generator) < 0.6
        valid[0, 2] = False  # a segment without anything
        valid[1, :, 3] = False  # a joint never seen
        valid[2] = False  # a person with a single token
        valid[2, 1, 1] = True
    return segments, valid


def hidden_by(mask: str, segments: Tensor, valid: Tensor) -> tuple[Tensor, TokenSet]:
    """(P, S, V) hidden tokens and the set of visible ones; `nothing` hides nothing."""
    if mask == "nothing":
        return torch.zeros_like(valid), all_tokens(valid)
    strategy = MASKS[mask]
    visible = strategy.visible(S, V, 0.6)
    noise = torch.rand(P, S + 1, V + 1, generator=torch.Generator().manual_seed(2))
    hidden = strategy.draw(segments, valid, noise, visible, torch.tensor([0, 0, 1, 1, 2]))
    return hidden, visible_tokens(hidden, valid, visible.grid)


every_axis = pytest.mark.parametrize("axis", AXES)
every_mask = pytest.mark.parametrize("mask", ["nothing", *MASKS])
gaps_or_none = pytest.mark.parametrize("gaps", [False, True], ids=["complete", "gaps"])


@every_axis
@every_mask
@gaps_or_none
def test_the_encoder_is_the_dense_one_restricted_to_visible_tokens(axis: str, mask: str, gaps: bool) -> None:
    encoder = make_encoder(axis)
    segments, valid = batch(gaps)
    hidden, tokens = hidden_by(mask, segments, valid)
    features = encoder(segments, tokens)
    dense = dense_encoder(encoder, axis, segments, ~hidden & valid)
    compared = torch.stack([valid[p].flatten()[tokens.index[p]] for p in range(P)])
    expected = torch.stack([dense[p, tokens.index[p]] for p in range(P)])
    assert not any(hidden[p].flatten()[tokens.index[p]].any() for p in range(P))
    assert compared.any(1).all()
    torch.testing.assert_close(features[compared], expected[compared], atol=1e-5, rtol=1e-5)
    direction = torch.randn(WIDTH)
    parameters = list(encoder.parameters())
    found = torch.autograd.grad((features[compared] @ direction).sum(), parameters)
    wanted = torch.autograd.grad((expected[compared] @ direction).sum(), parameters)
    for (name, _), a, b in zip(encoder.named_parameters(), found, wanted, strict=True):
        assert a.isfinite().all(), name
        torch.testing.assert_close(a, b, atol=1e-4, rtol=1e-4, msg=lambda text, name=name: f"{name}: {text}")


@every_axis
@every_mask
def test_the_numbers_of_hidden_and_invalid_tokens_change_no_feature(axis: str, mask: str) -> None:
    encoder = make_encoder(axis)
    segments, valid = batch(True)
    hidden, tokens = hidden_by(mask, segments, valid)
    changed = torch.where((~hidden & valid)[..., None], segments, torch.tensor(50.0))
    counts = valid.flatten(1).gather(1, tokens.index)
    torch.testing.assert_close(
        encoder(changed, tokens)[counts], encoder(segments, tokens)[counts], atol=1e-5, rtol=1e-5
    )


@every_axis
@gaps_or_none
def test_the_features_of_a_person_do_not_depend_on_the_others(axis: str, gaps: bool) -> None:
    encoder = make_encoder(axis)
    segments, valid = batch(gaps)
    together = encoder(segments, all_tokens(valid))
    for p in range(P):
        alone = encoder(segments[p : p + 1], all_tokens(valid[p : p + 1]))
        torch.testing.assert_close(together[p][valid[p].flatten()], alone[0][valid[p].flatten()], atol=1e-5, rtol=1e-5)


def test_rows_of_the_spatial_axis_never_mix_segments_nor_those_of_the_temporal_axis_joints() -> None:
    segments, valid = batch(False)
    for mask in MASKS:
        _, tokens = hidden_by(mask, segments, valid)
        for axis in ("spatial", "temporal"):
            inputs = segments.clone().requires_grad_()
            features = make_encoder(axis)(inputs, tokens)
            place = int(tokens.index[0, 0])
            (reach,) = torch.autograd.grad(features[0, 0].sum(), inputs)
            for i, token in enumerate(reach[0].flatten(0, 1)):
                seen = i in tokens.index[0].tolist() and SEES[axis][0](place, i)
                assert bool(token.any()) == seen
            assert not reach[1:].any()


@every_axis
def test_a_person_without_any_valid_token_stays_finite_forward_and_backward(axis: str) -> None:
    encoder = make_encoder(axis)
    segments, valid = batch(True)
    valid[0] = False
    features = encoder(segments, all_tokens(valid))
    assert features.isfinite().all()
    grads = torch.autograd.grad(features[valid.flatten(1)].sum(), list(encoder.parameters()))
    assert all(grad.isfinite().all() for grad in grads)


@every_axis
@pytest.mark.parametrize("mask", ["nothing", "random", "joint-frame"])
@gaps_or_none
def test_bf16_is_fp32_up_to_rounding_in_evaluation_and_in_training(axis: str, mask: str, gaps: bool) -> None:
    encoder = make_encoder(axis)
    segments, valid = batch(gaps)
    _, tokens = hidden_by(mask, segments, valid)
    counts = valid.flatten(1).gather(1, tokens.index)
    direction, parameters = torch.randn(WIDTH), list(encoder.parameters())

    def loss_of(features: Tensor) -> Tensor:
        return (features[counts].float() @ direction).square().mean()

    def difference(found: Tensor, wanted: Tensor) -> float:
        return float(((found.float() - wanted).norm() / wanted.norm()).detach())

    exact = encoder(segments, tokens)
    with torch.autocast("cpu", dtype=torch.bfloat16), torch.no_grad():
        evaluated = encoder(segments, tokens)
    with torch.autocast("cpu", dtype=torch.bfloat16):  # torch 2.6 keeps what was cast without gradients until the end
        trained = encoder(segments, tokens)
    assert difference(evaluated[counts], exact[counts]) < 2e-2
    assert difference(trained[counts], exact[counts]) < 2e-2
    found, wanted = (torch.autograd.grad(loss_of(features), parameters) for features in (trained, exact))
    flat = [torch.cat([grad.flatten() for grad in grads]) for grads in (found, wanted)]
    assert difference(*flat) < 5e-2


def make_completion(outputs: int = 7) -> Completion:
    completion = Completion(S, V, WIDTH, outputs, depth=2, width=8, heads=HEADS)
    random_weights(completion)
    return completion


@every_mask
@gaps_or_none
def test_completion_is_the_dense_one_over_features_and_mask_tokens(mask: str, gaps: bool) -> None:
    completion = make_completion()
    segments, valid = batch(gaps)
    _, tokens = hidden_by(mask, segments, valid)
    features = torch.randn(P, tokens.index.shape[1], WIDTH)
    outputs = completion(features, tokens, all_tokens(valid))
    assert outputs.shape == (P, S * V, 7)
    weights = dict(completion.named_parameters())
    expected = []
    for p in range(P):
        places = tokens.index[p].tolist()
        rows = []
        for i in range(S * V):
            row = weights["mask_token"][0, 0]
            if i in places:
                row = weights["embed.weight"] @ features[p, places.index(i)] + weights["embed.bias"]
            position = weights["position.segment"][i // V, 0] + weights["position.joint"][0, i % V]
            rows.append(row + position)
        sees = valid[p].flatten().expand(S * V, -1)
        transformed = dense_transformer(part_of(weights, "transformer."), torch.stack(rows), [sees] * 2)
        expected.append(transformed @ weights["head.weight"].T + weights["head.bias"])
    dense = torch.stack(expected)
    keep = valid.flatten(1)
    torch.testing.assert_close(outputs[keep], dense[keep], atol=1e-5, rtol=1e-5)
    parameters = list(completion.parameters())
    found, wanted = (
        torch.autograd.grad(out[keep].square().sum(), parameters, allow_unused=True) for out in (outputs, dense)
    )
    for name, a, b in zip(weights, found, wanted, strict=True):
        unused = b is None  # the mask token when nothing is hidden
        expected_gradient = torch.zeros_like(a) if unused else b
        torch.testing.assert_close(a, expected_gradient, atol=1e-3, rtol=1e-3, msg=lambda text, n=name: f"{n}: {text}")


def test_what_each_block_says_ends_with_what_the_encoder_says() -> None:
    encoder = make_encoder("factorised")
    segments, valid = batch(True)
    tokens = all_tokens(valid)
    layers = encoder.layers(segments, tokens)
    assert len(layers) == DEPTH + 1
    assert torch.equal(layers[-1], encoder(segments, tokens))
    assert torch.equal(layers[-1], encoder.transformer.norm(layers[-2]))
    shallow = Encoder(S, V, NUMBERS, "factorised", 2, WIDTH, HEADS)  # the first two blocks are a shallower encoder
    names = shallow.state_dict()
    shallow.load_state_dict({name: value for name, value in encoder.state_dict().items() if name in names})
    torch.testing.assert_close(shallow.layers(segments, tokens)[:2], layers[:2])


def test_without_a_mask_token_completion_is_the_one_with_it_when_nothing_is_hidden() -> None:
    with_token, without = make_completion(), Completion(S, V, WIDTH, 7, 2, 8, HEADS, mask_token=False)
    without.load_state_dict({name: v for name, v in with_token.state_dict().items() if name != "mask_token"})
    tokens = all_tokens(batch(True)[1])
    features = torch.randn(P, S * V, WIDTH)
    assert torch.equal(without(features, tokens, tokens), with_token(features, tokens, tokens))


def test_completion_takes_nothing_from_the_features_of_invalid_tokens() -> None:
    completion = make_completion()
    segments, valid = batch(True)
    _, tokens = hidden_by("joint-frame", segments, valid)
    features = torch.randn(P, tokens.index.shape[1], WIDTH)
    counts = valid.flatten(1).gather(1, tokens.index)
    assert not counts.all()
    changed = torch.where(counts[..., None], features, torch.tensor(50.0))
    outputs = [completion(values, tokens, all_tokens(valid))[valid.flatten(1)] for values in (features, changed)]
    torch.testing.assert_close(*outputs, atol=1e-5, rtol=1e-5)


def test_drop_path_grows_linearly_with_depth() -> None:
    rates = [block.drop_path.rate for block in Transformer("spacetime", 5, 8, 2, drop_path=0.4).blocks]
    assert rates == pytest.approx([0, 0.1, 0.2, 0.3, 0.4])


def test_encoders_of_all_axes_have_the_same_parameters() -> None:
    names = [{name: value.shape for name, value in make_encoder(axis).state_dict().items()} for axis in AXES]
    assert all(other == names[0] for other in names)


def test_the_attention_of_every_axis_has_its_dense_reference() -> None:
    assert set(SEES) == set(AXES)
