"""The trunk against attention written out token by token, and which tokens the losses are of."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from helpers import tiny
from jointwise.data.clips import Clips, Persons
from jointwise.data.randomness import Draws
from jointwise.errors import ConfigError
from jointwise.model.build import check_names
from jointwise.model.cross_prediction import CrossBlock, CrossPrediction, CrossTrunk
from jointwise.model.encoders import Encoder
from jointwise.model.tokens import TokenSet, from_centre, relative_to_centre

B = 3
S = 6
LENGTH = 2
V = 5
C = 3
WIDTH = 16
HEADS = 2
NUMBERS = LENGTH * C
EVERY = {"latent": WIDTH, "reconstruction": NUMBERS}


def make(share: float = 0.25, outputs: dict[str, int] = EVERY, **options: object) -> CrossPrediction:
    torch.manual_seed(0)
    student = Encoder(S, V, NUMBERS, "spacetime", depth=2, width=WIDTH, heads=HEADS)
    trunk = CrossTrunk(S, V, WIDTH, HEADS, 2, outputs)
    module = CrossPrediction(
        student,
        trunk,
        share,
        **{"segment": LENGTH, "mask_strategy": "random", "mask_ratio": 0.6, "decoder_region": "hidden"} | options,
    )
    if module.teacher is not None:
        with torch.no_grad():
            for parameter in module.teacher.parameters():
                parameter.add_(torch.randn(parameter.shape) * 0.1)
    return module.eval()


def persons(gaps: bool = False) -> Persons:
    generator = torch.Generator().manual_seed(1)
    valid = torch.ones(B, 1, S * LENGTH, V, dtype=torch.bool)
    if gaps:
        valid[0, 0, :, 2] = False  # a joint never seen
        valid[1, 0, 4:] = False  # most of the clip: fewer tokens can be asked for than elsewhere
    return Clips(torch.randn(B, 1, S * LENGTH, V, C, generator=generator), valid, torch.arange(B)).persons()


def noise(seed: int = 2) -> Tensor:
    return torch.rand(B, S + 1, V + 1, generator=torch.Generator().manual_seed(seed))


def plain_block(block: CrossBlock, asked: Tensor, seen: Tensor, valid: Tensor) -> Tensor:
    """One token that is asked for (D,) after the block, head by head, from the valid visible tokens (K, D)."""
    width = WIDTH // HEADS
    query = block.query(block.norm1(asked))
    keys, values = block.key_value(seen[valid]).split(WIDTH, -1)
    mixed = []
    for head in range(HEADS):
        part = slice(head * width, (head + 1) * width)
        weights = (keys[:, part] @ query[part] / width**0.5).softmax(0)
        mixed.append(weights @ values[:, part])
    asked = asked + block.proj(torch.cat(mixed))
    return asked + block.mlp(block.norm2(asked))


@pytest.mark.parametrize("gaps", [False, True], ids=["complete", "gaps"])
def test_each_token_is_predicted_from_the_valid_visible_tokens_alone(gaps: bool) -> None:
    module = make(share=0.5)
    view = module.student_view(persons(gaps), noise())
    asked = module.asked_tokens(view, noise())
    outputs = module.trunk(view.features, view.visible, asked)
    trunk = module.trunk
    table = (trunk.position.segment + trunk.position.joint).flatten(0, 1)
    valid = torch.ones(view.visible.index.shape, dtype=torch.bool) if view.visible.valid is None else view.visible.valid
    for person in range(B):
        seen = trunk.embed(view.features[person]) + table[view.visible.index[person]]
        for place, token in enumerate(asked.index[person].tolist()):
            state = trunk.mask_token[0, 0] + table[token]
            for block in trunk.blocks:
                state = plain_block(block, state, seen, valid[person])
            for name, head in trunk.heads.items():
                torch.testing.assert_close(outputs[name][person, place], head(trunk.norm(state)), atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("gaps", [False, True], ids=["complete", "gaps"])
def test_the_losses_are_means_over_the_tokens_that_were_asked_for(gaps: bool) -> None:
    module = make(share=0.5, loss_latent=0.5, loss_reconstruction=2.0, coordinate_scale=0.4)
    group = persons(gaps)
    view = module.student_view(group, noise())
    asked = module.asked_tokens(view, noise())
    outputs = module.trunk(view.features, view.visible, asked)
    assert module.teacher is not None
    taught = module.teacher(view.segments, view.everything)
    latent: list[float] = []
    reconstruction: list[float] = []
    for person in range(B):
        for place, token in enumerate(asked.index[person].tolist()):
            if not view.hidden_tokens[person, token, 0]:
                continue  # an invalid token fills up the number
            wanted = functional.layer_norm(taught[person, token], (WIDTH,))
            latent += (outputs["latent"][person, place] - wanted).square().tolist()
            for t in range(LENGTH):
                frame, joint = token // V * LENGTH + t, token % V
                if group.valid[person, frame, joint]:
                    rebuilt = outputs["reconstruction"][person, place, t * C : (t + 1) * C]
                    reconstruction += (rebuilt - group.positions[person, frame, joint] / 0.4).square().tolist()
    losses = module(group, noise())
    assert float(losses.parts["latent"]) == pytest.approx(sum(latent) / len(latent), rel=1e-4)
    assert float(losses.parts["reconstruction"]) == pytest.approx(sum(reconstruction) / len(reconstruction), rel=1e-4)
    total = 0.5 * losses.parts["latent"] + 2.0 * losses.parts["reconstruction"]
    assert float(losses.total.detach()) == pytest.approx(float(total), rel=1e-5)


def test_a_share_of_the_hidden_tokens_is_asked_for_each_as_often_as_another() -> None:
    module = make(share=0.25)
    group = persons()
    counts = torch.zeros(S * V)
    draws = 400
    for seed in range(draws):
        view = module.student_view(group, noise(seed))
        asked = module.asked_tokens(view, noise(seed))
        assert asked.index.shape == (B, round(0.25 * 18))  # 12 of 30 tokens stay visible
        assert view.hidden.flatten(1).gather(1, asked.index).all()
        assert all(len(set(row)) == len(row) for row in asked.index.tolist())
        counts += torch.bincount(asked.index.flatten(), minlength=S * V)
    expected = draws * B * asked.index.shape[1] / (S * V)
    assert ((counts - expected).abs() < 5 * expected**0.5).all()


def test_of_hidden_tokens_those_that_move_are_asked_for_as_often_as_those_that_stand_still() -> None:
    """The motion mask hides moving tokens more often. What is asked for must not follow from the same noise."""
    module = make(share=0.25, mask_strategy="motion", mask_ratio=0.5)
    group = persons()
    group.positions[:, :, 2:] = 0.0  # joints 0 and 1 move
    hidden, asked = torch.zeros(2, S * V)
    for seed in range(300):
        view = module.student_view(group, noise(seed))
        hidden += view.hidden.flatten(1).sum(0)
        asked += torch.bincount(module.asked_tokens(view, noise(seed)).index.flatten(), minlength=S * V)
    moving = (torch.arange(S * V) % V) < 2
    shares = [float(asked[some].sum() / hidden[some].sum()) for some in (moving, ~moving)]
    assert float(hidden[moving].mean()) > 1.2 * float(hidden[~moving].mean())
    assert shares == pytest.approx([4 / 15] * 2, abs=0.015)  # 15 of 30 are hidden, of which a quarter is rounded up


def test_invalid_tokens_are_asked_for_last() -> None:
    module = make(share=1.0)
    view = module.student_view(persons(gaps=True), noise())
    few = make(share=0.25).asked_tokens(view, noise())
    assert view.hidden_tokens[0, :, 0].gather(0, few.index[0]).all()  # enough valid ones are hidden
    assert not view.hidden_tokens[1, :, 0].gather(0, module.asked_tokens(view, noise()).index[1]).all()


def test_what_is_hidden_changes_no_prediction() -> None:
    module = make(share=0.5)
    group = persons()
    view = module.student_view(group, noise())
    asked = module.asked_tokens(view, noise())
    before = module.trunk(view.features, view.visible, asked)
    hidden = view.hidden.repeat_interleave(LENGTH, 1)[..., None]
    changed = torch.where(hidden, group.positions + 7.0, group.positions)
    other = module.student_view(Persons(changed, group.valid, group.clip, group.slot, group.clips), noise())
    after = module.trunk(other.features, other.visible, asked)
    for name in EVERY:
        assert torch.equal(before[name], after[name])


def test_without_a_latent_output_there_is_no_teacher_and_without_joints_nothing_is_rebuilt() -> None:
    without_teacher = make(outputs={"reconstruction": NUMBERS})
    losses = without_teacher(persons(), noise())
    assert without_teacher.teacher is None
    assert losses.watched is None
    assert float(losses.parts["latent"]) == 0 < float(losses.parts["reconstruction"])
    losses = make(outputs={"latent": WIDTH})(persons(), noise())
    assert float(losses.parts["reconstruction"]) == 0 < float(losses.parts["latent"])


def test_a_step_moves_the_teacher_towards_the_student_and_no_gradient_reaches_it() -> None:
    module = make(teacher_momentum=0.75)
    module(persons(), noise()).total.backward()
    assert module.teacher is not None
    assert all(weights.grad is None for weights in module.teacher.parameters())
    before = [weights.clone() for weights in module.teacher.parameters()]
    module.after_step(0)
    for old, now, own in zip(before, module.teacher.parameters(), module.student.parameters(), strict=True):
        torch.testing.assert_close(now, 0.75 * old + 0.25 * own)


@pytest.mark.parametrize(("setting", "value"), [("mask.hidden", "zeroed"), ("loss.objective", "cross-entropy")])
def test_settings_that_it_cannot_serve_are_refused_before_data_is_loaded(setting: str, value: str) -> None:
    config = tiny.config("--objective", "cross_prediction", f"--{setting}", value)
    with pytest.raises(ConfigError, match=rf"{setting} {value}: objective cross_prediction .* masked_prediction"):
        check_names(config)


def test_tokens_of_one_person_say_nothing_of_another() -> None:
    trunk = make().trunk
    torch.manual_seed(3)
    features = torch.randn(2, 4, WIDTH)
    visible = TokenSet(torch.tensor([[0, 3, 8, 9]] * 2), None, V, None)
    asked = TokenSet(torch.tensor([[1, 2]] * 2), None, V, None)
    together = trunk(features, visible, asked)
    alone = trunk(features[1:], TokenSet(visible.index[1:], None, V, None), TokenSet(asked.index[1:], None, V, None))
    for name in EVERY:
        torch.testing.assert_close(together[name][1:], alone[name])


def test_an_encoder_relative_to_the_root_learns_and_rebuilds_relative_places() -> None:
    """As one that is given relative places; what is rebuilt is put back where the body was."""
    relative = make()
    relative.student.centre = relative.student.embed.centre = (1,)
    assert relative.teacher is not None
    relative.teacher.embed.centre = (1,)
    plain = make()
    given = persons(gaps=True)
    changed = replace(given, positions=relative_to_centre(given.positions, (1,)))
    for name, part in plain(changed, noise()).parts.items():
        torch.testing.assert_close(relative(given, noise()).parts[name], part)
    clips = Clips(given.positions[:, None], given.valid[:, None], torch.arange(B))
    draws = Draws(torch.arange(B), 0, "examples")
    rebuilt = relative.rebuild(given, clips, draws)
    expected = plain.rebuild(changed, clips, draws)
    assert torch.equal(rebuilt.seen, expected.seen)
    assert rebuilt.joints is not None
    assert expected.joints is not None
    shown = rebuilt.seen
    assert torch.equal(rebuilt.joints[shown], given.positions[shown])
    torch.testing.assert_close(rebuilt.joints[~shown], from_centre(expected.joints, (1,))[~shown])


def test_where_hidden_tokens_are_zeroed_no_place_is_relative() -> None:
    options = ("--clip.input", "relative+motion", "--mask.hidden", "zeroed")
    with pytest.raises(ConfigError, match=r"mask\.hidden zeroed: a hidden root .*Set mask\.hidden dropped"):
        check_names(tiny.config(*options, system="spatial_segments_decoder"))
