"""How many labelled steps the rows of a comparison get: those of `--steps`, and the fair choice from random weights."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from jointwise.config.schema import Config
from jointwise.data.dataset import Dataset
from jointwise.data.store.reader import UNKNOWN
from jointwise.data.whole_files import write_text
from jointwise.errors import ConfigError
from jointwise.evaluation.results import read_result
from jointwise.training.checkpoint import write_json

ALL_LABELS = "1.0"
PASSES = 80  # over the training clips: what rows with all labels need to converge
LABELLED_STEPS = ("finetune.steps", "scratch.steps")  # settings that are given to each stage, not to all alike


def steps_settings(steps: str | None) -> dict[str, str]:
    """The settings that --steps stands for; what it says of rows with all labels is in `Budget`.

    Args:
        steps: `P`, `P+F` or `P+F+A`: P steps of pre-training, F with few labels, A with all; None: not given.

    Returns:
        Settings by name.

    Raises:
        ConfigError: It has another form.
    """
    pretrain, few, _ = _parts(steps)
    settings = {} if pretrain is None else {"pretrain.steps": pretrain}
    if few is not None:
        settings |= dict.fromkeys(LABELLED_STEPS, few)
    return settings


def _parts(steps: str | None) -> tuple[str | None, str | None, str | None]:
    """P, F and A of --steps; None for each that is not given."""
    if steps is None:
        return None, None, None
    found = re.fullmatch(r"(\d+)(?:\+(\d+)(?:\+(\d+))?)?", steps)
    if not found:
        raise ConfigError(
            f"--steps {steps}: expected steps of pre-training such as 1000, 1000+400 with those with labels, or "
            "1000+400+1400 where rows with all labels have more."
        )
    return found[1], found[2], found[3]


@dataclass(frozen=True)
class Budget:
    """The rule by which rows get their labelled steps.

    Args:
        all_labels: Steps with all labels, as the user gave them; None: PASSES over the training clips, at least as many
            as with few labels.
        finetune_as_set: Fine-tuning takes `finetune.steps` for all labels too.
        scratch_as_set: Training from scratch takes `scratch.steps`, and nothing is chosen.
    """

    all_labels: int | None = None
    finetune_as_set: bool = True
    scratch_as_set: bool = True

    @classmethod
    def of(cls, steps: str | None, settings: dict[str, Any], quick: bool) -> Budget:
        """The rule that a command asks for.

        Args:
            steps: What --steps says.
            settings: Settings that the user named, by name.
            quick: Whether sizes are those of --quick, which mean nothing: all is as set.
        """
        everything = _parts(steps)[2]
        finetune, scratch = (quick or name in settings for name in LABELLED_STEPS)
        return cls(None if everything is None else int(everything), finetune, scratch)

    def describe(self) -> dict[str, Any]:
        """What a folder of a comparison keeps of it: the rule must stay the same."""
        rule = "finetune.steps" if self.finetune_as_set else f"{PASSES} passes"
        return {
            "with_all_labels": self.all_labels or rule,
            "from_scratch": "scratch.steps" if self.scratch_as_set else "chosen",
        }

    def labelled(self, config: Config, labels: str, clips: int) -> int:
        """Steps of fine-tuning.

        Args:
            config: Settings of the system.
            labels: Share or shots.
            clips: Training clips, labelled or not.
        """
        few = config.finetune.steps
        if labels != ALL_LABELS:
            return few
        if self.all_labels is not None:
            return self.all_labels
        if self.finetune_as_set:
            return few
        return max(few, math.ceil(PASSES * clips / min(config.finetune.batch, clips)))

    def from_scratch(self, config: Config, labels: str, clips: int) -> tuple[int, ...]:
        """Steps from random weights: as set, or two to choose from, the fewer first.

        Args:
            config: Settings of the system.
            labels: Share or shots.
            clips: Training clips, labelled or not.

        Returns:
            One number; or those of fine-tuning, and those of pre-training and fine-tuning together.
        """
        if self.scratch_as_set:
            return (config.scratch.steps,)
        labelled = self.labelled(config, labels, clips)
        return labelled, config.pretrain.steps + labelled


def subjects_to_choose_on(dataset: Dataset) -> list[int]:
    """Every fourth training subject in sorted order: at least one, never all.

    Args:
        dataset: The data under its split.

    Returns:
        Their numbers; none where fewer than two training subjects are known.
    """
    known = sorted(set(dataset.train.labelled.subjects.tolist()) - {UNKNOWN})
    if len(known) < 2:
        return []
    return known[3::4] or known[-1:]


@dataclass(frozen=True)
class Choice:
    """Which of two numbers of steps a system gets from random weights, decided on held-out training subjects.

    Args:
        system: Its name.
        labels: Share or shots.
        steps: The two, the fewer first.
        results: The results of both on the held-out subjects.
        record: JSON that is written: what was chosen, and both scores.
        settings: YAML that is written for `--config`.
    """

    system: str
    labels: str
    steps: tuple[int, int]
    results: tuple[Path, Path]
    record: Path
    settings: Path

    def write(self) -> None:
        """Choose the steps with the higher top-1, of equal ones the fewer, and write both files.

        What was chosen before stays.

        Raises:
            CheckpointError: A result is missing or damaged.
            StorageError: A file cannot be written.
        """
        if self.settings.is_file() and self.record.is_file():
            return
        results = [read_result(path) for path in self.results]
        scores = [result["scores"]["top1"] for result in results]
        better = int(scores[1] > scores[0])
        record = {
            "system": self.system,
            "labels": self.labels,
            "scratch_steps": self.steps[better],
            "candidates": [
                {"steps": steps, "top1": score, "clips": result["n"], "commit": result["commit"]}
                for steps, score, result in zip(self.steps, scores, results, strict=True)
            ],
            "split": results[0]["split"]["name"],
            "seed": results[0]["seed"],
        }
        write_json(self.record, record)
        text = yaml.safe_dump({"scratch": {"steps": self.steps[better]}})
        write_text(self.settings, f"# chosen on {record['split']}\n{text}")
