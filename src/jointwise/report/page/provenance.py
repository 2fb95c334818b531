"""Where runs and results come from: commands, versions, devices, splits and settings, as the page prints them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import yaml

from jointwise.report.page.reading import Facts, Result, Run
from jointwise.report.page.scales import NOTHING, PER_CENT, count, short


@dataclass(frozen=True)
class Origin:
    """Named facts about where a file comes from, the command that made it, and its settings as YAML."""

    name: str
    facts: tuple[tuple[str, str], ...]
    command: str
    config: str


def run_origin(run: Run) -> Origin:
    """Where a run comes from."""
    return Origin(f"Run {run.name}", _common(run.facts), run.facts.text("command") or "", run.config)


def result_origin(result: Result) -> Origin:
    """Where a result comes from; its split with the hashes of the clips in each part."""
    facts, split, steps = result.facts, result.facts.within("split"), result.facts.within("steps")
    parts = (
        (part, f"{count(split.number(part))} clips, sha256 {split.text(f'{part}_sha256') or NOTHING}")
        for part in ("train", "test", "labelled")
    )
    done = (f"{stage} {count(steps.number(stage))}" for stage in ("pretrain", "finetune") if steps.number(stage))
    shown = (
        *_common(facts),
        ("data", facts.text("data") or NOTHING),
        ("data fingerprint", facts.text("data_fingerprint") or NOTHING),
        ("split", split.text("name") or NOTHING),
        *parts,
        ("steps", ", ".join(done) or NOTHING),
        ("created", facts.text("created") or NOTHING),
    )
    config = facts.within("config").values
    text = yaml.safe_dump(config, sort_keys=False, allow_unicode=True).strip() if config else ""
    return Origin(f"Result {result.name}", shown, facts.text("command") or "", text)


def _common(facts: Facts) -> tuple[tuple[str, str], ...]:
    versions = facts.within("versions").values
    return (
        ("commit", facts.text("commit") or NOTHING),
        ("versions", ", ".join(f"{name} {version}" for name, version in versions.items()) or NOTHING),
        ("device", device(facts) or NOTHING),
    )


def device(facts: Facts) -> str | None:
    """What it ran on, and in which precision."""
    return ", ".join(text for key in ("device", "precision") if (text := facts.text(key))) or None


def parameters(facts: Facts) -> tuple[str, str, str]:
    """How many parameters the encoder, the pre-training model and the fine-tuned model have."""
    counts = facts.within("parameters")
    return short(counts.number("encoder")), short(counts.number("pretrain")), short(counts.number("finetune"))


def labels_in_words(labels: str | None) -> str:
    """How many labels were used: a share of the training set, or clips of each class.

    >>> labels_in_words("5shot")
    '5 per class'
    """
    if labels is None:
        return NOTHING
    if labels.endswith("shot"):
        return f"{labels.removesuffix('shot')} per class"
    try:
        return f"{100 * float(labels):g}{PER_CENT}"
    except ValueError:
        return labels


def stated(facts: Mapping[str, str | None]) -> tuple[tuple[str, str], ...]:
    """The facts that are known."""
    return tuple((name, text) for name, text in facts.items() if text and text != NOTHING)
