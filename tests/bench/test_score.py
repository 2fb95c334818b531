"""Time to a score: whose steps at whose pace."""

from pathlib import Path

import pytest
import torch

from jointwise.bench import score
from jointwise.bench.figures import BenchDevice
from jointwise.bench.score import settings, time_to_score
from jointwise.config.layers import make_config
from jointwise.errors import ConfigError

CPU = BenchDevice(torch.device("cpu"))
CURVES = {"spatial_segments_decoder": [0.2, 0.7, 0.5], "recommended": [0.4, 0.5, 0.6]}  # the aim is the last: 0.5


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("JOINTWISE_DATA", str(tmp_path))
    lines = {name: [{"step": 10 * (n + 1), "linear": y} for n, y in enumerate(ys)] for name, ys in CURVES.items()}
    monkeypatch.setattr(score, "scores", lambda config, _dataset, _folder: lines[config.system])
    monkeypatch.setattr(score, "load_dataset", lambda _name: Nothing())
    monkeypatch.setattr(score, "plain_pretrain_step", lambda _work, config: (8.0, config.system))
    monkeypatch.setattr(score, "pretrain_step", lambda _work, config, *_: (2.0, config.system))
    monkeypatch.setattr(score, "_pace", lambda measurement, _on: measurement[0])


class Nothing:
    """As much of a data set as is looked at."""

    store = type("Store", (), {"index": {"persons": torch.ones(3).numpy()}})
    train = type("Part", (), {"ids": [0, 1]})
    skeleton = type("Skeleton", (), {"joints": range(25)})


def test_the_ratio_is_that_of_wall_times_to_the_final_systems_last_score(measured: None, tmp_path: Path) -> None:
    measurement = time_to_score(CPU, tmp_path, options={"pretrain.steps": "30"})
    assert measurement["aim"] == 0.5
    assert measurement["yardstick"] == {"steps": 30, "pace": 8.0, "seconds": 240.0}
    assert measurement["recommended"] == {"steps": 20, "pace": 2.0, "seconds": 40.0}
    assert measurement["ratio"] == 6.0


def test_a_score_that_is_never_reached_has_no_ratio(
    measured: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(CURVES, "recommended", [0.1])
    monkeypatch.setattr(
        score, "scores", lambda config, *_: [{"step": 1, "linear": 0.5 if config.system != "recommended" else 0.4}]
    )
    measurement = time_to_score(CPU, tmp_path, options={"pretrain.steps": "30"})
    assert measurement["recommended"] is None
    assert measurement["ratio"] is None


@pytest.mark.parametrize("data", ["synthetic", "utd-mhad"])
def test_probes_are_scored_on_training_subjects(data: str) -> None:
    config = settings("recommended", data, "cpu", {"pretrain.steps": "7"})
    assert config.validation_subjects == score.HELD_OUT[data]
    assert (config.pretrain.steps, config.pretrain.probe_every) == (7, 1)
    assert config.encoder == make_config("recommended", data).encoder


@pytest.mark.parametrize("option", [("validation_subjects", "[]"), ("pretrain.probe_every", "0")])
def test_without_probes_or_held_out_subjects_nothing_is_trained(option: tuple[str, str]) -> None:
    with pytest.raises(ConfigError, match="both must be there"):
        settings("recommended", "synthetic", "cpu", dict([option]))


def test_data_without_held_out_subjects_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="utd-mhad"):
        time_to_score(CPU, tmp_path, "utd")
