"""UTD-MHAD's MATLAB files: what is read, and what every kind of damage says."""

import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.io
from scipy.sparse import csr_array

from jointwise.data.formats import read, utd_mat
from jointwise.errors import ReadError

FRAMES = 11


def array() -> np.ndarray:
    return np.arange(20 * 3 * FRAMES, dtype=float).reshape(20, 3, FRAMES)


def write(path: Path, compress: bool = True, **content: Any) -> Path:
    scipy.io.savemat(path, content, do_compression=compress)
    return path


@pytest.mark.parametrize("compress", [True, False])
def test_joint_coordinate_frame_becomes_person_frame_joint_coordinate(tmp_path: Path, compress: bool) -> None:
    sequence = read(write(tmp_path / "a3_s5_t2_skeleton.mat", compress, d_skel=array()))
    assert sequence.positions.shape == (1, FRAMES, 20, 3)
    assert sequence.positions[0, 4, 9, 2] == array()[9, 2, 4]
    assert sequence.validity.all()
    assert (sequence.label, sequence.subject, sequence.fps, sequence.skeleton.name) == (2, 5, 30.0, "kinect20")
    assert sequence.source == str(tmp_path / "a3_s5_t2_skeleton.mat")


def test_a_file_of_another_name_is_read_with_unknown_label_and_subject(tmp_path: Path) -> None:
    sequence = read(write(tmp_path / "mine.mat", d_skel=array()))
    assert (sequence.label, sequence.subject) == (None, None)


def test_whole_numbers_are_read_too(tmp_path: Path) -> None:
    assert read(write(tmp_path / "x.mat", d_skel=array().astype(np.int16))).positions[0, 0, 0, 0] == 0


@pytest.mark.parametrize("reader", [read, utd_mat.read])
def test_a_missing_file_is_named(tmp_path: Path, reader: Any) -> None:
    with pytest.raises(ReadError, match=r"gone\.mat: no such file"):
        reader(tmp_path / "gone.mat")


def test_a_folder_is_no_recording(tmp_path: Path) -> None:
    (tmp_path / "folder.mat").mkdir()
    with pytest.raises(ReadError, match=r"folder\.mat: no such file"):
        utd_mat.read(tmp_path / "folder.mat")


@pytest.mark.parametrize("compress", [True, False])
@pytest.mark.parametrize("kept", [1, 4, 100, 127, 132, 136, 140, 150, 180, 200, 400, 0.5, 0.9, -1])
def test_a_truncated_file_is_named_with_its_size_wherever_it_ends(tmp_path: Path, kept: float, compress: bool) -> None:
    path = write(tmp_path / "cut.mat", compress, d_skel=array())
    whole = path.read_bytes()
    end = int(kept * len(whole)) if isinstance(kept, float) else kept
    path.write_bytes(whole[:end])
    with pytest.raises(ReadError, match=rf"cut\.mat: damaged.*\({len(whole[:end])} bytes.*again"):
        utd_mat.read(path)


def test_a_file_cut_off_behind_its_header_is_named_as_empty(tmp_path: Path) -> None:
    path = write(tmp_path / "cut.mat", d_skel=array())
    path.write_bytes(path.read_bytes()[:128])
    with pytest.raises(ReadError, match=r"cut\.mat: no variable 'd_skel' \(found: nothing\)"):
        read(path)


@pytest.mark.parametrize("seed", range(8))
def test_garbage_is_named_as_damaged(tmp_path: Path, seed: int) -> None:
    random = np.random.default_rng(seed)
    path = tmp_path / "garbage.mat"
    path.write_bytes(random.bytes(int(random.integers(1, 4000))))
    with pytest.raises(ReadError, match=r"garbage\.mat: damaged or not a MATLAB file"):
        read(path)


