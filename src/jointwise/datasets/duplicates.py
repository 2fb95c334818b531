"""Equal sequences on both sides of a split: they make a test score partly a memory test."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Mask = npt.NDArray[np.bool_]


def find_duplicates(digests: Sequence[str], train: Mask, test: Mask) -> list[tuple[int, int]]:
    """(training place, test place) of every test sequence that equals a training one; digests, train, test: (n,)."""
    first = {digests[place]: place for place in np.flatnonzero(train)[::-1].tolist()}
    return [(first[digests[place]], place) for place in np.flatnonzero(test).tolist() if digests[place] in first]
