"""The type of a data set's entry: where its sequences come from and which of them are for the test."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from jointwise.sequence import Sequence
from jointwise.store import Description


@dataclass(frozen=True)
class DataSource:
    """One data set.

    sequences: from the folder of its files (None: it needs none) to its recordings, as the files say.
    is_test: whether a recording belongs to the test part of the official split. count: sequences in the whole set.
    origin: where its files come from, for people who do not have them.
    """

    title: str
    description: Description
    sequences: Callable[[Path | None], Iterable[Sequence]]
    is_test: Callable[[Sequence], bool]
    count: int
    origin: str

    @property
    def name(self) -> str:
        """The name it is registered under."""
        return self.description.data
