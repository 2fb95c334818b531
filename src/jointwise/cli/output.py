"""How commands speak: two columns of names and values, and progress bars."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any


def watch(things: Iterable[Any], count: int, title: str) -> Iterable[Any]:
    """Goes through things under a progress bar."""
    from rich.progress import track

    return track(things, description=f"prepare {title}", total=count)


def show(lines: Iterable[tuple[str, Any]], width: int = 0) -> None:
    """Prints names and values as two columns; empty values are left out. width: the least of the names' column."""
    rows = [(name, value) for name, value in lines if value not in (None, "")]
    width = max(width, *(len(name) for name, _ in rows))
    for name, value in rows:
        print(f"  {name:<{width}}  {value}")
