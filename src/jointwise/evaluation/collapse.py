"""Whether the features of a pre-training have collapsed: their effective rank and their spread."""

from __future__ import annotations

import torch
from torch import Tensor

COLLAPSED_BELOW = 0.05  # share of its maximum in the run, below which spread or rank means collapse


def effective_rank(features: Tensor) -> float:
    """RankMe (Garrido et al., ICML 2023): exp of the entropy of the normalised singular values.

    Args:
        features: (n, D).

    Returns:
        A number from 1 to D.
    """
    values = torch.linalg.svdvals(features.double())
    share = values / values.sum().clamp(min=1e-12)
    return float(torch.exp(-(share * (share + 1e-12).log()).sum()))


def collapse_warning(log: list[dict[str, float]]) -> str | None:
    """A warning where the watched features have collapsed at the end of the run.

    Args:
        log: Lines of metrics.jsonl, with `teacher_spread` and `effective_rank` where they were measured.

    Returns:
        A clause that begins with "collapsed"; None where they have not, or where nothing was watched.
    """
    spread = [line["teacher_spread"] for line in log if "teacher_spread" in line]
    rank = [line["effective_rank"] for line in log if "effective_rank" in line]
    if spread and spread[-1] < COLLAPSED_BELOW * max(spread):
        return f"collapsed: the teacher's features spread {spread[-1]:.2g}, at most {max(spread):.2g} during the run"
    if rank and (rank[-1] < 1.5 or rank[-1] < COLLAPSED_BELOW * max(rank)):
        return (
            f"collapsed: the effective rank of the features is {rank[-1]:.1f}, at most {max(rank):.1f} during the run"
        )
    return None
