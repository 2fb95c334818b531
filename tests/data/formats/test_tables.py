"""Tables of joints: what columns are is found by their names; lists of labels or results are no recordings."""

from pathlib import Path

import numpy as np
import pytest

from jointwise.data.formats import FORMATS, detect, read, recordings_in
from jointwise.data.formats.columns import described, find_columns
from jointwise.data.formats.files import read_head
from jointwise.data.formats.format import ReadOptions
from jointwise.data.formats.joint_names import layout_of, standard_name, standard_names
from jointwise.data.formats.poses import Poses, recording_of
from jointwise.data.formats.table import as_parts_of_one
from jointwise.data.formats.table_files import parse, read_table, sniff
from jointwise.data.skeletons import COCO17, NTU25, SKELETONS, unnamed_skeleton
from jointwise.errors import ConfigError, ReadError

FORMS = Path(__file__).parents[3].parent / "shared" / "formats"
POINTS = np.arange(4 * 17 * 3, dtype=float).reshape(4, 17, 3)  # frames, joints, coordinates


def save(path: Path, header: list[str], rows: list[list[object]], separator: str = ",") -> Path:
    path.write_text("\n".join(separator.join(map(str, row)) for row in [header, *rows]) + "\n")
    return path


def header(pattern: str, axes: str = "xyz", joints: tuple[str, ...] = COCO17.joints) -> list[str]:
    return [pattern.format(joint=joint, axis=axis, AXIS=axis.upper()) for joint in joints for axis in axes]


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("LShoulder", "left_shoulder"),
        ("ShoulderLeft", "left_shoulder"),
        ("left_shoulder", "left_shoulder"),
        ("Left Shoulder", "left_shoulder"),
        ("SHOULDER_LEFT", "left_shoulder"),
        ("lshoulder", "left_shoulder"),
        ("rightknee", "right_knee"),
        ("R.Knee", "right_knee"),
        ("HandTipRight", "right_hand_tip"),
        ("mouth_left", "left_mouth"),
        ("LEFT_EYE_INNER", "left_eye_inner"),
        ("SpineBase", "spine_base"),
        ("MidHip", "spine_base"),
        ("ShoulderCenter", "spine_shoulder"),
        ("Head", "head"),
        ("left_wing", "left_wing"),
        ("lung", "lung"),
    ],
)
def test_a_joint_has_one_name_however_it_is_written(text: str, name: str) -> None:
    assert standard_name(text) == name


def test_names_that_would_become_equal_stay_and_numbers_are_counted() -> None:
    assert standard_names(["Hips", "Pelvis", "LKnee"]) == ("Hips", "Pelvis", "left_knee")
    assert standard_names(["1", "2", "3"]) == ("joint_0", "joint_1", "joint_2")
    assert standard_names(["kp0", "kp2"]) == ("joint_0", "joint_2")


def test_the_layout_is_the_known_one_or_a_part_of_it_or_new() -> None:
    shuffled = NTU25.joints[::-1]
    skeleton, order = layout_of(shuffled)
    assert skeleton is NTU25
    assert [shuffled[place] for place in order] == list(NTU25.joints)
    part, order = layout_of(("left_knee", "nose", "left_hip"))
    assert part.joints == ("nose", "left_hip", "left_knee")
    assert order == [1, 2, 0]
    assert part.bones
    azure = ("PELVIS", "SPINE_NAVEL", "CLAVICLE_LEFT", "SHOULDER_LEFT", "HANDTIP_LEFT")
    assert layout_of(azure)[0] == SKELETONS["k4abt32"].on_joints(layout_of(azure)[0].joints)
    assert layout_of(("wing", "beak"))[0].joints == ("wing", "beak")
    assert layout_of(("joint_1", "joint_0"))[0] == unnamed_skeleton(2)


