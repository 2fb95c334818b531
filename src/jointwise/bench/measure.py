"""One figure, one way, in a process of its own, so that times and memory are its alone.

python -m jointwise.bench.measure FIGURE WAY DEVICE compiled|eager  ->  one line of JSON
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable

import torch
from torch.utils.flop_counter import FlopCounterMode

from jointwise.bench.figures import FIGURES, Where, void
from jointwise.training.provenance import peak_memory

WARM_UP, FEWEST = 1, 3  # steps
ENOUGH = float(os.environ.get("JOINTWISE_BENCH_SECONDS", "12"))  # that a way is repeated for at least
AT_ONCE = 10  # steps between two looks at the clock on a GPU, which works through a queue
SQUARE = 8192  # rows and columns of the matrices whose product in bf16 is the ceiling


def measure(name: str, way: str, where: Where) -> dict[str, object]:
    """Repeats the step of a figure: at least 3 times after a warm-up, and for 12 seconds; seconds of each, MB.

    On a GPU also the share of what it reaches in one large product of matrices in bf16.
    """
    figure, gpu = FIGURES[name], where.device.type == "cuda"
    if figure.threads is not None:
        torch.set_num_threads(figure.threads)
    step = figure.ways[way](where)
    for number in range(WARM_UP):
        step(number)
    seconds = timed(step, where.device)
    told: dict[str, object] = {"seconds": seconds, "memory_mb": peak_memory(where.device)}
    if gpu:
        with FlopCounterMode(display=False) as counter:
            step(0)
        pace = counter.get_total_flops() / min(seconds)
        told |= {"tflops": pace / 1e12, "share_of_ceiling": pace / ceiling(where.device)}
    return told


def timed(step: Callable[[int], None], device: torch.device) -> list[float]:
    """Seconds of single steps, or on a GPU of one of AT_ONCE."""
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
    """Operations per second of a product of two large matrices in bf16."""
    left, right = (torch.randn(SQUARE, SQUARE, device=device, dtype=torch.bfloat16) for _ in range(2))
    left @ right
    return 2 * SQUARE**3 / min(timed(lambda _number: void(left @ right), device))


if __name__ == "__main__":
    figure_name, way_name, device_name, is_compiled = sys.argv[1:]
    print(json.dumps(measure(figure_name, way_name, Where(torch.device(device_name), is_compiled == "compiled"))))
