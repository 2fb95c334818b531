"""A store that is replaced: whenever it is stopped, what is left is known, and nothing is read again."""

from pathlib import Path

import numpy as np
import pytest

from helpers.stick import STICK, stick_sequence
from jointwise.data.centring import prepare_sequence
from jointwise.data.store import writer as writing
from jointwise.data.store.places import check_replaceable, empty_folder, move_into_place, remove_folder
from jointwise.data.store.reader import TRAIN, Description, Store
from jointwise.data.store.writer import StoreWriter

DESCRIPTION = Description("walks", STICK, ("a",))
NAMES = ["one", "two", "three"]


class Stop(Exception):
    """What a kill is to a function."""


def store_at(path: Path) -> Path:
    """A folder like a store's, with a file in it that sorts behind its sign, and a folder."""
    (path / "references").mkdir(parents=True)
    for name in ("references/1.json", "store.json", "valid.npy", "index.npy"):
        (path / name).touch()
    return path


@pytest.mark.parametrize("after", range(5))
def test_a_folder_that_is_half_removed_is_still_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, after: int
) -> None:
    folder, removed = store_at(tmp_path / "store.former"), []
    real = Path.unlink

    def unlink(path: Path, missing_ok: bool = False) -> None:
        if len(removed) == after:
            raise Stop
        removed.append(path)
        real(path, missing_ok)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", unlink)
        try:
            remove_folder(folder, "store.json")
        except Stop:
            check_replaceable(folder, "store.json")
    remove_folder(folder, "store.json")
    assert not folder.exists()


def test_a_folder_is_emptied_but_for_one_file(tmp_path: Path) -> None:
    empty_folder(store_at(tmp_path / "store"), "store.json")
    assert [path.name for path in (tmp_path / "store").iterdir()] == ["store.json"]


def write(path: Path, made_from: str = "a test") -> list[str]:
    """Write a store of three sequences; returns the names of those that were not there yet."""
    added = []
    with StoreWriter(path, DESCRIPTION, made_from) as writer:
        for seed, name in enumerate(NAMES):
            if name not in writer.entries:
                added.append(name)
                writer.add(name, prepare_sequence(stick_sequence(1, 9, seed, label=0)), {})
        writer.finish(NAMES, {"all": ("all", np.full(len(NAMES), TRAIN, np.int8))}, {})
    return added


@pytest.mark.parametrize(("made_from", "again"), [("a test", []), ("something else", NAMES)])
def test_a_store_that_was_stopped_in_its_place_is_finished_without_reading_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, made_from: str, again: list[str]
) -> None:
    def moved_and_stopped(folder: Path, path: Path) -> None:
        move_into_place(folder, path)
        raise Stop

    path = tmp_path / "walks"
    with monkeypatch.context() as patch:
        patch.setattr(writing, "move_into_place", moved_and_stopped)
        with pytest.raises(Stop):
            write(path)
    assert len(Store(path)) == 3  # it can be used
    assert write(path, made_from) == again
    assert len(Store(path)) == 3
    assert not {"journal.jsonl", "begun.txt"} & {file.name for file in path.iterdir()}
    assert [file.name for file in tmp_path.iterdir()] == ["walks"]
