"""One figure, one way, in a process of its own, so that times and memory are its alone.

python -m jointwise.bench.measure FIGURE WAY DEVICE COMPILE  ->  one line of JSON
"""

from __future__ import annotations

import json
import sys
import time

import torch

from jointwise.bench.figures import FIGURES
from jointwise.provenance import peak_memory

WARM_UP, FEWEST, ENOUGH = 1, 3, 12.0  # steps, steps, seconds


def synchronise(device: torch.device) -> None:
    """Waits until a GPU has done what it was told."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def measure(name: str, way: str, device: torch.device) -> dict[str, object]:
    """Repeats the step of a figure: at least 3 times after a warm-up, and for 12 seconds; seconds of each, MB."""
    figure = FIGURES[name]
    if figure.threads is not None:
        torch.set_num_threads(figure.threads)
    step = figure.ways[way](device)
    seconds: list[float] = []
    for number in range(10_000):
        start = time.perf_counter()
        step(number)
        synchronise(device)
        seconds.append(time.perf_counter() - start)
        if number >= WARM_UP + FEWEST - 1 and sum(seconds[WARM_UP:]) >= ENOUGH:
            break
    return {"seconds": seconds[WARM_UP:], "memory_mb": peak_memory(device)}


if __name__ == "__main__":
    print(json.dumps(measure(sys.argv[1], sys.argv[2], torch.device(sys.argv[3]))))
