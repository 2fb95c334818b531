"""A picture of timelines: one lane per person, recordings one below the other, drawn by matplotlib (an extra)."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jointwise.errors import ConfigError, writing
from jointwise.inference.answers import NONE
from jointwise.inference.timeline import Segment

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.patches import Rectangle
    from matplotlib.text import Text

    _Drawn = tuple[Rectangle, Text, Segment]  # the bar of a segment, and the text in it

EXTRA = "plot"
ENDINGS = (".png", ".svg")
MOST_RECORDINGS = 50  # in one picture
# Light colours that stay apart for colour-blind readers and carry black text (Paul Tol, "light"); beyond as many
# classes they come again with a pattern.
COLOURS = ("#77aadd", "#ee8866", "#44bb99", "#eedd88", "#ffaabb", "#bbcc33", "#99ddff", "#aaaa00")
PATTERNS = ("", "//", "..", "xx", "--", "++")
NONE_COLOUR = "#dddddd"
LANE, HEAD, FOOT = 0.34, 0.42, 0.75  # inches: of a lane, of a recording's title, of the time axis
WIDTH = 10.0  # inches
INK, QUIET = "#1f2328", "#5d646c"


def check_picture(path: Path, recordings: int) -> None:
    """Refuses a picture that could not be drawn, before anything is computed for it.

    Args:
        path: Where it is to be written.
        recordings: How many recordings it is to show.

    Raises:
        ConfigError: matplotlib is not installed, the ending is unknown, or there are too many recordings.
    """
    if path.suffix.lower() not in ENDINGS:
        raise ConfigError(f"{path}: a picture is written as {' or '.join(ENDINGS)}. Give the file such an ending.")
    if recordings > MOST_RECORDINGS:
        raise ConfigError(
            f"{path}: {recordings} recordings do not fit into one picture, {MOST_RECORDINGS} do. Name fewer files, or "
            "write a table: --csv FILE."
        )
    if importlib.util.find_spec("matplotlib") is None:
        raise ConfigError(f'{path}: a picture needs the library matplotlib: pip install "jointwise[{EXTRA}]"')


def write_timelines(path: Path, timelines: Sequence[tuple[str, Sequence[Segment]]]) -> None:
    """Draw timelines into a file.

    Args:
        path: A .png or .svg file; its folder is made.
        timelines: (name, segments) of each recording, at least one.

    Raises:
        ConfigError: As of `check_picture`.
        StorageError: The file cannot be written.
    """
    check_picture(path, len(timelines))
    figure = draw_timelines(timelines)
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, dpi=150, metadata={"Date": None} if path.suffix.lower() == ".svg" else None)


def draw_timelines(timelines: Sequence[tuple[str, Sequence[Segment]]]) -> Figure:
    """The picture as a matplotlib figure: one axes per recording, with one row of bars per person.

    A label is written into its bar where it fits. Where one does not fit, a legend names the colours.

    Args:
        timelines: (name, segments) of each recording, at least one.

    Returns:
        The figure.
    """
    from matplotlib.figure import Figure

    lanes = [max(1, len({segment.person for segment in segments})) for _, segments in timelines]
    heights = [HEAD + LANE * count for count in lanes]
    looks = _looks(timelines)
    figure = Figure(figsize=(WIDTH, sum(heights) + FOOT), layout="constrained")
    grid = figure.subplots(len(timelines), 1, squeeze=False, sharex=True, height_ratios=heights)[:, 0]
    drawn: list[_Drawn] = []
    for axes, (name, segments) in zip(grid, timelines, strict=True):
        drawn += _draw_recording(axes, name, segments, looks)
    grid[-1].set_xlabel("seconds", color=QUIET)
    grid[-1].set_xlim(0, max((segment.end for _, segments in timelines for segment in segments), default=1.0))
    figure.draw_without_rendering()  # places the bars, so that texts can be measured in them
    if not _fit(drawn):
        _add_legend(figure, looks)
    return figure


def _looks(timelines: Sequence[tuple[str, Sequence[Segment]]]) -> dict[str, dict[str, Any]]:
    """Colour and pattern of each label, in order of appearance; NONE is grey and comes last."""
    labels = dict.fromkeys(segment.label for _, segments in timelines for segment in segments)
    looks: dict[str, dict[str, Any]] = {}
    for place, label in enumerate(label for label in labels if label != NONE):
        pattern = PATTERNS[place // len(COLOURS) % len(PATTERNS)]
        looks[label] = {"facecolor": COLOURS[place % len(COLOURS)], "hatch": pattern}
    if NONE in labels:
        looks[NONE] = {"facecolor": NONE_COLOUR, "hatch": ""}
    return looks


def _draw_recording(
    axes: Axes, name: str, segments: Sequence[Segment], looks: dict[str, dict[str, Any]]
) -> list[_Drawn]:
    """Draw the lanes of one recording, the first person on top."""
    persons = sorted({segment.person for segment in segments})
    drawn = []
    for segment in segments:
        lane = persons.index(segment.person)
        width = segment.end - segment.start
        (bar,) = axes.barh(
            lane,
            width,
            0.82,
            segment.start,
            label=segment.label,
            edgecolor="white",
            linewidth=1,
            **looks[segment.label],
        )
        text = axes.text(
            segment.start + width / 2, lane, segment.label, ha="center", va="center", fontsize=8, color=INK
        )
        text.set_in_layout(False)
        if looks[segment.label]["hatch"]:
            text.set_bbox({"facecolor": bar.get_facecolor(), "linewidth": 0, "pad": 1})
        drawn.append((bar, text, segment))
    axes.set_ylim(max(len(persons), 1) - 0.5, -0.5)
    axes.set_yticks(range(len(persons)), [f"person {person}" for person in persons], fontsize=8, color=INK)
    if not segments:
        axes.text(0.01, 0.5, "nobody is seen", transform=axes.transAxes, va="center", fontsize=8, color=QUIET)
    axes.set_title(_at_most(name, 110), loc="left", fontsize=9, color=INK)
    axes.tick_params(axis="x", labelsize=8, labelcolor=QUIET, color=QUIET)
    axes.tick_params(axis="y", length=0)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.spines["bottom"].set_color(QUIET)
    return drawn


def _fit(drawn: Sequence[_Drawn]) -> bool:
    """Add the probability to each label where both fit into the bar, and empty what is too wide.

    Returns:
        Whether every label fits.
    """
    every = True
    for bar, text, segment in drawn:
        room = bar.get_window_extent().width - 4
        percent = "" if segment.label == NONE else f" {100 * segment.probability:.0f} %"
        for words in (segment.label + percent, segment.label, ""):
            text.set_text(words)
            if not words or text.get_window_extent().width <= room:
                break
        every &= bool(words)
    return every


def _add_legend(figure: Figure, looks: dict[str, dict[str, Any]]) -> None:
    """Name the colours below the picture, which grows by the legend's height."""
    from matplotlib.patches import Patch

    columns = 5
    rows = -(-len(looks) // columns)
    figure.set_figheight(figure.get_figheight() + 0.24 * rows)
    patches = [Patch(label=label, edgecolor="white", **look) for label, look in looks.items()]
    figure.legend(handles=patches, loc="outside lower left", ncols=columns, fontsize=8, frameon=False)


def _at_most(text: str, letters: int) -> str:
    """The end of a long text."""
    return text if len(text) <= letters else "…" + text[1 - letters :]
