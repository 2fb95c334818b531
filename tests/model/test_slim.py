"""SLiM against a step-by-step reference, what may influence its losses, and a run of it from start to fine-tuning."""

import signal
from pathlib import Path

import pytest
import torch
from torch import Tensor

from helpers import tiny
from jointwise.config.schema import Config
from jointwise.data.clips import Clips, Persons
from jointwise.data.dataset import Dataset
from jointwise.data.randomness import Draws
from jointwise.errors import ConfigError
from jointwise.model.build import build_objective
from jointwise.model.encoders import AXES, Encoder
from jointwise.model.masks import MASKS
from jointwise.model.slim import LOCAL_VIEWS, PROTOTYPES, SINKHORN_ROUNDS, PrototypeHead, Slim, assign, pool_clips
from jointwise.model.tokens import TokenSet, all_tokens, to_segments, token_validity
from jointwise.stages.finetune import finetune
from jointwise.stages.pretrain import pretrain
from jointwise.training.checkpoint import read_json
from jointwise.training.loop import Interrupted
from jointwise.training.model_folder import load_model
from jointwise.training.run_folder import read_log

B, M, S, LENGTH, V, C, WIDTH = 3, 2, 8, 2, 5, 3, 16
T = S * LENGTH
PARTS = (0, 0, 1, 1, 2)
STUDENT, TEACHER = 0.1, 0.07  # temperatures
DRAWS = Draws(torch.arange(B), 0, "slim")


def make(axis: str = "spacetime", **options: object) -> Slim:
    torch.manual_seed(0)
    student = Encoder(S, V, LENGTH * C, axis, depth=2, width=WIDTH, heads=2)
    module = Slim(student, **{"segment": LENGTH, "mask_ratio": 0.6, "body_parts": PARTS} | options)
    with torch.no_grad():  # as after some steps: the teacher is no longer the student
        for parameter in [*module.teacher.parameters(), *module.teacher_heads.parameters()]:
            parameter.add_(torch.randn(parameter.shape) * 0.1)
    return module


def clips(gaps: bool = True) -> Clips:
    generator = torch.Generator().manual_seed(1)
    valid = torch.rand(B, M, T, V, generator=generator) < 0.7
    if not gaps:
        valid[:] = True
    valid[1, 1] = False  # clip 1 shows one person
    if gaps:
        valid[0, 0, :, 2] = False  # a joint never seen
        valid[2, 1, :12] = False  # a person who comes in late: some local views do not show them
        valid[1, 0, :10] = False  # and one who is alone: some local views show nobody
    return Clips(torch.randn(B, M, T, V, C, generator=generator), valid, torch.arange(B))


def noise_of(module: Slim, some: Clips) -> Tensor:
    """The noise of the clips as the module draws it, for a second look."""
    seen: list[Tensor] = []
    handle = module.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[1]))
    module.losses(some.persons(), some, DRAWS)
    handle.remove()
    return seen[0]


# --- the parts ---


def test_a_head_gives_the_cosines_to_its_prototypes() -> None:
    torch.manual_seed(0)
    head = PrototypeHead(6, 9)
    features = torch.randn(4, 5, 6)
    directions = head.mlp(features)
    cosines = head(features)
    assert cosines.shape == (4, 5, 9)
    for i in range(4):
        for k in range(9):
            expected = torch.cosine_similarity(directions[i, 2], head.prototypes.weight[k], dim=0)
            torch.testing.assert_close(cosines[i, 2, k], expected)


def test_assignments_are_distributions_that_use_all_prototypes_alike() -> None:
    cosines = torch.rand(1, 400, 5, generator=torch.Generator().manual_seed(0)) * 2 - 1
    cosines[..., 0] = 1  # all samples are nearest to one prototype
    weights = torch.ones(1, 400, 1)
    shares = assign(cosines, weights, 0.5)
    torch.testing.assert_close(shares.sum(-1), torch.ones(1, 400))
    used = shares.sum((0, 1))
    assert float(used.max()) < 1.1 * 80
    assert float(cosines.div(0.5).softmax(-1).sum((0, 1)).max()) > 2 * 80  # a softmax alone would not
    # over one prototype more or less, the order of a sample's other prototypes stays
    assert float(shares[0, :, 1:].argmax(-1).eq(cosines[0, :, 1:].argmax(-1)).float().mean()) > 0.9


def test_samples_that_do_not_count_have_no_assignment_and_change_none() -> None:
    cosines = torch.rand(2, 6, 4, generator=torch.Generator().manual_seed(0)) * 2 - 1
    weights = torch.ones(2, 6, 1)
    weights[1, 3:] = 0
    shares = assign(cosines, weights, 0.1)
    assert not shares[1, 3:].any()
    other = cosines.clone()
    other[1, 3:] = 0.9
    assert torch.equal(assign(other, weights, 0.1), shares)
    assert not assign(cosines, torch.zeros(2, 6, 1), 0.1).any()


