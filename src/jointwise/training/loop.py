"""The only training loop: pre-training and fine-tuning differ in their task."""

from __future__ import annotations

import json
import math
import signal
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn, Protocol

import torch
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from torch import Tensor, nn

from jointwise.config.schema import ExecutionConfig, TrainConfig
from jointwise.data.randomness import seed_for
from jointwise.data.whole_files import append_line, write_text
from jointwise.errors import CheckpointError, JointwiseError, JointwiseWarning, TrainingError
from jointwise.training import distributed
from jointwise.training.batches import Batch, Order
from jointwise.training.checkpoint import Checkpoint, read_metrics
from jointwise.training.device import autocast
from jointwise.training.forecast import Forecast
from jointwise.training.optimizer import learning_rate
from jointwise.training.tracking import Track, tracking


class Interrupted(JointwiseError):
    """The training was stopped by Ctrl-C or SIGTERM; its state is saved, and the message says how to resume it."""


class Task(Protocol):
    """What differs between trainings: the module, its loss, and what is measured."""

    @property
    def module(self) -> nn.Module:
        """What is trained and checkpointed."""
        ...

    def loss(self, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        """The forward pass of one step.

        Args:
            batch: This process's share of the samples of the step. Random numbers are drawn by `batch.draws` only.

        Returns:
            The share's part of the loss, and its part of each scalar for the log. The parts of all processes add up to
            the values of the whole batch.
        """
        ...

    def after_step(self, step: int) -> None:
        """Called after each optimiser step, with the number of the step, from 0."""
        ...

    def epoch_metrics(self) -> dict[str, float]:
        """Called at the end of each epoch and of the training; returns measurements for the log."""
        ...

    def describe(self, ids: Tensor) -> list[str]:
        """The sources of samples, for messages; ids (n,) in the store."""
        ...


def fit(
    task: Task,
    order: Order,
    optimizer: torch.optim.Optimizer,
    settings: TrainConfig,
    execution: ExecutionConfig,
    folder: Path,
    title: str,
    seed: int,
    resume_hint: str,
) -> float:
    """Trains `task.module` for `settings.steps` steps, from the checkpoint in `folder` if there is one.

    Each of several processes computes a share of every batch. The main process writes metrics.jsonl and checkpoint/ in
    `folder`. The module is in evaluation mode afterwards.

    Args:
        task: What is trained.
        order: The samples of each step.
        optimizer: Over the parameters of the module.
        settings: Steps, learning rate, gradient clipping.
        execution: Precision, how often to log and to save, who else gets the log.
        folder: The run folder.
        title: Of the progress bar.
        seed: Of dropout and drop-path; a checkpoint must have been made with the same seed.
        resume_hint: The command that resumes the run, for the message of Interrupted.

    Returns:
        Seconds of training, those before a resume included, measurements at the end of epochs not.

    Raises:
        TrainingError: A loss or a weight is not finite, or the checkpoint was made with another seed.
        ConfigError: The tracker is unknown or not installed.
        Interrupted: Ctrl-C or SIGTERM; the state is saved.
        CheckpointError: The checkpoint is damaged or does not fit the module.
        StorageError: The folder cannot be written.
    """
    training = _Training(task, order, optimizer, settings, execution, folder, seed)
    passes = order.epoch(settings.steps)
    device = training.device
    task.module.train()
    with (
        _deterministic(device),
        torch.random.fork_rng(devices=[device] if device.type == "cuda" else []),
        tracking(execution.track, folder, training.step) as track,
        _deferred_interrupt() as interrupt,
        _progress_bar(title, settings.steps, training.step) as (show_progress, say),
    ):
        forecast = Forecast(title, settings, passes, training.step, say)
        training.run(interrupt, show_progress, resume_hint, forecast, track)
    task.module.eval()
    return training.log.seconds


class _Training:
    """The state of one training: module, optimiser, step, log and checkpoint."""

    def __init__(
        self,
        task: Task,
        order: Order,
        optimizer: torch.optim.Optimizer,
        settings: TrainConfig,
        execution: ExecutionConfig,
        folder: Path,
        seed: int,
    ) -> None:
        self.task = task
        self.order = order
        self.optimizer = optimizer
        self.settings = settings
        self.execution = execution
        self.seed = seed
        self.device = next(task.module.parameters()).device
        self.checkpoint = Checkpoint(folder / "checkpoint")
        self.step, seconds = self._restore(folder)  # step: number of steps done
        distributed.broadcast_weights(task.module)
        if distributed.is_main_process():
            _truncate_log(folder / "metrics.jsonl", self.step)
            if self.checkpoint.exists():
                self.checkpoint.delete_earlier()
        self.log = _MetricsLog(folder / "metrics.jsonl", seconds)

    def _restore(self, folder: Path) -> tuple[int, float]:
        """Loads the checkpoint if there is one; returns the steps done and the seconds they took."""
        if self.checkpoint.exists():
            state = self.checkpoint.load(self.task.module, self.optimizer)
            if state["seed"] != self.seed:
                raise TrainingError(f"{folder}: the checkpoint was made with seed {state['seed']}, not {self.seed}.")
            return state["step"], state["seconds"]
        if (folder / "metrics.jsonl").is_file() and distributed.is_main_process():
            warnings.warn(
                f"{folder}: begun before, but there is no checkpoint in it. It starts at step 1 again.",
                JointwiseWarning,
                stacklevel=3,
            )
        return 0, 0.0

    def run(
        self,
        interrupt: threading.Event,
        show_progress: Callable[[int, float], None],
        resume_hint: str,
        forecast: Forecast,
        track: Track,
    ) -> None:
        """The training loop."""
        module = self.task.module
        while self.step < self.settings.steps:
            step = self.step
            torch.manual_seed(seed_for(self.seed, "dropout", step, distributed.rank()))
            rate = learning_rate(step, self.settings)
            for group in self.optimizer.param_groups:
                group["lr"] = rate * group["scale"]

            with autocast(self.device, self.execution.precision):
                loss, scalars = self.task.loss(self.order.local_batch(step))
            self.log.add(step, {"loss": loss.detach(), **scalars})
            if self._log_is_due(step) or self.device.type == "cpu":  # reading a loss makes a GPU wait
                self._check_losses()

            self.optimizer.zero_grad(set_to_none=True)
            loss.backward()
            distributed.all_reduce_gradients(module.parameters())
            if self.settings.clip_gradient:
                nn.utils.clip_grad_norm_(module.parameters(), self.settings.clip_gradient)
            self.optimizer.step()
            self.task.after_step(step)
            self.step = step + 1
            forecast.after_step(self.step)

            if self._log_is_due(step):
                line = self._write_log(step, rate)
                show_progress(self.step, line.get("loss", math.nan))
                track(line)
            finished = self.step == self.settings.steps
            interrupted = distributed.all_reduce_any(interrupt.is_set())
            if interrupted or finished or self.step % self.execution.checkpoint_every == 0:
                self._save()
            if interrupted and not finished:
                raise Interrupted(
                    f"stopped after step {self.step} of {self.settings.steps}, all saved. Go on with: {resume_hint}"
                )

    def _ends_epoch(self, step: int) -> bool:
        """Whether an epoch, or the training, ends in a step."""
        crosses = int(self.order.epoch(step + 1)) > int(self.order.epoch(step))
        return crosses or step + 1 == self.settings.steps

    def _log_is_due(self, step: int) -> bool:
        return (step + 1) % self.execution.log_every == 0 or self._ends_epoch(step)

    def _write_log(self, step: int, rate: float) -> dict[str, float]:
        """Writes a line of the log, with measurements at the end of an epoch; returns it."""
        metrics: dict[str, float] = {}
        if self._ends_epoch(step):
            with self.log.paused():
                metrics = self.task.epoch_metrics()
        return self.log.write(step + 1, self.order.epoch(step + 1), rate, metrics)

    def _save(self) -> None:
        """Saves the state after checking that it is finite; all processes wait until it is saved."""
        self._check_losses()
        distributed.average_batchnorm_statistics(self.task.module)
        if not all(bool(weights.isfinite().all()) for weights in self.task.module.parameters()):
            self._fail(self.step, "update of the weights")  # the loss was finite, its gradient was not
        if distributed.is_main_process():
            state = {"seed": self.seed, "seconds": self.log.seconds}
            self.checkpoint.save(self.step, self.task.module, self.optimizer, state)
        distributed.barrier()

    def _check_losses(self) -> None:
        """Raises TrainingError if a loss since the last line of the log is not finite."""
        step = self.log.first_step_not_finite()
        if step is not None:
            self._fail(step + 1, "loss")

    def _fail(self, number: int, what: str) -> NoReturn:
        """Raises TrainingError for a step; number: counted from 1, as in the log and in the names of checkpoints."""
        folder = self.checkpoint.folder
        last = self.checkpoint.state()["step"] if self.checkpoint.exists() else None
        kept = f"the last good checkpoint, of step {last}, is in {folder}" if last else "no checkpoint yet"
        sources = ", ".join(self.task.describe(self.order[number - 1]))
        raise TrainingError(
            f"the {what} of step {number} is not a finite number; {kept}. The batch came from: {sources}. "
            "Look at these recordings; else lower the learning rate (lr) or set clip_gradient of this stage."
        )


class _MetricsLog:
    """Writes the lines of metrics.jsonl.

    Scalars stay on the device until a line is due, so that a GPU is not made to wait at every step.
    """

    def __init__(self, path: Path, seconds: float) -> None:
        self.path = path
        self._seconds_before = seconds  # of the resumed parts
        self._started = time.perf_counter()
        self._pending: list[tuple[int, dict[str, Tensor]]] = []  # steps and their scalars since the last line

    @property
    def seconds(self) -> float:
        """Training time so far, resumed parts included, measurements at the end of epochs not."""
        return self._seconds_before + time.perf_counter() - self._started

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Does not count the time of the block as training time."""
        paused = time.perf_counter()
        yield
        self._started += time.perf_counter() - paused

    def add(self, step: int, scalars: dict[str, Tensor]) -> None:
        """Adds the scalars of a step: this process's parts, which are added up over all processes."""
        self._pending.append((step, distributed.all_reduce_scalars(scalars)))

    def first_step_not_finite(self) -> int | None:
        """The first step since the last line whose loss is not finite, from 0."""
        if not self._pending:
            return None
        losses = torch.stack([scalars["loss"] for _, scalars in self._pending])
        bad = (~losses.isfinite()).nonzero()
        return self._pending[int(bad[0])][0] if len(bad) else None

    def write(self, step: int, epoch: float, rate: float, metrics: dict[str, float]) -> dict[str, float]:
        """Appends a line with the means since the last one; returns it."""
        line: dict[str, float] = {"step": step, "epoch": round(epoch, 4), "learning_rate": rate}
        if self._pending:
            scalars = [values for _, values in self._pending]
            names = list(scalars[0])
            means = torch.stack([torch.stack([values[name].float() for name in names]) for values in scalars]).mean(0)
            line |= dict(zip(names, means.tolist(), strict=True))
            self._pending.clear()
        line |= metrics | {"seconds": round(self.seconds, 3)}
        if distributed.is_main_process():
            append_line(self.path, json.dumps(line))
        return line


def _truncate_log(path: Path, step: int) -> None:
    """Drops the lines after a checkpoint, which a resumed run writes again, and a line that a crash cut off."""
    if path.is_file():
        kept = [line for line in read_metrics(path, CheckpointError) if line["step"] <= step]
        write_text(path, "".join(json.dumps(line) + "\n" for line in kept))


@contextmanager
def _deferred_interrupt() -> Iterator[threading.Event]:
    """Turns Ctrl-C and SIGTERM into an event, so that no step is cut off; a second Ctrl-C acts as usual."""
    pressed = threading.Event()
    if threading.current_thread() is not threading.main_thread():  # only the main thread may handle signals
        yield pressed
        return

    def press(number: int, _frame: FrameType | None) -> None:
        pressed.set()
        if number == signal.SIGINT:  # SIGTERM may come twice: from a cluster, and from torchrun that passes it on
            signal.signal(number, before[number])

    before: dict[int, Any] = {number: signal.signal(number, press) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield pressed
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _progress_bar(
    title: str, total: int, done: int
) -> Iterator[tuple[Callable[[int, float], None], Callable[[str], None]]]:
    """Shows a progress bar; yields the function that moves it to a step and shows a loss, and one that prints."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("loss {task.fields[loss]}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, refresh_per_second=2) as progress:
        bar = progress.add_task(title, total=total, completed=done, loss="–")  # a finished run that is resumed has none

        def show(step: int, loss: float) -> None:
            progress.update(bar, completed=step, loss=f"{loss:.4f}")

        def say(line: str) -> None:
            if distributed.is_main_process():
                progress.console.print(line, highlight=False, soft_wrap=True)

        yield show, say


@contextmanager
def _deterministic(device: torch.device) -> Iterator[None]:
    """Makes sums of several CPU threads keep a fixed order, so that two equal runs are equal to the bit."""
    before = torch.are_deterministic_algorithms_enabled()
    torch.use_deterministic_algorithms(before or device.type == "cpu")
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before)
