"""The student-teacher losses against a step-by-step reference, and what may and may not influence them."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from jointwise.data.clips import Clips, Persons
from jointwise.model.encoders import AXES, Completion, Encoder
from jointwise.model.masked_prediction import MaskedPrediction
from jointwise.model.masks import MASKS
from jointwise.model.objective import Losses
from jointwise.model.sharpening import Sharpening
from jointwise.model.tokens import TokenSet, all_tokens, to_segments, token_validity

B = 3
M = 2
S = 6
LENGTH = 2
V = 5
C = 3
WIDTH = 16
T = S * LENGTH
NUMBERS = LENGTH * C
RMS = 0.4
PARTS = (0, 0, 1, 1, 2)


def make(axis: str = "spatial", predictor: bool = True, decoder: bool = True, **options: object) -> MaskedPrediction:
    torch.manual_seed(0)
    student = Encoder(S, V, NUMBERS, axis, depth=2, width=WIDTH, heads=2)
    module = MaskedPrediction(
        student,
        Completion(S, V, WIDTH, WIDTH, depth=1, width=WIDTH, heads=2) if predictor else None,
        Completion(S, V, WIDTH, NUMBERS, depth=1, width=WIDTH, heads=2) if decoder else None,
        **{"segment": LENGTH, "mask_ratio": 0.6, "coordinate_scale": RMS, "body_parts": PARTS} | options,
    )
    if module.teacher is not None:  # as after some steps: the teacher is no longer the student
        with torch.no_grad():
            for parameter in module.teacher.parameters():
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
        valid[2, 1, :4] = False  # a person who comes in late
    return Clips(torch.randn(B, M, T, V, C, generator=generator), valid, torch.arange(B))


def scalar(losses: Losses, name: str) -> Tensor:
    """One of the numbers in `losses`, by name."""
    if name in losses.parts:
        return losses.parts[name]
    return losses.total if name == "total" else getattr(losses.watched, name)


def noise_for(persons: Persons) -> Tensor:
    """Noise that belongs to a clip and slot, whoever else is there."""
    noise = torch.rand(B, M + 1, S + 1, V + 1, generator=torch.Generator().manual_seed(2))
    return noise[persons.clip, persons.slot]


def hidden_of(module: MaskedPrediction, persons: Persons) -> Tensor:
    segments, valid = to_segments(persons.positions, LENGTH), token_validity(persons.valid, LENGTH)
    return MASKS[module.mask_strategy].draw(
        segments, valid, noise_for(persons), module.visible(S, V), module.body_parts
    )


def reference_losses(module: MaskedPrediction, persons: Persons, mask: str) -> tuple[float, float]:
    """`L_st` and `L_rec` person by person and token by token, from the module's own networks."""
    latent, reconstruction = [], []
    hidden = hidden_of(module, persons)
    for p in range(len(persons.positions)):
        positions, valid_frames = persons.positions[p], persons.valid[p]
        segments = torch.stack(
            [torch.stack([positions[s * LENGTH : (s + 1) * LENGTH, v].flatten() for v in range(V)]) for s in range(S)]
        )
        valid = torch.tensor(
            [[bool(valid_frames[s * LENGTH : (s + 1) * LENGTH, v].any()) for v in range(V)] for s in range(S)]
        )
        places = [i for i in range(S * V) if not hidden[p].flatten()[i]]
        index = torch.tensor([places])
        seen = TokenSet(index, valid.flatten()[index], V, grid=None)  # never the short way of a grid
        everything = TokenSet(torch.arange(S * V)[None], valid.flatten()[None], V, grid=None)
        features = module.student(segments[None], seen)
        if module.predictor is not None:
            predicted = module.predictor(features, seen, everything)[0]
            taught = module.teacher(segments[None], everything)[0]
            for i in range(S * V):
                if i not in places and valid.flatten()[i]:
                    wanted = (taught[i] - taught[i].mean()) / (taught[i].var(unbiased=False) + 1e-5).sqrt()
                    latent += (predicted[i] - wanted).square().tolist()
        if module.decoder is not None:
            decoded = module.decoder(features, seen, everything)[0]
            for i in range(S * V):
                for t in range(LENGTH):
                    frame, joint = i // V * LENGTH + t, i % V
                    if valid_frames[frame, joint]:
                        wanted = positions[frame, joint] / RMS
                        reconstruction += (decoded[i, t * C : (t + 1) * C] - wanted).square().tolist()
    return tuple(sum(errors) / len(errors) if errors else 0.0 for errors in (latent, reconstruction))


