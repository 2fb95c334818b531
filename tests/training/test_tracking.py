"""Trackers: each gets the lines of metrics.jsonl, a resumed run goes on, and none can end a training."""

import importlib.machinery
import importlib.util
import json
import sys
import types
import warnings
from pathlib import Path
from typing import Any

import pytest

from helpers import tiny
from jointwise.cli import run as jointwise
from jointwise.data.dataset import Dataset
from jointwise.errors import ConfigError, JointwiseWarning
from jointwise.stages.pretrain import PretrainTask, pretrain
from jointwise.training import distributed
from jointwise.training.loop import Interrupted
from jointwise.training.run_folder import opened_run
from jointwise.training.tracking import TRACKERS, check_tracker, tracking

STEPS = 12  # of a tiny pre-training


class Service:
    """A stand-in for the modules wandb and mlflow at the point where they are imported: it keeps what it is told."""

    def __init__(self, fails: str = "") -> None:
        self.fails = fails  # the call that raises
        self.opened: list[dict[str, Any]] = []
        self.lines: list[tuple[int, dict[str, float]]] = []
        self.params: dict[str, Any] = {}
        self.closed: list[object] = []

    def keep(self, what: str) -> None:
        if what == self.fails:
            raise ConnectionError(f"{what}: no network")

    def wandb(self) -> types.ModuleType:
        def init(**options: Any) -> types.SimpleNamespace:
            self.keep("open")
            self.opened.append(options)
            self.params |= options["config"] or {}
            return types.SimpleNamespace(
                id=options["id"] or "w1", log=log, finish=lambda exit_code: self.closed.append(exit_code)
            )

        def log(values: dict[str, float], step: int) -> None:
            self.keep("log")
            self.lines.append((step, values))

        return module("wandb", init=init)

    def mlflow(self) -> types.ModuleType:
        def start_run(**options: Any) -> types.SimpleNamespace:
            self.keep("open")
            self.opened.append(options)
            return types.SimpleNamespace(info=types.SimpleNamespace(run_id=options.get("run_id") or "m1"))

        def log_metrics(values: dict[str, float], step: int) -> None:
            self.keep("log")
            self.lines.append((step, values))

        return module(
            "mlflow",
            start_run=start_run,
            log_params=self.params.update,
            log_metrics=log_metrics,
            end_run=self.closed.append,
        )


def module(name: str, **members: Any) -> types.ModuleType:
    made = types.ModuleType(name)
    made.__spec__ = importlib.machinery.ModuleSpec(name, None)
    vars(made).update(members)
    return made


