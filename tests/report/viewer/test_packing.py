"""What is packed into a viewer's page, and what `jointwise view` finds to show."""

import base64
import json
import pickle
import re
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import jointwise.report.viewer as viewer_package
from helpers import tiny
from helpers.stick import STICK, stick_sequence
from helpers.viewed import HUG, WAVE, compared, synthetic_clip
from jointwise import cli
from jointwise.data.cleaning import CLEANING, Cleaned
from jointwise.data.dataset import Dataset
from jointwise.data.formats import npz
from jointwise.data.formats.skeleton import write
from jointwise.data.skeletons import COCO17, KINECT20, NTU25, unnamed_skeleton
from jointwise.data.synthetic import generate
from jointwise.errors import ConfigError, DataError, ReadError
from jointwise.inference.answers import NONE
from jointwise.inference.recognizer import Recognizer
from jointwise.inference.timeline import Segment
from jointwise.report.viewer import MOST_BYTES, Answer, Clip, Panel, answers_by, clip_of, find_clips, viewer, write_view
from jointwise.report.viewer.packing import STEPS, drawn_bones, pack
from jointwise.report.viewer.screen import display_axes, to_display


def unpack(packed: dict[str, Any], clip: int, panel: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Positions (M, T, V, 3) on screen, valid and shown (M, T, V) as the page holds them."""
    about = packed["clips"][clip]
    one = about["panels"][panel]
    joints = len(packed["skeletons"][one["skeleton"]]["joints"])
    steps = np.frombuffer(base64.b64decode(about["arrays"][one["array"]]), "<i2")
    shape = (-1, about["frames"], joints)
    positions = (about["low"] + (steps.astype(float) + 32767) * about["step"]).reshape(*shape, 3)
    masks = []
    for text in (one["valid"], one["shown"]):
        bits = np.unpackbits(np.frombuffer(base64.b64decode(text or ""), np.uint8), bitorder="little")
        masks.append(bits[: positions[..., 0].size].astype(bool) if text else np.ones(positions[..., 0].size, bool))
    return positions, masks[0].reshape(shape), masks[1].reshape(shape)


def test_what_is_packed_comes_back_within_a_millimetre():
    clip = compared(synthetic_clip(HUG))
    packed = json.loads(json.dumps(pack([clip], 10**7)))
    for place, panel in enumerate(clip.panels):
        positions, valid, shown = unpack(packed, 0, place)
        assert (valid == panel.valid).all()
        assert (shown == panel.drawn).all()
        assert np.abs(positions - to_display(panel.positions, panel.skeleton))[panel.drawn].max() < 1e-3
    assert len(packed["clips"][0]["arrays"]) == 2  # recording and student share theirs


@pytest.mark.parametrize("coordinates", [2, 3])
def test_two_coordinates_gain_a_depth_of_zero_and_places_without_numbers_are_not_drawn(coordinates: int):
    sequence = stick_sequence(2, 7, seed=1)
    flat = replace(sequence, positions=sequence.positions[..., :coordinates])
    panel = Panel("raw", STICK, flat.positions, flat.validity)
    positions, _, shown = unpack(pack([Clip("raw", 30, (panel,))], 10**7), 0, 0)
    assert (shown == flat.validity).all()
    assert np.isfinite(positions).all()
    if coordinates == 2:
        assert np.abs(positions[..., 2][shown]).max() < 1e-3


def test_the_screen_keeps_left_and_right_for_any_axes():
    """An odd number of mirrored axes would make a left hand a right one."""
    for up in (0, 1, 2):
        for lateral in {0, 1, 2, None} - {up}:
            axes = display_axes(replace(NTU25, up=up, lateral=lateral), 3)
            matrix = np.zeros((3, 3))
            for row, (column, sign) in enumerate(axes):
                matrix[row, column] = sign
            assert np.linalg.det(matrix) == pytest.approx(1)
    kinect = to_display(np.array([[[[1.0, 2.0, 3.0]]]]), KINECT20)  # to the sensor's left, up, away from it
    assert kinect.ravel().tolist() == [-1, 2, -3]


def test_a_picture_whose_y_points_down_is_shown_upright():
    layout = replace(STICK, up=None, joints=("head", "root", "left_hand", "right_hand", "left_foot", "right_foot"))
    positions = np.zeros((1, 3, 6, 2), np.float32)
    positions[..., 1] = [-1, 0, 0, 0, 1, 1]  # the head has the smallest y
    for sign in (1, -1):
        panel = Panel("image", layout, sign * positions, np.ones((1, 3, 6), bool))
        shown, _, _ = unpack(pack([Clip("image", 30, (panel,))], 10**7), 0, 0)
        assert shown[0, 0, 0, 1] > shown[0, 0, 4, 1]


def test_long_clips_are_thinned_evenly_keep_their_duration_and_the_page_says_so(tmp_path: Path):
    random = np.random.default_rng(0)
    long, short = (random.normal(size=(2, frames, 25, 3)).astype(np.float32) for frames in (12_000, 50))
    clips = [
        Clip(name, 30, (Panel("r", NTU25, positions, random.random(positions.shape[:3]) < 0.9),))
        for name, positions in (("long", long), ("short", short))
    ]
    out = write_view(tmp_path / "long.html", "Long", clips)
    assert 0.9 * MOST_BYTES < out.stat().st_size < MOST_BYTES
    data = re.search(r'<script type="application/json">(.*?)</script>', out.read_text(encoding="utf-8"), re.DOTALL)
    assert data is not None
    packed = json.loads(data[1])["clips"]
    assert packed[0]["frames"] / packed[0]["fps"] == pytest.approx(12_000 / 30)
    assert packed[1]["frames"] == 50
    assert f"long shows {packed[0]['frames']} of 12000 frames" in out.read_text(encoding="utf-8")


def test_nameless_joints_and_single_frames_make_a_page(tmp_path: Path):
    panel = Panel("dots", unnamed_skeleton(4), np.zeros((1, 1, 4, 3), np.float32), np.ones((1, 1, 4), bool))
    nothing = replace(panel, valid=np.zeros((1, 1, 4), bool))
    assert write_view(tmp_path / "dots.html", "Dots", [Clip("a", 30, (panel, nothing))]).is_file()


@pytest.mark.parametrize("far", [1e6, -1e30])
@pytest.mark.parametrize("where", ["joint", "frame"])
def test_one_outlier_frame_decides_neither_the_camera_nor_how_fine_the_others_are(far: float, where: str):
    clip = synthetic_clip(WAVE)
    panel = clip.panels[0]
    positions = panel.positions[:, :10].copy()
    positions[:, 6, slice(3, 4) if where == "joint" else slice(None)] = far
    broken = replace(panel, positions=positions, valid=np.ones(positions.shape[:3], bool), shown=None)
    packed = json.loads(json.dumps(pack([replace(clip, panels=(broken,))], 10**7)))
    about = packed["clips"][0]
    shown, _, _ = unpack(packed, 0, 0)
    others = np.ones(positions.shape[:3], bool)
    others[:, 6] = False
    true = to_display(positions, NTU25)
    assert np.abs(shown - true)[others].max() < 1e-3
    low, high = np.array(about["box"])
    assert (high - low < 3).all()
    assert (true[others] > low - 1e-3).all()
    assert (true[others] < high + 1e-3).all()
    assert about["size"] == pytest.approx(np.linalg.norm(np.ptp(true[0, 0], axis=0)), rel=0.3)
    assert (np.abs(shown[0, 6, 3]) > 3).any()  # the outlier is where nobody looks, but in its direction


def test_a_walk_through_a_large_room_is_no_outlier():
    """Nine tenths of the time at one place, then five metres away."""
    positions = np.repeat(synthetic_clip(WAVE).panels[0].positions[:, :1], 100, axis=1)
    positions[:, 92:, :, 0] += np.linspace(0.5, 5, 8, dtype=np.float32)[:, None]
    panel = Panel("walk", NTU25, positions, np.ones(positions.shape[:3], bool))
    packed = pack([Clip("walk", 30, (panel,))], 10**7)
    assert np.abs(unpack(packed, 0, 0)[0] - to_display(positions, NTU25)).max() < 1e-3
    assert np.ptp(np.array(packed["clips"][0]["box"])[:, 0]) > 5


@pytest.mark.parametrize("unit", [1e30, 1e-9])
def test_a_clip_in_an_absurd_unit_is_shown_as_if_it_were_in_metres(unit: float):
    sequence = next(generate(subjects=(1,), cameras=(2,)))
    clip = clip_of(replace(sequence, positions=sequence.positions * np.float32(unit)))
    about = pack([clip], 10**7)["clips"][0]
    assert about["size"] == pytest.approx(1)
    assert np.abs(about["box"]).max() < 10
    assert about["step"] * STEPS < 10


def test_halves_of_surrogate_pairs_are_replaced(tmp_path: Path):
    name = "caf\udce9 <wave>"
    clip = synthetic_clip(WAVE)
    clips = [replace(compared(clip), title=name, truth=name), replace(clip, title=name)]
    page = write_view(tmp_path / "view.html", name, clips, [name]).read_text(encoding="utf-8")
    assert "<h1>caf\ufffd &lt;wave&gt;</h1>" in page
    assert '"title":"caf\ufffd \\u003cwave>"' in page


def test_hidden_joints_keep_their_place_for_the_specks_that_stand_for_them():
    clip = compared(synthetic_clip(WAVE))
    student = replace(clip.panels[1], positions=clip.panels[1].positions + np.float32(0.5))  # of its own, not shared
    positions, _, _ = unpack(pack([replace(clip, panels=(clip.panels[0], student))], 10**7), 0, 1)
    assert np.abs(positions - to_display(student.positions, NTU25)).max() < 1e-3


def test_the_notice_names_the_version_that_the_vendoring_script_takes():
    root = Path(viewer_package.__file__).parents[4]
    pinned = re.search(r"three@([\d.]+) ", (Path(viewer_package.__file__).parent / "vendor/vendor.sh").read_text())
    assert pinned is not None
    assert f"three.js {pinned[1]} (npm package `three`)" in (root / "NOTICE").read_text(encoding="utf-8")
    licence = (Path(viewer_package.__file__).parent / "vendor/three.LICENSE").read_text(encoding="utf-8")
    assert licence in (root / "NOTICE").read_text(encoding="utf-8")


def test_what_does_not_fit_together_is_refused_by_name():
    positions, valid = np.zeros((1, 5, 6, 3), np.float32), np.ones((1, 5, 6), bool)
    panel = Panel("recording", STICK, positions, valid)
    with pytest.raises(DataError, match=r"panel 'x': positions have shape \(1, 5, 4, 3\).*'stick'"):
        Panel("x", STICK, positions[:, :, :4], valid)
    with pytest.raises(DataError, match="shown has shape"):
        Panel("x", STICK, positions, valid, valid[:, :3])
    broken = positions.copy()
    broken[0, 2, 0] = np.nan
    with pytest.raises(DataError, match=r"frame 2, joint 0 \(head\)"):
        Panel("x", STICK, broken, valid)
    with pytest.raises(DataError, match="same frames"):
        Clip("c", 30, (panel, Panel("y", STICK, positions[:, :3], valid[:, :3])))
    with pytest.raises(DataError, match="frames per second"):
        Clip("c", 0, (panel,))
    with pytest.raises(DataError, match="no panel"):
        Clip("c", 30, ())
    with pytest.raises(DataError, match="names no class"):
        Answer("nobody", ())
    with pytest.raises(DataError, match="no clip"):
        viewer([])
    with pytest.raises(DataError, match="Show fewer"):
        viewer([Clip(10_000 * "c", 30, (panel,))] * 300)


# --- jointwise view ---


def test_view_shows_a_file_a_folder_and_a_data_set(
    registered: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "many"
    folder.mkdir()
    sequence = next(generate(subjects=(1,), cameras=(2,)))
    for number in range(15):
        write(folder / f"{sequence.source}{number:02d}.skeleton", sequence)
    cli.run(["view", f"many/{sequence.source}00.skeleton"])
    assert capsys.readouterr().out == f"{sequence.source}00-view.html\n"
    cli.run(["view", "many", "--out", "new/page.html"])
    page = (tmp_path / "new" / "page.html").read_text(encoding="utf-8")
    assert "12 of 15 recordings in this folder" in page
    assert len(find_clips("many").clips) == 12
    cli.run(["view", "tiny"])
    assert "5 clips of the test part" in (tmp_path / "tiny-view.html").read_text(encoding="utf-8")
    assert [clip.truth for clip in find_clips("tiny").clips] == list(tiny.CLASSES)


def test_view_of_a_run_shows_its_clips_as_recorded_seen_and_rebuilt(pretrained: Path, finetuned: Path, tmp_path: Path):
    run = tmp_path / "run"
    shutil.copytree(pretrained, run, ignore=shutil.ignore_patterns("predicted.npz"))
    source = find_clips(str(run))
    titles = ["recording", "what the student saw", "what the decoder rebuilt"]
    assert [[panel.title for panel in clip.panels] for clip in source.clips] == [titles] * 8
    assert source.notes[0].startswith("8 evaluation clips of tiny, kept by the run. ")
    with pytest.raises(DataError, match=r"this run keeps no clips\. Name the run that it started from: .*pretrain"):
        find_clips(str(finetuned))


@pytest.mark.parametrize("unit", [1, 1000])
def test_how_thick_a_body_is_follows_from_its_bones_in_the_unit_of_the_page(unit: int):
    clip = synthetic_clip(WAVE)
    panel = replace(clip.panels[0], positions=clip.panels[0].positions * unit)
    packed = pack([replace(clip, panels=(panel,))], 10**7)
    assert packed["clips"][0]["stature"] == pytest.approx(1.67 * unit, rel=0.05)
    assert packed["skeletons"][0]["balls"][NTU25.joints.index("left_knee")] == 0.04
    thigh = NTU25.bones.index(("left_hip", "left_knee"))
    assert packed["skeletons"][0]["thickness"][thigh] == (0.062, 0.04)


def test_without_bones_there_is_no_button_for_bodies():
    panel = Panel(
        "points", unnamed_skeleton(5), np.random.default_rng(0).normal(size=(1, 3, 5, 3)), np.ones((1, 3, 5), bool)
    )
    packed = pack([Clip("points", 30, (panel,))], 10**7)
    assert packed["clips"][0]["stature"] == packed["clips"][0]["size"]
    assert 'data-do="body"' not in viewer([Clip("points", 30, (panel,))])
    assert 'data-do="body"' in viewer([synthetic_clip(WAVE)])


def test_view_says_what_it_cannot_show(tmp_path: Path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "notes.xyz").write_text("no recording")
    with pytest.raises(ReadError, match="no file in this folder"):
        cli.run(["view", str(tmp_path / "empty")])
    with pytest.raises(ReadError, match="no reader"):
        cli.run(["view", str(tmp_path / "notes.xyz")])
    with pytest.raises(ConfigError, match="did you mean 'synthetic'"):
        cli.run(["view", "syntetic"])


def test_view_names_a_missing_file_as_missing(tmp_path: Path):
    for name in ("missing.txt", str(tmp_path / "nowhere"), "missing.skeleton"):
        with pytest.raises(ReadError, match="no such file"):
            find_clips(name)


def test_view_of_a_folder_leaves_out_damaged_files_and_says_so(tmp_path: Path):
    sequence = next(generate(subjects=(1,), cameras=(2,)))
    for number in range(15):
        (tmp_path / f"{number:02d}.npz").write_bytes(b"PK no archive")
    with pytest.raises(ReadError, match=r"not one of 15 recordings can be read. The first: .*00\.npz"):
        find_clips(str(tmp_path))
    npz.write(tmp_path / "03.npz", sequence)  # not among the twelve that would be chosen
    assert [clip.title for clip in find_clips(str(tmp_path)).clips] == ["03.npz"]
    for number in range(14):
        npz.write(tmp_path / f"{number:02d}.npz", sequence)
    source = find_clips(str(tmp_path))
    assert len(source.clips) == 11
    assert source.notes[0] == "11 of 15 recordings in this folder, evenly chosen."
    assert source.notes[1].startswith(f"1 could not be read. The first: {tmp_path}/14.npz")


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a folder for each of two classes, of a few recordings each."""
    monkeypatch.setenv("JOINTWISE_DATA", str(tmp_path / "stores"))
    sequences = generate(subjects=(1, 2), cameras=(2,))
    for number, sequence in enumerate(sequences):
        if number % 12 < 2:
            folder = tmp_path / "gestures" / ("nod", "wave")[number % 12]
            folder.mkdir(parents=True, exist_ok=True)
            npz.write(folder / f"{number:02d}.npz", sequence)
    return tmp_path / "gestures"


def test_view_of_a_folder_of_classes_shows_one_test_clip_of_each(own: Path):
    source = find_clips(f"{own}/")
    assert source.title == "gestures"
    assert [clip.truth for clip in source.clips] == ["nod", "wave"]
    assert [clip.title.split(" · ")[0] for clip in source.clips] == ["nod", "wave"]
    assert "2 clips of the test part" in source.notes[0]


def test_view_of_a_folder_of_classes_that_is_no_data_set_shows_its_recordings_and_says_why(own: Path):
    (own / "nod" / "bad.npz").write_bytes(b"PK no archive")
    source = find_clips(str(own))
    assert {clip.title.split("/")[0] for clip in source.clips} == {"nod", "wave"}
    assert "cannot be used as a data set: gestures: 1 of " in source.notes[0]
    assert "1 could not be read" in source.notes[1]


def test_a_folder_of_recordings_without_classes_is_no_data_set(own: Path, tmp_path: Path):
    (own / "wave").rename(own / "nod" / "deeper")
    source = find_clips(str(own))
    assert not (tmp_path / "stores").exists()
    assert all(clip.truth is None for clip in source.clips)


@pytest.mark.parametrize("ending", ["npz", "pkl"])
def test_view_of_prepared_arrays_shows_one_test_clip_of_each_class(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ending: str
):
    monkeypatch.setenv("JOINTWISE_DATA", str(tmp_path / "stores"))
    random, path = np.random.default_rng(0), tmp_path / f"arrays.{ending}"
    if ending == "npz":
        parts = {"train": 4, "test": 4}
        arrays = {f"x_{part}": random.normal(size=(n, 12, 150)).astype(np.float32) for part, n in parts.items()}
        np.savez(path, **arrays, **{f"y_{part}": np.eye(2)[np.arange(n) % 2] for part, n in parts.items()})
    else:
        names = [f"clip{number}" for number in range(8)]
        annotations = [
            {"frame_dir": name, "label": number % 2, "keypoint": random.normal(size=(1, 12, 17, 2)).astype(np.float32)}
            for number, name in enumerate(names)
        ]
        path.write_bytes(
            pickle.dumps({"split": {"xsub_train": names[:4], "xsub_val": names[4:]}, "annotations": annotations})
        )
    source = find_clips(str(path))
    assert [clip.truth for clip in source.clips] == ["class 1", "class 2"]
    assert "2 clips of the test part" in source.notes[0]


def test_joints_that_were_never_seen_have_no_place():
    sequence = stick_sequence(1, 6, seed=3)
    valid = sequence.validity.copy()
    valid[:, :, 2] = False
    clip = clip_of(replace(sequence, valid=valid))
    assert not clip.panels[0].drawn[:, :, 2].any()
    assert clip.panels[0].drawn[:, :, [0, 1, 3, 4, 5]].all()


def test_a_layout_without_middles_is_drawn_with_shoulders_and_hips() -> None:
    bones = drawn_bones(COCO17)
    assert {("left_shoulder", "right_shoulder"), ("left_hip", "right_hip")} <= set(bones)
    assert not {("nose", "left_shoulder"), ("nose", "right_shoulder")} & set(bones)
    assert set(bones) - set(COCO17.bones) == {("left_shoulder", "right_shoulder"), ("left_hip", "right_hip")}
    for skeleton in (NTU25, KINECT20, unnamed_skeleton(5)):
        assert drawn_bones(skeleton) == skeleton.bones


def test_a_recogniser_answers_to_own_recordings(finetuned: Path, dataset: Dataset, tmp_path: Path):
    own = dataset.test[0]
    npz.write(tmp_path / "own.npz", own)
    cli.run(["view", str(tmp_path / "own.npz"), "--model", str(finetuned), "--out", str(tmp_path / "page.html")])
    (clip,) = find_clips(str(tmp_path / "own.npz"), ask=answers_by(str(finetuned))).clips
    recognizer = Recognizer.from_pretrained(finetuned)
    (answer,) = clip.answers
    assert dict(answer.scores) == pytest.approx(recognizer.predict(own).probabilities)
    assert list(clip.timeline) == recognizer.timeline(own) != []
    page = (tmp_path / "page.html").read_text("utf-8")
    assert f'"{max(answer.scores, key=lambda pair: pair[1])[0]}"' in page
    assert f'"{clip.timeline[0].label}"' in page


def test_a_timeline_begins_where_the_clip_does_and_names_the_persons_that_are_drawn(
    finetuned: Path, dataset: Dataset, monkeypatch: pytest.MonkeyPatch
):
    own = next(sequence for sequence in (*dataset.train, *dataset.test) if sequence.persons == 2)
    late = np.zeros((2, 30, *own.positions.shape[2:]), np.float32)
    absent = np.zeros((2, 30, own.positions.shape[2]), bool)
    longer = replace(
        own, positions=np.concatenate([late, own.positions], 1), valid=np.concatenate([absent, own.validity], 1)
    )
    ask = answers_by(str(finetuned))
    clip = clip_of(longer, ask=ask)
    assert clip.frames == own.frames
    assert {segment.person for segment in clip.timeline} == {0, 1}
    assert min(segment.start for segment in clip.timeline) == pytest.approx(0)
    assert max(segment.end for segment in clip.timeline) == pytest.approx(own.frames / own.fps)
    cleaning = Recognizer.from_pretrained(finetuned).card.cleaning
    monkeypatch.setitem(CLEANING, cleaning, lambda sequence: Cleaned(sequence.on_persons([1]), {}))
    other = clip_of(own, ask=answers_by(str(finetuned)))
    assert other.panels[0].positions.shape[0] == 1
    assert {segment.person for segment in other.timeline} == {0}
    assert (other.panels[0].valid[0] == own.validity[1]).all()


def test_timelines_are_packed_as_lanes_and_none_of_the_classes_is_told_apart():
    walk, none, wave = (
        Segment(0, 0.0, 1.23456, "walk", 0.87654),
        Segment(0, 1.23456, 2.0, NONE, 0.999),
        Segment(2, 0.5, 2.0, "wave", 0.4),
    )
    clip = replace(synthetic_clip(WAVE), timeline=(wave, none, walk), compared=(("other", (walk,)),))
    assert pack([clip], 10**7)["clips"][0]["lanes"] == [
        {"person": 0, "segments": [[0, 1.235, "walk", 0.8765, False], [1.235, 2, NONE, 0.999, True]], "by": ""},
        {"person": 2, "segments": [[0.5, 2, "wave", 0.4, False]], "by": ""},
        {"person": 0, "segments": [[0, 1.235, "walk", 0.8765, False]], "by": "other"},
    ]
    assert pack([synthetic_clip(WAVE)], 10**7)["clips"][0]["lanes"] == []
    assert "none of the classes" in viewer([clip])
    assert "none of the classes" not in viewer([replace(clip, timeline=(walk,))])
