"""TRC and C3D: markers, those of them that are joints, whose they are, and damaged files."""

import shutil
import sys
from pathlib import Path

import numpy as np
import pytest

from helpers.recordings import FORMATS as SAMPLES
from jointwise.data.dataset import prepare
from jointwise.data.formats import detect, read
from jointwise.data.formats.markers import by_subject, joint_names, marker_layout
from jointwise.errors import DataError, EmptyRecording, ReadError

BODY = {"Hip": 0.9, "RHip": 0.9, "LHip": 0.9, "RAnkle": 0.1, "LAnkle": 0.1, "Neck": 1.5, "Nose": 1.7, "T10": 1.2}


def trc(
    path: Path, markers: list[str], points: np.ndarray, separator: str = "\t", unit: str = "m", rate: str = "60"
) -> Path:
    """A TRC file of markers at points (T, markers, 3); NaN becomes an empty field."""
    keys = ["DataRate", "CameraRate", "NumFrames", "NumMarkers", "Units"]
    lines = [["PathFileType", "4", "(X/Y/Z)", path.name], keys]
    lines.append([rate, rate, str(len(points)), str(len(markers)), unit])
    lines.append(["Frame#", "Time", *(word for marker in markers for word in (marker, "", ""))])
    lines.append(["", "", *(f"{axis}{place + 1}" for place in range(len(markers)) for axis in "XYZ")])
    lines.append([])
    for frame, row in enumerate(points.reshape(len(points), -1)):
        lines.append([str(frame + 1), f"{frame / 60:.5f}", *("" if np.isnan(x) else f"{x:.5f}" for x in row)])
    path.write_text("\n".join(separator.join(line) for line in lines) + "\n")
    return path


def body(frames: int = 4) -> np.ndarray:
    """(T, markers, 3) a body that stands still."""
    points = np.zeros((frames, len(BODY), 3))
    points[:, :, 1] = list(BODY.values())
    points[:, :, 0] = np.arange(frames)[:, None]
    return points


def c3d(path: Path, markers: list[str], points: np.ndarray, unit: str = "mm", **parameters: list[str]) -> Path:
    """A C3D file of markers at points (T, markers, 3); NaN becomes a negative residual."""
    ezc3d = pytest.importorskip("ezc3d")
    content = ezc3d.c3d()
    content["parameters"]["POINT"]["RATE"]["value"] = [100]
    content["parameters"]["POINT"]["UNITS"]["value"] = [unit]
    content["parameters"]["POINT"]["LABELS"]["value"] = tuple(markers)
    for key, value in parameters.items():
        content.add_parameter("POINT", key, value)
    data = np.ones((4, len(markers), len(points)))
    data[:3] = points.transpose(2, 1, 0)
    content["data"]["points"] = data
    content.write(str(path))
    return path


@pytest.mark.parametrize("separator", ["\t", ","])
@pytest.mark.parametrize("unit", ["m", "mm"])
def test_a_trc_file_gives_back_its_markers(tmp_path: Path, separator: str, unit: str) -> None:
    points = body()
    points[2, 3] = np.nan
    path = trc(tmp_path / "stand.trc", list(BODY), points, separator, unit)
    assert detect(path).name == "trc"
    found = read(path)
    assert found.skeleton.joints == (
        *("spine_base", "right_hip", "left_hip", "right_ankle", "left_ankle", "neck", "nose", "T10"),
    )
    assert ("spine_base", "left_hip") in found.skeleton.bones
    assert ("left_hip", "left_ankle") in found.skeleton.bones  # the knee between them has no marker
    assert (found.units, found.up, found.fps, found.skeleton.root) == (unit, "y", 60, "spine_base")
    assert found.assumed == ("The file does not say which axis points up: y, as heads are above feet.",)
    assert np.argwhere(~found.validity).tolist() == [[0, 2, 3]]
    assert np.abs(found.positions[0] - np.nan_to_num(points)).max() < 1e-5


def test_what_the_user_says_of_the_axes_is_not_guessed(tmp_path: Path) -> None:
    found = read(trc(tmp_path / "stand.trc", list(BODY), body()), up="-z", units="cm", fps=25)
    assert (found.up, found.units, found.fps, found.assumed) == ("-z", "cm", 25, ())


def test_a_rate_that_is_missing_comes_from_the_times(tmp_path: Path) -> None:
    assert read(trc(tmp_path / "stand.trc", list(BODY), body(), rate="")).fps == 60
    path = trc(tmp_path / "one.trc", list(BODY), body(1), rate="")
    with pytest.raises(ReadError, match=r"one\.trc, line 3: DataRate is ''"):
        read(path)
    assert read(path, fps=10).fps == 10


