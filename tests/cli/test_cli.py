"""The command line, driven in-process: the whole road, and one helpful message for every mistake."""

import csv
import io
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.io

import jointwise
from helpers import tiny
from helpers.stopping import stop_in_step
from jointwise import cli
from jointwise.cli.arguments import FINETUNE_SETTINGS, PRETRAIN_SETTINGS, TABLE_SETTINGS
from jointwise.config.layers import make_config
from jointwise.config.schema import Config
from jointwise.data.datasets import DATASETS
from jointwise.data.formats import npz
from jointwise.errors import CheckpointError, ConfigError, DataError, JointwiseError, JointwiseWarning, ReadError
from jointwise.training.loop import Interrupted

COMMANDS = (
    *("demo", "datasets", "prepare", "pretrain", "finetune", "evaluate", "predict", "import", "report", "view"),
    *("table", "join", "convert"),
)
QUICK = ("--data", "tiny", "--quick", *tiny.SMALL)


@pytest.fixture(scope="module")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two recordings, one in a folder below, and a text."""
    folder = tmp_path_factory.mktemp("recordings")
    (folder / "below").mkdir()
    (folder / "notes.txt").write_text("not a recording")
    for path, sequence in zip((folder / "first.mat", folder / "below" / "second.mat"), tiny.sequences(), strict=False):
        scipy.io.savemat(path, {"d_skel": sequence.positions[0].transpose(1, 2, 0)})
    return folder


def run(*words: str | Path) -> None:
    cli.run([str(word) for word in words])


def main(monkeypatch: pytest.MonkeyPatch, *words: str | Path) -> int:
    """The exit status of the command."""
    monkeypatch.setattr(sys, "argv", ["jointwise", *map(str, words)])
    try:
        cli.main()
    except SystemExit as stop:
        return int(stop.code or 0)
    return 0


# --- the whole road ---


@pytest.mark.slow
def test_the_whole_road_from_a_data_set_to_names(
    tmp_path: Path, recordings: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(DATASETS, "tiny", tiny.SOURCE)
    monkeypatch.setenv("JOINTWISE_DATA", str(tmp_path / "stores"))

    run("prepare", "tiny")
    assert "30 to train, 30 to test" in capsys.readouterr().out
    run("datasets")
    assert str(tmp_path / "stores" / "tiny") in capsys.readouterr().out

    run("pretrain", tiny.SYSTEM, *QUICK)
    pretrained = Path("runs/quick/tiny") / tiny.SYSTEM / "pretrain-seed0"
    out = capsys.readouterr().out
    assert f"jointwise finetune {pretrained} --data tiny --labels 0.1 --quick" in out
    run("finetune", pretrained, *QUICK, "--labels", "0.5", "--results", "results")
    finetuned = Path("runs/quick/tiny") / tiny.SYSTEM / "finetune-0.5-seed0"
    assert "30 clips: cross-subject (odd train, even test)" in capsys.readouterr().out
    run("finetune", tiny.BASELINE, *QUICK, "--labels", "0.5", "--seed", "3", "--results", "results")
    assert (Path("runs/quick/tiny") / tiny.BASELINE / "scratch-0.5-seed3" / "model" / "config.json").is_file()
    for protocol in ("knn", "linear"):
        run("evaluate", pretrained, "--protocol", protocol, "--data", "tiny", "--results", "results")
        run("evaluate", "raw", "--protocol", protocol, "--data", "tiny", "--results", "results")
    run("evaluate", finetuned, "--protocol", "score", "--data", "tiny", "--results", "results")
    assert sorted(path.stem for path in Path("results").glob("*.json")) == sorted(
        (
            *(f"{tiny.SYSTEM}-quick-{rest}" for rest in ("finetune-0.5-seed0", "knn-1.0-seed0", "linear-1.0-seed0")),
            *(f"{tiny.SYSTEM}-quick-score-0.5-seed0", f"{tiny.BASELINE}-quick-scratch-finetune-0.5-seed3"),
            *("raw-knn-1.0-seed0", "raw-linear-1.0-seed0"),
        )
    )

    capsys.readouterr()
    run("predict", finetuned, recordings)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2
    assert lines[0].startswith(f"{recordings / 'below' / 'second.mat'}: ")
    run("predict", finetuned, recordings / "first.mat", "--json")
    (answer,) = map(json.loads, capsys.readouterr().out.splitlines())
    assert answer["path"] == str(recordings / "first.mat")
    assert answer["label"] == max(answer["probabilities"], key=answer["probabilities"].get)
    assert set(answer["probabilities"]) == set(tiny.CLASSES)

    (finetuned / "report.html").unlink()
    run("report", finetuned)
    assert capsys.readouterr().out.strip() == str(finetuned / "report.html")
    assert (finetuned / "report.html").is_file()


def test_predicting_json_prints_nothing_else(
    finetuned: Path, recordings: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run("predict", finetuned, recordings, "--json")
    captured = capsys.readouterr()
    keys = [set(json.loads(line)) - {"reason"} for line in captured.out.splitlines()]  # the reason for none of these
    assert keys == [{"path", "label", "probabilities"}] * 2
    assert captured.err == ""


@pytest.mark.parametrize(
    "words", [("prepare", "NAME"), ("predict", "NAME", "a.npz"), ("layouts", "NAME"), ("doctor", "NAME")]
)
def test_a_name_that_no_file_may_have_is_an_error_without_a_traceback(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], words: tuple[str, ...]
) -> None:
    name = "x" * 300
    assert main(monkeypatch, *(name if word == "NAME" else word for word in words)) == 1
    error = capsys.readouterr().err
    assert error.startswith("jointwise: ")
    assert name in error


# --- stopping and going on ---


@pytest.mark.parametrize("words", [("pretrain", tiny.SYSTEM), ("finetune", tiny.BASELINE, "--labels", "0.5")])
def test_resume_goes_on_with_a_run_that_ctrl_c_stopped(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], words: tuple[str, ...]
) -> None:
    with monkeypatch.context() as patch:
        stop_in_step(patch, 4)
        assert main(patch, *words, *QUICK, "--run", "run") == 1
    captured = capsys.readouterr()
    assert captured.err.startswith("jointwise: stopped after step 5 of 12, all saved. Go on with: jointwise ")
    assert "--run run" in captured.err
    assert captured.err.strip().endswith("--resume")
    run(*words, *QUICK, "--run", "run", "--resume")
    assert [json.loads(line)["step"] for line in Path("run/metrics.jsonl").read_text().splitlines()] == [*range(1, 13)]


@pytest.mark.parametrize("stage", ["pretrain", "scratch", "finetune"])
def test_the_command_that_ctrl_c_prints_goes_on_as_it_stands(
    place: Path, pretrained: Path, monkeypatch: pytest.MonkeyPatch, stage: str
) -> None:
    words = {
        "pretrain": ("pretrain", tiny.SYSTEM),
        "scratch": ("finetune", tiny.BASELINE),
        "finetune": ("finetune", str(pretrained), "--encoder", "teacher"),
    }[stage]
    with monkeypatch.context() as patch:
        stop_in_step(patch, 4)
        with pytest.raises(Interrupted) as caught:
            run(*words, *QUICK, "--seed", "3", "--run", "run")
    command = shlex.split(str(caught.value).partition("Go on with: ")[2])
    assert command[0] == "jointwise"
    run(*command[1:])
    assert Path("run/model/config.json").is_file()


def test_a_run_that_exists_already_is_kept_and_the_ways_out_named(place: Path) -> None:
    run("pretrain", tiny.SYSTEM, *QUICK, "--run", "run")
    before = Path("run/model/model.safetensors").read_bytes()
    with pytest.raises(
        ConfigError, match=r"run exists already\. Continue it with --resume, name another folder with --run"
    ):
        run("pretrain", tiny.SYSTEM, *QUICK, "--run", "run", "--seed", "1")
    assert Path("run/model/model.safetensors").read_bytes() == before


def test_nothing_to_resume_says_so(place: Path) -> None:
    with pytest.raises(CheckpointError, match="no run to go on with"):
        run("pretrain", tiny.SYSTEM, *QUICK, "--run", "run", "--resume")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "again", "message"),
    [
        (("pretrain", tiny.SYSTEM), ("pretrain", "mamp"), f"run has system {tiny.SYSTEM}, not mamp"),
        (("finetune", tiny.BASELINE), ("finetune", "supervised"), f"run has system {tiny.BASELINE}, not supervised"),
        (("pretrain", tiny.SYSTEM), ("pretrain", tiny.SYSTEM, "--seed", "7"), "run has seed 0, not 7"),
        (("finetune", tiny.BASELINE, "--labels", "0.5"), ("finetune", tiny.BASELINE, "--labels", "1"), "0.5, not 1.0"),
        (("pretrain", tiny.SYSTEM), ("pretrain", tiny.SYSTEM, "--config", "other.yaml"), "pretrain.lr"),
        (("pretrain", tiny.SYSTEM), ("pretrain", tiny.SYSTEM, "--config", "gone.yaml"), "gone.yaml: cannot be read"),
    ],
)  # fmt: skip
def test_what_is_said_again_to_a_run_that_is_resumed_must_be_what_it_has(
    place: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], again: tuple[str, ...], message: str
) -> None:
    with monkeypatch.context() as patch:
        stop_in_step(patch, 4)
        assert main(patch, *words, *QUICK, "--run", "run") == 1
    Path("other.yaml").write_text("pretrain: {lr: 0.5}")
    with pytest.raises(ConfigError, match=re.escape(message)):
        run(*again, *QUICK, "--run", "run", "--resume")
    run(*words, *QUICK, "--run", "run", "--resume")


def test_a_file_of_settings_for_another_system_is_refused(place: Path) -> None:
    Path("mine.yaml").write_text("system: mamp\npretrain: {steps: 3}")
    with pytest.raises(ConfigError, match=f"mine.yaml: is for system 'mamp', but '{tiny.SYSTEM}' is to be trained"):
        run("pretrain", tiny.SYSTEM, *QUICK, "--config", "mine.yaml")


# --- mistakes ---


@pytest.mark.parametrize(
    ("words", "error", "message"),
    [
        (("pretran",), ConfigError, "unknown command 'pretran': did you mean 'pretrain'"),
        (("pretrain", "spatial_segment", *QUICK), ConfigError, "'spatial_segment': did you mean 'spatial_segments'"),
        (("finetune", "supervisd", *QUICK), ConfigError, "did you mean 'supervised'"),
        (("pretrain", tiny.SYSTEM, "--data", "tinny"), ConfigError, "unknown data set 'tinny': did you mean 'tiny'"),
        (("prepare", "utd-mhd"), ConfigError, "unknown data set 'utd-mhd': did you mean 'utd-mhad'"),
        (("pretrain", tiny.SYSTEM, *QUICK, "--pretrain.step", "3"), ConfigError, "did you mean '--pretrain.steps'"),
        (("pretrain", tiny.SYSTEM, *QUICK, "--sede", "3"), ConfigError, "'--sede': did you mean '--seed'"),
        (("pretrain", tiny.SYSTEM, *QUICK, "--seed", "x"), ConfigError, "argument --seed: invalid int value: 'x'"),
        (("pretrain", tiny.SYSTEM), ConfigError, "the following arguments are required: --data"),
        (("pretrain", tiny.BASELINE, "--data", "tiny"), ConfigError, "nothing to pre-train. Train it with: jointwise"),
        (("finetune", "no/run", *QUICK), CheckpointError, "no/run: no finished model here"),
        (("finetune", tiny.BASELINE, *QUICK, "--labels", "2"), ConfigError, "--labels 2.0: expected a share between 0"),
        (("finetune", tiny.BASELINE, *QUICK, "--encoder", "x"), ConfigError, "argument --encoder: invalid choice: 'x'"),
        (("finetune", tiny.BASELINE, *QUICK, "--encoder", "teacher"), ConfigError, "there is one encoder"),
        (("pretrain", tiny.SYSTEM, *QUICK, "--joints", "halpe26,nose"), ConfigError, "unknown joint of 'kinect20'"),
        (("evaluate", "raw", "--protocol", "liner", "--data", "tiny"), ConfigError, "did you mean 'linear'"),
        (("evaluate", "no/run", "--protocol", "knn", "--data", "tiny"), CheckpointError, "no/run: no finished model"),
        (("--quick",), ConfigError, "--quick without a command. Name one first"),
        (("prepare", "tiny", "--workers", "-3"), ConfigError, "--workers -3: at least one process reads"),
        (("pretrain", tiny.SYSTEM, *QUICK, "--joints", ""), ConfigError, "unknown joint of 'kinect20' ''"),
        (("pretrain", tiny.SYSTEM, *QUICK, "--joints", "head,head"), ConfigError, "at least 5 different joints"),
        (("finetune", tiny.BASELINE, *QUICK, "--labels", "0shot"), ConfigError, "--labels 0shot: expected a share"),
        (("predict", "no/run", "x.mat"), CheckpointError, "no/run: no finished model here"),
        (("report", "no/run"), CheckpointError, "no/run: no run here"),
        (("datasets", "--all"), ConfigError, "jointwise datasets: unknown option '--all'"),
        (("pretrain", tiny.SYSTEM, *QUICK, "--config", "gone.yaml"), ConfigError, "gone.yaml: cannot be read"),
        (("pretrain", tiny.SYSTEM, *QUICK, "--validation_subjects", "[2]"), DataError, "subject 2 cannot be held out"),
    ],
    ids=lambda value: " ".join(value[:2]) if isinstance(value, tuple) else None,
)  # fmt: skip
def test_a_mistake_is_an_error_that_helps_and_leaves_no_run(
    place: Path, words: tuple[str, ...], error: type[JointwiseError], message: str
) -> None:
    with pytest.raises(error) as caught:
        run(*words)
    assert message in str(caught.value)
    assert list(place.rglob("runs")) == []


def test_quick_does_not_make_another_system_of_a_system(place: Path) -> None:
    with pytest.raises(ConfigError, match="there is nothing to pre-train"):
        run("pretrain", tiny.BASELINE, *QUICK)


def test_an_error_is_one_message_on_stderr_with_status_1_and_no_traceback(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(monkeypatch, "pretrain", "spatail", *QUICK) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("jointwise: unknown system 'spatail'")
    assert "Traceback" not in captured.err


def test_a_command_that_works_has_status_0(monkeypatch: pytest.MonkeyPatch) -> None:
    assert main(monkeypatch, "datasets") == 0


def test_ctrl_c_outside_a_training_is_status_130(monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "run", stop)
    assert main(monkeypatch, "datasets") == 130


def test_a_damaged_recording_is_named_by_predict(finetuned: Path, recordings: Path, tmp_path: Path) -> None:
    path = tmp_path / "cut.mat"
    path.write_bytes((recordings / "first.mat").read_bytes()[:400])
    with pytest.raises(ReadError, match=r"cut\.mat: damaged"):
        run("predict", finetuned, path)
    with pytest.raises(ReadError, match=r"gone\.mat: no such file"):
        run("predict", finetuned, tmp_path / "gone.mat")


def test_a_folder_that_is_not_there_is_no_file_of_an_unknown_kind(finetuned: Path, tmp_path: Path) -> None:
    with pytest.raises(ReadError, match=r"recordigs: no such file\. Check the path"):
        run("predict", finetuned, tmp_path / "recordigs")


def test_the_score_is_told_although_the_report_cannot_be_written(
    place: Path, finetuned: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(finetuned, "run")
    Path("run/results/other.json").write_text('{"protocol": ')
    with pytest.raises(DataError, match=r"other\.json: damaged, not readable as JSON"):
        run("evaluate", "run", "--protocol", "knn", "--data", "tiny")
    out = capsys.readouterr().out
    assert "labelled   30 of 30 training clips" in out
    assert "top-1" in out


def test_what_was_not_trained_has_no_held_out_loss(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run("pretrain", "mamp", *QUICK, "--pretrain.steps", "1", "--validation_subjects", "[3]")
    line = next(line for line in capsys.readouterr().out.splitlines() if "held-out loss" in line)
    assert re.fullmatch(r"  held-out loss +reconstruction \d\.\d{4}", line)
    run("pretrain", "mamp", *QUICK, "--pretrain.steps", "1", "--run", "other")
    assert "held-out" not in capsys.readouterr().out  # test clips have no losses


def test_a_run_whose_checkpoint_is_gone_says_that_it_starts_again(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        stop_in_step(patch, 4)
        assert main(patch, "pretrain", tiny.SYSTEM, *QUICK, "--run", "run") == 1
    Path("run/checkpoint/state.json").unlink()
    with pytest.warns(JointwiseWarning, match="run: begun before, but there is no checkpoint in it"):
        run("pretrain", tiny.SYSTEM, *QUICK, "--run", "run", "--resume")


def test_names_that_are_no_text_are_printed(
    finetuned: Path, recordings: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    odd = tmp_path / os.fsdecode(b"caf\xe9.mat")
    shutil.copy(recordings / "first.mat", odd)
    with monkeypatch.context() as patch:
        out = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
        patch.setattr(sys, "stdout", out)
        assert main(patch, "predict", finetuned, odd) == 0
    out.seek(0)
    assert r"caf\udce9.mat: " in out.read()


def test_a_damaged_recording_among_others_costs_only_itself(
    finetuned: Path, recordings: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "cut.mat").write_bytes((recordings / "first.mat").read_bytes()[:400])
    with pytest.raises(ReadError, match=r"1 of 3 recordings cannot be used:\n  .*cut\.mat: damaged"):
        run("predict", finetuned, tmp_path / "cut.mat", recordings)
    assert len(capsys.readouterr().out.splitlines()) == 2


def test_predictions_are_written_to_a_table_and_what_fails_is_grouped(
    finetuned: Path, recordings: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("x.npz", "y.npz", "z.npz"):
        np.savez(tmp_path / name, positions=np.random.default_rng(0).normal(size=(1, 9, 6, 3)))
    with pytest.raises(
        ReadError, match=r"3 of 5 recordings cannot be used:\n  3 alike, first: .*x\.npz.*\n    also .*z"
    ):
        run("predict", finetuned, recordings, tmp_path, "--csv", tmp_path / "out.csv")
    with (tmp_path / "out.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["path"] for row in rows] == [str(path) for path in sorted(recordings.rglob("*.mat"))]
    assert set(rows[0]) == {"path", "label", "probability", *tiny.CLASSES}
    assert all(float(row["probability"]) == max(float(row[name]) for name in tiny.CLASSES) for row in rows)
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", f"2 of 5 recordings: {tmp_path / 'out.csv'}\n")


def test_warnings_about_many_recordings_are_one(finetuned: Path, recordings: Path, tmp_path: Path) -> None:
    millimetres = [jointwise.read(path) for path in sorted(recordings.rglob("*.mat"))]
    for place, sequence in enumerate(millimetres):
        npz.write(tmp_path / f"{place}.npz", replace(sequence, positions=1000 * sequence.positions))
    with pytest.warns(JointwiseWarning, match="2 alike, first: .*another unit") as caught:
        run("predict", finetuned, tmp_path)
    assert len(caught) == 1


def test_a_folder_without_recordings_names_the_known_endings(finetuned: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no recording in this folder.*\.mat"):
        run("predict", finetuned, tmp_path)


def test_a_pretrained_run_cannot_predict(pretrained: Path, recordings: Path) -> None:
    with pytest.raises(CheckpointError, match="pre-trained only"):
        run("predict", pretrained, recordings)


def test_an_unwritable_place_says_what_to_do(place: Path) -> None:
    Path("file").write_text("")
    with pytest.raises(JointwiseError, match=r"cannot write file/run: Not a directory.*\(--run for runs"):
        run("pretrain", tiny.SYSTEM, *QUICK, "--run", "file/run")


def test_a_missing_data_set_says_where_its_files_come_from(place: Path) -> None:
    with pytest.raises(DataError, match=r"utd-mhad: .* files come from .* jointwise prepare utd-mhad --root DIR"):
        run("pretrain", tiny.SYSTEM, "--data", "utd-mhad")


# --- help ---


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        run(command, "--help")
    assert caught.value.code == 0
    assert f"usage: jointwise {command}" in capsys.readouterr().out


def test_the_help_lists_every_command_and_so_does_a_bare_call(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        run("--help")
    text = capsys.readouterr().out
    assert all(f"\n    {command} " in text for command in COMMANDS)
    run()
    assert capsys.readouterr().out == text


def test_help_options_lists_all_settings(capsys: pytest.CaptureFixture[str]) -> None:
    for words in (("pretrain", "--help-options"), ("--help-options",)):
        run(*words)
        assert "--pretrain.augment.rotation FLOAT" in capsys.readouterr().out


def test_help_options_has_the_defaults_of_the_system_and_the_data_named(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def told(*words: str) -> dict[str, str]:
        run(*words, "--help-options")
        text = re.sub(r"\s+", " ", capsys.readouterr().out)
        return dict(re.findall(r"--([\w.]+) (?:(?! --[\w.]+ ).)*?\(default: ([^)]*)\)", text))

    for words in (("--data", "wmft"), ("--data", "tiny", "--quick")):
        shown = told("pretrain", "mamp", *words)
        config = make_config("mamp", words[1], quick="--quick" in words)
        assert shown["clip.frames"] == str(config.clip.frames)
        assert shown["encoder.width"] == str(config.encoder.width)
        assert shown["decoder.use"] == str(config.decoder.use)
    assert told("pretrain")["encoder.width"] == str(Config().encoder.width)
    with pytest.raises(ConfigError, match="unknown data set 'wmtf'"):
        run("pretrain", "mamp", "--data", "wmtf", "--help-options")


EARLY = (
    ("pretrain", "recommended", "--data", "synthetic", "--encoder.width", "abc"),
    ("pretrain", "recommended", "--data", "synthetic", "--clip.input", "plac"),
    ("pretrain", "recomended", "--data", "synthetic"),
    ("finetune", "recommended", "--data", "syntetic"),
    ("finetune", "some/run", "--data", "synthetic", "--labels", "7"),
    ("table", "--data", "synthetic", "--execution.precision", "fp8"),
    ("evaluate", "some/run", "--protocol", "knn", "--data", "synthetic", "--config", "gone.yaml"),
)


def test_mistakes_in_values_are_found_before_torch_is_imported() -> None:
    code = (
        "import sys\nfrom jointwise import cli\nfrom jointwise.errors import ConfigError\n"
        f"for words in {EARLY!r}:\n"
        "    try:\n        cli.run(list(words))\n    except ConfigError:\n        continue\n"
        "    sys.exit(f'no error: {words}')\n"
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_folder_of_runs_names_the_runs_in_it(place: Path, finetuned: Path) -> None:
    for words in (("predict", finetuned.parent, "x.mat"), ("report", finetuned.parent)):
        with pytest.raises(CheckpointError, match=rf"Runs in it: .*{re.escape(str(finetuned))}.*Name one"):
            run(*words)


def test_the_next_command_runs_as_printed(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run("pretrain", tiny.SYSTEM, *QUICK, "--run", "a run")
    out = capsys.readouterr().out
    assert "its scores mean nothing" in out
    command = shlex.split(next(line for line in out.splitlines() if line.startswith("  next")).partition("next")[2])
    assert command[:3] == ["jointwise", "finetune", "a run"]
    assert "--quick" in command
    run(*command[1:])
    out = capsys.readouterr().out
    assert "its scores mean nothing" in out
    (result,) = Path("runs/quick/tiny").rglob("results/*.json")
    assert f"{tiny.SYSTEM}-quick-finetune-0.1-seed0" == result.stem
    assert "its scores mean nothing" in (result.parent.parent / "report.html").read_text()
    assert re.search(r"beside it +chance 20\.0 %, majority class 20\.0 %, raw nearest neighbour \d", out)
    run("evaluate", "a run", "--protocol", "knn", "--data", "tiny")  # what comes of a quick run is one
    assert Path(f"a run/results/{tiny.SYSTEM}-quick-knn-1.0-seed0.json").is_file()


def test_a_quick_run_is_never_gone_on_with_as_a_real_one(place: Path) -> None:
    run("pretrain", tiny.SYSTEM, *QUICK)
    with pytest.raises(CheckpointError, match="no run to go on with"):
        run("pretrain", tiny.SYSTEM, "--data", "tiny", *tiny.SMALL, "--resume")


def test_help_shows_the_settings_used_most_and_no_others(capsys: pytest.CaptureFixture[str]) -> None:
    for command, shown in (("pretrain", PRETRAIN_SETTINGS), ("finetune", FINETUNE_SETTINGS), ("table", TABLE_SETTINGS)):
        with pytest.raises(SystemExit):
            run(command, "--help")
        assert re.findall(
            r"^  --([\w.]+\.\w+|validation_subjects|allow_duplicates) ", capsys.readouterr().out, re.M
        ) == [*shown]
        assert len(shown) == 10


def test_quick_said_again_to_a_run_that_is_resumed_changes_nothing(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes = ("--data", "tiny", *tiny.SMALL)  # not those of --quick
    with monkeypatch.context() as patch:
        stop_in_step(patch, 4)
        assert main(patch, "pretrain", tiny.SYSTEM, *sizes, "--run", "run") == 1
    run("pretrain", tiny.SYSTEM, "--data", "tiny", "--quick", "--run", "run", "--resume")
    assert json.loads(Path("run/run.json").read_text())["steps"] == 12


def test_version_is_that_of_the_package(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        run("--version")
    assert capsys.readouterr().out == f"jointwise {jointwise.__version__}\n"
