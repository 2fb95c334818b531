"""The only training loop: pre-training and fine-tuning differ in their task alone."""

from __future__ import annotations

import json
import math
import signal
import threading
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn, Protocol

import torch
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from torch import Tensor, nn

from jointwise.config.schema import ExecutionConfig, TrainConfig
from jointwise.data.randomness import seed_for
from jointwise.errors import JointwiseError, JointwiseWarning, TrainingError, writing
from jointwise.training import distributed
from jointwise.training.batches import Batch, BatchOrder
from jointwise.training.checkpoint import Checkpoint, read_json
from jointwise.training.device import autocast
from jointwise.training.optimizer import learning_rate


class Interrupted(JointwiseError):
    """Ctrl-C or SIGTERM: the state is saved and the message says how to go on."""


class Task(Protocol):
    """What differs between trainings."""

    @property
    def module(self) -> nn.Module:
        """What is trained and checkpointed."""
        ...

    def loss(self, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        """What a batch adds to the loss of its step, and to scalars to log: those of all shares are added up.

        Whatever is random is drawn by `batch.draws`.
        """
        ...

    def after_step(self, step: int) -> None:
        """Called after each optimiser step."""
        ...

    def epoch_metrics(self) -> dict[str, float]:
        """Called at the end of each epoch; what it measured since the last call."""
        ...

    def describe(self, ids: Tensor) -> list[str]:
        """Where the samples come from, for messages."""
        ...


@contextmanager
def _deferred_interrupt() -> Iterator[threading.Event]:
    """Turns Ctrl-C and SIGTERM into an event, so that a step is never torn apart; a second Ctrl-C acts as always."""
    pressed = threading.Event()
    if threading.current_thread() is not threading.main_thread():
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
def _progress(title: str, total: int, done: int) -> Iterator[Any]:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("loss {task.fields[loss]:.4f}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, refresh_per_second=2) as progress:
        bar = progress.add_task(title, total=total, completed=done, loss=math.nan)
        yield lambda step, loss: progress.update(bar, completed=step, loss=loss)


class _Log:
    """Lines of metrics.jsonl; collects scalars on the device, and looks at them all at once when a line is due."""

    def __init__(self, path: Path, seconds: float) -> None:
        self.path, self.before, self.started = path, seconds, time.perf_counter()
        self.pending: list[tuple[int, dict[str, Tensor]]] = []  # steps, and their scalars with the loss

    @property
    def seconds(self) -> float:
        """Training time so far, resumed parts included, measurements at the end of epochs not."""
        return self.before + time.perf_counter() - self.started

    def first_bad_step(self) -> int | None:
        if not self.pending:
            return None
        losses = torch.stack([scalars["loss"] for _, scalars in self.pending])
        bad = (~losses.isfinite()).nonzero()
        return self.pending[int(bad[0])][0] if len(bad) else None

    def write(self, step: int, epoch: float, rate: float, extra: dict[str, float]) -> float:
        """Appends a line with the means since the last one; returns the mean loss."""
        line: dict[str, float] = {"step": step, "epoch": round(epoch, 4), "learning_rate": rate}
        if self.pending:
            scalars = [values for _, values in self.pending]
            names = list(scalars[0])
            means = torch.stack([torch.stack([values[name].float() for name in names]) for values in scalars]).mean(0)
            line |= dict(zip(names, means.tolist(), strict=True))
            self.pending.clear()
        line |= extra | {"seconds": round(self.seconds, 3)}
        if distributed.is_main_process():
            with writing(self.path), self.path.open("a") as file:
                file.write(json.dumps(line) + "\n")
        return line.get("loss", math.nan)


def _truncate_log(path: Path, step: int) -> None:
    """Drops lines behind the checkpoint that a resumed run starts from, so that no step is logged twice."""
    if path.is_file():
        lines = [line for line in path.read_text().splitlines() if line.endswith("}")]
        kept = [line for line in lines if json.loads(line)["step"] <= step]
        path.write_text("".join(line + "\n" for line in kept))


class _Training:
    """One training under way: a step at a time, saved and checked."""

    def __init__(
        self,
        task: Task,
        order: BatchOrder,
        optimizer: torch.optim.Optimizer,
        settings: TrainConfig,
        execution: ExecutionConfig,
        folder: Path,
        seed: int,
    ) -> None:
        self.task, self.order, self.optimizer, self.seed = task, order, optimizer, seed
        self.settings, self.execution = settings, execution
        self.device = next(task.module.parameters()).device
        self.checkpoint = Checkpoint(folder / "checkpoint")
        state: dict[str, Any] = {"step": 0, "seconds": 0.0}
        if self.checkpoint.exists():
            state = self.checkpoint.load(task.module, optimizer)
            if state["seed"] != seed:
                raise TrainingError(f"{folder}: the checkpoint was made with seed {state['seed']}, not {seed}.")
        elif (folder / "metrics.jsonl").is_file() and distributed.is_main_process():
            warnings.warn(
                f"{folder}: begun before, but there is no checkpoint in it. It starts at step 1 again.",
                JointwiseWarning,
                stacklevel=2,
            )
        self.done: int = state["step"]
        distributed.broadcast_weights(task.module)
        if distributed.is_main_process():
            _truncate_log(folder / "metrics.jsonl", self.done)
        self.log = _Log(folder / "metrics.jsonl", state["seconds"])

    def step(self) -> float | None:
        """One optimiser step; returns the mean loss since the last line of the log when it wrote one."""
        step, settings, order = self.done, self.settings, self.order
        torch.manual_seed(seed_for(self.seed, "dropout", step, distributed.rank()))
        rate = learning_rate(step, settings)
        for group in self.optimizer.param_groups:
            group["lr"] = rate * group["scale"]
        with autocast(self.device, self.execution.precision):
            loss, scalars = self.task.loss(order.local_batch(step))
        self.log.pending.append((step, distributed.all_reduce_scalars({"loss": loss.detach(), **scalars})))
        epoch_ends = int(order.epoch(step + 1)) > int(order.epoch(step))
        line_due = (step + 1) % self.execution.log_every == 0 or epoch_ends or step + 1 == settings.steps
        if line_due or self.device.type == "cpu":  # looking at a loss makes a GPU wait
            self.stop_if_not_finite()
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        distributed.all_reduce_gradients(self.task.module.parameters())
        if settings.clip_gradient:
            nn.utils.clip_grad_norm_(self.task.module.parameters(), settings.clip_gradient)
        self.optimizer.step()
        self.task.after_step(step)
        self.done = step + 1
        if not line_due:
            return None
        extra: dict[str, float] = {}
        if epoch_ends or self.done == settings.steps:
            started = time.perf_counter()
            extra = self.task.epoch_metrics()
            self.log.started += time.perf_counter() - started  # measuring is not training
        return self.log.write(self.done, order.epoch(self.done), rate, extra)

    def save(self) -> None:
        """Saves the state, unless something in it is not finite; no process goes on before it is saved."""
        self.stop_if_not_finite()
        distributed.average_batchnorm_statistics(self.task.module)
        if not all(bool(weights.isfinite().all()) for weights in self.task.module.parameters()):
            self._stop(self.done, "update of the weights")  # the loss was finite, its gradient was not
        state = {"seed": self.seed, "seconds": self.log.seconds}
        if distributed.is_main_process():
            self.checkpoint.save(self.done, self.task.module, self.optimizer, state)
        distributed.barrier()

    def stop_if_not_finite(self) -> None:
        """Raises TrainingError when a loss since the last line of the log is not finite."""
        bad = self.log.first_bad_step()
        if bad is not None:
            self._stop(bad + 1, "loss")

    def _stop(self, number: int, what: str) -> NoReturn:
        """number: of the step, counted from 1 as the log and the checkpoints do."""
        folder = self.checkpoint.folder
        last = read_json(folder / "state.json")["step"] if self.checkpoint.exists() else None
        kept = f"the last good checkpoint, of step {last}, is in {folder}" if last else "no checkpoint yet"
        sources = ", ".join(self.task.describe(self.order[number - 1]))
        raise TrainingError(
            f"the {what} of step {number} is not a finite number; {kept}. The batch came from: {sources}. "
            "Look at these recordings; else lower the learning rate (lr) or set clip_gradient of this stage."
        )


@contextmanager
def _deterministic(device: torch.device) -> Iterator[None]:
    """On a CPU, sums of several threads in a fixed order, so that two equal runs are equal to the bit."""
    before = torch.are_deterministic_algorithms_enabled()
    torch.use_deterministic_algorithms(before or device.type == "cpu")
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before)


def fit(
    task: Task,
    order: BatchOrder,
    optimizer: torch.optim.Optimizer,
    settings: TrainConfig,
    execution: ExecutionConfig,
    folder: Path,
    title: str,
    seed: int,
    resume_hint: str,
) -> float:
    """Trains `task.module` for `settings.steps` steps, resuming from `folder`/checkpoint when there is one.

    Writes metrics.jsonl and checkpoint/ in `folder`. Returns the seconds of training (resumed parts included).
    Where there are several processes, each computes a share of every batch and the first one writes. Raises
    TrainingError when a loss is not finite, Interrupted after Ctrl-C or SIGTERM, StorageError when the disk refuses.
    """
    training = _Training(task, order, optimizer, settings, execution, folder, seed)
    device = training.device
    task.module.train()
    with (
        _deterministic(device),
        torch.random.fork_rng(devices=[device] if device.type == "cuda" else []),
        _deferred_interrupt() as interrupt,
        _progress(title, settings.steps, training.done) as show,
    ):
        while training.done < settings.steps:
            loss = training.step()
            if loss is not None:
                show(training.done, loss)
            last = training.done == settings.steps
            stop = distributed.all_reduce_any(interrupt.is_set())
            if stop or last or training.done % execution.checkpoint_every == 0:
                training.save()
            if stop and not last:
                raise Interrupted(
                    f"stopped after step {training.done} of {settings.steps}, all saved. Go on with: {resume_hint}"
                )
    task.module.eval()
    return training.log.seconds
