"""Columns of numbers are what `float` makes of each word, bit for bit."""

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from jointwise.data.formats.text import Text

decimals = st.from_regex(r"[+-]?[0-9]{1,18}(\.[0-9]{1,18})?", fullmatch=True)
numbers = st.one_of(
    decimals,
    st.floats().map(repr),
    st.floats(-1e3, 1e3).map(lambda value: f"{value:.7g}"),
    st.floats(width=32).map(lambda value: f"{value:.8e}"),
    st.sampled_from(
        ["0", "-0", "-0.0", "00.10", ".5", "5.", "-.5", "+1.5", "nan", "-inf", "1E3", "1_0", "9" * 15, "9" * 16]
    ),
)
gaps = st.sampled_from([" ", " ", " ", "  ", "\t", " \t "])


def as_bits(values: object) -> list[int]:
    return np.asarray(values, np.float64).view(np.int64).ravel().tolist()


@given(
    rows=st.lists(st.lists(numbers, min_size=4, max_size=4), min_size=1, max_size=8),
    gap=gaps,
    edge=st.sampled_from(["", " ", "\t"]),
    end=st.sampled_from(["\n", "\r\n"]),
    last=st.booleans(),
)
@example(rows=[["0.1", "-123.4567890123", "99999999999999.9", "2"]], gap=" ", edge="", end="\n", last=False)
def test_every_word_is_parsed_to_the_same_bits_as_by_float(
    rows: list[list[str]], gap: str, edge: str, end: str, last: bool
) -> None:
    text = end.join(f"{edge}{gap.join(row)}{edge}" for row in rows) + (end if last else "")
    columns = (0, 1, 3)
    expected = [[float(row[column]) for column in columns] for row in rows]
    read = Text(text.encode()).columns(np.arange(len(rows)), 4, columns)
    assert read.shape == (len(rows), 3)
    assert as_bits(read) == as_bits(expected)


@given(st.lists(st.floats(-4.5, 4.5).map(lambda value: f"{value:.7g}"), min_size=2, max_size=400))
def test_coordinates_as_sensors_print_them_are_exact(words: list[str]) -> None:
    text = "".join(f"{word} x\n".replace("x", "2") for word in words)
    read = Text(text.encode()).columns(np.arange(len(words)), 2, (0, 1))
    assert as_bits(read[:, 0]) == as_bits([float(word) for word in words])
    assert (read[:, 1] == 2).all()


def test_more_words_than_one_block_holds_come_back_in_their_places() -> None:
    words = [f"{place}.{place % 7}" for place in range(10_000)]
    read = Text("\n".join(words).encode()).columns(np.arange(10_000), 1, (0,))
    assert as_bits(read) == as_bits([float(word) for word in words])


def test_only_the_chosen_lines_must_have_the_width() -> None:
    text = b"2\n\n1 2 3\n4 5\n6 7 8\n"
    assert Text(text).columns(np.array([2, 4]), 3, (0, 2)).tolist() == [[1, 3], [6, 8]]
    assert Text(text).columns(np.array([3]), 2, (1,)).tolist() == [[5]]
    assert Text(text).columns(np.zeros(0, int), 2, (1,)).shape == (0, 1)


WRONG = [
    "1 2",
    "1 2 3 4",
    "",
    "1 2 x",
    "1 2 1.2.3",
    "1 2.3.4 5",
    "1 - 3",
    "1 . 3",
    "1 2-3 4",
    "1 --2 3",
    "1 1e 3",
    "1 1e5.5 3",
]
WRONG += [
    "1 1.5e.5 3",
    "1\r2 3",
    "1 2\x0b3",
    "1 2\x1c3",
    "1 2\x003",
    "1 2,5 3",
    "1 2/5 3",
    "1 0x10 3",
    "1 2:3 4",
    "1 2\x7f 3",
]


@pytest.mark.parametrize("line", WRONG)
@pytest.mark.parametrize("place", [0, 1, 2])
def test_a_line_that_does_not_hold_its_numbers_is_refused(line: str, place: int) -> None:
    lines = ["0.5 1 2"] * 3
    lines[place] = line
    with pytest.raises(ValueError):
        Text("\n".join(lines).encode()).columns(np.arange(3), 3, (0,))


@given(
    st.lists(st.sampled_from(["1", " ", "\t", "\n", "\r\n", "\r", "\x0b", "\x0c", "\x1c", "a b"]), max_size=12).map(
        "".join
    )
)
def test_lines_are_those_of_splitlines_without_blanks_at_the_end(content: str) -> None:
    text = Text(content.encode())
    assert [text[line] for line in range(text.count)] == (content.rstrip().splitlines() or [""])


def test_a_line_beyond_the_text_is_refused() -> None:
    with pytest.raises(ValueError):
        Text(b"1 2\n3 4").columns(np.array([0, 2]), 2, (0,))
