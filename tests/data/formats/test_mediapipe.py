"""MediaPipe's landmarks in the shapes that people save."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from jointwise.data.formats import detect, read
from jointwise.data.skeletons import MEDIAPIPE33
from jointwise.errors import EmptyRecording, ReadError

FORMS = Path(__file__).parents[3].parent / "shared" / "formats" / "mediapipe"
samples = pytest.mark.skipif(not FORMS.is_dir(), reason="the shared samples are not here")
RANDOM = np.random.default_rng(0)
IMAGE = RANDOM.random((4, 33, 3)).round(4)
WORLD = RANDOM.normal(0, 0.4, (4, 33, 3)).round(4)
WORLD -= WORLD[:, 23:25].mean(1, keepdims=True)


def landmarks(points: np.ndarray, visibility: float = 0.9) -> list[dict[str, float]]:
    return [{"x": x, "y": y, "z": z, "visibility": visibility} for x, y, z in points.tolist()]


def write(path: Path, content: Any) -> Path:
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


@samples
def test_the_four_tables_and_the_json_agree() -> None:
    wide, world, numbered, long, frames = (
        read(FORMS / name)
        for name in (
            "mp_wide_named.csv",
            "mp_world_wide_named.csv",
            "mp_coords_x1y1z1v1.csv",
            "mp_long.csv",
            "mp_frames.json",
        )
    )
    assert all(detect(path).name == "mediapipe" for path in FORMS.iterdir())
    assert all(sequence.skeleton is MEDIAPIPE33 for sequence in (wide, world, numbered, long, frames))
    np.testing.assert_allclose(numbered.positions, wide.positions[:, :60], atol=1e-5)
    np.testing.assert_allclose(long.positions, wide.positions[:, :60], atol=1e-5)
    np.testing.assert_allclose(frames.positions, world.positions[:, :40], atol=1e-5)
    assert (wide.units, wide.up, wide.fps) == ("image", "-y", 60)
    assert (world.units, world.up, world.fps) == ("m", "-y", 60)
    assert (frames.units, frames.up, frames.fps) == ("m", "-y", 60)
    assert any("give the size of the image (--image-size WxH)" in sentence for sentence in wide.assumed)
    pixels = read(FORMS / "mp_wide_named.csv", image_size=(1080, 1920))
    assert pixels.units == "px"
    np.testing.assert_allclose(pixels.positions, wide.positions * (1080, 1920, 1080), rtol=1e-5)


def test_world_landmarks_are_preferred_and_frames_without_anybody_are_kept(tmp_path: Path) -> None:
    content: list[dict[str, Any]] = [
        {"frame": frame, "timestamp_ms": 40 * frame, "landmarks": landmarks(IMAGE[frame])} for frame in range(4)
    ]
    for frame in range(4):
        content[frame]["world_landmarks"] = [dict(zip("xyz", p, strict=True)) for p in WORLD[frame].tolist()]
    content[1]["landmarks"] = content[1]["world_landmarks"] = None
    content[3]["landmarks"][0]["visibility"] = 0.4
    sequence = read(write(tmp_path / "x.json", content))
    assert (sequence.frames, sequence.persons, sequence.fps, sequence.units) == (4, 1, 25, "m")
    np.testing.assert_allclose(sequence.positions[0, 2], WORLD[2], atol=1e-6)
    assert not sequence.validity[0, 1].any()
    assert not sequence.validity[0, 3, 0]
    assert sequence.validity.sum() == 3 * 33 - 1
    assert any("visibility is below 0.5 counts as not seen" in sentence for sentence in sequence.assumed)


def test_tasks_with_two_persons_who_change_places_in_the_list(tmp_path: Path) -> None:
    a, b = WORLD[0], WORLD[0] + 5
    content = [
        {"landmarks": [landmarks(IMAGE[0])] * 2, "worldLandmarks": [landmarks(p) for p in pair]}
        for pair in ((a, b), (b, a), (a, b))
    ]
    path = write(tmp_path / "x.json", content)
    sequence = read(path)
    assert detect(path).name == "mediapipe"
    assert sequence.positions.shape == (2, 3, 33, 3)
    np.testing.assert_allclose(sequence.positions[0], np.stack([a] * 3), atol=1e-5)
    one = read(write(tmp_path / "one.json", content[0]))
    assert one.frames == 1


def test_lists_of_numbers_and_names_of_joints_are_landmarks_too(tmp_path: Path) -> None:
    lists = [{"pose_landmarks": [[*point, 1.0] for point in frame.tolist()]} for frame in IMAGE]
    named = [
        {"landmarks": dict(zip(map(str.upper, MEDIAPIPE33.joints[::-1]), landmarks(frame[::-1]), strict=True))}
        for frame in IMAGE
    ]
    for content in (lists, named):
        path = write(tmp_path / "x.json", content)
        assert detect(path).name == "mediapipe"
        np.testing.assert_allclose(read(path).positions[0], IMAGE, atol=1e-6)


def test_a_long_table_with_world_columns(tmp_path: Path) -> None:
    rows = [
        ",".join(map(str, (frame, 40 * frame, joint, *IMAGE[frame, joint], 0.9, *WORLD[frame, joint])))
        for frame in range(4)
        for joint in range(33)
    ]
    path = write(tmp_path / "x.csv", "\n".join(["frame,t_ms,lm_id,x,y,z,visibility,wx_m,wy_m,wz_m", *rows]))
    sequence = read(path, format="mediapipe")
    np.testing.assert_allclose(sequence.positions[0], WORLD, atol=1e-6)
    assert (sequence.units, sequence.fps) == ("m", 25)


def table_of(count: int, classes: list[str]) -> str:
    columns = [f"{mark}{joint}" for joint in range(1, count + 1) for mark in "xyzv"]
    return "\n".join([",".join(["class", *columns]), *(",".join([word, *["0.5"] * 4 * count]) for word in classes)])


def test_holistic_and_lists_of_examples_are_refused_with_advice(tmp_path: Path) -> None:
    path = write(tmp_path / "coords.csv", table_of(501, ["sad", "sad"]))
    assert detect(path).name == "mediapipe"
    with pytest.raises(
        ReadError, match=r"501 landmarks a row: those of Holistic.*Save the pose alone.*'class' changes"
    ):
        read(path)
    with pytest.raises(ReadError, match=r"'class' changes in row 3 .*list of examples.*Split it"):
        read(write(path, table_of(33, ["up", "down"])))
    assert read(write(path, table_of(33, ["up", "up"]))).frames == 2


def test_other_landmarks_and_empty_files_say_so(tmp_path: Path) -> None:
    with pytest.raises(ReadError, match=r"x\.json, frame 0: 21 landmarks \(a hand\?\)"):
        read(write(tmp_path / "x.json", [{"landmarks": landmarks(IMAGE[0, :21])}]))
    with pytest.raises(EmptyRecording, match="nobody was found"):
        read(write(tmp_path / "x.json", [{"frame": 0, "landmarks": []}]), format="mediapipe")
