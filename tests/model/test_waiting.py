"""Nothing in a step asks a GPU for a value: on a CPU, where all of it can be asked, every such question is refused."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from jointwise.bench.workload import CLASSES, SCALE, Workload, settings
from jointwise.config.systems import systems
from jointwise.data.clips import Persons
from jointwise.data.randomness import Draws
from jointwise.model import classifier as supervised
from jointwise.model import masked_prediction, slim, tokens
from jointwise.model.build import build_classifier, build_objective
from jointwise.training.optimizer import build_optimizer

SIZE = {
    "encoder.width": 16,
    "encoder.heads": 2,
    "encoder.depth": 2,
    "finetune.hidden": 16,
    "predictor.depth": 1,
    "decoder.depth": 1,
    "mask.ratio": 0.6,
}
# of these, the shape or the Python value of the result depends on values that a GPU would have to be asked for
QUESTIONS = ("_local_scalar_dense", "nonzero", "masked_select", "unique", "is_nonzero", "equal", "bincount")


class Unasked(TorchDispatchMode):
    """Raises when somebody wants to know a value."""

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = function.overloadpacket.__name__
        by_bool = name.startswith("index") and any(
            isinstance(place, Tensor) and place.dtype == torch.bool
            for place in (args[1] if isinstance(args[1], (list, tuple)) else [])
        )
        if by_bool or any(name.startswith(question) for question in QUESTIONS):
            raise AssertionError(f"{name} makes the CPU wait for the GPU")
        return function(*args, **(kwargs or {}))


@contextmanager
def looked_up(persons: Persons, segment: int) -> Iterator[None]:
    """What is looked up on the CPU, `fewest_valid` of what is known, is looked up before."""
    assert persons.valid_on_cpu is not None
    fewest = tokens.fewest_valid(persons.valid_on_cpu, segment)
    with pytest.MonkeyPatch.context() as patch:
        for module in (masked_prediction, slim, supervised):
            patch.setattr(module, "fewest_valid", lambda _known, _length: fewest)
        yield


@pytest.fixture
def work(monkeypatch: pytest.MonkeyPatch) -> Workload:
    monkeypatch.setattr(tokens, "_are_all", lambda _valid, known: known)
    return Workload(clips=4, frames=16, persons=1.5)


def test_the_refusal_refuses() -> None:
    values = torch.arange(3)
    for ask in (lambda: values.max().item(), lambda: values[values > 1], lambda: bool(values.any()), values.nonzero):
        with pytest.raises(AssertionError, match="wait"), Unasked():
            ask()


@pytest.mark.parametrize("gaps", [False, True])
@pytest.mark.parametrize("system", sorted(name for name in systems() if "supervised" not in name))
def test_a_step_of_pre_training_never_waits(system: str, gaps: bool, work: Workload) -> None:
    config = settings(system, 16, SIZE)
    objective = build_objective(config, work.cutter.skeleton, 3, SCALE, 0).train()
    optimizer = build_optimizer(objective, config.pretrain)
    if gaps:
        work.cutter.valid[::3, ::4] = False
    places = Draws(work.ids, 0, "x")
    persons = (clips := work.cutter.random(work.ids, places, rotation=0.3, mirror=0.5, bones=0.1)).persons()
    for _ in range(2):  # the optimiser makes its state in the first
        with looked_up(persons, config.clip.segment), Unasked():
            loss = objective.losses(persons, clips, places).total
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(objective.parameters(), 1.0)
            optimizer.step()
            objective.after_step(0)
    assert loss.isfinite()


@pytest.mark.parametrize("axis", ["spatial", "temporal", "spacetime", "factorised"])
def test_a_step_of_fine_tuning_never_waits(axis: str, work: Workload) -> None:
    config = settings("supervised_segments", 16, SIZE | {"encoder.axis": axis})
    module = build_classifier(config, config.finetune, work.cutter.skeleton, 3, CLASSES, 0).train()
    optimizer = build_optimizer(module, config.finetune)
    persons = work.cutter.centre(work.ids).persons()
    with looked_up(persons, 4), Unasked():
        loss = nn.functional.cross_entropy(module(persons), work.labels, label_smoothing=0.1)
        loss.backward()
        optimizer.step()
    assert loss.isfinite()
