"""Evaluation clips in which nobody is seen: they are counted, because a model can only guess there."""

from __future__ import annotations

import warnings

from jointwise.errors import JointwiseWarning
from jointwise.training import distributed


def tell_blind(blind: int, clips: int) -> None:
    """Warn of clips in which nobody is seen. All processes call it together, and the first one warns.

    Args:
        blind: How many there are among the clips of this process.
        clips: Number of clips of all processes.
    """
    found = sum(distributed.all_gather(blind))
    if found and distributed.is_main_process():
        warnings.warn(
            f"{found} of {clips} clips have no valid joint in the frames that are looked at. They are counted, and a "
            "model can only guess there. jointwise doctor names recordings in which nobody is seen for long.",
            JointwiseWarning,
            stacklevel=4,
        )
