"""How soon `recommended` is as good as the final system in the end: wall time to a linear score on held-out subjects.

Takes some minutes: both systems are pre-trained.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jointwise.bench.figures import FINAL, Where
from jointwise.bench.measure import timed
from jointwise.bench.workload import Step, Workload, plain_pretrain_step, pretrain_step
from jointwise.config.layers import make_config
from jointwise.config.schema import Config
from jointwise.data.dataset import Dataset, load_dataset
from jointwise.errors import ConfigError, unknown
from jointwise.stages.pretrain import pretrain
from jointwise.training.run_folder import read_log

RECOMMENDED = "recommended"
HELD_OUT = {"synthetic": [28, 31, 34, 35, 38], "utd-mhad": [5, 7]}  # training subjects that the probe is scored on
STEPS = 1_000


def settings(system: str, data: str, device: str, options: Mapping[str, str] | None = None) -> Config:
    """The recipe of the data in bf16, a linear probe after every epoch, training subjects held out; then `options`.

    Raises ConfigError for options without a probe or held-out subjects.
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
    """The lines of the log of a pre-training that have a linear score."""
    pretrain(config, dataset, seed, folder / config.system)
    return [line for line in read_log(folder / config.system) if "linear" in line]


def time_to_score(
    where: Where, folder: Path, data: str = "synthetic", options: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """Steps, pace and seconds of `recommended` until the linear score that the final system ends with.

    The yardstick takes the final system's steps to the same losses (the tests hold that), at its own pace; both paces
    are measured one after the other. `ratio` is None where `recommended` never comes as far. options: settings of both,
    such as `--clip.frames 64`. Raises ConfigError for data without held-out subjects here.
    """
    if data not in HELD_OUT:
        raise ConfigError(unknown("data", data, HELD_OUT))
    dataset = load_dataset(data)
    configs = {system: settings(system, data, str(where.device), options) for system in (FINAL, RECOMMENDED)}
    steps, precision = configs[FINAL].pretrain.steps, configs[FINAL].execution.precision
    lines = {system: scores(config, dataset, folder) for system, config in configs.items()}
    aim = lines[FINAL][-1]["linear"]
    reached = next((line for line in lines[RECOMMENDED] if line["linear"] >= aim), None)
    persons = float(dataset.store.index["persons"][dataset.train.ids].mean())
    sizes = configs[FINAL].pretrain.batch, configs[FINAL].clip.frames, len(dataset.skeleton.joints), persons
    work = Workload(*sizes, device=where.device)
    plain = _pace(plain_pretrain_step(work, configs[FINAL]), where)
    fast = _pace(pretrain_step(work, configs[RECOMMENDED], precision, where.compiled), where)
    return {
        "data": data,
        "options": dict(options or {}),
        "precision": precision,
        "aim": aim,
        "yardstick": {"steps": steps, "pace": plain, "seconds": steps * plain},
        RECOMMENDED: reached and {"steps": reached["step"], "pace": fast, "seconds": reached["step"] * fast},
        "ratio": reached and steps * plain / (reached["step"] * fast),
        "curves": {system: [(line["step"], line["linear"]) for line in some] for system, some in lines.items()},
    }


def _pace(step: Step, where: Where) -> float:
    """Median seconds of a step."""
    step(0)
    return statistics.median(timed(step, where.device))
