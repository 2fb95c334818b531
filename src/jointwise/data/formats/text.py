"""Parse columns of numbers in a text all at once, with the same bits as `float` for each word.

A word such as `-0.2181153` is a whole number of at most 15 digits divided by a power of ten up to 10**14. Both are
exact in a float64, so their quotient is rounded correctly, as `float` rounds. The digits of all words are computed in
parallel, 8 in each 64-bit integer. Every other word (an exponent, a plus, `nan`, more digits) is passed to `float`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Places = npt.NDArray[np.int64]
Bytes = npt.NDArray[np.uint8]
Flags = npt.NDArray[np.bool_]

_LONGEST = 15  # bytes of the longest word whose number is surely exact
_WINDOW = 16  # bytes that end with the word
_BLOCK = 4096  # words at a time, so that all that is computed for them stays in the cache
_EVERY = 0x0101010101010101  # times a byte: that byte in all 8 places
# By the length of a word: ones in the bytes of a window that belong to it.
_WORD_BYTES = np.frombuffer(b"".join(b"\0" * (_WINDOW - n) + b"\xff" * n for n in range(_WINDOW + 1)), "<u8").reshape(
    -1, 2
)
# By the number of digits behind the point (0: there is no point).
_SCALES = 10.0 ** np.arange(_WINDOW)
_BELOW = 10 ** np.arange(1, _WINDOW + 1, dtype=np.int64)
_NINES = np.where(np.arange(_WINDOW) > 0, _BELOW // 10 * 9, 0)
# Multiplying the flag of a point in 8 bytes by this puts the number of digits behind the point into the highest byte.
_FRACTION = np.array([0x0F0E0D0C0B0A0908, 0x0706050403020100], np.uint64)


class Text:
    """The lines of an ASCII text, and the numbers in their columns.

    Lines end where `str.splitlines` ends them. Blank lines at the end of the text do not count. `text[i]` is line i.

    Args:
        content: The bytes of the text.

    Attributes:
        count: Number of lines.
    """

    def __init__(self, content: bytes) -> None:
        self._content = _pad(content)
        data = np.frombuffer(self._content, np.uint8)
        control = np.flatnonzero(data < ord(" "))
        kind = data[control]
        feed = kind == ord("\n")
        carriage = kind == ord("\r")
        self._usual = bool((feed | carriage | (kind == ord("\t"))).all())
        if not self._usual or (data[control[carriage] + 1] != ord("\n")).any():  # not all lines end in CR LF or LF
            self._content = _pad("\n".join(content.decode("ascii").splitlines()).encode())
            data = np.frombuffer(self._content, np.uint8)
            control = np.flatnonzero(data == ord("\n"))
            feed = np.ones(len(control), bool)
        self._data = data
        self._feeds = control[feed]
        self._begins = [_WINDOW, *(self._feeds + 1).tolist()]
        self.count = len(self._feeds)

    def __getitem__(self, line: int) -> str:
        """Line `line`, from 0, without its end."""
        return self._content[self._begins[line] : self._begins[line + 1] - 1].decode("ascii").removesuffix("\r")

    def columns(self, lines: Places, width: int, columns: Sequence[int]) -> npt.NDArray[np.float64]:
        """Parse the numbers in some columns of some lines.

        Args:
            lines: (n,) indices of lines, ascending, from 0.
            width: Words in each of these lines, separated by blanks or tabs.
            columns: Indices of words, ascending, from 0.

        Returns:
            The numbers (n, len(columns)).

        Raises:
            ValueError: A line does not have `width` words, a word anywhere in the text is not a number, or there are
                control characters between words. The message does not say where.
        """
        if not self._usual:
            raise ValueError("control characters")
        data = self._data
        blank = data <= ord(" ")
        edges = np.flatnonzero(blank[:-1] > blank[1:])  # the blanks right before words
        first = np.concatenate([[0], np.searchsorted(edges, self._feeds)])  # of each line: its first word
        if (lines[-1:] + 1 >= len(first)).any() or (first[lines + 1] - first[lines] != width).any():
            raise ValueError(f"not all lines have {width} words")
        words = (first[lines][:, None] + np.asarray(columns)).ravel()
        begins = edges[words] + 1
        ends = edges[words + 1]
        while (too_far := blank[ends - 1]).any():  # more than one blank behind a word
            ends -= too_far
        lengths = ends - begins
        numbers = np.empty(len(words))
        for block in range(0, len(words), _BLOCK):
            part = slice(block, block + _BLOCK)
            numbers[part] = _parse(data, ends[part], np.minimum(lengths[part], _WINDOW))
        numbers[data[begins] == ord("-")] *= -1
        odd = np.searchsorted(edges, _odd_bytes(data, blank)) - 1
        for word in np.unique(np.concatenate([odd, words[lengths > _LONGEST]])).tolist():
            value = float(data[edges[word] : edges[word + 1]].tobytes())
            place = int(np.searchsorted(words, word))
            if place < len(words) and words[place] == word:
                numbers[place] = value
        return numbers.reshape(len(lines), len(columns))


def _pad(content: bytes) -> bytes:
    """Strip blanks at the end, then put a window of blanks before the text and one more line with a word behind it."""
    end = len(content)
    while content[end - 1 : end].isspace():
        end -= 1
    return b"".join((b" " * _WINDOW, memoryview(content)[:end], b"\n0"))


def _bits(flags: Flags) -> int:
    """Pack flags into one whole number, the first flag lowest. Shifting it compares all neighbours at once."""
    return int.from_bytes(np.packbits(flags, bitorder="little").tobytes(), "little")


def _odd_bytes(data: Bytes, blank: Flags) -> Places:
    """Places of the bytes by which a word is more than digits with a minus before and a point between them.

    Raises ValueError for a word with two points.
    """
    point = _bits(data == ord("."))
    minus = _bits(data == ord("-"))
    blanks = _bits(blank)
    digit = _bits(data - np.uint8(ord("0")) < 10)
    if (digit + (point << 1)) & ~digit & point:  # adding a bit behind a point carries it over the digits that follow
        raise ValueError("a word with two points")
    odd = (point & ~(digit << 1) | minus & ~(blanks << 1)) | (point | minus) & ~(digit >> 1)
    odd |= ((1 << len(data)) - 1) ^ (point | minus | blanks | digit)
    if not odd:
        return np.zeros(0, np.int64)
    places = np.frombuffer(odd.to_bytes(len(data) // 8 + 1, "little"), np.uint8)
    return np.flatnonzero(np.unpackbits(places, bitorder="little").view(bool))


def _parse(data: Bytes, ends: Places, lengths: Places) -> npt.NDArray[np.float64]:
    """Parse the words in the `lengths` (n,) bytes before `ends` (n,), without their signs."""
    windows = np.ndarray((len(data) - _WINDOW + 1,), f"S{_WINDOW}", data.data, 0, (1,))  # a window ends at every byte
    text = windows[ends - _WINDOW].view("<u8").reshape(-1, 2) & _WORD_BYTES.take(lengths, 0)
    is_digit = (text >> 4) & _EVERY  # only digits (0x30 to 0x39) have this bit; blank, minus and point do not
    is_point = (text >> 1) & (text >> 2) & ~is_digit & _EVERY  # a point is 0x2e, a minus 0x2d
    behind = (is_point[:, 0] * _FRACTION[0] + is_point[:, 1] * _FRACTION[1]) >> 56
    fraction = behind.view(np.int64)  # digits behind the point
    digits = text & (is_digit * 0x0F)  # the point becomes a digit 0, which is removed below
    for pairs, kept, bits in ((10, 0x00FF00FF00FF00FF, 8), (100, 0x0000FFFF0000FFFF, 16), (10_000, 0xFFFFFFFF, 32)):
        digits = (digits * pairs + (digits >> bits)) & kept
    whole = (digits[:, 0] * 10**8 + digits[:, 1]).view(np.int64)
    below, nines, scale = (table.take(fraction, mode="clip") for table in (_BELOW, _NINES, _SCALES))
    whole -= whole // below * nines  # removes the digit 0 of the point
    return whole / scale
