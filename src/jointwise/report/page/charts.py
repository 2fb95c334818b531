"""Charts as inline SVG: pure functions from numbers to markup; all colours come from the page's style sheet."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise

import numpy as np
from markupsafe import Markup, escape
from numpy.typing import NDArray

from jointwise.report.page.confusion import Confusion
from jointwise.report.page.scales import count, fitted, linear_ticks, log_ticks, percent, short, text_width, tick_labels

MOST_POINTS = 300  # of one line; longer ones are thinned
LOG_FROM = 20.0  # largest over smallest value from which a log scale helps
MOST_HOVERED = 1000  # cells of a heat map that say their counts when hovered: such a cell takes 150 bytes, others 10
SHADES = 16  # of a heat map with more cells


@dataclass(frozen=True)
class Line:
    """One curve (`x` and `y`: `N`); `colour` is a number of the style sheet's palette (1 … 7)."""

    label: str
    x: NDArray[np.float64]
    y: NDArray[np.float64]
    colour: int = 1
    dashed: bool = False
    dotted: bool = False

    @property
    def style(self) -> str:
        """Its classes in the style sheet."""
        return f"c{self.colour}" + (" dashed" if self.dashed else "") + (" dotted" if self.dotted else "")


@dataclass(frozen=True)
class Axis:
    """A range with its ticks; `place` gives a value's position along it, 0 … 1."""

    ticks: tuple[float, ...]
    labels: tuple[str, ...]
    log: bool = False

    def place(self, value: float) -> float:
        """Where a value lies between the first and the last tick."""
        low, high = self.ticks[0], self.ticks[-1]
        if self.log:
            low, high, value = math.log(low), math.log(high), math.log(value)
        return (value - low) / (high - low)


def value_axis(values: Sequence[float], zero: bool = False, may_be_log: bool = False, as_percent: bool = False) -> Axis:
    """An axis around finite values: from zero, logarithmic when they are far apart, or just around them."""
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


