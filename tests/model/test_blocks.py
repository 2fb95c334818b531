"""Attention within rows, the pre-norm block, drop-path and initialisation, against loops and by hand."""

import math

import pytest
import torch
from torch import Tensor, nn

from jointwise.model.blocks import Attention, Block, DropPath, Rows, embedding, initialise

P = 2
FIRST = 3
SECOND = 4
WIDTH = 16
HEADS = 2


def reference_attention(attention: Attention, tokens: Tensor, sees: Tensor) -> Tensor:
    """Loops over persons, heads and queries; sees: (P, K, K) bool, [p, i, j] where token i looks at token j."""
    size = WIDTH // HEADS
    weight, bias = attention.qkv.weight.split(WIDTH), attention.qkv.bias.split(WIDTH)
    mixed = torch.zeros_like(tokens)
    for p in range(len(tokens)):
        query, key, value = (tokens[p] @ w.T + b for w, b in zip(weight, bias, strict=True))
        for h in range(HEADS):
            part = slice(h * size, (h + 1) * size)
            for i in range(tokens.shape[1]):
                looked = [j for j in range(tokens.shape[1]) if sees[p, i, j]]
                scores = torch.stack([query[i, part] @ key[j, part] for j in looked]) / math.sqrt(size)
                for share, j in zip(scores.softmax(0), looked, strict=True):
                    mixed[p, i, part] += share * value[j, part]
    return mixed @ attention.proj.weight.T + attention.proj.bias


@pytest.mark.parametrize("along_first", [False, True])
@pytest.mark.parametrize("masked", [False, True])
def test_attention_is_softmax_over_the_tokens_of_the_own_row(along_first: bool, masked: bool) -> None:
    attention = Attention(WIDTH, HEADS)
    tokens = torch.randn(P, FIRST * SECOND, WIDTH)
    valid = torch.rand(P, FIRST, SECOND) < 0.6
    valid[:, 0] = valid[:, :, 0] = True  # every row has a key
    if not masked:
        valid[:] = True
    sees = torch.zeros(P, FIRST * SECOND, FIRST * SECOND, dtype=torch.bool)
    for p in range(P):
        for i in range(FIRST * SECOND):
            for j in range(FIRST * SECOND):
                same_row = i % SECOND == j % SECOND if along_first else i // SECOND == j // SECOND
                sees[p, i, j] = same_row and valid[p].flatten()[j]
    by_row = valid.transpose(1, 2) if along_first else valid
    rows = Rows(FIRST, SECOND, along_first, by_row[:, :, None, None, :] if masked else None)
    torch.testing.assert_close(attention(tokens, rows), reference_attention(attention, tokens, sees))


def test_a_width_that_heads_cannot_share_is_refused() -> None:
    with pytest.raises(ValueError, match="width 10"):
        Attention(10, 4)


def test_a_block_is_two_residual_branches_each_behind_a_norm() -> None:
    block = Block(WIDTH, HEADS).eval()
    for norm in (block.norm1, block.norm2):
        nn.init.normal_(norm.weight)
        nn.init.normal_(norm.bias)
    tokens = torch.randn(P, FIRST * SECOND, WIDTH)
    rows = Rows(FIRST, SECOND)

    def normalised(values: Tensor, norm: nn.LayerNorm) -> Tensor:
        centred = values - values.mean(-1, keepdim=True)
        return centred / (centred.square().mean(-1, keepdim=True) + norm.eps).sqrt() * norm.weight + norm.bias

    middle = tokens + block.attn(normalised(tokens, block.norm1), rows)
    first, _, last = block.mlp
    assert first.weight.shape == (4 * WIDTH, WIDTH)
    inner = normalised(middle, block.norm2) @ first.weight.T + first.bias
    gelu = 0.5 * inner * (1 + torch.erf(inner / math.sqrt(2)))
    torch.testing.assert_close(block(tokens, rows), middle + gelu @ last.weight.T + last.bias)


def test_drop_path_leaves_out_whole_persons_and_keeps_the_expectation() -> None:
    branch = torch.rand(5000, 3, 2) + 1
    dropped = DropPath(0.3).train()(branch)
    kept = dropped.flatten(1).any(1)
    torch.testing.assert_close(dropped[kept], branch[kept] / 0.7)
    assert not dropped[~kept].any()
    assert float(kept.float().mean()) == pytest.approx(0.7, abs=0.035)  # five standard deviations
    assert torch.equal(DropPath(0.3).eval()(branch), branch)
    assert torch.equal(DropPath(0.0).train()(branch), branch)


def test_linear_layers_start_xavier_uniform_with_zero_bias_and_the_rest_is_left_alone() -> None:
    module = nn.Sequential(nn.Linear(100, 300), nn.LayerNorm(300), nn.Linear(300, 50, bias=False))
    nn.init.constant_(module[1].weight, 7)
    initialise(module)
    for layer, (ins, outs) in ((module[0], (100, 300)), (module[2], (300, 50))):
        bound = math.sqrt(6 / (ins + outs))
        weight = layer.weight.detach()
        assert float(weight.abs().max()) <= bound
        assert float(weight.abs().max()) > 0.98 * bound
        assert float(weight.std()) == pytest.approx(bound / math.sqrt(3), rel=0.03)  # of a uniform distribution
    assert not module[0].bias.any()
    assert (module[1].weight == 7).all()


def test_embeddings_start_with_standard_deviation_one_fiftieth() -> None:
    values = embedding(1, 100, 256)
    assert isinstance(values, nn.Parameter)
    assert values.shape == (1, 100, 256)
    assert float(values.detach().std()) == pytest.approx(0.02, rel=0.03)