@pytest.mark.parametrize("temperature", [1e-3, 0.07, 10.0])
def test_assignments_are_finite_at_every_temperature(temperature: float) -> None:
    assert assign(torch.tensor([[[1.0, -1.0], [1.0, 1.0]]]), torch.ones(1, 2, 1), temperature).isfinite().all()


def test_the_feature_of_a_clip_is_the_mean_over_the_tokens_of_all_its_persons() -> None:
    features = torch.arange(24.0).view(3, 4, 2)
    weights = torch.tensor([[1, 1, 0, 0], [1, 0, 0, 0], [0, 0, 0, 0]])[..., None]
    pooled, present = pool_clips(features, weights, torch.tensor([0, 0, 1]), 2)
    torch.testing.assert_close(
        pooled, torch.stack([(features[0, 0] + features[0, 1] + features[1, 0]) / 3, 0 * pooled[1]])
    )
    assert present.flatten().tolist() == [True, False]


# --- the losses ---


def sinkhorn(rows: list[list[float]]) -> list[list[float]]:
    """Assignments of samples, from their logits."""
    shares = torch.tensor(rows, dtype=torch.float64).exp()
    for _ in range(SINKHORN_ROUNDS):
        shares = shares / shares.sum(0)  # every prototype weighs the same
        shares = shares / shares.sum(1, keepdim=True)  # every sample is a distribution
    return shares.tolist()


def mean_cross_entropy(predicted: list[Tensor], targets: list[list[float]]) -> float:
    losses = [
        -sum(q * float(p) for q, p in zip(target, (cosines.double() / STUDENT).log_softmax(0), strict=True))
        for cosines, target in zip(predicted, targets, strict=True)
    ]
    return sum(losses) / len(losses)