@pytest.mark.parametrize("axis", AXES)
@pytest.mark.parametrize("mask", MASKS)
@pytest.mark.parametrize("gaps", [False, True], ids=["complete", "gaps"])
def test_the_losses_are_the_means_of_the_step_by_step_reference(axis: str, mask: str, gaps: bool) -> None:
    module = make(axis, mask_strategy=mask, loss_latent=0.5, loss_reconstruction=2.0)
    persons = clips(gaps).persons()
    assert persons.clip.tolist() == [0, 0, 1, 2, 2]
    losses = module(persons, noise_for(persons))
    latent, reconstruction = reference_losses(module, persons, mask)
    assert float(losses.parts["latent"]) == pytest.approx(latent, rel=1e-4)
    assert float(losses.parts["reconstruction"]) == pytest.approx(reconstruction, rel=1e-4)
    assert float(losses.total.detach()) == pytest.approx(0.5 * latent + 2 * reconstruction, rel=1e-4)


def test_without_a_decoder_or_a_predictor_its_loss_is_zero_and_the_other_stays() -> None:
    persons = clips().persons()
    both = make()
    no_decoder = make(decoder=False)
    no_predictor = make(predictor=False)
    no_decoder.load_state_dict({k: v for k, v in both.state_dict().items() if not k.startswith("decoder.")})
    no_predictor.load_state_dict(
        {k: v for k, v in both.state_dict().items() if not k.startswith(("predictor.", "teacher."))}
    )
    expected = both(persons, noise_for(persons))
    latent_only, rebuilt_only = (module(persons, noise_for(persons)) for module in (no_decoder, no_predictor))
    torch.testing.assert_close(latent_only.total, expected.parts["latent"], check_dtype=False)
    assert float(latent_only.parts["reconstruction"]) == 0
    torch.testing.assert_close(rebuilt_only.total, expected.parts["reconstruction"])
    assert float(rebuilt_only.parts["latent"]) == 0
    assert no_predictor.teacher is None
    assert rebuilt_only.watched is None


def test_region_hidden_counts_the_hidden_tokens_only() -> None:
    module, persons = make(predictor=False, decoder_region="hidden"), clips().persons()
    hidden, valid = hidden_of(module, persons), token_validity(persons.valid, LENGTH)
    seen: list[Tensor] = []
    module.decoder.register_forward_hook(lambda *call: seen.append(call[2].detach()))
    loss = module(persons, noise_for(persons)).parts["reconstruction"]
    errors = []
    for p in range(len(hidden)):
        for s in range(S):
            for v in range(V):
                for t in range(LENGTH):
                    frame = s * LENGTH + t
                    if hidden[p, s, v] and valid[p, s, v] and persons.valid[p, frame, v]:
                        rebuilt = seen[0][p, s * V + v, t * C : (t + 1) * C]
                        errors += (rebuilt - persons.positions[p, frame, v] / RMS).square().tolist()
    assert float(loss) == pytest.approx(sum(errors) / len(errors), rel=1e-4)


def test_the_plain_teacher_features_are_the_target_when_no_norm_is_asked_for() -> None:
    module, persons = make(decoder=False, teacher_normalise="none"), clips().persons()
    predicted: list[Tensor] = []
    module.predictor.register_forward_hook(lambda *call: predicted.append(call[2].detach()))
    loss = module(persons, noise_for(persons)).parts["latent"]
    valid = token_validity(persons.valid, LENGTH)
    taught = module.teacher(to_segments(persons.positions, LENGTH), all_tokens(valid))
    counts = (hidden_of(module, persons) & valid).flatten(1)
    torch.testing.assert_close(loss, (predicted[0] - taught)[counts].square().mean())


def zeroed(axis: str) -> MaskedPrediction:
    """The report's first version: hidden joints stay in the sequence with coordinates 0."""
    module = make(axis, mask_hidden="zeroed")
    for name, outputs in (("predictor", WIDTH), ("decoder", NUMBERS)):
        setattr(module, name, Completion(S, V, WIDTH, outputs, 1, WIDTH, 2, axis, mask_token=False))
    return module