@pytest.mark.parametrize("place", range(160, 1000, 120))
def test_a_flipped_byte_in_a_compressed_file_is_found(tmp_path: Path, place: int) -> None:
    path = write(tmp_path / "flipped.mat", d_skel=np.random.default_rng(0).normal(size=(20, 3, FRAMES)))
    content = bytearray(path.read_bytes())
    content[place] ^= 0xFF
    path.write_bytes(bytes(content))
    with pytest.raises(ReadError, match=r"flipped\.mat"):
        read(path)


def test_a_file_without_d_skel_says_what_it_found(tmp_path: Path) -> None:
    with pytest.raises(ReadError, match=r"no variable 'd_skel' \(found: d_depth, d_iner\)"):
        read(write(tmp_path / "x.mat", d_iner=array(), d_depth=array()))
    with pytest.raises(ReadError, match=r"no variable 'd_skel' \(found: nothing\)"):
        read(write(tmp_path / "empty.mat"))


@pytest.mark.parametrize(
    "content",
    [
        array()[:19],
        array().transpose(2, 0, 1),
        array()[:, :, 0],
        array()[:, :, :0],
        array() * 1j,
    ],
    ids=["19 joints", "other order", "2 axes", "no frame", "complex"],
)
def test_another_shape_or_kind_of_d_skel_is_refused(tmp_path: Path, content: Any) -> None:
    with pytest.raises(ReadError, match=r"x\.mat: 'd_skel' has shape .* expected real numbers \(20, 3, frames\)"):
        read(write(tmp_path / "x.mat", d_skel=content))


@pytest.mark.parametrize(
    "content",
    ["text", {"a": 1.0}, np.full((20, 3, 4), "x", object), np.full((20, 3, 4), "x"), csr_array(np.eye(3))],
    ids=["text", "struct", "cells", "characters", "sparse"],
)
@pytest.mark.parametrize("compress", [False, True])
def test_what_is_no_array_of_numbers_is_refused_before_scipy_sees_it(
    tmp_path: Path, content: Any, compress: bool
) -> None:
    with pytest.raises(ReadError, match=r"x\.mat: holds cells, structures, text or sparse arrays"):
        read(write(tmp_path / "x.mat", compress, d_skel=content))


@pytest.mark.parametrize("kind", [0, 8, 14, 18, 77, 255, 65535])
def test_a_false_type_of_an_element_does_not_end_the_process(tmp_path: Path, kind: int) -> None:
    path = write(tmp_path / "x.mat", d_skel=array())
    content = bytearray(path.read_bytes())
    place = content.find(struct.pack("<II", 9, array().nbytes))  # the tag of the numbers
    content[place : place + 4] = struct.pack("<I", kind)
    path.write_bytes(bytes(content))
    with pytest.raises(ReadError, match=r"x\.mat: damaged"):  # SciPy alone: a segmentation fault
        read(path)


def test_a_compressed_array_may_not_become_too_large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "x.mat", True, d_skel=np.zeros((20, 3, 500_000)))  # 240 MB from 0.2 MB
    with pytest.raises(ReadError, match=r"x\.mat: .*JOINTWISE_FILE_MEMORY"):
        read(path)
    monkeypatch.setenv("JOINTWISE_FILE_MEMORY", "0.5")
    assert read(path).frames == 500_000


def test_arrays_may_not_become_too_large_together(tmp_path: Path) -> None:
    path = write(tmp_path / "x.mat", True, d_skel=np.zeros((20, 3, 100_000)))  # 48 MB
    content = path.read_bytes()
    path.write_bytes(content + 9 * content[128:])  # 480 MB from 0.5 MB
    with pytest.raises(ReadError, match=r"x\.mat: its arrays .*JOINTWISE_FILE_MEMORY"):
        read(path)


@pytest.mark.parametrize("value", [np.inf, 1e300])  # 1e300 is beyond float32
def test_a_coordinate_that_is_no_number_is_named_by_file_frame_and_joint(tmp_path: Path, value: float) -> None:
    content = array()
    content[9, 2, 4] = value
    with pytest.raises(ReadError, match=r"x\.mat: .*first: person 0, frame 4, joint 9 \(right_elbow\)"):
        read(write(tmp_path / "x.mat", d_skel=content))
