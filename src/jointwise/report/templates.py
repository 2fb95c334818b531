"""How every page is rendered: templates of a folder under one head, everything escaped, an unknown name an error."""

from __future__ import annotations

from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined


def templates(folder: Path) -> Environment:
    """The templates in a folder, and `head.html`, which takes the folder's `style.css`, a title and a script policy.

    A name that a template asks for and does not get raises jinja2.UndefinedError.
    """
    return Environment(
        loader=FileSystemLoader([folder, Path(__file__).parent]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