def encode(
    encoder: Encoder,
    persons: Persons,
    p: int,
    places: list[int],
    hidden: Tensor | None = None,
    token: Tensor | None = None,
) -> dict[int, Tensor]:
    """Features of a person's valid tokens at some places; `token` stands for what is hidden, where anything is."""
    valid = token_validity(persons.valid, LENGTH)[p].flatten()
    index = torch.tensor([places])
    tokens = TokenSet(index, valid[index], V, grid=None)  # never the short way of a grid
    embedded = encoder.embed(to_segments(persons.positions, LENGTH)[p : p + 1], tokens).clone()
    position = encoder.embed.position
    for i, place in enumerate(places):
        if hidden is not None and hidden.flatten()[place]:
            embedded[0, i] = token.flatten() + position.segment[place // V, 0] + position.joint[0, place % V]
    features = encoder.transformer(embedded, tokens)[0]
    return {place: features[i] for i, place in enumerate(places) if valid[place]}


@torch.no_grad()
def reference_losses(module: Slim, persons: Persons, noise: Tensor) -> tuple[float, float]:
    """`L_MFM` and `L_GLCL` person by person, token by token and view by view, from the module's own networks."""
    segments, valid = to_segments(persons.positions, LENGTH), token_validity(persons.valid, LENGTH)
    mask = MASKS[module.mask_strategy]
    hidden = mask.draw(segments, valid, noise[:, 0], module.visible(S, V), module.body_parts)
    everywhere = list(range(S * V))
    people = range(len(valid))
    taught = [encode(module.teacher, persons, p, everywhere) for p in people]
    seen = [encode(module.student, persons, p, everywhere, hidden[p], module.mask_token) for p in people]
    places = [(p, i) for p in people for i in everywhere if hidden[p].flatten()[i] and valid[p].flatten()[i]]
    targets = sinkhorn([(module.teacher_heads["token"](taught[p][i]) / TEACHER).tolist() for p, i in places])
    masked = mean_cross_entropy([module.heads["token"](seen[p][i]) for p, i in places], targets)

    views = [[{i: f for i, f in seen[p].items() if not hidden[p].flatten()[i]} for p in people]]
    for number, share in enumerate(LOCAL_VIEWS):
        length = max(1, round(share * S))
        view = []
        for p in people:
            first = int(noise[p, -1].flatten()[number] * (S - length + 1))
            run = slice(first, first + length)
            part = mask.draw(
                segments[p : p + 1, run],
                valid[p : p + 1, run],
                noise[p : p + 1, 1 + number, : length + 1],
                module.visible(length, V),
                module.body_parts,
            )
            shown = [first * V + i for i in range(length * V) if not part[0].flatten()[i]]
            view.append(encode(module.student, persons, p, shown))
        views.append(view)
    of_clip = [
        torch.stack([feature for p in people if persons.clip[p] == b for feature in taught[p].values()]).mean(0)
        for b in range(B)
    ]
    targets = sinkhorn([(module.teacher_heads["clip"](feature) / TEACHER).tolist() for feature in of_clip])
    predicted, wanted = [], []
    for view in views:
        for b in range(B):
            features = [feature for p in people if persons.clip[p] == b for feature in view[p].values()]
            if features:
                predicted.append(module.heads["clip"](torch.stack(features).mean(0)))
                wanted.append(targets[b])
    return masked, mean_cross_entropy(predicted, wanted)


@pytest.mark.parametrize("axis", AXES)
@pytest.mark.parametrize("mask", MASKS)
@pytest.mark.parametrize("gaps", [False, True], ids=["complete", "gaps"])
def test_the_losses_are_those_of_the_step_by_step_reference(axis: str, mask: str, gaps: bool) -> None:
    module, some = make(axis, mask_strategy=mask, loss_latent=0.5), clips(gaps)
    losses = module.losses(some.persons(), some, DRAWS)
    masked, clip = reference_losses(module, some.persons(), noise_of(module, some))
    assert float(losses.parts["masked_features"]) == pytest.approx(masked, rel=1e-4)
    assert float(losses.parts["global_local"]) == pytest.approx(clip, rel=1e-4)
    assert float(losses.total.detach()) == pytest.approx(0.5 * masked + clip, rel=1e-4)


def test_what_is_hidden_holds_does_not_reach_the_student() -> None:
    """Nor does what is invalid. The teacher sees hidden tokens: its features are the target."""
    module, some = make(), clips()
    persons, noise = some.persons(), noise_of(module, some)
    segments, valid = to_segments(persons.positions, LENGTH), token_validity(persons.valid, LENGTH)
    hidden = MASKS["semantic-tube"].draw(segments, valid, noise[:, 0], module.visible(S, V), module.body_parts)
    features = module.encode_masked(segments, hidden, all_tokens(valid))
    unseen = (hidden | ~valid)[..., None]
    other = module.encode_masked(torch.where(unseen, segments + 5, segments), hidden, all_tokens(valid))
    assert torch.equal(features[valid.flatten(1)], other[valid.flatten(1)])
    shown = (~hidden & valid)[..., None]
    other = module.encode_masked(torch.where(shown, segments + 5, segments), hidden, all_tokens(valid))
    assert not torch.isclose(features[valid.flatten(1)], other[valid.flatten(1)]).all(1).any()


def test_filled_values_of_invalid_tokens_change_no_loss() -> None:
    module, some = make(), clips()
    losses = module.losses(some.persons(), some, DRAWS)
    invalid = ~some.valid.unflatten(2, (S, LENGTH)).any(3).repeat_interleave(LENGTH, 2)
    other = Clips(torch.where(invalid[..., None], some.positions + 9, some.positions), some.valid, some.ids)
    assert torch.equal(module.losses(other.persons(), other, DRAWS).total, losses.total)


def test_gradients_reach_student_mask_token_and_heads_and_not_the_teacher() -> None:
    module, some = make(), clips()
    module.losses(some.persons(), some, DRAWS).total.backward()
    followed = [*module.student.parameters(), *module.heads.parameters(), module.mask_token]
    assert all(parameter.grad is not None and parameter.grad.any() for parameter in followed)
    teacher = [*module.teacher.parameters(), *module.teacher_heads.parameters()]
    assert all(parameter.grad is None and not parameter.requires_grad for parameter in teacher)
    assert len(followed) + len(teacher) == len(list(module.parameters()))


def test_a_step_moves_the_teacher_and_its_heads_by_their_share() -> None:
    module = make(teacher_momentum=0.75)
    pairs = ((module.teacher, module.student), (module.teacher_heads, module.heads))
    expected = [
        0.75 * own.detach() + 0.25 * other.detach()
        for average, model in pairs
        for own, other in zip(average.parameters(), model.parameters(), strict=True)
    ]
    module.after_step(0)
    found = [parameter for average, _ in pairs for parameter in average.parameters()]
    for own, wanted in zip(found, expected, strict=True):
        torch.testing.assert_close(own, wanted)


def test_the_teacher_stays_in_evaluation_mode() -> None:
    module = make().train()
    assert module.student.training
    assert module.heads.training
    assert not module.teacher.training
    assert not module.teacher_heads.training


def test_what_is_watched_are_the_features_of_the_teacher() -> None:
    module, some = make(teacher_momentum=0.9), clips()
    persons = some.persons()
    watched = module.losses(persons, some, DRAWS).watched
    valid = token_validity(persons.valid, LENGTH)
    taught = module.teacher(to_segments(persons.positions, LENGTH), all_tokens(valid))
    counts = valid.flatten(1)
    torch.testing.assert_close(watched.spread, taught[counts].std(0).mean())
    for b in range(B):
        own = counts & (persons.clip == b)[:, None]
        torch.testing.assert_close(watched.pooled[b], taught[own].mean(0))
    assert watched.momentum == 0.9
    assert not watched.spread.requires_grad


def test_all_persons_of_a_clip_see_the_same_stretch_and_masks_of_their_own() -> None:
    module, some = make(), clips(gaps=False)
    noise = noise_of(module, some)
    assert torch.equal(noise[0, -1], noise[1, -1])  # two persons of clip 0
    assert not torch.isclose(noise[0, :-1], noise[1, :-1]).all()
    alone = Clips(some.positions[1:2], some.valid[1:2], some.ids[1:2])
    seen: list[Tensor] = []
    module.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[1]))
    module.losses(alone.persons(), alone, Draws(torch.tensor([1]), 0, "slim"))
    assert torch.equal(seen[0][0], noise[2])  # a clip draws the same in any batch


