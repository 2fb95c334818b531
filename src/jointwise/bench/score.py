"""How soon `recommended` is as good as the final system in the end: wall time to a linear score on held-out subjects.

Takes some minutes: both systems are pre-trained on the embedded data set.
"""

from __future__ import annotations

import json
import statistics
from pathlib import Path
from typing import Any

from jointwise.bench.figures import Where
from jointwise.bench.measure import timed
from jointwise.bench.workload import Workload, plain_pretrain_step
from jointwise.config import Config
from jointwise.datasets import Dataset, load_dataset
from jointwise.pretrain import pretrain, read_log
from jointwise.settings import build_config, layered_settings

FINAL, RECOMMENDED = "spatial_segments_decoder", "recommended"
HELD_OUT = [28, 31, 34, 35, 38]  # training subjects of the embedded data set, 360 of its clips


def settings(system: str, device: str) -> Config:
    """The recipe of the embedded data set in bf16, a linear probe after every epoch, training subjects held out."""
    options = ("--pretrain.probe_every", "1", "--execution.precision", "bf16", "--execution.device", device)
    subjects = ("--validation_subjects", json.dumps(HELD_OUT), "--execution.checkpoint_every", "100000")
    return build_config(layered_settings(system, "synthetic"), [*options, *subjects])


def scores(system: str, dataset: Dataset, device: str, folder: Path, seed: int = 0) -> list[dict[str, float]]:
    """The lines of the log of a pre-training that have a linear score: step, seconds (without probes), linear."""
    pretrain(settings(system, device), dataset, seed, folder / system)
    return [line for line in read_log(folder / system) if "linear" in line]


def time_to_score(where: Where, folder: Path) -> dict[str, Any]:
    """Steps and seconds of both systems and of the yardstick, whose steps are the final system's at its own pace.

    The yardstick takes the same steps to the same losses (the tests hold that), each as long as is measured here.
    `ratio` is None where `recommended` never comes as far.
    """
    dataset, device = load_dataset("synthetic"), str(where.device)
    final, recommended = (scores(system, dataset, device, folder) for system in (FINAL, RECOMMENDED))
    aim = final[-1]["linear"]
    reached = next((line for line in recommended if line["linear"] >= aim), None)
    config = settings(FINAL, device)
    work = Workload(config.pretrain.batch, config.clip.frames, device=where.device)
    pace = statistics.median(timed(plain_pretrain_step(work, config), work.device))
    plain = {"steps": final[-1]["step"], "seconds": final[-1]["step"] * pace}
    curves = {FINAL: final, RECOMMENDED: recommended}
    return {
        "aim": aim,
        "yardstick": plain,
        FINAL: {name: final[-1][name] for name in ("step", "seconds")},
        RECOMMENDED: reached and {name: reached[name] for name in ("step", "seconds", "linear")},
        "ratio": reached and plain["seconds"] / reached["seconds"],
        "curves": {name: [(line["step"], line["linear"]) for line in lines] for name, lines in curves.items()},
    }
