"""Tables rendered from result files, and from nothing else: accuracy, costs, findings."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

from jointwise.errors import DataError
from jointwise.evaluation.held_out import loss_parts
from jointwise.evaluation.results import read_results
from jointwise.model.build import part_titles
from jointwise.model.masked_prediction import MaskedPrediction
from jointwise.report.tables.bench_figures import bench_table
from jointwise.report.tables.completions import completions
from jointwise.report.tables.findings import findings
from jointwise.report.tables.grouping import Group, Result, group_results
from jointwise.report.tables.text_table import NOTHING, Grid


def accuracy(groups: list[Group]) -> Grid:
    """One row per way of measuring; seeds averaged, 95 % intervals over subjects and seeds."""
    header = ("system", "start", "protocol", "features", "labels", "seeds", "top-1 %", "top-5 %")
    rows = []
    for group in groups:
        way, scores = group.way, (group.accuracy(k) for k in (1, 5))
        shown = (f"{100 * mean:.1f} ({100 * low:.1f}–{100 * high:.1f})" for mean, low, high in scores)
        rows.append((way.system, way.start, way.protocol, way.features, way.labels, group.count, *shown))
    return Grid(header, rows)


def costs(groups: list[Group]) -> Grid:
    """What each system took, means over seeds and folds: of its fine-tuning with the most labels, else of its encoder.

    Of the memory it is the largest. Rows without an encoder are left out.
    """
    parts = _loss_titles(groups)
    titles = tuple(parts.values())
    header = ("system", "start", "protocol", "labels", *titles, "s / epoch", "MB", "parameters", "GFLOPs")
    chosen: dict[tuple[str, str], Group] = {}
    for group in groups:  # fine-tuning comes first in their order, and its most labels last
        key = (group.way.system, group.way.start)
        if key not in chosen or group.way.protocol == "finetune":
            chosen[key] = group
    rows = []
    for group in sorted(chosen.values(), key=lambda group: group.way.place[-2:]):
        if any(result["parameters"] for result in group.results):
            way = group.way
            losses = (_mean(group.results, "held_out", name, "{:.3f}") for name in parts)
            rows.append(
                (
                    *(way.system, way.start, way.protocol, way.labels, *losses),
                    _stages(group.results, "seconds_per_epoch", _mean, "{:.1f}"),
                    _stages(group.results, "memory_mb", _largest, "{:.0f}"),
                    _parameters(group.results[0]),
                    _mean(group.results, "", "gflops", "{:.3g}"),
                )
            )
    caption = (
        f"{', '.join(titles)}: held-out losses. s / epoch, MB (largest memory): pre-training + fine-tuning. "
        "Parameters: encoder / pre-training / fine-tuning. GFLOPs: forward, per clip. Losses compare only within one "
        "target and mask (MAMP's L_rec is of motion standardised per token, sjepa's L_st a cross-entropy). The seconds "
        "of several jobs share the cores."
    )
    return Grid(header, rows, caption)


def _loss_titles(groups: list[Group]) -> dict[str, str]:
    """Key -> column of each part of the loss: those of masked prediction always, others where a result has them."""
    measured = [key for group in groups for result in group.results for key in loss_parts(result.get("held_out"))]
    keys = dict.fromkeys([*MaskedPrediction.PARTS, *measured])
    return {key: part_titles().get(key, key) for key in keys}


Summary = Callable[[list[Result], str, str, str], str]


def _known(results: list[Result], group: str, name: str) -> list[float]:
    """The values that results know; the loss of a part that a system has not is zero, and tells nothing."""
    values = ((result.get(group) or {} if group else result).get(name) for result in results)
    return [float(value) for value in values if value]


def _mean(results: list[Result], group: str, name: str, form: str) -> str:
    values = _known(results, group, name)
    return form.format(sum(values) / len(values)) if values else NOTHING


def _largest(results: list[Result], group: str, name: str, form: str) -> str:
    return form.format(max(_known(results, group, name), default=0)) if _known(results, group, name) else NOTHING


def _stages(results: list[Result], group: str, summary: Summary, form: str) -> str:
    """Pre-training + fine-tuning; one dash where neither is known."""
    both = [summary(results, group, stage, form) for stage in ("pretrain", "finetune")]
    return " + ".join(both) if set(both) != {NOTHING} else NOTHING


def _parameters(result: Result) -> str:
    counts = [result["parameters"].get(name) for name in ("encoder", "pretrain", "finetune")]
    return " / ".join(f"{count / 1e6:.2f}" if count else NOTHING for count in counts) + " M"


class Kind(NamedTuple):
    """A kind of table: how groups become one, and the score that results must have to stand in it."""

    make: Callable[[list[Group]], Grid]
    score: str = "top1"

    def of(self, results: Iterable[Result], whole: bool = True) -> Grid:
        """The table of some results; whole: as for `group_results`."""
        return self.make(group_results(results, whole, self.score))


KINDS: dict[str, Kind] = {
    "results": Kind(accuracy),
    "costs": Kind(costs),
    "findings": Kind(findings),
    "completions": Kind(completions, "future"),
}
_BENCH = "bench"  # a file of `jointwise bench`
_PLACE = re.compile(rf"(<!-- ({'|'.join([*KINDS, _BENCH])}) (\S+) -->\n).*?(<!-- end of \2 -->)", re.DOTALL)


def tables(results: Iterable[Result], whole: bool = True) -> dict[str, Grid]:
    """All kinds of tables of some results, by the names of KINDS; whole: as for `group_results`."""
    results = list(results)
    return {name: kind.of(results, whole) for name, kind in KINDS.items()}


def render_into(document: Path) -> int:
    """Writes fresh tables between `<!-- results FOLDER -->` and `<!-- end of results -->`; returns how many.

    Other KINDS likewise, and `bench` with a file. FOLDER is relative to the working directory. Only results on the
    official test part are shown.
    """

    def fresh(place: re.Match[str]) -> str:
        if place[2] == _BENCH:
            return "\n".join([place[1], bench_table(Path(place[3])), place[4]])
        shown = [result for result in read_results(Path(place[3])) if result["split"]["is_test"]]
        return "\n".join([place[1], KINDS[place[2]].of(shown).to_markdown(), place[4]])

    if not document.is_file():
        raise DataError(f"{document}: no such document to render tables into.")
    text, count = _PLACE.subn(fresh, document.read_text("utf-8"))
    document.write_text(text, "utf-8")
    return count


if __name__ == "__main__":  # python -m jointwise.report.tables.tables DOCUMENT…
    for name in sys.argv[1:]:
        render_into(Path(name))
