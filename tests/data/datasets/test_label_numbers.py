"""Class numbers that count from 1, have gaps, or are not those of the actions in names."""

from pathlib import Path

import numpy as np
import pytest

from jointwise.data.datasets import find_source
from jointwise.data.datasets.label_numbers import check_actions, check_numbers
from jointwise.data.findings import LOOK, STOP
from jointwise.errors import DataError

FILE = Path("ntu60.pkl")


def name(action: int, person: int = 1) -> str:
    return f"S001C001P{person:03}R001A{action:03}"


def test_numbers_from_zero_without_a_gap_are_fine() -> None:
    assert check_numbers([0, 2, 1, 0]) == ()
    assert check_numbers([]) == ()


def test_numbers_from_one_stop() -> None:
    (finding,) = check_numbers([3, 1, 2, 4])
    assert finding.verdict == STOP
    assert "labels are 1 to 4, none is 0: do they count from 1?" in finding.message


def test_gaps_are_worth_a_look() -> None:
    (finding,) = check_numbers([0, 1, 4, 4])
    assert finding.verdict == LOOK
    assert "2 numbers between 0 and that have no recording: 2, 3." in finding.message
    assert "1 number between 0 and that has no recording: 2." in check_numbers([0, 1, 3])[0].message


def test_of_a_known_data_set_a_part_may_be_there() -> None:
    assert check_numbers([5, 9], known=(60, 120)) == ()
    assert check_numbers(range(1, 60), known=(60, 120)) == ()  # all but the first class
    assert check_numbers(range(1, 61), known=(60, 120))[0].verdict == STOP


def test_labels_that_all_equal_the_action_are_refused_with_evidence() -> None:
    assert check_actions(FILE, [(name(1), 0), (name(60), 59), ("my own name", 7)]) == ()
    with pytest.raises(DataError, match=r"ntu60.pkl: labels count from 1.* all 2 labels .*A004 has label 4"):
        check_actions(FILE, [(name(4), 4), (name(60), 60), ("my own name", 7)])


def test_classes_of_other_actions_are_not_named_after_ntu() -> None:
    (finding,) = check_actions(FILE, [(name(8), 0), (name(9), 1), (name(3), 2)])
    assert finding.verdict == LOOK
    assert "2 of 3 labels are not those of the actions in the names" in finding.message


@pytest.mark.parametrize("first", [0, 1])
def test_arrays_of_ones_own_tell_their_class_numbers(tmp_path: Path, first: int) -> None:
    x, y = np.ones((4, 5, 75), np.float32), np.array([0, 1, 0, 1]) + first
    np.savez(tmp_path / "own.npz", x_train=x, y_train=y, x_test=x, y_test=y)
    assert [finding.verdict for finding in find_source(str(tmp_path / "own.npz")).findings] == [STOP] * first
