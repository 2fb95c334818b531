"""What folders stand for: classes, parts of a split, persons above classes."""

from itertools import product
from pathlib import Path

import numpy as np
import pytest

from helpers.own_folder import load, settings, write
from jointwise.cli import run as jointwise
from jointwise.data.checks import check_trainable
from jointwise.data.datasets.folder import revision_of
from jointwise.data.datasets.folder_tree import Tree, tree_of
from jointwise.data.store.reader import TEST, TRAIN, UNUSED
from jointwise.data.synthetic import generate
from jointwise.errors import DataError

OWN = Path("own")


@pytest.fixture(autouse=True)
def stores(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JOINTWISE_DATA", str(tmp_path / "stores"))


def places(*levels: str) -> list[Path]:
    """Two recordings in every combination of folders, each level as words."""
    return [Path(*way, f"{take}.npz") for way in product(*(level.split() for level in levels)) for take in range(2)]


def test_class_folders_are_classes() -> None:
    assert tree_of(OWN, places("wave bow")) == Tree()
    assert tree_of(OWN, places("wave bow", "s01 s02")) == Tree()  # numbered folders in classes are persons or takes
    assert tree_of(OWN, [*places("wave bow", "slow fast"), Path("nod/1.npz")]) == Tree()  # not everywhere
    assert tree_of(OWN, places("train", "fast")) == Tree()  # one class that is called so
    assert tree_of(OWN, []) == Tree()


@pytest.mark.parametrize(
    ("names", "parts"),
    [
        ("train test", {"train": TRAIN, "test": TEST}),
        ("Train val", {"Train": TRAIN, "val": TEST}),
        ("training validation testing", {"training": TRAIN, "testing": TEST, "validation": UNUSED}),
    ],
)
def test_folders_named_like_parts_are_parts(names: str, parts: dict[str, int]) -> None:
    tree = tree_of(OWN, places(names, "wave bow"))
    assert tree == Tree(2, parts)
    assert tree.class_of(Path("train/wave/1.npz")) == "wave"
    assert tree.class_of(Path("train/1.npz")) is None
    assert [tree.part_of(Path(name, "wave", "1.npz")) for name in parts] == list(parts.values())
    assert tree.part_of(Path("_unlabelled/1.npz")) == TRAIN


def test_parts_beside_other_folders_are_refused_until_it_is_said() -> None:
    with pytest.raises(DataError, match=r"test, train look like the parts of a split, but extra beside them not"):
        tree_of(OWN, places("train test extra", "wave bow"))
    assert tree_of(OWN, places("train test extra", "wave bow"), class_level=1) == Tree()


@pytest.mark.parametrize("above", ["subject1 subject2 subject3", "anna ben", "cam1 cam2"])
def test_persons_or_cameras_above_classes_are_refused_until_it_is_said(above: str) -> None:
    with pytest.raises(DataError, match=r"hold folders of the same names: bow, wave\..* class_level: 2 for bow, wave"):
        tree_of(OWN, places(above, "wave bow"))
    assert tree_of(OWN, places(above, "wave bow"), class_level=2) == Tree(2)
    with pytest.raises(DataError, match=r"class_level: 3 for bow, wave"):
        tree_of(OWN, places("train test", above, "wave bow"))
    assert tree_of(OWN, places("train test", above, "wave bow"), class_level=3).parts == {"train": TRAIN, "test": TEST}


def test_a_recording_less_deep_than_the_class_is_refused() -> None:
    with pytest.raises(DataError, match=r"class_level 2 in dataset.yaml, but 1 recording less deep, such as in wave/"):
        tree_of(OWN, [*places("p1 p2", "wave bow"), Path("wave/1.npz")], class_level=2)
    tree = tree_of(OWN, [*places("p1 p2", "wave bow"), Path("1.npz")], class_level=2)
    assert tree.class_of(Path("1.npz")) is None


def test_a_folder_that_is_split_already_keeps_its_split(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = tmp_path / "own"
    for number, place in enumerate(places("train val test", "wave bow")):
        write(root / place, number)
    write(root / "train" / "loose.npz", 99)
    data = load(root)
    assert data.classes == ("bow", "wave")
    assert {name.split("/")[0] for name in data.train.names} == {"train"}
    assert {name.split("/")[0] for name in data.test.names} == {"test"}
    assert data.split == "as the folders say: train/ trains, test/ is scored, val/ is not used"
    check_trainable(data)
    jointwise(["prepare", f"{root}/", "--workers", "1"])
    lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert "split own 5 to train (1 unlabelled), 4 to test, 4 not used: " + data.split in lines
    settings(root, test_files=["*/bow/0.npz"])  # what is said takes precedence
    assert all(name.endswith("bow/0.npz") for name in load(root).test.names)


def test_the_level_of_the_class_is_a_setting_and_the_level_above_may_be_the_subject(tmp_path: Path) -> None:
    root = tmp_path / "own"
    for number, place in enumerate(places("anna ben", "wave bow")):
        write(root / place, number)
    with pytest.raises(DataError, match=r"Which are the classes\?.*subject_pattern: '\(\[\^/\]\+\)/' takes"):
        load(root)
    settings(root, class_level=2, subject_pattern="([^/]+)/")  # as the error says
    data = load(root)
    assert data.classes == ("bow", "wave")
    assert np.unique(data.store.index["subject"]).tolist() == [1, 2]
    settings(root, class_level=1)
    assert load(root).classes == ("anna", "ben")


@pytest.mark.parametrize("level", ["two", 0, True, 1.5])
def test_a_level_that_is_no_number_of_a_folder_is_refused(tmp_path: Path, level: object) -> None:
    write(tmp_path / "own/wave/1.npz", 1)
    settings(tmp_path / "own", class_level=level)
    with pytest.raises(DataError, match=r"dataset.yaml: .*class_level"):
        load(tmp_path / "own")


@pytest.mark.parametrize("key", ["test_subjects", "test_files"])
def test_an_empty_list_trains_on_everything(tmp_path: Path, key: str) -> None:
    root = tmp_path / "own"
    for number, place in enumerate(places("wave bow")):
        write(root / place, number)
    assert len(load(root).test) == 2
    settings(root, **{key: []})
    data = load(root)
    assert (len(data.train), len(data.test), data.split_name) == (4, 0, "all")
    assert data.split == "all recordings train, nothing is scored, as dataset.yaml says"


def test_a_store_that_took_parts_for_classes_is_out_of_date(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number, place in enumerate(places("train test", "wave")):
        write(tmp_path / "own" / place, number)
    now = revision_of(tmp_path / "own")
    monkeypatch.setattr("jointwise.data.datasets.folder.tree_of", lambda *_: Tree())  # as before
    assert revision_of(tmp_path / "own") != now


@pytest.mark.parametrize(
    ("joints", "hint"),
    [(25, "skeleton: ntu25, which fits best of those with 25 joints (ntu25"), (7, "no known layout has 7 joints")],
)
def test_a_hint_names_layouts_that_fit_the_joints(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], joints: int, hint: str
) -> None:
    positions = next(iter(generate(subjects=(3,), cameras=(2,)))).positions[:, :, :joints]
    (tmp_path / "own/wave").mkdir(parents=True)
    np.savez(tmp_path / "own/wave/1.npz", positions=positions)
    jointwise(["prepare", f"{tmp_path}/own/", "--workers", "1"])
    text = " ".join(capsys.readouterr().out.split())
    assert hint in text
    assert "coco17" not in text
