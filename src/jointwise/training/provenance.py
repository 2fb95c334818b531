"""Where a number comes from: code version, commit, command, device, libraries, memory."""

from __future__ import annotations

import platform
import resource
import shlex
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import torch

import jointwise
from jointwise.training import distributed


def commit() -> str:
    """The commit of the source checkout that this code runs from.

    Returns:
        12 hexadecimal digits, with `+changes` if files of the package differ from the commit; empty for an installed
        package, or without git.
    """
    package = Path(jointwise.__file__).resolve().parent
    if not any((parent / ".git").exists() for parent in package.parents[:3]):
        return ""
    try:
        revision = subprocess.run(
            ["git", "rev-parse", "--short=12", "HEAD"], cwd=package, capture_output=True, text=True
        )
        changed = subprocess.run(
            ["git", "status", "--porcelain", "--", "."], cwd=package, capture_output=True, text=True
        )
    except OSError:  # no git on this machine
        return ""
    return revision.stdout.strip() + ("+changes" if changed.stdout.strip() else "")


def device_name(device: torch.device) -> str:
    """The name of a GPU, or the model, instruction set and threads of the CPU."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    model = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        names = [line.partition(":")[2].strip() for line in cpuinfo.read_text().splitlines() if "model name" in line]
        model = names[0] if names else model
    return f"{model} ({torch.backends.cpu.get_cpu_capability()}), {torch.get_num_threads()} threads"


def peak_memory(device: torch.device) -> float:
    """Largest memory of this process so far, MB: allocated on the GPU, or resident if it computes on a CPU."""
    if device.type == "cuda":
        return round(torch.cuda.max_memory_allocated(device) / 2**20, 1)
    unit = 2**20 if sys.platform == "darwin" else 2**10
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit, 1)


def provenance(device: torch.device, precision: str) -> dict[str, Any]:
    """What every run and result records about its origin, as JSON values.

    Args:
        device: Where it was computed.
        precision: `fp32` or `bf16`.
    """
    return {
        "device": device_name(device),
        "processes": distributed.world_size(),
        "precision": precision,
        "versions": {
            "jointwise": jointwise.__version__,
            "torch": torch.__version__,
            "numpy": np.__version__,
            "python": platform.python_version(),
        },
        "commit": commit(),
        "command": shlex.join(["jointwise", *sys.argv[1:]]),
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
    }
