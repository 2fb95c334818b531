"""Ctrl-C in a chosen step."""

import signal
from typing import Any

import pytest

from jointwise.stages.finetune import FinetuneTask
from jointwise.stages.pretrain import PretrainTask
from jointwise.stages.semi import SemiTask


def stop_in_step(monkeypatch: pytest.MonkeyPatch, step: int) -> None:
    for task in (PretrainTask, FinetuneTask, SemiTask):
        real = task.after_step

        def after_step(self: Any, at: int, real: Any = real) -> None:
            real(self, at)
            if at == step:
                signal.raise_signal(signal.SIGINT)

        monkeypatch.setattr(task, "after_step", after_step)
