"""The losses of a pre-trained objective on held-out training subjects, as run.json and results keep them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from jointwise.data.clips import ClipCutter
from jointwise.data.dataset import HELD_OUT
from jointwise.data.randomness import Draws
from jointwise.model.objective import Objective
from jointwise.training import distributed
from jointwise.training.device import autocast

SPLIT = "split"  # the key beside the parts that names the split they were measured on


@torch.no_grad()
def held_out_losses(
    objective: Objective, cutter: ClipCutter, ids: Tensor, precision: str, batch: int = 64
) -> dict[str, float]:
    """The parts of the loss on centre clips with fixed masks.

    Args:
        objective: What was trained; it is left in evaluation mode.
        cutter: Cuts the clips.
        ids: (n,) places in the store.
        precision: `fp32` or `bf16`.
        batch: Clips at once.

    Returns:
        Means over the tokens of each batch, then over clips, by key of `Objective.PARTS`.
    """
    objective.eval()
    sums = torch.zeros(len(objective.PARTS), dtype=torch.float64)
    for places in distributed.local_batches(ids, batch, cutter.shards):
        clips = cutter.centre(ids[places])
        with autocast(cutter.device, precision):
            losses = objective.losses(clips.persons(), clips, Draws(places, "held-out masks"))
        parts = torch.stack([losses.parts[name] for name in objective.PARTS])
        sums += parts.double().cpu() * len(places)
    means = (distributed.all_reduce_sum(sums) / len(ids)).tolist()
    return dict(zip(objective.PARTS, means, strict=True))


def loss_parts(held_out: Mapping[str, Any] | None) -> dict[str, float]:
    """The losses by part in the `held_out` of run.json, a card or a result; without the split.

    Older files hold losses of test clips. They are left out. A part that a system has not is 0.

    Args:
        held_out: As read; None where nothing was measured.
    """
    if held_out is None or HELD_OUT not in str(held_out.get(SPLIT)):
        return {}
    return {name: loss for name, loss in held_out.items() if name != SPLIT}
