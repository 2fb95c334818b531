"""Prepared files of the field as data: padding is no person, memory stays small, pickles run nothing."""

import io
import os
import pickle
import shlex
import tracemalloc
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from types import FunctionType
from typing import Any

import numpy as np
import pytest

from jointwise.cli import run as jointwise
from jointwise.data.datasets import source_of_file as source_of
from jointwise.data.datasets.ntu import ACTIONS
from jointwise.data.datasets.source import DataSource
from jointwise.data.formats import restricted_pickle
from jointwise.data.sequence import Sequence
from jointwise.data.skeletons import COCO17, NTU25, unnamed_skeleton
from jointwise.data.store.reader import INDEX, TEST, TRAIN, UNUSED
from jointwise.errors import DataError, EmptyRecording, JointwiseError, ReadError

# --- arrays of CTR-GCN and MAMP ---


def arrays(train: int = 4, test: int = 3, frames: int = 12, classes: int = 3, seed: int = 0) -> dict[str, np.ndarray]:
    random = np.random.default_rng(seed)
    one_hot = np.eye(classes)
    content = {}
    for part, count in (("train", train), ("test", test)):
        content[f"x_{part}"] = random.normal(size=(count, frames, 150)).astype(np.float32)
        content[f"y_{part}"] = one_hot[np.arange(count) % classes]
    return content


def save(folder: Path, content: dict[str, Any], name: str = "mine.npz", compressed: bool = True) -> Path:
    (np.savez_compressed if compressed else np.savez)(folder / name, **content)
    return folder / name


def read_all(source: DataSource) -> dict[str, Sequence]:
    found = source.recordings(None)
    return {name: found.read(item) for name, item in found.items.items()}


def test_rows_become_persons_frames_joints_coordinates(tmp_path: Path) -> None:
    content = arrays()
    source = source_of(save(tmp_path, content))
    sequences = read_all(source)
    assert list(sequences) == [f"x_train[{row}]" for row in range(4)] + [f"x_test[{row}]" for row in range(3)]
    assert source.count == 7
    second = sequences["x_train[2]"]
    assert second.positions.shape == (2, 12, 25, 3)
    assert second.positions[1, 5, 7, 2] == content["x_train"][2, 5, 75 + 7 * 3 + 2]  # person, joint, coordinate
    assert second.validity.all()
    assert (second.label, second.subject, second.skeleton, second.source) == (2, None, NTU25, "mine.npz: x_train[2]")
    assert source.description.classes == ("class 1", "class 2", "class 3")


@pytest.mark.parametrize("compressed", [True, False])
@pytest.mark.parametrize("dtype", ["f2", "f4", ">f4", "f8"])
def test_stored_and_compressed_files_of_any_float_are_the_same(tmp_path: Path, compressed: bool, dtype: str) -> None:
    content = arrays()
    expected = read_all(source_of(save(tmp_path, content)))
    content |= {key: content[key].astype(dtype) for key in ("x_train", "x_test")}
    sequences = read_all(source_of(save(tmp_path, content, "other.npz", compressed)))
    for name, sequence in sequences.items():
        np.testing.assert_allclose(sequence.positions, expected[name].positions, atol=4e-3 if dtype == "f2" else 0)


def test_rows_can_be_read_in_any_order(tmp_path: Path) -> None:
    source = source_of(save(tmp_path, arrays()))
    expected, found = read_all(source), source.recordings(None)
    for name in ("x_test[2]", "x_train[1]", "x_train[0]", "x_train[3]", "x_test[0]", "x_test[0]"):
        np.testing.assert_array_equal(found.read(found.items[name]).positions, expected[name].positions)


def test_a_frame_without_a_joint_is_missing_and_the_end_of_such_frames_is_cut(tmp_path: Path) -> None:
    content = arrays()
    row = content["x_train"][0].reshape(12, 2, 25, 3)
    row[:2] = row[5] = row[9:] = 0  # nobody at first, in between, and behind
    row[3, 0] = 0  # the first person is away once
    row[7:, 1] = 0  # the second leaves earlier
    sequence = read_all(source_of(save(tmp_path, content)))["x_train[0]"]
    assert sequence.frames == 9
    assert sequence.validity.all(-1).tolist() == [
        [False, False, True, False, True, False, True, True, True],
        [False, False, True, True, True, False, True, False, False],
    ]
    assert (sequence.validity.all(-1) == sequence.validity.any(-1)).all()


