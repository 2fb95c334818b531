"""How soon `recommended` reaches the linear score that the final system ends with, on held-out subjects.

It takes some minutes, because both systems are pre-trained.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jointwise.bench.figures import BenchDevice
from jointwise.bench.measure import timed
from jointwise.bench.workload import Step, Workload, plain_pretrain_step, pretrain_step
from jointwise.config.layers import make_config
from jointwise.config.schema import Config
from jointwise.config.systems import FINAL
from jointwise.data.dataset import Dataset, load_dataset
from jointwise.errors import ConfigError, unknown
from jointwise.evaluation.protocols import LINEAR
from jointwise.stages.pretrain import pretrain
from jointwise.training.run_folder import read_log

RECOMMENDED = "recommended"
HELD_OUT = {"synthetic": [28, 31, 34, 35, 38], "utd-mhad": [5, 7]}  # training subjects that the probe is scored on
STEPS = 1_000


def settings(system: str, data: str, device: str, options: Mapping[str, str] | None = None) -> Config:
    """The settings of a training that is probed after every epoch, in bf16, with training subjects held out.

    Args:
        system: Its name.
        data: A key of HELD_OUT.
        device: What `execution.device` says.
        options: Settings by name, over the usual ones.

    Returns:
        The config.

    Raises:
        ConfigError: `options` leave no probe or no held-out subjects.
    """
    usual = {
        "pretrain.probe_every": 1,
        "pretrain.steps": STEPS,
        "validation_subjects": HELD_OUT[data],
        "execution.precision": "bf16",
        "execution.checkpoint_every": 100_000,
    }
    config = make_config(system, data, options={**usual, **(options or {}), "execution.device": device})
    if not config.validation_subjects or not config.pretrain.probe_every:
        raise ConfigError("bench score probes while it trains, on held-out training subjects: both must be there.")
    return config


def scores(config: Config, dataset: Dataset, folder: Path, seed: int = 0) -> list[dict[str, float]]:
    """Pre-train, and read the linear scores.

    Args:
        config: Settings of the pre-training and of the linear score.
        dataset: Data that the encoder is pre-trained on, and the linear score is measured on.
        folder: Folder of the run.
        seed: Random seed of the pre-training.

    Returns:
        The lines of its log that have a linear score.
    """
    pretrain(config, dataset, seed, folder / config.system)
    return [line for line in read_log(folder / config.system) if LINEAR in line]


def time_to_score(
    on: BenchDevice, folder: Path, data: str = "synthetic", options: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """Measure the time of `recommended` until the linear score that the final system ends with.

    The yardstick needs the final system's steps for the same losses (tests check that), each at its own pace. Both
    paces are measured one after the other.

    Args:
        on: Where.
        folder: Folder of the runs.
        data: A key of HELD_OUT.
        options: Settings of both systems by name.

    Returns:
        Steps, pace and seconds of both; `ratio` is None where `recommended` never reaches the score.

    Raises:
        ConfigError: No held-out subjects are known for these data.
    """
    if data not in HELD_OUT:
        raise ConfigError(unknown("data", data, HELD_OUT))
    dataset = load_dataset(data)
    configs = {system: settings(system, data, str(on.device), options) for system in (FINAL, RECOMMENDED)}
    steps = configs[FINAL].pretrain.steps
    precision = configs[FINAL].execution.precision
    lines = {system: scores(config, dataset, folder) for system, config in configs.items()}
    aim = lines[FINAL][-1][LINEAR]
    reached = next((line for line in lines[RECOMMENDED] if line[LINEAR] >= aim), None)
    persons = float(dataset.store.index["persons"][dataset.train.ids].mean())
    work = Workload(
        clips=configs[FINAL].pretrain.batch,
        frames=configs[FINAL].clip.frames,
        joints=len(dataset.skeleton.joints),
        persons=persons,
        device=on.device,
    )
    plain = _pace(plain_pretrain_step(work, configs[FINAL]), on)
    fast = _pace(pretrain_step(work, configs[RECOMMENDED], precision, on.compiled), on)
    return {
        "data": data,
        "options": dict(options or {}),
        "precision": precision,
        "aim": aim,
        "yardstick": {"steps": steps, "pace": plain, "seconds": steps * plain},
        RECOMMENDED: reached and {"steps": reached["step"], "pace": fast, "seconds": reached["step"] * fast},
        "ratio": reached and steps * plain / (reached["step"] * fast),
        "curves": {system: [(line["step"], line[LINEAR]) for line in some] for system, some in lines.items()},
    }


def _pace(step: Step, on: BenchDevice) -> float:
    """Median seconds of a step."""
    step(0)
    return statistics.median(timed(step, on.device))
