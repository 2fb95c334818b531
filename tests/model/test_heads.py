"""Poolings and the classification head against loops over persons, joints and valid tokens."""

import pytest
import torch
from torch import Tensor

from jointwise.model.heads import POOLINGS, ClassificationHead, mean_over_clips, pool_joints

P = 3
S = 10
V = 4
D = 6
PHASES = 4


def features_and_validity() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    valid = torch.rand(P, S, V, generator=generator) < 0.6
    valid[0, :, 2] = False  # a joint never seen
    valid[1, :3] = False  # nothing in the first phase
    valid[2] = False  # a person never seen
    return torch.randn(P, S, V, D, generator=generator), valid


def mean_of(features: Tensor, valid: Tensor, person: int, segments: range, joints: range) -> Tensor:
    found = [features[person, s, v] for s in segments for v in joints if valid[person, s, v]]
    return torch.stack(found).mean(0) if found else torch.zeros(D)


def reference_pooling(name: str, features: Tensor, valid: Tensor, person: int) -> Tensor:
    every_segment, every_joint = range(S), range(V)
    phases = [range(0, 3), range(3, 6), range(6, 8), range(8, 10)]  # 10 segments in four parts, the longer ones first
    one_joint = [range(v, v + 1) for v in range(V)]
    groups = {
        "mean": [(every_segment, every_joint)],
        "joints": [(every_segment, joint) for joint in one_joint],
        "phases": [(phase, every_joint) for phase in phases],
        "joint-phases": [(phase, joint) for phase in phases for joint in one_joint],
    }[name]
    return torch.cat([mean_of(features, valid, person, *group) for group in groups])


@pytest.mark.parametrize("name", POOLINGS)
def test_a_pooling_is_the_mean_of_the_valid_tokens_of_each_part(name: str) -> None:
    features, valid = features_and_validity()
    pooled = POOLINGS[name](features, valid)
    for person in range(P):
        torch.testing.assert_close(pooled[person], reference_pooling(name, features, valid, person))


@pytest.mark.parametrize("name", POOLINGS)
def test_the_features_of_invalid_tokens_are_never_pooled(name: str) -> None:
    features, valid = features_and_validity()
    changed = torch.where(valid[..., None], features, torch.tensor(1e6))
    torch.testing.assert_close(POOLINGS[name](changed, valid), POOLINGS[name](features, valid))


def test_joints_and_persons_never_seen_feed_zeros() -> None:
    features, valid = features_and_validity()
    pooled = pool_joints(features, valid).view(P, V, D)
    assert not pooled[0, 2].any()
    assert pooled[0, 1].any()
    for pooling in POOLINGS.values():
        assert not pooling(features, valid)[2].any()


def test_the_vector_of_a_clip_is_the_mean_over_its_persons() -> None:
    vectors = torch.randn(5, 7)
    means = mean_over_clips(vectors, torch.tensor([0, 0, 2, 3, 3]), 4)
    torch.testing.assert_close(means[0], (vectors[0] + vectors[1]) / 2)
    assert not means[1].any()
    torch.testing.assert_close(means[2], vectors[2])
    torch.testing.assert_close(means[3], (vectors[3] + vectors[4]) / 2)


@pytest.fixture
def head() -> ClassificationHead:
    torch.manual_seed(0)
    head = ClassificationHead(joints=V, width=D, classes=3, hidden=16, dropout=0.3)
    torch.nn.init.normal_(head.mlp[1].running_mean)
    return head.eval()


def test_the_head_is_linear_batchnorm_relu_linear_of_the_joined_joints(head: ClassificationHead) -> None:
    features, valid = features_and_validity()
    logits = head(features, valid, torch.tensor([0, 0, 1]), 2)
    first, norm, _, last = head.mlp
    for clip, persons in enumerate([(0, 1), (2,)]):
        joined = torch.stack([reference_pooling("joints", features, valid, p) for p in persons]).mean(0)
        between = first.weight @ joined + first.bias
        between = (between - norm.running_mean) / (norm.running_var + norm.eps).sqrt() * norm.weight + norm.bias
        torch.testing.assert_close(logits[clip], last.weight @ between.clamp(min=0) + last.bias)


def test_two_clips_together_get_the_logits_of_each_alone(head: ClassificationHead) -> None:
    features, valid = features_and_validity()
    together = head(features, valid, torch.tensor([0, 1, 1]), 2)
    torch.testing.assert_close(together[:1], head(features[:1], valid[:1], torch.tensor([0]), 1))
    torch.testing.assert_close(together[1:], head(features[1:], valid[1:], torch.tensor([0, 0]), 1))


def test_segments_of_padding_change_no_logit(head: ClassificationHead) -> None:
    features, valid = features_and_validity()
    clip = torch.tensor([0, 1, 1])
    longer = torch.cat([features, torch.full((P, 5, V, D), 9.0)], 1)
    mask = torch.cat([valid, torch.zeros(P, 5, V, dtype=torch.bool)], 1)
    torch.testing.assert_close(head(longer, mask, clip, 2), head(features, valid, clip, 2))


def test_dropout_acts_on_the_token_features_in_training_only(head: ClassificationHead) -> None:
    features, valid = torch.ones(2, S, V, D), torch.ones(2, S, V, dtype=torch.bool)
    seen = []
    head.mlp[0].register_forward_hook(lambda module, args, output: seen.append(args[0]))
    clip = torch.tensor([0, 1])
    head(features, valid, clip, 2)
    torch.manual_seed(0)
    head.train()(features, valid, clip, 2)
    assert torch.equal(seen[0], torch.ones(2, V * D))
    assert len(seen[1].unique()) > 3  # means of ten ones of which some were dropped
    assert float(seen[1].mean()) == pytest.approx(1, abs=0.15)


def test_logits_are_fp32_where_all_else_is_bf16(head: ClassificationHead) -> None:
    """Logits of bf16 have three digits: the best classes of a clip are often equal, and a tie is an error."""
    features, valid = features_and_validity()
    torch.nn.init.normal_(head.mlp[-1].bias, 100.0, 0.01)  # bf16 has no number between 100 and 100.5
    with torch.autocast("cpu", torch.bfloat16):
        logits = head(features, valid, torch.tensor([0, 1, 1]), 2)
    assert logits.dtype == torch.float32
    assert all(len(row.unique()) == 3 for row in logits)
    torch.testing.assert_close(logits, head(features, valid, torch.tensor([0, 1, 1]), 2), rtol=0, atol=0.2)
