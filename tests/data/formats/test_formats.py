"""The readers as one: which files are recordings, and what every reader says of a file that is none."""

from pathlib import Path

import numpy as np
import pytest

from jointwise.data.formats import FORMATS, is_readable, npz, read, recordings_in
from jointwise.data.sequence import Sequence
from jointwise.data.skeletons import NTU25
from jointwise.errors import ReadError

NAMES = {
    "*.mat": "a1_s1_t1_skeleton.mat",
    "*.skeleton": "S001C001P001R001A001.skeleton",
    "*.npz": "mine.npz",
    "skeleton_pos.txt": "skeleton_pos.txt",
    "*_task*.bin": "S01_healthy_task01.bin",
}


def test_every_format_is_tested() -> None:
    assert NAMES.keys() == FORMATS.keys()


@pytest.mark.parametrize("name", [*NAMES.values(), "MINE.NPZ", "Skeleton_Pos.txt"])
def test_names_are_known_in_small_and_capital_letters(name: str) -> None:
    assert is_readable(name)


@pytest.mark.parametrize("name", ["notes.txt", "data.bin", "x.bvh", "mat", "x.npz.part"])
def test_other_names_are_not_recordings(name: str) -> None:
    assert not is_readable(name)


@pytest.mark.parametrize("name", NAMES.values())
def test_an_empty_file_says_so(tmp_path: Path, name: str) -> None:
    (tmp_path / name).touch()
    with pytest.raises(ReadError, match=rf"{name}: .*is empty"):
        read(tmp_path / name)
    with pytest.raises(ReadError, match=rf"{name}: .*is empty"):
        next(reader for pattern, reader in FORMATS.items() if NAMES[pattern] == name)(tmp_path / name)


@pytest.mark.parametrize("name", NAMES.values())
def test_a_missing_file_is_named(tmp_path: Path, name: str) -> None:
    with pytest.raises(ReadError, match=rf"{name}: no such file"):
        read(tmp_path / name)
    (tmp_path / name).mkdir()
    with pytest.raises(ReadError, match=rf"{name}: no such file"):
        read(tmp_path / name)


@pytest.mark.parametrize("name", NAMES.values())
@pytest.mark.parametrize("seed", range(4))
def test_garbage_is_refused_by_every_reader(tmp_path: Path, name: str, seed: int) -> None:
    (tmp_path / name).write_bytes(np.random.default_rng(seed).bytes(1001))
    with pytest.raises(ReadError, match=name):
        read(tmp_path / name)


def test_a_name_that_no_reader_knows_lists_the_known_ones(tmp_path: Path) -> None:
    (tmp_path / "x.bvh").write_text("HIERARCHY")
    with pytest.raises(ReadError, match=r"x\.bvh: no reader for a file of this name\. Known: .*\*\.mat.*skeleton_pos"):
        read(tmp_path / "x.bvh")
    with pytest.raises(ReadError, match=r"y\.bvh: no such file"):
        read(tmp_path / "y.bvh")
    with pytest.raises(ReadError, match="no such file"):  # it is a folder
        read(tmp_path)


def test_recordings_are_found_below_a_folder_in_order_and_hidden_ones_are_not(tmp_path: Path) -> None:
    names = ["b/2.npz", "b/1.npz", "a/deep/er/x.skeleton", "a/notes.txt", ".hidden.npz", ".cache/3.npz", "b/._1.npz"]
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "folder.npz").mkdir()
    found = [path.relative_to(tmp_path).as_posix() for path in recordings_in(tmp_path)]
    assert found == ["a/deep/er/x.skeleton", "b/1.npz", "b/2.npz"]


def test_a_hidden_folder_that_is_named_itself_is_searched(tmp_path: Path) -> None:
    (tmp_path / ".mine").mkdir()
    npz.write(tmp_path / ".mine" / "x.npz", Sequence(np.zeros((2, 25, 3)), NTU25))
    assert len(recordings_in(tmp_path / ".mine")) == 1
    assert read(str(tmp_path / ".mine" / "x.npz")).frames == 2