@pytest.mark.parametrize("axis", ["spatial", "temporal"])
@pytest.mark.parametrize("mask", MASKS)
def test_zeroed_tokens_stay_in_the_sequence_and_are_what_is_predicted(axis: str, mask: str) -> None:
    module, persons = zeroed(axis), clips().persons()
    losses = module(persons, noise_for(persons))
    hidden, valid = hidden_of(module, persons), token_validity(persons.valid, LENGTH)
    positions = persons.positions.clone()
    positions[hidden.repeat_interleave(LENGTH, 1)] = 0
    everything = all_tokens(valid)
    features = module.student(to_segments(positions, LENGTH), everything)
    predicted = module.predictor(features, everything, everything)
    taught = module.teacher(to_segments(persons.positions, LENGTH), everything)
    counts = (hidden & valid).flatten(1)
    wanted = (taught - taught.mean(2, keepdim=True)) / (taught.var(2, unbiased=False, keepdim=True) + 1e-5).sqrt()
    torch.testing.assert_close(losses.parts["latent"], (predicted - wanted)[counts].square().mean())
    assert float(losses.parts["reconstruction"]) > 0
    losses.total.backward()
    assert module.student.embed.proj.weight.grad.any()


def test_the_target_can_be_the_mean_of_the_teachers_last_blocks() -> None:
    module, persons = make(decoder=False, teacher_blocks=2), clips().persons()
    predicted: list[Tensor] = []
    module.predictor.register_forward_hook(lambda *call: predicted.append(call[2].detach()))
    loss = module(persons, noise_for(persons)).parts["latent"]
    valid = token_validity(persons.valid, LENGTH)
    first, second, _ = module.teacher.layers(to_segments(persons.positions, LENGTH), all_tokens(valid))
    norm = [
        (x - x.mean(2, keepdim=True)) / (x.var(2, unbiased=False, keepdim=True) + 1e-5).sqrt() for x in (first, second)
    ]
    counts = (hidden_of(module, persons) & valid).flatten(1)
    torch.testing.assert_close(loss, (predicted[0] - (norm[0] + norm[1]) / 2)[counts].square().mean())


def test_sharpened_cross_entropy_is_that_of_the_centred_teacher_at_its_own_temperature() -> None:
    module, persons = make(decoder=False, sharpening=Sharpening(WIDTH, 0.5, 0.2, 0.9)).eval(), clips().persons()
    module.sharpening.centre.copy_(torch.linspace(-1, 1, WIDTH))
    predicted: list[Tensor] = []
    module.predictor.register_forward_hook(lambda *call: predicted.append(call[2].detach()))
    loss = module(persons, noise_for(persons)).parts["latent"]
    valid = token_validity(persons.valid, LENGTH)
    taught = module.teacher(to_segments(persons.positions, LENGTH), all_tokens(valid)).detach()
    losses = []
    for p, i in (hidden_of(module, persons) & valid).flatten(1).nonzero().tolist():
        wanted = (taught[p, i] - taught[p, i].mean()) / (taught[p, i].var(unbiased=False) + 1e-5).sqrt()
        target = ((wanted - module.sharpening.centre) / 0.2).exp()
        student = (predicted[0][p, i] / 0.5).exp()
        losses.append(-(target / target.sum() * (student / student.sum()).log()).sum())
    torch.testing.assert_close(loss, torch.stack(losses).mean())


def test_the_centre_moves_with_the_teachers_mean_over_valid_tokens_in_training_only() -> None:
    module, persons = make(decoder=False, sharpening=Sharpening(WIDTH, 0.1, 0.04, 0.9)), clips().persons()
    module.eval()(persons, noise_for(persons))
    assert not module.sharpening.centre.any()
    module.train()(persons, noise_for(persons))
    valid = token_validity(persons.valid, LENGTH)
    taught = module.teacher(to_segments(persons.positions, LENGTH), all_tokens(valid))[valid.flatten(1)]
    normed = (taught - taught.mean(1, keepdim=True)) / (taught.var(1, unbiased=False, keepdim=True) + 1e-5).sqrt()
    torch.testing.assert_close(module.sharpening.centre, 0.1 * normed.mean(0), atol=1e-6, rtol=1e-4)
    assert "sharpening.centre" in module.state_dict()  # a resumed run goes on from it


