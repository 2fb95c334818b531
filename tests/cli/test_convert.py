"""`jointwise convert`: which clip becomes which file, and what it says."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from jointwise import cli
from jointwise.data.formats import npz
from jointwise.data.synthetic import ACTIONS, generate
from jointwise.errors import ConfigError, DataError, JointwiseError, ReadError, StorageError


def run(*words: str | Path) -> None:
    cli.run([str(word) for word in words])


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to work in, with one person in `wave.npz` and two in `hug.npz`."""
    monkeypatch.chdir(tmp_path)
    for sequence in generate(subjects=(3,), cameras=(2,)):
        if ACTIONS[sequence.label or 0] in ("wave", "hug"):
            npz.write(Path(f"{ACTIONS[sequence.label or 0]}.npz"), sequence)
    return tmp_path


def test_a_recording_becomes_one_file_for_gltf_and_one_for_each_person_for_bvh(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run("convert", "hug.npz", "--to", "glb")
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["clip", "hug.npz"]
    assert [line.split()[0] for line in lines] == ["clip", "recording", "recording", "frames", "written"]
    assert "25 joints, 1.67 m tall" in lines[1]
    assert "cm from the joints on average" in lines[1]
    assert Path("hug.glb").read_bytes()[:4] == b"glTF"
    run("convert", "hug.npz", "--to", "bvh", "--out", "new/two.bvh")
    assert sorted(path.name for path in Path("new").iterdir()) == ["two-recording-1.bvh", "two-recording-2.bvh"]
    run("convert", "wave.npz", "--to", "bvh")
    assert Path("wave.bvh").read_text().startswith("HIERARCHY\nROOT spine_mid\n")


def test_a_run_gives_a_clip_as_recorded_and_as_rebuilt(
    pretrained: Path, place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(pretrained, "semi-0.1", ignore=shutil.ignore_patterns("predicted.npz"))
    with pytest.raises(ConfigError, match=r"8 clips\. Choose one with --clip N:\n    1  up · "):
        run("convert", "semi-0.1", "--to", "bvh")
    with pytest.raises(ConfigError, match="--clip 9: there are clips 1 to 8"):
        run("convert", "semi-0.1", "--to", "bvh", "--clip", "9")
    run("convert", "semi-0.1", "--to", "bvh", "--clip", "2")
    out = capsys.readouterr().out
    names = [f"semi-0.1-2-{view}.bvh" for view in ("recording", "what-the-decoder-rebuilt")]
    assert sorted(path.name for path in place.glob("*.bvh")) == names
    assert all(name in out for name in names)
    assert "8 evaluation clips of tiny, kept by the run" in out


def test_what_exists_is_not_overwritten(place: Path) -> None:
    Path("hug-recording-2.bvh").write_text("mine")
    with pytest.raises(ConfigError, match=r"hug-recording-2\.bvh exists already\. Name another place with --out"):
        run("convert", "hug.npz", "--to", "bvh")
    assert Path("hug-recording-2.bvh").read_text() == "mine"
    assert not Path("hug-recording-1.bvh").exists()


@pytest.mark.parametrize(
    ("words", "error", "message"),
    [
        (("wave.npz", "--to", "gbl"), ConfigError, "--to: unknown format 'gbl': did you mean 'glb'? Known: bvh, glb"),
        (("wave.npz",), ConfigError, "wave.npz exists already. Name another place with --out"),
        (("gone.npz", "--to", "glb"), ReadError, "gone.npz: no such file"),
        (("flat.npz", "--to", "glb"), DataError, "flat.npz: 2D poses have no depth"),
        (("unnamed.npz", "--to", "bvh"), DataError, "'joints25' has no bones"),
        (("wave.npz", "--to", "glb", "--out", "wave.npz/x.glb"), StorageError, "cannot write wave.npz/x.glb"),
    ],
    ids=lambda value: value[0] if isinstance(value, tuple) else None,
)  # fmt: skip
def test_a_mistake_is_an_error_that_helps_and_writes_nothing(
    place: Path, words: tuple[str, ...], error: type[JointwiseError], message: str
) -> None:
    positions = np.random.default_rng(0).normal(size=(1, 5, 25, 3))
    np.savez("unnamed.npz", positions=positions)
    np.savez("flat.npz", positions=positions[:, :, :17, :2], joints="coco17")
    with pytest.raises(error) as caught:
        run("convert", *words)
    assert message in str(caught.value)
    assert not [path for path in place.rglob("*") if path.suffix in (".glb", ".bvh")]
