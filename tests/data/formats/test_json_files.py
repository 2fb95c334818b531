"""JSON: what is cut off, what is in it, and what the messages say."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jointwise.data.formats.json_files import expect, groups_of, numbers, parse_head, read_json, take, value_at
from jointwise.errors import ReadError

ANY = st.recursive(
    st.none() | st.booleans() | st.integers(-99, 99) | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=12,
)


def is_beginning(part: Any, whole: Any) -> bool:
    """Whether the part is the whole without what comes last."""
    if isinstance(whole, dict) and isinstance(part, dict):
        pairs = list(zip(part.items(), whole.items(), strict=False))
        return len(part) <= len(whole) and all(a[0] == b[0] and is_beginning(a[1], b[1]) for a, b in pairs)
    if isinstance(whole, list) and isinstance(part, list):
        return len(part) <= len(whole) and all(map(is_beginning, part, whole))
    return bool(part == whole)


@settings(max_examples=200, deadline=None)
@given(st.lists(ANY, max_size=3) | st.dictionaries(st.text(max_size=3), ANY, max_size=3), st.floats(0, 1))
def test_the_head_of_a_file_is_the_beginning_of_the_whole(content: Any, share: float) -> None:
    whole = json.dumps(content, ensure_ascii=False).encode()
    part = parse_head(whole[: max(1, round(share * len(whole)))])
    assert part is not None
    assert is_beginning(part, content)


def test_what_is_no_json_has_no_head() -> None:
    for head in (b"", b"1,2", b"HIERARCHY", b"\xff\xfe\x00", b"]", b"[" * 100_000):
        assert parse_head(head) is None
    assert parse_head(b"\xef\xbb\xbf [1") == []
    assert parse_head(b'{"a": [2, 1, "[') == {"a": [2, 1]}  # the bracket is within a text


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'{"a": [1, 2', r"cut off at line 1, column \d+"),
        (b'{"a": "x', r"cut off"),
        (b'{"a": 1} {', r"is no JSON at line 1, column 10"),
        (b"hello", r"is no JSON"),
        (b"\xff\xfe", r"is no JSON \(.*decode"),
        (b"[" * 100_000, r"is no JSON|is cut off"),
        (b"", r"is empty"),
    ],
)
def test_a_damaged_file_says_where(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "x.json").write_bytes(content)
    with pytest.raises(ReadError, match=rf"x\.json: .*{message}.*again"):
        read_json(tmp_path / "x.json")


def test_json_with_a_mark_and_nan_is_read(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_bytes(b'\xef\xbb\xbf{"a": NaN}')
    assert np.isnan(read_json(tmp_path / "x.json")["a"])


def test_values_are_found_or_not_there() -> None:
    content = {"a": [{"b": 3}]}
    assert value_at(content, "a", 0, "b") == 3
    for path in (("x",), ("a", 1), ("a", "b"), ("a", 0, "b", "c"), (0,)):
        assert value_at(content, *path) is None


def test_a_value_of_the_wrong_kind_is_shown() -> None:
    assert expect([1], list, "x") == [1]
    assert take({"a": 3}, "a", int, "x") == 3
    for value, kind in ((3, dict), ("a", list), (True, int), (None, str), (1.5, int)):
        with pytest.raises(ReadError, match=r"f\.json: expected .*, found "):
            expect(value, kind, "f.json")
    with pytest.raises(ReadError, match=r"f\.json: 'b' is missing \(found: a\)"):
        take({"a": 3}, "b", int, "f.json")
    with pytest.raises(ReadError, match=r"f\.json, 'a': expected text, found \[0, 0, .*…\."):
        take({"a": [0] * 100}, "a", str, "f.json")


def test_numbers_are_numbers_and_null_is_missing() -> None:
    np.testing.assert_array_equal(numbers([[1, None], [2.5, 3]], "x"), [[1, np.nan], [2.5, 3]])
    np.testing.assert_array_equal(groups_of([1, 2, 3, 4], 2, "x"), [[1, 2], [3, 4]])
    for value in ([[1, 2], [3]], ["1"], [{}], "12", [1, [2]], [10**400]):
        with pytest.raises(ReadError, match=r"f\.json: expected a list of numbers"):
            numbers(value, "f.json")
    for value in ([1, 2, 3], [[1, 2]], {}, 3):
        with pytest.raises(ReadError, match=r"f\.json: expected"):
            groups_of(value, 2, "f.json")
