"""The header of a store: store.json."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jointwise.data.store.shards import Member, Shard
from jointwise.data.typed_files import convert_as, read_as
from jointwise.errors import DataError

VERSION = 2
PREPARE_AGAIN = "Delete the folder and prepare it again."


@dataclass(frozen=True)
class Header:
    """What store.json holds."""

    version: int
    description: dict[str, Any]
    preparation: str
    fingerprint: str
    splits: dict[str, str]
    summary: dict[str, Any]
    revision: str
    rows_digested: bool = False
    rest_fingerprint: str = ""  # empty in stores of before
    shards: tuple[Shard, ...] = ()
    mixture: tuple[Member, ...] = ()


def read_header(path: Path) -> Header:
    """Read store.json.

    Raises:
        DataError: It is damaged, or of another version.
    """
    content = read_as(path, dict[str, Any], DataError, PREPARE_AGAIN)
    if content.get("version", VERSION) != VERSION:
        raise DataError(
            f"{path.parent}: store of version {content['version']!s:.20}, this is {VERSION}. Prepare it again."
        )
    return convert_as(content, Header, str(path), DataError, PREPARE_AGAIN)
