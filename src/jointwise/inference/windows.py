"""Windows of every person, cut from frames as they come: those of a file and those of a live stream alike."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np

from jointwise.data.sequence import Bools, Floats, Sequence
from jointwise.errors import ConfigError

WINDOW = 2.0  # seconds that one answer looks at, where it is not known how long recordings of the training are
HOP = 0.5  # seconds between two answers
LONGEST = 8.0  # seconds: of recordings of minutes, one answer need not see more
LEAST_SEEN = 0.5  # of the frames of a window, in which a person is seen; less is no answer

Person = int | str  # the slot of a person in a file, or the number or name that a stream gives


@dataclass(frozen=True)
class Window:
    """Some frames of one person.

    Args:
        person: Who it is.
        begin: First frame.
        end: The frame behind the last one.
        first: First frame in which the person is seen.
        last: The frame behind the last one in which the person is seen.
        piece: The person alone in these frames, (1, end - begin, V, C), as recorded; or all persons of the window
            together, (M, end - begin, V, C), the same object for each of them.
    """

    person: Person
    begin: int
    end: int
    first: int
    last: int
    piece: Sequence


def usual_window(seconds: float | None) -> float:
    """Seconds that one answer looks at, if nothing else is said: two thirds of a recording of the training.

    Longer ones show two actions more often, shorter ones less of an action than was learned (lab/LOG.md).

    Args:
        seconds: Usual length of a recording of the training; None where it is not known.

    >>> usual_window(3.0), usual_window(None), usual_window(60.0)
    (2.0, 2.0, 8.0)
    """
    return WINDOW if seconds is None else min(max(round(seconds * 2 / 3, 1), HOP), LONGEST)


class _Ring:
    """The last frames of one person.

    Args:
        length: Frames that are kept.
        points: (V, C) of the first of them; gives the shapes.
    """

    def __init__(self, length: int, points: Floats) -> None:
        self.last = -1
        self._places = np.full(length, -1)
        self._positions = np.zeros((length, *points.shape), np.float32)
        self._valid = np.zeros((length, len(points)), bool)

    def put(self, place: int, points: Floats, valid: Bools) -> None:
        """Keep a frame in place of the oldest one."""
        row = place % len(self._places)
        self._places[row] = self.last = place
        self._positions[row], self._valid[row] = points, valid

    def cut(self, begin: int, end: int) -> tuple[Floats, Bools]:
        """(T, V, C) positions, zero where nothing was seen, and (T, V) validity of frames that lie in the ring."""
        places = np.arange(begin, end)
        rows = places % len(self._places)
        valid = self._valid[rows] & (self._places[rows] == places)[:, None]
        return np.where(valid[..., None], self._positions[rows], np.float32(0)), valid


class Windows:
    """Cuts the windows of all persons from frames that come one after the other.

    All persons share one grid of windows: the first window begins with the first frame in which somebody is seen. A
    window is cut as soon as its last frame is there. A person who is not seen in it is forgotten.

    Args:
        like: A recording of any persons and frames, whose layout, frame rate and conventions the windows have.
        window: Length of a window, in seconds.
        hop: From the start of a window to that of the next, in seconds.
        together: Whether windows show all persons together, not each alone.

    Raises:
        ConfigError: A length is not positive.
    """

    def __init__(self, like: Sequence, window: float = WINDOW, hop: float = HOP, together: bool = False) -> None:
        if not window > 0 or not hop > 0:
            raise ConfigError(f"window {window} and hop {hop} must be above 0 seconds.")
        self.length = max(1, round(window * like.fps))
        self._step = max(1, round(hop * like.fps))
        self._like, self._together = like, together
        self._start: int | None = None  # frame of the first window
        self._end = 0  # end of the next window
        self._done = -1  # end of the last window
        self._persons: dict[Person, _Ring] = {}

    @property
    def begin(self) -> int:
        """First frame of the window that was cut last; below 0 before."""
        return self._done - self.length

    @property
    def persons(self) -> int:
        """Number of persons of whom frames are kept."""
        return len(self._persons)

    def push(self, place: int, persons: Mapping[Person, tuple[Floats, Bools]]) -> list[Window]:
        """Take a frame.

        Args:
            place: Its number, above that of the frame before. Numbers that are left out are frames without anybody.
            persons: Points (V, C) and validity (V,) of each person who is there.

        Returns:
            The windows that are complete now.
        """
        found = self._cut_until(place)
        for person, (points, valid) in persons.items():
            if not valid.any():
                continue
            if self._start is None:
                self._start, self._end = place, place + self.length
            if person not in self._persons:
                self._persons[person] = _Ring(self.length, points)
            self._persons[person].put(place, points, valid)
        return found + self._cut_until(place + 1)

    def close(self, end: int) -> list[Window]:
        """Cut what is left.

        Args:
            end: The frame behind the last one.

        Returns:
            A last window that ends with the last frame, if none did; shorter than others if it is the only one.
        """
        found = self._cut_until(end)
        if self._start is not None and self._done != end:
            found += self._cut(max(self._start, end - self.length), end)
        self._persons.clear()
        return found

    def _cut_until(self, place: int) -> list[Window]:
        """The windows that end at a frame or before it and were not cut yet."""
        found: list[Window] = []
        while self._start is not None and self._end <= place:
            if self._persons:
                found += self._cut(self._end - self.length, self._end)
                self._end += self._step
            else:  # nobody was there for long
                self._end += self._step * ((place - self._end) // self._step + 1)
        return found

    def _cut(self, begin: int, end: int) -> list[Window]:
        """The window of each person who is seen in enough of these frames; forgets who is not seen in them."""
        self._done = end
        seen: dict[Person, tuple[Floats, Bools]] = {}
        for person, ring in list(self._persons.items()):
            if ring.last < begin:
                del self._persons[person]
                continue
            positions, valid = ring.cut(begin, end)
            if valid.any(1).mean() >= LEAST_SEEN:
                seen[person] = positions, valid
        whole = self._piece(list(seen.values()), begin) if self._together and seen else None
        found = []
        for person, one in seen.items():
            there = np.flatnonzero(one[1].any(1))
            first, behind = begin + int(there[0]), begin + int(there[-1]) + 1
            piece = self._piece([one], begin) if whole is None else whole
            found.append(Window(person, begin, end, first, behind, piece))
        return found

    def _piece(self, persons: list[tuple[Floats, Bools]], begin: int) -> Sequence:
        """Persons as recorded: positions (T, V, C) and validity (T, V) of each, from a frame on."""
        positions, valid = (np.stack(part) for part in zip(*persons, strict=True))
        return replace(self._like, positions=positions, valid=valid, confidence=None, begin=self._like.begin + begin)


def windows_of(
    sequence: Sequence, window: float = WINDOW, hop: float = HOP, together: bool = False
) -> Iterator[Window]:
    """The windows of all persons of a recording, in order of time.

    Args:
        sequence: A recording (M, T, V, C).
        window: Length of a window, in seconds.
        hop: From the start of a window to that of the next, in seconds.
        together: Whether windows show all persons together, not each alone.

    Yields:
        Each window in which a person is seen in at least LEAST_SEEN of the frames; `person` is the slot.

    Raises:
        ConfigError: A length is not positive.
    """
    windows = Windows(sequence, window, hop, together)
    seen: Bools = np.asarray(sequence.validity.any(2))
    for frame in np.flatnonzero(seen.any(0)).tolist():
        there: dict[Person, tuple[Floats, Bools]] = {
            slot: (sequence.positions[slot, frame], sequence.validity[slot, frame])
            for slot in np.flatnonzero(seen[:, frame]).tolist()
        }
        yield from windows.push(frame, there)
    yield from windows.close(sequence.frames)