def test_the_loss_of_a_batch_pools_over_the_persons_of_all_clips() -> None:
    # the same number of valid hidden tokens everywhere: the mean over the batch is the mean over persons
    module, batch = make(), clips(gaps=False)
    persons = batch.persons()
    noise = noise_for(persons)
    together = module(persons, noise)
    alone = []
    for p in range(5):
        one = slice(p, p + 1)
        person = Persons(persons.positions[one], persons.valid[one], torch.tensor([0]), torch.tensor([0]), 1)
        alone.append(module(person, noise[one]))
    for part in ("total", "latent", "reconstruction"):
        torch.testing.assert_close(scalar(together, part), torch.stack([scalar(x, part) for x in alone]).mean())


@pytest.mark.parametrize("mask", MASKS)
def test_an_empty_person_slot_changes_nothing(mask: str) -> None:
    module, batch = make(mask_strategy=mask), clips()
    wider = Clips(
        torch.cat([batch.positions, torch.full((B, 1, T, V, C), 9.0)], 1),
        torch.cat([batch.valid, torch.zeros(B, 1, T, V, dtype=torch.bool)], 1),
        batch.ids,
    )
    narrow, wide = (module(x.persons(), noise_for(x.persons())) for x in (batch, wider))
    for part in ("total", "latent", "reconstruction", "spread", "pooled"):
        assert torch.equal(scalar(narrow, part), scalar(wide, part))


@pytest.mark.parametrize("target", ["joints", "motion"])
@pytest.mark.parametrize("normalisation", ["none", "token", "axis-over-time"])
def test_frames_of_invalid_tokens_change_no_loss(target: str, normalisation: str) -> None:
    module, batch = make(decoder_target=target, decoder_normalisation=normalisation), clips()
    valid = token_validity(batch.valid.flatten(0, 1), LENGTH).repeat_interleave(LENGTH, 1).view(B, M, T, V)
    filled = Clips(torch.where(valid[..., None], batch.positions, torch.tensor(30.0)), batch.valid, batch.ids)
    persons, others = batch.persons(), filled.persons()
    assert not torch.equal(persons.positions, others.positions)
    losses, found = module(persons, noise_for(persons)), module(others, noise_for(persons))
    for part in ("total", "latent", "reconstruction", "spread", "pooled"):
        torch.testing.assert_close(scalar(found, part), scalar(losses, part), atol=1e-5, rtol=1e-5)


def test_a_clip_without_any_valid_person_adds_nothing_and_stays_finite() -> None:
    module, batch = make(), clips()
    with_nobody = Clips(batch.positions, batch.valid.clone(), batch.ids)
    with_nobody.valid[1] = False
    persons = with_nobody.persons()
    assert persons.clip.tolist() == [0, 0, 1, 2, 2]
    keep = persons.clip != 1
    without = Persons(*(x[keep] for x in (persons.positions, persons.valid, persons.clip, persons.slot)), B)
    losses, expected = module(persons, noise_for(persons)), module(without, noise_for(persons)[keep])
    for part in ("total", "latent", "reconstruction", "pooled"):
        torch.testing.assert_close(scalar(losses, part), scalar(expected, part), atol=1e-6, rtol=1e-5)
    losses.total.backward()
    assert all(p.grad.isfinite().all() for p in module.parameters() if p.grad is not None)


@pytest.mark.parametrize("mask", ["random", "joint-frame"])  # `motion` looks at coordinates to choose
def test_the_student_never_sees_hidden_tokens_but_the_teacher_does(mask: str) -> None:
    module, persons = make(mask_strategy=mask), clips().persons()
    hidden = hidden_of(module, persons).repeat_interleave(LENGTH, 1)
    changed = torch.where(hidden[..., None], persons.positions + 1, persons.positions)
    outputs: dict[str, list[Tensor]] = {"student": [], "predictor": [], "decoder": [], "teacher.transformer.norm": []}
    for name, calls in outputs.items():
        module.get_submodule(name).register_forward_hook(lambda *call, calls=calls: calls.append(call[2]))
    for positions in (persons.positions, changed):
        module(replace(persons, positions=positions), noise_for(persons))
    for name in ("student", "predictor", "decoder"):
        assert torch.equal(*outputs[name]), name
    assert not torch.allclose(*outputs["teacher.transformer.norm"])


