"""The card of a model for the Hugging Face hub: what it is, data and terms, scores, limits, how it was made."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from jinja2 import Environment, FileSystemLoader, StrictUndefined

import jointwise
from jointwise.config.recipes import QUICK_NOTE
from jointwise.evaluation.held_out import loss_parts
from jointwise.evaluation.references import TITLES, warning_of
from jointwise.training.costs import STAGES
from jointwise.training.model_card import ModelCard

UNKNOWN = "own data, terms unknown to jointwise: **fill in**"
_TASK = "action-recognition"
_TEMPLATE = Path(__file__).with_name("hub_card.md")
_NONE = "–"

# Terms that let weights be given away under a licence of one's own, and words that take it back.
_PERMISSIVE = re.compile(r"\b(free|public domain|MIT|BSD|Apache|ISC|PDDL|CC0|CC[ -]BY)\b")
_RESTRICTED = re.compile(r"research|commercial|redistribut|ShareAlike|GPL|\b(NC|ND|SA)\b", re.IGNORECASE)
_RESEARCH = re.compile(r"research|commercial|\bNC\b", re.IGNORECASE)


def licence_of(sources: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """The licence fields of a card: Apache-2.0 only where the terms of all data are known and allow it.

    Args:
        sources: As `ModelCard.all_sources` gives them.

    Returns:
        `license`; beside `other` also `license_name`.

    >>> licence_of([{"data": "a", "terms": "MIT"}])
    {'license': 'apache-2.0'}
    >>> licence_of([{"data": "a", "terms": "MIT"}, {"data": "b", "terms": ""}])
    {'license': 'other', 'license_name': 'terms-to-be-filled-in'}
    """
    terms = [source["terms"] for source in sources]
    if any(_RESEARCH.search(text) for text in terms):
        return {"license": "other", "license_name": "research-use-only"}
    if not all(terms):
        return {"license": "other", "license_name": "terms-to-be-filled-in"}
    if all(_PERMISSIVE.search(text) and not _RESTRICTED.search(text) for text in terms):
        return {"license": "apache-2.0"}
    return {"license": "other", "license_name": "terms-of-the-data"}


def _about_licence(sources: Sequence[Mapping[str, Any]]) -> str:
    """The licence in words."""
    unknown = [source["data"] for source in sources if not source["terms"]]
    missing = f" **Fill in** the terms of {', '.join(unknown)}: they decide who may use the model." if unknown else ""
    name = licence_of(sources).get("license_name")
    if name is None:
        return "Apache-2.0. The terms of the data allow it; what they ask for, such as naming their authors, holds."
    if name == "research-use-only":
        return f"Research use only, as the terms of the data above say.{missing}"
    return missing.strip() or "The terms of the data above hold."


def write_card(card: ModelCard, repository: str, made: Mapping[str, Any], results: Sequence[Mapping[str, Any]]) -> str:
    """The text of README.md.

    Args:
        card: Of the model.
        repository: `owner/name` that it will have.
        made: The run.json of its training; empty where there is none.
        results: Results of the model that name classes, as `read_results` gives them.

    Returns:
        Markdown after YAML.
    """
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATE.parent), undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["cell"] = _cell
    sources = card.all_sources()
    blank = {"sequences": None, "subjects": None}
    return environment.get_template(_TEMPLATE.name).render(
        front=yaml.safe_dump(_front(card, repository, results), sort_keys=False, allow_unicode=True, width=110),
        title=_title(card),
        summary=_summary(card),
        version=jointwise.__version__,
        repository=repository,
        classes=[f"`{name}`" for name in card.classes],
        coordinates=card.coordinates,
        command_line=f"jointwise predict hf://{repository} wave.npz"
        if card.classes
        else f"jointwise evaluate hf://{repository} --protocol knn --data gestures/",
        takes=_takes(card),
        sources=[blank | source for source in sources],
        UNKNOWN=UNKNOWN,
        mixture=card.mixture,
        licence=_about_licence(sources),
        scores=[_row(result) for result in results],
        about_scores=_about_scores(card, results),
        limits=_limits(card, sources),
        made=_made(card, made),
    )


def _cell(value: object) -> str:
    """A value as it can stand in a cell of a Markdown table."""
    return " ".join(str(value).split()).replace("|", "\\|")


def _title(card: ModelCard) -> str:
    data = f"the pool {card.data}" if card.mixture and not card.classes else card.data
    return f"jointwise {card.system}, {'fine-tuned' if card.classes else 'pre-trained'} on {data}"


def _summary(card: ModelCard) -> str:
    """One or two sentences on what the model is."""
    encoder, parameters = card.config.encoder, card.costs.parameters
    whole = parameters.get("finetune" if card.classes else "encoder")
    size = f"{encoder.depth} blocks, width {encoder.width}" + (f", {whole:,} parameters" if whole else "")
    if not card.classes:
        return (
            f"An encoder of human motion, as skeletons of {card.coordinates}D joints, pre-trained without labels "
            f"(system `{card.system}`, {size}). It names nothing until it is fine-tuned."
        )
    start = f"an encoder pre-trained on {card.pretrained_on}" if card.pretrained_on else "random weights"
    beside = " and from the other training clips without theirs" if card.unlabelled else ""
    return (
        f"A recogniser of {len(card.classes)} human actions in skeletons of {card.coordinates}D joints (system "
        f"`{card.system}`, {size}). It was trained from {start} with {_labels(card.labels)}{beside}."
    )


def _labels(labels: str) -> str:
    """How many labels, in words."""
    if labels.endswith("shot"):
        shots = labels.removesuffix("shot")
        return f"{shots} labelled clip{'' if shots == '1' else 's'} of each class"
    return "all labels" if labels == "1.0" else f"a share of {labels} of the labels"


def _front(card: ModelCard, repository: str, results: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The front matter, with the fields that the hub reads."""
    tags = ["jointwise", "skeleton", _TASK, "human-motion", "self-supervised-learning"]
    front: dict[str, Any] = {**licence_of(card.all_sources()), "library_name": "jointwise", "tags": tags}
    scored = [result for result in results if result["split"]["is_test"]]
    if not scored:
        return front
    entries = [
        {
            "task": {"type": _TASK, "name": "skeleton action recognition"},
            "dataset": {"type": result["data"], "name": result["data"], "split": result["split"]["key"]},
            "metrics": [
                {
                    "type": kind,
                    "name": f"{name}, {result['protocol']}, labels {result['labels']}",
                    "value": round(result["scores"][key], 4),
                }
                for key, kind, name in (("top1", "accuracy", "top-1 accuracy"), ("macro_f1", "f1", "macro F1"))
                if key in result["scores"]
            ],
        }
        for result in scored
    ]
    index = {"name": repository.rpartition("/")[2], "results": entries}
    return front | {"metrics": ["accuracy", "f1"], "model-index": [index]}


