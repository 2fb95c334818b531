"""Templates of every page, under one head: values are escaped, and an unknown name is an error."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined


@cache  # to compile them takes longer than to fill them in
def templates(folder: Path) -> Environment:
    """The templates in a folder, and `head.html`, which they include.

    `head.html` includes the `style.css` of the folder, and needs a title and a script policy. A template that asks for
    a name it does not get raises jinja2.UndefinedError when it is rendered.

    Args:
        folder: Folder of the templates.

    Returns:
        The environment that loads them.
    """
    return Environment(
        loader=FileSystemLoader([folder, Path(__file__).parent]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
