"""Every system trains: two steps of each of its stages, at quick size."""

from pathlib import Path

import pytest

from jointwise.config.layers import make_config
from jointwise.config.systems import systems
from jointwise.data.dataset import Dataset
from jointwise.stages.finetune import finetune
from jointwise.stages.pretrain import pretrain

TWO_STEPS = {f"{stage}.steps": "2" for stage in ("pretrain", "finetune", "scratch")}


@pytest.mark.slow
@pytest.mark.parametrize("system", systems())
def test_every_system_runs_two_steps_of_what_it_can_do_at_quick_size(
    system: str, dataset: Dataset, tmp_path: Path
) -> None:
    config = make_config(system, "tiny", quick=True, options=TWO_STEPS)
    start = None
    if config.predictor.use or config.decoder.use:
        start = tmp_path / "pretrain"
        pretrain(config, dataset, 0, start)
    assert finetune(config, dataset, 0, "1.0", tmp_path / "finetune", start).is_file()