def test_a_root_at_the_origin_is_valid(tmp_path: Path) -> None:
    content = arrays()
    content["x_train"][0].reshape(12, 2, 25, 3)[:, :, 1] = 0
    assert read_all(source_of(save(tmp_path, content)))["x_train[0]"].validity.all()


@pytest.mark.parametrize("second", ["zero", "copy"])
def test_a_second_person_that_is_padding_is_dropped(tmp_path: Path, second: str) -> None:
    content = arrays()
    for row in content["x_train"].reshape(4, 12, 2, 25, 3):
        row[:, 1] = 0 if second == "zero" else row[:, 0]
    sequences = read_all(source_of(save(tmp_path, content)))
    assert {sequence.persons for name, sequence in sequences.items() if "train" in name} == {1}
    assert {sequence.persons for name, sequence in sequences.items() if "test" in name} == {2}


def test_a_row_with_nobody_in_it_is_empty_and_the_next_is_read(tmp_path: Path) -> None:
    content = arrays()
    content["x_train"][1] = 0
    found = source_of(save(tmp_path, content)).recordings(None)
    with pytest.raises(EmptyRecording, match=r"mine\.npz: x_train\[1\]: nobody in it"):
        found.read(found.items["x_train[1]"])
    assert found.read(found.items["x_train[2]"]).frames == 12


def test_a_coordinate_that_is_no_number_is_named(tmp_path: Path) -> None:
    content = arrays()
    content["x_train"][3, 4, 75 + 6] = np.nan
    found = source_of(save(tmp_path, content)).recordings(None)
    with pytest.raises(ReadError, match=r"x_train\[3\]: .*person 1, frame 4, joint 2 \(neck\)"):
        found.read(found.items["x_train[3]"])


def test_the_command_that_leaves_bad_rows_out_is_one_that_works(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    content = arrays()
    content["x_train"][2, 3, 4] = np.inf
    path = save(tmp_path, content)
    monkeypatch.setenv("JOINTWISE_DATA", str(tmp_path / "stores"))
    with pytest.raises(DataError, match="1 of 7 recordings cannot be used") as error:
        jointwise(["prepare", str(path)])
    words = shlex.split(str(error.value).splitlines()[-1].rpartition("leave them out: ")[2])
    jointwise(words[1:])
    assert "6 of 7" in capsys.readouterr().out


@pytest.mark.parametrize("compressed", [True, False])
def test_the_array_is_never_in_memory(tmp_path: Path, compressed: bool) -> None:
    content = arrays(train=400, test=2, frames=100)
    path, whole = save(tmp_path, content, compressed=compressed), content["x_train"].nbytes
    del content
    tracemalloc.start()
    try:
        found = source_of(path).recordings(None)
        frames = sum(found.read(item).frames for item in found.items.values())
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert frames == 402 * 100
    assert whole > 20e6
    assert peak < 0.1 * whole, f"{peak / 1e6:.1f} of {whole / 1e6:.1f} MB"


@pytest.mark.parametrize(
    ("file", "name"),
    [
        *(
            ("NTU60_CS.npz", "xsub"),
            ("NTU60_XSub.npz", "xsub"),
            ("NTU60_CV.npz", "xview"),
            ("ntu60_xview.npz", "xview"),
        ),
        *(("NTU120_CSub.npz", "xsub"), ("NTU120_CSet.npz", "xset"), ("NTU120_XSet.npz", "xset"), ("mine.npz", "file")),
    ],
)
def test_the_split_is_that_of_the_file_and_called_after_it(tmp_path: Path, file: str, name: str) -> None:
    source = source_of(save(tmp_path, arrays(), file))
    names = list(source.recordings(None).items)
    assert list(source.splits) == [name]
    split = source.splits[name]
    assert split.rule(np.zeros(len(names), INDEX), names).tolist() == [TRAIN] * 4 + [TEST] * 3
    assert "x_train and x_test of the file" in split.about
    assert source.name == file.removesuffix(".npz")


@pytest.mark.parametrize("classes", [60, 120])
def test_with_as_many_classes_as_ntu_the_actions_have_its_names(tmp_path: Path, classes: int) -> None:
    description = source_of(save(tmp_path, arrays(classes=classes))).description
    assert description.classes == ACTIONS[:classes]
    assert "research" in description.terms


def test_labels_may_be_whole_numbers(tmp_path: Path) -> None:
    content = arrays()
    content |= {"y_train": np.array([0, 3, 1, 2]), "y_test": np.array([2, 0, 0])}
    source = source_of(save(tmp_path, content))
    assert [sequence.label for sequence in read_all(source).values()] == [0, 3, 1, 2, 2, 0, 0]
    assert len(source.description.classes) == 4


def test_one_hot_may_be_true_and_false(tmp_path: Path) -> None:
    content = arrays()
    content |= {key: content[key].astype(bool) for key in ("y_train", "y_test")}
    sequences = read_all(source_of(save(tmp_path, content)))
    assert [sequence.label for sequence in sequences.values()] == [0, 1, 2, 0, 0, 1, 2]


@pytest.mark.parametrize("shape", [(10**30, 3, 150), (-2, -3, 150)])
def test_a_header_that_promises_something_else_is_refused(tmp_path: Path, shape: tuple[int, ...]) -> None:
    path, header = save(tmp_path, arrays()), io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "<f4", "fortran_order": False, "shape": shape})
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, member in (members | {"x_train.npy": header.getvalue() + bytes(3600)}).items():
            archive.writestr(name, member)
    with pytest.raises(DataError, match="'x_train' "):
        source_of(path)


