"""Pre-training goes on from a run: on its weights, with its units, and what it has seen stays known."""

from pathlib import Path

import pytest
import torch

from helpers import tiny
from jointwise.cli import run as jointwise
from jointwise.data.dataset import Dataset
from jointwise.errors import CheckpointError, ConfigError, DataError
from jointwise.stages.finetune import finetune
from jointwise.stages.pretrain import pretrain
from jointwise.training.checkpoint import load_tensors, read_json
from jointwise.training.model_folder import load_card, load_trained_on

FEW = ("--pretrain.steps", "2")


def weights_of(run: Path) -> dict[str, torch.Tensor]:
    return load_tensors(run / "model" / "model.safetensors")


def test_it_starts_from_all_weights_of_the_run_and_steps_add_up(
    pretrained: Path, dataset: Dataset, tmp_path: Path
) -> None:
    options = (*FEW, "--pretrain.lr", "0", "--pretrain.final_lr", "0", "--pretrain.weight_decay", "0")
    pretrain(tiny.config(*options), dataset, 1, tmp_path / "on", start=pretrained)
    before, after = weights_of(pretrained), weights_of(tmp_path / "on")
    assert before.keys() == after.keys()
    for name, tensor in before.items():  # nothing is learned at a rate of 0, but the teacher goes on
        if not name.startswith("teacher."):
            assert torch.equal(after[name], tensor), name
    first, second = load_card(pretrained), load_card(tmp_path / "on")
    assert second.costs.steps["pretrain"] == first.costs.steps["pretrain"] + 2
    assert second.costs.seconds["pretrain"] > first.costs.seconds["pretrain"]
    assert (second.kind, second.pretrained_on) == ("pretrained", first.data)
    assert second.config.clip == first.config.clip
    assert read_json(tmp_path / "on" / "about.json")["pretrained"] == str(pretrained)


def test_what_the_run_has_seen_stays_seen(pretrained: Path, dataset: Dataset, tmp_path: Path) -> None:
    subjects = sorted(set(dataset.train.subjects.tolist()))
    held_out = tiny.config(*FEW, "--validation_subjects", f"[{subjects[0]}]")
    with pytest.raises(DataError, match=r"trained with the split .* that would be scored now"):
        pretrain(held_out, dataset, 0, tmp_path / "leak", start=pretrained)
    assert not (tmp_path / "leak").exists()
    pretrain(tiny.config(*FEW), dataset, 0, tmp_path / "on", start=pretrained)
    assert load_trained_on(tmp_path / "on") >= load_trained_on(pretrained)
    pretrain(held_out, dataset, 0, tmp_path / "part")
    pretrain(tiny.config(*FEW), dataset, 0, tmp_path / "whole", start=tmp_path / "part")
    assert load_trained_on(tmp_path / "part") < load_trained_on(tmp_path / "whole") == set(dataset.train.digests)


def test_a_fine_tuned_run_is_no_start(pretrained: Path, dataset: Dataset, tmp_path: Path) -> None:
    finetune(tiny.config(), dataset, 0, "1.0", tmp_path / "finetune", pretrained)
    with pytest.raises(CheckpointError, match=r"fine-tuned, not pre-trained\. Pre-training goes on from"):
        pretrain(tiny.config(*FEW), dataset, 0, tmp_path / "on", start=tmp_path / "finetune")


def test_the_command_takes_the_settings_of_the_run_but_those_of_the_training(
    pretrained: Path, registered: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    jointwise(["pretrain", str(pretrained), "--data", tiny.NAME, "--run", str(tmp_path / "on"), *FEW])
    before, after = load_card(pretrained).config, load_card(tmp_path / "on").config
    assert (after.encoder, after.clip, after.mask) == (before.encoder, before.clip, before.mask)
    assert after.pretrain.steps == 2
    monkeypatch.chdir(tmp_path)  # without --run: never in the folder of the run that it goes on from
    jointwise(["pretrain", str(pretrained), "--data", tiny.NAME, *FEW])
    (folder,) = (tmp_path / "runs" / tiny.NAME / tiny.SYSTEM).iterdir()
    assert folder.name.startswith("pretrain-further-")
    with pytest.raises(ConfigError, match=r"encoder\.width"):
        jointwise(["pretrain", str(pretrained), "--data", tiny.NAME, "--encoder.width", "12"])
