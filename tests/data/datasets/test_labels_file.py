"""Labels of a flat folder in a table."""

from pathlib import Path

import pytest

from helpers.own_folder import load, settings, write
from jointwise.data.datasets.labels_file import Labelled, read_labels
from jointwise.errors import DataError

NAMES = ["a/01.npz", "a/02.npz", "b/01.npz"]


def table(folder: Path, text: str) -> Path:
    (folder / "labels.csv").write_text(text, "utf-8")
    return folder / "labels.csv"


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_files_are_named_by_place_or_by_what_names_one_of_them_only(tmp_path: Path, delimiter: str) -> None:
    rows = ["File,Label,Subject", "a/01.npz,wave,3", "02,nod,Ann", "./b/01.npz,,"]
    found = read_labels(table(tmp_path, "\ufeff" + "\n".join(rows).replace(",", delimiter)), NAMES)
    assert found == {
        "a/01.npz": Labelled("wave", 3),
        "a/02.npz": Labelled("nod", "Ann"),
        "b/01.npz": Labelled(None, None),
    }


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name,label\n", "expected a table with the columns file, label"),
        ("", "its first line is ''"),
        ("file,label\n01.npz,wave", r"line 2: several recordings are called '01.npz': a/01.npz, b/01.npz"),
        ("file,label\na/01.npz,wave\na/01,nod", "line 3: 'a/01' is there twice"),
        ("file,label\na/07.npz,wave\na/01.npz,nod", "1 of 2 files are not in the folder: a/07.npz"),
        ("file,label\na/01.npz", "line 2: 1 fields, expected 2"),
    ],
)
def test_mistakes_are_told_with_their_line(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_labels(table(tmp_path, text), NAMES)
    with pytest.raises(DataError, match="cannot be read"):
        read_labels(tmp_path / "none.csv", NAMES)


def test_a_flat_folder_takes_classes_and_subjects_from_the_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JOINTWISE_DATA", str(tmp_path / "stores"))
    for number in range(8):
        write(tmp_path / "flat" / f"{number}.npz", number)
    rows = [f"{number},{('nod', 'wave')[number % 2]},{1 + number // 2}" for number in range(6)]
    path = table(tmp_path / "flat", "\n".join(["file,label,subject", *rows]))
    dataset = load(settings(tmp_path / "flat", labels="labels.csv", test_subjects=[2]))
    assert dataset.classes == ("nod", "wave")
    assert dataset.test.names == ["2.npz", "3.npz"]
    assert dataset.store.index["label"].tolist() == [0, 1, 0, 1, 0, 1, -1, -1]
    assert dataset.store.index["subject"].tolist() == [1, 1, 2, 2, 3, 3, -1, -1]
    path.write_text(path.read_text().replace("0,nod", "0,wave"))
    assert load(tmp_path / "flat").store.index["label"].tolist() == [1, 1, 0, 1, 0, 1, -1, -1]
    with pytest.raises(DataError, match=r"dataset.yaml: damaged \(labels: expected text"):
        load(settings(tmp_path / "flat", labels=["a"]))
