"""Hashes of what a store holds: a digest of each sequence, and a fingerprint of all."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from jointwise.data.sequence import Sequence


def digest(sequence: Sequence) -> str:
    """Hash the content of a prepared sequence.

    Args:
        sequence: The sequence.

    Returns:
        32 hexadecimal digits, equal when all coordinates and validity masks are equal.
    """
    content = hashlib.sha256(f"{sequence.positions.shape}".encode())
    content.update(np.ascontiguousarray(sequence.positions, "<f4").tobytes())
    content.update(np.packbits(sequence.validity).tobytes())
    return content.hexdigest()[:32]


def fingerprint(digests: Iterable[str], index: npt.NDArray[np.void]) -> str:
    """Hash the content of a store.

    Splits and the place of the rows in the file do not count. So a store that was finished after an interruption has
    the fingerprint of one written at once.

    Args:
        digests: The digest of each sequence, in order.
        index: (n,) of dtype INDEX.

    Returns:
        16 hexadecimal digits.
    """
    whole = hashlib.sha256("".join(digests).encode())
    for name in ("frames", "persons", "label", "subject", "camera"):
        whole.update(index[name].astype("<i8").tobytes())
    return whole.hexdigest()[:16]
