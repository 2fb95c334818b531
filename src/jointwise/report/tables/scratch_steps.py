"""The table of steps from random weights: what was chosen on held-out training subjects, and both scores."""

from __future__ import annotations

from pathlib import Path
from typing import TypedDict

from jointwise.data.label_subset import Labels
from jointwise.report.tables.grouping import labels_amount
from jointwise.report.tables.text_table import Grid
from jointwise.training.checkpoint import read_json

FOLDER = "steps"  # beside results: one file for each system and amount of labels
HEADING = "Steps from scratch"


class Candidate(TypedDict):
    """A number of steps that could be chosen, and its score on held-out subjects."""

    steps: int
    top1: float
    clips: int
    commit: str | None


class Choice(TypedDict):
    """What was chosen for a system and an amount of labels."""

    system: str
    labels: Labels
    scratch_steps: int
    candidates: list[Candidate]
    split: str
    seed: int


def scratch_steps(results: Path) -> Grid:
    """One row per system and amount of labels.

    Args:
        results: Folder of results; a comparison has written its choices into FOLDER there.

    Returns:
        The table; without rows where nothing was chosen.

    Raises:
        CheckpointError: A file is damaged.
    """
    choices = [read_json(path, Choice) for path in sorted((results / FOLDER).glob("*.json"))]
    rows = []
    for choice in sorted(choices, key=lambda choice: (labels_amount(choice["labels"]), choice["system"])):
        scores = [f"{candidate['steps']:,}: {100 * candidate['top1']:.1f}" for candidate in choice["candidates"]]
        rows.append((choice["system"], choice["labels"], f"{choice['scratch_steps']:,}", *scores))
    places = sorted({f"{choice['split']}, seed {choice['seed']}" for choice in choices})
    header = ("system", "labels", "chosen", "fewer: top-1 %", "more: top-1 %")
    caption = f"Chosen on {'; '.join(places)}. Every seed and split has the chosen steps." if choices else ""
    return Grid(header, rows, caption)
