"""The table of costs: what each system took to train and takes to run."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from jointwise.errors import DataError
from jointwise.evaluation.held_out import loss_parts
from jointwise.model.build import part_titles
from jointwise.report.tables.grouping import Group, Result
from jointwise.report.tables.text_table import NOTHING, Grid
from jointwise.training.costs import FINETUNE, PRETRAIN, STAGES, Costs

CAPTION = (
    "steps, s / epoch, MB (largest memory): pre-training + training with labels; minutes: of both. Parameters: "
    "encoder / pre-training / with labels. GFLOPs: forward, per clip. The times of several jobs share the cores."
)
LOSSES_CAPTION = (
    " {losses}: losses on held-out training clips; they compare only within one target and mask (MAMP's L_rec is of "
    "motion standardised per token, sjepa's L_st a cross-entropy)."
)


def costs(groups: list[Group]) -> Grid:
    """One row per training with labels: system, start, protocol, labels; frozen features have one row for an encoder.

    Such a row is left out where the encoder stands in a row of a training with labels. Values are means over seeds and
    folds; of the memory it is the largest. Rows without an encoder are left out.

    Args:
        groups: In the order of tables.

    Returns:
        The table.
    """
    parts = _parts(groups)
    rows = [_row(group, parts) for group in _chosen(groups)]
    titles = part_titles()
    heads = [titles.get(part, part) for part in parts]
    measured = ("steps", "minutes", "s / epoch", "MB", "parameters", "GFLOPs")
    header = ("system", "start", "protocol", "labels", *heads, *measured)
    caption = CAPTION + (LOSSES_CAPTION.format(losses=", ".join(heads)) if heads else "")
    return Grid(header, rows, caption, pages_only=("s / epoch",))


def _chosen(groups: list[Group]) -> list[Group]:
    """The groups that have a row: every training with labels, then encoders that are in none of these."""
    trained = [group for group in groups if any(FINETUNE in _costs(result).steps for result in group.results)]
    encoders = {(group.condition.system, group.condition.start) for group in trained}
    frozen: dict[tuple[str, str], Group] = {}
    for group in groups:
        key = (group.condition.system, group.condition.start)
        if key not in encoders and any(_costs(result).parameters for result in group.results):
            frozen[key] = group
    return trained + sorted(frozen.values(), key=lambda group: group.condition.rank[-2:])


def _row(group: Group, parts: list[str]) -> tuple[str, ...]:
    condition = group.condition
    known = [_costs(result) for result in group.results]
    losses = [_mean([loss_parts(costs.held_out).get(part) for costs in known], "{:.3f}") for part in parts]
    minutes = [_minutes(result, costs) for result, costs in zip(group.results, known, strict=True)]
    return (
        condition.system,
        condition.start,
        condition.protocol,
        condition.labels,
        *losses,
        _by_stage([costs.steps for costs in known], _range, "{:,.0f}"),
        _mean(minutes, "{:.1f}"),
        _by_stage([costs.seconds_per_epoch for costs in known], _mean, "{:.1f}"),
        _by_stage([costs.memory_mb for costs in known], _largest, "{:.0f}"),
        _parameters(known[0]),
        _mean([costs.gflops for costs in known], "{:.3g}"),
    )


def _costs(result: Result) -> Costs:
    return Costs.from_json(result, str(result["path"]), DataError)


def _minutes(result: Result, costs: Costs) -> float | None:
    """Minutes of training of all stages; None where those of a stage are not known.

    Older results have seconds per epoch only. Their epochs are counted from steps, batch and clips.
    """
    seconds = dict(costs.seconds)
    split, config = result["split"], result["config"]
    labelled = config["scratch" if result["initialisation"] == "scratch" else FINETUNE]
    clips_of = {FINETUNE: (labelled["batch"], split["labelled"])}
    if result.get("pretrained_on") in (None, result["data"]):
        clips_of[PRETRAIN] = (config[PRETRAIN]["batch"], split["train"])
    for stage, (batch, clips) in clips_of.items():
        if clips and stage in costs.steps and stage in costs.seconds_per_epoch:
            epochs = costs.steps[stage] * min(batch, clips) / clips
            seconds.setdefault(stage, costs.seconds_per_epoch[stage] * epochs)
    if not costs.steps or not set(costs.steps) <= set(seconds):
        return None
    return sum(seconds[stage] for stage in costs.steps) / 60


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


def _range(values: Sequence[float | None], form: str) -> str:
    """The value that all have; the smallest and the largest where they differ."""
    known = sorted(set(_known(values)))
    return "–".join(form.format(value) for value in dict.fromkeys((known[0], known[-1]))) if known else NOTHING


def _largest(values: Sequence[float | None], form: str) -> str:
    known = _known(values)
    return form.format(max(known)) if known else NOTHING


def _by_stage(
    values: Sequence[Mapping[str, float]], summary: Callable[[Sequence[float | None], str], str], form: str
) -> str:
    """Pre-training + fine-tuning; one dash where neither is known."""
    texts = [summary([value.get(stage) for value in values], form) for stage in STAGES]
    return " + ".join(texts) if set(texts) != {NOTHING} else NOTHING


def _parameters(costs: Costs) -> str:
    counts = [costs.parameters.get(name) for name in ("encoder", *STAGES)]
    return " / ".join(f"{count / 1e6:.2f}" if count else NOTHING for count in counts) + " M"
