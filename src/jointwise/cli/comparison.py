"""What a comparison compares: data, systems, seeds, labels, protocols, budget; its checks before any stage starts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, NotRequired, TypedDict

from jointwise.cli.budgets import Budget, Choice, subjects_to_choose_on
from jointwise.config.layers import Settings, build_config, to_settings
from jointwise.config.schema import Config
from jointwise.data.checks import check_trainable
from jointwise.data.dataset import Dataset
from jointwise.data.label_subset import choose_labelled
from jointwise.errors import ConfigError, DataError, unknown
from jointwise.evaluation.protocols import FINETUNE, compared_protocols
from jointwise.evaluation.results import check_folder, fold_names, result_name
from jointwise.report.tables.scratch_steps import FOLDER
from jointwise.training.checkpoint import read_json, write_json
from jointwise.training.run_folder import check_same_settings


def choose_splits(
    dataset: Dataset, split: str | None, folds: Sequence[int] | None, validation: Sequence[int]
) -> tuple[Dataset, ...]:
    """The data under each split that is scored.

    Args:
        dataset: The data under its first or the named split.
        split: What --split says; then it is the only one.
        folds: What --folds says; None: all folds of a cross-validation, where the data has one.
        validation: Training subjects that are held out; then one split is enough.

    Returns:
        The data, once for each split.

    Raises:
        ConfigError: There is no such fold.
    """
    names = fold_names(dataset)
    if folds is not None:
        if split is not None or not set(folds) <= set(range(1, len(names) + 1)):
            without = "; leave --split out" if split is not None else ""
            has = f"the folds 1 to {len(names)}" if names else "no folds"
            raise ConfigError(f"--folds {' '.join(map(str, folds))}: {dataset.name} has {has}{without}.")
        names = [names[fold - 1] for fold in sorted(set(folds))]
    elif split is not None or validation or not names:
        return (dataset,)
    return tuple(Dataset.of(dataset.store, dataset.address, name) for name in names)


class _Table(TypedDict):
    """What is needed of table.json, which keeps the settings of a comparison."""

    systems: NotRequired[dict[str, dict[str, Any]]]


@dataclass(frozen=True)
class Comparison:
    """What is compared, on which data, how often, by which protocols, and where all of it lies.

    Args:
        datasets: The data under each split that is scored: one, or the folds of a cross-validation.
        configs: System -> its config, in the order of Table 1.
        seeds: Number of seeds: 0 … seeds - 1.
        labels: Shares or shots of labels.
        protocols: Names of protocols.
        folder: Folder of runs, logs and tables.
        results: Folder of results.
        options: Words that every command gets, such as `--pretrain.steps 100`.
        quick: Whether sizes are those of --quick.
        budget: The rule by which rows get their labelled steps.
    """

    datasets: tuple[Dataset, ...]
    configs: dict[str, Config]
    seeds: int
    labels: tuple[str, ...]
    protocols: tuple[str, ...]
    folder: Path
    results: Path
    options: tuple[str, ...] = ()
    quick: bool = False
    budget: Budget = field(default_factory=Budget)

    def __post_init__(self) -> None:
        if self.seeds < 1:
            raise ConfigError(f"--seeds {self.seeds}: at least one is needed.")
        for protocol in self.protocols:
            if protocol not in compared_protocols():
                raise ConfigError(unknown("protocol", protocol, compared_protocols()))
        inputs = {name: config.clip.input for name, config in self.configs.items()}
        if len(set(inputs.values())) > 1:
            listed = ", ".join(f"{name} {value}" for name, value in inputs.items())
            raise ConfigError(
                f"systems of one table must see the same input, but clip.input is: {listed}. Give all of them one: "
                "--clip.input relative+motion (or place)."
            )

    @property
    def data(self) -> Dataset:
        """The data under its first split."""
        return self.datasets[0]

    @property
    def validation(self) -> list[int]:
        """Training subjects that are scored instead of the test part; empty: the test part is."""
        return next(iter(self.configs.values())).validation_subjects

    @property
    def title(self) -> str:
        """The title of the tables."""
        split = self.data.hold_out(self.validation).split
        if len(self.datasets) > 1:
            names = ", ".join(dataset.split_name for dataset in self.datasets)
            split = f"{len(self.datasets)} of {len(self.data.store.splits)} folds ({names})"
        words = f"Table 1 on {self.data.name}, {'validation on ' if self.validation else ''}{split}"
        return words + (" (--quick: its scores mean nothing)" if self.quick else "")

    @property
    def clips(self) -> int:
        """Training clips that have a label, used or not, under the first split."""
        return len(self.data.hold_out(self.validation).train.labelled)

    @cached_property
    def chosen_on(self) -> tuple[tuple[int, ...], str]:
        """Training subjects on which steps from random weights are chosen; or none, and why."""
        if self.budget.scratch_as_set:
            return (), "they are set"
        if self.validation:
            return (), "training subjects are scored"
        subjects = subjects_to_choose_on(self.data)
        if not subjects:
            return (), "fewer than two training subjects are known"
        part = self.data.hold_out(subjects)
        try:
            check_trainable(part, next(iter(self.configs.values())).allow_duplicates)
            for labels in self.labels:
                choose_labelled(part.train, labels, 0, part.classes)
        except DataError as error:
            return (), str(error)
        return tuple(subjects), ""

    def finetune_steps(self, system: str, labels: str) -> int:
        """Steps of fine-tuning a system; labels: share or shots."""
        return self.budget.labelled(self.configs[system], labels, self.clips)

    def scratch_steps(self, system: str, labels: str) -> int | Choice:
        """Steps of a system from random weights: a number, or what decides it.

        Args:
            system: Its name.
            labels: Share or shots.

        Returns:
            Where nothing can be chosen, the larger number: those of pre-training and fine-tuning together.
        """
        steps = self.budget.from_scratch(self.configs[system], labels, self.clips)
        subjects, _ = self.chosen_on
        if not subjects or len(steps) == 1:
            return steps[-1]
        split, selection = self.data.split_mark, self.data.selection_name
        name = result_name(
            system=system,
            protocol=FINETUNE,
            labels=labels,
            seed=0,
            start="scratch",
            split=split,
            selection=selection,
            validation=subjects,
        )
        place = self.folder / "choosing" / system
        few, many = (place / f"{labels}-{count}-steps" / "results" / f"{name}.json" for count in steps)
        record = self.results / FOLDER / f"{system}-{labels}.json"
        return Choice(system, labels, (steps[0], steps[1]), (few, many), record, place / f"{labels}.yaml")

    def check(self) -> None:
        """Raise what a stage would raise on this data, these labels or this folder, before any stage starts."""
        for dataset in self.datasets:
            part = dataset.hold_out(self.validation)
            check_trainable(part, next(iter(self.configs.values())).allow_duplicates)
            for labels in self.labels:
                choose_labelled(part.train, labels, 0, dataset.classes)
        check_folder(self.results if self.results.is_dir() else None, self.data)
        self._save_settings()

    def _save_settings(self) -> None:
        """Keep the settings of every system in the folder. Raises ConfigError where it was started with others."""
        file = self.folder / "table.json"
        before: Settings = dict(read_json(file, _Table)) if file.is_file() else {}
        configs = {name: to_settings(config) | {"execution": None} for name, config in self.configs.items()}
        now: Settings = {"data": self.data.name, "data_fingerprint": self.data.store.fingerprint, "quick": self.quick}
        now |= {"left_out": str(self.data.store.left_out) or None}
        now |= {"steps": self.budget.describe(), "systems": configs}
        before = (
            {"steps": Budget().describe()} | before if before else {}
        )  # older tables took all steps as they are set
        known: dict[str, Settings] = before.get("systems", {})
        if before:
            check_same_settings(self.folder, {**before, "systems": {}}, {**now, "systems": {}})
            for name in set(configs) & set(known):
                begun = to_settings(build_config(known[name] | {"execution": {}})) | {"execution": None}
                check_same_settings(self.folder, begun, configs[name], f"{name}: ")
        if before != (now := now | {"systems": known | configs}):
            write_json(file, now)
