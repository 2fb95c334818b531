"""Whole bf16 steps on a CPU with each form of attention in turn: `python lab/attention.py THREADS`. See LOG.md."""

import os
import statistics
import sys
import time
from collections.abc import Callable

os.environ["OMP_NUM_THREADS"] = sys.argv[1]  # before torch is imported

import torch
from torch import Tensor
from torch.nn import functional

from jointwise.bench import workload
from jointwise.model import attention, blocks

PAIRS = 7
STEPS = (
    ("pretrain", "spatial_segments_decoder", 8),
    ("pretrain", "mamp_published", 8),
    ("finetune", "spatial_segments_decoder", 8),
    ("finetune", "mamp_published", 4),
    ("inference", "mamp_published", 8),
)


def fused(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None) -> Tensor:
    """torch's kernel for all rows."""
    grid = query.shape[:2]
    if mask is not None:
        mask = mask.expand(*grid, *mask.shape[2:]).flatten(0, 1)
    parts = (part.flatten(0, 1) for part in (query, key, value))
    return functional.scaled_dot_product_attention(*parts, attn_mask=mask).unflatten(0, grid)


def fused_long(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None) -> Tensor:
    """torch's kernel for long rows, written out for short ones."""
    form = attention.written_out if key.shape[-2] < attention.LONG else fused
    return form(query, key, value, mask)


def seconds(step: Callable[[int], None], form: Callable[..., Tensor], number: int) -> float:
    """Time of one step with a form of attention."""
    blocks.attend = form
    start = time.perf_counter()
    step(number)
    return time.perf_counter() - start


FORMS = {
    "package": attention.attend,
    "fused": fused,
    "fused for long rows": fused_long,
    "written out": attention.written_out,
}
torch.set_num_threads(int(sys.argv[1]))
for stage, system, clips in STEPS:
    step = getattr(workload, f"{stage}_step")(workload.Workload(clips), workload.settings(system), "bf16")
    for form in FORMS.values():
        seconds(step, form, 0)
    times = {name: [] for name in FORMS}
    for number in range(PAIRS):
        for name, form in FORMS.items():
            times[name].append(seconds(step, form, number))
    print(f"{stage} {system}, {clips} clips: {statistics.median(times['package']):.2f} s", end="")
    for name in list(FORMS)[1:]:
        ratios = sorted(other / own for other, own in zip(times[name], times["package"], strict=True))
        print(f"; {name} × {statistics.median(ratios):.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f})", end="")
    print(flush=True)