def _takes(card: ModelCard) -> list[tuple[str, str]]:
    """What a recording has to be, and what is done to it."""
    clip, axes = card.config.clip, card.axes
    joints = ", ".join(card.skeleton.joints)
    up = f"bodies stand along {axes.up}" if axes.up else "unknown which one points up"
    rates = " to ".join(dict.fromkeys(f"{rate:g}" for rate in card.fps or ()))
    return [
        ("joints", f"{len(card.skeleton.joints)} (`{card.skeleton.name}`): {joints}. Others are matched by name"),
        ("coordinates", f"{card.coordinates} of each joint"),
        ("axes", f"{up}; recordings are turned to that"),
        ("unit", _unit(card)),
        ("frame rates", f"{rates} frames per second in the training" if rates else "unknown"),
        ("clips", f"{clip.frames} frames over the whole recording, in segments of {clip.segment}"),
        ("preparation", f"{card.preparation}; cleaning: {card.cleaning}"),
    ]


def _unit(card: ModelCard) -> str:
    """The unit of the coordinates, by their size."""
    if card.size is None:
        return "unknown"
    size = f"coordinates are typically {card.size:.3g} (root mean square from the origin, median clip)"
    return f"{size}; recordings in m, cm or mm are converted to that"


def _row(result: Mapping[str, Any]) -> list[str]:
    """A result as a row of the table of scores."""
    scores, interval, beside = result["scores"], result["interval"], result.get("references") or {}
    split = result["split"]
    part = "test" if split["is_test"] else "held-out training"
    accuracies = []
    for key in ("top1", "top5", "macro_f1"):
        between = f" ({100 * interval[key][0]:.1f}–{100 * interval[key][1]:.1f})" if key in interval else ""
        accuracies.append(f"{100 * scores[key]:.1f}{between}" if key in scores else _NONE)
    return [
        result["protocol"],
        f"{result['data']}, {split['name']}",
        f"{split['labelled']} clips ({result['labels']})",
        f"{result['n']} {part} clips",
        *accuracies,
        *(f"{100 * beside[key]:.1f}" if key in beside else _NONE for key in TITLES),
    ]


