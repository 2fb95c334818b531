"""The kinds of tables, rendered from result files only: accuracy, costs, findings, completions."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from jointwise.errors import DataError
from jointwise.evaluation.metrics import RANKS, telling_ranks
from jointwise.evaluation.protocols import RECOGNITION
from jointwise.evaluation.results import read_results
from jointwise.report.tables.bench_figures import bench_table
from jointwise.report.tables.completions import FIRST, completions
from jointwise.report.tables.costs import costs
from jointwise.report.tables.findings import findings
from jointwise.report.tables.grouping import Group, Result, group_results, origin_note
from jointwise.report.tables.over_sets import findings_over_sets
from jointwise.report.tables.scratch_steps import scratch_steps
from jointwise.report.tables.text_table import NOTHING, Grid


def accuracy(groups: list[Group]) -> Grid:
    """One row per condition: accuracies averaged over seeds, with 95 % intervals over subjects and seeds.

    Top-5 has a dash where it is 100 % of any answers: with 5 classes or fewer.
    """
    header = ("system", "start", "protocol", "features", "labels", "seeds", *RECOGNITION.values())
    rows = []
    for group in groups:
        condition = group.condition
        cells = []
        for k in RANKS:
            if k not in telling_ranks(len(group.results[0]["classes"])):
                cells.append(NOTHING)
                continue
            mean, low, high = group.accuracy(k)
            cells.append(f"{100 * mean:.1f} ({100 * low:.1f}–{100 * high:.1f})")
        rows.append(
            (
                condition.system,
                condition.start,
                condition.protocol,
                condition.features,
                condition.labels,
                group.count,
                *cells,
            )
        )
    return Grid(header, rows)


class TableKind(NamedTuple):
    """A kind of table.

    Args:
        heading: Above the table, on pages and in terminals.
        make: Groups of results -> the table.
        score: Only results with this score stand in it.
    """

    heading: str
    make: Callable[[list[Group]], Grid]
    score: str = "top1"

    def of(self, results: Iterable[Result], whole: bool = True) -> Grid:
        """The table of some results, with their precision and commit below it; whole: as for `group_results`."""
        groups = group_results(results, whole, self.score)
        grid = self.make(groups)
        caption = " ".join(text for text in (grid.caption, origin_note(groups)) if text)
        return replace(grid, caption=caption) if grid.rows else grid


KINDS: dict[str, TableKind] = {
    "results": TableKind("Accuracy", accuracy),
    "costs": TableKind("Costs", costs),
    "findings": TableKind("Findings of the report", findings),
    "completions": TableKind("Completions", completions, FIRST),
}
_BENCH = "bench"  # a file of `jointwise bench`
_STEPS = "steps"  # what a comparison has chosen, in its folder of results
_SETS = "sets"  # findings over the folders of results in a folder
_PLACE = re.compile(
    rf"(<!-- ({'|'.join([*KINDS, _BENCH, _STEPS, _SETS])}) (\S+) -->\n).*?(<!-- end of \2 -->)", re.DOTALL
)


def tables(results: Iterable[Result], whole: bool = True) -> dict[str, Grid]:
    """All kinds of tables of some results, by the names of KINDS.

    Args:
        results: As `read_results` gives them.
        whole: As for `group_results`.

    Returns:
        The tables; without rows where no result fits.

    Raises:
        DataError: The results do not belong into one table.
    """
    results = list(results)
    return {name: kind.of(results, whole) for name, kind in KINDS.items()}


def render_into(document: Path) -> int:
    """Writes fresh tables into a document, between `<!-- results FOLDER -->` and `<!-- end of results -->`.

    Other KINDS likewise, `steps` for the chosen steps from scratch, `sets` for findings over the folders in FOLDER, and
    `bench` with a file. FOLDER is relative to the
    working directory. Only results on the official test part are shown.

    Args:
        document: A Markdown file.

    Returns:
        How many tables were written.

    Raises:
        DataError: The document is missing, a result is damaged, or results do not belong into one table.
    """

    def fresh(place: re.Match[str]) -> str:
        if place[2] == _BENCH:
            return "\n".join([place[1], bench_table(Path(place[3])), place[4]])
        if place[2] == _STEPS:
            return "\n".join([place[1], scratch_steps(Path(place[3])).to_markdown(), place[4]])
        if place[2] == _SETS:
            return "\n".join([place[1], findings_over_sets(Path(place[3])).to_markdown(), place[4]])
        shown = [result for result in read_results(Path(place[3])) if result["split"]["is_test"]]
        return "\n".join([place[1], KINDS[place[2]].of(shown).to_markdown(), place[4]])

    if not document.is_file():
        raise DataError(f"{document}: no such document to render tables into.")
    text, count = _PLACE.subn(fresh, document.read_text("utf-8"))
    document.write_text(text, "utf-8")
    return count