def test_a_member_that_is_no_array_is_not_taken_for_one(tmp_path: Path) -> None:
    path = save(tmp_path, {key: value for key, value in arrays().items() if key != "x_train"})
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("x_train", b"1 2 3")
    with pytest.raises(DataError, match="no array 'x_train'"):
        source_of(path)


A = arrays()
REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "one recording": ({"positions": np.zeros((3, 25, 3))}, r"no array 'x_train' \(found: positions\).* one recording"),
    "half": ({"x_train": A["x_train"], "y_train": A["y_train"]}, r"no array 'x_test' \(found: x_train, y_train\)"),
    "Fortran": (
        A | {"x_train": np.asfortranarray(A["x_train"])},
        r"'x_train' lies in Fortran order.*ascontiguousarray",
    ),
    "text": (A | {"x_train": np.full((4, 12, 150), "a")}, r"'x_train' has type <U1, expected real numbers"),
    "objects": (A | {"x_train": np.full((4, 12, 150), None)}, r"'x_train' has type object"),
    "five axes": (A | {"x_train": np.zeros((4, 3, 12, 25, 2))}, r"'x_train' has shape \(4, 3, 12, 25, 2\), expected"),
    "other joints": (A | {"x_test": np.zeros((3, 12, 51))}, r"'x_test' has shape \(3, 12, 51\), expected"),
    "no row": (A | {"x_test": np.zeros((0, 12, 150))}, r"'x_test' has shape \(0, 12, 150\)"),
    "few labels": (A | {"y_train": A["y_train"][:3]}, r"'y_train' has shape \(3, 3\) .*expected 4 rows"),
    "real labels": (A | {"y_train": np.ones(4)}, r"'y_train' has shape \(4,\) and type float64"),
    "negative": (A | {"y_train": np.array([0, -1, 0, 1])}, r"'y_train' has a negative class, -1"),
    "not a number": (A | {"y_train": np.where(np.eye(4, 3) == 1, np.nan, 0)}, r"'y_train' is not one-hot in row 0"),
    "minus one hot": (A | {"y_train": -np.eye(3)[[0, 1, 2, 0]]}, r"'y_train' is not one-hot in row 0"),
    "bools": (A | {"y_train": np.ones(4, bool)}, r"'y_train' has shape \(4,\) and type bool"),
    "big class": (
        A | {"y_train": np.array([0, 1, 10**12, 0])},
        r"'y_train' has class 1000000000000, .*100,000 classes",
    ),
    "many columns": (A | {"y_test": np.eye(3, 100_001, dtype="i1")}, r"'y_test' has class 100000, "),
    "two hot": (A | {"y_train": np.eye(4, 3)}, r"'y_train' is not one-hot in row 3"),
    "other classes": (A | {"y_test": np.eye(3, 5)}, r"'y_train' has 3 classes, 'y_test' 5"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_other_content_is_refused_with_its_key_and_a_remedy(tmp_path: Path, name: str) -> None:
    content, message = REFUSED[name]
    with pytest.raises(DataError, match=message) as caught:
        source_of(save(tmp_path, content))
    assert str(caught.value).startswith(str(tmp_path / "mine.npz"))


def test_a_cut_file_and_one_of_another_kind_are_named(tmp_path: Path) -> None:
    path = save(tmp_path, arrays())
    path.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(ReadError, match=r"mine\.npz: damaged or not a \.npz file"):
        source_of(path)
    path.write_bytes(b"")
    with pytest.raises(ReadError, match=r"mine\.npz: the file is empty"):
        source_of(path)
    with pytest.raises(ReadError, match=r"gone\.npz: no such file"):
        source_of(tmp_path / "gone.npz")
    with pytest.raises(DataError, match=r"x\.npy: prepared data sets are files that end in \.npz or \.pkl"):
        source_of(tmp_path / "x.npy")


def test_damage_inside_an_array_is_found(tmp_path: Path) -> None:
    path = save(tmp_path, arrays(train=40))
    content = bytearray(path.read_bytes())
    content[len(content) // 3] ^= 0xFF  # in x_train
    path.write_bytes(bytes(content))
    found, errors = source_of(path).recordings(None), []
    for name, item in found.items.items():
        try:
            found.read(item)
        except JointwiseError as error:
            errors.append((name, str(error)))
    assert errors
    assert all(name.startswith("x_train") for name, _ in errors)
    assert "damaged" in errors[-1][1]


# --- pickles of PYSKL ---


def annotation(name: str, label: int, joints: int = 17, coordinates: int = 2, scored: bool = True) -> dict[str, Any]:
    random = np.random.default_rng(label)
    content = {
        "frame_dir": name,
        "label": label,
        "img_shape": (1080, 1920),
        "total_frames": 6,
        "keypoint": random.uniform(1, 900, (1, 6, joints, coordinates)).astype(np.float16),
    }
    return content | ({"keypoint_score": random.uniform(0.1, 1, (1, 6, joints)).astype(np.float16)} if scored else {})


NAMES = [
    f"S001C00{camera}P0{subject:02d}R001A00{action}" for action in (1, 2) for subject in (1, 3) for camera in (1, 2)
]


def dataset(**options: Any) -> dict[str, Any]:
    return {
        "split": {
            "xsub_train": [name for name in NAMES if "P001" in name],
            "xsub_val": [name for name in NAMES if "P003" in name],
            "xview_train": [name for name in NAMES if "C002" in name][:3],
            "xview_val": [name for name in NAMES if "C001" in name],
            "everything": NAMES,
        },
        "annotations": [annotation(name, int(name[-1]) - 1, **options) for name in NAMES],
    }


def dump(folder: Path, content: Any, name: str = "ntu60_hrnet.pkl", protocol: int = 4) -> Path:
    (folder / name).write_bytes(pickle.dumps(content, protocol))
    return folder / name


def test_annotations_become_2d_sequences_with_scores_as_validity(tmp_path: Path) -> None:
    content = dataset()
    content["annotations"][1]["keypoint_score"][0, 2, 5] = 0
    source = source_of(dump(tmp_path, content))
    sequences = read_all(source)
    assert list(sequences) == NAMES
    first = sequences[NAMES[1]]
    assert first.positions.shape == (1, 6, 17, 2)
    np.testing.assert_array_equal(first.positions, content["annotations"][1]["keypoint"].astype(np.float32))
    assert np.argwhere(~first.validity).tolist() == [[0, 2, 5]]
    assert (first.label, first.subject, first.camera, first.skeleton) == (0, 1, 2, COCO17)
    assert source.description.coordinates == 2
    assert source.description.classes == ACTIONS[:60]
    assert "research" in source.description.terms


def test_pairs_of_lists_are_the_splits(tmp_path: Path) -> None:
    source = source_of(dump(tmp_path, dataset()))
    index = np.zeros(len(NAMES), INDEX)
    assert list(source.splits) == ["xsub", "xview"]
    assert source.splits["xsub"].rule(index, NAMES).tolist() == [TRAIN, TRAIN, TEST, TEST] * 2
    assert source.splits["xview"].rule(index, NAMES).tolist() == [TEST, TRAIN, TEST, TRAIN, TEST, TRAIN, TEST, UNUSED]


@pytest.mark.parametrize(
    ("lists", "splits"),
    [
        (("train", "val"), ["file"]),
        (("train", "test"), ["file"]),
        (("train1", "test1", "train2", "test2", "train3"), ["split1", "split2"]),
        (("sub_train", "sub_test", "set_val"), ["sub"]),
    ],
)
def test_other_names_of_lists_are_understood(tmp_path: Path, lists: tuple[str, ...], splits: list[str]) -> None:
    content = dataset() | {"split": {name: NAMES[:3] if "train" in name else NAMES[3:] for name in lists}}
    assert list(source_of(dump(tmp_path, content)).splits) == splits


def test_3d_annotations_without_scores_drop_the_padding_person(tmp_path: Path) -> None:
    content = dataset(joints=25, coordinates=3, scored=False)
    for entry in content["annotations"]:
        entry["keypoint"] = np.concatenate([entry["keypoint"], np.zeros_like(entry["keypoint"])])
    content["annotations"][0]["keypoint"][0, :2] = 0
    content["annotations"][1]["keypoint"][:] = 0
    found = source_of(dump(tmp_path, content, "ntu120_3danno.pkl")).recordings(None)
    first = found.read(found.items[NAMES[0]])
    assert first.skeleton is NTU25
    assert first.validity[:, :, 0].tolist() == [[False, False, True, True, True, True]]
    with pytest.raises(EmptyRecording, match=rf"ntu120_3danno\.pkl: {NAMES[1]}: nobody in it"):
        found.read(found.items[NAMES[1]])


def test_another_layout_and_other_classes_have_no_names(tmp_path: Path) -> None:
    content = dataset(joints=18)
    content["annotations"][0]["label"] = 7
    content["annotations"][0]["frame_dir"] = "my video"
    content["split"] = {"train": ["my video"], "test": NAMES[1:]}
    source = source_of(dump(tmp_path, content, "gym.pkl"))
    assert source.description.skeleton == unnamed_skeleton(18)
    assert source.description.classes == tuple(f"class {number}" for number in range(1, 9))
    first = read_all(source)["my video"]
    assert (first.subject, first.camera, first.label) == (None, None, 7)


def changed(change: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
    content = dataset()
    change(content)
    return content


BROKEN: dict[str, tuple[Any, str]] = {
    "list": ([1, 2], r"expected a mapping with 'split' and 'annotations'.*\(found: list\)"),
    "other keys": ({"data": 1}, r"expected a mapping .*\(found: data\)"),
    "nothing": (changed(lambda c: c.update(annotations=[])), r"'annotations' must be a list of mappings"),
    "a number": (changed(lambda c: c.update(annotations=3)), r"'annotations' must be a list"),
    "an array": (changed(lambda c: c.update(annotations=np.zeros(3))), r"'annotations' must be a list"),
    "split number": (
        changed(lambda c: c["split"].update(xsub_val=3)),
        r"'xsub_val' in 'split' is a int, expected a list",
    ),
    "split text": (changed(lambda c: c["split"].update(xsub_val="S001")), r"'xsub_val' in 'split' is a str"),
    "split of lists": (changed(lambda c: c["split"].update(xsub_val=[["a"]])), r"'xsub_val' in 'split' names \['a'\]"),
    "split of numbers": (changed(lambda c: c["split"].update(xsub_val=np.arange(3))), r"'xsub_val' in 'split' names 0"),
    "stranger": (changed(lambda c: c["split"]["xsub_val"].append("S9")), r"'xsub_val' in 'split' names 'S9', but no"),
    "in both": (
        changed(lambda c: c["split"]["xsub_val"].append(NAMES[0])),
        rf"split 'xsub' trains on '{NAMES[0]}' and scores it as well \(1 such",
    ),
    "two of a kind": (changed(lambda c: c["split"].update(train_xsub=NAMES)), r"two lists .*train part .*'train_xsub'"),
    "text keypoint": (
        changed(lambda c: c["annotations"][1].update(keypoint=np.full((1, 6, 17, 2), "1"))),
        r"annotations\[1\] .* has keypoint of type <U1, expected real numbers",
    ),
    "few joints": (dataset(joints=4), r"4 joints. jointwise works with 5 to 133"),
    "many joints": (dataset(joints=134), r"134 joints. jointwise works with 5 to 133"),
    "class": (
        changed(lambda c: c["annotations"][1].update(label=10**9)),
        r"annotations\[1\] .*class 1000000000, .*100,000",
    ),
    "no pairs": (changed(lambda c: c.update(split={"train": []})), r"no two splits such as .*\(found: train\)"),
    "twice": (changed(lambda c: c["annotations"].append(c["annotations"][0])), r"two annotations are called 'S001C001"),
    "not a mapping": (changed(lambda c: c["annotations"].insert(2, 5)), r"annotations\[2\] is a int"),
    "no keypoint": (changed(lambda c: c["annotations"][3].pop("keypoint")), r"annotations\[3\] has no 'keypoint'"),
    "label": (
        changed(lambda c: c["annotations"][3].update(label="a")),
        r"annotations\[3\] has no 'label' of the right",
    ),
    "negative": (changed(lambda c: c["annotations"][3].update(label=-1)), r"annotations\[3\] .* label -1"),
    "axes": (changed(lambda c: c["annotations"][0].update(keypoint=np.zeros((6, 17, 2)))), r"shape \(6, 17, 2\)"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_pickle_of_other_content_is_refused(tmp_path: Path, name: str) -> None:
    content, message = BROKEN[name]
    with pytest.raises(DataError, match=message):
        source_of(dump(tmp_path, content))


def test_annotations_that_do_not_fit_together_are_named_when_read(tmp_path: Path) -> None:
    content = dataset()
    content["annotations"][1]["keypoint_score"] = np.ones((1, 5, 17))
    content["annotations"][2]["keypoint"] = np.ones((1, 6, 18, 2))
    found = source_of(dump(tmp_path, content)).recordings(None)
    with pytest.raises(
        ReadError, match=rf"{NAMES[1]}: keypoint_score has shape \(1, 5, 17\) .* keypoint \(1, 6, 17, 2\)"
    ):
        found.read(found.items[NAMES[1]])
    with pytest.raises(ReadError, match=rf"{NAMES[2]}: keypoint has shape \(1, 6, 18, 2\)"):
        found.read(found.items[NAMES[2]])


def test_scores_that_are_text_and_numbers_beyond_float32_are_named_when_read(tmp_path: Path) -> None:
    content = dataset()
    content["annotations"][1]["keypoint_score"] = np.full((1, 6, 17), "1")
    content["annotations"][2]["keypoint"] = np.full((1, 6, 17, 2), 1e39)
    found = source_of(dump(tmp_path, content)).recordings(None)
    with pytest.raises(ReadError, match=rf"{NAMES[1]}: keypoint_score has .* type <U1"):
        found.read(found.items[NAMES[1]])
    with pytest.raises(ReadError, match=rf"{NAMES[2]}: .*not finite"):
        found.read(found.items[NAMES[2]])


@pytest.mark.parametrize("order", [("train", "test", "val"), ("val", "train", "test")])
def test_of_test_and_val_test_is_scored(tmp_path: Path, order: tuple[str, ...]) -> None:
    lists = {"train": NAMES[:2], "test": np.array(NAMES[2:5]), "val": NAMES[5:]}
    source = source_of(dump(tmp_path, dataset() | {"split": {f"X_{name}": lists[name] for name in order}}))
    index = np.zeros(len(NAMES), INDEX)
    assert list(source.splits) == ["X"]
    assert source.splits["X"].rule(index, NAMES).tolist() == [TRAIN] * 2 + [TEST] * 3 + [UNUSED] * 3
    assert "val part is not used" in source.splits["X"].about


# --- the restricted unpickler ---


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_containers_and_arrays_come_back_from_every_protocol(tmp_path: Path, protocol: int) -> None:
    arrays = [
        np.arange(12, dtype="f4").reshape(3, 4),
        np.asfortranarray(np.arange(6, dtype="f2").reshape(2, 3)),
        np.arange(3, dtype=">i4"),
        np.array(["ab", "c"]),
        np.zeros((0, 3)),
        np.array([True, False]),
    ]
    plain = {"a": [1, 2.5, "text", None, True, (1, 2), {3, 4}, b"bytes", b""], 7: np.int64(4), "f": np.float32(2.5)}
    loaded_arrays, loaded = restricted_pickle.load(dump(tmp_path, (arrays, plain), protocol=protocol))
    assert loaded == plain
    for before, after in zip(arrays, loaded_arrays, strict=True):
        np.testing.assert_array_equal(after, before)
        assert after.dtype.newbyteorder("=") == before.dtype.newbyteorder("=")


class Attack:
    """Calls something when it is unpickled."""

    def __init__(self, call: Callable[..., Any], *arguments: Any) -> None:
        self.call, self.arguments = call, arguments

    def __reduce__(self) -> Any:
        return self.call, self.arguments


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_pickle_that_would_run_a_command_runs_nothing(tmp_path: Path, protocol: int) -> None:
    witness = tmp_path / "ran"
    content = dataset()
    content["annotations"][0]["note"] = Attack(os.system, f"touch {witness}")
    path = dump(tmp_path, content, protocol=protocol)
    with pytest.raises(ReadError, match=r"ntu60_hrnet\.pkl: the pickle asks for 'posix\.system', which may run code"):
        source_of(path)
    assert not witness.exists()
    pickle.loads(path.read_bytes())  # it is a working attack on whoever trusts it
    assert witness.exists()


@pytest.mark.parametrize(
    ("attack", "refused"),
    [
        (Attack(eval, "1 + 1"), r"builtins?(__)?\.eval"),
        (Attack(getattr, "text", "upper"), r"getattr"),
        (Attack(np.load, "x.npy"), r"'numpy\.load'"),
        (np.array([{"an": "object"}], dtype=object), r"type 'O8'"),
        (np.zeros(2, dtype=[("a", "f4"), ("b", "i4")]), r"type 'V8'"),
        (Path("x"), r"'pathlib\.PosixPath'"),
        (np.random.default_rng(0), r"numpy\.random"),
    ],
)
def test_whatever_else_a_pickle_asks_for_is_refused(tmp_path: Path, attack: Any, refused: str) -> None:
    with pytest.raises(ReadError, match=refused):
        restricted_pickle.load(dump(tmp_path, [attack]))


CHANGES = {  # what BUILD may be given: attributes, and attributes beside a dict
    "dict": b"}X\x04\x00\x00\x00noteK\x01s",
    "attributes": b"N}X\x0c\x00\x00\x00__defaults__X\x06\x00\x00\x00latin1\x85s\x86",
}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("name", restricted_pickle._ALLOWED)
def test_nothing_that_a_pickle_may_name_can_be_changed_by_it(
    tmp_path: Path, name: tuple[str, str], change: str
) -> None:
    path = tmp_path / "x.pkl"
    path.write_bytes(b"\x80\x02c" + "\n".join(name).encode() + b"\n" + CHANGES[change] + b"b.")
    allowed = restricted_pickle._ALLOWED[name]
    with pytest.raises(ReadError, match=r"x\.pkl: damaged, or not a pickle of containers"):
        restricted_pickle.load(path)
    assert restricted_pickle._ALLOWED[name] is allowed
    functions = [value for value in vars(restricted_pickle).values() if isinstance(value, FunctionType)]
    assert functions
    assert not any(function.__defaults__ or vars(function) for function in functions)


def test_an_ordered_mapping_comes_back_as_a_plain_one(tmp_path: Path) -> None:
    loaded = restricted_pickle.load(dump(tmp_path, OrderedDict(b=1, a=2)))
    assert type(loaded) is dict
    assert list(loaded.items()) == [("b", 1), ("a", 2)]


@pytest.mark.parametrize("kept", [0, 1, 100, -1])
def test_a_cut_pickle_is_named(tmp_path: Path, kept: int) -> None:
    path = dump(tmp_path, dataset())
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(ReadError, match=r"ntu60_hrnet\.pkl: (damaged|the file is empty)"):
        source_of(path)


@pytest.mark.parametrize("seed", range(8))
def test_garbage_is_named(tmp_path: Path, seed: int) -> None:
    path = tmp_path / "x.pkl"
    path.write_bytes(np.random.default_rng(seed).bytes(500))
    with pytest.raises(ReadError, match=r"x\.pkl"):
        source_of(path)
