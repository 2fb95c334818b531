"""A table gives the same bits, whichever processes run its stages and however often they were stopped."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from helpers import tiny
from helpers.in_process import in_process
from helpers.own_folder import gestures
from helpers.stopping import stop_in_step
from helpers.two_processes import environment
from jointwise import cli
from jointwise.cli import processes as stages
from jointwise.errors import TrainingError

SYSTEM = "spatial_segments_decoder"
TABLE = ("table", "--data", "own/", "--quick", *tiny.SMALL, "--systems", SYSTEM, "--protocols", "finetune")
# what a table says of how and when it was made, and not of what came of it
HOW = {
    "seconds",
    "seconds_per_epoch",
    "memory_mb",
    "peak_memory_mb",
    "created",
    "command",
    "versions",
    "device",
    "commit",
}


def results(folder: Path) -> dict[str, dict[str, Any]]:
    """Every result file, without how and when it was made."""
    read = {path.name: json.loads(path.read_text()) for path in folder.glob("results/*.json")}
    return {name: {key: value for key, value in result.items() if key not in HOW} for name, result in read.items()}


def scores(folder: Path) -> dict[tuple[str, str], bytes]:
    """The scores of every clip in every result, bit for bit."""
    found = {}
    for path in folder.glob("results/*.npz"):
        with np.load(path) as arrays:
            found |= {(path.name, name): arrays[name].tobytes() for name in arrays.files}
    return found


def weights(folder: Path) -> dict[str, bytes]:
    """The weights and moments of every training, bit for bit."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.glob(f"{SYSTEM}/**/*.safetensors")}


def losses(folder: Path) -> dict[str, list[dict[str, float]]]:
    """The log of every training, without times."""
    return {
        path.parent.name: [
            {key: value for key, value in json.loads(line).items() if key not in HOW}
            for line in path.read_text().splitlines()
        ]
        for path in folder.glob(f"{SYSTEM}/*/metrics.jsonl")
    }


@pytest.mark.slow
def test_a_table_is_the_same_in_one_process_in_two_and_after_stops(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name, value in environment(JOINTWISE_DATA=str(tmp_path / "data")).items():
        monkeypatch.setenv(name, value)
    gestures(Path("own"), ("nod", "wave", "point"), subjects=True)
    two, one, stopped = Path("two"), Path("one"), Path("stopped")
    cli.run([*TABLE, "--jobs", "2", "--run", str(two)])

    monkeypatch.setattr(stages, "start_process", lambda jobs: in_process)
    cli.run([*TABLE, "--run", str(one)])

    for step in (4, 2):  # first the pre-training and the training from scratch are stopped, then the fine-tuning
        with monkeypatch.context() as patch:
            stop_in_step(patch, step)
            with pytest.raises(TrainingError, match="stages failed"):
                cli.run([*TABLE, "--run", str(stopped)])
    cli.run([*TABLE, "--run", str(stopped)])

    assert len(weights(one)) == 6, "the models of three trainings, and where each of them could go on"
    assert len(results(one)) == 2
    for folder in (two, stopped):
        for look in (weights, losses, scores, results):
            assert look(folder) == look(one), f"{folder}: {look.__name__}"