@pytest.mark.parametrize(
    ("pattern", "separator"),
    [
        ("{joint}_{axis}", ","),
        ("{joint}.{AXIS}", "\t"),
        ("{joint} {AXIS}", ";"),
        ("{joint}:{axis}", ","),
        ("{axis}_{joint}", ","),
        ("{joint}{AXIS}", ","),
        ("{joint}_{axis} [mm]", ","),
    ],
)
def test_columns_are_found_however_they_are_written(tmp_path: Path, pattern: str, separator: str) -> None:
    path = save(tmp_path / "x.csv", header(pattern), POINTS.reshape(4, -1).tolist(), separator)
    sequence = read(path)
    assert detect(path).name == "table"
    assert sequence.skeleton is COCO17
    np.testing.assert_array_equal(sequence.positions[0], POINTS)
    assert sequence.units == ("mm" if "mm" in pattern else None)
    assert any("Columns are told by their names: joint 'nose'" in sentence for sentence in sequence.assumed)
    assert any("30 frames per second are assumed" in sentence for sentence in sequence.assumed)
    assert all("frames per second are assumed" not in sentence for sentence in read(path, fps=50).assumed)


def test_a_decimal_comma_is_read_where_semicolons_separate(tmp_path: Path) -> None:
    rows = [[f"{value:.2f}".replace(".", ",") for value in row] for row in (POINTS.reshape(4, -1) / 4).tolist()]
    np.testing.assert_allclose(
        read(save(tmp_path / "x.csv", header("{joint}_{axis}"), rows, ";")).positions[0], POINTS / 4
    )


def test_empty_cells_are_missing_and_persons_frames_times_and_scores_are_used(tmp_path: Path) -> None:
    columns = ["Frame", "timestamp_ms", "person_id", *header("{joint}_{axis}", "xyc")]
    rows: list[list[object]] = []
    for frame in range(3):
        for person in ("b", "a")[:: 1 - 2 * (frame % 2)]:
            values = POINTS[frame].copy() + (100 if person == "a" else 0)
            values[:, 2] = 0.9
            rows.append([10 + frame, 40 * frame, person, *values.ravel().tolist()])
    rows[0][3] = ""
    rows[1][3 + 2] = 0.1
    sequence = read(save(tmp_path / "x.csv", columns, rows))
    assert sequence.positions.shape == (2, 3, 17, 2)
    assert sequence.fps == 25
    assert not sequence.validity[0, 0, 0]
    assert not sequence.validity[1, 0, 0]
    assert sequence.validity.sum() == 2 * 3 * 17 - 2
    np.testing.assert_array_equal(sequence.positions[1, 2], POINTS[2, :, :2] + 100)
    assert sequence.confidence is not None
    assert sequence.confidence[0, 2, 5] == np.float32(0.9)


def test_a_long_table_has_a_row_for_each_joint(tmp_path: Path) -> None:
    rows = [[frame, joint, *POINTS[frame, place]] for frame in range(4) for place, joint in enumerate(COCO17.joints)]
    path = save(tmp_path / "x.csv", ["frame", "joint", "x", "y", "z"], rows)
    assert detect(path).name == "table"
    np.testing.assert_array_equal(read(path).positions[0], POINTS)
    save(path, ["frame", "joint", "x", "y", "z"], [*rows, rows[0]])
    with pytest.raises(ReadError, match=r"x\.csv: joint 'nose' stands twice in frame 0\. If there are several persons"):
        read(path)


def test_three_rows_of_headers_as_deeplabcut_writes_them(tmp_path: Path) -> None:
    joints = [joint for joint in COCO17.joints for _ in range(3)]
    lines = [["scorer", *["net"] * 51], ["bodyparts", *joints], ["coords", *["x", "y", "likelihood"] * 17]]
    values = POINTS.copy()
    values[..., 2] = 0.75
    rows = [[frame, *values[frame].ravel()] for frame in range(4)]
    path = save(tmp_path / "x.csv", lines[0], [*lines[1:], *rows])
    sequence = read(path)
    assert detect(path).name == "table"
    assert sequence.skeleton is COCO17
    np.testing.assert_array_equal(sequence.positions[0], POINTS[..., :2])
    assert sequence.confidence is not None
    assert (sequence.confidence == 0.75).all()


