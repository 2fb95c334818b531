"""JSON and YAML against types: what is wrong is named with its place, and nothing of a file is lost."""

from pathlib import Path
from typing import Any, NotRequired, TypedDict

import numpy as np
import pytest

from jointwise.data.array_files import load_array, load_arrays
from jointwise.data.typed_files import parse_as, parse_json, read_as, read_lines
from jointwise.errors import DataError


class Record(TypedDict):
    step: int
    scores: NotRequired[dict[str, float]]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"step": "3"}', r"step: expected a whole number, found text"),
        ('{"step": 3, "scores": {"top1": true}}', r"scores.*: expected a number, found true or false"),
        ("{}", r"no 'step'"),
        ("[]", r"expected a group of settings"),
        ('{"step": 3', r"not readable as JSON"),
        ("[" * 100_000, r"not readable as JSON"),
        ('{"step": ' + "[" * 60 + "]" * 60 + "}", r"more than 50 values inside each other"),
    ],
)
def test_what_is_wrong_is_named_with_file_and_place(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "x.json").write_text(text)
    with pytest.raises(DataError, match=rf"x\.json: damaged.*{message}.*Make it again\."):
        read_as(tmp_path / "x.json", Record, DataError, "Make it again.")


@pytest.mark.parametrize("text", ["1: a", "a: &a [*a]", "a: 2020-01-01", "a: " + "[" * 60, "- " * 3000, "!!bool x"])
def test_yaml_that_json_could_not_hold_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "x.yaml").write_text(text)
    with pytest.raises(DataError, match=r"x\.yaml: damaged, not readable as YAML"):
        read_as(tmp_path / "x.yaml", dict[str, Any], DataError, "")


def test_keys_of_later_versions_stay(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text('{"step": 3, "new": [1]}')
    assert read_as(tmp_path / "x.json", Record, DataError, "") == {"step": 3, "new": [1]}


@pytest.mark.parametrize("text", [str(2**63), str(-(2**63) - 1), "9" * 400, "9" * 5000], ids=len)
def test_a_whole_number_of_any_size_can_be_used_as_a_number(text: str) -> None:
    (found,) = parse_json(f"[{text}]")
    assert found == float(text)
    assert parse_json(f"[{text}]".encode("utf-16-le")) == [found]
    with pytest.raises(DataError, match=r"x: damaged.*expected a whole number"):
        parse_as(f'{{"step": {text}}}', Record, "x", DataError, "")
    with pytest.raises(DataError, match=r"x: damaged"):
        parse_as(f"step: {text}", Record, "x", DataError, "", is_yaml=True)


def test_whole_numbers_of_64_bits_stay_whole() -> None:
    numbers = [2**63 - 1, -(2**63), 0, 10**18]
    assert parse_json(str(numbers)) == numbers
    assert all(isinstance(number, int) for number in parse_json(str(numbers)))


def test_a_torn_last_line_is_left_out_and_a_torn_middle_is_named(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    path.write_text('{"step": 1}\n{"step": 2}\n{"st')
    assert read_lines(path, Record, DataError, "") == [{"step": 1}, {"step": 2}]
    path.write_text('{"step": 1}\n{"st\n{"step": 2}\n')
    with pytest.raises(DataError, match=r"log\.jsonl, line 2: damaged"):
        read_lines(path, Record, DataError, "")


def test_damaged_arrays_are_value_errors(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.array(["walk"]))
    content = (tmp_path / "a.npy").read_bytes()
    damages = (content[:20], content.replace(b"(1,)", b"((((").ljust(200), content[:-4] + b"\xff\xff\xff\x7f", b"")
    for damage in damages:
        (tmp_path / "a.npy").write_bytes(damage)
        for mode in (None, "r"):
            with pytest.raises(ValueError, match=r"a\.npy: "):
                load_array(tmp_path / "a.npy", mode)  # type: ignore[arg-type]
    np.savez(tmp_path / "b.npz", a=np.arange(3))
    assert load_arrays(tmp_path / "b.npz")["a"].tolist() == [0, 1, 2]
    (tmp_path / "b.npz").write_bytes((tmp_path / "b.npz").read_bytes()[:-30])
    with pytest.raises(ValueError, match=r"b\.npz: "):
        load_arrays(tmp_path / "b.npz")
