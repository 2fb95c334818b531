"""What a person does over time: answers of overlapping windows, smoothed into segments."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from jointwise.errors import ConfigError

WINDOW = 2.0  # seconds that one answer looks at
HOP = 0.5  # seconds between two answers
# What a change of action costs, in nats: a change happens where the answers speak for it by more than this. Chosen on
# concatenated clips of training subjects (lab/LOG.md).
SWITCH_COST = 2.0


@dataclass(frozen=True)
class Segment:
    """What one person does from a time to a time.

    Args:
        person: The person's slot in the recording, from 0.
        start: First moment, in seconds from the first frame.
        end: Last moment, in seconds.
        label: Name of the action.
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
