"""Progress of long computations, shown where a command asks for it and nowhere else."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, TypeVar

Item = TypeVar("Item")
Show = Callable[
    [Iterable[Any], int, str], Iterable[Any]
]  # (items to come, their number, what is done) -> the same items

_SHOW: ContextVar[Show | None] = ContextVar("show", default=None)


@contextmanager
def showing(show: Show) -> Iterator[None]:
    """Shows the progress of what `watched` passes on in the block.

    Args:
        show: Passes items on, such as under a progress bar.
    """
    token = _SHOW.set(show)
    try:
        yield
    finally:
        _SHOW.reset(token)


def watched(items: Iterable[Item], count: int, what: str) -> Iterable[Item]:
    """Pass items on, under a progress bar where a command shows one.

    A training has a bar of its own, so that a measurement in it shows none.

    Args:
        items: What comes.
        count: How many there will be.
        what: What is done with them.

    Returns:
        The same items.
    """
    show = _SHOW.get()
    return items if show is None else show(items, count, what)
