"""A model that is taught an action by a few clips names it, keeps it, forgets it, and refuses what cannot be taught."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from helpers import tiny
from jointwise.cli import run as jointwise
from jointwise.data.datasets import DATASETS
from jointwise.data.sequence import Sequence
from jointwise.data.skeletons import NTU25
from jointwise.errors import CheckpointError, ConfigError, DataError, ReadError
from jointwise.inference import enroll
from jointwise.inference.answers import NONE
from jointwise.inference.recognizer import Recognizer
from jointwise.inference.taught import FILE

pytestmark = pytest.mark.usefixtures("registered")


def spin(seed: int, pace: float = 1.0) -> Sequence:
    """A person whose arms and legs go round: nothing that the tiny data have."""
    random = np.random.default_rng(seed)
    turn = pace * np.linspace(0, 6 * np.pi, 30)[:, None]
    positions = random.normal(0, 0.3, (1, 20, 3)).repeat(30, 0) * (1, 1, 1) + (0, 0, 3)
    positions[:, 4:] += 0.3 * np.stack([np.sin(turn), np.cos(turn), 0 * turn], -1)
    return Sequence(positions[None].astype(np.float32), tiny.KINECT20, source=f"spin-{seed}")


@pytest.fixture
def taught(finetuned: Path) -> Recognizer:
    recognizer = Recognizer.from_pretrained(finetuned)
    recognizer.enroll("spin", [spin(0), spin(1)])
    return recognizer


@pytest.fixture
def model(finetuned: Path, tmp_path: Path) -> Path:
    shutil.copytree(finetuned / "model", tmp_path / "model")
    return tmp_path / "model"


def test_a_taught_action_is_named_beside_the_classes(finetuned: Path, taught: Recognizer) -> None:
    assert taught.classes == (*tiny.CLASSES, "spin")
    assert taught.taught == ("spin",)
    answer = taught.predict(spin(2))
    assert answer.label == "spin"
    assert sum(answer.probabilities.values()) == pytest.approx(1, abs=1e-5)
    before = Recognizer.from_pretrained(finetuned).predict(spin(2)).probabilities
    share = 1 - answer.probabilities["spin"]
    for name in tiny.CLASSES:
        assert answer.probabilities[name] == pytest.approx(share * before[name], abs=1e-4)


def test_timelines_know_it_and_one_clip_is_enough(finetuned: Path) -> None:
    recognizer = Recognizer.from_pretrained(finetuned)
    recognizer.enroll("spin", spin(0))
    (segment,) = recognizer.timeline(spin(0))
    assert segment.label == "spin"


def test_forgetting_brings_the_answers_of_before_back(finetuned: Path, taught: Recognizer) -> None:
    taught.forget("spin")
    before = Recognizer.from_pretrained(finetuned)
    assert taught.predict(spin(2)).probabilities == before.predict(spin(2)).probabilities
    assert taught.classes == tiny.CLASSES
    with pytest.raises(ConfigError, match=r"taught nothing\. 'up' is a class of its training"):
        taught.forget("up")


def test_it_is_saved_in_a_copy_or_in_place_and_opened_again(taught: Recognizer, model: Path, tmp_path: Path) -> None:
    taught.save(tmp_path / "copy")
    expected = taught.predict(spin(3)).probabilities
    assert Recognizer.from_pretrained(tmp_path / "copy").predict(spin(3)).probabilities == expected
    inside = Recognizer.from_pretrained(model)
    inside.enroll("spin", [spin(0), spin(1)])
    inside.save()
    opened = Recognizer.from_pretrained(model)
    assert opened.predict(spin(3)).probabilities == pytest.approx(expected)
    opened.forget("spin")
    opened.save()
    assert not (model / FILE).exists()
    assert Recognizer.from_pretrained(model).taught == ()


@pytest.mark.parametrize(
    ("name", "clips", "message"),
    [
        ("up", [spin(0)], "knows 'up' from its training"),
        ("spin", [spin(0)], "taught 'spin' before"),
        (NONE, [spin(0)], "no name for an action"),
        (" ", [spin(0)], "no name for an action"),
        ("two\nlines", [spin(0)], "no name for an action"),
        ("hop", [], "no clip of 'hop'"),
    ],
)
def test_names_that_cannot_be_and_no_clips_are_refused(
    taught: Recognizer, name: str, clips: list[Sequence], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        taught.enroll(name, clips)
    assert taught.taught == ("spin",)


def unseen(sequence: Sequence) -> Sequence:
    return replace(sequence, valid=np.zeros(sequence.positions.shape[:3], bool), source="unseen")


def head_and_neck(sequence: Sequence) -> Sequence:
    return Sequence(sequence.positions[:, :, :2], NTU25.on_joints(["head", "neck"]))


def standing(sequence: Sequence) -> Sequence:
    return replace(sequence, positions=sequence.positions[:, :1].repeat(9, 1), valid=None)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (unseen, "unseen: "),
        (lambda one: np.zeros((9, 7, 3), np.float32), r"needs \(persons, frames, 20, 3\)"),
        (head_and_neck, "too few"),
        (standing, f"answered with '{NONE}'"),
    ],
)
def test_a_clip_that_cannot_be_used_is_named_and_nothing_is_taught(
    taught: Recognizer, spoil: Callable[[Sequence], object], message: str
) -> None:
    with pytest.raises(ReadError, match=message) as error:
        taught.enroll("hop", [spin(4), spoil(spin(5))])  # type: ignore[list-item]
    assert str(error.value).startswith("1 of 2 recordings cannot be used")
    assert taught.taught == ("spin",)


def test_without_the_training_data_the_first_action_says_what_is_needed(
    model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recognizer = Recognizer.from_pretrained(model)
    monkeypatch.delitem(DATASETS, tiny.NAME)
    with pytest.raises(DataError, match="clips of its training are needed once"):
        recognizer.enroll("spin", [spin(0)])
    assert recognizer.taught == ()


def test_a_model_without_classes_answers_from_two_taught_actions_on(
    pretrained: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(enroll, "WITHOUT_CLASSES", tiny.NAME)
    recognizer = Recognizer.from_pretrained(pretrained)
    recognizer.enroll("spin", [spin(0), spin(1)])
    with pytest.raises(CheckpointError, match="knows one taught action, 'spin'"):
        recognizer.predict(spin(2))
    recognizer.enroll("down", [tiny.walk(1, 1, 1), tiny.walk(1, 3, 2)])
    assert recognizer.predict(spin(2)).label == "spin"
    assert recognizer.predict(tiny.walk(1, 1, 1)).label == "down"
    recognizer.save(tmp_path / "copy")
    assert Recognizer.from_pretrained(tmp_path / "copy").classes == ("spin", "down")
    teacher = Recognizer.from_pretrained(tmp_path / "copy", encoder="teacher")
    assert teacher.classes == ()
    with pytest.raises(ConfigError, match="taught to the student"):
        teacher.enroll("hop", spin(3))


def test_the_model_of_the_package_is_never_changed() -> None:
    recognizer = Recognizer.from_pretrained("base")
    with pytest.raises(ConfigError, match="shared by all"):
        recognizer.save()


def test_who_asks_the_model_of_the_package_for_names_is_told_the_commands_that_work(tmp_path: Path) -> None:
    clip = tmp_path / "clip.npz"
    np.savez(clip, positions=spin(0).positions, joints=spin(0).skeleton.joints)
    with pytest.raises(CheckpointError) as refused:
        jointwise(["predict", "base", str(clip)])
    told = str(refused.value)
    assert "jointwise finetune base --data DATA" in told
    assert "jointwise enroll base NAME FILE… --out MODEL" in told
    hub = enroll.names_nothing(Path("hf://me/gestures"), ())
    assert "jointwise enroll hf://me/gestures NAME" in str(hub)  # a Path keeps one slash
    assert "jointwise enroll 'my model' NAME" in str(enroll.names_nothing(Path("my model"), ()))


def test_a_folder_that_cannot_be_written_is_refused_before_anything_is_taught(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").touch()
    with pytest.raises(ConfigError, match=r"mine exists already\. Name another folder"):
        jointwise(["enroll", "base", "spin", str(tmp_path / "missing.npz"), "--out", str(tmp_path / "mine")])
    with pytest.raises(ConfigError, match=r"base is shared by all .* Teach a copy of it: --out MODEL\.$"):
        jointwise(["enroll", "base", "spin", str(tmp_path / "missing.npz")])
    assert capsys.readouterr().out == ""
    jointwise(["enroll", "base"])
    assert "jointwise enroll base NAME FILE… --out MODEL" in capsys.readouterr().out


def test_the_command_teaches_lists_and_removes(model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = []
    for seed in (0, 1):
        clip = spin(seed)
        files.append(str(tmp_path / f"{seed}.npz"))
        np.savez(files[-1], positions=clip.positions)
    run, copy = str(model), str(tmp_path / "copy")
    jointwise(["enroll", run, "spin", *files])
    assert "taught 'spin' by 2 recordings" in capsys.readouterr().out
    jointwise(["predict", run, files[0]])
    assert ": spin " in capsys.readouterr().out
    jointwise(["enroll", run, "--remove", "spin", "--out", copy])
    assert "removed 'spin'" in capsys.readouterr().out
    jointwise(["enroll", run])
    jointwise(["enroll", copy])
    printed = capsys.readouterr().out
    assert "taught   spin" in printed
    assert "taught   nothing yet" in printed
    with pytest.raises(ConfigError, match=r"--out MODEL"):
        jointwise(["enroll", "base", "spin", *files])
    with pytest.raises(ConfigError, match="--remove takes the name"):
        jointwise(["enroll", run, "hop", "--remove", "spin"])
