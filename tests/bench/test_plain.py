"""The fast paths against the yardstick: equal outputs and gradients, in fp32 and in bf16."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from jointwise.bench.plain import PlainClassifier, PlainMaskedPrediction
from jointwise.bench.workload import CLASSES, SCALE, Workload, settings
from jointwise.config.schema import Config
from jointwise.config.systems import FINAL
from jointwise.data.clips import Clips
from jointwise.data.randomness import Draws
from jointwise.model.build import build_classifier, build_objective
from jointwise.model.masked_prediction import MaskedPrediction, mask_noise
from jointwise.model.tokens import to_segments
from jointwise.training.device import autocast

CPU = torch.device("cpu")
SIZE = {"encoder.width": 32, "encoder.heads": 4, "encoder.depth": 2, "finetune.hidden": 64}
STILL = {"finetune.dropout": 0, "finetune.drop_path": 0}
TOLERANCE = {"fp32": 1e-5, "bf16": 2e-2}
SYSTEMS = (
    "mamp",
    "spatial_segments",
    "temporal_segments",
    "spatial_segments_decoder",
    "temporal_segments_decoder",
    "spacetime_segments_decoder",
)
# the options of `recommended` that the yardstick knows; its objective and its input it does not
OTHERS = {"encoder.axis": "factorised", "clip.segment": 8, "decoder.normalisation": "axis-over-time"}


@pytest.fixture(scope="module")
def work() -> Workload:
    """64 frames: 400 tokens, so that rows of all of them are long ones."""
    return Workload(clips=6, frames=64, persons=1.5)


def both_slots(clips: Clips) -> tuple[Tensor, Tensor]:
    return clips.positions, clips.valid.flatten(2).any(2)


def difference(found: Tensor, wanted: Tensor) -> float:
    return ((found - wanted).norm() / wanted.norm()).item()


def gradients(module: nn.Module) -> dict[str, Tensor]:
    return {name: p.grad for name, p in module.named_parameters() if p.grad is not None}


def assert_gradients_equal(fast: nn.Module, plain: nn.Module, tolerance: float) -> None:
    """All together to the tolerance; each one to five times that, unless it is next to nothing (as a key's bias)."""
    found, wanted = gradients(fast), gradients(plain)
    assert found.keys() == wanted.keys()
    whole = [torch.cat([part[name].flatten() for name in wanted]) for part in (found, wanted)]
    assert difference(*whole) < tolerance
    largest = max(float(gradient.norm()) for gradient in wanted.values())
    for name, gradient in wanted.items():
        if float(gradient.norm()) > 0.05 * largest:
            assert difference(found[name], gradient) < 5 * tolerance, name


def objective_and_yardstick(config: Config, work: Workload) -> tuple[MaskedPrediction, PlainMaskedPrediction]:
    fast = build_objective(config, work.cutter.skeleton, 3, SCALE, 0)
    plain = PlainMaskedPrediction(config, 25, 3, SCALE)
    weights = {name: value for name, value in fast.state_dict().items() if name != "coordinate_scale"}
    plain.load_state_dict(weights)
    return fast, plain


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize(("system", "options"), [*((system, {}) for system in SYSTEMS), (FINAL, OTHERS)])
def test_pre_training_has_the_loss_and_gradients_of_the_yardstick(
    system: str, options: dict[str, Any], precision: str, work: Workload
) -> None:
    config = settings(system, 64, SIZE | {"predictor.depth": 1, "decoder.depth": 1, "mask.ratio": 0.6} | options)
    fast, plain = objective_and_yardstick(config, work)
    clips = work.cutter.centre(work.ids)
    persons = clips.persons()
    noise = mask_noise(persons, clips, config.clip.segment, Draws(work.ids, 0, "masks", 0))
    hidden_there = fast.student_view(persons, noise).hidden
    slots, present = both_slots(clips)
    hidden = hidden_there[:1].repeat(present.numel(), 1, 1)  # any for those who are not there
    hidden[present.flatten()] = hidden_there
    counts = fast.visible(*hidden.shape[1:])
    wanted = plain(slots.flatten(0, 1), present.flatten(), hidden, counts.grid or (1, counts.count))
    with autocast(CPU, precision):
        found = fast(persons, noise).total
    assert found.item() == pytest.approx(wanted.item(), rel=TOLERANCE[precision])
    found.backward()
    wanted.backward()
    assert_gradients_equal(fast, plain, TOLERANCE[precision])


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("system", ["supervised_segments", "spatial_segments", "temporal_segments"])
def test_fine_tuning_has_the_logits_and_gradients_of_the_yardstick(system: str, precision: str, work: Workload) -> None:
    config = settings(system, 64, SIZE | STILL)
    fast = build_classifier(config, config.finetune, work.cutter.skeleton, 3, CLASSES, 0)
    plain = PlainClassifier(config, 25, 3, CLASSES)
    plain.load_state_dict(fast.state_dict())
    for head in (fast.head, plain.head):  # statistics of six clips and flipped signs would make much of bf16's rounding
        head.mlp[1].eval()
        head.mlp[2] = nn.Tanh()
    clips = work.cutter.centre(work.ids)
    wanted = plain(*both_slots(clips))
    with autocast(CPU, precision):
        found = fast(clips.persons()).float()
    assert difference(found, wanted) < TOLERANCE[precision]
    for logits in (found, wanted):
        nn.functional.cross_entropy(logits, work.labels).backward()
    assert_gradients_equal(fast, plain, TOLERANCE[precision])
    fast.eval(), plain.eval()
    with torch.no_grad(), autocast(CPU, precision):
        assert difference(fast(clips.persons()).float(), plain(*both_slots(clips))) < TOLERANCE[precision]


def test_the_teacher_of_the_yardstick_moves_as_the_real_one(work: Workload) -> None:
    fast, plain = objective_and_yardstick(settings("spatial_segments_decoder", 64, SIZE), work)
    for module in (fast, plain):
        for parameter in module.student.parameters():
            torch.nn.init.constant_(parameter, 3.0)
        module.update_teacher(0.75)
    for own, other in zip(fast.teacher.parameters(), plain.teacher.parameters(), strict=True):
        torch.testing.assert_close(own, other)


def test_slots_of_the_yardstick_are_segments_of_the_package(work: Workload) -> None:
    from jointwise.bench.plain import cut_segments

    frames = torch.randn(3, 8, 5, 2)
    assert torch.equal(cut_segments(frames, 4), to_segments(frames, 4))
