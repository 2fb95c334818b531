"""The classifier: whole clips in, logits out, and nothing but valid persons and tokens in between."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from helpers import tiny
from jointwise.data.clips import Clips
from jointwise.data.skeletons import KINECT20
from jointwise.model.build import build_classifier
from jointwise.model.classifier import Classifier, encode
from jointwise.model.encoders import AXES, Encoder
from jointwise.model.heads import ClassificationHead
from jointwise.model.tokens import TokenSet

B = 3
M = 2
S = 4
LENGTH = 3
V = 5
C = 3
WIDTH = 16
CLASSES = 7
T = S * LENGTH


def make(axis: str = "spacetime", **regularisation: float) -> Classifier:
    torch.manual_seed(0)
    drop_path, dropout = regularisation.get("drop_path", 0.3), regularisation.get("dropout", 0.3)
    encoder = Encoder(S, V, LENGTH * C, axis, depth=2, width=WIDTH, heads=2, drop_path=drop_path)
    head = ClassificationHead(V, WIDTH, CLASSES, hidden=24, dropout=dropout)
    torch.nn.init.normal_(head.mlp[1].running_mean, std=0.1)
    return Classifier(encoder, head, LENGTH).eval()


def clips() -> Clips:
    generator = torch.Generator().manual_seed(1)
    valid = torch.rand(B, M, T, V, generator=generator) < 0.6
    valid[1, 1] = False  # clip 1 shows one person
    valid[0, 0, :, 2] = False  # a joint never seen
    return Clips(torch.randn(B, M, T, V, C, generator=generator), valid, torch.arange(B))


@pytest.mark.parametrize("axis", AXES)
def test_whole_clips_are_encoded_token_by_token(axis: str) -> None:
    encoder, persons = make(axis).encoder, clips().persons()
    features, valid = encode(encoder, persons, LENGTH)
    assert features.shape == (5, S, V, WIDTH)
    for p in range(5):
        for s in range(S):
            for v in range(V):
                assert bool(valid[p, s, v]) == bool(persons.valid[p, s * LENGTH : (s + 1) * LENGTH, v].any())
        numbers = torch.stack(
            [
                torch.stack([persons.positions[p, s * LENGTH : (s + 1) * LENGTH, v].flatten() for v in range(V)])
                for s in range(S)
            ]
        )
        tokens = TokenSet(torch.arange(S * V)[None], valid[p].flatten()[None], V, grid=None)
        alone = encoder(numbers[None], tokens).view(S, V, WIDTH)
        torch.testing.assert_close(features[p][valid[p]], alone[valid[p]], atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("axis", AXES)
def test_the_logits_are_those_of_the_mean_over_persons_of_the_joined_joints(axis: str) -> None:
    classifier, persons = make(axis), clips().persons()
    logits = classifier(persons)
    features, valid = encode(classifier.encoder, persons, LENGTH)
    joined: list[Tensor] = []
    for p in range(5):
        joints = []
        for v in range(V):
            seen = [features[p, s, v] for s in range(S) if valid[p, s, v]]
            joints.append(torch.stack(seen).mean(0) if seen else torch.zeros(WIDTH))
        joined.append(torch.cat(joints))
    means = torch.stack([(joined[0] + joined[1]) / 2, joined[2], (joined[3] + joined[4]) / 2])
    torch.testing.assert_close(logits, classifier.head.mlp(means), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("axis", AXES)
def test_two_clips_together_get_the_logits_of_each_alone(axis: str) -> None:
    classifier, batch = make(axis), clips()
    together = classifier(batch.persons())
    for clip in range(B):
        one = slice(clip, clip + 1)
        alone = classifier(Clips(batch.positions[one], batch.valid[one], batch.ids[one]).persons())
        torch.testing.assert_close(together[one], alone, atol=1e-5, rtol=1e-5)


def test_empty_person_slots_and_the_order_of_persons_change_no_logit() -> None:
    classifier, batch = make(), clips()
    expected = classifier(batch.persons())
    nothing, unseen = torch.full((B, 1, T, V, C), 9.0), torch.zeros(B, 1, T, V, dtype=torch.bool)
    wider = Clips(torch.cat([nothing, batch.positions], 1), torch.cat([unseen, batch.valid], 1), batch.ids)
    assert torch.equal(classifier(wider.persons()), expected)
    swapped = Clips(batch.positions.flip(1), batch.valid.flip(1), batch.ids)
    torch.testing.assert_close(classifier(swapped.persons()), expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("axis", AXES)
def test_what_stands_in_invalid_tokens_changes_no_logit(axis: str) -> None:
    classifier, persons = make(axis), clips().persons()
    _, valid = encode(classifier.encoder, persons, LENGTH)
    at_frames = valid.repeat_interleave(LENGTH, 1)[..., None]
    assert not at_frames.all()
    changed = replace(persons, positions=torch.where(at_frames, persons.positions, torch.tensor(30.0)))
    torch.testing.assert_close(classifier(changed), classifier(persons), atol=1e-5, rtol=1e-5)


def test_a_clip_without_any_valid_person_gets_the_logits_of_zeros() -> None:
    classifier, batch = make(), clips()
    batch.valid[2] = False
    logits = classifier(batch.persons())
    torch.testing.assert_close(logits[2:], classifier.head.mlp(torch.zeros(1, V * WIDTH)))


def test_evaluation_is_without_chance_and_training_is_regularised() -> None:
    classifier, persons = make(), clips().persons()
    assert torch.equal(classifier(persons), classifier(persons))
    classifier.train()
    assert not torch.equal(classifier(persons), classifier(persons))


def test_every_parameter_gets_a_gradient() -> None:
    classifier, persons = make(drop_path=0.0, dropout=0.0).train(), clips().persons()
    torch.nn.functional.cross_entropy(classifier(persons), torch.tensor([0, 1, 2])).backward()
    for name, parameter in classifier.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
        assert parameter.grad.any(), name


def test_the_seed_alone_decides_the_random_weights() -> None:
    config = tiny.config()
    made = []
    for seed in (0, 0, 1):
        torch.rand(3)  # the state of the global generator must not matter
        classifier = build_classifier(config, config.finetune, KINECT20, 3, CLASSES, seed)
        made.append([weights for weights in classifier.parameters() if weights.ndim > 1])
    assert all(torch.equal(*pair) for pair in zip(made[0], made[1], strict=True))
    assert not any(torch.equal(*pair) for pair in zip(made[0], made[2], strict=True))


def test_the_average_follows_the_weights_and_is_never_trained() -> None:
    classifier = make()
    classifier.keep_average()
    before = {name: value.clone() for name, value in classifier.average.state_dict().items()}
    trained = {name for name, parameter in classifier.named_parameters() if parameter.requires_grad}
    assert not any(name.startswith("average.") for name in trained)
    classifier.train()
    assert not any(part.training for part in classifier.average.modules())
    with torch.no_grad():
        for parameter in (*classifier.encoder.parameters(), *classifier.head.parameters()):
            parameter.add_(1)
    classifier.head.mlp[1].running_mean.fill_(7)
    classifier.update_average(0.75)
    for name, value in classifier.average.named_parameters():
        torch.testing.assert_close(value, before[name] + 0.25)
    assert (classifier.average.head.mlp[1].running_mean == 7).all()
