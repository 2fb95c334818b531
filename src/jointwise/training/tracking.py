"""Trackers: where a training shows its log while it runs, beside metrics.jsonl."""

from __future__ import annotations

import importlib.util
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from jointwise.config.layers import leaves
from jointwise.data.typed_files import read_as
from jointwise.errors import CheckpointError, ConfigError, JointwiseWarning, unknown
from jointwise.training import distributed
from jointwise.training.checkpoint import read_json, write_json

OFF = "none"  # the value of execution.track without a tracker
IDS = "trackers.json"  # of a run folder: tracker -> its name for the run, under which a resumed run goes on

Line = dict[str, float]  # of metrics.jsonl
Track = Callable[[Line], None]


class Tracker(Protocol):
    """A tracker that has a run open."""

    def log(self, line: Line) -> None:
        """Shows a line of the log, at its step."""
        ...

    def close(self, finished: bool) -> None:
        """Ends; finished: whether the training did all its steps."""
        ...


class TensorBoard:
    """Curves in the run folder, which `tensorboard --logdir runs` shows.

    Args:
        folder: The run folder.
        step: Steps done. What an earlier part of the run logged after them is hidden.
    """

    def __init__(self, folder: Path, step: int) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self._writer: Any = SummaryWriter(folder / "tensorboard", purge_step=step + 1)

    def log(self, line: Line) -> None:
        """Adds a point to each curve."""
        for name, value in _metrics(line).items():
            self._writer.add_scalar(name, value, int(line["step"]))
        self._writer.flush()

    def close(self, finished: bool) -> None:
        """Closes the file."""
        self._writer.close()


class WeightsAndBiases:
    """A run of Weights & Biases. Its own variables say where: WANDB_PROJECT, WANDB_MODE and others.

    Args:
        folder: The run folder, whose path is the name of the run.
        step: Steps done; not needed, W&B ignores lines of steps that it has.
    """

    def __init__(self, folder: Path, step: int) -> None:
        import wandb

        known = _id_of(folder, "wandb")
        self._run: Any = wandb.init(
            id=known, resume="allow", name=str(folder), dir=str(folder), config=_facts(folder) if not known else None
        )
        _keep_id(folder, "wandb", self._run.id)

    def log(self, line: Line) -> None:
        """Sends the values of a step."""
        self._run.log(_metrics(line), step=int(line["step"]))

    def close(self, finished: bool) -> None:
        """Sends the rest, and marks the run as finished or not."""
        self._run.finish(exit_code=0 if finished else 1)


class MLflow:
    """A run of MLflow. Its own variables say where: MLFLOW_TRACKING_URI, MLFLOW_EXPERIMENT_NAME and others.

    Args:
        folder: The run folder, whose path is the name of the run.
        step: Steps done; not needed, MLflow keeps what comes twice.
    """

    def __init__(self, folder: Path, step: int) -> None:
        import mlflow

        self._mlflow: Any = mlflow
        known = _id_of(folder, "mlflow")
        run = mlflow.start_run(run_id=known) if known else mlflow.start_run(run_name=str(folder))
        _keep_id(folder, "mlflow", run.info.run_id)
        if not known:
            mlflow.log_params(_facts(folder))

    def log(self, line: Line) -> None:
        """Sends the values of a step."""
        self._mlflow.log_metrics(_metrics(line), step=int(line["step"]))

    def close(self, finished: bool) -> None:
        """Ends the run, as finished or as stopped."""
        self._mlflow.end_run("FINISHED" if finished else "KILLED")


TRACKERS: dict[str, Callable[[Path, int], Tracker]] = {
    "tensorboard": TensorBoard,
    "wandb": WeightsAndBiases,
    "mlflow": MLflow,
}  # each is the name of the package, too


def check_tracker(name: str) -> None:
    """Checks that a tracker is known and its package is installed.

    Args:
        name: The value of execution.track.

    Raises:
        ConfigError: It is not.
    """
    if name == OFF:
        return
    if name not in TRACKERS:
        raise ConfigError(unknown("value of execution.track", name, [*TRACKERS, OFF]))
    if importlib.util.find_spec(name) is None:
        raise ConfigError(f"--track {name}: the package {name} is not installed. Install it: pip install {name}")


@contextmanager
def tracking(name: str, folder: Path, step: int) -> Iterator[Track]:
    """Passes lines of the log on to a tracker in the block; a tracker that fails ends with a warning, never a training.

    Of several processes the main one has the tracker.

    Args:
        name: The value of execution.track.
        folder: The run folder.
        step: Steps done before the block.

    Yields:
        The function that takes each line.

    Raises:
        ConfigError: The tracker is unknown or not installed.
    """
    check_tracker(name)
    guarded = _Guarded(name, folder, step) if name != OFF and distributed.is_main_process() else None
    if guarded is None:
        yield lambda _line: None
        return
    finished = False
    try:
        yield guarded.log
        finished = True
    finally:
        guarded.close(finished)


class _Guarded:
    """A tracker that is given up when it fails, with a warning."""

    def __init__(self, name: str, folder: Path, step: int) -> None:
        self._name = name
        self._tracker: Tracker | None = None
        self._attempt(lambda: setattr(self, "_tracker", TRACKERS[name](folder, step)))

    def log(self, line: Line) -> None:
        if self._tracker is not None:
            self._attempt(lambda tracker=self._tracker: tracker.log(line))  # type: ignore[misc]

    def close(self, finished: bool) -> None:
        if self._tracker is not None:
            self._attempt(lambda tracker=self._tracker: tracker.close(finished))  # type: ignore[misc]

    def _attempt(self, action: Callable[[], None]) -> None:
        try:
            action()
        except Exception as error:  # whatever a service of others raises: the training is worth more
            self._tracker = None
            warnings.warn(
                f"{self._name} failed ({error or type(error).__name__}), so nothing more is tracked there. The "
                "training goes on; its log is in metrics.jsonl.",
                JointwiseWarning,
                stacklevel=2,
            )


def _metrics(line: Line) -> Line:
    return {name: value for name, value in line.items() if name != "step"}


def _facts(folder: Path) -> dict[str, Any]:
    """All settings of a run by dotted name, and what it is about."""
    settings = read_as(folder / "config.yaml", dict[str, Any], CheckpointError, "Copy the run again.")
    return dict(leaves(settings)) | read_json(folder / "about.json", dict[str, Any])


def _id_of(folder: Path, name: str) -> str | None:
    """What a tracker called this run when it was begun; None: it did not know it."""
    return read_json(folder / IDS, dict[str, str]).get(name) if (folder / IDS).is_file() else None


def _keep_id(folder: Path, name: str, identity: str) -> None:
    known = read_json(folder / IDS, dict[str, str]) if (folder / IDS).is_file() else {}
    write_json(folder / IDS, known | {name: identity})
