"""Charts as inline SVG: pure functions from numbers to markup. All colours come from the page's style sheet."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from jointwise.report.page.scales import linear_ticks, log_ticks, short, text_width, tick_labels

MOST_POINTS = 300  # of one line; longer ones are thinned
LOG_FROM = 20.0  # largest over smallest value from which a log scale helps


@dataclass(frozen=True)
class Line:
    """One curve.

    Args:
        label: Name of the curve, for the description of the chart.
        x: (N,) epochs or steps.
        y: (N,) values; those that are not finite break the line.
        colour: Number in the style sheet's palette, 1 to 7.
        dashed: Whether the line is dashed.
        dotted: Whether the line is dotted.
        dots: (N,) radius of the dot at each point, 0 for none; None: one dot at the end of the line.
    """

    label: str
    x: NDArray[np.float64]
    y: NDArray[np.float64]
    colour: int = 1
    dashed: bool = False
    dotted: bool = False
    dots: NDArray[np.float64] | None = None

    @property
    def style(self) -> str:
        """Its classes in the style sheet."""
        return f"c{self.colour}" + (" dashed" if self.dashed else "") + (" dotted" if self.dotted else "")


@dataclass(frozen=True)
class Axis:
    """A range with its ticks.

    Args:
        ticks: Values with a tick, in ascending order. The first and the last are the ends of the axis.
        labels: Their texts.
        log: Whether the scale is logarithmic.
    """

    ticks: tuple[float, ...]
    labels: tuple[str, ...]
    log: bool = False

    def place(self, value: float) -> float:
        """Where a value lies between the first tick (0) and the last one (1)."""
        low, high = self.ticks[0], self.ticks[-1]
        if self.log:
            low, high = math.log(low), math.log(high)
            value = math.log(value)
        return (value - low) / (high - low)


def value_axis(values: Sequence[float], zero: bool = False, may_be_log: bool = False, as_percent: bool = False) -> Axis:
    """An axis around finite values.

    Args:
        values: At least one.
        zero: Whether zero is on the axis.
        may_be_log: Whether the scale is logarithmic where the values are positive and far apart.
        as_percent: Whether the values are shares in [0, 1], labelled as percentages.
    """
    low, high = min(values), max(values)
    if may_be_log and low > 0 and high / low >= LOG_FROM:
        ticks = log_ticks(low, high)
        return Axis(tuple(ticks), tuple(tick_labels(ticks)), log=True)
    if zero:
        low, high = min(0.0, low), max(0.0, high)
    if as_percent and low == high:
        low, high = max(0.0, low - 0.05), min(1.0, high + 0.05)
    ticks = linear_ticks(low, high)
    return Axis(tuple(ticks), tuple(tick_labels(ticks, as_percent)))


def thin(x: NDArray[np.float64], y: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """At most `MOST_POINTS` points of a curve: both ends, and the lowest and the highest of each stretch between.

    Args:
        x: (N,) places along the chart.
        y: (N,) values.

    Returns:
        x and y of the points that stay, (n,) each.
    """
    if len(x) <= MOST_POINTS:
        return x, y
    edges = np.linspace(0, len(x), MOST_POINTS // 2, dtype=int)
    places = {0, len(x) - 1}
    for start, stop in pairwise(edges.tolist()):
        stretch = y[start:stop]
        if np.isfinite(stretch).any():
            places |= {start + int(np.nanargmin(stretch)), start + int(np.nanargmax(stretch))}
    order = sorted(places)
    return x[order], y[order]


def line_chart(
    lines: Sequence[Line], title: str, along: str, y_axis: Axis, width: float = 360, height: float = 196
) -> Markup:
    """Curves over epochs or steps.

    Args:
        lines: At least one.
        title: Title of the chart, for its description.
        along: Name of the horizontal axis.
        y_axis: The vertical axis, wide enough for all values.
        width: Width of the drawing, in units of its view box.
        height: Height of the drawing.

    Returns:
        An `<svg>` element.
    """
    places = np.concatenate([line.x for line in lines])
    first, last = float(places.min()), float(places.max())
    margin = 1.0 if first == last else 0.0
    first, last = first - margin, last + margin
    left = 12 + max(text_width(label, 11) for label in y_axis.labels)
    right = width - 12
    top = 10
    bottom = height - 38

    def across(value: float) -> float:
        return left + (value - first) / (last - first) * (right - left)

    def down(value: float) -> float:
        return bottom - y_axis.place(value) * (bottom - top)

    rows = ((down(tick), label) for tick, label in zip(y_axis.ticks, y_axis.labels, strict=True))
    parts = [_grid_line(left, right, y, label) for y, label in rows]
    ticks = [tick for tick in linear_ticks(first, last, 5) if first <= tick <= last] if not margin else [first + margin]
    parts += [_tick(across(tick), bottom, label) for tick, label in zip(ticks, tick_labels(ticks), strict=True)]
    parts.append(
        Markup('<text x="{:.1f}" y="{:.1f}" text-anchor="middle">{}</text>').format(
            (left + right) / 2, height - 5, along
        )
    )
    for line in lines:
        x, y = thin(line.x, line.y)
        drawable = np.isfinite(y) & ((y > 0) | (not y_axis.log))
        points = [(across(a), down(b)) if shown else None for a, b, shown in zip(x, y, drawable, strict=True)]
        parts.append(_curve(points, line.style, line.dots))
    return Markup('<svg class="lines" viewBox="0 0 {:g} {:g}" role="img" aria-label="{}">{}</svg>').format(
        width, height, f"{title}. {_describe_lines(lines, along)}", Markup("").join(parts)
    )


def _grid_line(left: float, right: float, y: float, label: str) -> Markup:
    line = Markup('<line class="grid" x1="{:.1f}" x2="{:.1f}" y1="{:.1f}" y2="{:.1f}"/>').format(left, right, y, y)
    return line + Markup('<text x="{:.1f}" y="{:.1f}" text-anchor="end">{}</text>').format(left - 7, y + 4, label)


def _tick(x: float, y: float, label: str) -> Markup:
    line = Markup('<line class="tick" x1="{0:.1f}" x2="{0:.1f}" y1="{1:.1f}" y2="{2:.1f}"/>').format(x, y, y + 4)
    return line + Markup('<text x="{:.1f}" y="{:.1f}" text-anchor="middle">{}</text>').format(x, y + 17, label)


def _curve(points: Sequence[tuple[float, float] | None], style: str, dots: NDArray[np.float64] | None = None) -> Markup:
    """A path through the points, broken where one is missing, with its dots."""
    steps = []
    connected = False  # to the point before
    for point in points:
        if point is not None:
            steps.append(f"{'L' if connected else 'M'}{point[0]:.1f} {point[1]:.1f}")
        connected = point is not None
    ends = [(*point, 2.6) for point in points if point is not None][-1:]
    if dots is not None:
        ends = [(*point, radius) for point, radius in zip(points, dots.tolist(), strict=True) if point and radius]
    circles = Markup("").join(
        Markup('<circle class="end {}" cx="{:.1f}" cy="{:.1f}" r="{:.1f}"/>').format(style, *end) for end in ends
    )
    return Markup('<path class="line {}" d="{}"/>').format(style, "".join(steps)) + circles


def _describe_lines(lines: Sequence[Line], along: str) -> str:
    """The curves in words, for screen readers."""
    words = []
    for line in lines:
        finite = line.y[np.isfinite(line.y)]
        if len(finite):
            words.append(f"{line.label}: from {short(float(finite[0]))} to {short(float(finite[-1]))}")
    return f"By {along}: {'; '.join(words)}."


def interval_track(axis: Axis, value: float, interval: tuple[float, float] | None, words: str) -> Markup:
    """A dot with whiskers on one row; positions are in percent of the row's width, so the row may stretch.

    Args:
        axis: The axis of the row.
        value: Where the dot is.
        interval: Ends of the whiskers; None: no whiskers.
        words: Description for screen readers.

    Returns:
        An `<svg>` element.
    """
    parts = [
        Markup('<line class="grid" x1="{0:.2f}%" x2="{0:.2f}%" y1="0" y2="100%"/>').format(100 * axis.place(tick))
        for tick in axis.ticks
    ]
    if interval is not None:
        low, high = (100 * axis.place(end) for end in interval)
        parts.append(
            Markup(
                '<line class="whisker" x1="{0:.2f}%" x2="{1:.2f}%" y1="50%" y2="50%"/>'
                '<rect class="dot" x="{0:.2f}%" y="50%" width="1.6" height="9" transform="translate(-.8 -4.5)"/>'
                '<rect class="dot" x="{1:.2f}%" y="50%" width="1.6" height="9" transform="translate(-.8 -4.5)"/>'
            ).format(low, high)
        )
    parts.append(Markup('<circle class="dot" cx="{:.2f}%" cy="50%" r="4.5"/>').format(100 * axis.place(value)))
    return Markup('<svg class="track" width="100%" height="100%" role="img" aria-label="{}">{}</svg>').format(
        words, Markup("").join(parts)
    )


def axis_strip(axis: Axis) -> Markup:
    """The tick labels under the rows of `interval_track`."""
    labels = Markup("").join(
        Markup('<text x="{:.2f}%" y="14" text-anchor="middle">{}</text>').format(100 * axis.place(tick), label)
        for tick, label in zip(axis.ticks, axis.labels, strict=True)
    )
    return Markup('<svg class="track" width="100%" height="20" aria-hidden="true">{}</svg>').format(labels)


def share_bar(share: float) -> Markup:
    """A bar whose length is a share in [0, 1] of the width of its cell; its number is beside it."""
    return Markup(
        '<svg class="bar" width="100%" height="10" aria-hidden="true">'
        '<rect class="rest" width="100%" height="10" rx="2"/>'
        '<rect class="share" width="{:.2f}%" height="10" rx="2"/></svg>'
    ).format(100 * share)
