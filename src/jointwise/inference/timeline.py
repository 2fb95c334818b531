"""What persons do over time: answers of overlapping windows, smoothed and joined to segments as soon as they are final.

A file and a live stream are named by the same code: a file is a stream whose frames are all there.
"""

from __future__ import annotations

import warnings
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import chain

import numpy as np
import numpy.typing as npt

from jointwise.data.centring import prepare_sequence
from jointwise.data.conventions import guess_up
from jointwise.data.sequence import Sequence
from jointwise.errors import JointwiseWarning, ReadError
from jointwise.inference.answers import NONE, SURE, Answer, Answers
from jointwise.inference.inputs import Fit, Inputs, Joints
from jointwise.inference.many import batched
from jointwise.inference.windows import Person, Window, windows_of

# What a change of action costs, in nats for each of the window / hop answers that see a moment: a change happens where
# they speak for it by more than this on average. Chosen on clips of training subjects in a row (lab/LOG.md).
SWITCH_COST = 1.0
LAG = 20  # windows that a name may wait for later ones: 10 seconds at the default hop
_LEAST = 1e-12  # probability of anything


@dataclass(frozen=True)
class Segment:
    """What one person does from a time to a time.

    Args:
        person: The person's slot in the recording, from 0; of a stream, the person's number or name.
        start: First moment, in seconds from the first frame.
        end: Last moment, in seconds.
        label: Name of the action, or that of none of them.
        probability: Mean probability of the action over the windows of the segment.
    """

    person: Person
    start: float
    end: float
    label: str
    probability: float


@dataclass(frozen=True)
class Named:
    """What a model says of one person in one window.

    Args:
        person: Who it is.
        start: Begin of the window, in seconds.
        end: End of the window, in seconds.
        label: The most probable class in this window; NONE where it shows none of them.
        probability: The probability of the most probable class.
        smoothed: The action with the windows before in view: it changes less often, and later.
        probabilities: The probabilities of all classes, in descending order.
        reason: Why the label is NONE, as a sentence; empty where it is a class.
    """

    person: Person
    start: float
    end: float
    label: str
    probability: float
    smoothed: str
    probabilities: dict[str, float]
    reason: str = ""


class Smoother:
    """The most likely course of actions, where every change of action has a cost (Viterbi), told as soon as it is sure.

    The action of a window is told when all courses that can still become the best agree on it; after `lag` windows it
    is that of the course that is best by then.

    Args:
        switch_cost: Cost of a change in nats, at least 0.
        lag: Windows that an action waits for at most.
    """

    def __init__(self, switch_cost: float, lag: int = LAG) -> None:
        self._cost, self._lag = switch_cost, lag
        self._best: npt.NDArray[np.float64] | None = None
        self._came_from: deque[npt.NDArray[np.int64]] = deque()  # of all windows that wait, but for the oldest
        self._waiting = 0

    @property
    def leader(self) -> int:
        """The last action of the course that is best so far."""
        assert self._best is not None  # a window was pushed
        return int(self._best.argmax())

    def push(self, scores: npt.NDArray[np.float64]) -> list[int]:
        """Take the next window.

        Args:
            scores: (K,) log probabilities of the actions.

        Returns:
            The actions that are sure now, of the oldest windows that waited.
        """
        self._waiting += 1
        if self._best is None:
            self._best = scores.astype(np.float64)
        else:
            leader = self.leader
            floor = self._best[leader] - self._cost
            stays = self._best >= floor
            self._came_from.append(np.where(stays, np.arange(len(scores)), leader))
            self._best = np.where(stays, self._best, floor) + scores
        told = []
        while self._waiting > 1:
            oldest = self._ancestors()
            if (oldest[np.isfinite(self._best)] == oldest[self.leader]).all() or self._waiting > self._lag:
                self._best[oldest != oldest[self.leader]] = -np.inf
                told.append(self._tell_oldest())
            else:
                break
        return told

    def close(self) -> list[int]:
        """The actions of all windows that waited, as no more will come."""
        return [self._tell_oldest() for _ in range(self._waiting)]

    def _ancestors(self) -> npt.NDArray[np.int64]:
        """(K,) the action in the oldest window of the course that ends with each action."""
        assert self._best is not None  # a window was pushed
        actions = np.arange(len(self._best))
        for came_from in reversed(self._came_from):
            actions = came_from[actions]
        return actions

    def _tell_oldest(self) -> int:
        action = int(self._ancestors()[self.leader])
        self._waiting -= 1
        if self._came_from:
            self._came_from.popleft()
        return action


