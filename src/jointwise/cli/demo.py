"""`jointwise demo`: pre-train, fine-tune and report on the embedded data, in a few minutes on two cores."""

from __future__ import annotations

import shutil
from pathlib import Path

from rich.console import Console

from jointwise.cli.choose_config import with_known_names
from jointwise.config.layers import make_config
from jointwise.config.systems import FINAL
from jointwise.data.dataset import load_dataset
from jointwise.data.store.build import ShowProgress
from jointwise.errors import CheckpointError, writing
from jointwise.evaluation.results import read_results
from jointwise.report.page import write_report
from jointwise.report.tables.tables import tables
from jointwise.stages.finetune import finetune
from jointwise.stages.pretrain import pretrain

SYSTEM = FINAL
DATA = "synthetic"
LABELS = "0.1"


def run_demo(folder: Path, seed: int, settings: dict[str, str], progress: ShowProgress) -> Path:
    """Pre-train, fine-tune with 10 % of the labels, train the same encoder from scratch, and write the report.

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
    config = with_known_names(make_config(SYSTEM, DATA, options=settings))
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
    finetune(config, dataset, seed, LABELS, runs["finetune"], pretrained=runs["pretrain"], results=folder / "results")
    finetune(config, dataset, seed, LABELS, runs["scratch"], results=folder / "results")
    results = read_results(folder / "results")
    title = f"jointwise on its embedded data, {float(LABELS):.0%} of the labels"
    report = write_report(folder / "report.html", title, list(runs.values()), [result["path"] for result in results])
    console = Console()
    console.print(tables(results)["results"].to_terminal(title))
    console.print(f"report: {report}", soft_wrap=True)
    return report
