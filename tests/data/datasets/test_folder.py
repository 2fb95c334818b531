"""A user's folder as a data set: classes, layouts, settings, changes and mistakes."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from helpers import detected, tiny
from helpers.own_folder import gestures, load, settings, write
from jointwise.cli import run as jointwise
from jointwise.data.dataset import load_dataset, prepare
from jointwise.data.datasets import store_path
from jointwise.data.datasets.folder import name_from_path, source_of
from jointwise.data.datasets.folder_settings import read_settings
from jointwise.data.formats import FORMATS, npz, skeleton
from jointwise.data.formats.format import ReadOptions
from jointwise.data.sequence import Sequence
from jointwise.data.skeletons import BODY25, COCO17, KINECT20, NTU25, get_skeleton
from jointwise.errors import ConfigError, DataError


@pytest.fixture(autouse=True)
def stores(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JOINTWISE_DATA", str(tmp_path / "stores"))


def test_classes_are_the_folders_and_names_are_relative(tmp_path: Path) -> None:
    dataset = load(gestures(tmp_path / "my gestures", ("wave", "nod"), each=3))
    assert dataset.name == "my-gestures"
    assert dataset.classes == ("nod", "wave")
    assert {name: dataset.store[i].label for i, name in enumerate(dataset.store.names)} == {
        f"{name}/{i:02d}.npz": label for label, name in enumerate(("nod", "wave")) for i in range(3)
    }


@pytest.mark.slow
@pytest.mark.parametrize(("joints", "coordinates"), [(5, 2), (6, 3), (20, 2), (133, 3)])
def test_any_number_of_joints_trains_without_a_named_layout(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, joints: int, coordinates: int
) -> None:
    monkeypatch.chdir(tmp_path)
    gestures(tmp_path / "own", each=4, joints=joints, coordinates=coordinates)
    skeleton = load(tmp_path / "own").skeleton
    assert (len(skeleton.joints), skeleton.bones, skeleton.lateral) == (joints, (), None)
    small = [*tiny.SMALL, "--pretrain.steps", "2", "--finetune.steps", "2"]
    jointwise(["pretrain", tiny.SYSTEM, "--data", "own/", "--quick", "--run", "before", *small])
    jointwise(["finetune", "before", "--data", "own/", "--quick", "--run", "after", *small[-2:]])
    jointwise(["predict", "after", "own/nod/00.npz"])


@pytest.mark.parametrize("joints", [4, 134])
def test_too_few_or_too_many_joints_are_named(tmp_path: Path, joints: int) -> None:
    with pytest.raises(DataError, match=rf"00\.npz: {joints} joints\. jointwise works with 5 to 133"):
        load(gestures(tmp_path / "own", each=2, joints=joints))


def test_a_layout_named_in_the_settings_gives_numbered_joints_their_names(tmp_path: Path) -> None:
    dataset = load(settings(gestures(tmp_path / "own", each=2, joints=25), skeleton="ntu25", fps=15))
    assert dataset.skeleton == get_skeleton("ntu25")
    assert dataset.store[0].fps == 15


def test_a_layout_named_in_the_settings_decides_where_the_bones_do_not(tmp_path: Path) -> None:
    """25 joints of which only those of the arms were seen: they could be of three layouts."""
    names = BODY25.joints
    for folder in ("nod", "wave"):
        for take in range(3):
            video = tmp_path / "own" / folder / str(take)
            video.mkdir(parents=True)
            for frame in range(8):
                seen = {name: (300 + 40 * place, 200 + frame) for place, name in enumerate(names) if "_wrist" in name}
                numbers = [number for name in names for number in (*seen.get(name, (0, 0)), 0.9 * (name in seen))]
                people = [{"person_id": [-1], "pose_keypoints_2d": numbers}]
                (video / f"{frame:012d}_keypoints.json").write_text(json.dumps({"people": people}))
    with pytest.raises(DataError, match=r"25 joints .* skeleton in dataset\.yaml"):
        load(tmp_path / "own")
    assert load(settings(tmp_path / "own", skeleton="body25")).skeleton == BODY25


def test_a_layout_of_other_names_is_never_taken_for_the_named_one(tmp_path: Path) -> None:
    gestures(tmp_path / "own", each=2, joints=25, joints_are="body25")
    for path in (tmp_path / "own").rglob("*.npz"):
        with np.load(path) as content:
            positions = content["positions"]
        np.savez(path, positions=positions, joints="body25")
    with pytest.raises(DataError, match=r"4 of 4 recordings(.|\n)*'body25' .* in a store of 'ntu25'"):
        load(settings(tmp_path / "own", skeleton="ntu25"))


def test_a_layout_may_be_spelt_out_in_the_settings(tmp_path: Path) -> None:
    joints = ["hip", "chest", "head", "left_hand", "right_hand"]
    bones = [["hip", "chest"], ["chest", "head"], ["chest", "left_hand"], ["chest", "right_hand"]]
    layout = {"joints": joints, "bones": bones, "root": "hip", "up": "y", "lateral": "x"}
    skeleton = load(settings(gestures(tmp_path / "own", each=2, joints=5), skeleton=layout)).skeleton
    assert skeleton.joints == tuple(joints)
    assert (skeleton.root, skeleton.up, skeleton.lateral) == ("hip", 1, 0)
    assert skeleton.mirror_permutation == (0, 1, 2, 4, 3)


def test_joints_at_zero_are_warned_of_except_a_single_root(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    gestures(tmp_path / "own", each=6)
    for place, path in enumerate(sorted((tmp_path / "own").rglob("*.npz"))):
        with np.load(path) as content:
            positions = content["positions"]
        positions[:, :, 0] = 0  # a root that was put at the origin
        if place % 2:
            positions[:, ::2, 1:5] = 0
        np.savez(path, positions=positions)
    jointwise(["prepare", str(tmp_path / "own"), "--workers", "1"])
    printed = " ".join(capsys.readouterr().out.split())
    assert "WARNING same point, in 6 of 12 recordings. Save joints that were not seen as NaN" in printed
    assert "of the joints lie exactly at zero (0, 0, 0), first" in printed
    for path in sorted((tmp_path / "own").rglob("*.npz"))[1::2]:
        path.unlink()
    jointwise(["prepare", str(tmp_path / "own"), "--workers", "1"])
    assert "exactly at zero" not in capsys.readouterr().out


def test_root_is_refused_for_a_users_folder(tmp_path: Path) -> None:
    own = gestures(tmp_path / "own", each=2)
    for words in (["finetune", tiny.BASELINE, "--data"], ["prepare"]):
        with pytest.raises(ConfigError, match="is its own root"):
            jointwise([*words, f"{own}/", "--root", str(own)])


def test_settings_are_utf_8_in_every_locale(tmp_path: Path) -> None:
    file = tmp_path / "dataset.yaml"
    file.write_bytes("terms: für alle".encode())
    script = f"import pathlib; from jointwise.data.dataset import folder; file = pathlib.Path({str(file)!r})"
    ascii_only = {"PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "LC_ALL": "C"}
    printed = subprocess.run(
        [sys.executable, "-c", f"{script}; print(ascii(folder.read_settings(file).terms))"],
        env={**os.environ, **ascii_only},
        capture_output=True,
        text=True,
        check=True,
    )
    assert printed.stdout.strip() == r"'f\xfcr alle'"
    file.write_bytes("terms: für alle".encode("latin-1"))
    with pytest.raises(DataError, match=r"dataset\.yaml: damaged, not readable as YAML"):
        read_settings(file)


def test_joints_in_another_order_are_brought_into_that_of_the_others(tmp_path: Path) -> None:
    names = [f"{side}{joint}" for joint in ("hand", "foot", "knee") for side in ("left_", "right_")]
    own = gestures(tmp_path / "own", each=4, joints=6)
    for place, path in enumerate(sorted(own.rglob("*.npz"))):
        with np.load(path) as content:
            positions = content["positions"]
        backwards = place == 3
        order = slice(None, None, -1 if backwards else 1)
        np.savez(path, positions=positions[:, :, order], joints=names[order])
        if backwards:
            turned, expected = path, positions
    store = load(own).store
    sequence = store[store.names.tolist().index(str(turned.relative_to(own)))]
    assert sequence.skeleton.joints == tuple(names)
    moved = sequence.positions - expected
    np.testing.assert_allclose(moved, np.broadcast_to(moved[:, :1, :1], moved.shape), atol=1e-6)


# --- what changes, and what is wrong ---


def test_a_folder_is_prepared_again_when_it_changed_and_only_then(tmp_path: Path) -> None:
    root = gestures(tmp_path / "own", each=3)
    first = load(root)
    made = (first.store.path / "store.json").stat().st_mtime_ns
    assert (load(root).store.path / "store.json").stat().st_mtime_ns == made
    write(root / "nod" / "new.npz", 99)
    assert len(load(root).store) == len(first.store) + 1
    settings(root, test_files=["nod/new.npz"])
    assert load(root).test.names == ["nod/new.npz"]


def test_two_folders_of_one_name_have_two_stores(tmp_path: Path) -> None:
    roots = [gestures(tmp_path / where / "own", each=2) for where in ("a", "b")]
    assert store_path(f"{roots[0]}/") != store_path(f"{roots[1]}/")
    assert {name_from_path(root) for root in roots} == {"own"}


def test_other_files_hidden_files_and_empty_folders_are_no_recordings(tmp_path: Path) -> None:
    root = gestures(tmp_path / "own", each=2)
    (root / "nod" / "notes.txt").write_text("x")
    (root / "nod" / ".hidden.npz").write_text("x")
    (root / ".cache").mkdir()
    write(root / ".cache" / "a.npz")
    (root / "empty").mkdir()
    assert load(root).classes == ("nod", "wave")
    assert len(load(root).store) == 4


def test_a_folder_without_recordings_says_what_is_expected(tmp_path: Path) -> None:
    (tmp_path / "none").mkdir()
    with pytest.raises(DataError, match=r"no recordings in .*none\. jointwise expects FOLDER/<class>"):
        load(tmp_path / "none")


def test_a_missing_folder_and_a_misspelt_name_have_different_errors(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"--data .*nowhere/: no such folder"):
        load(tmp_path / "nowhere")
    with pytest.raises(ConfigError, match=r"unknown data set 'sintetic': did you mean 'synthetic'.*with a slash"):
        load_dataset("sintetic")


def test_damaged_files_are_listed_and_left_out_on_request(tmp_path: Path) -> None:
    root = gestures(tmp_path / "own", each=4)
    (root / "nod" / "00.npz").write_bytes(b"")
    write(root / "wave" / "01.npz", joints=9)
    with pytest.raises(DataError, match=r"2 of 8 recordings cannot be used:(.|\n)*00\.npz(.|\n)*9 joints"):
        prepare(f"{root}/")
    listed = store_path(f"{root}/").with_name(store_path(f"{root}/").name + ".bad.txt")
    assert listed.read_text().splitlines() == ["nod/00.npz", "wave/01.npz"]
    summary = prepare(f"{root}/", skip_bad=True)
    assert (summary.read, summary.stored, summary.left_out) == (8, 6, {"damaged": 2})
    assert prepare(f"{root}/", skip_list=listed).left_out == {f"named in {listed.name}": 2}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("fsp: 30", "unknown setting 'fsp': did you mean 'fps'"),
        ("fps: -1", "fps -1.0 is not a positive number"),
        ("[1, 2]", "expected a group of settings, found a list"),
        ("a: [", "not readable as YAML"),
        ("skeleton: ntu26", "unknown skeleton 'ntu26': did you mean 'ntu25'"),
        ("skeleton: {bones: []}", "no joints. A layout has joints"),
        ("skeleton: [a, b]", "skeleton: expected text or a group of settings"),
        ("fps: .nan", "is not a positive number"),
        ("fps: true", "fps: expected a number or null, found true or false"),
        ("cleaning: clean_nut", "unknown cleaning 'clean_nut': did you mean 'clean_ntu'"),
        ("terms: 5", "terms: expected text, found a whole number"),
        ("test_files: [3]", r"test_files[0]: expected text"),
        ("test_subjects: 3", "test_subjects: expected a list"),
        ("test_subjects: [1]\ntest_files: [a]", "Keep one of them"),
        ("subject_pattern: '('", "not a regular expression"),
    ],
)
def test_settings_that_are_not_understood_name_file_and_remedy(tmp_path: Path, content: str, message: str) -> None:
    root = gestures(tmp_path / "own", each=2)
    (root / "dataset.yaml").write_text(content)
    with pytest.raises(DataError, match=rf"dataset\.yaml: .*{re.escape(message)}"):
        load(root)


def test_all_recordings_are_centred_on_the_root_of_the_data_set(tmp_path: Path) -> None:
    names = [f"part{i}" for i in range(7)]
    for number in range(6):
        root = "part1" if number == 2 else "part3"
        write(tmp_path / "own" / ("nod", "wave")[number % 2] / f"{number}.npz", number)
        path = tmp_path / "own" / ("nod", "wave")[number % 2] / f"{number}.npz"
        with np.load(path) as content:
            positions = content["positions"]
        np.savez(path, positions=positions, joints=names, root=root)
    dataset = load(tmp_path / "own")
    assert dataset.skeleton.root == "part3"
    assert all((dataset.store[i].positions[0, 0, 3] == 0).all() for i in range(6))
    named = load(settings(tmp_path / "own", skeleton={"joints": names, "root": "part5"}))
    assert all((named.store[i].positions[0, 0, 5] == 0).all() for i in range(6))


def kinect_files(root: Path) -> Path:
    """Two classes of .skeleton files; a chair stands beside the person."""
    wide = np.zeros((40, 25, 3), np.float32)
    wide[:, :, 0] = np.linspace(1, 3, 25)
    wide[:, :, 1] = np.linspace(0, 0.5, 25)
    for label, name in enumerate(("nod", "wave")):
        for take in range(3):
            person = np.random.default_rng(take).normal(0, 0.1, (40, 25, 3)) + np.linspace(0, 1, 25)[:, None] * [
                0,
                1,
                0,
            ]
            (root / name).mkdir(parents=True, exist_ok=True)
            both = np.stack([person, wide]).astype(np.float32)
            skeleton.write(root / name / f"{label}{take}.skeleton", Sequence(both, get_skeleton("ntu25")))
    return root


def test_kinect_files_are_cleaned_unless_the_settings_say_otherwise(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = kinect_files(tmp_path / "kinect")
    cleaned = load(root)
    assert cleaned.store.description.cleaning == "clean_ntu"
    assert cleaned.store.index["persons"].max() == 1
    settings(root, cleaning="none")
    jointwise(["prepare", str(root)])
    out = re.sub(r"\s+", " ", capsys.readouterr().out)
    assert "odd bodies, in 6 of 6 recordings" in out
    assert "Bodies that hardly move beside another, and may be furniture: 1." in out
    assert load(root).store.index["persons"].max() == 2
    npz.write(root / "nod" / "own.npz", skeleton.read(root / "nod" / "00.skeleton"))
    (root / "dataset.yaml").unlink()
    assert load(root).store.description.cleaning == "none"  # not all recordings are of a Kinect


def test_each_file_keeps_its_frame_rate(tmp_path: Path) -> None:
    root = gestures(tmp_path / "own", each=2)
    write(root / "nod" / "fast.npz", 5, fps=60)
    store = load(root).store
    assert {str(name): store[i].fps for i, name in enumerate(store.names)}["nod/fast.npz"] == 60
    assert store[0].fps == 30


def test_what_was_left_out_stays_out_when_the_folder_changes(tmp_path: Path) -> None:
    root = gestures(tmp_path / "own", each=4)
    (root / "nod" / "00.npz").write_bytes(b"x")
    (tmp_path / "skip.txt").write_text("wave/01\n")
    prepare(f"{root}/", skip_list=tmp_path / "skip.txt", skip_bad=True)
    write(root / "nod" / "new.npz", 77)
    names = set(load(root).store.names.tolist())
    assert "nod/new.npz" in names
    assert not names & {"nod/00.npz", "wave/01.npz"}


def test_the_most_frequent_layout_of_the_first_files_is_that_of_the_data_set(tmp_path: Path) -> None:
    root = gestures(tmp_path / "own", each=4)
    write(root / "nod" / "00.npz", joints=9)
    with pytest.raises(DataError, match=r"1 of 8 recordings cannot be used:\n  .*nod/00\.npz: .*9 joints"):
        load(root)


def test_a_folder_called_like_a_known_data_set_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"cannot be called 'utd-mhad'.*--data utd-mhad --root"):
        load(gestures(tmp_path / "utd-mhad", each=2))


def test_after_an_error_only_the_repaired_files_are_read_again(tmp_path: Path) -> None:
    root, seen = gestures(tmp_path / "own", each=4), []

    def progress(things: Iterable[Any], count: int, _title: str) -> Iterable[Any]:
        seen.append(count)
        return things

    damaged = root / "nod" / "00.npz"
    damaged.write_bytes(b"")
    with pytest.raises(DataError, match="what was read is kept"):
        prepare(f"{root}/", progress=progress)
    write(damaged, 55)
    assert prepare(f"{root}/", progress=progress).stored == 8
    assert seen == [8, 1]


def test_a_broken_link_is_no_recording(tmp_path: Path) -> None:
    root = gestures(tmp_path / "own", each=3)
    (root / "nod" / "gone.npz").symlink_to(tmp_path / "nowhere.npz")
    assert len(load(root).store) == 6


def test_an_unexpected_exception_of_a_reader_costs_one_recording_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def odd(path: Path, _options: ReadOptions) -> Sequence:
        if path.name == "01.npz":
            raise IndexError("list index out of range")
        return npz.read(path)

    monkeypatch.setitem(FORMATS, "npz", replace(npz.FORMAT, read=odd))
    root = gestures(tmp_path / "own", each=3)
    with pytest.raises(
        DataError, match=r"2 of 6 (.|\n)*01\.npz.*unexpected IndexError: list index(.|\n)*Please report it"
    ):
        load(root)
    assert prepare(f"{root}/", skip_bad=True).stored == 4


def test_results_of_two_data_sets_do_not_share_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("one", "two"):
        gestures(tmp_path / name, each=3)
    jointwise(["evaluate", "raw", "--data", "one/", "--protocol", "knn", "--results", "results"])
    with pytest.raises(ConfigError, match=r"--results results holds results of one\. Give two a folder of its own"):
        jointwise(["evaluate", "raw", "--data", "two/", "--protocol", "knn", "--results", "results"])


def test_persons_validity_and_frame_rate_are_stored_as_in_the_file(tmp_path: Path) -> None:
    for number in range(4):
        sequence = replace(tiny.walk(0, 1, 1), label=None, subject=None, fps=12.5)
        assert sequence.persons == 2
        moved = Sequence(sequence.positions + number, sequence.skeleton, sequence.valid, fps=12.5)
        for name in ("hug", "push"):
            (tmp_path / "own" / name).mkdir(parents=True, exist_ok=True)
            npz.write(tmp_path / "own" / name / f"{number}.npz", moved)
    stored = load(tmp_path / "own").store[0]
    np.testing.assert_array_equal(stored.validity, tiny.walk(0, 1, 1).validity)
    assert stored.fps == 12.5


def test_folders_of_frames_and_files_of_detectors_are_one_data_set_in_2d(tmp_path: Path) -> None:
    for number in range(3):
        for label in ("nod", "wave"):
            detected.openpose(tmp_path / "own" / label / f"p{number}", detected.listed("halpe26"))
            detected.alphapose(tmp_path / "own" / label / f"take{number}", detected.listed("halpe26"))
    (tmp_path / "own" / "notes.txt").write_text("six walks")
    dataset = load(tmp_path / "own")
    assert (dataset.skeleton.name, dataset.classes, len(dataset.store.names)) == ("halpe26", ("nod", "wave"), 12)
    assert {"nod/p0/walk", "wave/take2/alphapose-results.json"} <= set(dataset.store.names)
    assert {dataset.store[i].positions.shape for i in range(12)} == {(2, detected.FRAMES, 26, 2)}
    place = dataset.store.names.tolist().index("nod/p0/walk")
    assert dataset.store[place].validity[0, 12].any()
    detected.save(tmp_path / "own" / "nod" / "p0" / "walk" / "walk_000000000012_keypoints.json", {"people": []})
    again = load(tmp_path / "own")  # a frame has changed, and so its recording is read again
    assert not again.store[again.store.names.tolist().index("nod/p0/walk")].validity[0, 12].any()


def test_units_and_axes_that_are_stated_are_brought_into_line(tmp_path: Path) -> None:
    root = gestures(tmp_path / "own", each=3)
    plain = load(root).store[0].positions
    places = {"mm": 1000.0, "m": 1.0}
    for number, path in enumerate(sorted(root.rglob("*.npz"))):  # every second file in millimetres, z up
        own = npz.read(path)
        units, up = (("mm", "z"), ("m", "y"))[number % 2]
        turned = own.positions if up == "y" else own.positions[..., [0, 2, 1]] * np.float32([1, -1, 1])
        npz.write(path, replace(own, positions=turned * np.float32(places[units]), units=units, up=up))
    store = load(root).store
    assert store.description.metres
    np.testing.assert_allclose(store[0].positions, plain, atol=1e-4)
    bodies = [np.abs(store[place].positions).max() for place in range(len(store))]
    assert max(bodies) < 3 * min(bodies)


def test_units_and_axes_may_stand_in_the_settings(tmp_path: Path) -> None:
    root = gestures(tmp_path / "own", each=3)
    plain = load(root).store[0].positions
    (root / "dataset.yaml").write_text("units: mm\nup: '-y'\n")
    turned = load(root).store[0].positions
    np.testing.assert_allclose(np.abs(turned), np.abs(plain) / 1000, atol=1e-6)
    np.testing.assert_allclose(turned[..., 1], -plain[..., 1] / 1000, atol=1e-6)
    (root / "dataset.yaml").write_text("units: feet\n")
    with pytest.raises(DataError, match="unknown units 'feet'"):
        load(root)


def test_motion_capture_of_either_axis_stands_along_y(tmp_path: Path) -> None:
    height = {"Neck": 1500, "Head": 1700, "LHip": 950, "RHip": 950, "LAnkle": 100, "RAnkle": 100}
    for number in range(6):
        path = tmp_path / "own" / ("walk", "wave")[number % 2] / f"{number}.trc"
        path.parent.mkdir(parents=True, exist_ok=True)
        aside = {"L": 150, "R": -150}
        rows = []
        for frame in range(12):
            points = [(aside.get(name[0], 0), 10 * frame * number, up) for name, up in height.items()]
            points = [(x, z, -y) if number % 3 else (x, y, z) for x, y, z in points]  # y up, and every third z up
            rows.append("\t".join(map(str, (frame + 1, frame / 30, *(value for point in points for value in point)))))
        head = ["PathFileType\t4\t(X/Y/Z)\tx.trc", "DataRate\tUnits", "30\tmm", "", ""]
        head[3] = "Frame#\tTime\t" + "\t\t\t".join(height)
        path.write_text("\n".join([*head, *rows]) + "\n")
    store = load(tmp_path / "own").store
    assert store.description.metres
    assert store.description.skeleton.up == 1
    for place in range(6):
        np.testing.assert_allclose(np.ptp(store[place].positions[0, 0], axis=0), [0.3, 1.6, 0], atol=1e-5)


def test_pixels_and_parts_of_an_image_are_not_mixed(tmp_path: Path) -> None:
    for number, units in enumerate(("px", "px", "px", "image", "px", "px")):
        path = tmp_path / "own" / ("nod", "wave")[number % 2] / f"{number}.npz"
        path.parent.mkdir(parents=True, exist_ok=True)
        size = 1000 if units == "px" else 1
        places = np.random.default_rng(number).uniform(0, size, (1, 9, 17, 2))
        npz.write(path, Sequence(places, COCO17, units=units))
    with pytest.raises(DataError, match=r"1 of 6 (.|\n)*3\.npz: coordinates are parts of the image"):
        load(tmp_path / "own")


def test_the_layout_of_a_folder_is_that_of_most_recordings_not_of_the_first(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for number in range(40):
        joints = KINECT20 if number < 12 else NTU25  # the first class has another layout
        path = tmp_path / "own" / ("bow" if number < 12 else "nod" if number < 26 else "wave") / f"{number:02d}.npz"
        path.parent.mkdir(parents=True, exist_ok=True)
        npz.write(path, Sequence(rng.normal(size=(1, 9, len(joints.joints), 3)), joints))
    assert source_of(tmp_path / "own").description.skeleton == NTU25
