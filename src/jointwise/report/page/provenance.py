"""The provenance of runs and results as the page prints it: commands, versions, devices, splits and settings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import yaml

from jointwise.report.page.reading import Facts, Result, Run
from jointwise.report.page.scales import NOTHING, PER_CENT, count, short


@dataclass(frozen=True)
class Origin:
    """Where a run or a result comes from.

    Args:
        name: Heading.
        facts: (name, text) pairs.
        command: The command that made it; empty if unknown.
        config: Its settings as YAML; empty if unknown.
    """

    name: str
    facts: tuple[tuple[str, str], ...]
    command: str
    config: str


def run_origin(run: Run) -> Origin:
    """The provenance of a run."""
    return Origin(f"Run {run.name}", _common(run.facts), run.facts.text("command") or "", run.config)


def result_origin(result: Result) -> Origin:
    """The provenance of a result, with the hashes of the clips in each part of its split."""
    facts = result.facts
    split = facts.within("split")
    steps = facts.within("steps")
    parts = (
        (part, f"{count(split.number(part))} clips, sha256 {split.text(f'{part}_sha256') or NOTHING}")
        for part in ("train", "test", "labelled")
    )
    trained = (f"{stage} {count(steps.number(stage))}" for stage in ("pretrain", "finetune") if steps.number(stage))
    shown = (
        *_common(facts),
        ("data", facts.text("data") or NOTHING),
        ("data fingerprint", facts.text("data_fingerprint") or NOTHING),
        ("split", split.text("name") or NOTHING),
        *parts,
        ("steps", ", ".join(trained) or NOTHING),
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
    """Device and precision of a run or a result; None if neither is known."""
    return ", ".join(text for key in ("device", "precision") if (text := facts.text(key))) or None


def parameters(facts: Facts) -> tuple[str, str, str]:
    """Numbers of parameters: of the encoder, of the pre-training model, of the fine-tuned model."""
    counts = facts.within("parameters")
    return short(counts.number("encoder")), short(counts.number("pretrain")), short(counts.number("finetune"))


def labels_in_words(labels: str | None) -> str:
    """The amount of labels in words: a share of the training set, or clips of each class.

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


def known_facts(facts: Mapping[str, str | None]) -> tuple[tuple[str, str], ...]:
    """The facts that have a text, as (name, text) pairs."""
    return tuple((name, text) for name, text in facts.items() if text and text != NOTHING)
