"""`jointwise doctor` and `jointwise init`: what they print, write and return."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from jointwise import cli
from jointwise.data.formats import npz
from jointwise.data.synthetic import ACTIONS, generate
from jointwise.errors import ConfigError, DataError


def run(*words: str | Path) -> None:
    cli.run([str(word) for word in words])


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A flat folder of two actions by four persons, named by subject."""
    folder = tmp_path_factory.mktemp("made")
    for sequence in generate(subjects=(1, 2, 3, 4), cameras=(2,)):
        if (name := ACTIONS[sequence.label or 0]) in ("wave", "kick"):
            (folder / name).mkdir(exist_ok=True)
            count = len(list((folder / name).glob(f"s{sequence.subject}_*")))
            npz.write(folder / name / f"s{sequence.subject}_{count}.npz", sequence)
    return folder


@pytest.fixture
def place(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("JOINTWISE_DATA", str(tmp_path / "stores"))
    return shutil.copytree(made, tmp_path / "my moves")


def test_a_clean_folder_passes_and_leads_to_init_then_to_prepare(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run("doctor", "my moves")
    out = capsys.readouterr().out
    assert "ntu25, 25 joints, 3D" in out
    assert "npz (jointwise, numpy.savez), by its content" in out
    assert "next        jointwise init 'my moves'" in out
    run("init", "my moves")
    assert "next     jointwise doctor 'my moves'" in capsys.readouterr().out
    text = (place / "dataset.yaml").read_text()
    assert "skeleton: ntu25" in text
    assert "test_subjects: [2, 4]" in text
    run("doctor", "my moves")
    assert "next        jointwise prepare 'my moves'" in capsys.readouterr().out
    with pytest.raises(ConfigError, match="exists already"):
        run("init", "my moves")
    run("prepare", "my moves")  # what init wrote is taken


def test_what_would_spoil_a_training_ends_with_1(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (place / "wave" / "cut.npz").write_bytes(b"")
    with pytest.raises(SystemExit) as end:
        run("doctor", "my moves")
    assert end.value.code == 1
    out = capsys.readouterr().out
    assert "stop     unreadable" in out
    assert "wave/cut.npz: the file is empty (0 bytes)" in out.replace("my moves/", "")
    assert "next        jointwise prepare 'my moves' --skip-bad" in out


def test_what_is_worth_a_look_ends_with_1_only_if_strict(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = next((place / "wave").glob("*.npz"))
    with np.load(path) as file:
        np.savez(path, **(dict(file) | {"fps": np.float64(120)}))
    run("doctor", "my moves", "--json")
    told = json.loads(capsys.readouterr().out)
    assert (told["verdict"], told["place"]) == ("look", "my moves")
    assert "frame rates differ" in {finding["check"] for finding in told["findings"]}
    assert len(told["recordings"]) == len(list(place.rglob("*.npz")))
    assert told["next"] == "jointwise init 'my moves'"
    with pytest.raises(SystemExit):
        run("doctor", "my moves", "--strict")


def test_options_replace_what_a_file_says(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = next((place / "wave").glob("*.npz"))
    run("doctor", path, "--fps", "50", "--json")
    assert json.loads(capsys.readouterr().out)["recordings"][0]["fps"] == 50
    with pytest.raises(ConfigError, match="--workers -1"):
        run("doctor", path, "--workers", "-1")


def test_init_takes_classes_from_a_table(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = sorted(place.rglob("*.npz"))
    rows = [f"{path.relative_to(place)},{'two' if path.parent.name == 'kick' else 'one'}" for path in files]
    (place / "labels.csv").write_text("\n".join(["file,label", *rows]))
    run("init", "my moves", "--from", "my moves/labels.csv")
    assert "labels: labels.csv" in (place / "dataset.yaml").read_text()
    run("doctor", "my moves", "--json")
    labels = [recording["label"] for recording in json.loads(capsys.readouterr().out.split("\n")[-2])["recordings"]]
    assert labels == [int(path.parent.name == "kick") for path in files]


def test_init_says_what_it_cannot_describe(place: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such folder"):
        run("init", "none")
    (tmp_path / "bad/wave").mkdir(parents=True)
    (tmp_path / "bad/wave/1.npz").write_bytes(b"")
    with pytest.raises(DataError, match="not one recording can be read"):
        run("init", "bad")
    (place / "labels.csv").write_text("file,label\nnone,one")
    with pytest.raises(DataError, match="1 of 1 files are not in the folder"):
        run("init", "my moves", "--from", "my moves/labels.csv")
    assert not (place / "dataset.yaml").exists()
