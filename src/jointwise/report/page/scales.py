"""Numbers as the report writes them, and the ticks of its axes."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Sequence
from itertools import pairwise

from jointwise.training.forecast import duration

NOTHING = "–"  # what the page shows for a missing value
PER_CENT = "\N{NARROW NO-BREAK SPACE}%"


def count(value: float | None) -> str:
    """A whole number with thousands separators.

    >>> count(1152)
    '1,152'
    """
    return NOTHING if value is None else f"{value:,.0f}"


def percent(share: float | None, unit: bool = False) -> str:
    """A share in [0, 1] as a percentage with one decimal.

    >>> percent(0.9123)
    '91.2'
    """
    if share is None:
        return NOTHING
    return f"{100 * share:.1f}" + (PER_CENT if unit else "")


def short(value: float | None) -> str:
    """A number in three significant digits: 0.0123, 4.57, 1.2 M.

    >>> short(1234567)
    '1.23 M'
    """
    if value is None:
        return NOTHING
    size = abs(value)
    for unit, name in ((1e9, "G"), (1e6, "M"), (1e4, "k")):
        if size >= unit:
            unit = 1e3 if name == "k" else unit
            return f"{value / unit:#.3g}".rstrip(".") + f" {name}"
    if 0 < size < 1e-3:
        return f"{value:.2g}".replace("e-0", "e-")
    if size >= 1e3:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def duration_or_nothing(seconds: float | None) -> str:
    """A time span in its two largest units; NOTHING where it is not known."""
    return NOTHING if seconds is None or not math.isfinite(seconds) else duration(seconds)


def join_words(words: Sequence[str]) -> str:
    """Words as a list in a sentence.

    >>> join_words(["a", "b", "c"])
    'a, b and c'
    """
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def text_width(text: str, size: float) -> float:
    """Approximate width of a text in a sans-serif font; wide (East Asian) characters count double.

    Args:
        text: One line.
        size: Size of the font, such as pixels; the width has the same unit.
    """
    return size * sum(1.0 if unicodedata.east_asian_width(letter) in "WF" else 0.56 for letter in text)


def shorten(text: str, size: float, width: float) -> str:
    """The text, or as much of its beginning as fits in `width`, with an ellipsis.

    Args:
        text: One line.
        size: Size of the font, in the unit of `width`.
        width: Available width.
    """
    if text_width(text, size) <= width:
        return text
    text = text[: int(width / (0.56 * size)) + 1]  # no letter is narrower; a text may have millions
    while text and text_width(text + "…", size) > width:
        text = text[:-1]
    return text.rstrip() + "…"


def linear_ticks(low: float, high: float, intervals: int = 4) -> list[float]:
    """Evenly spaced round numbers, the first at or below `low`, the last at or above `high`.

    Args:
        low: Smallest value.
        high: Largest value.
        intervals: About how many intervals to make.
    """
    if not high > low:
        margin = abs(low) * 0.1 or 1.0
        low, high = low - margin, high + margin
    rough = (high - low) / intervals
    power = 10.0 ** math.floor(math.log10(rough))
    step = power * next(factor for factor, below in ((1, 1.5), (2, 3.5), (5, 7.5), (10, 11)) if rough < below * power)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [index * step for index in range(first, last + 1)]


def log_ticks(low: float, high: float) -> list[float]:
    """Powers of ten around two positive numbers; on a short axis also 2 and 5 times these powers."""
    short_axis = math.log10(high / low) < 2.2
    steps = (1, 2, 5) if short_axis else (1,)
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    ticks = [factor * 10.0**power for power in powers for factor in steps]
    first = max(index for index, tick in enumerate(ticks) if tick <= low * 1.0001)
    last = min((index for index, tick in enumerate(ticks) if tick >= high * 0.9999), default=len(ticks) - 1)
    ticks = ticks[first : last + 1]
    return ticks if short_axis else ticks[:: math.ceil(len(ticks) / 6)]


def tick_labels(ticks: Sequence[float], as_percent: bool = False) -> list[str]:
    """One text for each tick; on a linear axis all have the same number of decimals.

    Args:
        ticks: Values of the ticks.
        as_percent: Whether they are shares in [0, 1], written as percentages.
    """
    scale = 100.0 if as_percent else 1.0
    values = [tick * scale for tick in ticks]
    step = min((after - before for before, after in pairwise(values)), default=1.0)
    largest = max(map(abs, values), default=0.0)
    if largest >= 1e4 or 0 < step < 1e-4:
        return [short(value) if value else "0" for value in values]
    even = all(math.isclose(after - before, step, rel_tol=1e-6) for before, after in pairwise(values))
    decimals = max(0, -math.floor(math.log10(step) + 1e-9))
    return [f"{value:.{decimals}f}" if even and value else short(value) for value in values]
