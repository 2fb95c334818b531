"""The confusion matrix as a heat map in inline SVG; all colours come from the page's style sheet."""

from __future__ import annotations

import math
from itertools import groupby

import numpy as np
from markupsafe import Markup, escape

from jointwise.report.page.confusion import Confusion
from jointwise.report.page.scales import count, percent, shorten, text_width

MOST_HOVERED = 1000  # cells that show their counts when hovered: such a cell takes 150 bytes, others 10
SHADES = 16  # of a heat map with more cells


def shade(share: float) -> float:
    """Opacity of a share in [0, 1]: its square root, so that rare errors remain visible."""
    return round(math.sqrt(share), 3)


def has_hover_counts(confusion: Confusion) -> bool:
    """Whether a heat map has so few cells that each can show its counts when hovered."""
    return int(np.count_nonzero(confusion.counts)) <= MOST_HOVERED


def heat_map(confusion: Confusion) -> Markup:
    """A confusion matrix: rows are true classes, columns predicted ones; the shade is the share of the row.

    Args:
        confusion: Counts of K classes.

    Returns:
        An `<svg>` element.
    """
    number = len(confusion.names)
    cell = min(40.0, max(9.0, 740.0 / number))
    size = 11.5 if cell >= 16 else 8.5
    names = [shorten(name, size, 175) for name in confusion.names]
    longest = max(text_width(name, size) for name in names)
    slanted = longest * math.sqrt(0.5)
    left, top = max(longest, 70) + 10, max(slanted, 24) + 16
    ends = ((index + 0.5) * cell + text_width(name, size) * math.sqrt(0.5) for index, name in enumerate(names))
    width = left + max(*ends, number * cell) + 8
    height = top + number * cell + 6
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
    draw = _heat_cells if has_hover_counts(confusion) else _heat_paths
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
    """One rectangle for each cell that is not empty, with its percentage where there is room."""
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
    """One path for each shade; a cell that is not empty is a dash of it."""
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
    """The style of a text on a cell; the limits are those of best contrast, measured for both themes."""
    if opacity < 0.6:
        return "on-pale"
    full = 0.75 if kind == "right" else 0.9
    return "on-middle" if opacity < full else "on-full"
