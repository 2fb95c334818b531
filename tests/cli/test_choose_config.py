"""Settings of a command that uses or continues a run: what the run has decided, and what may still change."""

import argparse
import json
import shutil
from pathlib import Path

import pytest
import yaml

from helpers import tiny
from helpers.own_folder import gestures
from jointwise import cli
from jointwise.cli.choose_config import config_of_system
from jointwise.data.dataset import load_dataset
from jointwise.errors import CheckpointError, ConfigError

QUICK = ("--data", "tiny", "--quick", *tiny.SMALL)


def run(*words: str | Path) -> None:
    cli.run([str(word) for word in words])


def test_a_later_stage_takes_clip_and_encoder_from_the_run(place: Path, pretrained: Path) -> None:
    run("finetune", pretrained, "--data", "tiny", "--quick", "--finetune.steps", "1", "--run", "run")
    settings = json.loads(Path("run/model/config.json").read_text())["settings"]
    assert (settings["clip"]["frames"], settings["encoder"]["width"]) == (16, 16)  # --quick says 32 and 32


def test_an_option_cannot_change_what_was_decided_when_the_run_was_trained(place: Path, pretrained: Path) -> None:
    for words in (("finetune", pretrained), ("evaluate", pretrained, "--protocol", "knn")):
        with pytest.raises(
            ConfigError, match=r"--encoder\.axis temporal: this was decided when .* was trained \(spatial\)"
        ):
            # the same shapes: its weights would fit
            run(*words, "--data", "tiny", "--encoder.axis", "temporal", "--finetune.steps", "1")
    run("evaluate", pretrained, "--protocol", "knn", "--data", "tiny", "--encoder.axis", "spatial")


def without(settings: Path, *keys: str) -> None:
    """Removes a setting from a model card or a config.yaml, as if it were younger than the run."""
    content = yaml.safe_load(settings.read_text())
    group = content["settings"] if settings.suffix == ".json" else content
    for key in keys[:-1]:
        group = group[key]
    del group[keys[-1]]
    settings.write_text(json.dumps(content) if settings.suffix == ".json" else yaml.safe_dump(content))


def test_a_setting_younger_than_the_run_has_its_default_and_stays_decided(
    place: Path, pretrained: Path, tmp_path: Path
) -> None:
    old = shutil.copytree(pretrained, tmp_path / "old")
    without(old / "model" / "config.json", "teacher", "blocks")
    words = ("evaluate", old, "--protocol", "knn", "--data", "tiny")
    run(*words, "--teacher.blocks", "1")
    with pytest.raises(ConfigError, match=r"--teacher\.blocks 2: this was decided"):
        run(*words, "--teacher.blocks", "2")


def test_a_model_chosen_on_held_out_subjects_can_be_scored_on_the_test_part(place: Path) -> None:
    held = ("--validation_subjects", "[3]")
    run("pretrain", tiny.SYSTEM, *QUICK, "--pretrain.steps", "1", *held, "--run", "start")
    words = ("evaluate", "start", "--protocol", "knn", "--data", "tiny", "--results", "scores")
    run(*words)
    run(*words, "--validation_subjects", "[]")
    parts = [json.loads(path.read_text())["split"]["is_test"] for path in Path("scores").glob("*.json")]
    assert sorted(parts) == [False, True]


def test_a_run_begun_before_the_settings_of_execution_is_resumed(place: Path) -> None:
    words = ("pretrain", tiny.SYSTEM, *QUICK, "--pretrain.steps", "1", "--run", "start")
    run(*words)
    without(Path("start/config.yaml"), "execution")
    run(*words, "--resume")
    Path("start/about.json").write_text("{}")
    with pytest.raises(CheckpointError, match=r"about\.json: damaged \(no 'stage'\)"):
        run(*words, "--resume")


@pytest.mark.parametrize("command", ["pretrain", "finetune"])
def test_a_missing_gpu_leaves_no_folder_behind(place: Path, command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    with pytest.raises(ConfigError, match="torch sees no GPU here"):
        run(command, tiny.SYSTEM, *QUICK, "--execution.device", "cuda", "--run", "start")
    assert not Path("start").exists()


def test_an_unknown_protocol_is_refused_before_data_is_looked_for(place: Path, pretrained: Path) -> None:
    with pytest.raises(ConfigError, match="unknown protocol 'kn': did you mean 'knn'"):
        run("evaluate", pretrained, "--protocol", "kn", "--data", "nowhere")


def test_a_run_passes_its_seed_on_unless_another_is_given(place: Path) -> None:
    run("pretrain", tiny.SYSTEM, *QUICK, "--seed", "4", "--run", "start")
    run("finetune", "start", *QUICK, "--finetune.steps", "1")
    run("finetune", "start", *QUICK, "--finetune.steps", "1", "--seed", "5")
    assert not Path("runs/tiny").exists()  # quick runs lie apart
    names = sorted(path.name for path in (Path("runs/quick/tiny") / tiny.SYSTEM).iterdir())
    assert names == ["finetune-1.0-seed4", "finetune-1.0-seed5"]


def test_trainings_on_an_own_folder_follow_its_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JOINTWISE_DATA", str(tmp_path / "stores"))
    own = load_dataset(f"{gestures(tmp_path / 'own', each=3)}/")

    def args(**settings: object) -> argparse.Namespace:
        return argparse.Namespace(data=own.address, quick=settings.pop("quick", False), config=None, settings=settings)

    assert config_of_system(args(), tiny.SYSTEM).pretrain.steps == 4000
    sized = config_of_system(args(), tiny.SYSTEM, own)
    assert (sized.pretrain.steps, sized.finetune.steps, sized.scratch.steps) == (1000, 500, 500)
    told = config_of_system(args(**{"pretrain.steps": "7"}), tiny.SYSTEM, own)
    assert (told.pretrain.steps, told.finetune.steps) == (7, 500)
    assert config_of_system(args(quick=True), tiny.SYSTEM, own).pretrain.steps == 30
