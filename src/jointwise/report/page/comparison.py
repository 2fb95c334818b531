"""The page of a comparison: its tables, and the curves of all systems in shared charts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from markupsafe import Markup

from jointwise.config.systems import line_style
from jointwise.data.whole_files import write_text
from jointwise.model.build import part_titles
from jointwise.report.page import charts
from jointwise.report.page.reading import Run, read_run
from jointwise.report.page.runs import STAGE_TITLES, Curve, Panel, collapse_warnings, run_parts, words_of
from jointwise.report.page.scales import short
from jointwise.report.tables.grouping import labels_amount
from jointwise.report.tables.text_table import Grid
from jointwise.report.templates import templates
from jointwise.training.run_folder import read_about

PANELS: dict[str, tuple[Panel, ...]] = {  # by stage; those of the parts of its loss come first
    "pretrain": (
        Panel("Effective rank of the teacher's features", (Curve("effective_rank", ""),), zero=True),
        Panel("Spread of the teacher's features", (Curve("teacher_spread", ""),), zero=True),
    ),
    "finetune": (
        Panel("Training accuracy (%)", (Curve("train_top1", ""),), zero=True, share=True),
        Panel("Training loss", (Curve("loss", ""),), may_be_log=True),
    ),
}


@dataclass(frozen=True)
class StageCharts:
    """The charts of one stage, with one run of each system.

    Args:
        heading: Name of the stage.
        legend: (system, style of its line).
        charts: (title, drawing).
        warnings: Of the collapse watch.
    """

    heading: str
    legend: tuple[tuple[str, str], ...]
    charts: tuple[tuple[str, Markup], ...]
    warnings: tuple[str, ...]


def write_comparison(
    out: Path,
    title: str,
    tables: Mapping[str, Grid],
    runs: Sequence[Path],
    results: Sequence[Mapping[str, Any]],
    note: str = "",
) -> Path:
    """Write the page of a comparison.

    One run of each system and stage is drawn: one that learned from labelled clips only before one with unlabelled
    clips, then a pre-trained one before one from random weights, then the one with the most labels, then the first.

    Args:
        out: Where the page is written; its folder is made.
        title: Title of the page.
        tables: Tables by their headings.
        runs: Run folders, finished or not.
        results: The results in the tables, for their commands and terms of use.
        note: A sentence below the tables.

    Returns:
        `out`.

    Raises:
        StorageError: The page cannot be written.
    """
    page = (
        templates(Path(__file__).parent)
        .get_template("comparison.html")
        .render(
            title=title,
            policy="",  # no script
            note=note,
            tables=[(heading, grid, _numeric(grid)) for heading, grid in tables.items()],
            stages=[charts for stage in PANELS if (charts := draw_stage(stage, _choose_runs(stage, runs)))],
            terms=sorted({(str(result["data"]), str(result["terms"])) for result in results if result["terms"]}),
            intervals=sorted({str(result["interval"]["method"]) for result in results}),
            commands=sorted({(str(result["command"]), str(result["commit"])) for result in results}),
        )
    )
    write_text(out, page)
    return out


def _numeric(grid: Grid) -> list[bool]:
    """Whether each column holds numbers, which are aligned to the right."""
    columns = range(len(grid.header))
    return [all(row[column][:1] in "0123456789+−–" for row in grid.rows) for column in columns]


def _choose_runs(stage: str, runs: Sequence[Path]) -> dict[str, Run]:
    """One run of each system for a stage."""
    best: dict[str, tuple[Path, tuple[bool, bool, tuple[bool, float]]]] = {}
    for folder in runs:
        about = read_about(folder)
        amount = labels_amount(about["labels"]) if about["stage"] == "finetune" else (False, 0.0)
        rank = not about.get("unlabelled"), bool(about.get("pretrained")), amount
        before = best.get(about["system"])
        if about["stage"] == stage and (before is None or rank > before[1]):
            best[about["system"]] = folder, rank
    return {system: read_run(folder) for system, (folder, _) in best.items()}


def draw_stage(stage: str, runs: Mapping[str, Run]) -> StageCharts | None:
    """Draw the curves of all systems in one stage.

    Args:
        stage: A key of PANELS.
        runs: One run of each system.

    Returns:
        The charts; None when nothing was logged.
    """
    panels = part_panels(runs.values()) + list(PANELS[stage])
    charts_of_stage = [(panel.title, drawing) for panel in panels if (drawing := _overlay(panel, runs)) is not None]
    if not charts_of_stage:
        return None
    legend = tuple((system, style(system)) for system in runs)
    warnings = tuple(f"{system}: {words}" for system, run in runs.items() for words in collapse_warnings(run))
    return StageCharts(STAGE_TITLES[stage], legend, tuple(charts_of_stage), warnings)


def part_panels(runs: Iterable[Run]) -> list[Panel]:
    """One panel for each part of the loss that a run has.

    Args:
        runs: Runs of one stage.
    """
    titles = part_titles()
    parts = {key for run in runs for key in run_parts(run)}
    return [
        Panel(f"{words_of(key).capitalize()} loss {titles.get(key, '')}".strip(), (Curve(key, ""),), may_be_log=True)
        for key in [key for key in titles if key in parts] + sorted(parts - set(titles))
    ]


def style(system: str) -> str:
    """The classes of the style sheet for the line of a system."""
    colour, stroke = line_style(system)
    return f"c{colour}" + ("" if stroke == "solid" else f" {stroke}")


def _overlay(panel: Panel, runs: Mapping[str, Run]) -> Markup | None:
    """A panel with one line for each run that logged something other than zeros."""
    lines = []
    values = []
    for system, run in runs.items():
        x, y = run.curve(panel.curves[0].key, "step")
        finite = y[np.isfinite(y)]
        if len(finite) and finite.any():  # a loss that a system does not have is logged as zero
            colour, stroke = line_style(system)
            label = f"{system} (last {short(float(finite[-1]))})"
            lines.append(charts.Line(label, x, y, colour, stroke == "dashed", stroke == "dotted"))
            values += finite.tolist()
    if not lines:
        return None
    axis = charts.value_axis([*values, 1.0] if panel.share else values, panel.zero, panel.may_be_log, panel.share)
    return charts.line_chart(lines, panel.title, "step", axis)