def thinned(x: NDArray[np.float64], y: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """At most `MOST_POINTS` of a curve's points: both ends, and the lowest and the highest of each stretch between."""
    if len(x) <= MOST_POINTS:
        return x, y
    edges = np.linspace(0, len(x), MOST_POINTS // 2, dtype=int)
    keep = {0, len(x) - 1}
    for start, stop in pairwise(edges.tolist()):
        stretch = y[start:stop]
        if np.isfinite(stretch).any():
            keep |= {start + int(np.nanargmin(stretch)), start + int(np.nanargmax(stretch))}
    kept = sorted(keep)
    return x[kept], y[kept]


def line_chart(
    lines: Sequence[Line], title: str, along: str, y_axis: Axis, width: float = 360, height: float = 196
) -> Markup:
    """Curves over epochs or steps; points that are not finite break the line."""
    reach = np.concatenate([line.x for line in lines])
    first, last = float(reach.min()), float(reach.max())
    margin = 1.0 if first == last else 0.0
    first, last = first - margin, last + margin
    left = 12 + max(text_width(label, 11) for label in y_axis.labels)
    right, top, bottom = width - 12, 10, height - 38

    def across(value: float) -> float:
        return left + (value - first) / (last - first) * (right - left)

    def down(value: float) -> float:
        return bottom - y_axis.place(value) * (bottom - top)

    parts = [
        Markup('<line class="grid" x1="{:.1f}" x2="{:.1f}" y1="{:.1f}" y2="{:.1f}"/>').format(left, right, y, y)
        + Markup('<text x="{:.1f}" y="{:.1f}" text-anchor="end">{}</text>').format(left - 7, y + 4, label)
        for y, label in ((down(tick), label) for tick, label in zip(y_axis.ticks, y_axis.labels, strict=True))
    ]
    ticks = [tick for tick in linear_ticks(first, last, 5) if first <= tick <= last] if not margin else [first + margin]
    for tick, label in zip(ticks, tick_labels(ticks), strict=True):
        parts.append(
            Markup('<line class="tick" x1="{0:.1f}" x2="{0:.1f}" y1="{1:.1f}" y2="{2:.1f}"/>').format(
                across(tick), bottom, bottom + 4
            )
            + Markup('<text x="{:.1f}" y="{:.1f}" text-anchor="middle">{}</text>').format(
                across(tick), bottom + 17, label
            )
        )
    parts.append(
        Markup('<text x="{:.1f}" y="{:.1f}" text-anchor="middle">{}</text>').format(
            (left + right) / 2, height - 5, along
        )
    )
    for line in lines:
        x, y = thinned(line.x, line.y)
        points = [
            (across(a), down(b)) if math.isfinite(b) and (b > 0 or not y_axis.log) else None
            for a, b in zip(x.tolist(), y.tolist(), strict=True)
        ]
        parts.append(_curve(points, line.style))
    return Markup('<svg class="lines" viewBox="0 0 {:g} {:g}" role="img" aria-label="{}">{}</svg>').format(
        width, height, f"{title}. {_described(lines, along)}", Markup("").join(parts)
    )


def _curve(points: Sequence[tuple[float, float] | None], style: str) -> Markup:
    """A path through the points, broken where one is missing, with a dot on its end."""
    steps, drawing = [], False
    for point in points:
        if point is not None:
            steps.append(f"{'L' if drawing else 'M'}{point[0]:.1f} {point[1]:.1f}")
        drawing = point is not None
    ends = [point for point in points if point is not None][-1:]
    dots = Markup("").join(
        Markup('<circle class="end {}" cx="{:.1f}" cy="{:.1f}" r="2.6"/>').format(style, *end) for end in ends
    )
    return Markup('<path class="line {}" d="{}"/>').format(style, "".join(steps)) + dots


def _described(lines: Sequence[Line], along: str) -> str:
    """The curves in words, for those who do not see them."""
    words = []
    for line in lines:
        finite = line.y[np.isfinite(line.y)]
        if len(finite):
            words.append(f"{line.label}: from {short(float(finite[0]))} to {short(float(finite[-1]))}")
    return f"By {along}: {'; '.join(words)}."


def interval_track(axis: Axis, value: float, interval: tuple[float, float] | None, words: str) -> Markup:
    """A dot with whiskers on one row of a stretchable axis (positions in percent of the row's width)."""
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
    """A bar as long as a share in [0, 1] of its cell's width; the number stands beside it, so it is decoration."""
    return Markup(
        '<svg class="bar" width="100%" height="10" aria-hidden="true">'
        '<rect class="rest" width="100%" height="10" rx="2"/>'
        '<rect class="share" width="{:.2f}%" height="10" rx="2"/></svg>'
    ).format(100 * share)


def shade(share: float) -> float:
    """How opaque a share in [0, 1] is drawn: the root lifts small shares, so that rare errors remain visible."""
    return round(math.sqrt(share), 3)


def hovers(confusion: Confusion) -> bool:
    """Whether the cells of a heat map are few enough to say their counts when hovered."""
    return int(np.count_nonzero(confusion.counts)) <= MOST_HOVERED


def heat_map(confusion: Confusion) -> Markup:
    """The confusion matrix: rows true, columns predicted, shaded by the share of the row."""
    number = len(confusion.names)
    cell = min(40.0, max(9.0, 740.0 / number))
    size = 11.5 if cell >= 16 else 8.5
    names = [fitted(name, size, 175) for name in confusion.names]
    longest = max(text_width(name, size) for name in names)
    slanted = longest * math.sqrt(0.5)
    left, top = max(longest, 70) + 10, max(slanted, 24) + 16
    reach = max((index + 0.5) * cell + text_width(name, size) * math.sqrt(0.5) for index, name in enumerate(names))
    width, height = left + max(reach, number * cell) + 8, top + number * cell + 6
    parts = [
        Markup('<text class="axis" x="{:.1f}" y="{:.1f}" text-anchor="end">{}</text>').format(left - 8, top - up, words)
        for words, up in (("predicted →", 8 + 1.3 * size), ("true ↓", 8))
    ]
    parts.append(
        Markup('<rect class="frame" x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}"/>').format(
            left, top, number * cell, number * cell
        )
    )
    for index, (name, fits) in enumerate(zip(confusion.names, names, strict=True)):
        shown = escape(fits) if fits == name else Markup("{}<title>{}</title>").format(fits, name)
        middle = (index + 0.5) * cell
        parts.append(
            Markup('<text x="{:.1f}" y="{:.1f}" text-anchor="end">{}</text>').format(
                left - 8, top + middle + size * 0.35, shown
            )
            + Markup('<text transform="translate({:.1f} {:.1f}) rotate(-45)">{}</text>').format(
                left + middle + size * 0.25, top - 8, shown
            )
        )
    draw = _heat_cells if hovers(confusion) else _heat_paths
    cells = draw(confusion, left, top, cell)
    summary = (
        f"Confusion matrix of {number} classes: {count(int(confusion.counts.sum()))} clips, "
        f"{percent(confusion.accuracy, unit=True)} on the diagonal. The pairs most often confused follow in words."
    )
    return Markup(
        '<svg class="heat" width="{0:.0f}" height="{1:.0f}" viewBox="0 0 {0:.0f} {1:.0f}" style="font-size:{2:g}px" '
        'role="img" aria-label="{3}">{4}</svg>'
    ).format(math.ceil(width), math.ceil(height), size, summary, Markup("").join([*parts, *cells]))


def _heat_cells(confusion: Confusion, left: float, top: float, cell: float) -> list[Markup]:
    """One rectangle per cell that is not empty, with its percentage in it where there is room."""
    clips = confusion.counts.sum(axis=1)
    parts = []
    for row, column in np.argwhere(confusion.counts).tolist():
        hits = int(confusion.counts[row, column])
        share = hits / int(clips[row])
        x, y = left + column * cell, top + row * cell
        kind = "right" if row == column else "wrong"
        true, predicted = confusion.names[row], confusion.names[column]
        words = f"{true} → {predicted}: {hits} of {clips[row]} ({percent(share, unit=True)})"
        label = Markup("")
        if cell >= 22:
            label = Markup('<text class="{}" x="{:.1f}" y="{:.1f}">{:.0f}</text>').format(
                _ink(kind, shade(share)), x + cell / 2, y + cell / 2 + 3.5, 100 * share
            )
        parts.append(
            Markup(
                '<g><title>{}</title><rect class="{}" x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}" '
                'fill-opacity="{:g}"/>{}</g>'
            ).format(words, kind, x + 0.5, y + 0.5, cell - 1, cell - 1, shade(share), label)
        )
    return parts


def _heat_paths(confusion: Confusion, left: float, top: float, cell: float) -> list[Markup]:
    """The cells that are not empty as one path for each shade, in dashes of one cell."""
    clips = np.maximum(confusion.counts.sum(axis=1, keepdims=True), 1)
    levels = np.ceil(np.sqrt(confusion.counts / clips) * SHADES).astype(int)
    levels[np.diag_indices_from(levels)] *= -1  # right answers have shades of their own
    steps: dict[int, list[str]] = {}
    for row, line in enumerate(levels.tolist()):
        column = 0
        for level, run in groupby(line):
            length = len(list(run))
            if level:
                steps.setdefault(level, []).append(f"M{column} {row}h{length}")
            column += length
    paths = (
        Markup('<path class="{}" stroke-opacity="{:.2g}" d="{}"/>').format(
            "wrong" if level > 0 else "right", abs(level) / SHADES, "".join(steps[level])
        )
        for level in sorted(steps)
    )
    return [
        Markup('<g class="cells" transform="translate({:.1f} {:.1f}) scale({:.4g})">{}</g>').format(
            left + 0.05 * cell, top + 0.5 * cell, cell, Markup("").join(paths)
        )
    ]


def _ink(kind: str, opacity: float) -> str:
    """The style of a text on a cell: where each ink reads best was measured for both themes."""
    if opacity < 0.6:
        return "on-pale"
    return "on-middle" if opacity < (0.75 if kind == "right" else 0.9) else "on-full"
