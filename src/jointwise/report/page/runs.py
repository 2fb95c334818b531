"""Runs as the page shows them: curves, facts, and a warning when the features collapsed."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup

from jointwise.evaluation.collapse import collapse_warning
from jointwise.evaluation.held_out import loss_parts
from jointwise.evaluation.protocols import frozen_protocols, protocol_title
from jointwise.model.build import part_titles
from jointwise.report.page import charts
from jointwise.report.page.provenance import Origin, device, known_facts, labels_in_words, parameters, run_origin
from jointwise.report.page.reading import Facts, Run
from jointwise.report.page.scales import NOTHING, count, duration_or_nothing, percent, short

STAGE_TITLES = {"pretrain": "Pre-training", "finetune": "Fine-tuning", "import": "Import"}


@dataclass(frozen=True)
class Curve:
    """One metric of a panel.

    Args:
        key: Its key in metrics.jsonl.
        name: Its name in the legend.
        colour: Number in the style sheet's palette, 1 to 7.
        dashed: Whether the line is dashed.
    """

    key: str
    name: str
    colour: int = 1
    dashed: bool = False


@dataclass(frozen=True)
class Panel:
    """Metrics drawn into one chart; the panel is left out when the run has none of them.

    Args:
        title: Title of the chart.
        curves: Its metrics.
        zero: Whether zero is on the vertical axis.
        may_be_log: Whether the vertical axis may be logarithmic.
        share: Whether the values are shares in [0, 1], shown as percentages.
    """

    title: str
    curves: tuple[Curve, ...]
    zero: bool = False
    may_be_log: bool = False
    share: bool = False


PANELS = (  # below the one of the loss
    Panel(
        "Accuracy (%)",
        (Curve("train_top1", "training", 1),),
        zero=True,
        share=True,
    ),
    Panel(
        "Frozen features on held-out subjects, accuracy (%)",
        tuple(Curve(name, protocol_title(name), place) for place, name in enumerate(frozen_protocols(), 1)),
        zero=True,
        share=True,
    ),
    Panel(
        "Spread of the features",
        (Curve("teacher_spread", "teacher", 1),),
        zero=True,
    ),
    Panel("Effective rank", (Curve("effective_rank", "teacher", 1),), zero=True),
    Panel("Learning rate", (Curve("learning_rate", "learning rate", 4),), zero=True),
    Panel("EMA momentum", (Curve("ema_momentum", "momentum", 4),)),
)


def loss_panel(parts: Iterable[str]) -> Panel:
    """The panel of the loss and its parts; colours 2 to 4 take turns, dashed from the fourth part on.

    Args:
        parts: Keys of the parts in metrics.jsonl.
    """
    curves = [Curve(key, words_of(key), 2 + place % 3, place >= 3) for place, key in enumerate(parts)]
    return Panel("Loss", (Curve("loss", "total", 1), *curves), may_be_log=True)


def run_parts(run: Run) -> list[str]:
    """Keys of the parts of the loss that a run has logged or measured at its end, those of known objectives first.

    Args:
        run: A run, finished or not.
    """
    measured = loss_parts(run.facts.within("held_out").values)
    logged = {key for record in run.records for key in record}
    return [key for key in dict.fromkeys([*part_titles(), *measured]) if key in logged or key in measured]


def words_of(key: str) -> str:
    """The key of a part as it stands in a sentence.

    >>> words_of("mean_position")
    'mean position'
    """
    return key.replace("_", " ")


@dataclass(frozen=True)
class LegendEntry:
    """One entry of the legend of a chart.

    Args:
        label: Name of the curve.
        last: Its last value, as text.
        colour: Number in the style sheet's palette.
        dashed: Whether the line is dashed.
    """

    label: str
    last: str
    colour: int
    dashed: bool


@dataclass(frozen=True)
class Chart:
    """A drawn panel.

    Args:
        title: Its title.
        drawing: An `<svg>` element.
        legend: One entry for each curve.
        single: Whether the panel has only one curve, which the title names.
    """

    title: str
    drawing: Markup
    legend: tuple[LegendEntry, ...]
    single: bool


@dataclass(frozen=True)
class RunView:
    """A run as the page prints it.

    Args:
        heading: Stage, system and data.
        facts: (name, text) pairs.
        warnings: Of the collapse watch.
        charts: Drawn panels.
        origin: Provenance.
        mixture: What a row of the table of a pool's sets says, one row for each set.
    """

    heading: str
    facts: tuple[tuple[str, str], ...]
    warnings: tuple[str, ...]
    charts: tuple[Chart, ...]
    origin: Origin
    mixture: tuple[tuple[str, ...], ...] = ()


def view_run(run: Run) -> RunView:
    """A run as the page prints it.

    Args:
        run: A run, finished or not.
    """
    facts = run.facts
    stage = facts.text("stage")
    words = (STAGE_TITLES.get(stage or "", stage), facts.text("system"), facts.text("data"))
    encoder, pretrain, finetune = parameters(facts)
    parts = run_parts(run)
    held_out = facts.within("held_out")
    measured = [key for key in parts if key in loss_parts(held_out.values)]
    shown = {
        "seed": facts.text("seed"),
        "labels": None if stage == "pretrain" else labels_in_words(facts.text("labels")),
        "unlabelled clips": facts.text("unlabelled"),
        "epochs": short(run.last("epoch")),
        "steps": count(facts.number("steps") or run.last("step")),
        "time": duration_or_nothing(run.last("seconds")),
        "time per epoch": duration_or_nothing(facts.number("seconds_per_epoch")),
        **{f"held-out {words_of(key)} loss": short(held_out.number(key)) for key in measured},
        "device": device(facts),
        "encoder parameters": encoder,
        "all parameters": finetune if stage == "finetune" else pretrain,
    }
    along = "epoch" if all(math.isfinite(record.get("epoch", math.nan)) for record in run.records) else "step"
    drawn = (draw_panel(panel, run, along) for panel in (loss_panel(parts), *PANELS))
    return RunView(
        "\u00a0· ".join(word for word in words if word) or run.name,
        known_facts(shown),
        collapse_warnings(run),
        tuple(chart for chart in drawn if chart is not None),
        run_origin(run),
        tuple(_member_row(member) for member in facts.objects("mixture")),
    )


def _member_row(member: Facts) -> tuple[str, ...]:
    """A set of a pool: its name, share of an epoch, weight, sequences, hours and split."""
    return (
        member.text("data") or NOTHING,
        percent(member.number("share")),
        short(member.number("weight")),
        count(member.number("sequences")),
        short(member.number("hours")),
        member.text("split") or NOTHING,
    )


def collapse_warnings(run: Run) -> tuple[str, ...]:
    """Warnings of the collapse watch, by the same rule as during the training."""
    finite = [{key: value for key, value in record.items() if math.isfinite(value)} for record in run.records]
    warning = collapse_warning(finite)
    return (f"{warning[:1].upper()}{warning[1:]}.",) if warning else ()


def draw_panel(panel: Panel, run: Run, along: str) -> Chart | None:
    """Draw one panel of a run.

    Args:
        panel: Which metrics.
        run: Where they were logged.
        along: `epoch` or `step`: the horizontal axis.

    Returns:
        The chart; None when the run logged none of the metrics.
    """
    lines = []
    legend = []
    values = []
    for curve in panel.curves:
        x, y = run.curve(curve.key, along)
        finite = y[np.isfinite(y)].tolist()
        if finite:
            lines.append(charts.Line(curve.name, x, y, curve.colour, curve.dashed))
            last = percent(finite[-1]) if panel.share else short(finite[-1])
            legend.append(LegendEntry(curve.name, last, curve.colour, curve.dashed))
            values += finite
    if not lines:
        return None
    axis = charts.value_axis([*values, 1.0] if panel.share else values, panel.zero, panel.may_be_log, panel.share)
    title = panel.title + (", log scale" if axis.log else "")
    return Chart(title, charts.line_chart(lines, title, along, axis), tuple(legend), len(panel.curves) == 1)
