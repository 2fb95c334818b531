"""`jointwise convert`: which clip becomes which file, and what it says."""

import inspect
import shutil
from pathlib import Path

import numpy as np
import pytest

from jointwise import cli
from jointwise.cli.arguments import Parser, add_reading, reading_options
from jointwise.cli.output import stem_of
from jointwise.data.formats import formats, npz, read
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


def test_recordings_of_any_format_become_npz_and_what_was_assumed_is_said(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wave = read("wave.npz")
    for name in ("in/a/one", "in/two"):
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        np.save(f"{name}.npy", wave.positions[0])
    Path("in/notes.csv").write_text("a,b\n1,2\n")
    run("convert", "in", "wave.npz", "--out", "out", "--layout", "ntu25", "--fps", "25", "--units", "m", "--up", "-y")
    files = sorted(path.relative_to("out").as_posix() for path in Path("out").rglob("*.npz"))
    assert files == ["a/one.npz", "two.npz", "wave.npz"]
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"out/a/one.npz: {wave.frames} frames at 25 per second, 1 person, ntu25, 3D, m, 100.0 % seen"
    assert any(line.startswith("  (2 of 3) The axes of ") for line in lines)
    after = read("out/two.npz")
    np.testing.assert_array_equal(after.positions, wave.positions)
    assert (after.skeleton, after.fps, after.units, after.up) == (wave.skeleton, 25.0, "m", "-y")
    assert after.assumed[0].startswith("The axes of ")


def test_what_cannot_be_converted_is_told_after_the_others_are_written(place: Path) -> None:
    Path("bad.npz").write_bytes(b"PK")
    with pytest.raises(ReadError, match=r"1 of 2 recordings cannot be read:\n  bad\.npz: not an \.npz file"):
        run("convert", "bad.npz", "wave.npz", "--out", "new")
    assert [path.name for path in Path("new").iterdir()] == ["wave.npz"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("wave.npz", "--image-size", "big"), "--image-size big: expected width x height"),
        (("wave.npz", "--fps", "0"), "--fps 0: frames per second must be above 0"),
        (("wave.npz", "--persons", "0"), "--persons 0: at least one person"),
        (("wave.npz", "--min-confidence", "30"), "--min-confidence 30: confidences are parts of 1"),
        (("wave.npz", "--format", "npx", "--out", "new"), "unknown format 'npx': did you mean 'npz'"),
        (("wave.npz", "hug.npz", "--out", "one.npz"), "--out one.npz is one file, but there are 2 recordings"),
        (("wave.npz", "hug.npz", "--out", "one.glb", "--to", "glb"), "--out one.glb is one file, but there are 2"),
        (("wave.npz", "other/wave.npz", "--out", "new"), "would both become new/wave.npz"),
        (("wave.npz", "--clip", "1"), "--clip goes with --to glb or bvh"),
        (("empty", "--out", "new"), "empty: no recording in this folder"),
    ],
    ids=lambda value: " ".join(value[1:]) if isinstance(value, tuple) else "",
)
def test_options_that_cannot_be_meant_are_explained(place: Path, words: tuple[str, ...], message: str) -> None:
    Path("empty").mkdir()
    with pytest.raises(ConfigError) as caught:
        run("convert", *words)
    assert message in str(caught.value)
    assert not Path("new").exists()


def test_reading_options_are_the_arguments_of_read() -> None:
    parser = Parser(prog="x")
    add_reading(parser)
    words = ["--up", "-y", "--image-size", "1080x1920", "--persons", "2", "--track", "none", "--units", "px"]
    options = reading_options(parser.parse_args(words))
    assert options["up"] == "-y"
    assert options["image_size"] == (1080, 1920)
    assert set(options) | {"path"} == set(inspect.signature(read).parameters)
    defaults = reading_options(parser.parse_args([]))
    named = inspect.signature(read).parameters
    assert all(defaults[name] == named[name].default for name in defaults)


def test_formats_lists_every_format_with_what_it_needs(capsys: pytest.CaptureFixture[str]) -> None:
    run("formats")
    lines = capsys.readouterr().out.splitlines()
    for item in formats():
        (line,) = [line for line in lines if line.split()[:1] == [item.name]]
        assert item.written_by in line
        assert all(pattern in line for pattern in item.patterns)
        assert (f"jointwise[{item.extra}]" in line) == bool(item.extra)


def test_one_file_is_written_where_out_names_one(place: Path) -> None:
    run("convert", "wave.npz", "--out", "new/x.npz")
    assert Path("new/x.npz").is_file()
    assert stem_of("new") == "new"
    assert stem_of("new/x.npz") == "x"
    run("convert", "wave.npz", "hug.npz", "--to", "glb", "--out", "bodies")
    assert sorted(path.name for path in Path("bodies").iterdir()) == ["hug.glb", "wave.glb"]


def test_view_takes_the_same_options(place: Path) -> None:
    run("view", "wave.npz", "--persons", "1", "--out", "v.html")
    assert Path("v.html").is_file()
    with pytest.raises(ConfigError, match="--fps 0: frames per second must be above 0"):
        run("view", "wave.npz", "--fps", "0", "--out", "w.html")
