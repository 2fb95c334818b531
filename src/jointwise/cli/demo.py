"""`jointwise demo`: pre-train, fine-tune and report on the embedded data, in a few minutes on two cores."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from rich.console import Console

from jointwise.cli.choose_config import with_known_names
from jointwise.config.layers import make_config
from jointwise.config.systems import RECOMMENDED
from jointwise.data.dataset import load_dataset
from jointwise.data.store.build import ShowProgress
from jointwise.errors import CheckpointError, writing
from jointwise.evaluation.references import in_words
from jointwise.evaluation.results import read_results
from jointwise.report.page import write_report
from jointwise.report.tables.tables import tables
from jointwise.stages.finetune import finetune
from jointwise.stages.pretrain import pretrain
from jointwise.training.checkpoint import read_json

SYSTEM = RECOMMENDED
DATA = "synthetic"
SHOTS = 2  # labelled clips of each class
SIZES = {"clip.segment": "4"}  # clips of 16 frames have two segments of 8 only


def run_demo(folder: Path, seed: int, settings: dict[str, str], progress: ShowProgress) -> Path:
    """Pre-train, fine-tune with few labels, train the same from random weights, and write the report.

    Args:
        folder: Folder of the runs. An earlier demo there is replaced.
        seed: Seed of all three trainings.
        settings: Settings by name, over those of the demo.
        progress: Shows progress while the data are prepared.

    Returns:
        Path of the report.

    Raises:
        CheckpointError: The folder holds something that is not a demo.
    """
    config = with_known_names(make_config(SYSTEM, DATA, options=SIZES | settings))
    marker = folder / "demo"
    if folder.exists() and not marker.is_file() and (folder.is_file() or any(folder.iterdir())):
        raise CheckpointError(f"{folder}: holds something that is not a demo. Name another folder with --run.")
    with writing(folder):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        marker.write_text("made by: jointwise demo; replaced by the next one\n")
    dataset = load_dataset(DATA, progress=progress)
    runs = {name: folder / name for name in ("pretrain", "finetune", "scratch")}
    pretrain(config, dataset, seed, runs["pretrain"])
    scored = folder / "results"
    labels = f"{SHOTS}shot"
    few = finetune(config, dataset, seed, labels, runs["finetune"], runs["pretrain"], results=scored)
    scratch = finetune(config, dataset, seed, labels, runs["scratch"], results=scored)
    results = read_results(scored)
    title = f"jointwise on its embedded data, {SHOTS} labelled clips of each class"
    report = write_report(folder / "report.html", title, list(runs.values()), [result["path"] for result in results])
    console = Console()
    console.print(tables(results)["results"].to_terminal(title))
    console.print(
        what_it_brought(read_json(few, dict[str, Any]), read_json(scratch, dict[str, Any])),
        soft_wrap=True,
        highlight=False,
    )
    console.print(f"report: {report}", soft_wrap=True)
    return report


def what_it_brought(pretrained: dict[str, Any], scratch: dict[str, Any]) -> str:
    """One line: what pre-training brought.

    Args:
        pretrained: Result of the encoder that was pre-trained.
        scratch: Result of the same training from random weights.

    Returns:
        Both accuracies, their difference in points, how many clips had a label, and what needs no training.
    """
    after, before = (100 * result["scores"]["top1"] for result in (pretrained, scratch))
    split = pretrained["split"]
    beside = f" Beside it: {in_words(pretrained['references'])}." if "references" in pretrained else ""
    return (
        f"Pre-training brought {after - before:+.1f} points: {after:.1f} % of {pretrained['n']} test clips against "
        f"{before:.1f} % from random weights, with {split['labelled']} of {split['train']} training clips labelled."
        + beside
    )
