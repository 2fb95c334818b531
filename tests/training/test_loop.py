"""The loop: stopped and resumed is never stopped, to the bit; Ctrl-C and losses that are no numbers say what to do."""

import json
import os
import shutil
import signal
from collections import Counter
from contextlib import nullcontext
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from helpers import tiny
from jointwise.config.schema import ExecutionConfig, TrainConfig
from jointwise.data.dataset import Dataset
from jointwise.data.randomness import generator_for
from jointwise.errors import JointwiseWarning, TrainingError
from jointwise.stages.finetune import FinetuneTask, finetune
from jointwise.stages.pretrain import PretrainTask, pretrain
from jointwise.training.batches import Batch, BatchOrder, PairedOrder
from jointwise.training.checkpoint import load_tensors
from jointwise.training.loop import Interrupted, fit
from jointwise.training.optimizer import build_optimizer

STEPS = 12  # tiny.config: batches of 8 of 30 sequences, so an epoch ends inside steps 4, 8 and 12


class Crash(Exception):
    """What a power cut is to the loop."""


def train(stage: str, dataset: Dataset, folder: Path, start: Path, resume: bool = False, *options: str) -> None:
    """Pre-trains, fine-tunes (with dropout and drop-path) or trains from scratch."""
    system = tiny.BASELINE if stage == "scratch" else tiny.SYSTEM
    config = tiny.config("--execution.checkpoint_every", "5", *options, system=system)
    assert config.finetune.dropout > 0 < config.finetune.drop_path
    if stage == "pretrain":
        pretrain(config, dataset, 0, folder, resume)
    else:
        finetune(config, dataset, 0, "1.0", folder, start if stage == "finetune" else None, resume=resume)


def stop_at(monkeypatch: pytest.MonkeyPatch, step: int, how: str) -> None:
    """Makes both tasks be stopped once while they are in the middle of `step`."""
    for task in (PretrainTask, FinetuneTask):
        real = task.loss

        def loss(self, batch: Batch, real=real) -> tuple[Tensor, dict[str, Tensor]]:  # type: ignore[no-untyped-def]
            if batch.step == step and how == "crash":
                raise Crash
            if batch.step == step:
                os.kill(os.getpid(), signal.SIGINT)
            return real(self, batch)

        monkeypatch.setattr(task, "loss", loss)


def everything(folder: Path) -> dict[str, bytes]:
    """Weights (students, teachers), moments of the optimiser, and the model that came of it, bit for bit."""
    files = [*folder.glob("checkpoint/*.safetensors"), folder / "model" / "model.safetensors"]
    return {file.name: file.read_bytes() for file in files}


