"""The lines of the journal of a store that is being written."""

from __future__ import annotations

from typing import Annotated, NotRequired, TypedDict

import msgspec

from jointwise.data.store.reader import UNKNOWN

_Count = Annotated[int, msgspec.Meta(ge=0, lt=2**31)]
_Number = Annotated[int, msgspec.Meta(ge=UNKNOWN, lt=2**31)]


class LeftOutEntry(TypedDict):
    """Of a recording that was read but is not in the store."""

    name: str
    left_out: str
    stamp: str


class StoredEntry(TypedDict):
    """Of a recording whose rows are in the store."""

    name: str
    row: Annotated[int, msgspec.Meta(ge=0, lt=2**60)]
    frames: _Count
    persons: Annotated[int, msgspec.Meta(ge=0, lt=2**15)]
    label: _Number
    subject: _Number
    camera: _Number
    fps: float
    digest: str
    notes: dict[str, int]
    stamp: str
    findings: NotRequired[list[tuple[str, str, str]]]  # earlier versions wrote neither of these
    frame_digests: NotRequired[list[Annotated[int, msgspec.Meta(ge=0, lt=2**32)]]]