def log_of(folder: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


def train(dataset: Dataset, folder: Path, track: str, resume: bool = False) -> None:
    config = tiny.config("--execution.track", track, "--execution.checkpoint_every", "5")
    pretrain(config, dataset, 0, folder, resume)


def interrupt_in(monkeypatch: pytest.MonkeyPatch, step: int) -> None:
    """Lets the training be stopped once, after a step."""
    real = PretrainTask.after_step

    def after_step(self: PretrainTask, number: int) -> None:
        real(self, number)
        if number == step:
            monkeypatch.setattr(distributed, "all_reduce_any", lambda _flag: True)

    monkeypatch.setattr(PretrainTask, "after_step", after_step)


def points_of(folder: Path) -> dict[str, dict[int, float]]:
    """What TensorBoard shows of a run: curve -> step -> value."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        shown = EventAccumulator(str(folder / "tensorboard"), purge_orphaned_data=True).Reload()
        return {name: {e.step: e.value for e in shown.Scalars(name)} for name in shown.Tags()["scalars"]}


@pytest.mark.slow
def test_tensorboard_shows_the_log_and_a_resumed_run_goes_on_in_the_same_curves(
    dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tmp_path / "run"
    with monkeypatch.context() as patch:
        interrupt_in(patch, 6)
        with pytest.raises(Interrupted):
            train(dataset, run, "tensorboard")
    assert max(points_of(run)["loss"]) == 7
    train(dataset, run, "tensorboard", resume=True)
    points, lines = points_of(run), log_of(run)
    assert set(points) == {name for line in lines for name in line} - {"step"}
    assert points["loss"] == pytest.approx({int(line["step"]): line["loss"] for line in lines})
    assert sorted(points["loss"]) == list(range(1, STEPS + 1))


@pytest.mark.slow
def test_what_was_shown_after_the_last_checkpoint_is_hidden_when_a_run_is_resumed(tmp_path: Path) -> None:
    for done, loss in ((0, 1.0), (2, 2.0)):  # the second part begins at the checkpoint of step 2
        with tracking("tensorboard", tmp_path, done) as track:
            for step in range(done + 1, 5):
                track({"step": step, "loss": loss})
    assert points_of(tmp_path)["loss"] == {1: 1.0, 2: 1.0, 3: 2.0, 4: 2.0}


@pytest.mark.parametrize(("name", "stopped"), [("wandb", 1), ("mlflow", "KILLED")])
def test_a_service_gets_settings_and_log_and_knows_a_resumed_run_again(
    dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, stopped: object
) -> None:
    service, run = Service(), tmp_path / "run"
    monkeypatch.setitem(sys.modules, name, getattr(service, name)())
    with monkeypatch.context() as patch:
        interrupt_in(patch, 6)
        with pytest.raises(Interrupted):
            train(dataset, run, name)
    assert service.params["encoder.width"] == 16
    assert service.params["data"] == "tiny"
    train(dataset, run, name, resume=True)
    first, second = service.opened
    assert first.get("run_name", first.get("name")) == str(run)
    identity = {"wandb": "id", "mlflow": "run_id"}[name]
    assert (first.get(identity), second[identity]) == (None, f"{name[0]}1")
    assert service.closed == [stopped, {"wandb": 0, "mlflow": "FINISHED"}[name]]
    lines = log_of(run)
    assert service.lines == [
        (line["step"], {key: value for key, value in line.items() if key != "step"}) for line in lines
    ]


@pytest.mark.parametrize("name", ["wandb", "mlflow"])
@pytest.mark.parametrize(("call", "before"), [("open", 0), ("log", 2)])
def test_a_tracker_that_fails_is_given_up_with_one_warning_and_ends_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, call: str, before: int
) -> None:
    service = Service(fails=call if call == "open" else "")
    monkeypatch.setitem(sys.modules, name, getattr(service, name)())

    def five_lines() -> None:
        with tracking(name, tmp_path / "run", 0) as track:
            for step in range(1, 6):
                service.fails = call if step > before else service.fails
                track({"step": step, "loss": 1.0})

    opened = opened_run(tmp_path / "run", tiny.config(), {"stage": "pretrain"}, resume=False)
    with opened, pytest.warns(JointwiseWarning) as caught:
        five_lines()
    (message,) = [str(one.message) for one in caught]
    assert message.startswith(f"{name} failed ({call}: no network), so nothing more is tracked there.")
    assert [step for step, _ in service.lines] == [*range(1, before + 1)]


def test_tracking_changes_no_weight(dataset: Dataset, tmp_path: Path, pretrained: Path) -> None:
    train(dataset, tmp_path / "run", "tensorboard")
    weights = [folder / "model" / "model.safetensors" for folder in (tmp_path / "run", pretrained)]
    assert weights[0].read_bytes() == weights[1].read_bytes()


def test_without_a_tracker_nothing_is_imported_or_written(tmp_path: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(importlib.util, "find_spec", lambda name: pytest.fail(f"looked for {name}"))
        with tracking("none", tmp_path, 0) as track:
            track({"step": 1, "loss": 1.0})
    assert not list(tmp_path.iterdir())


def test_of_several_processes_the_main_one_has_the_tracker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(distributed, "is_main_process", lambda: False)
    with tracking("tensorboard", tmp_path, 0) as track:
        track({"step": 1, "loss": 1.0})
    assert not list(tmp_path.iterdir())


def test_a_tracker_that_is_unknown_or_missing_is_told_before_anything_is_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    command = ["pretrain", tiny.SYSTEM, "--data", "synthetic", "--track"]
    with pytest.raises(ConfigError, match=r"--track wandb: the package wandb is not installed.*pip install wandb"):
        jointwise([*command, "wandb"])
    with pytest.raises(ConfigError, match="'tensorbord': did you mean 'tensorboard'"):
        jointwise([*command, "tensorbord"])
    assert not list(tmp_path.iterdir())
    for name in TRACKERS:
        with pytest.raises(ConfigError, match=name):
            check_tracker(name)
