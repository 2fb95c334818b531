"""Costs: one set of fields for model cards and results, added to stage by stage."""

from typing import Any

import torch
from torch import nn

from jointwise.errors import CheckpointError
from jointwise.training.costs import COST_KEYS, FINETUNE, PRETRAIN, Costs

CPU = torch.device("cpu")
ENCODER, MODEL = nn.Linear(2, 3), nn.Linear(3, 4)  # 9 and 16 parameters
HELD_OUT = {"latent": 0.5, "split": "xsub"}


def both_stages() -> Costs:
    first = Costs().with_stage(
        PRETRAIN,
        steps=40,
        seconds=6.0,
        epochs=4.0,
        clips=8,
        device=CPU,
        held_out=HELD_OUT,
        encoder=ENCODER,
        pretrain=MODEL,
    )
    return first.with_stage(
        FINETUNE, steps=10, seconds=3.0, epochs=2.0, clips=6, device=CPU, encoder=ENCODER, finetune=MODEL
    )


def test_a_later_stage_is_added_to_the_costs_of_an_earlier_one() -> None:
    costs = both_stages()
    assert costs.steps == {"pretrain": 40, "finetune": 10}
    assert costs.seconds_per_epoch == {"pretrain": 1.5, "finetune": 1.5}
    assert costs.clips_per_step == {"pretrain": 8, "finetune": 6}
    assert costs.seconds == {"pretrain": 6.0, "finetune": 3.0}
    assert costs.parameters == {"encoder": 9, "pretrain": 16, "finetune": 16}
    assert costs.held_out == HELD_OUT
    assert costs.memory_mb.keys() == {"pretrain", "finetune"}
    assert costs.gflops is None


def test_a_pre_training_that_goes_on_does_not_keep_losses_on_other_data() -> None:
    further = both_stages().with_stage(PRETRAIN, steps=10, seconds=3.0, epochs=2.0, clips=8, device=CPU)
    assert (further.steps["pretrain"], further.held_out) == (50, None)


def read(content: dict[str, Any]) -> Costs:
    return Costs.from_json(content, "config.json", CheckpointError)


def test_costs_are_read_from_the_flat_keys_that_they_are_written_to() -> None:
    costs = both_stages().with_gflops(0.25)
    assert set(costs.to_json()) == set(COST_KEYS)
    assert read({"system": "mamp"} | costs.to_json()) == costs
    assert read(costs.to_card()).with_gflops(0.25) == costs
    assert set(COST_KEYS) - set(costs.to_card()) == {"gflops"}
    assert read({"steps": {"pretrain": 3}, "held_out": None}) == Costs(steps={"pretrain": 3})


def test_a_run_file_knows_its_own_stage() -> None:
    costs = both_stages()
    first, second = costs.of_run(PRETRAIN), costs.of_run(FINETUNE)
    assert (first["steps"], first["seconds_per_epoch"], first["held_out"]) == (40, 1.5, HELD_OUT)
    assert (first["clips_per_step"], second["clips_per_step"]) == (8, 6)
    assert second["peak_memory_mb"] == costs.memory_mb["finetune"]
    assert "held_out" not in second
    assert Costs(parameters={"encoder": 9}).of_run("import") == {"parameters": {"encoder": 9}}
