"""WMFT's raw files: shape and names, and what a file of another size says."""

from pathlib import Path

import numpy as np
import pytest

from jointwise.data.formats import read, wmft
from jointwise.data.skeletons import NTU25
from jointwise.errors import ReadError


def test_raw_numbers_become_frames_of_25_joints(tmp_path: Path) -> None:
    array = np.random.default_rng(0).normal(size=(7, 75)).astype("<f4")
    path = tmp_path / "S07_moderate_task12.bin"
    array.tofile(path)
    sequence = read(path)
    np.testing.assert_array_equal(sequence.positions, array.reshape(1, 7, 25, 3))
    assert sequence.validity.all()
    assert (sequence.label, sequence.subject, sequence.camera, sequence.fps) == (11, 7, None, 30.0)
    assert sequence.skeleton is NTU25


def test_a_file_of_another_name_is_read_with_unknown_label_and_subject(tmp_path: Path) -> None:
    np.zeros((2, 75), "<f4").tofile(tmp_path / "mine_task.bin")
    sequence = read(tmp_path / "mine_task.bin")
    assert (sequence.label, sequence.subject) == (None, None)


@pytest.mark.parametrize("size", [1, 299, 301, 299_999])
def test_a_size_that_is_no_number_of_frames_is_named(tmp_path: Path, size: int) -> None:
    path = tmp_path / "S07_mild_task01.bin"
    path.write_bytes(bytes(size))
    with pytest.raises(ReadError, match=rf"S07_mild_task01\.bin: {size} bytes are no whole number of frames of 300 b"):
        wmft.read(path)


def test_a_coordinate_that_is_no_number_is_named(tmp_path: Path) -> None:
    array = np.zeros((4, 75), "<f4")
    array[2, 10] = np.inf
    array.tofile(tmp_path / "S07_mild_task01.bin")
    with pytest.raises(ReadError, match=r"first: person 0, frame 2, joint 3 \(head\)"):
        read(tmp_path / "S07_mild_task01.bin")
