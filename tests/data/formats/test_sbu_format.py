"""SBU's skeleton_pos.txt: the rule from normalised numbers to metres, and what every kind of damage says."""

from pathlib import Path

import numpy as np
import pytest

from jointwise.data.formats import read
from jointwise.data.skeletons import SBU15
from jointwise.errors import ReadError


def lines(frames: int = 3, first: int = 55) -> list[str]:
    """Person m, joint v of frame t at (0.1 m + 0.01 v, 0.4, 1.5 + 0.01 t), normalised."""
    rows = []
    for t in range(frames):
        numbers = [n for m in range(2) for v in range(15) for n in (0.1 * m + 0.01 * v, 0.4, 1.5 + 0.01 * t)]
        rows.append(",".join([str(first + t), *(f"{number:.5g}" for number in numbers)]))
    return rows


def save(folder: Path, rows: list[str], place: str = "s03s05/08/002", end: str = "\r\n") -> Path:
    path = folder / place / "skeleton_pos.txt"
    path.parent.mkdir(parents=True)
    path.write_bytes((end.join(rows) + end).encode())
    return path


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_file_becomes_two_persons_in_metres(tmp_path: Path, end: str) -> None:
    sequence = read(save(tmp_path, lines(), end=end))
    assert sequence.positions.shape == (2, 3, 15, 3)
    assert sequence.validity.all()
    assert (sequence.label, sequence.subject, sequence.fps) == (7, 305, 15.0)
    assert sequence.skeleton is SBU15
    # x = 1280 - 2560 * 0.14, y = 960 - 1920 * 0.4, z = 1.52 * 10000 / 7.8125, all in millimetres
    np.testing.assert_allclose(sequence.positions[1, 2, 4], [0.9216, 0.192, 1.9456], rtol=1e-6)


def test_label_and_subject_are_unknown_in_other_folders(tmp_path: Path) -> None:
    sequence = read(save(tmp_path, lines(), "some/folder"))
    assert (sequence.label, sequence.subject) == (None, None)


def test_a_comma_at_the_end_and_an_empty_line_do_no_harm(tmp_path: Path) -> None:
    assert read(save(tmp_path, [*(row + "," for row in lines()), ""])).frames == 3


def edited(row: int, text: str) -> list[str]:
    rows = lines()
    rows[row] = text
    return rows


BROKEN = {
    "blank": ([" "], "not one frame in it"),
    "short": (edited(1, lines()[1][:300]), r"line 2: \d+ columns, expected 91"),
    "one person": ([row.rsplit(",", 45)[0] for row in lines()], r"line 1: 46 columns, expected 91"),
    "word": (edited(2, lines()[2].replace("0.4", "nought", 1)), r"line 3: not a number \(.*nought"),
    "gap": ([*lines(2), *lines(1, 99)], r"line 3: frame 99 follows frame 56"),
    "beyond float32": (edited(1, lines()[1].replace("0.4", "1e39", 1)), r"not finite.*frame 1, joint 0"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_file_is_refused_with_its_place(tmp_path: Path, name: str) -> None:
    rows, message = BROKEN[name]
    path = save(tmp_path, rows)
    with pytest.raises(ReadError, match=message) as caught:
        read(path)
    assert str(path) in str(caught.value)
