"""Commands run by two processes as torchrun would, and trainings compared."""

import json
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from helpers import tiny, worker
from helpers.processes import environment
from jointwise.training.checkpoint import load_tensors

WORKER = Path(worker.__file__)


TRAINING = ("--data", tiny.NAME, "--quick", *tiny.SMALL, "--execution.checkpoint_every", "5")


UNEVEN = ("--pretrain.batch", "7", "--finetune.batch", "7")  # shares of 3 and 4


SEMI = ("--unlabelled", "pseudo", "--semi.steps", "12", "--semi.batch", "9", "--semi.threshold", "0.3")


PLAIN = ("--finetune.dropout", "0", "--finetune.drop_path", "0", "--finetune.average", "0.5")


def pretraining(folder: Path, *options: str, system: str = tiny.SYSTEM) -> list[str]:
    return ["pretrain", system, *TRAINING, *UNEVEN, *options, "--run", str(folder)]


def start_two(file: Path, *data: Path) -> list[str]:
    """Runs the commands of a file in two processes, as torchrun would; returns what each says on stderr.

    data: for each, or for both, where the data are prepared.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    known = environment(WORLD_SIZE="2", MASTER_ADDR="127.0.0.1", MASTER_PORT=port)
    processes = [
        subprocess.Popen(
            [sys.executable, str(WORKER), str(file)],
            env={**known, "RANK": str(rank), "LOCAL_RANK": str(rank), "JOINTWISE_DATA": str(data[rank % len(data)])},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(2)
    ]
    try:
        return [process.communicate(timeout=180)[1] for process in processes]
    finally:
        for process in processes:
            process.kill()  # one that still runs waits for the other, which has failed


def assert_same_training(one: Path, other: Path) -> None:
    expected, found = (load_tensors(run / "model" / "model.safetensors") for run in (one, other))
    assert expected.keys() == found.keys()
    for name in expected:
        torch.testing.assert_close(found[name], expected[name], atol=1e-5, rtol=0, msg=lambda m, n=name: f"{n}: {m}")
    lines, others = (
        [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()] for run in (one, other)
    )
    assert [line["step"] for line in lines] == [line["step"] for line in others] == list(range(1, 13))
    for line, same in zip(lines, others, strict=True):
        kept = (line.keys() & same.keys()) - {"seconds"}  # a resumed epoch has no effective rank
        assert {"loss", "epoch"} < kept
        assert {name: same[name] for name in kept} == pytest.approx({name: line[name] for name in kept}, abs=1e-5)
