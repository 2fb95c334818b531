"""The readers as one: which files are recordings, and what every reader says of a file that is none."""

from pathlib import Path

import numpy as np
import pytest

from jointwise.data.formats import FORMATS, detect, formats, npz, read, recordings_in
from jointwise.data.formats.format import Format, ReadOptions
from jointwise.data.sequence import Sequence
from jointwise.data.skeletons import NTU25
from jointwise.errors import ConfigError, ReadError

NAMES = {  # format -> a name of its files. Frame files and files with shared endings have tests of their own.
    "npz": "mine.npz",
    "npy": "mine.npy",
    "parquet": "mine.parquet",
    "aist": "gBR_sBM.pkl",
    "skeleton": "S001C001P001R001A001.skeleton",
    "utd_mat": "a1_s1_t1_skeleton.mat",
    "sbu": "skeleton_pos.txt",
    "wmft": "S01_healthy_task01.bin",
    "bvh": "walk.bvh",
    "c3d": "walk.c3d",
    "trc": "walk.trc",
    "pose": "walk.pose",
}


@pytest.mark.parametrize("item", formats(), ids=lambda item: item.name)
def test_every_format_says_what_it_is(item: Format) -> None:
    assert FORMATS[item.name] is item
    assert item.patterns
    assert all(pattern == pattern.lower() for pattern in item.patterns)
    assert item.written_by


@pytest.mark.parametrize("item", formats(), ids=lambda item: item.name)
@pytest.mark.parametrize("head", [b"", b"\0" * 100, b"{", b"[]", b"1,2\n", b"\xff\xfe", b"HIERARCHY"])
def test_no_detector_fails_on_what_is_not_its_own(item: Format, head: bytes) -> None:
    assert 0 <= item.detect(Path("x"), head) < 1


@pytest.mark.parametrize("name", NAMES.values())
def test_an_empty_file_says_so(tmp_path: Path, name: str) -> None:
    (tmp_path / name).touch()
    with pytest.raises(ReadError, match=rf"{name}: .*is empty"):
        read(tmp_path / name)
    reader = FORMATS[next(item for item, example in NAMES.items() if example == name)]
    with pytest.raises(ReadError, match=rf"{name}: .*is empty"):
        reader.read(tmp_path / name, ReadOptions())


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


def test_a_file_is_recognised_by_its_content(tmp_path: Path) -> None:
    npz.write(tmp_path / "clip.backup", Sequence(np.zeros((2, 25, 3)), NTU25))
    assert detect(tmp_path / "clip.backup").name == "npz"
    assert read(tmp_path / "clip.backup").frames == 2


def test_an_unknown_format_is_named(tmp_path: Path) -> None:
    npz.write(tmp_path / "x.npz", Sequence(np.zeros((2, 25, 3)), NTU25))
    with pytest.raises(ConfigError, match="unknown format 'npy2': did you mean"):
        read(tmp_path / "x.npz", format="npy2")


def test_content_that_no_reader_knows_lists_the_known_ones(tmp_path: Path) -> None:
    (tmp_path / "x.odd").write_text("odd")
    with pytest.raises(ReadError, match=r"x\.odd: no reader for such a file\. Known files: .*\*\.mat.*skeleton_pos"):
        read(tmp_path / "x.odd")
    with pytest.raises(ReadError, match=r"y\.odd: no such file"):
        read(tmp_path / "y.odd")
    with pytest.raises(ReadError, match="no such file"):  # it is a folder without files
        read(tmp_path / "gone")


def two_formats(score: float, frame_files: bool = False) -> dict[str, Format]:
    """Two formats of .json files; the first one is sure of a file that holds `a`."""

    def read_one(path: Path, _options: ReadOptions) -> Sequence:
        return Sequence(np.zeros((2, 25, 3)), NTU25, source=str(path))

    a = Format("a", ("*.json",), "A", lambda _path, head: 1.0 * (b"a" in head), read_one, frame_files=frame_files)
    b = Format("b", ("*.json",), "B", lambda _path, head: score * (b"b" in head), read_one)
    return {"a": a, "b": b}


def test_the_surer_format_reads_and_a_tie_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "x.json"
    path.write_text("a b")
    monkeypatch.setattr("jointwise.data.formats.FORMATS", two_formats(0.5))
    assert detect(path).name == "a"
    monkeypatch.setattr("jointwise.data.formats.FORMATS", two_formats(1.0))
    with pytest.raises(ReadError, match="could be a or b"):
        read(path)
    assert read(path, format="b").frames == 2
    path.write_text("?")
    with pytest.raises(ReadError, match="it is none of: a, b"):
        read(path)


def test_a_folder_of_frame_files_is_one_recording(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jointwise.data.formats.FORMATS", two_formats(0.5, frame_files=True))
    for name in ("wave/one/0.json", "wave/one/1.json", "wave/two/0.json"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("a")
    (tmp_path / "wave" / "three.json").write_text("b")
    (tmp_path / "labels.json").write_text("{}")  # no recording: no format knows its content
    found = [path.relative_to(tmp_path).as_posix() for path in recordings_in(tmp_path)]
    assert found == ["wave/one", "wave/three.json", "wave/two"]
    assert detect(tmp_path / "wave" / "one").name == "a"
    assert recordings_in(tmp_path / "wave" / "two") == [tmp_path / "wave" / "two"]
    with pytest.raises(ReadError, match="do not hold one frame each"):
        read(tmp_path / "wave")


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
