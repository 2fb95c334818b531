"""The model folder: everything needed to use a model, and what a wrong, missing or damaged one says."""

import json
import shutil
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open

from helpers import tiny
from jointwise.config.layers import to_settings
from jointwise.data.dataset import Dataset
from jointwise.errors import CheckpointError
from jointwise.training.checkpoint import read_json
from jointwise.training.coordinate_scale import with_coordinate_scale
from jointwise.training.costs import COST_KEYS
from jointwise.training.model_card import ModelCard
from jointwise.training.model_folder import load_card, load_model, load_trained_on, model_folder, save_model


@pytest.fixture
def copied(pretrained: Path, tmp_path: Path) -> Path:
    """A copy of a pre-trained run, to be damaged."""
    return Path(shutil.copytree(pretrained, tmp_path / "run"))


def test_card_and_weights_come_back_as_they_were_saved(finetuned: Path, tmp_path: Path) -> None:
    card, weights = load_model(finetuned)
    save_model(tmp_path / "copy", card, weights, load_trained_on(finetuned))
    again, same = load_model(tmp_path / "copy")
    assert again == card
    assert weights.keys() == same.keys()
    assert all(torch.equal(weights[name], same[name]) for name in weights)


def test_a_card_tells_joints_classes_preparation_data_scores_steps_and_settings(
    finetuned: Path, dataset: Dataset
) -> None:
    content = read_json(finetuned / "model" / "config.json")
    assert content["skeleton"]["joints"] == list(dataset.skeleton.joints)
    assert content["classes"] == list(tiny.CLASSES)
    assert content["data_fingerprint"] == dataset.store.fingerprint
    assert content["preparation"] == dataset.store.preparation
    assert content["steps"] == {"pretrain": 12, "finetune": 12}
    assert 0 <= content["scores"]["top1"] <= 1
    assert "top5" not in content["scores"]  # of so few classes it would be 100 % of any answers
    assert content["code_version"]
    config = with_coordinate_scale(tiny.config(), dataset)
    assert load_card(finetuned).config == config
    assert content["settings"] == to_settings(config)


def test_a_card_tells_how_long_recordings_are_and_whether_they_show_several_persons(
    finetuned: Path, dataset: Dataset
) -> None:
    card = load_card(finetuned)
    training = [dataset.train[place] for place in range(len(dataset.train))]
    assert card.recording_seconds == np.median([clip.frames / clip.fps for clip in training])
    assert card.together == (np.mean([clip.persons > 1 for clip in training]) > 0.5)


def test_no_field_of_a_card_hides_one_of_its_costs() -> None:
    """They share the top level of config.json."""
    assert not {field.name for field in fields(ModelCard)} & set(COST_KEYS)


def test_a_pretrained_model_holds_student_and_teacher_and_knows_no_classes(pretrained: Path) -> None:
    card, weights = load_model(pretrained)
    assert (card.kind, card.classes) == ("pretrained", ())
    prefixes = {name.partition(".")[0] for name in weights}
    assert {"student", "teacher", "predictor", "decoder"} <= prefixes


def test_the_weights_are_safetensors(pretrained: Path) -> None:
    assert sorted(file.name for file in (pretrained / "model").iterdir()) == [
        "config.json",
        "model.safetensors",
        "trained_on.npy",
    ]
    with safe_open(pretrained / "model" / "model.safetensors", "pt") as file:
        assert file.keys()


def test_no_file_of_a_run_is_a_pickle(finetuned: Path) -> None:
    endings = {file.suffix for file in finetuned.rglob("*") if file.is_file()}
    assert endings <= {".json", ".jsonl", ".yaml", ".safetensors", ".npz", ".npy", ".html"}
    for file in finetuned.rglob("*.npy"):
        np.load(file, allow_pickle=False)


def test_a_run_and_its_model_folder_name_the_same_model(finetuned: Path) -> None:
    assert model_folder(finetuned) == model_folder(finetuned / "model") == finetuned / "model"


def test_a_folder_without_a_model_says_whether_a_run_is_unfinished(tmp_path: Path, copied: Path) -> None:
    with pytest.raises(CheckpointError, match=r"nowhere: no finished model here \(no such folder\)"):
        load_model(tmp_path / "nowhere")
    with pytest.raises(CheckpointError, match=r"no finished model here \(the folder is no run\)"):
        load_model(tmp_path)
    shutil.rmtree(copied / "model")
    with pytest.raises(CheckpointError, match="an unfinished run; continue it with --resume"):
        load_model(copied)


@pytest.mark.parametrize("kept", [0, 5, 0.5, -1])
def test_damaged_weights_are_named(copied: Path, kept: float) -> None:
    file = copied / "model" / "model.safetensors"
    whole = file.read_bytes()
    file.write_bytes(whole[: int(kept * len(whole)) if isinstance(kept, float) else kept])
    with pytest.raises(CheckpointError, match=r"model\.safetensors: missing or damaged"):
        load_model(copied)


def test_missing_weights_are_named(copied: Path) -> None:
    (copied / "model" / "model.safetensors").unlink()
    with pytest.raises(CheckpointError, match=r"model\.safetensors: missing or damaged"):
        load_model(copied)


@pytest.mark.parametrize("text", ["", "{", "\x00"])
def test_a_card_that_is_no_json_is_named(copied: Path, text: str) -> None:
    (copied / "model" / "config.json").write_text(text)
    with pytest.raises(CheckpointError, match=r"config\.json: damaged"):
        load_card(copied)


@pytest.mark.parametrize("damage", ["list", "fields"])
def test_a_card_without_its_fields_is_named(copied: Path, damage: str) -> None:
    file = copied / "model" / "config.json"
    content = {"list": [], "fields": {"format": 1}}[damage]
    file.write_text(json.dumps(content))
    with pytest.raises(CheckpointError, match=r"config\.json"):
        load_card(copied)


def test_a_model_of_a_later_format_says_upgrade(copied: Path) -> None:
    file = copied / "model" / "config.json"
    file.write_text(json.dumps(read_json(file) | {"format": 99}))
    with pytest.raises(CheckpointError, match=r"model format 99, this version reads 1\. Upgrade jointwise"):
        load_card(copied)
