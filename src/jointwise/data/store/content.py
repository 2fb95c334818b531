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


def rest_fingerprint(names: npt.NDArray[np.str_], index: npt.NDArray[np.void], parts: npt.NDArray[np.int8]) -> str:
    """Hash what `fingerprint` leaves out: names, frame rates, places of rows, and the parts under each split.

    Args:
        names: (n,) names of the recordings.
        index: (n,) of dtype INDEX.
        parts: (n, S) the part of each sequence under each split.

    Returns:
        16 hexadecimal digits.
    """
    whole = hashlib.sha256("\0".join(names.tolist()).encode("utf-8", "surrogatepass"))
    for array, kind in ((index["row"], "<i8"), (index["fps"], "<f8"), (parts, "i1")):
        whole.update(np.ascontiguousarray(array, kind).tobytes())
    return whole.hexdigest()[:16]
