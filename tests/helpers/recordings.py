"""Where real recordings lie, for tests that are skipped without them; and how all recordings of a source are read."""

import os
from pathlib import Path

from jointwise.data.datasets.source import DataSource
from jointwise.data.sequence import Sequence

_FOLDER = Path(os.environ.get("JOINTWISE_RECORDINGS", Path(__file__).resolve().parents[3] / "shared" / "data"))
UTD_MHAD = _FOLDER / "utd-mhad"
SBU = _FOLDER / "sbu"
WMFT = _FOLDER / "wmft"


def read_all(source: DataSource) -> dict[str, Sequence]:
    """Name -> recording, of a source that needs no root."""
    found = source.recordings(None)
    return {name: found.read(item) for name, item in found.items.items()}


FORMATS = _FOLDER.parent / "formats"  # samples of every file format
