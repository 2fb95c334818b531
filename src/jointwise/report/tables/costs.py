"""The table of costs: what each system took to train and takes to run."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from jointwise.evaluation.held_out import loss_parts
from jointwise.evaluation.protocols import FINETUNE
from jointwise.model.build import part_titles
from jointwise.report.tables.grouping import Group
from jointwise.report.tables.text_table import NOTHING, Grid
from jointwise.training.costs import STAGES, Costs

CAPTION = (
    "s / epoch, MB (largest memory): pre-training + fine-tuning. Parameters: encoder / pre-training / fine-tuning. "
    "GFLOPs: forward, per clip. The seconds of several jobs share the cores."
)
LOSSES_CAPTION = (
    " {losses}: held-out losses; they compare only within one target and mask (MAMP's L_rec is of motion standardised "
    "per token, sjepa's L_st a cross-entropy)."
)


def costs(groups: list[Group]) -> Grid:
    """One row per system and start: the costs of its fine-tuning with the most labels, else those of its encoder.

    Values are means over seeds and folds; of the memory it is the largest. Rows without an encoder are left out.

    Args:
        groups: In the order of tables.

    Returns:
        The table.
    """
    chosen: dict[tuple[str, str], Group] = {}
    for group in groups:  # fine-tuning comes first in their order, and its most labels last
        key = (group.condition.system, group.condition.start)
        if key not in chosen or group.condition.protocol == FINETUNE:
            chosen[key] = group
    rows = []
    parts = _parts(groups)
    for group in sorted(chosen.values(), key=lambda group: group.condition.rank[-2:]):
        condition = group.condition
        known = [Costs.from_json(result) for result in group.results]
        if not any(costs.parameters for costs in known):
            continue
        losses = [_mean([loss_parts(costs.held_out).get(part) for costs in known], "{:.3f}") for part in parts]
        rows.append(
            (
                condition.system,
                condition.start,
                condition.protocol,
                condition.labels,
                *losses,
                _by_stage([costs.seconds_per_epoch for costs in known], _mean, "{:.1f}"),
                _by_stage([costs.memory_mb for costs in known], _largest, "{:.0f}"),
                _parameters(known[0]),
                _mean([costs.gflops for costs in known], "{:.3g}"),
            )
        )
    titles = part_titles()
    heads = [titles.get(part, part) for part in parts]
    header = ("system", "start", "protocol", "labels", *heads, "s / epoch", "MB", "parameters", "GFLOPs")
    caption = CAPTION + (LOSSES_CAPTION.format(losses=", ".join(heads)) if heads else "")
    return Grid(header, rows, caption)


def _parts(groups: list[Group]) -> list[str]:
    """The parts of held-out losses that a result has, in the order of the registry of objectives."""
    measured = [part for group in groups for result in group.results for part in loss_parts(result.get("held_out"))]
    order = list(part_titles())
    return sorted(dict.fromkeys(measured), key=lambda part: order.index(part) if part in order else len(order))


def _known(values: Sequence[float | None]) -> list[float]:
    """Values that results have; the loss of a part that a system lacks is zero there, and is left out."""
    return [float(value) for value in values if value]


def _mean(values: Sequence[float | None], form: str) -> str:
    known = _known(values)
    return form.format(sum(known) / len(known)) if known else NOTHING


def _largest(values: Sequence[float | None], form: str) -> str:
    known = _known(values)
    return form.format(max(known)) if known else NOTHING


def _by_stage(
    values: Sequence[dict[str, float]], summary: Callable[[Sequence[float | None], str], str], form: str
) -> str:
    """Pre-training + fine-tuning; one dash where neither is known."""
    texts = [summary([value.get(stage) for value in values], form) for stage in STAGES]
    return " + ".join(texts) if set(texts) != {NOTHING} else NOTHING


def _parameters(costs: Costs) -> str:
    counts = [costs.parameters.get(name) for name in ("encoder", *STAGES)]
    return " / ".join(f"{count / 1e6:.2f}" if count else NOTHING for count in counts) + " M"