def _about_scores(card: ModelCard, results: Sequence[Mapping[str, Any]]) -> list[str]:
    """What has to be known to read the scores."""
    if not results:
        known = ", ".join(f"{name} {100 * value:.1f} %" for name, value in card.scores.items())
        losses = loss_parts(card.costs.held_out)
        told = ", ".join(f"{name} {loss:.4f}" for name, loss in losses.items() if loss is not None)
        return [
            f"{known}, without an interval and what it stands beside." if known else "It was not scored.",
            *([f"Losses of the pre-training on recordings that were held out: {told}."] if told else []),
        ]
    interval = results[0]["interval"]
    said = [
        f"Brackets: {100 * interval['level']:.0f} % intervals, {interval['method']}.",
        f"One training with seed {card.seed}: another seed gives other numbers.",
    ]
    if any(key in (result.get("references") or {}) for result in results for key in TITLES):
        said.append("What a score stands beside needs no training: same labels, same clips.")
    for result in results:
        warning = warning_of(result["scores"]["top1"], result.get("references") or {})
        said += [f"{result['protocol']} on {result['data']}: {warning}"] if warning else []
    return said


def _limits(card: ModelCard, sources: Sequence[Mapping[str, Any]]) -> list[str]:
    """What the model is not for."""
    names = {source["data"] for source in sources} | {member["data"] for member in card.mixture}
    few = [f"{source['subjects']} ({source['data']})" for source in sources if source.get("subjects")]
    said = [QUICK_NOTE[:1].upper() + QUICK_NOTE[1:] + "."] if card.config.quick else []
    if licence_of(sources).get("license_name") == "research-use-only":
        said.append("Research use only.")
    if few:
        said.append(f"Subjects it learned from: {', '.join(few)}. Other people may move in other ways.")
    said.append("Other cameras, places, ages, bodies and ways to move than in the data were not tested.")
    if card.classes:
        said.append(
            "It names one of its classes, or none of these for who moves less or more than anybody in the training. "
            "Any other movement may get the name of a class with a high probability."
        )
    if "synthetic" in names:
        said.append("`synthetic` is made by a program: accuracies on it say nothing about real people.")
    if any("wmft" in name.lower() for name in names):
        said.append(
            "WMFT is a clinical test. The model predicts and rates no condition: no diagnosis, no medical device."
        )
    said.append("Not for decisions about people, such as on health, work, credit, law or surveillance.")
    return said


def _made(card: ModelCard, run: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Command, versions, seed and costs."""
    costs = card.costs
    versions = run.get("versions", {})
    lines = [
        ("command", f"`{_without_folders(run['command'])}`" if run.get("command") else ""),
        ("version", f"jointwise {card.code_version}" + (f", commit {run['commit']}" if run.get("commit") else "")),
        (
            "libraries",
            ", ".join(f"{name} {versions[name]}" for name in ("torch", "numpy", "python") if name in versions),
        ),
        ("device", f"{run['device']}, {run['precision']}" if run.get("device") else ""),
        ("date", str(run.get("created", ""))[:10]),
        ("seed", str(card.seed)),
        ("split", card.split),
    ]
    for stage in STAGES:
        parts = [f"{costs.steps[stage]:,} steps"] if stage in costs.steps else []
        parts += [f"{costs.clips_per_step[stage]} clips each"] if stage in costs.clips_per_step else []
        parts += [f"{costs.seconds[stage]:.0f} s"] if stage in costs.seconds else []
        parts += [f"{costs.memory_mb[stage]:.0f} MB"] if stage in costs.memory_mb else []
        lines.append((stage, ", ".join(parts)))
    return [(name, value) for name, value in lines if value]


def _without_folders(command: str) -> str:
    """A command without the folders of the machine that it ran on.

    >>> _without_folders("jointwise pretrain mamp --data /home/me/gestures/ --run runs/a")
    'jointwise pretrain mamp --data .../gestures --run runs/a'
    """
    words = (f".../{Path(word).name}" if word.startswith(("/", "~")) else word for word in shlex.split(command))
    return shlex.join(words)