def test_the_report_shows_what_the_student_sees_and_no_joints() -> None:
    module, some = make(), clips()
    persons = some.persons()
    rebuilt = module.rebuild(persons, some, DRAWS)
    valid = token_validity(persons.valid, LENGTH)
    hidden = MASKS["semantic-tube"].draw(
        to_segments(persons.positions, LENGTH),
        valid,
        noise_of(module, some)[:, 0],
        module.visible(S, V),
        module.body_parts,
    )
    assert rebuilt.joints is None
    assert torch.equal(rebuilt.seen, (~hidden & valid).repeat_interleave(LENGTH, 1))
    assert module.describe(S, V) == {"visible_tokens": 16}


# --- a run ---


def small(*options: str) -> Config:
    return tiny.config(*options, system="slim")


def test_the_shipped_system_is_built_from_its_settings(dataset: Dataset) -> None:
    objective = build_objective(small("--loss.latent", "2", "--teacher.momentum", "0.9"), dataset.skeleton, 3, 0.5, 0)
    assert isinstance(objective, Slim)
    assert (objective.segment, objective.mask_strategy, objective.mask_ratio) == (8, "semantic-tube", 0.75)
    assert (objective.student_temperature, objective.teacher_temperature) == (0.1, 0.07)
    assert (objective.loss_latent, objective.teacher_momentum) == (2, 0.9)
    assert objective.body_parts.tolist() == list(dataset.skeleton.body_parts)
    assert objective.heads["clip"].prototypes.out_features == PROTOTYPES * 16


@pytest.mark.parametrize(
    "options",
    [
        ("--mask.hidden", "zeroed"),
        ("--mask.strategy", "joint-frame", "--mask.joint_ratio", "0.5", "--mask.segment_ratio", "0.5"),
    ],
)
def test_a_mask_that_it_cannot_draw_is_refused(options: tuple[str, ...], dataset: Dataset) -> None:
    with pytest.raises(ConfigError, match=r"objective slim .* leave mask.hidden, mask.joint_ratio"):
        build_objective(small(*options), dataset.skeleton, 3, 0.5, 0)


def test_a_run_is_watched_resumed_bitwise_the_same_and_fine_tuned(
    dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = small("--clip.segment", "4", "--validation_subjects", "[3]")
    run = pretrain(config, dataset, 0, tmp_path / "whole")
    log = read_log(tmp_path / "whole")
    assert all({"masked_features", "global_local", "teacher_spread"} <= line.keys() for line in log)
    assert any("effective_rank" in line for line in log)
    _, trained = load_model(tmp_path / "whole")
    start = build_objective(config, dataset.skeleton, 3, 0.5, 0).state_dict()
    moved = [name for name in start if name.startswith("teacher") and name.endswith("proj.weight")]
    assert moved
    for name in moved:  # and slower than the student
        steps = (trained[key] - start[key] for key in (name, name.replace("teacher.", "student.")))
        assert 0 < float(next(steps).norm()) < float(next(steps).norm())
    assert run["held_out"].keys() == {"masked_features", "global_local", "split"}
    step = Slim.after_step

    def stop(self: Slim, number: int) -> None:
        step(self, number)
        if number == 4:
            signal.raise_signal(signal.SIGINT)

    with monkeypatch.context() as patch:
        patch.setattr(Slim, "after_step", stop)
        with pytest.raises(Interrupted):
            pretrain(config, dataset, 0, tmp_path / "parts")
    pretrain(config, dataset, 0, tmp_path / "parts", resume=True)
    weights = [tmp_path / name / "model" / "model.safetensors" for name in ("whole", "parts")]
    assert weights[0].read_bytes() == weights[1].read_bytes()
    result = finetune(config, dataset, 0, "1.0", tmp_path / "finetune", tmp_path / "whole")
    assert read_json(result)["scores"]["top1"] >= 0
