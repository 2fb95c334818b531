"""How large a network is: its parameters, and its floating-point operations for one clip."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from jointwise.data.clips import Clips


def count_parameters(**modules: nn.Module) -> dict[str, int]:
    """Number of trainable parameters of each module, by name."""
    return {name: sum(p.numel() for p in module.parameters() if p.requires_grad) for name, module in modules.items()}


@torch.no_grad()
def gflops_per_clip(
    forward: Callable[[Clips], Tensor], frames: int, joints: int, coordinates: int, device: torch.device
) -> float:
    """Operations of one clip with one person whose joints are all valid, in 10⁹; 2 per multiply-add.

    Attention runs unfused here, because the counter does not know every fused kernel.

    Args:
        forward: A network in evaluation mode.
        frames: Frames of the clip, T.
        joints: Joints, V.
        coordinates: Coordinates per joint, C.
        device: Where the network lies.
    """
    shape = (1, 1, frames, joints)
    clip = Clips(
        torch.zeros(*shape, coordinates, device=device),
        torch.ones(shape, dtype=torch.bool, device=device),
        torch.zeros(1, dtype=torch.long, device=device),
    )
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        forward(clip)
    return float(counter.get_total_flops() / 1e9)
