"""Pre-training through the loop: the teacher moves, and what was made before a setting existed still opens."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from helpers import tiny
from helpers.stopping import stop_in_step
from jointwise.data.clips import ClipCutter
from jointwise.data.dataset import Dataset
from jointwise.data.randomness import Draws
from jointwise.errors import CheckpointError, ConfigError
from jointwise.model.build import OBJECTIVES, build_objective
from jointwise.model.ema import teacher_momentum
from jointwise.model.masked_prediction import MaskedPrediction
from jointwise.stages.pretrain import PretrainTask, pretrain
from jointwise.training.batches import BatchOrder
from jointwise.training.checkpoint import read_json, write_json
from jointwise.training.coordinate_scale import coordinate_rms, with_coordinate_scale
from jointwise.training.loop import Interrupted
from jointwise.training.model_folder import load_card, load_model
from jointwise.training.run_folder import read_log

FOLLOWED = {"teacher": "student", "teacher_heads": "heads"}  # what teachers are made of, and what that follows
MOVING = ("--teacher.momentum", "0.25", "--pretrain.warmup", "0")


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_a_step_of_pre_training_moves_the_teacher_towards_the_student(
    objective: str, dataset: Dataset, tmp_path: Path
) -> None:
    """Δ ← α Δ + (1 − α) θ, with the θ that the optimiser has just made; at first Δ is θ."""
    config = tiny.config("--objective", objective, *MOVING, "--pretrain.steps", "1")
    pretrain(config, dataset, 0, tmp_path / "run")
    _, after = load_model(tmp_path / "run")
    start = build_objective(
        with_coordinate_scale(config, dataset), dataset.skeleton, 3, coordinate_rms(dataset.train), 0
    ).state_dict()
    moved = 0
    for name, teacher in after.items():
        part, _, rest = name.partition(".")
        if part not in FOLLOWED:
            continue
        first, student = (weights[f"{FOLLOWED[part]}.{rest}"] for weights in (start, after))
        torch.testing.assert_close(teacher, 0.25 * first + 0.75 * student, atol=1e-7, rtol=1e-6)
        moved += not torch.equal(student, first) and not torch.equal(teacher, first)
    assert moved > 10


def test_every_step_moves_the_teacher_once_with_the_momentum_of_the_settings(
    dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tiny.config("--teacher.horizon", "0.9", "--pretrain.steps", "5")
    students: list[dict[str, torch.Tensor]] = []
    real = MaskedPrediction.after_step

    def note(self: MaskedPrediction, step: int) -> None:
        students.append({name: weights.clone() for name, weights in self.student.state_dict().items()})
        real(self, step)

    with monkeypatch.context() as patch:
        patch.setattr(MaskedPrediction, "after_step", note)
        pretrain(config, dataset, 0, tmp_path / "run")
    assert len(students) == 5
    _, after = load_model(tmp_path / "run")
    start = build_objective(
        with_coordinate_scale(config, dataset), dataset.skeleton, 3, coordinate_rms(dataset.train), 0
    )
    momentum = teacher_momentum(config.teacher, 5)
    for name, first in start.student.state_dict().items():
        teacher = first
        for student in students:
            teacher = momentum * teacher + (1 - momentum) * student[name]
        torch.testing.assert_close(after[f"teacher.{name}"], teacher, atol=1e-6, rtol=1e-5)
    assert not torch.equal(after["teacher.embed.proj.weight"], start.student.state_dict()["embed.proj.weight"])


def test_clips_and_masks_of_a_step_are_drawn_apart_and_by_seed_and_step(dataset: Dataset) -> None:
    """With one draw for both, what is hidden would follow from where a clip is cut."""
    drawn: list[tuple[float, ...]] = []
    config = tiny.config()
    objective = build_objective(config, dataset.skeleton, 3, 1.0, 0)
    cutter = ClipCutter.from_store(dataset.store, config.clip.frames)

    def note(call: Callable[..., Any]) -> Callable[..., Any]:
        def noted(first: Any, *others: Any, **options: Any) -> Any:
            (draws,) = (one for one in others if isinstance(one, Draws))
            drawn.append(tuple(draws.uniform(4).flatten().tolist()))
            return call(first, *others, **options)

        return noted

    cutter.random = note(cutter.random)  # type: ignore[method-assign]
    objective.losses = note(objective.losses)  # type: ignore[method-assign]
    order = BatchOrder(torch.from_numpy(dataset.train.ids), 8, 0)
    for seed, step in ((0, 0), (0, 1), (1, 0)):
        task = PretrainTask(objective, cutter, dataset, config.pretrain.augment, seed)
        task.loss(order.local_batch(step))
    assert len(set(drawn)) == len(drawn) == 6
    assert len({number for numbers in drawn for number in numbers}) > 0.99 * 6 * 8 * 4  # nor are they each other's


def test_a_system_without_predictor_and_decoder_has_nothing_to_pre_train(dataset: Dataset, tmp_path: Path) -> None:
    config = tiny.config(system=tiny.BASELINE)
    assert not config.pretrains
    with pytest.raises(ConfigError, match="learns from labels only"):
        pretrain(config, dataset, 0, tmp_path / "run")
    assert tiny.config("--decoder.use", "false").pretrains
    assert tiny.config("--predictor.use", "false").pretrains


def test_a_run_made_before_there_were_objectives_opens_and_goes_on(
    dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, old = tmp_path / "whole", tmp_path / "old"
    pretrain(tiny.config(), dataset, 0, whole)
    with monkeypatch.context() as patch:
        stop_in_step(patch, 5)
        with pytest.raises(Interrupted):
            pretrain(tiny.config(), dataset, 0, old)
    settings = yaml.safe_load((old / "config.yaml").read_text())
    assert settings.pop("objective") == "masked_prediction"
    (old / "config.yaml").write_text(yaml.safe_dump(settings))
    pretrain(tiny.config(), dataset, 0, old, resume=True)
    weights = [folder / "model" / "model.safetensors" for folder in (whole, old)]
    assert weights[0].read_bytes() == weights[1].read_bytes()
    assert [line["latent"] for line in read_log(old)] == [line["latent"] for line in read_log(whole)]

    card = read_json(old / "model" / "config.json")
    del card["settings"]["objective"]
    write_json(old / "model" / "config.json", card)
    assert load_card(old).config == load_card(whole).config


def test_a_finished_run_whose_log_was_emptied_is_damaged(dataset: Dataset, pretrained: Path, tmp_path: Path) -> None:
    run = shutil.copytree(pretrained, tmp_path / "run")
    (run / "metrics.jsonl").write_text("")
    with pytest.raises(CheckpointError, match=r"metrics\.jsonl: damaged \(no line in it\)"):
        pretrain(tiny.config(), dataset, 0, run, resume=True)
