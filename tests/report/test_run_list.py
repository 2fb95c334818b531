"""The list of runs: state, steps, scores, size and age of each; what can be resumed, and what may be deleted."""

import os
import shlex
import time
from pathlib import Path
from typing import Any

import pytest

from helpers import tiny
from jointwise.data.dataset import Dataset
from jointwise.data.locks import is_locked
from jointwise.errors import CheckpointError, ConfigError
from jointwise.report.run_list import DAMAGED, FINISHED, RUNNING, STOPPED, list_runs, resume_words, summarise
from jointwise.stages.pretrain import pretrain
from jointwise.training.checkpoint import read_json, write_json
from jointwise.training.loop import Interrupted
from jointwise.training.model_folder import runs_below
from jointwise.training.run_folder import LOCK, check_deletable, delete_run, opened_run, read_run_settings

ABOUT: dict[str, Any] = {
    "stage": "pretrain",
    "system": "mamp",
    "data": "tiny",
    "seed": 3,
    "labels": "none",
    "arguments": ["mamp", "--data", "a folder/"],
}


def begin(folder: Path, **about: Any) -> Path:
    """A run that was begun and stopped."""
    with opened_run(folder, tiny.config(), ABOUT | about, resume=False):
        pass
    return folder


def test_a_finished_run_is_told_with_steps_and_scores(finetuned: Path) -> None:
    (run,) = list_runs(finetuned)
    assert (run.state, run.stage, run.system, run.data) == (FINISHED, "finetune", tiny.SYSTEM, "tiny")
    assert (run.done, run.steps, run.labels, run.seed) == (12, 12, "1.0", 0)
    (result,) = (read_json(path) for path in (finetuned / "results").glob("*-finetune-*.json"))
    (score,) = (one for one in run.scores if one["protocol"] == "finetune")  # other tests judge it by others too
    assert score["top1"] == result["scores"]["top1"]
    assert run.size == sum(path.stat().st_size for path in finetuned.rglob("*") if path.is_file())


@pytest.mark.parametrize(
    ("about", "stage", "steps"),
    [
        ({"stage": "finetune", "pretrained": "x"}, "finetune", ("finetune", 7)),
        ({"stage": "finetune", "pretrained": None}, "scratch", ("scratch", 8)),
        ({"stage": "finetune", "pretrained": "x", "unlabelled": "pseudo"}, "semi", ("semi", 9)),
        ({"stage": "pretrain"}, "pretrain", ("pretrain", 6)),
    ],
)
def test_the_steps_are_those_of_the_stage(
    tmp_path: Path, about: dict[str, Any], stage: str, steps: tuple[str, int]
) -> None:
    group, number = steps
    config = tiny.config(f"--{group}.steps", str(number))
    with opened_run(tmp_path / "run", config, ABOUT | about, resume=False):
        pass
    run = summarise(tmp_path / "run")
    assert (run.state, run.stage, run.done, run.steps) == (STOPPED, stage, 0, number)


def test_a_stopped_run_has_done_what_its_checkpoint_has_and_a_running_one_what_its_log_says(tmp_path: Path) -> None:
    run = begin(tmp_path / "run")
    write_json(run / "checkpoint" / "state.json", {"step": 5, "tensors": "x"})
    (run / "metrics.jsonl").write_text('{"step": 5, "loss": 1.0}\n{"step": 7, "loss": 0.9}\n')
    assert (summarise(run).state, summarise(run).done) == (STOPPED, 5)
    with opened_run(run, tiny.config(), ABOUT, resume=True):
        assert (summarise(run).state, summarise(run).done) == (RUNNING, 7)
        with pytest.raises(ConfigError, match="is going on already"):
            resume_words(run)
    assert summarise(run).state == STOPPED


def test_runs_are_found_as_deep_as_commands_put_them_newest_first(tmp_path: Path) -> None:
    places = ["quick/data/system/a", "data/system/b", "c", "demo/pretrain"]
    for age, place in enumerate(places):
        run = begin(tmp_path / place)
        for path in (*run.iterdir(), run):
            os.utime(path, (time.time() - 3600 * age,) * 2)
    found = list_runs(tmp_path)
    assert [run.path.relative_to(tmp_path).as_posix() for run in found] == places
    assert [round(run.age / 3600) for run in found] == [0, 1, 2, 3]
    assert runs_below(tmp_path / "c") == [tmp_path / "c"]
    assert list_runs(tmp_path / "nothing") == []


