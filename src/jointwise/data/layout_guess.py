"""Which joints a body without names has: under the right layout, bones are short.

Several layouts have the same number of joints in another order (BODY_25, BODY_25B and NTU RGB+D have 25 each). With the
wrong one, bones cross the body. The measure is the mean length of the bones over the diagonal of the body's box. It
does not depend on the unit, the axes, or where the body is.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from jointwise.data.skeletons import Skeleton
from jointwise.errors import ConfigError, ReadError

MIN_FACTOR = 1.5  # the second best layout has bones longer by this factor, or the choice is not certain
_FEWEST_SEEN = 0.5  # of the joints: a body of which less is seen has no say, unless there is no other


def bone_ratios(points: npt.NDArray[np.floating], candidates: Sequence[Skeleton]) -> dict[str, float]:
    """How long bones are for the size of the body, under each layout.

    Args:
        points: (N, V, C) bodies; NaN where a joint was not seen.
        candidates: Layouts of V joints.

    Returns:
        Name of each layout -> mean bone length over the diagonal of the body's box, the median of all bodies; smallest
        first. Infinite where nothing can be measured.
    """
    seen = np.isfinite(points).all(-1)
    bodies = seen.mean(1) >= _FEWEST_SEEN
    if not bodies.any():
        bodies = seen.any(1)
    points, seen = points[bodies], seen[bodies]
    if not len(points):
        return {candidate.name: float("inf") for candidate in candidates}
    high = np.where(seen[..., None], points, -np.inf).max(1)
    low = np.where(seen[..., None], points, np.inf).min(1)
    size = np.linalg.norm(high - low, axis=-1)
    ratios = {}
    for candidate in candidates:
        parents, children = np.array(candidate.bone_indices).T
        there = seen[:, parents] & seen[:, children]
        steps = np.where(there[..., None], points[:, parents] - points[:, children], 0)
        measured = (there.sum(1) > 0) & (size > 0)
        mean = np.linalg.norm(steps, axis=-1).sum(1)[measured] / there.sum(1)[measured]
        ratios[candidate.name] = float(np.median(mean / size[measured])) if measured.any() else float("inf")
    return dict(sorted(ratios.items(), key=lambda pair: pair[1]))


def guess_layout(
    points: npt.NDArray[np.floating], candidates: Sequence[Skeleton], source: str = "array"
) -> tuple[str, float]:
    """Find the layout of bodies whose joints have no names.

    Args:
        points: (N, V, C) bodies; NaN where a joint was not seen.
        candidates: At least two layouts of V joints.
        source: Where the bodies come from, for the message.

    Returns:
        The name of the layout, and how many times longer the bones are under the second best one.

    Raises:
        ConfigError: A layout has another number of joints, or no bones.
        ReadError: The second best one has bones longer by less than MIN_FACTOR: it could be either.
    """
    for candidate in candidates:
        if len(candidate.joints) != points.shape[1] or not candidate.bones:
            raise ConfigError(
                f"layout '{candidate.name}' has {len(candidate.joints)} joints and {len(candidate.bones)} bones; only "
                f"layouts of {points.shape[1]} joints with bones can be told apart here."
            )
    ratios = bone_ratios(points, candidates)
    (name, best), (_other, second) = list(ratios.items())[:2]
    factor = second / best if 0 < best < np.inf else 1.0
    if factor < MIN_FACTOR:
        names = " or ".join(ratios)
        raise ReadError(
            f"{source}: {points.shape[1]} joints without names could be {names}: their bones are about equally long "
            f"(factor {factor:.2f}, needed {MIN_FACTOR:g}). Say which: --layout, layout= in Python, or skeleton in "
            "dataset.yaml."
        )
    return name, factor
