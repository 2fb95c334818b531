"""How long the report's final experiment takes: a quarter of NTU RGB+D 60, pre-trained and fine-tuned."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import torch

from jointwise.bench.figures import BenchDevice
from jointwise.bench.workload import Step, Workload, finetune_step, pretrain_step, settings
from jointwise.config.systems import FINAL
from jointwise.training.provenance import peak_memory

CLIPS = 10_076  # training clips of the report's quarter, X-sub
EPOCHS = 400, 100  # of pre-training and of fine-tuning (MAMP's; the report does not say)
MEASURED = 20, 5  # epochs that are measured
REPORTED = 1.58  # minutes per epoch of pre-training in the report
BATCHES = 128, 48  # clips per step


def experiment(
    on: BenchDevice, clips: int = CLIPS, measured: tuple[int, int] = MEASURED, options: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Time some epochs of both stages in bf16 on generated clips, and extrapolate to all epochs.

    The steps are those of `jointwise pretrain` and `finetune`, without logs and checkpoints.

    Args:
        on: Where.
        clips: Training clips.
        measured: Epochs of pre-training and of fine-tuning that are measured.
        options: Settings by name.

    Returns:
        Seconds per epoch, MB, and `extrapolated_minutes`: the mean epoch times all epochs, which was not measured.
    """
    config = settings(FINAL, options=options)
    measurement: dict[str, Any] = {"clips": clips, "epochs": EPOCHS, "measured_epochs": measured, "batches": BATCHES}
    whole = 0.0
    for place, (name, make) in enumerate((("pretrain", pretrain_step), ("finetune", finetune_step))):
        batch = min(BATCHES[place], clips)
        step = make(Workload(clips, config.clip.frames, batch=batch, device=on.device), config, "bf16", on.compiled)
        seconds = _epochs(step, measured[place] * clips // batch, on.device)
        measurement[f"{name}_seconds_per_epoch"] = seconds / measured[place]
        whole += EPOCHS[place] * seconds / measured[place]
    return measurement | {
        "extrapolated_minutes": whole / 60,
        "reported_minutes_of_pretraining": REPORTED * EPOCHS[0],
        "memory_mb": peak_memory(on.device),
    }


def _epochs(step: Step, steps: int, device: torch.device) -> float:
    """Seconds of some steps, after one that is not timed."""
    step(0)
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    start = time.perf_counter()
    for number in range(1, steps + 1):
        step(number)
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - start
