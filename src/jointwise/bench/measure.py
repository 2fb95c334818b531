"""Measures one variant of one figure in a process of its own, so that times and memory are its alone.

python -m jointwise.bench.measure FIGURE VARIANT DEVICE compiled|eager  ->  one line of JSON
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable

import torch
from torch.utils.flop_counter import FlopCounterMode

from jointwise.bench.figures import FIGURES, BenchDevice, discard
from jointwise.training.provenance import peak_memory

WARM_UP = 1  # steps that do not count
FEWEST = 3  # steps that are timed at least
ENOUGH = float(os.environ.get("JOINTWISE_BENCH_SECONDS", "12"))  # seconds of timed steps at least
AT_ONCE = 10  # steps between two readings of the clock on a GPU, which works through a queue
SQUARE = 8192  # rows and columns of the matrices whose product in bf16 is the ceiling


def measure(name: str, variant: str, on: BenchDevice) -> dict[str, object]:
    """Repeat the step of a figure at least 3 times after a warm-up, and for 12 seconds.

    Args:
        name: Figure, a key of FIGURES.
        variant: Which of its variants.
        on: Device, and whether the blocks are compiled.

    Returns:
        `seconds` of each repeat and `memory_mb`. On a GPU also the speed, and its share of what the GPU reaches in one
        large product of matrices in bf16.
    """
    figure = FIGURES[name]
    if figure.threads is not None:
        torch.set_num_threads(figure.threads)
    step = figure.variants[variant](on)
    for number in range(WARM_UP):
        step(number)
    seconds = timed(step, on.device)
    measurement: dict[str, object] = {"seconds": seconds, "memory_mb": peak_memory(on.device)}
    if on.device.type == "cuda":
        with FlopCounterMode(display=False) as counter:
            step(0)
        pace = counter.get_total_flops() / min(seconds)
        measurement |= {"tflops": pace / 1e12, "share_of_ceiling": pace / ceiling(on.device)}
    return measurement


def timed(step: Callable[[int], None], device: torch.device) -> list[float]:
    """Time a step again and again.

    Args:
        step: Takes its number.
        device: Where it runs.

    Returns:
        Seconds of each step; on a GPU the mean of AT_ONCE steps each.
    """
    seconds: list[float] = []
    together = AT_ONCE if device.type == "cuda" else 1
    while len(seconds) < FEWEST or together * sum(seconds) < ENOUGH:
        first = WARM_UP + together * len(seconds)
        start = time.perf_counter()
        for number in range(first, first + together):
            step(number)
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        seconds.append((time.perf_counter() - start) / together)
    return seconds


def ceiling(device: torch.device) -> float:
    """Operations per second of a product of two large matrices in bf16: what the device can reach."""
    left, right = (torch.randn(SQUARE, SQUARE, device=device, dtype=torch.bfloat16) for _ in range(2))
    left @ right
    return 2 * SQUARE**3 / min(timed(lambda _number: discard(left @ right), device))


if __name__ == "__main__":
    figure_name, variant_name, device_name, is_compiled = sys.argv[1:]
    print(
        json.dumps(
            measure(figure_name, variant_name, BenchDevice(torch.device(device_name), is_compiled == "compiled"))
        )
    )
