"""What a training will take: said before it starts, and as soon as its first steps are timed."""

from __future__ import annotations

import time
from collections.abc import Callable

from jointwise.config.schema import TrainConfig

WARM_UP = 2  # first steps, which are slower: memory is taken, kernels are chosen
MEASURED = 4  # steps after them, whose time is that of all others
LONG = 600.0  # seconds; a longer training is told how it becomes shorter


def duration(seconds: float) -> str:
    """A time span in its two largest units.

    >>> duration(300_000), duration(4380), duration(150), duration(2.5)
    ('3 d 11 h', '1 h 13 min', '2 min', '2.5 s')
    """
    if seconds < 60:
        return f"{seconds:.3g} s"
    minutes = round(seconds / 60)
    if minutes >= 48 * 60:
        return f"{minutes // 1440} d {minutes % 1440 // 60:02d} h"
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"


class Forecast:
    """Says how long a training is, and how long it will take.

    Args:
        title: What is trained.
        settings: Steps and clips per step.
        passes: How often each clip is seen in all steps.
        done: Steps that were done before, by a run that goes on.
        say: Prints a line.
        clock: Seconds that pass.
    """

    def __init__(
        self,
        title: str,
        settings: TrainConfig,
        passes: float,
        done: int,
        say: Callable[[str], None],
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self.settings = settings
        self.say = say
        self.clock = clock
        self._first = done + WARM_UP
        self._started = 0.0
        left = settings.steps - done
        if left > 0:
            resumed = f" ({left:,} of them are left)" if done else ""
            steps = f"{settings.steps:,} steps{resumed} of {settings.batch} clips"
            self.say(f"{title}: {steps}, {passes:.3g} passes over the data")

    def after_step(self, done: int) -> None:
        """Say how long the rest takes, once enough steps are timed.

        Args:
            done: Steps that are done.
        """
        if done == self._first:
            self._started = self.clock()
        if done == self._first + MEASURED:
            seconds = (self.clock() - self._started) / MEASURED * (self.settings.steps - done)
            if seconds > LONG:
                quarter = max(1, self.settings.steps // 4)
                shorter = f" With {quarter:,} steps it takes a quarter; --quick shows soon that all works."
            else:
                shorter = ""
            self.say(f"about {duration(round(seconds))} on this machine.{shorter}")