def test_the_teacher_starts_as_a_copy_of_the_student_that_shares_no_memory() -> None:
    student = Encoder(S, V, NUMBERS, depth=1, width=WIDTH, heads=2, drop_path=0.5)
    module = MaskedPrediction(student, Completion(S, V, WIDTH, WIDTH, 1, WIDTH, 2), None, segment=LENGTH)
    for (name, own), copied in zip(student.named_parameters(), module.teacher.parameters(), strict=True):
        assert torch.equal(own, copied), name
        assert own.data_ptr() != copied.data_ptr()
        assert own.requires_grad
        assert not copied.requires_grad


def test_the_teacher_gets_no_gradient_and_stays_in_evaluation_mode() -> None:
    module, persons = make(), clips().persons()
    for mode in (True, False, True):
        module.train(mode)
        assert module.student.training == mode
        assert not any(part.training for part in module.teacher.modules())
    losses = module(persons, noise_for(persons))
    losses.total.backward()
    assert all(parameter.grad is None for parameter in module.teacher.parameters())
    for part in (module.student, module.predictor, module.decoder):
        for name, parameter in part.named_parameters():
            assert parameter.grad is not None, name
            assert parameter.grad.any(), name
    assert not losses.parts["latent"].requires_grad
    assert not losses.parts["reconstruction"].requires_grad
    assert not losses.watched.pooled.requires_grad


def test_drop_path_of_the_student_never_touches_the_teacher() -> None:
    student = Encoder(S, V, NUMBERS, depth=2, width=WIDTH, heads=2, drop_path=0.5)
    module = MaskedPrediction(student, Completion(S, V, WIDTH, WIDTH, 1, WIDTH, 2), None, segment=LENGTH).train()
    persons = clips().persons()
    first, second = (module(persons, noise_for(persons)) for _ in range(2))
    assert torch.equal(first.watched.pooled, second.watched.pooled)
    assert float(first.parts["latent"]) != float(second.parts["latent"])


@pytest.mark.parametrize("momentum", [0.0, 0.9, 1.0])
def test_the_update_moves_every_teacher_weight_by_the_moving_average(momentum: float) -> None:
    module = make()
    teacher = {name: p.clone() for name, p in module.teacher.named_parameters()}
    student = {name: p.detach().clone() for name, p in module.student.named_parameters()}
    module.update_teacher(momentum)
    for name, parameter in module.teacher.named_parameters():
        expected = momentum * teacher[name] + (1 - momentum) * student[name]
        torch.testing.assert_close(parameter, expected, atol=1e-6, rtol=1e-5)
        assert not parameter.requires_grad
    for name, parameter in module.student.named_parameters():
        assert torch.equal(parameter, student[name])


def test_the_collapse_watch_measures_the_teacher_over_valid_tokens() -> None:
    module, persons = make(), clips().persons()
    losses = module(persons, noise_for(persons))
    valid = token_validity(persons.valid, LENGTH)
    taught = module.teacher(to_segments(persons.positions, LENGTH), all_tokens(valid)).view(-1, S, V, WIDTH)
    tokens = [taught[p, s, v] for p in range(5) for s in range(S) for v in range(V) if valid[p, s, v]]
    columns = torch.stack(tokens).T
    spread = sum(float(column.std()) for column in columns) / WIDTH
    assert float(losses.watched.spread) == pytest.approx(spread, rel=1e-4)
    means = [
        torch.stack([taught[p, s, v] for s in range(S) for v in range(V) if valid[p, s, v]]).mean(0) for p in range(5)
    ]
    pooled = torch.stack([(means[0] + means[1]) / 2, means[2], (means[3] + means[4]) / 2])
    torch.testing.assert_close(losses.watched.pooled, pooled, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("training", [False, True])
def test_the_losses_in_bf16_are_those_of_fp32_up_to_rounding(training: bool) -> None:
    module, persons = make().train(training), clips().persons()
    with torch.set_grad_enabled(training):
        exact = module(persons, noise_for(persons))
        with torch.autocast("cpu", dtype=torch.bfloat16):
            rounded = module(persons, noise_for(persons))
    assert rounded.total.dtype == torch.float32
    for part in ("total", "latent", "reconstruction", "spread", "pooled"):
        torch.testing.assert_close(scalar(rounded, part), scalar(exact, part), rtol=2e-2, atol=2e-2)
