"""AdamW with the right parameters decayed, and the schedules of learning rate and teacher momentum."""

from __future__ import annotations

import math
import re

import torch
from torch import nn

from jointwise.config.schema import TeacherConfig, TrainConfig

# Position embeddings and mask token never decay (trap 10 of the field), nor do biases and LayerNorm, as is usual.
_NO_DECAY = re.compile(r"(position\.(segment|joint)|mask_token|bias)$|norm\d?\.weight$")
_BLOCK = re.compile(r"^encoder\.transformer\.blocks\.(\d+)\.")


def decays(name: str, parameter: nn.Parameter) -> bool:
    """Whether weight decay applies to a parameter: to matrices of linear layers only."""
    return parameter.ndim > 1 and not _NO_DECAY.search(name)


def layer_scale(name: str, depth: int, decay: float) -> float:
    """Learning-rate factor by depth: 1 for the head, `decay` to the power of the layers above for the encoder."""
    if not name.startswith("encoder."):
        return 1.0
    block = _BLOCK.match(name)
    if block:
        return decay ** (depth - int(block[1]))
    return decay ** (depth + 1) if name.startswith("encoder.embed") else decay


def build_optimizer(module: nn.Module, settings: TrainConfig, layer_decay: float = 1.0) -> torch.optim.AdamW:
    """AdamW over the trainable parameters; each group carries `scale`, its factor on the scheduled rate."""
    names = [name for name, parameter in module.named_parameters() if parameter.requires_grad]
    depth = 1 + max((int(match[1]) for match in map(_BLOCK.match, names) if match), default=-1)
    groups: dict[tuple[bool, float], list[nn.Parameter]] = {}
    for name, parameter in module.named_parameters():
        if parameter.requires_grad:
            groups.setdefault((decays(name, parameter), layer_scale(name, depth, layer_decay)), []).append(parameter)
    return torch.optim.AdamW(
        [
            {"params": members, "weight_decay": settings.weight_decay if decayed else 0.0, "scale": scale}
            for (decayed, scale), members in groups.items()
        ],
        lr=settings.lr,
        betas=(0.9, settings.beta2),
        fused=True,
    )


def learning_rate(step: int, settings: TrainConfig) -> float:
    """Rate of step 0 … steps − 1: linear warm-up, then cosine from lr to final_lr."""
    warmup = round(settings.warmup * settings.steps)
    if step < warmup:
        return settings.lr * (step + 1) / warmup
    progress = (step - warmup) / max(1, settings.steps - warmup)
    return settings.final_lr + (settings.lr - settings.final_lr) * 0.5 * (1 + math.cos(math.pi * progress))


def teacher_momentum(settings: TeacherConfig, steps: int) -> float:
    """α of the teacher: fixed, or from the averaging horizon as a share of the run, clipped to [0.98, 0.9999]."""
    return ema_momentum(settings.horizon, steps) if settings.momentum is None else settings.momentum


def ema_momentum(horizon: float, steps: int) -> float:
    """α of a moving average over `horizon` (a share) of `steps` steps: 1 − 1 / (horizon · steps), in [0.98, 0.9999]."""
    return min(max(1 - 1 / (horizon * steps), 0.98), 0.9999)
