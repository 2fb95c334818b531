"""Writes small stores for tests, from sequences as a reader gives them."""

import json
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from jointwise.data.centring import prepare_sequence
from jointwise.data.sequence import Sequence
from jointwise.data.store.reader import TEST, TRAIN, Description
from jointwise.data.store.writer import StoreWriter

SPLIT = "own"
ABOUT = "as the test says"


def write_store(path: Path, description: Description, pairs: Iterable[tuple[Sequence, bool]]) -> Path:
    """Prepares (sequence, is_test) pairs and writes them, named by their sources, as a store with one split."""
    names = []
    parts = []
    with StoreWriter(path, description, made_from="a test") as writer:
        for sequence, is_test in pairs:
            name = sequence.source if sequence.source not in names else f"{sequence.source} {len(names)}"
            names.append(name)
            parts.append(TEST if is_test else TRAIN)
            writer.add(name, prepare_sequence(sequence), {})
        return writer.finish(names, {SPLIT: (ABOUT, np.array(parts, np.int8))}, {})


def forget_metres(path: Path) -> None:
    """Removes the key `metres` from a store, as stores lacked it before version 0.2."""
    header = json.loads((path / "store.json").read_text())
    del header["description"]["metres"]
    (path / "store.json").write_text(json.dumps(header))
