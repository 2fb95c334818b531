"""Run folders: never overwritten, resumed with the same settings only, and every refusal says what to do."""

from pathlib import Path

import pytest
import yaml

from helpers import tiny
from helpers.own_folder import gestures, load
from jointwise.config.schema import Config
from jointwise.data.dataset import Dataset
from jointwise.errors import CheckpointError, ConfigError, StorageError
from jointwise.training.checkpoint import read_json, write_json
from jointwise.training.run_folder import LOCK, opened_run, read_run_settings, run_path, runs_folder

ABOUT = {"stage": "pretrain", "data": "tiny", "seed": 0}


@pytest.fixture(scope="module")
def config() -> Config:
    return tiny.config()


@pytest.fixture
def run(tmp_path: Path, config: Config) -> Path:
    with opened_run(tmp_path / "deep" / "run", config, ABOUT, resume=False):
        pass
    return tmp_path / "deep" / "run"


def test_the_default_place_names_data_system_stage_labels_and_seed(dataset: Dataset) -> None:
    assert run_path(dataset, "s", "pretrain", 3) == Path("runs/tiny/s/pretrain-seed3")
    assert run_path(dataset, "s", "finetune", 0, "0.1") == Path("runs/tiny/s/finetune-0.1-seed0")


def test_the_default_place_names_the_split_where_there_are_several(folds: Dataset) -> None:
    assert run_path(folds, "s", "finetune", 0, "0.1") == Path("runs/tiny/s/finetune-fold2-0.1-seed0")


def test_folders_of_the_same_name_have_runs_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JOINTWISE_DATA", str(tmp_path / "stores"))
    monkeypatch.chdir(tmp_path)
    first, second = (load(gestures(tmp_path / place / "own", each=2)) for place in ("a", "b"))
    assert runs_folder(first, quick=False) == Path("runs/own")
    other = runs_folder(second, quick=False)
    assert other.parent == Path("runs")
    assert other.name.startswith("own-")
    assert runs_folder(second, quick=False) == other  # where --resume looks
    assert runs_folder(first, quick=False) == Path("runs/own")
    assert runs_folder(second, quick=True) == Path("runs/quick/own")  # the first one there
    (tmp_path / "a").rename(tmp_path / "moved")
    assert runs_folder(load(tmp_path / "moved" / "own"), quick=False) == Path("runs/own")


def test_a_new_run_keeps_its_settings_and_what_it_is_about(run: Path, config: Config) -> None:
    settings = yaml.safe_load((run / "config.yaml").read_text())
    assert settings["encoder"]["width"] == config.encoder.width == 16
    assert read_json(run / "about.json") == ABOUT


def test_a_run_that_exists_already_is_refused_and_the_ways_out_are_named(run: Path, config: Config) -> None:
    before = (run / "config.yaml").read_text()
    with (
        pytest.raises(ConfigError, match=r"run exists already\. Continue it with --resume, name another .* --run, or"),
        opened_run(run, config, ABOUT, resume=False),
    ):
        pass
    assert (run / "config.yaml").read_text() == before


def test_an_empty_folder_is_a_fine_place_for_a_run(tmp_path: Path, config: Config) -> None:
    with opened_run(tmp_path, config, ABOUT, resume=False):
        pass
    assert (tmp_path / "config.yaml").is_file()


def test_a_folder_of_something_else_is_never_resumed(tmp_path: Path, config: Config) -> None:
    (tmp_path / "thesis.tex").write_text("")
    with pytest.raises(ConfigError, match="exists already"), opened_run(tmp_path, config, ABOUT, resume=False):
        pass
    with (
        pytest.raises(CheckpointError, match=r"not a run \(no config.yaml\)"),
        opened_run(tmp_path, config, ABOUT, resume=True),
    ):
        pass


@pytest.mark.parametrize("resume", [False, True])
def test_a_file_in_the_place_of_a_run_is_named(tmp_path: Path, config: Config, resume: bool) -> None:
    (tmp_path / "run").write_text("")
    with pytest.raises(ConfigError, match=r"run is a file.*--run"), opened_run(tmp_path / "run", config, ABOUT, resume):
        pass


def test_nothing_to_resume_says_start_without_resume(tmp_path: Path, config: Config) -> None:
    with (
        pytest.raises(CheckpointError, match=r"nothing to resume here\. Start it without --resume"),
        opened_run(tmp_path / "run", config, ABOUT, resume=True),
    ):
        pass
    assert not (tmp_path / "run").exists()


