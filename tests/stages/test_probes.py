"""Probes during pre-training: a look at held-out subjects that changes nothing of the training."""

from pathlib import Path

import pytest

from helpers import tiny
from jointwise.data.dataset import Dataset
from jointwise.errors import ConfigError
from jointwise.evaluation.protocols import frozen_protocols
from jointwise.evaluation.results import read_results
from jointwise.report.page import write_report
from jointwise.stages.evaluate import evaluate
from jointwise.stages.pretrain import PretrainTask, pretrain
from jointwise.training import loop as loop
from jointwise.training.checkpoint import read_json
from jointwise.training.loop import Interrupted
from jointwise.training.run_folder import read_log

# batches of 4 of 15 training sequences: epochs end inside steps 4, 8 and 12, of 13
HELD = ("--validation_subjects", "[3]", "--pretrain.batch", "4", "--pretrain.steps", "13")
PROBED = (*HELD, "--pretrain.probe_every", "2")


@pytest.fixture(scope="module")
def probed(dataset: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished pre-training with probes every two epochs. Read only."""
    folder = tmp_path_factory.mktemp("runs") / "probed"
    pretrain(tiny.config(*PROBED), dataset, 0, folder)
    return folder


def without_probes(folder: Path) -> list[dict[str, float]]:
    left_out = {*frozen_protocols(), "seconds"}
    return [{key: value for key, value in line.items() if key not in left_out} for line in read_log(folder)]


def test_every_second_epoch_and_the_end_are_probed_by_every_protocol(probed: Path) -> None:
    scored = {int(line["step"]): line for line in read_log(probed) if set(frozen_protocols()) & line.keys()}
    assert list(scored) == [8, 13]
    assert all(frozen_protocols().keys() <= line.keys() for line in scored.values())
    assert read_json(probed / "run.json")["probes"] == {name: scored[13][name] for name in frozen_protocols()}


@pytest.mark.parametrize("protocol", frozen_protocols())
def test_the_last_probe_is_what_evaluate_says_of_the_finished_run(
    probed: Path, dataset: Dataset, tmp_path: Path, protocol: str
) -> None:
    evaluate(probed, protocol, dataset, tiny.config(*PROBED), 0, results=tmp_path)
    (result,) = read_results(tmp_path)
    assert result["split"]["is_test"] is False
    assert result["scores"]["top1"] == read_log(probed)[-1][protocol]


def test_probing_changes_nothing_of_the_training(probed: Path, dataset: Dataset, tmp_path: Path) -> None:
    pretrain(tiny.config(*HELD), dataset, 0, tmp_path / "plain")
    assert without_probes(tmp_path / "plain") == without_probes(probed)
    weights = [folder / "model" / "model.safetensors" for folder in (tmp_path / "plain", probed)]
    assert weights[0].read_bytes() == weights[1].read_bytes()
    assert read_json(tmp_path / "plain" / "run.json")["probes"] == {}


def test_a_resumed_run_probes_at_the_same_epochs_and_is_the_same(
    probed: Path, dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = PretrainTask.after_step

    def stop(self: PretrainTask, step: int) -> None:
        real(self, step)
        if step == 5:
            loop.signal.raise_signal(loop.signal.SIGINT)

    with monkeypatch.context() as patch:
        patch.setattr(PretrainTask, "after_step", stop)
        with pytest.raises(Interrupted):
            pretrain(tiny.config(*PROBED), dataset, 0, tmp_path / "run")
    pretrain(tiny.config(*PROBED), dataset, 0, tmp_path / "run", resume=True)
    resumed, whole = (
        [[line.get(name) for line in read_log(folder)] for name in frozen_protocols()]
        for folder in (tmp_path / "run", probed)
    )
    assert resumed == whole
    weights = [folder / "model" / "model.safetensors" for folder in (tmp_path / "run", probed)]
    assert weights[0].read_bytes() == weights[1].read_bytes()


def test_the_time_of_a_probe_is_no_training_time(
    dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, later = loop.time.perf_counter, [0.0]
    monkeypatch.setattr(loop.time, "perf_counter", lambda: real() + later[0])

    def slow(self: PretrainTask) -> dict[str, float]:
        later[0] += 10_000
        return {}

    monkeypatch.setattr(PretrainTask, "epoch_metrics", slow)
    run = pretrain(tiny.config(*HELD), dataset, 0, tmp_path / "run")
    assert later[0] >= 30_000
    assert run["seconds_per_epoch"] < 1000


def test_test_subjects_are_never_probed(dataset: Dataset, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"probe_every 2 needs held-out training subjects .* --validation_subjects"):
        pretrain(tiny.config("--pretrain.probe_every", "2"), dataset, 0, tmp_path / "run")
    assert not (tmp_path / "run").exists()
    with pytest.raises(ConfigError, match="probe_every -1 must be at least 0"):
        tiny.config("--pretrain.probe_every", "-1")


def test_the_report_draws_the_probes(probed: Path, pretrained: Path, tmp_path: Path) -> None:
    title = "Frozen features on held-out subjects"
    assert title in write_report(tmp_path / "report.html", "tiny", [probed], []).read_text()
    assert title not in write_report(tmp_path / "plain.html", "tiny", [pretrained], []).read_text()