def test_numbers_without_names_need_a_format_and_are_rows_of_joints(tmp_path: Path) -> None:
    path = save(tmp_path / "x.csv", [str(value) for value in POINTS[0].ravel()], POINTS[1:].reshape(3, -1).tolist())
    with pytest.raises(ReadError, match="it is none of"):
        detect(path)
    np.testing.assert_array_equal(read(path, format="table", layout="coco17").positions[0], POINTS)


NO_RECORDINGS = {
    "labels.csv": "file,label,subject\na.csv,wave,1\nb.csv,walk,2\n",
    "results.csv": "system,protocol,seed,top1,top5\nbase,linear,0,50.1,80.2\n",
    "boxes.csv": "frame,id,bbox_x,bbox_y,bbox_w,bbox_h,confidence\n0,1,5,5,10,10,0.5\n",
    "imu.csv": "time,acc_x,acc_y,acc_z,gyro_x,gyro_y,gyro_z,mag_x,mag_y,mag_z\n" + "0,1,2,3,4,5,6,7,8,9\n" * 3,
    "mouse.csv": "time,x,y\n0,1,2\n1,2,3\n",
    "cars.csv": "frame,name,x,y\n0,car,1,2\n1,car,2,3\n",
    "features.csv": ",".join(f"f{i}" for i in range(75)) + "\n" + ",".join("1" * 75) + "\n",
    "numbers.csv": ("1,2,3,4,5,6\n" * 30),
    "dataset.json": '{"images": [], "licenses": []}',
    "results.json": '{"system": "base", "top1": 50.1, "landmarks": 3}',
    "hands.txt": "one two\nthree\n",
}


def test_tables_and_lists_that_are_no_recordings_are_not_taken_for_some(tmp_path: Path) -> None:
    for name, text in NO_RECORDINGS.items():
        path = tmp_path / name
        path.write_text(text)
        for item in ("table", "mediapipe", "kinect", "npy", "aist", "parquet"):
            assert FORMATS[item].detect(path, read_head(path)) == 0, (name, item)
    np.save(tmp_path / "labels.npy", np.arange(75))
    np.save(tmp_path / "onehot.npy", np.eye(75, dtype=int))
    np.save(tmp_path / "many.npy", np.zeros((9, 3, 30, 25, 2), np.float32))
    assert recordings_in(tmp_path) == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda rows: rows[2].__setitem__(1, "oops"), r"x\.csv: row 4, column 2 \(nose_x\): 'oops' is no number"),
        (lambda rows: rows[2].pop(), r"x\.csv: row 4 has 51 cells, other rows have 52: the file is cut off"),
        (lambda rows: rows[2].__setitem__(0, 0.5), r"x\.csv: pose 3 has the frame 0\.5, which is no whole number"),
        (
            lambda rows: rows[2].__setitem__(0, 0),
            r"the numbers of the frames go back from 1 to 0: .*several recordings",
        ),
    ],
)
def test_damage_is_named_with_its_place(tmp_path: Path, change: object, message: str) -> None:
    rows: list[list[object]] = [[frame, *POINTS[frame].ravel().tolist()] for frame in range(4)]
    change(rows)  # type: ignore[operator]
    with pytest.raises(ReadError, match=message):
        read(save(tmp_path / "x.csv", ["frame", *header("{joint}_{axis}")], rows), format="table")


def test_a_header_without_rows_says_so(tmp_path: Path) -> None:
    for columns in (["frame", "joint", "x", "y"], header("{joint}_{axis}")):
        with pytest.raises(ReadError, match=r"x\.csv: no row below the header"):
            read(save(tmp_path / "x.csv", columns, []), format="table")


def test_a_column_of_classes_that_changes_is_a_list_of_examples(tmp_path: Path) -> None:
    rows = [["wave" if frame < 2 else "walk", *POINTS[frame].ravel().tolist()] for frame in range(4)]
    path = save(tmp_path / "x.csv", ["class", *header("{joint}_{axis}")], rows)
    with pytest.raises(ReadError, match=r"'class' changes in row 4 and names 2 classes \(wave, walk\): .*Split it"):
        read(path)
    rows = [["wave", *row[1:]] for row in rows]
    assert read(save(path, ["class", *header("{joint}_{axis}")], rows)).frames == 4