def smooth_labels(scores: npt.NDArray[np.float64], switch_cost: float) -> npt.NDArray[np.int64]:
    """The most likely course of actions, where every change of action has a cost (Viterbi).

    Args:
        scores: (n, K) log probabilities of K actions in n windows, in order of time.
        switch_cost: Cost of a change, at least 0.

    Returns:
        (n,) the action of each window: the course whose sum of scores, less its changes' costs, is largest; except that
        no action waits for more than LAG windows.

    >>> scores = np.log([[0.9, 0.1], [0.4, 0.6], [0.9, 0.1]])
    >>> smooth_labels(scores, 0.0).tolist(), smooth_labels(scores, 1.0).tolist()
    ([0, 1, 0], [0, 0, 0])
    """
    smoother = Smoother(switch_cost)
    return np.array([action for row in scores for action in smoother.push(row)] + smoother.close(), np.int64)


class Course:
    """What one person does, from one window to the next.

    An action changes in the middle between the centres of two windows. A segment begins and ends where the person is
    seen. Between windows that do not overlap nobody was seen, and there is none.

    Args:
        person: Who it is.
        labels: (K,) names of the actions, and of none of them.
        fps: Frames per second.
        switch_cost: Cost of a change, in nats.
        zero: Time of frame 0, in seconds.
    """

    def __init__(
        self, person: Person, labels: tuple[str, ...], fps: float, switch_cost: float, zero: float = 0.0
    ) -> None:
        self._person, self._labels, self._fps, self._cost, self._zero = person, labels, fps, switch_cost, zero
        self._begin()

    def _begin(self) -> None:
        self._smoother = Smoother(self._cost)
        self._waiting: deque[tuple[Window, npt.NDArray[np.float64]]] = deque()
        self._last: Window | None = None  # the last window that was pushed
        self._told: Window | None = None  # the last window whose action was told
        self._action = -1
        self._start = 0.0
        self._sum, self._count = 0.0, 0

    @property
    def smoothed(self) -> str:
        """The action in the window that was pushed last, with those before in view."""
        return self._labels[self._smoother.leader]

    @property
    def end(self) -> int:
        """The frame behind the window that was pushed last; -1 where there is none."""
        return -1 if self._last is None else self._last.end

    def push(self, window: Window, answer: Answer) -> list[Segment]:
        """Take the answer of the next window.

        Args:
            window: A window of this person.
            answer: What it shows.

        Returns:
            The segments that are final now.
        """
        ended = self.close() if self._last is not None and window.begin > self._last.end else []
        self._last = window
        probabilities = answer.with_none
        self._waiting.append((window, probabilities))
        return ended + self._tell(self._smoother.push(np.log(np.maximum(probabilities, _LEAST))))

    def close(self) -> list[Segment]:
        """The segments of all windows that waited, as no more will overlap them."""
        ended = self._tell(self._smoother.close())
        if self._told is not None:
            ended.append(self._segment(self._zero + self._told.last / self._fps))
        self._begin()
        return ended

    def _tell(self, actions: list[int]) -> list[Segment]:
        """The segments that end with the actions of the oldest windows that waited."""
        ended = []
        for action in actions:
            window, probabilities = self._waiting.popleft()
            if self._told is None:
                self._start = self._zero + window.first / self._fps
            elif action != self._action:
                change = (self._told.begin + self._told.end + window.begin + window.end) / 4
                moment = self._zero + change / self._fps
                ended.append(self._segment(moment))
                self._start, self._sum, self._count = moment, 0.0, 0
            self._told, self._action = window, action
            self._sum += float(probabilities[action])
            self._count += 1
        return ended

    def _segment(self, end: float) -> Segment:
        return Segment(self._person, self._start, end, self._labels[self._action], self._sum / self._count)