@pytest.mark.parametrize(
    ("file", "content"),
    [("about.json", "{"), ("about.json", "[]"), ("config.yaml", "- 1"), ("config.yaml", "nonsense: 1"), ("run", "")],
)
def test_a_damaged_run_is_listed_as_one_and_hides_no_other(tmp_path: Path, file: str, content: str) -> None:
    begin(tmp_path / "good")
    run = begin(tmp_path / "bad")
    (run / file).write_text(content)
    if file == "run":  # a result that was cut off
        (run / "results").mkdir()
        (run / "results" / "x.json").write_text("{")
    assert {one.path.name: one.state for one in list_runs(tmp_path)} == {"good": STOPPED, "bad": DAMAGED}


def test_a_run_keeps_the_command_that_resumes_it(tmp_path: Path) -> None:
    run = begin(tmp_path / "run")
    assert resume_words(run) == f"jointwise pretrain mamp --data 'a folder/' --run {run} --resume"
    moved = run.rename(tmp_path / "moved")
    assert shlex.split(resume_words(moved))[-3:] == ["--run", str(moved), "--resume"]


def test_a_resumed_run_notes_where_its_data_lie_now(tmp_path: Path) -> None:
    run = begin(tmp_path / "run")
    now = ["mamp", "--data", "elsewhere/"]
    with opened_run(run, tiny.config(), ABOUT | {"arguments": now}, resume=True):
        pass
    assert "--data elsewhere/" in resume_words(run)


def test_a_run_without_that_note_is_resumed_by_hand_and_gets_it(tmp_path: Path) -> None:
    run = begin(tmp_path / "run")
    old = {key: value for key, value in ABOUT.items() if key != "arguments"}
    write_json(run / "about.json", old)
    with pytest.raises(CheckpointError, match=r"did not note where its data \('tiny'\) lie.*--data DATA --run"):
        resume_words(run)
    with opened_run(run, tiny.config(), ABOUT, resume=True):
        pass
    assert "--data 'a folder/'" in resume_words(run)


def test_the_note_is_what_an_interrupted_training_says(
    dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jointwise.training.distributed.all_reduce_any", lambda _flag: True)
    with pytest.raises(Interrupted) as stopped:
        pretrain(tiny.config(), dataset, 0, tmp_path / "run")
    assert str(stopped.value).endswith(f"Go on with: {resume_words(tmp_path / 'run')}")


def test_a_finished_run_is_not_resumed(finetuned: Path) -> None:
    with pytest.raises(ConfigError, match="finished, so there is nothing to resume"):
        resume_words(finetuned)


def test_to_ask_whether_a_file_is_locked_changes_nothing(tmp_path: Path) -> None:
    assert not is_locked(tmp_path / LOCK)
    assert not list(tmp_path.iterdir())
    run = begin(tmp_path / "run")
    (run / LOCK).touch()  # left by a process that was killed
    assert not is_locked(run / LOCK)
    with opened_run(run, tiny.config(), ABOUT, resume=True):
        assert is_locked(run / LOCK)
        assert is_locked(run / LOCK)


def test_a_run_is_deleted_whole(tmp_path: Path) -> None:
    run = begin(tmp_path / "run")
    write_json(run / "checkpoint" / "state.json", {"step": 5})
    delete_run(run)
    assert not list(tmp_path.iterdir())


def test_what_is_no_run_holds_one_or_is_trained_is_never_deleted(tmp_path: Path) -> None:
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "config.yaml").touch()  # of something else
    outer = begin(tmp_path / "outer")
    inner = begin(outer / "inner")
    (tmp_path / "link").symlink_to(inner)
    for path, words in (
        (tmp_path / "thesis", "no run here"),
        (tmp_path, "no run here, so nothing is deleted. Runs in it"),
        (tmp_path / "nothing", "no run here"),
        (tmp_path / "link", "no run here"),
        (outer, "holds another run, .*inner"),
    ):
        with pytest.raises(CheckpointError, match=words):
            check_deletable(path)
        with pytest.raises(CheckpointError, match=words):
            delete_run(path)
    with (
        opened_run(inner, tiny.config(), ABOUT, resume=True),
        pytest.raises(CheckpointError, match=r"is going on\. Stop it first"),
    ):
        delete_run(inner)
    assert read_run_settings(inner)[1] == ABOUT
