"""Where a network runs and in which precision: device, autocast, compilation."""

from __future__ import annotations

import torch
from torch import nn

from jointwise.errors import ConfigError
from jointwise.model.blocks import Block
from jointwise.training import distributed


def autocast(device: torch.device, precision: str) -> torch.autocast:
    """The context in which a network computes.

    Args:
        device: Where it runs.
        precision: `bf16`: autocast to bf16; `fp32`: a context that does nothing.

    Returns:
        The context.
    """
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=precision == "bf16")


def pick_device(name: str) -> torch.device:
    """The device that `execution.device` names.

    Args:
        name: `cpu`, `cuda`, `cuda:1`, or `auto`: a GPU where there is one.

    Returns:
        The device; with several processes on GPUs, each gets its own.

    Raises:
        ConfigError: There is no such device.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise ConfigError(f"execution.device '{name}': not a device. Use auto, cpu, cuda or cuda:1.") from error
    if device.type == "cuda" and not torch.cuda.is_available():
        raise ConfigError("execution.device cuda: torch sees no GPU here. Use cpu, or install a CUDA build of torch.")
    if device.type == "cuda" and distributed.world_size() > 1:
        return torch.device("cuda", distributed.local_gpu())
    return device


def compile_blocks(module: nn.Module) -> None:
    """Fuse the operations of every transformer block inside a module by torch.compile.

    Weights and their names stay. The first step takes a minute. Rows longer than any before compile again.

    Args:
        module: The network.
    """
    for part in module.modules():
        if isinstance(part, Block):
            part.compile(dynamic=True)