def test_parquet_is_read_or_says_what_it_needs(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError:
        path.write_bytes(b"PAR1" + b"\0" * 20 + b"PAR1")
        with pytest.raises(ConfigError, match=r"Parquet needs pyarrow.*pip install 'jointwise\[parquet\]'"):
            read(path)
        return
    columns = dict(zip(header("{joint}_{axis}"), POINTS.reshape(4, -1).T.tolist(), strict=True))
    parquet.write_table(pyarrow.table(columns), path)
    np.testing.assert_array_equal(read(path).positions[0], POINTS)


@pytest.mark.slow
def test_a_parquet_file_is_read_with_limits_and_texts_that_are_none_are_damage(tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    rows = 20_000_000  # of one value: they take half a megabyte
    same = pyarrow.DictionaryArray.from_arrays(pyarrow.array(np.zeros(rows, np.int32)), pyarrow.array([1.0]))
    parquet.write_table(pyarrow.table(dict.fromkeys(header("{joint}_{axis}"), same)), tmp_path / "same.parquet")
    with pytest.raises(ReadError, match=r"same\.parquet: .*had no memory left.*JOINTWISE_FILE_MEMORY"):
        read(tmp_path / "same.parquet")
    columns = dict(zip(header("{joint}_{axis}"), POINTS.reshape(4, -1).T.tolist(), strict=True))
    columns |= {"class": ["wave", "wave", None, "wavy"], "frame": [1, None, 3, 4]}
    parquet.write_table(pyarrow.table(columns), tmp_path / "x.parquet", use_dictionary=False, compression="none")
    table = read_table(tmp_path / "x.parquet")
    assert table.columns[-2] == ["wave", "wave", None, "wavy"]
    assert np.array_equal(table.columns[-1], [1, np.nan, 3, 4], equal_nan=True)
    content = (tmp_path / "x.parquet").read_bytes()
    (tmp_path / "x.parquet").write_bytes(content.replace(b"wavy", b"\xff\xff\xff\xff"))
    with pytest.raises(ReadError, match=r"x\.parquet: damaged or cut off"):
        read(tmp_path / "x.parquet")


def test_scores_become_parts_of_one_and_it_is_said() -> None:
    states, told = as_parts_of_one(np.array([0, 1, 2], np.float32), "state")
    assert states.tolist() == [0, 0.5, 1]
    assert told[0].startswith("States from 0 to 2")
    percents, told = as_parts_of_one(np.array([0, 50, 100], np.float32), "score")
    assert percents.tolist() == [0, 0.5, 1]
    assert told == ("Confidences above 1 are taken for percents.",)
    assert as_parts_of_one(np.array([0, 0.5], np.float32), "score")[1] == ()


def test_the_roles_of_columns_are_said() -> None:
    columns = find_columns(["frame", "t_ms", "nose_x", "nose_y", "hip_x", "hip_y", "nose_world_x", "nose_world_y"])
    assert columns is not None
    assert (columns.frame, columns.time, columns.time_unit) == (0, 1, "ms")
    assert columns.world is not None
    assert list(columns.world.joints) == ["nose"]
    names = ["frame", "nose_x", "nose_y", "hip_x", "hip_y"]
    found = find_columns(names)
    assert found is not None
    assert described(found, names) == "Columns are told by their names: joint 'nose' from nose_x, nose_y; frame: frame."
    assert find_columns(["a", "b", "left_index", "time_x"]) is None
    kinect = find_columns([f"{joint}.{axis}" for joint in ("PELVIS", "SPINE_NAVEL", "HeadRotation") for axis in "xyz"])
    assert kinect is not None
    assert list(kinect.place.joints) == ["PELVIS", "SPINE_NAVEL"]


def test_a_cut_off_beginning_of_a_table_is_enough_to_know_it() -> None:
    table = sniff(b"a,b\n1,2\n3,")
    assert table is not None
    assert table.columns == [["1"], ["2"]]
    assert sniff(b'{"a": 1}\n') is None
    assert sniff(b"\0\1\2,\n") is None
    assert isinstance(parse("no separator\n"), str)
    assert sniff(b",,,\n,\n") is None


@pytest.mark.parametrize(
    ("times", "unit", "fps"),
    [
        (np.arange(5) * 40.0, "", 25),
        (np.arange(5) * 0.04, "", 25),
        (np.arange(5) * 4e4, "", 25),
        (np.arange(5) * 4e5, "", 25),
        (np.arange(5) * 4e7, "", 25),
        (np.arange(5) * 2.0, "s", 0.5),
        (np.array([0, 40, 120, 160, 200.0]), "ms", 25),  # a frame is missing
        (np.arange(5) * 3.0, "", 30),  # no unit fits
    ],
)
def test_times_give_the_rate(times: np.ndarray, unit: str, fps: float) -> None:
    poses = Poses(np.zeros((5, 3, 2), np.float32), times=times, time_unit=unit)
    sequence = recording_of(Path("x"), poses, unnamed_skeleton(3), ReadOptions())
    assert sequence.fps == fps
    assert sequence.frames == (6 if times[2] == 120 else 5)
    assert any("taken for" in sentence for sentence in sequence.assumed) == (not unit and fps == 25)


@pytest.mark.skipif(not FORMS.is_dir(), reason="the shared samples are not here")
@pytest.mark.parametrize("name", ["kinect_v2_wide.csv", "kinect_v2_dump_body.csv"])
def test_kinect_tables_give_back_the_truth(name: str) -> None:
    sequence = read(FORMS / "twins" / name)
    truth = np.load(FORMS / "twins" / "truth_ntu25_metres_yup.npz")
    persons = sequence.persons
    assert persons == (2 if "wide" in name else 1)
    assert detect(FORMS / "twins" / name).name == "kinect"
    assert (sequence.skeleton, sequence.fps, sequence.units, sequence.up) == (NTU25, 60.0, "m", "y")
    np.testing.assert_array_equal(sequence.validity, truth["valid"][:persons])
    seen = sequence.validity
    expected = truth["positions"][:persons] * (1, 1, -1)  # a Kinect's z points away from it
    np.testing.assert_allclose(sequence.positions[seen], expected[seen], atol=1e-4)


def test_kinect_v1_names_and_states_in_words(tmp_path: Path) -> None:
    joints = ("HipCenter", "Spine", "ShoulderCenter", "Head", "ShoulderLeft", "ElbowLeft", "KneeRight")
    columns = [f"{joint}{mark}" for joint in joints for mark in ("_X", "_Y", "_Z", "_TrackingState")]
    rows = [[value for _ in joints for value in (0.1, 0.2, 2.5, "Tracked")] for _ in range(3)]
    rows[1][3] = "NotTracked"
    rows[2][3] = "Inferred"
    path = save(tmp_path / "x.csv", columns, rows)
    sequence = read(path)
    assert detect(path).name == "kinect"
    assert set(sequence.skeleton.joints) == {
        "spine_base", "spine_mid", "spine_shoulder", "head", "left_shoulder", "left_elbow", "right_knee"
    }  # fmt: skip
    hip = sequence.skeleton.joints.index("spine_base")
    assert sequence.validity[0, :, hip].tolist() == [True, False, True]
    assert sequence.units == "m"


def test_a_joint_or_a_pose_without_a_confidence_beside_others_is_seen(tmp_path: Path) -> None:
    names = [*header("{joint}_{axis}"), "nose_confidence", "left_knee_confidence"]
    ratings = [(0.9, 0.2), (0.8, 0.9), ("", ""), (0.7, "")]
    rows = [[*points.ravel(), *pair] for points, pair in zip(POINTS + 1, ratings, strict=True)]
    seen = read(save(tmp_path / "some.csv", names, rows), min_confidence=0.3).validity[0]
    rated = [COCO17.joints.index(joint) for joint in ("nose", "left_knee")]
    assert np.delete(seen, rated, axis=1).all()  # nothing rates them
    np.testing.assert_array_equal(seen[:, rated], [[True, False], [True, True], [True, True], [True, False]])