def log(folder: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


@pytest.fixture(scope="module", params=["pretrain", "finetune", "scratch"])
def stage(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def never_stopped(stage: str, dataset: Dataset, pretrained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("whole") / "run"
    train(stage, dataset, folder, pretrained)
    return folder


def test_a_run_keeps_the_moments_of_the_optimiser(never_stopped: Path) -> None:
    names = load_tensors(next(never_stopped.glob("checkpoint/*.safetensors")))
    assert any(name.endswith(".exp_avg_sq") for name in names)
    assert "step-00000012.safetensors" in everything(never_stopped)


def test_two_identical_runs_are_bitwise_identical(
    stage: str, dataset: Dataset, pretrained: Path, never_stopped: Path, tmp_path: Path
) -> None:
    torch.rand(17)  # the state of the global generator must not matter
    train(stage, dataset, tmp_path / "run", pretrained)
    assert everything(tmp_path / "run") == everything(never_stopped)


@pytest.mark.slow
@pytest.mark.parametrize("step", [0, 2, 6, 10])  # step 3 and 7 hold the ends of epochs
def test_ctrl_c_in_a_step_and_resume_is_bitwise_never_stopping(
    stage: str,
    dataset: Dataset,
    pretrained: Path,
    never_stopped: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    step: int,
) -> None:
    folder = tmp_path / "run"
    with monkeypatch.context() as patch:
        stop_at(patch, step, "ctrl-c")
        with pytest.raises(
            Interrupted, match=rf"stopped after step {step + 1} of 12, all saved\. Go on with: jointwise"
        ):
            train(stage, dataset, folder, pretrained)
    assert not (folder / "model").exists()
    train(stage, dataset, folder, pretrained, True)
    assert everything(folder) == everything(never_stopped)


def test_a_crash_between_checkpoints_and_resume_is_bitwise_never_stopping_and_logs_each_step_once(
    stage: str,
    dataset: Dataset,
    pretrained: Path,
    never_stopped: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    folder = tmp_path / "run"
    again = pytest.warns(JointwiseWarning, match="there is no checkpoint in it. It starts at step 1 again")
    for step, warning in ((3, nullcontext()), (8, again)):  # before the first checkpoint, and three steps behind it
        with monkeypatch.context() as patch:
            stop_at(patch, step, "crash")
            with warning, pytest.raises(Crash):
                train(stage, dataset, folder, pretrained, step > 3)
    with (folder / "metrics.jsonl").open("a") as file:
        file.write('{"step": 9, "los')  # a line that the crash tore apart
    train(stage, dataset, folder, pretrained, True)
    assert everything(folder) == everything(never_stopped)
    assert [line["step"] for line in log(folder)] == list(range(1, STEPS + 1))
    assert [line["loss"] for line in log(folder)] == [line["loss"] for line in log(never_stopped)]


def test_resuming_a_finished_run_changes_nothing(
    stage: str, dataset: Dataset, pretrained: Path, tmp_path: Path, never_stopped: Path
) -> None:
    train(stage, dataset, tmp_path / "run", pretrained)
    lines = log(tmp_path / "run")
    train(stage, dataset, tmp_path / "run", pretrained, True)
    assert everything(tmp_path / "run") == everything(never_stopped)
    assert log(tmp_path / "run") == lines


def test_another_seed_gives_other_weights(dataset: Dataset, tmp_path: Path) -> None:
    for seed in (0, 1):
        pretrain(tiny.config("--pretrain.steps", "1"), dataset, seed, tmp_path / str(seed))
    assert everything(tmp_path / "0") != everything(tmp_path / "1")


# --- the loop alone, with a task small enough to know by hand ---


class Line(nn.Module):
    """w · x + dropout."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(3))
        self.dropout = nn.Dropout(0.5)


class LineTask:
    """Fits w to 0; `bad` gives steps other losses."""

    def __init__(self, bad: dict[int, float] | None = None, bad_gradient: int | None = None) -> None:
        self.module = Line()
        self.bad = bad or {}
        self.bad_gradient = bad_gradient
        self.seen: list[int] = []

    def loss(self, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        step = batch.step
        self.seen.append(step)
        loss = self.module.dropout(self.module.weight).square().sum() + self.bad.get(step, 0.0)
        if step == self.bad_gradient:
            loss = loss + (self.module.weight * 0).abs().sqrt().sum()  # 0, but its derivative is not finite
        return loss, {"weight": self.module.weight[0].detach().clone()}

    def after_step(self, step: int) -> None:
        pass

    def epoch_metrics(self) -> dict[str, float]:
        return {"epochs_end": 1.0}

    def describe(self, ids: Tensor) -> list[str]:
        return [f"file-{i}" for i in ids.tolist()]


def run(
    task: LineTask, folder: Path, steps: int = 10, seed: int = 0, clip_gradient: float = 0.0, **execution: int
) -> float:
    folder.mkdir(exist_ok=True)
    settings = TrainConfig(steps=steps, batch=2, clip_gradient=clip_gradient)
    order = BatchOrder(torch.arange(5), 2, seed)
    optimizer = build_optimizer(task.module, settings)
    return fit(task, order, optimizer, settings, ExecutionConfig(**execution), folder, "line", seed, "go on")


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize("step", [0, 6, 9])
def test_a_loss_that_is_no_number_names_step_sources_and_last_good_checkpoint(
    tmp_path: Path, value: float, step: int
) -> None:
    with pytest.raises(TrainingError, match="the loss of step") as caught:
        run(LineTask({step: value}), tmp_path, checkpoint_every=3, log_every=4)
    message = str(caught.value)
    assert f"the loss of step {step + 1} is not a finite number" in message
    sources = ", ".join(f"file-{i}" for i in BatchOrder(torch.arange(5), 2, 0)[step].tolist())
    assert f"The batch came from: {sources}" in message
    good = step // 3 * 3
    if good:
        assert f"the last good checkpoint, of step {good}, is in {tmp_path / 'checkpoint'}" in message
        weights = load_tensors(tmp_path / "checkpoint" / f"step-{good:08d}.safetensors")["module.weight"]
        assert weights.isfinite().all()
    else:
        assert "no checkpoint yet" in message


def test_a_gradient_that_is_no_number_never_enters_a_checkpoint(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=r"the update of the weights of step 7 is not .* checkpoint, of step 6, is"):
        run(LineTask(bad_gradient=6), tmp_path, checkpoint_every=1)
    assert load_tensors(tmp_path / "checkpoint" / "step-00000006.safetensors")["module.weight"].isfinite().all()


def test_after_a_bad_loss_the_run_resumes_from_the_last_good_checkpoint(tmp_path: Path) -> None:
    with pytest.raises(TrainingError):
        run(LineTask({7: float("nan")}), tmp_path, checkpoint_every=5)
    task = LineTask()
    run(task, tmp_path, checkpoint_every=5)
    assert task.seen == [5, 6, 7, 8, 9]


@pytest.mark.skipif(
    not torch.cuda.is_available(), reason="losses are looked at each step on a CPU, rarely on a GPU only"
)
def test_on_a_gpu_a_bad_loss_before_the_end_of_an_epoch_is_not_forgotten(tmp_path: Path) -> None:
    task = LineTask({1: float("nan")})  # an epoch ends in step 2; lines are due every 10
    task.module.cuda()
    with pytest.raises(TrainingError, match="the loss of step 2 is not"):
        run(task, tmp_path, log_every=10, checkpoint_every=3)


def test_every_step_and_every_seed_drop_other_features(tmp_path: Path) -> None:
    dropped: list[list[bool]] = []
    for seed in (0, 1):
        task = LineTask()
        task.module.weight = nn.Parameter(torch.ones(64))
        task.module.dropout.register_forward_hook(lambda _module, _given, kept: dropped.append((kept == 0).tolist()))
        run(task, tmp_path / str(seed), steps=4, seed=seed)
    assert len(dropped) == 8
    assert len(set(map(tuple, dropped))) == 8


def test_a_gradient_is_clipped_to_the_norm_of_the_settings_and_is_that_of_one_step(tmp_path: Path) -> None:
    for clip, steps in ((0.0, 1), (0.25, 1), (0.0, 2)):
        task = LineTask()
        task.module.dropout.p = 0.0  # the gradient is 2 w, and w is 1
        folder = tmp_path / f"{clip}-{steps}"
        run(task, folder, steps=steps, clip_gradient=clip)
        (tensors,) = map(load_tensors, folder.glob("checkpoint/*.safetensors"))
        norm = float(tensors["optimizer.0.exp_avg"].norm())
        expected = 0.1 * (clip or 2 * 3**0.5)
        assert norm == pytest.approx(expected if steps == 1 else (0.9 + 1.0) * expected, rel=0.01)


@pytest.mark.parametrize("scale", [1.0, 0.25])
def test_a_group_of_parameters_learns_at_its_share_of_the_scheduled_rate(tmp_path: Path, scale: float) -> None:
    task, settings = LineTask(), TrainConfig(steps=1, batch=2, lr=0.1, warmup=0.0)
    task.module.dropout.p = 0.0  # the gradient is 2 w, and w is 1
    optimizer = torch.optim.SGD([{"params": [task.module.weight], "scale": scale}], lr=9.0)
    order = BatchOrder(torch.arange(5), 2, 0)
    fit(task, order, optimizer, settings, ExecutionConfig(), tmp_path, "line", 0, "go on")
    torch.testing.assert_close(task.module.weight.detach(), torch.full((3,), 1 - 2 * 0.1 * scale))


def test_lines_are_due_every_so_often_at_ends_of_epochs_and_at_the_end(tmp_path: Path) -> None:
    seconds = run(LineTask(), tmp_path, log_every=4)  # epochs of 2.5 steps
    lines = log(tmp_path)
    assert [line["step"] for line in lines] == [3, 4, 5, 8, 10]
    assert [line["step"] for line in lines if "epochs_end" in line] == [3, 5, 8, 10]
    assert lines[-1]["epoch"] == 4
    assert 0 < lines[-1]["seconds"] <= seconds


def test_a_state_that_could_not_be_deleted_is_deleted_when_the_training_goes_on(tmp_path: Path) -> None:
    run(LineTask(), tmp_path)
    checkpoint = tmp_path / "checkpoint"
    (last,) = checkpoint.glob("step-*")
    for left in ("step-00000004.safetensors", "step-00000099.safetensors.unfinished"):
        shutil.copy(last, checkpoint / left)
    run(LineTask(), tmp_path)  # it is finished: no other state is saved
    assert sorted(file.name for file in checkpoint.iterdir()) == ["state.json", last.name]


def test_seconds_go_on_after_resuming(tmp_path: Path) -> None:
    run(LineTask(), tmp_path, steps=10)
    state = tmp_path / "checkpoint" / "state.json"
    state.write_text(json.dumps(json.loads(state.read_text()) | {"seconds": 100.0}))
    assert run(LineTask(), tmp_path, steps=12) > 100
    assert log(tmp_path)[-1]["seconds"] > 100


def test_a_checkpoint_of_another_seed_is_refused(tmp_path: Path) -> None:
    run(LineTask(), tmp_path)
    with pytest.raises(TrainingError, match="the checkpoint was made with seed 0, not 1"):
        run(LineTask(), tmp_path, seed=1)


def test_the_loop_leaves_the_global_generator_and_the_signal_handler_as_they_were(tmp_path: Path) -> None:
    before, handler = torch.get_rng_state(), signal.getsignal(signal.SIGINT)
    run(LineTask(), tmp_path)
    assert torch.equal(torch.get_rng_state(), before)
    assert signal.getsignal(signal.SIGINT) is handler


class PressedTwice(LineTask):
    """Ctrl-C, and in the same step again."""

    def loss(self, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)
        raise AssertionError("the second one was held back too")


def test_a_second_ctrl_c_acts_at_once(tmp_path: Path) -> None:
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job ignores Ctrl-C
    try:
        with pytest.raises(KeyboardInterrupt):
            run(PressedTwice(), tmp_path)
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGINT, before)


class Looking(LineTask):
    """Notes whether sums have a fixed order in each step."""

    def after_step(self, step: int) -> None:
        super().after_step(step)
        fixed.append(torch.are_deterministic_algorithms_enabled())


fixed: list[bool] = []


def test_on_a_cpu_sums_have_a_fixed_order_while_training_and_only_then(tmp_path: Path) -> None:
    run(Looking(), tmp_path)
    assert fixed == [True] * 10
    assert not torch.are_deterministic_algorithms_enabled()


class PressedLast(LineTask):
    """Ctrl-C in the last step."""

    def after_step(self, step: int) -> None:
        if step == 9:
            signal.raise_signal(signal.SIGINT)


def test_ctrl_c_in_the_last_step_is_a_finished_run(tmp_path: Path) -> None:
    run(PressedLast(), tmp_path)
    assert log(tmp_path)[-1]["step"] == 10


# --- the order of samples ---

SIZES = given(count=st.integers(1, 40), batch=st.integers(1, 50), seed=st.integers(0, 9))


@SIZES
def test_every_epoch_holds_every_sample_once(count: int, batch: int, seed: int) -> None:
    order = BatchOrder(torch.arange(count) + 100, batch, seed)
    steps = -(-3 * count // order.batch_size)
    stream = torch.cat([order[step] for step in range(steps)]).tolist()
    for epoch in range(3):
        assert sorted(stream[epoch * count : (epoch + 1) * count]) == list(range(100, 100 + count))


@SIZES
def test_a_batch_has_its_size_and_at_most_all_samples(count: int, batch: int, seed: int) -> None:
    order = BatchOrder(torch.arange(count), batch, seed)
    assert {len(order[step]) for step in range(4)} == {min(batch, count)}
    assert Counter(order[0].tolist()).most_common(1)[0][1] == 1


@SIZES
def test_a_step_has_the_same_samples_whatever_was_asked_before(count: int, batch: int, seed: int) -> None:
    order, fresh = BatchOrder(torch.arange(count), batch, seed), BatchOrder(torch.arange(count), batch, seed)
    for step in (5, 0, 2):
        order[step]
    assert torch.equal(order[3], fresh[3])


def test_two_orders_make_one_batch_that_comes_apart_again() -> None:
    labelled, unlabelled = BatchOrder(torch.arange(4), 3, 0), BatchOrder(torch.arange(10) + 100, 5, 1)
    order = PairedOrder(labelled, unlabelled)
    batch = order.local_batch(2)
    assert torch.equal(batch.ids, order[2])
    assert torch.equal(batch.ids, torch.cat([labelled[2], unlabelled[2]]))
    assert (batch.places.tolist(), batch.count, order.epoch(4)) == ([*range(8)], 8, 2)  # passes over the 10
    first, second = order.split(batch)
    for part, of in ((first, labelled), (second, unlabelled)):
        expected = of.local_batch(2)
        assert torch.equal(part.ids, expected.ids)
        assert torch.equal(part.places, expected.places)
        assert (part.step, part.count) == (2, expected.count)


def test_epochs_and_seeds_differ_in_order() -> None:
    order = BatchOrder(torch.arange(50), 50, 0)
    assert order[0].tolist() != order[1].tolist()
    assert order[0].tolist() != BatchOrder(torch.arange(50), 50, 1)[0].tolist()
    assert order.epoch(3) == 3


def test_draws_depend_on_their_place_only() -> None:
    first = torch.rand(3, generator=generator_for(0, "masks", 5))
    torch.rand(100)
    assert torch.equal(torch.rand(3, generator=generator_for(0, "masks", 5)), first)
    assert not torch.equal(torch.rand(3, generator=generator_for(0, "clips", 5)), first)
    assert not torch.equal(torch.rand(3, generator=generator_for(0, "masks", 6)), first)
