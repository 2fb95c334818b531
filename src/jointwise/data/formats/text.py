"""A text as lines and as columns of numbers, read all at once: what `float` makes of each word, bit for bit.

A word such as `-0.2181153` is a whole number of at most 15 digits divided by a power of ten up to 10**14. Both are
exact in a float64, and dividing two exact numbers is rounded correctly, which is what `float` returns. The digits of
all words are put together side by side, 8 to a 64-bit integer. Every other word (an exponent, a plus, `nan`, more
digits) is given to `float` itself.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Places = npt.NDArray[np.int64]
Bytes = npt.NDArray[np.uint8]
Flags = npt.NDArray[np.bool_]

_LONGEST = 15  # bytes of a word whose digits are certainly exact
_WINDOW = 16  # bytes looked at, the word at their end
_BLOCK = 4096  # words at a time: what is computed for them stays in the cache
_EVERY = 0x0101010101010101  # times a byte: the byte in all 8 places
_KEPT = np.frombuffer(b"".join(b"\0" * (_WINDOW - n) + b"\xff" * n for n in range(_WINDOW + 1)), "<u8").reshape(-1, 2)
# By the number of digits behind the point (0: there is none); places of a point in its 8 bytes -> digits behind it.
_SCALES = 10.0 ** np.arange(_WINDOW)
_BELOW = 10 ** np.arange(1, _WINDOW + 1, dtype=np.int64)
_NINES = np.where(np.arange(_WINDOW) > 0, _BELOW // 10 * 9, 0)
_FRACTION = np.array([0x0F0E0D0C0B0A0908, 0x0706050403020100], np.uint64)


class Text:
    """The lines of an ASCII text, decoded when they are asked for, and the numbers in columns of them.

    count: of the lines. Lines end wherever `str.splitlines` says; blanks at the end of the text are no lines of it.
    """

    def __init__(self, content: bytes) -> None:
        self._content = _pad(content)
        data = np.frombuffer(self._content, np.uint8)
        control = np.flatnonzero(data < ord(" "))
        kind = data[control]
        feed, carriage = kind == ord("\n"), kind == ord("\r")
        self._usual = bool((feed | carriage | (kind == ord("\t"))).all())
        if not self._usual or (data[control[carriage] + 1] != ord("\n")).any():  # not all lines end in CR LF or LF
            self._content = _pad("\n".join(content.decode("ascii").splitlines()).encode())
            data = np.frombuffer(self._content, np.uint8)
            control = np.flatnonzero(data == ord("\n"))
            feed = np.ones(len(control), bool)
        self._data, self._feeds = data, control[feed]
        self._begins = [_WINDOW, *(self._feeds + 1).tolist()]
        self.count = len(self._feeds)

    def __getitem__(self, line: int) -> str:
        """A line, from 0, without its end."""
        return self._content[self._begins[line] : self._begins[line + 1] - 1].decode("ascii").removesuffix("\r")

    def columns(self, lines: Places, width: int, columns: Sequence[int]) -> npt.NDArray[np.float64]:
        """The numbers in some columns of some lines; lines (n,) ascending, from 0 -> (n, len(columns)).

        width: words that each of these lines has, parted by blanks and tabs. columns: ascending, from 0. Raises
        ValueError, without saying where, when a line has not `width` words, when a word anywhere in the text is no
        number, or when there are control characters between words.
        """
        if not self._usual:
            raise ValueError("control characters")
        data, blank = self._data, self._data <= ord(" ")
        edges = np.flatnonzero(blank[:-1] > blank[1:])  # the blanks right before words
        first = np.concatenate([[0], np.searchsorted(edges, self._feeds)])  # of each line: its first word
        if (lines[-1:] + 1 >= len(first)).any() or (first[lines + 1] - first[lines] != width).any():
            raise ValueError(f"not all lines have {width} words")
        words = (first[lines][:, None] + np.asarray(columns)).ravel()
        begins, ends = edges[words] + 1, edges[words + 1]
        while (loose := blank[ends - 1]).any():  # more than one blank behind a word
            ends -= loose
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
    """The bytes without blanks at their end; with a window before them, and behind them another line with a word."""
    end = len(content)
    while content[end - 1 : end].isspace():
        end -= 1
    return b"".join((b" " * _WINDOW, memoryview(content)[:end], b"\n0"))


def _bits(flags: Flags) -> int:
    """One whole number with a bit for each flag, the first the lowest: what costs least to compare with neighbours."""
    return int.from_bytes(np.packbits(flags, bitorder="little").tobytes(), "little")


def _odd_bytes(data: Bytes, blank: Flags) -> Places:
    """Bytes because of which a word is not plainly digits, perhaps with a minus before and a point between them.

    Raises ValueError for a word with two points.
    """
    point, minus, blanks = _bits(data == ord(".")), _bits(data == ord("-")), _bits(blank)
    digit = _bits(data - np.uint8(ord("0")) < 10)
    if (digit + (point << 1)) & ~digit & point:  # a bit added behind a point is carried over the digits that follow
        raise ValueError("a word with two points")
    odd = (point & ~(digit << 1) | minus & ~(blanks << 1)) | (point | minus) & ~(digit >> 1)
    odd |= ((1 << len(data)) - 1) ^ (point | minus | blanks | digit)
    if not odd:
        return np.zeros(0, np.int64)
    places = np.frombuffer(odd.to_bytes(len(data) // 8 + 1, "little"), np.uint8)
    return np.flatnonzero(np.unpackbits(places, bitorder="little").view(bool))


def _parse(data: Bytes, ends: Places, lengths: Places) -> npt.NDArray[np.float64]:
    """The decimals, without their signs, in the `lengths` (n,) bytes before `ends` (n,)."""
    windows = np.ndarray((len(data) - _WINDOW + 1,), f"S{_WINDOW}", data.data, 0, (1,))  # one at every byte
    text = windows[ends - _WINDOW].view("<u8").reshape(-1, 2) & _KEPT.take(lengths, 0)
    is_digit = (text >> 4) & _EVERY  # of blanks, minus, points and digits, only digits (0x30 to 0x39) have this bit
    is_point = (text >> 1) & (text >> 2) & ~is_digit & _EVERY  # 0x2e; a minus is 0x2d
    behind = (is_point[:, 0] * _FRACTION[0] + is_point[:, 1] * _FRACTION[1]) >> 56
    fraction = behind.view(np.int64)  # digits behind the point
    digits = text & (is_digit * 0x0F)  # the point counts as a digit 0
    for pairs, kept, bits in ((10, 0x00FF00FF00FF00FF, 8), (100, 0x0000FFFF0000FFFF, 16), (10_000, 0xFFFFFFFF, 32)):
        digits = (digits * pairs + (digits >> bits)) & kept
    whole = (digits[:, 0] * 10**8 + digits[:, 1]).view(np.int64)
    below, nines, scale = (table.take(fraction, mode="clip") for table in (_BELOW, _NINES, _SCALES))
    whole -= whole // below * nines  # and is taken out
    return whole / scale
