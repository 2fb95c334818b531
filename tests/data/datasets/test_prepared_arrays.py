"""Prepared data in the arrays of CTR-GCN and MAMP: padding is no person, and memory stays small."""

import io
import shlex
import tracemalloc
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from helpers.recordings import read_all
from jointwise.cli import run as jointwise
from jointwise.data.datasets import source_of_file as source_of
from jointwise.data.datasets.ntu import ACTIONS
from jointwise.data.skeletons import NTU25
from jointwise.data.store.reader import INDEX, TEST, TRAIN
from jointwise.errors import DataError, EmptyRecording, JointwiseError, ReadError


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


def test_a_coordinate_that_is_no_number_is_a_missing_joint(tmp_path: Path) -> None:
    content = arrays()
    content["x_train"][3, 4, 75 + 6] = np.nan  # person 1, x of joint 2
    content["x_train"][2] = np.nan
    found = source_of(save(tmp_path, content)).recordings(None)
    sequence = found.read(found.items["x_train[3]"])
    assert np.argwhere(~sequence.validity).tolist() == [[1, 4, 2]]
    with pytest.raises(EmptyRecording):
        found.read(found.items["x_train[2]"])


def test_an_infinite_coordinate_is_named(tmp_path: Path) -> None:
    content = arrays()
    content["x_train"][3, 4, 75 + 6] = np.inf
    found = source_of(save(tmp_path, content)).recordings(None)
    with pytest.raises(ReadError, match=r"x_train\[3\]: .*person 1, frame 4, joint 2 \(neck\)"):
        found.read(found.items["x_train[3]"])


def test_the_command_that_the_error_suggests_leaves_bad_rows_out(
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


@pytest.mark.slow
@pytest.mark.parametrize("compressed", [True, False])
def test_reading_rows_needs_a_tenth_of_the_arrays_memory_at_most(tmp_path: Path, compressed: bool) -> None:
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
        ("NTU60_CS.npz", "xsub"),
        ("NTU60_XSub.npz", "xsub"),
        ("NTU60_CV.npz", "xview"),
        ("ntu60_xview.npz", "xview"),
        ("NTU120_CSub.npz", "xsub"),
        ("NTU120_CSet.npz", "xset"),
        ("NTU120_XSet.npz", "xset"),
        ("mine.npz", "file"),
    ],
)
def test_the_split_is_that_of_the_arrays_and_named_after_the_file(tmp_path: Path, file: str, name: str) -> None:
    source = source_of(save(tmp_path, arrays(), file))
    names = list(source.recordings(None).items)
    assert list(source.splits) == [name]
    split = source.splits[name]
    assert split.rule(np.zeros(len(names), INDEX), names).tolist() == [TRAIN] * 4 + [TEST] * 3
    assert "x_train and x_test of the file" in split.about
    assert source.name == file.removesuffix(".npz")


@pytest.mark.parametrize("classes", [60, 120])
def test_60_and_120_classes_get_the_names_of_ntus_actions(tmp_path: Path, classes: int) -> None:
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
def test_a_header_with_an_impossible_shape_is_refused(tmp_path: Path, shape: tuple[int, ...]) -> None:
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


def test_errors_of_truncated_empty_missing_and_other_files_name_the_file(tmp_path: Path) -> None:
    path = save(tmp_path, arrays())
    path.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(ReadError, match=r"mine\.npz: damaged or not a \.npz file"):
        source_of(path)
    path.write_bytes(b"")
    with pytest.raises(ReadError, match=r"mine\.npz: the file is empty"):
        source_of(path)
    with pytest.raises(ReadError, match=r"gone\.npz: no such file"):
        source_of(tmp_path / "gone.npz")
    with pytest.raises(DataError, match=r"x\.mat: prepared data sets are files that end in \.npz or \.pkl"):
        source_of(tmp_path / "x.mat")


def test_damage_inside_an_array_is_an_error_of_its_rows(tmp_path: Path) -> None:
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