class Namer:
    """Names windows of any persons in order of time, and joins them to segments.

    Args:
        inputs: What the model takes.
        answers: What it says.
        joints: How the joints of the windows become those of the model.
        fps: Frames per second.
        switch_cost: Cost of a change, in nats.
        fit: How the windows are brought to axes and unit of the model; None: the first windows tell.
        zero: Time of frame 0, in seconds.
    """

    def __init__(
        self,
        inputs: Inputs,
        answers: Answers,
        joints: Joints,
        fps: float,
        switch_cost: float,
        fit: Fit | None = None,
        zero: float = 0.0,
    ) -> None:
        self._inputs, self._answers, self._joints, self._fit = inputs, answers, joints, fit
        self._fps, self._cost, self.zero = fps, switch_cost, zero
        self._courses: dict[Person, Course] = {}

    def name(self, windows: Iterable[Window]) -> list[Named | Segment]:
        """Name some windows at once.

        Args:
            windows: In order of time.

        Returns:
            The answer to each, and before it the segments that are final with it.
        """
        windows = list(windows)
        events: list[Named | Segment] = []
        for window, answer in zip(windows, self._answers_to(windows), strict=True):
            labels = (*self._answers.classes, NONE)
            course = self._courses.setdefault(
                window.person, Course(window.person, labels, self._fps, self._cost, self.zero)
            )
            events += course.push(window, answer)
            start, end = (self.zero + place / self._fps for place in (window.begin, window.end))
            said = answer.prediction(self._answers.classes, window.piece)
            events.append(
                Named(
                    window.person,
                    start,
                    end,
                    said.label,
                    said.probability,
                    course.smoothed,
                    said.probabilities,
                    said.reason,
                )
            )
        return events

    def leave(self, begin: int | None = None) -> list[Segment]:
        """The last segments of persons who have left.

        Args:
            begin: First frame of all windows that may come; None: none will.
        """
        gone = [person for person, course in self._courses.items() if begin is None or course.end < begin]
        return [segment for person in gone for segment in self._courses.pop(person).close()]

    def _answers_to(self, windows: list[Window]) -> list[Answer]:
        """The answer to each window. One that cannot be used shows none of the classes, with a warning."""
        shown = {id(window.piece): window for window in windows}  # persons who are named together show the same
        pieces = {key: self._fitted(window) for key, window in shown.items()}
        told: dict[int, Answer | ReadError] = {key: one for key, one in pieces.items() if isinstance(one, ReadError)}
        usable = {key: one for key, one in pieces.items() if isinstance(one, Sequence)}
        clips = [self._inputs.whole(piece) for piece in usable.values()]
        told |= zip(usable, self._answers.of(clips, list(usable.values())), strict=True)
        answers = []
        for window in windows:
            answer = told[id(window.piece)]
            if isinstance(answer, ReadError):
                where = f"person {window.person}, frames {window.begin} to {window.end - 1}: {answer}"
                warnings.warn(where, JointwiseWarning, stacklevel=4)
                classes = len(self._answers.classes)
                answer = Answer(np.full(classes, 1 / classes), str(answer), SURE)
            answers.append(answer)
        return answers

    def _fitted(self, window: Window) -> Sequence | ReadError:
        """The window as the model takes it."""
        try:
            placed = self._joints.take(window.piece)
            if self._fit is None or (not self._fit.told and guess_up(placed) is not None):
                self._fit = self._inputs.fit(placed, placed)
            return self._inputs.fitted(placed, self._fit)
        except ReadError as error:
            return error


def timeline(
    inputs: Inputs, answers: Answers, recorded: Sequence, window: float | None, hop: float, switch_cost: float
) -> list[Segment]:
    """What every person of a recording does over time.

    Args:
        inputs: What the model takes.
        answers: What it says.
        recorded: What `Inputs.recorded` returns.
        window: Seconds that one answer looks at; None: `Inputs.window`.
        hop: Seconds between two answers.
        switch_cost: What a change of action costs, in nats for each answer that sees it.

    Returns:
        The segments, person by person in order of time.

    Raises:
        ConfigError: The window or the hop is not positive.
        ReadError: The recording has no valid joint, or does not fit the model.
    """
    window = inputs.window if window is None else window
    windows = windows_of(recorded, window, hop, inputs.together)
    first = next(windows, None)
    if first is None:  # nobody, or nobody for long
        prepare_sequence(recorded)
        return []
    fit = inputs.fit(recorded, first.piece)
    joints = Joints(recorded.skeleton, recorded.skeleton)
    cost = switch_cost * window / hop
    namer = Namer(inputs, answers, joints, recorded.fps, cost, fit, zero=recorded.begin / recorded.fps)
    events = [event for some in batched(chain([first], windows), 64) for event in namer.name(some)]
    segments = [event for event in [*events, *namer.leave()] if isinstance(event, Segment)]
    return sorted(segments, key=lambda segment: (segment.person, segment.start))
