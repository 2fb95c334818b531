"""Skeletons that move in a web page: `viewer` makes a part of a page, `write_view` a page of its own.

A page is one file with three.js (vendored, see NOTICE), the viewer's own scripts and the clips. It needs no network.
"""

from __future__ import annotations

import base64
import hashlib
import re
from bisect import bisect_left
from collections.abc import Sequence
from pathlib import Path

from markupsafe import Markup, escape

from jointwise.data.whole_files import write_text
from jointwise.errors import DataError
from jointwise.inference.answers import NONE
from jointwise.report.templates import templates
from jointwise.report.viewer.clips import Answer, Bars, Clip, Panel, recorded_panel
from jointwise.report.viewer.examples import example_clip
from jointwise.report.viewer.packing import as_json, frame_limit, pack, printable
from jointwise.report.viewer.sources import (
    AskRecognizer,
    Source,
    answers_by,
    answers_of,
    clip_of,
    find_clips,
    no_answer,
)

__all__ = [
    "MOST_BYTES",
    "Answer",
    "AskRecognizer",
    "Bars",
    "Clip",
    "Panel",
    "Source",
    "answers_by",
    "answers_of",
    "clip_of",
    "clips_that_fit",
    "example_clip",
    "find_clips",
    "no_answer",
    "person_colours",
    "printable",
    "recorded_panel",
    "script_policy",
    "viewer",
    "viewer_files",
    "widget",
    "write_view",
]

VIEWER_FOLDER = Path(__file__).parent
SCRIPTS = ("vendor/three.min.js", "scene.js", "panels.js", "viewer.js")
MOST_BYTES = 3_000_000  # of a page; longer clips are thinned to fit
OWN_BYTES = 12_000  # of the page around the data of the clips and the scripts
FEWEST_FRAMES = 16  # of a thinned clip; where fewer would remain, `clips_that_fit` leaves clips out


def _scripts() -> list[str]:
    """three.js and the viewer's own scripts, in the order of the page."""
    return [(VIEWER_FOLDER / name).read_text(encoding="utf-8") for name in SCRIPTS]


def viewer_files() -> dict[str, Path]:
    """By file name: the style of a page, that of a viewer, and the scripts of a viewer in their order."""
    return {Path(name).name: VIEWER_FOLDER / name for name in ("style.css", "viewer.css", *SCRIPTS)}


def script_policy() -> str:
    """The sources after `script-src` in the Content-Security-Policy of a page, with which only the viewer may run."""
    digests = (hashlib.sha256(script.encode()).digest() for script in _scripts())
    return " ".join(f"'sha256-{base64.b64encode(digest).decode('ascii')}'" for digest in digests)


def person_colours(person: int) -> tuple[tuple[float, float, float], ...]:
    """The colours of a person's trunk, left and right side on a light page: red, green, blue from 0 to 1.

    Args:
        person: Number of the person, from 0; there are colours for two, which take turns.
    """
    style = (VIEWER_FOLDER / "viewer.css").read_text(encoding="utf-8")
    colours = []
    for side in ("centre", "left", "right"):
        code = re.search(rf"--sv-{side}{'-2' if person % 2 else ''}: #(\w{{6}});", style)
        assert code is not None  # the first is that of light pages
        red, green, blue = bytes.fromhex(code[1])
        colours.append((red / 255, green / 255, blue / 255))
    return tuple(colours)


def _data_limit(clips: Sequence[Clip], other_bytes: int) -> int:
    """Bytes that the data of clips may take in a page with `other_bytes` around its viewer."""
    fixed = sum(
        len(text.encode()) for text in (*_scripts(), (VIEWER_FOLDER / "viewer.css").read_text(encoding="utf-8"))
    )
    titles = 3 * max((_page_bytes(clip.title) for clip in clips), default=0)  # the page names three thinned clips
    return MOST_BYTES - fixed - titles - other_bytes - OWN_BYTES


def _page_bytes(text: str) -> int:
    """Bytes of a text in a page, where it is escaped."""
    return len(escape(printable(text)).encode())


def clips_that_fit(clips: Sequence[Clip], other_bytes: int = OWN_BYTES) -> Sequence[Clip]:
    """The first of the clips, as many as fit into a page with at least 16 frames each.

    Args:
        clips: Clips, the most important first.
        other_bytes: Size of the page around its viewer.
    """
    limit = _data_limit(clips, other_bytes)
    fitting = bisect_left(
        range(1, len(clips) + 1), True, key=lambda number: frame_limit(clips[:number], limit, FEWEST_FRAMES) is None
    )
    return clips[:fitting]


def viewer(clips: Sequence[Clip], other_bytes: int = OWN_BYTES) -> Markup:
    """One viewer: markup, style, data and scripts. A page holds at most one, and its policy needs `script_policy()`.

    Frames are left out evenly where the page would be larger than `MOST_BYTES`, and the viewer says so.

    Args:
        clips: At least one.
        other_bytes: Size of the page around the viewer.

    Returns:
        Part of the `<body>` of a page.

    Raises:
        DataError: There is no clip, or there are more than fit.
    """
    return Markup(
        templates(VIEWER_FOLDER)
        .get_template("viewer.html")
        .render(
            style=Markup((VIEWER_FOLDER / "viewer.css").read_text(encoding="utf-8")),
            widget=widget(clips, _data_limit(clips, other_bytes)),
            scripts=[Markup(script) for script in _scripts()],
            licence=(VIEWER_FOLDER / "vendor" / "three.LICENSE").read_text(encoding="utf-8"),
        )
    )


def widget(clips: Sequence[Clip], limit: int) -> Markup:
    """The markup and the data of one viewer, for a page that has the files of `viewer_files`.

    Args:
        clips: At least one.
        limit: Bytes that their data may take; frames are left out evenly where they would take more.

    Returns:
        One element, which `SkeletonViewer.open` brings to life.

    Raises:
        DataError: There is no clip, or there are more than fit.
    """
    if not clips:
        raise DataError("there is no clip to show.")
    packed = pack(clips, limit)
    return Markup(
        templates(VIEWER_FOLDER)
        .get_template("widget.html")
        .render(
            data=Markup(as_json(packed)),
            panels=max(len(clip.panels) for clip in clips),
            persons=max(panel.positions.shape[0] for clip in clips for panel in clip.panels),
            bones=any(panel.skeleton.bones for clip in clips for panel in clip.panels),
            weighted=any(panel.weights is not None for clip in clips for panel in clip.panels),
            lanes=any(clip.timeline for clip in clips),
            outside=any(segment.label == NONE for clip in clips for segment in clip.timeline),
            hiding=any(panel.hiding for clip in clips for panel in clip.panels),
            thinned=[
                (printable(clip.title), content["frames"], clip.frames)
                for clip, content in zip(clips, packed["clips"], strict=True)
                if content["frames"] < clip.frames
            ],
        )
    )


def write_view(out: Path, title: str, clips: Sequence[Clip], notes: Sequence[str] = ()) -> Path:
    """Write a page with one viewer.

    Args:
        out: Where the page is written; its folder is made.
        title: Title of the page.
        clips: At least one.
        notes: Sentences below the title.

    Returns:
        `out`.

    Raises:
        DataError: There is no clip, or there are more than fit.
        StorageError: The page cannot be written.
    """
    title = printable(title)
    notes = [printable(note) for note in notes]
    words = sum(map(_page_bytes, (title, title, *notes)))
    page = (
        templates(VIEWER_FOLDER)
        .get_template("page.html")
        .render(title=title, notes=notes, viewer=viewer(clips, OWN_BYTES + words), policy=Markup(script_policy()))
    )
    write_text(out, page)
    return out
