"""AdamW with the right parameters decayed, and the schedule of the learning rate."""

from __future__ import annotations

import math
import re

import torch
from torch import nn

from jointwise.config.schema import TrainConfig

# No weight decay on position embeddings and the mask token, which it would pull to zero, nor, as usual, on biases and
# LayerNorm.
_NO_DECAY = re.compile(r"(position\.(segment|joint)|mask_token|bias)$|norm\d?\.weight$")
_BLOCK = re.compile(r"^encoder\.transformer\.blocks\.(\d+)\.")


def has_weight_decay(name: str, parameter: nn.Parameter) -> bool:
    """Whether weight decay applies to a parameter: it does to the matrices of linear layers only."""
    return parameter.ndim > 1 and not _NO_DECAY.search(name)


def layer_scale(name: str, depth: int, decay: float) -> float:
    """The factor on the learning rate of a parameter of a classifier: layer-wise decay (ELECTRA, Clark et al. 2020).

    Args:
        name: Dotted name in the classifier, such as `encoder.embed.proj.weight`.
        depth: Blocks of the encoder.
        decay: Factor from one block to the one below it.

    Returns:
        1 for the head; for the encoder `decay` to the power of the number of layers above.

    >>> [layer_scale(f"encoder.transformer.blocks.{block}.norm1.weight", 3, 0.5) for block in range(3)]
    [0.125, 0.25, 0.5]
    """
    if not name.startswith("encoder."):
        return 1.0
    block = _BLOCK.match(name)
    if block:
        return decay ** (depth - int(block[1]))
    return decay ** (depth + 1) if name.startswith("encoder.embed") else decay


def build_optimizer(module: nn.Module, settings: TrainConfig, layer_decay: float = 1.0) -> torch.optim.AdamW:
    """AdamW over the trainable parameters of a module.

    Args:
        module: What is trained.
        settings: Learning rate, weight decay, β2.
        layer_decay: Factor on the learning rate from one block of the encoder to the one below it.

    Returns:
        The optimiser. Each parameter group has a key `scale`, its factor on the scheduled rate.
    """
    names = [name for name, parameter in module.named_parameters() if parameter.requires_grad]
    depth = 1 + max((int(match[1]) for match in map(_BLOCK.match, names) if match), default=-1)
    groups: dict[tuple[bool, float], list[nn.Parameter]] = {}
    for name, parameter in module.named_parameters():
        if parameter.requires_grad:
            groups.setdefault((has_weight_decay(name, parameter), layer_scale(name, depth, layer_decay)), []).append(
                parameter
            )
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
    """The learning rate of a step: linear warm-up, then a cosine from lr to final_lr.

    Args:
        step: 0 … steps − 1.
        settings: Steps, warm-up (a share of the steps), lr and final_lr.
    """
    warmup = round(settings.warmup * settings.steps)
    if step < warmup:
        return settings.lr * (step + 1) / warmup
    progress = (step - warmup) / max(1, settings.steps - warmup)
    return settings.final_lr + (settings.lr - settings.final_lr) * 0.5 * (1 + math.cos(math.pi * progress))
