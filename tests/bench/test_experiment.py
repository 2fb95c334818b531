"""The experiment in size: what is measured, and what is extrapolated from it."""

import pytest
import torch

from jointwise.bench import experiment as module
from jointwise.bench.experiment import experiment
from jointwise.bench.figures import BenchDevice

SMALL = {
    "clip.frames": "8",
    "encoder.width": "16",
    "encoder.heads": "2",
    "encoder.depth": "1",
    "predictor.depth": "1",
    "decoder.depth": "1",
    "mask.ratio": "0.6",
    "finetune.hidden": "16",
}


def test_all_epochs_take_as_long_as_the_mean_of_those_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BATCHES", (4, 6))
    measurement = experiment(BenchDevice(torch.device("cpu")), clips=12, measured=(2, 1), options=SMALL)
    wanted = 400 * measurement["pretrain_seconds_per_epoch"] + 100 * measurement["finetune_seconds_per_epoch"]
    assert measurement["extrapolated_minutes"] == pytest.approx(wanted / 60)
    assert measurement["reported_minutes_of_pretraining"] == pytest.approx(10.5 * 60, rel=0.01)


def test_every_epoch_has_all_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    steps = []
    monkeypatch.setattr(module, "_epochs", lambda _step, count, _device: steps.append(count) or 1.0)
    monkeypatch.setattr(module, "pretrain_step", lambda *_: None)
    monkeypatch.setattr(module, "finetune_step", lambda *_: None)
    measurement = experiment(BenchDevice(torch.device("cpu")))
    assert steps == [20 * 10_076 // 128, 5 * 10_076 // 48]
    assert measurement["extrapolated_minutes"] == pytest.approx((400 / 20 + 100 / 5) / 60)
