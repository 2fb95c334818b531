"""FLOPs per clip: equal to what one counts by hand, attention included, and stated in every result."""

import json
import shutil
from pathlib import Path

import pytest
import torch

from helpers import tiny
from jointwise.data.dataset import Dataset
from jointwise.data.skeletons import KINECT20
from jointwise.evaluation.features import encoder_features
from jointwise.model.build import build_classifier
from jointwise.model.parts import build_encoder
from jointwise.model.size import gflops_per_clip
from jointwise.stages.evaluate import evaluate
from jointwise.training.model_folder import load_card

JOINTS = 20
FRAMES = 16
SEGMENT = 4
WIDTH = 16
DEPTH = 2
HIDDEN = 16
CLASSES = 5
SEGMENTS = FRAMES // SEGMENT
TOKENS = SEGMENTS * JOINTS
CPU = torch.device("cpu")


def counted_by_hand(row: int) -> int:
    """2 × multiply-adds of an encoder whose tokens each attend to `row` tokens."""
    embed = TOKENS * SEGMENT * 3 * WIDTH
    projections = TOKENS * WIDTH * (3 * WIDTH + WIDTH)
    attention = 2 * TOKENS * row * WIDTH  # q kᵀ, and weights times v
    mlp = 2 * TOKENS * WIDTH * 4 * WIDTH
    return 2 * (embed + DEPTH * (projections + attention + mlp))


@pytest.mark.parametrize(("axis", "row"), [("spatial", JOINTS), ("temporal", SEGMENTS), ("spacetime", TOKENS)])
def test_the_count_equals_the_one_by_hand_for_every_axis(axis: str, row: int) -> None:
    config = tiny.config("--encoder.axis", axis)
    encoder = build_encoder(config, KINECT20, 3).eval()
    measured = gflops_per_clip(encoder_features(encoder, SEGMENT, "mean"), FRAMES, JOINTS, 3, CPU)
    assert measured * 1e9 == pytest.approx(counted_by_hand(row), rel=1e-12)


def test_a_classifier_adds_its_head() -> None:
    config = tiny.config()
    classifier = build_classifier(config, config.finetune, KINECT20, 3, CLASSES, 0).eval()
    measured = gflops_per_clip(lambda clips: classifier(clips.persons()), FRAMES, JOINTS, 3, CPU)
    head = 2 * (JOINTS * WIDTH * HIDDEN + HIDDEN * CLASSES)
    assert measured * 1e9 == pytest.approx(counted_by_hand(JOINTS) + head, rel=1e-12)


def test_results_carry_memory_and_flops_of_every_stage_and_no_losses_of_test_clips(
    finetuned: Path, pretrained: Path
) -> None:
    path = finetuned / "results" / f"{tiny.SYSTEM}-finetune-1.0-seed0.json"
    result, before = json.loads(path.read_text()), json.loads((pretrained / "run.json").read_text())
    assert result["held_out"] is None
    assert "held_out" not in before
    assert result["memory_mb"]["pretrain"] == before["peak_memory_mb"] > 0
    assert result["memory_mb"]["finetune"] == json.loads((finetuned / "run.json").read_text())["peak_memory_mb"] > 0
    head = 2 * (JOINTS * WIDTH * HIDDEN + HIDDEN * CLASSES)
    assert result["gflops"] * 1e9 == pytest.approx(counted_by_hand(JOINTS) + head, rel=1e-12)


def test_a_frozen_encoder_has_no_head_and_no_fine_tuning_and_raw_coordinates_nothing(
    dataset: Dataset, pretrained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for run in (shutil.copytree(pretrained, tmp_path / "run"), None):
        evaluate(run, "knn", dataset, tiny.config(), 0, results=tmp_path / "results")
    frozen = json.loads((tmp_path / "results" / f"{tiny.SYSTEM}-knn-1.0-seed0.json").read_text())
    raw = json.loads((tmp_path / "results" / "raw-knn-1.0-seed0.json").read_text())
    assert frozen["gflops"] * 1e9 == pytest.approx(counted_by_hand(JOINTS), rel=1e-12)
    assert set(frozen["memory_mb"]) == {"pretrain"}
    assert (raw["gflops"], raw["memory_mb"], raw["held_out"]) == (None, {}, None)


def test_a_card_from_before_takes_losses_and_memory_from_the_run(pretrained: Path, tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    card = json.loads((pretrained / "model" / "config.json").read_text())
    known = card.pop("held_out"), card.pop("memory_mb")
    (tmp_path / "model" / "config.json").write_text(json.dumps(card))
    alone = load_card(tmp_path)
    assert (alone.costs.held_out, alone.costs.memory_mb) == (None, {})
    (tmp_path / "run.json").write_text((pretrained / "run.json").read_text())
    completed = load_card(tmp_path)
    assert (completed.costs.held_out, completed.costs.memory_mb) == known