def test_the_same_settings_may_resume(run: Path, config: Config) -> None:
    with opened_run(run, config, ABOUT, resume=True):
        pass


@pytest.mark.parametrize("option", [("--execution.log_every", "7"), ("--execution.checkpoint_every", "7")])
def test_how_it_is_executed_may_change_when_resumed(run: Path, option: tuple[str, str]) -> None:
    with opened_run(run, tiny.config(*option), ABOUT, resume=True):
        pass


def test_another_setting_is_named_with_both_values(run: Path) -> None:
    with (
        pytest.raises(ConfigError, match=r"started with pretrain\.lr 0\.001, now it is 0\.5\. Resume with the same"),
        opened_run(run, tiny.config("--pretrain.lr", "0.5"), ABOUT, resume=True),
    ):
        pass


@pytest.mark.parametrize("change", [{"seed": 1}, {"data": "other"}, {"labels": "0.1"}])
def test_another_seed_data_or_label_share_is_named(run: Path, config: Config, change: dict[str, object]) -> None:
    (key, value), *_ = change.items()
    with (
        pytest.raises(ConfigError, match=rf"was started with {key} .*, now it is {value!r}"),
        opened_run(run, config, ABOUT | change, resume=True),
    ):
        pass


@pytest.mark.parametrize("content", ["", "- 1", "encoder: [", "text"])
def test_damaged_settings_are_named(run: Path, config: Config, content: str) -> None:
    (run / "config.yaml").write_text(content)
    with pytest.raises(CheckpointError, match=r"config\.yaml"), opened_run(run, config, ABOUT, resume=True):
        pass


def test_a_folder_that_cannot_be_made_says_what_to_do(tmp_path: Path, config: Config) -> None:
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(StorageError, match=r"cannot write .*--run"),
        opened_run(tmp_path / "file" / "run", config, ABOUT, resume=False),
    ):
        pass


def test_a_run_is_held_by_one_process(run: Path, config: Config) -> None:
    with opened_run(run, config, ABOUT, resume=True):
        with pytest.raises(CheckpointError, match="another jointwise is training this run"):
            opened_run(run, config, ABOUT, resume=True).__enter__()
        assert (run / LOCK).is_file()
    assert not (run / LOCK).exists()
    with opened_run(run, config, ABOUT, resume=True):
        pass


@pytest.mark.parametrize(
    "left", ["about.json", "about.json.unfinished", "config.yaml", "training.lock", "about.json config.yaml.unfinished"]
)
def test_a_run_that_was_stopped_before_it_began_starts_anew(tmp_path: Path, config: Config, left: str) -> None:
    with opened_run(tmp_path / "run", config, ABOUT, resume=False):
        pass
    for file in (tmp_path / "run").iterdir():
        if file.name not in left.split():
            file.unlink()
    for name in left.split():
        (tmp_path / "run" / name).touch()
    with pytest.raises(CheckpointError, match="Start it without --resume"):
        read_run_settings(tmp_path / "run")
    with pytest.raises(CheckpointError, match="Start it without --resume"):
        opened_run(tmp_path / "run", config, ABOUT, resume=True).__enter__()
    with opened_run(tmp_path / "run", config, ABOUT, resume=False):
        pass
    with opened_run(tmp_path / "run", config, ABOUT, resume=True):
        pass


@pytest.mark.parametrize("name", ["../../../x", "a/b", "..", "a\\b", "x\0", "", 3, "x" * 300])
def test_a_name_that_would_be_a_path_is_refused_when_about_json_is_read(run: Path, name: object) -> None:
    write_json(run / "about.json", {"system": name, "stage": "pretrain", "seed": 0, "labels": "none"})
    with pytest.raises(CheckpointError, match=r"about\.json: (system: .* is no name|damaged \(system: expected text)"):
        read_run_settings(run)


def test_a_setting_that_was_cut_off_is_named_with_its_file(run: Path) -> None:
    text = (run / "config.yaml").read_text()
    (run / "config.yaml").write_text(text.replace("compile: false", "compile: fal"))
    with pytest.raises(ConfigError, match=r"config\.yaml: execution\.compile fal: expected true or false"):
        read_run_settings(run)
