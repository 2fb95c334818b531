"""The package jointwise-camera: which files it takes from the archive, and that it takes no other archive."""

import base64
import hashlib
import io
import runpy
import tarfile
from pathlib import Path

import pytest

HERE = Path(__file__).parents[2] / "packages" / "jointwise-camera"
FETCH = runpy.run_path(str(HERE / "fetch.py"))
NAMES: tuple[str, ...] = FETCH["OWN"]["NAMES"]


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """An archive as npm makes it, with the files that are needed, each of which holds its name, and one more."""
    path = tmp_path / "mediapipe-pose.tgz"
    with tarfile.open(path, "w:gz") as tar:
        for name in (*NAMES, "pose_landmark_heavy.tflite"):
            entry = tarfile.TarInfo(f"package/{name}")
            entry.size = len(name)
            tar.addfile(entry, io.BytesIO(name.encode()))
    return path


def test_only_the_files_that_are_needed_are_unpacked(archive: Path, tmp_path: Path) -> None:
    FETCH["unpack"](archive, tmp_path / "files", NAMES)
    assert {path.name: path.read_text() for path in (tmp_path / "files").iterdir()} == {name: name for name in NAMES}


def test_another_archive_is_refused_with_both_digests(archive: Path) -> None:
    with pytest.raises(SystemExit) as refused:
        FETCH["check"](archive)
    found = base64.b64encode(hashlib.sha512(archive.read_bytes()).digest()).decode()
    assert f"found    sha512-{found}" in str(refused.value)
    assert FETCH["SHA512"] in str(refused.value)


def test_without_npm_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(SystemExit, match=r"Node\.js"):
        FETCH["download"](tmp_path)


def test_mediapipe_asks_for_no_file_that_is_left_out() -> None:
    """The other two models are those of other settings."""
    folder = HERE / "src" / "jointwise_camera" / "files"
    if not folder.is_dir():
        pytest.skip("jointwise-camera is not built: make camera")
    script = (folder / "pose.js").read_text("utf-8")
    asked = {word for word in script.split('"') if word.startswith("pose_") and "." in word}
    assert asked - set(NAMES) == {"pose_landmark_full.tflite", "pose_landmark_heavy.tflite"}
