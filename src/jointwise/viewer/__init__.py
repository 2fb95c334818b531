"""Skeletons that move in a web page: `viewer` makes the part of a page, `write_view` a page of its own.

A page is one file: it carries three.js (vendored, see NOTICE), `viewer.js` and the clips, and asks for nothing else.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from jointwise.errors import DataError, writing
from jointwise.viewer.packing import Answer, Clip, Panel, pack, recorded
from jointwise.viewer.sources import Source, clip_of, find_clips

__all__ = [
    "MOST_BYTES",
    "Answer",
    "Clip",
    "Panel",
    "Source",
    "clip_of",
    "find_clips",
    "recorded",
    "script_policy",
    "viewer",
    "write_view",
]

HERE = Path(__file__).parent
SCRIPTS = ("vendor/three.min.js", "scene.js", "viewer.js")
MOST_BYTES = 3_000_000  # of a page; longer clips are thinned to fit
OWN_BYTES = 12_000  # of the page around the clips' data and the scripts


def _scripts() -> list[str]:
    """three.js and the viewer's own scripts, as they stand in the page."""
    return [(HERE / name).read_text(encoding="utf-8") for name in SCRIPTS]


def _environment() -> Environment:
    return Environment(
        loader=FileSystemLoader(HERE), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )


def script_policy() -> str:
    """What a page's Content-Security-Policy must say after `script-src` for the viewer to run, and nothing else."""
    digests = (hashlib.sha256(script.encode()).digest() for script in _scripts())
    return " ".join(f"'sha256-{base64.b64encode(digest).decode('ascii')}'" for digest in digests)


def viewer(clips: Sequence[Clip], other_bytes: int = OWN_BYTES) -> Markup:
    """Markup, style, data and scripts of one viewer of `clips`; once in a page, whose policy needs `script_policy()`.

    other_bytes: of the rest of the page, so that the whole stays below `MOST_BYTES`: frames are left out evenly where
    it would not, and the page says so. Raises DataError without clips, and for more than fit.
    """
    if not clips:
        raise DataError("there is no clip to show.")
    scripts, style = _scripts(), (HERE / "viewer.css").read_text(encoding="utf-8")
    fixed = sum(len(text.encode()) for text in (*scripts, style))
    packed = pack(clips, MOST_BYTES - fixed - other_bytes - OWN_BYTES)
    data = json.dumps(packed, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")
    return Markup(
        _environment()
        .get_template("viewer.html")
        .render(
            style=Markup(style),
            data=Markup(data),
            scripts=[Markup(script) for script in scripts],
            licence=(HERE / "vendor" / "three.LICENSE").read_text(encoding="utf-8"),
            panels=max(len(clip.panels) for clip in clips),
            persons=max(panel.positions.shape[0] for clip in clips for panel in clip.panels),
            hiding=any(panel.hiding for clip in clips for panel in clip.panels),
            thinned=[
                (clip.title, shown["frames"], clip.frames)
                for clip, shown in zip(clips, packed["clips"], strict=True)
                if shown["frames"] < clip.frames
            ],
        )
    )


def write_view(out: Path, title: str, clips: Sequence[Clip], notes: Sequence[str] = ()) -> Path:
    """Writes a page of one viewer at `out`, with `notes` below the title; returns `out`.

    Raises DataError for what `viewer` refuses, StorageError when the disk does.
    """
    words = sum(len(text.encode()) * 2 for text in (title, *notes))
    page = (
        _environment()
        .get_template("page.html")
        .render(title=title, notes=notes, viewer=viewer(clips, OWN_BYTES + words), policy=Markup(script_policy()))
    )
    with writing(out):
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(page, encoding="utf-8")
    return out