def test_real_trc_files_are_read() -> None:
    if not (SAMPLES / "trc").exists():
        pytest.skip("the samples of file formats are not here")
    commas = read(SAMPLES / "trc" / "markers.trc")
    assert (commas.units, commas.fps, commas.positions.shape) == ("mm", 100, (1, 93, 51, 3))
    assert commas.skeleton.joints[:3] == ("ASISl", "ASISr", "PSISl")
    assert commas.positions[0, 0, 0].tolist() == pytest.approx([733.7041, 80.9832, 191.8668])
    assert any("promises 652 frames" in note for note in commas.assumed)
    tabs = read(SAMPLES / "trc" / "pose2sim_balancing.trc")
    assert (tabs.units, tabs.up, tabs.fps, tabs.positions.shape) == ("m", "y", 60, (1, 100, 21, 3))
    assert {"neck", "head_top", "nose", "left_big_toe", "right_heel"} <= set(tabs.skeleton.joints)
    assert len(tabs.skeleton.bones) == 20  # all joints hang together


TRC_DAMAGES = {  # what is wrong -> (text to find, what stands there instead, the message)
    "a row is short": ("2\t0.01667\t1.00000\t", "2\t0.01667\t", r"line 8 \(frame 1\): 25 columns, .* need 26"),
    "a row is long": ("1\t0.00000", "1\t0.00000\t7\t7\t7", r"line 7 \(frame 0\): 29 columns"),
    "no number": ("\t0.90000", "\tzero", r"line 7 \(frame 0\): a field is no number"),
    "a marker in a wrong column": ("RHip\t\t\t", "RHip\t\t", "line 4: the name of a marker"),
    "another first line": ("PathFileType", "FilePathType", "expected|no reader|not a TRC"),
}


@pytest.mark.parametrize("what", TRC_DAMAGES)
def test_damage_of_a_trc_file_is_named_with_its_line(tmp_path: Path, what: str) -> None:
    find, instead, message = TRC_DAMAGES[what]
    path = trc(tmp_path / "stand.trc", list(BODY), body())
    text = path.read_text()
    assert find in text
    path.write_text(text.replace(find, instead, 1))
    with pytest.raises(ReadError, match=message):
        read(path)


def test_a_trc_file_that_is_cut_off_in_a_row_or_in_its_header_is_refused(tmp_path: Path) -> None:
    path = trc(tmp_path / "stand.trc", list(BODY), body())
    text = path.read_text()
    path.write_text(text[:-40])
    with pytest.raises(ReadError, match=r"line 10 \(frame 3\)"):
        read(path)
    path.write_text(text[:60])
    with pytest.raises(ReadError, match="not a TRC file, or cut off"):
        read(path)


def test_markers_that_nobody_saw_are_an_empty_recording(tmp_path: Path) -> None:
    with pytest.raises(EmptyRecording, match=r"stand\.trc: no marker is seen in any of its 2 frames"):
        read(trc(tmp_path / "stand.trc", list(BODY), np.full((2, len(BODY), 3), np.nan)))


def test_a_c3d_file_gives_back_its_markers(tmp_path: Path) -> None:
    points = 1000 * body()[..., [0, 2, 1]]  # z up
    points[1, 2] = np.nan
    path = c3d(tmp_path / "stand.c3d", list(BODY), points)
    assert detect(path).name == "c3d"
    found = read(path)
    assert (found.units, found.up, found.fps) == ("mm", "z", 100)
    assert found.skeleton.joints[:2] == ("spine_base", "right_hip")
    assert np.argwhere(~found.validity).tolist() == [[0, 1, 2]]
    assert np.abs(found.positions[0] - np.nan_to_num(points)).max() < 1e-3


def test_a_c3d_file_may_state_its_axis_and_hold_points_that_are_no_places(tmp_path: Path) -> None:
    points = np.random.default_rng(0).normal(size=(3, 4, 3))
    labels = ["Anna:LKNE", "Anna:RKNE", "LKneeAngles", "Bob:LKNE"]
    screen = {"X_SCREEN": ["+X"], "Y_SCREEN": ["+Z"], "ANGLES": ["LKneeAngles"]}
    found = read(c3d(tmp_path / "two.c3d", labels, points, "m", **screen))
    assert (found.up, found.units, found.skeleton.joints) == ("z", "m", ("LKNE", "RKNE"))
    assert found.validity.all(1).tolist() == [[True, True], [True, False]]
    assert np.abs(found.positions[1, :, 0] - points[:, 3]).max() < 1e-6
    assert found.assumed == (
        "1 of the points are angles, forces and the like, and were left out.",
        "The names before the colons are persons: Anna, Bob.",
    )


