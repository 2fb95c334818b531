"""A process of tests/training/test_distributed.py: knows the tiny data, and runs commands together with the others.

python worker.py FILE: a list of commands, each with how it is to end (see `end_badly`) or null; what came of each
stands in FILE.RANK, and an error of the last one ends the process. Anything else: the command `jointwise` itself, whose
end JOINTWISE_TEST_END says.
"""

import json
import os
import signal
import sys
from collections.abc import Callable
from inspect import signature
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.optim import AdamW

from helpers import tiny
from jointwise.cli import main, run
from jointwise.cli.process_group import process_group
from jointwise.data.datasets import DATASETS
from jointwise.errors import JointwiseError, TrainingError
from jointwise.evaluation import completion as complete
from jointwise.evaluation import features
from jointwise.model.classifier import Classifier
from jointwise.report import page as report
from jointwise.stages import finetune, pretrain
from jointwise.stages.pretrain import PretrainTask
from jointwise.training.batches import Batch

LOSS, TRAIN = PretrainTask.loss, Classifier.train


def ended_badly(what: str, rank: str, step: int) -> Callable[[PretrainTask, Batch], tuple[Tensor, dict[str, Tensor]]]:
    """`PretrainTask.loss`, during whose `step` the process `rank` is ended (kill, term), or whose loss is nan then."""

    def loss(self: PretrainTask, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        value, scalars = LOSS(self, batch)
        again = os.environ.get("TORCHELASTIC_RESTART_COUNT", "0") != "0"
        if (os.environ["RANK"], batch.step) == (rank, step) and not again:
            if what == "nan":
                return value * float("nan"), scalars
            os.kill(os.getpid(), {"kill": signal.SIGKILL, "term": signal.SIGTERM}[what])
        return value, scalars

    return loss


def end_badly(how: str) -> None:
    """how: `kill RANK STEP`, `term RANK STEP` or `nan RANK STEP`."""
    what, rank, step = how.split()
    PretrainTask.loss = ended_badly(what, rank, int(step))  # type: ignore[method-assign]


def frozen_batch_norm(self: Classifier, mode: bool = True) -> Classifier:
    """`Classifier.train` that leaves BatchNorm in evaluation mode: a share of a batch has statistics of its own."""
    TRAIN(self, mode)
    for layer in self.modules():
        if isinstance(layer, nn.BatchNorm1d):
            layer.eval()
    return self


def damp_rounding(patch: Callable[[object, str, object], None]) -> None:
    """Gives AdamW an eps of 1e-5.

    With its own 1e-8, a gradient that is nothing but rounding moves a weight as far as any other gradient does.
    Which rounding it is depends on the number of processes and on the version of torch.
    """
    names = [*signature(AdamW.__init__).parameters]
    defaults = list(AdamW.__init__.__defaults__ or ())
    defaults[names.index("eps") - 2] = 1e-5  # self and params have no default
    patch(AdamW.__init__, "__defaults__", tuple(defaults))


def adapt(patch: Callable[[object, str, object], None]) -> None:
    """What one process and two do alike: BatchNorm frozen, batches of 7 to evaluate, no report."""
    damp_rounding(patch)
    patch(Classifier, "train", frozen_batch_norm)
    patch(features.extract, "__defaults__", ("fp32", 7))
    patch(finetune.class_scores, "__defaults__", (7,))
    patch(complete.completion_errors, "__defaults__", (7,))
    patch(pretrain.held_out_losses, "__defaults__", (7,))
    patch(report, "write_report", lambda path, *_: path)


def run_all(file: Path) -> None:
    """Runs the commands of a file together with the other processes."""
    adapt(setattr)
    outcomes = []
    with process_group():
        for command, end in json.loads(file.read_text()):
            PretrainTask.loss = LOSS  # type: ignore[method-assign]
            if end:
                end_badly(end)
            try:
                run(command)
                outcomes.append("")
            except JointwiseError as error:
                outcomes.append(str(error))
        Path(f"{file}.{os.environ['RANK']}").write_text(json.dumps(outcomes))
        if outcomes[-1]:
            raise TrainingError(outcomes[-1])


if __name__ == "__main__":
    DATASETS[tiny.NAME] = tiny.SOURCE
    torch.set_num_threads(1)
    if len(sys.argv) == 2:
        try:
            run_all(Path(sys.argv[1]))
        except TrainingError as error:
            sys.exit(f"jointwise: {error}")
    else:
        damp_rounding(setattr)
        if "JOINTWISE_TEST_END" in os.environ:
            end_badly(os.environ["JOINTWISE_TEST_END"])
        main()
