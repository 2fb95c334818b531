"""Files written as a whole: an error leaves the old one; a line that was cut off takes no other with it."""

import errno
from pathlib import Path
from typing import IO

import pytest

from jointwise.data.whole_files import append_line, whole_file, write_text
from jointwise.errors import StorageError

ENDS = [(OSError(errno.ENOSPC, "full"), StorageError), (KeyboardInterrupt(), KeyboardInterrupt)]


def write_and_raise(file: IO[str], error: BaseException) -> None:
    file.write("new")
    raise error


def test_a_file_is_the_old_one_until_all_of_the_new_one_is_written(tmp_path: Path) -> None:
    path = tmp_path / "made" / "file.txt"
    write_text(path, "old")
    with whole_file(path) as file:
        file.write("new")
        file.flush()
        assert path.read_text() == "old"
    assert path.read_text() == "new"
    assert [found.name for found in path.parent.iterdir()] == ["file.txt"]


@pytest.mark.parametrize(("error", "raised"), ENDS)
def test_an_error_leaves_the_old_file_and_no_part_of_the_new_one(
    tmp_path: Path, error: BaseException, raised: type[BaseException]
) -> None:
    path = tmp_path / "file.txt"
    path.write_text("old")
    with pytest.raises(raised), whole_file(path) as file:
        write_and_raise(file, error)
    assert path.read_text() == "old"
    assert [found.name for found in tmp_path.iterdir()] == ["file.txt"]


def test_two_that_write_a_file_at_once_each_write_all_of_it(tmp_path: Path) -> None:
    path = tmp_path / "file.txt"
    with whole_file(path) as first:
        first.write("first")
        write_text(path, "second")
        assert path.read_text() == "second"
    assert path.read_text() == "first"
    assert [found.name for found in tmp_path.iterdir()] == ["file.txt"]


def test_names_that_are_no_text_are_written_as_they_are(tmp_path: Path) -> None:
    write_text(tmp_path / "file.txt", "\udcff\n", "surrogateescape")
    assert (tmp_path / "file.txt").read_bytes() == b"\xff\n"


@pytest.mark.parametrize(
    ("before", "after"),
    [("", "c\n"), ("a\n", "a\nc\n"), ("a\nb", "a\nc\n"), ("b", "c\n"), ('a\n{"b": 1}', 'a\n{"b": 1}\nc\n')],
)
def test_a_line_is_appended_and_one_that_was_cut_off_is_dropped(tmp_path: Path, before: str, after: str) -> None:
    path = tmp_path / "log.jsonl"
    path.write_text(before)
    append_line(path, "c")
    assert path.read_text() == after
