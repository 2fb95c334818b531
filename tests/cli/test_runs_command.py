"""`jointwise runs`: what it prints, that it resumes by the printed command, and that it deletes only when told to."""

import json
import os
import shlex
import sys
from pathlib import Path
from typing import Any

import pytest

from helpers import tiny
from jointwise.cli import run as jointwise
from jointwise.errors import CheckpointError, ConfigError
from jointwise.training.run_folder import opened_run

ABOUT: dict[str, Any] = {
    "stage": "pretrain",
    "system": "mamp",
    "data": "tiny",
    "seed": 3,
    "labels": "none",
    "arguments": ["mamp", "--data", "tiny"],
}


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def two() -> tuple[Path, Path]:
    """Two runs that were stopped, the second one newer."""
    runs = Path("runs/tiny/mamp/pretrain-seed3"), Path("runs/b")
    for age, run in zip((7200, 60), runs, strict=True):
        with opened_run(run, tiny.config(), ABOUT, resume=False):
            pass
        for path in (*run.iterdir(), run):
            os.utime(path, (path.stat().st_mtime - age,) * 2)
    return runs


def answer(monkeypatch: pytest.MonkeyPatch, word: str) -> None:
    """What the user types at the question."""
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True, raising=False)
    monkeypatch.setattr("builtins.input", lambda _question: word)


def test_without_runs_it_says_how_to_make_some(capsys: pytest.CaptureFixture[str]) -> None:
    jointwise(["runs"])
    assert capsys.readouterr().out.startswith("no runs in runs/. jointwise demo makes some")
    jointwise(["runs", "--json"])
    assert capsys.readouterr().out == ""
    with pytest.raises(ConfigError, match="elsewhere: no such folder"):
        jointwise(["runs", "elsewhere"])


def test_the_list_has_a_line_for_each_run_and_the_way_on(
    two: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    jointwise(["runs"])
    head, newer, older, _, total, hint = capsys.readouterr().out.splitlines()
    assert head.split() == ["run", "state", "data", "system", "stage", "steps", "score", "size", "age"]
    assert newer.split()[:6] == ["runs/b", "stopped", "tiny", "mamp", "pretrain", "0/12"]
    assert newer.split()[-2:] == ["1", "min"]
    assert older.split()[0] == "runs/tiny/mamp/pretrain-seed3"
    assert older.split()[-4:] == ["2", "h", "00", "min"]
    assert total.startswith("2 runs, ")
    assert hint == "go on with one: jointwise runs --resume runs/b"


def test_scores_are_in_percent(finetuned: Path, capsys: pytest.CaptureFixture[str]) -> None:
    jointwise(["runs", str(finetuned), "--json"])
    scores = json.loads(capsys.readouterr().out)["scores"]
    (score,) = (one for one in scores if one["protocol"] == "finetune")  # other tests judge it by others too
    jointwise(["runs", str(finetuned)])
    assert f"finetune {100 * score['top1']:.1f} %" in capsys.readouterr().out.replace("\n", " ")


def test_json_is_an_object_per_run(two: tuple[Path, Path], capsys: pytest.CaptureFixture[str]) -> None:
    jointwise(["runs", "--json"])
    newer, older = map(json.loads, capsys.readouterr().out.splitlines())
    assert newer["path"] == "runs/b"
    assert (older["path"], older["done"], older["steps"], older["seed"]) == (str(two[0]), 0, 12, 3)
    assert older["age"] == pytest.approx(7200, abs=60)


def test_resume_prints_the_command_and_becomes_it(
    two: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    became: list[list[str]] = []
    monkeypatch.setattr(os, "execv", lambda _program, words: became.append(words))
    jointwise(["runs", "--resume", "runs/b"])
    command = "jointwise pretrain mamp --data tiny --run runs/b --resume"
    assert capsys.readouterr().out == command + "\n"
    assert became == [[sys.executable, "-m", *shlex.split(command)]]


def test_delete_asks_and_deletes_what_was_named(
    two: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    answer(monkeypatch, "")
    jointwise(["runs", "--delete", *map(str, two)])
    assert capsys.readouterr().out.endswith("nothing was deleted\n")
    assert all(run.is_dir() for run in two)
    answer(monkeypatch, "y")
    jointwise(["runs", "--delete", str(two[0])])
    assert "deleted 1 run" in capsys.readouterr().out
    assert (two[0].exists(), two[1].exists()) == (False, True)


def test_yes_deletes_without_asking_and_without_a_terminal_it_is_needed(
    two: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stdin, "isatty", lambda: False, raising=False)
    with pytest.raises(ConfigError, match="Add --yes"):
        jointwise(["runs", "--delete", *map(str, two)])
    assert all(run.is_dir() for run in two)
    jointwise(["runs", "--delete", *map(str, two), "--yes"])
    assert not any(run.exists() for run in two)


@pytest.mark.parametrize("other", ["runs/tiny", "outside", "runs/../outside", "runs/linked"])
def test_one_wrong_name_and_nothing_is_deleted(two: tuple[Path, Path], other: str) -> None:
    with opened_run(Path("outside"), tiny.config(), ABOUT, resume=False):
        pass
    Path("runs/linked").symlink_to(Path("outside").resolve())
    with pytest.raises((ConfigError, CheckpointError), match=r"not deleted|nothing is deleted"):
        jointwise(["runs", "--delete", str(two[0]), other, "--yes"])
    assert all(run.is_dir() for run in (*two, Path("outside")))


def test_a_run_that_is_trained_is_not_deleted(two: tuple[Path, Path]) -> None:
    with (
        opened_run(two[1], tiny.config(), ABOUT, resume=True),
        pytest.raises(ConfigError, match=r"is going on\. Stop it first\. Nothing was deleted"),
    ):
        jointwise(["runs", "--delete", *map(str, two), "--yes"])
    assert all(run.is_dir() for run in two)


def test_yes_alone_is_a_mistake() -> None:
    with pytest.raises(ConfigError, match="--yes: it answers the question of --delete"):
        jointwise(["runs", "--yes"])
