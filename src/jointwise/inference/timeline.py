"""What a person does over time: answers of overlapping windows, smoothed into segments."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby

import numpy as np
import numpy.typing as npt

from jointwise.data.sequence import Sequence
from jointwise.errors import ConfigError

WINDOW = 2.0  # seconds that one answer looks at
HOP = 0.5  # seconds between two answers
# What a change of action costs, in nats: a change happens where the answers speak for it by more than this. The best of
# 0 to 8 on concatenated clips of training subjects (lab/LOG.md).
SWITCH_COST = 4.0
LEAST_SEEN = 0.5  # of the frames of a window, in which a person is seen; less is no answer


@dataclass(frozen=True)
class Segment:
    """What one person does from a time to a time.

    Args:
        person: The person's slot in the recording, from 0.
        start: First moment, in seconds from the first frame.
        end: Last moment, in seconds.
        label: Name of the action, or that of none of them.
        probability: Mean probability of the action over the windows of the segment.
    """

    person: int
    start: float
    end: float
    label: str
    probability: float


def window_frames(frames: int, fps: float, window: float, hop: float) -> list[tuple[int, int]]:
    """Where the windows of a recording lie.

    Args:
        frames: Frames of the recording, T.
        fps: Frames per second.
        window: Length of a window, in seconds.
        hop: From the start of a window to that of the next, in seconds.

    Returns:
        First frame, and frame behind the last, of each window. The last one ends with the recording. A recording that
        is shorter than a window is one window.

    Raises:
        ConfigError: A length is not positive.

    >>> window_frames(100, 10, 4, 3)
    [(0, 40), (30, 70), (60, 100)]
    """
    if not window > 0 or not hop > 0:
        raise ConfigError(f"window {window} and hop {hop} must be above 0 seconds.")
    length = min(frames, max(1, round(window * fps)))
    step = max(1, round(hop * fps))
    starts = list(range(0, frames - length + 1, step))
    if starts[-1] != frames - length:
        starts.append(frames - length)
    return [(start, start + length) for start in starts]


def smooth_labels(scores: npt.NDArray[np.float64], switch_cost: float = SWITCH_COST) -> npt.NDArray[np.int64]:
    """The most likely course of actions, where every change of action has a cost (Viterbi).

    Args:
        scores: (n, K) log probabilities of K actions in n windows, in order of time.
        switch_cost: Cost of a change, at least 0.

    Returns:
        (n,) the action of each window: the course whose sum of scores, less its changes' costs, is largest.

    >>> scores = np.log([[0.9, 0.1], [0.4, 0.6], [0.9, 0.1]])
    >>> smooth_labels(scores, 0.0).tolist(), smooth_labels(scores, 1.0).tolist()
    ([0, 1, 0], [0, 0, 0])
    """
    count, actions = scores.shape
    best = scores[0].copy()
    came_from = np.zeros((count, actions), np.int64)
    for place in range(1, count):
        leader = int(best.argmax())
        stays = best >= best[leader] - switch_cost
        came_from[place] = np.where(stays, np.arange(actions), leader)
        best = np.where(stays, best, best[leader] - switch_cost) + scores[place]
    course = np.empty(count, np.int64)
    course[-1] = best.argmax()
    for place in range(count - 1, 0, -1):
        course[place - 1] = came_from[place, course[place]]
    return course


def cut_segments(
    course: npt.NDArray[np.int64],
    probabilities: npt.NDArray[np.float64],
    windows: list[tuple[int, int]],
    fps: float,
    labels: tuple[str, ...],
    person: int = 0,
) -> list[Segment]:
    """Join windows of the same action to segments.

    An action changes in the middle between the centres of two windows.

    Args:
        course: (n,) the action of each window, a place in `labels`.
        probabilities: (n, K) of each action in each window.
        windows: First frame, and frame behind the last, of each window.
        fps: Frames per second.
        labels: (K,) names of the actions.
        person: The person's slot.

    Returns:
        The segments in order of time; the first one starts with the first window, the last one ends with the last.
    """
    centres = np.array(windows).mean(1) / fps
    changes = np.flatnonzero(np.diff(course)) + 1
    begins = [windows[0][0] / fps, *((centres[changes - 1] + centres[changes]) / 2).tolist()]
    ends = [*begins[1:], windows[-1][1] / fps]
    segments = []
    for part, start, end in zip(np.split(np.arange(len(course)), changes), begins, ends, strict=True):
        action = int(course[part[0]])
        segments.append(
            Segment(person, float(start), float(end), labels[action], float(probabilities[part, action].mean()))
        )
    return segments


def windows_of_persons(sequence: Sequence, window: float, hop: float) -> list[tuple[int, int, int, Sequence]]:
    """The windows of a recording in which somebody is seen, person by person.

    Args:
        sequence: A prepared recording (M, T, V, C).
        window: Length of a window, in seconds.
        hop: From the start of a window to that of the next, in seconds.

    Returns:
        (person, first frame, frame behind the last, the recording of this person in these frames) of each window in
        which the person is seen in at least LEAST_SEEN of the frames.
    """
    found = []
    for person in range(sequence.persons):
        alone = sequence.on_persons([person])
        seen = alone.validity[0].any(1)
        for begin, end in window_frames(sequence.frames, sequence.fps, window, hop):
            if seen[begin:end].mean() >= LEAST_SEEN:
                found.append((person, begin, end, alone.on_frames(begin, end)))
    return found


def join_windows(
    windows: list[tuple[int, int, int]],
    probabilities: npt.NDArray[np.float64],
    labels: tuple[str, ...],
    fps: float,
    switch_cost: float = SWITCH_COST,
) -> list[Segment]:
    """The segments of all persons, from the answers of their windows.

    Args:
        windows: (person, first frame, frame behind the last) of each of n windows, person by person, in order of time.
        probabilities: (n, K + 1) of the actions, and of none of them.
        labels: (K + 1,) their names.
        fps: Frames per second.
        switch_cost: Cost of a change, in nats.

    Returns:
        The segments, person by person. Between windows that do not overlap nobody was seen, and there is none.
    """
    if not windows:
        return []
    places = np.array(windows)
    apart = (np.diff(places[:, 0]) != 0) | (places[1:, 1] > places[:-1, 2])
    segments: list[Segment] = []
    for _, group in groupby(range(len(windows)), key=np.concatenate([[0], np.cumsum(apart)]).__getitem__):
        part = list(group)
        course = smooth_labels(np.log(np.maximum(probabilities[part], 1e-12)), switch_cost)
        frames = [(int(begin), int(end)) for begin, end in places[part, 1:]]
        segments += cut_segments(course, probabilities[part], frames, fps, labels, int(places[part[0], 0]))
    return segments
