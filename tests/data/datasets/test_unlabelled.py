"""Recordings without a class: where they may lie, and that they train and are never scored."""

import re
from pathlib import Path

import numpy as np
import pytest

from helpers.own_folder import gestures, load, settings, write
from jointwise.cli import run as jointwise
from jointwise.data.checks import check_pretrainable, check_trainable
from jointwise.data.datasets.folder import HELP, revision_of
from jointwise.data.datasets.folder_tree import UNLABELLED
from jointwise.data.store.reader import UNKNOWN
from jointwise.errors import DataError


@pytest.fixture(autouse=True)
def stores(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JOINTWISE_DATA", str(tmp_path / "stores"))


def test_the_first_folder_is_the_class_and_loose_files_and_those_below_unlabelled_have_none(tmp_path: Path) -> None:
    root = gestures(tmp_path / "own", each=2)
    deep = ("nod/monday/a.npz", "loose.npz", "_unlabelled/b.npz", "_unlabelled/wave/c.npz", "wave/_unlabelled/d.npz")
    for number, name in enumerate(deep):
        write(root / name, 500 + number)
    store = load(root).store
    labels = {str(name): store[place].label for place, name in enumerate(store.names)}
    assert store.description.classes == ("nod", "wave")
    assert [labels[name] for name in deep] == [0, None, None, None, None]
    assert [labels[f"wave/{number:02d}.npz"] for number in (0, 1)] == [1, 1]


@pytest.mark.parametrize("names", [("a.npz", "b.npz"), ("x/y/a.npz", "x/b.npz"), ("_unlabelled/a.npz", "c/b.npz")])
def test_flat_nested_and_one_class_folders_train_whole_and_say_what_classes_need(
    tmp_path: Path, names: tuple[str, ...]
) -> None:
    for number, name in enumerate(names):
        write(tmp_path / "own" / name, number, subject=1 + number)
    dataset = load(tmp_path / "own")
    assert (sorted(dataset.train.names), len(dataset.test)) == (sorted(names), 0)
    assert (dataset.split_name, dataset.split) == ("all", "all recordings train, nothing is scored")
    assert dataset.arguments == ["--data", f"{tmp_path / 'own'}/"]
    check_pretrainable(dataset)
    found = f"only one class, '{dataset.classes[0]}'" if dataset.classes else "its recordings have no classes"
    with pytest.raises(DataError, match=rf"own: {found}.*{re.escape(HELP)}"):
        check_trainable(dataset)


def test_unlabelled_recordings_train_except_those_of_subjects_that_are_scored(tmp_path: Path) -> None:
    root = gestures(tmp_path / "own", each=10, subjects=True)  # subjects 1 to 5
    for subject in (1, 2, 4):
        write(root / UNLABELLED / f"{subject}.npz", 500 + subject, subject=subject)
    write(root / UNLABELLED / "nobody.npz", 600)
    dataset = load(root)
    assert dataset.split.startswith("every second subject is scored, 2 of 5")
    assert set(dataset.train.names) >= {"_unlabelled/1.npz", "_unlabelled/nobody.npz"}
    assert set(dataset.test.subjects) == {2, 4}
    assert UNKNOWN not in dataset.test.labels
    assert len(dataset.train) + len(dataset.test) == len(dataset.store) - 2  # of subjects 2 and 4, in no part
    named = load(settings(root, test_files=["*/1.npz", "nod/00.npz"]))
    assert named.test.names == ["nod/00.npz"]
    assert "_unlabelled/1.npz" not in named.train.names


def test_a_share_of_each_class_is_scored_as_if_unlabelled_recordings_were_not_there(tmp_path: Path) -> None:
    root = gestures(tmp_path / "own", each=10)
    before = load(root).test.names
    for number in range(10):
        write(root / UNLABELLED / f"{number}.npz", 500 + number)
    after = load(root)
    assert after.test.names == before
    assert np.count_nonzero(after.train.labels == UNKNOWN) == 10
    assert after.train.labelled.names == [name for name in after.train.names if not name.startswith(UNLABELLED)]


def test_an_unlabelled_copy_of_a_test_recording_is_refused(tmp_path: Path) -> None:
    root = settings(gestures(tmp_path / "own", each=3), test_files=["nod/00.npz"])
    write(root / UNLABELLED / "copy.npz", 0)  # the seed of nod/00.npz
    with pytest.raises(DataError, match=r"nod/00\.npz equals _unlabelled/copy\.npz"):
        check_pretrainable(load(root))


def test_prepare_counts_unlabelled_recordings(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = gestures(tmp_path / "own", each=3)
    jointwise(["prepare", f"{root}/", "--workers", "1"])
    assert "  unlabelled " not in capsys.readouterr().out
    write(root / UNLABELLED / "a.npz", 9)
    jointwise(["prepare", f"{root}/", "--workers", "1"])
    lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert {"classes 2: nod, wave", "unlabelled 1"} <= set(lines)


def test_a_store_that_took_the_unlabelled_folder_for_a_class_is_out_of_date(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = gestures(tmp_path / "own", each=1)
    plain = revision_of(root)
    write(root / UNLABELLED / "a.npz", 9)
    now = revision_of(root)
    monkeypatch.setattr("jointwise.data.datasets.folder.UNLABELLED", "another name")
    assert revision_of(root) != now  # as before version 0.2
    (root / UNLABELLED / "a.npz").unlink()
    assert revision_of(root) == plain  # other stores stay as they are