def test_a_layout_of_ones_own_says_which_joints_lie_between_which_markers(tmp_path: Path) -> None:
    layout = tmp_path / "lab.yaml"
    layout.write_text("""joints: [left_hip, left_knee, left_ankle]
bones: [[left_hip, left_knee, left_ankle]]
aliases: {left_hip: LASI, left_knee: {mean: [LKNE, LKNM]}, left_ankle: LANK}
""")
    points = np.random.default_rng(0).normal(size=(3, 5, 3))
    points[1, 2] = np.nan
    found = read(trc(tmp_path / "a.trc", ["LANK", "LKNE", "LKNM", "LASI", "STRN"], points), layout=str(layout))
    assert found.skeleton.joints == ("left_hip", "left_knee", "left_ankle")
    assert found.validity[0, :, 1].tolist() == [True, False, True]
    assert np.abs(found.positions[0, 2, 1] - points[2, 1:3].mean(0)).max() < 1e-4


def test_a_real_c3d_file_without_analog_data_is_read() -> None:
    pytest.importorskip("ezc3d")
    path = SAMPLES / "c3d" / "sample_probing_acromion_R.c3d"
    if not path.exists():
        pytest.skip("the samples of file formats are not here")
    found = read(path)
    assert (found.units, found.up, found.fps, found.positions.shape) == ("m", None, 69.5, (1, 140, 41, 3))
    assert found.skeleton.joints[0] == "Probe1"
    assert found.skeleton.bones == ()
    assert np.argwhere(~found.validity.all(1)).tolist() == [[0, 1]]  # Probe2 is missing in two frames


@pytest.mark.parametrize("part", [0.02, 0.1, 0.3, 0.6, 0.9])
def test_a_c3d_file_that_is_cut_off_is_refused_before_its_library_sees_it(tmp_path: Path, part: float) -> None:
    path = c3d(tmp_path / "stand.c3d", list(BODY), body(50))
    content = path.read_bytes()
    assert read(path).frames == 50
    path.write_bytes(content[: int(part * len(content))])
    with pytest.raises(ReadError, match=r"stand\.c3d: .*cut off"):
        read(path)


def test_without_its_library_a_c3d_file_names_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "stand.c3d"
    path.write_bytes(b"\x02\x50" + bytes(510) + b"\x01\x50\x02\x54" + bytes(508))
    monkeypatch.setitem(sys.modules, "ezc3d", None)
    with pytest.raises(ReadError, match=r'stand\.c3d: reading \.c3d needs .*: pip install "jointwise\[formats\]"'):
        read(path)


def test_names_of_joints_depend_on_who_gave_them() -> None:
    opencap = joint_names(["Neck", "RShoulder", "LWrist", "midHip", "RBigToe", "r.ASIS_study", "Nose"])
    assert opencap == (
        *("spine_shoulder", "right_shoulder", "left_wrist", "spine_base"),
        *("right_big_toe",),
        "r.ASIS_study",
        "nose",
    )
    assert joint_names(["LASI", "RKNEE", "Head", "C7"])[1:3] == ("right_knee", "head")
    assert marker_layout(("A", "B", "C")).bones == ()


def test_labels_without_a_person_or_a_name_belong_to_one_person() -> None:
    for labels in (["A:x", "y"], ["A:x", ""], ["x", "x"]):
        subjects, names, places = by_subject(labels)
        assert (subjects, len(names), places.tolist()) == ([""], 2, [[0, 0], [0, 1]])


@pytest.mark.parametrize(
    ("work", "seconds", "words"),
    [
        ("hang", "0.2", r"did not end within 0.2 s.*JOINTWISE_FILE_SECONDS=1"),
        ("crash", "60", r"was ended by SIGSEGV.*leave it out"),
    ],
)
def test_a_c3d_file_on_which_its_library_hangs_or_crashes_is_damaged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, work: str, seconds: str, words: str
) -> None:
    path = c3d(tmp_path / "stand.c3d", list(BODY), body(5))
    monkeypatch.setattr("jointwise.data.formats.c3d._WORK", f"helpers.limited_work:{work}")
    monkeypatch.setenv("JOINTWISE_FILE_SECONDS", seconds)
    with pytest.raises(ReadError, match=rf"stand\.c3d: .*{words}"):
        read(path)


def test_a_c3d_file_on_which_its_library_takes_all_memory_is_left_out_of_a_data_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JOINTWISE_DATA", str(tmp_path / "stores"))
    folder = tmp_path / "markers"
    for name in ("stand/a.c3d", "stand/b.c3d", "walk/c.c3d", "walk/d.c3d"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        c3d(folder / name, list(BODY), body(5) + np.random.default_rng(len(name)).normal(size=(5, 1, 3)))
    hostile = Path(__file__).parents[2] / "corpus" / "format c3d" / "takes-all" / "walk.c3d"
    shutil.copy(hostile, folder / "walk" / "e.c3d")
    with pytest.raises(DataError, match=r"1 of 5 recordings cannot be used:\s+.*e\.c3d: (?s:.*)--skip-bad"):
        prepare(f"{folder}/")
    summary = prepare(f"{folder}/", skip_bad=True)
    assert summary.stored == 4
    assert [name for name, _ in summary.bad] == ["walk/e.c3d"]
