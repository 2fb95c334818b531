"""Skeletons that move in a web page: `viewer` makes the part of a page, `write_view` a page of its own.

A page is one file: it carries three.js (vendored, see NOTICE), `viewer.js` and the clips, and asks for nothing else.
"""

from __future__ import annotations

import base64
import hashlib
from bisect import bisect_left
from collections.abc import Sequence
from pathlib import Path

from markupsafe import Markup, escape

from jointwise.errors import DataError, writing
from jointwise.report.templates import templates
from jointwise.report.viewer.packing import Answer, Clip, Panel, as_json, frame_limit, pack, printable, recorded
from jointwise.report.viewer.sources import Source, clip_of, find_clips

__all__ = [
    "MOST_BYTES",
    "Answer",
    "Clip",
    "Panel",
    "Source",
    "clip_of",
    "find_clips",
    "fitting",
    "printable",
    "recorded",
    "script_policy",
    "viewer",
    "write_view",
]

HERE = Path(__file__).parent
SCRIPTS = ("vendor/three.min.js", "scene.js", "viewer.js")
MOST_BYTES = 3_000_000  # of a page; longer clips are thinned to fit
OWN_BYTES = 12_000  # of the page around the clips' data and the scripts
FEWEST_FRAMES = 16  # that a clip is thinned to before `fitting` leaves clips out


def _scripts() -> list[str]:
    """three.js and the viewer's own scripts, as they stand in the page."""
    return [(HERE / name).read_text(encoding="utf-8") for name in SCRIPTS]


def script_policy() -> str:
    """What a page's Content-Security-Policy must say after `script-src` for the viewer to run, and nothing else."""
    digests = (hashlib.sha256(script.encode()).digest() for script in _scripts())
    return " ".join(f"'sha256-{base64.b64encode(digest).decode('ascii')}'" for digest in digests)


def _room(clips: Sequence[Clip], other_bytes: int) -> int:
    """Bytes that the data of clips may take in a page that has `other_bytes` around its viewer."""
    fixed = sum(len(text.encode()) for text in (*_scripts(), (HERE / "viewer.css").read_text(encoding="utf-8")))
    titles = 3 * max((_bytes_of(clip.title) for clip in clips), default=0)  # three thinned clips are named
    return MOST_BYTES - fixed - titles - other_bytes - OWN_BYTES


def _bytes_of(text: str) -> int:
    """How long a text is in a page."""
    return len(escape(printable(text)).encode())


def fitting(clips: Sequence[Clip], other_bytes: int = OWN_BYTES) -> Sequence[Clip]:
    """The first of the clips, as many as a page with `other_bytes` around its viewer can show so that they still move.

    All of them, unless fewer than 16 frames of each would remain.
    """
    room = _room(clips, other_bytes)
    too_many = bisect_left(
        range(1, len(clips) + 1), True, key=lambda number: frame_limit(clips[:number], room, FEWEST_FRAMES) is None
    )
    return clips[:too_many]


def viewer(clips: Sequence[Clip], other_bytes: int = OWN_BYTES) -> Markup:
    """Markup, style, data and scripts of one viewer of `clips`; once in a page, whose policy needs `script_policy()`.

    other_bytes: of the rest of the page, so that the whole stays below `MOST_BYTES`: frames are left out evenly where
    it would not, and the page says so. Raises DataError without clips, and for more than fit.
    """
    if not clips:
        raise DataError("there is no clip to show.")
    scripts, style = _scripts(), (HERE / "viewer.css").read_text(encoding="utf-8")
    packed = pack(clips, _room(clips, other_bytes))
    return Markup(
        templates(HERE)
        .get_template("viewer.html")
        .render(
            style=Markup(style),
            data=Markup(as_json(packed)),
            scripts=[Markup(script) for script in scripts],
            licence=(HERE / "vendor" / "three.LICENSE").read_text(encoding="utf-8"),
            panels=max(len(clip.panels) for clip in clips),
            persons=max(panel.positions.shape[0] for clip in clips for panel in clip.panels),
            hiding=any(panel.hiding for clip in clips for panel in clip.panels),
            thinned=[
                (printable(clip.title), shown["frames"], clip.frames)
                for clip, shown in zip(clips, packed["clips"], strict=True)
                if shown["frames"] < clip.frames
            ],
        )
    )


def write_view(out: Path, title: str, clips: Sequence[Clip], notes: Sequence[str] = ()) -> Path:
    """Writes a page of one viewer at `out`, with `notes` below the title; returns `out`.

    Raises DataError for what `viewer` refuses, StorageError when the disk does.
    """
    title, notes = printable(title), [printable(note) for note in notes]
    words = sum(map(_bytes_of, (title, title, *notes)))
    page = (
        templates(HERE)
        .get_template("page.html")
        .render(title=title, notes=notes, viewer=viewer(clips, OWN_BYTES + words), policy=Markup(script_policy()))
    )
    with writing(out):
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(page, encoding="utf-8")
    return out
