"""How commands print: two columns of names and values, progress bars, and many warnings as one."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jointwise.errors import JointwiseWarning, group_messages, printable

if TYPE_CHECKING:
    from jointwise.data.dataset import Dataset


def show_progress(items: Iterable[Any], count: int, title: str) -> Iterable[Any]:
    """Pass the recordings of a data set on under a progress bar, as they are prepared.

    Args:
        items: What comes.
        count: How many there will be.
        title: The data.

    Returns:
        The same items.
    """
    from rich.progress import track

    return track(items, description=f"prepare {title}", total=count)


def show_progress_beside(items: Iterable[Any], count: int, what: str) -> Iterable[Any]:
    """Pass items on under a progress bar on stderr, which vanishes at the end: stdout is for the answers.

    Args:
        items: What comes.
        count: How many there will be.
        what: What is done.

    Returns:
        The same items.
    """
    from rich.console import Console
    from rich.progress import track

    return track(items, description=what, total=count, console=Console(stderr=True), transient=True)


def show(line: object, on_stderr: bool = False) -> None:
    """Print a line with names from files, which may hold what steers a terminal.

    Args:
        line: The text.
        on_stderr: Whether it is no answer.
    """
    print(printable(str(line)), file=sys.stderr if on_stderr else sys.stdout, flush=True)


def print_columns(lines: Iterable[tuple[str, Any]], width: int = 0) -> None:
    """Print names and values as two columns.

    Args:
        lines: (name, value) pairs; those with the value None or "" are left out.
        width: Least width of the column of names.
    """
    rows = [(name, value) for name, value in lines if value not in (None, "")]
    width = max(width, *(len(name) for name, _ in rows))
    for name, value in rows:
        show(f"  {name:<{width}}  {value}")


def describe_sizes(dataset: Dataset) -> str:
    """The sizes of the parts of a data set, such as `226 to train (46 unlabelled), 180 to test, 56 not used`.

    Args:
        dataset: The data under its split.
    """
    train, test = len(dataset.train), len(dataset.test)
    unlabelled, unused = train - len(dataset.train.labelled), len(dataset.store) - train - test
    some = f" ({unlabelled} unlabelled)" if unlabelled else ""
    return f"{train} to train{some}, {test} to test" + (f", {unused} not used" if unused else "")


def stem_of(path: str | Path) -> str:
    """The name of what is written of a path: without ending where it is a file; a folder may have a dot in its name."""
    place = Path(path).resolve()
    return place.name if place.is_dir() else place.stem


@contextmanager
def grouped_warnings() -> Iterator[None]:
    """Collects the warnings of the block about single recordings, and gives them as one at its end."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield
    ours = [str(one.message) for one in caught if issubclass(one.category, JointwiseWarning)]
    for one in caught:
        if not issubclass(one.category, JointwiseWarning):
            warnings.warn_explicit(one.message, one.category, one.filename, one.lineno)
    if ours:
        warnings.warn(ours[0] if len(ours) == 1 else "\n" + group_messages(ours), JointwiseWarning, stacklevel=3)
