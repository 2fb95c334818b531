"""bf16 by autocast, and a warning where a CPU has no instructions for it."""

from __future__ import annotations

import time
import warnings
from functools import cache

import torch
from torch import nn

from jointwise.errors import ConfigError, JointwiseWarning
from jointwise.model.blocks import Block
from jointwise.training import distributed

_SIDE = 256  # of the matrices whose product is timed: 50 ms where bf16 is emulated
_MUCH = 2.0  # times as long as in fp32; with instructions for it, it takes less


def autocast(device: torch.device, precision: str) -> torch.autocast:
    """bf16 autocast when `precision` says so, else a context that does nothing.

    Warns (JointwiseWarning), once, on a CPU that computes in bf16 much slower than in fp32.
    """
    wanted = precision == "bf16"
    if wanted and device.type == "cpu" and distributed.is_first():
        _warn_if_slow()
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=wanted)


@cache
def _warn_if_slow() -> None:
    times = seconds(torch.bfloat16) / seconds(torch.float32)
    if times > _MUCH:
        warnings.warn(
            f"this CPU has no instructions for bf16: a product of matrices takes it {times:.0f} times as long as in "
            "fp32. Leave out --execution.precision bf16 here.",
            JointwiseWarning,
            stacklevel=2,
        )


def seconds(dtype: torch.dtype) -> float:
    """That a product of two matrices takes, the least of three, so that a busy machine matters little."""
    left, right = (torch.ones(_SIDE, _SIDE, dtype=dtype) for _ in range(2))

    def once() -> float:
        start = time.perf_counter()
        left @ right
        return time.perf_counter() - start

    return min(once() for _ in range(3))


def pick_device(name: str) -> torch.device:
    """`auto` is the GPU when there is one, of several processes each one's own.

    Raises ConfigError for a device that is unknown or not there.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise ConfigError(f"execution.device '{name}': not a device. Use auto, cpu, cuda or cuda:1.") from error
    if device.type == "cuda" and not torch.cuda.is_available():
        raise ConfigError("execution.device cuda: torch sees no GPU here. Use cpu, or install a CUDA build of torch.")
    return torch.device("cuda", distributed.own_gpu()) if device.type == "cuda" and distributed.size() > 1 else device


def compile_blocks(module: nn.Module) -> None:
    """Fuses the operations of every transformer block inside `module` by torch.compile, whatever its sizes.

    Weights and their names stay. The first step takes a minute, and longer rows than were seen before compile again.
    """
    for part in module.modules():
        if isinstance(part, Block):
            part.compile(dynamic=True)
