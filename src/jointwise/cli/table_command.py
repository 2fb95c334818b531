"""`jointwise table`: plans every training and evaluation of a comparison as an ordinary command, and runs them."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from jointwise.cli.processes import Stage, Start, run_stages
from jointwise.config.layers import Settings, build_config, to_settings
from jointwise.config.schema import Config
from jointwise.config.systems import FINAL
from jointwise.data.dataset import Dataset
from jointwise.data.label_subset import choose_labelled
from jointwise.errors import ConfigError, TrainingError, unknown, writing
from jointwise.evaluation.protocols import FINETUNE, PROTOCOLS, RAW, SEMI, compared_protocols, training_protocols
from jointwise.evaluation.results import check_folder, fold_names, read_results, result_name
from jointwise.report.page.comparison import write_comparison
from jointwise.report.tables.tables import KINDS, tables
from jointwise.report.tables.text_table import Grid
from jointwise.training import distributed
from jointwise.training.checkpoint import read_json, write_json
from jointwise.training.loop import Interrupted
from jointwise.training.run_folder import check_same_settings, run_name, training_name

QUICK_NOTE = "Findings are left out: the scores of --quick mean nothing."


def steps_settings(steps: str | None) -> dict[str, str]:
    """The settings that --steps stands for.

    Args:
        steps: `P` or `P+F`: P steps of pre-training, F of fine-tuning and of training from scratch; None: not given.

    Returns:
        Settings by name.

    Raises:
        ConfigError: It has another form.
    """
    if steps is None:
        return {}
    found = re.fullmatch(r"(\d+)(?:\+(\d+))?", steps)
    if not found:
        raise ConfigError(
            f"--steps {steps}: expected steps of pre-training such as 1000, or 1000+400 with fine-tuning."
        )
    settings = {"pretrain.steps": found[1]}
    if found[2]:
        settings |= {"finetune.steps": found[2], "scratch.steps": found[2]}
    return settings


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

    def __post_init__(self) -> None:
        if self.seeds < 1:
            raise ConfigError(f"--seeds {self.seeds}: at least one is needed.")
        for protocol in self.protocols:
            if protocol not in compared_protocols():
                raise ConfigError(unknown("protocol", protocol, compared_protocols()))

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

    def check(self) -> None:
        """Raise what a stage would raise on this data, these labels or this folder, before any stage starts."""
        for dataset in self.datasets:
            part = dataset.hold_out(self.validation)
            part.check_trainable(next(iter(self.configs.values())).allow_duplicates)
            for labels in self.labels:
                choose_labelled(part.train, labels, 0, dataset.classes)
        check_folder(self.results if self.results.is_dir() else None, self.data)
        self._save_settings()

    def _save_settings(self) -> None:
        """Keep the settings of every system in the folder. Raises ConfigError where it was started with others."""
        file = self.folder / "table.json"
        before: Settings = read_json(file) if file.is_file() else {}
        configs = {name: to_settings(config) | {"execution": None} for name, config in self.configs.items()}
        now: Settings = {"data": self.data.name, "data_fingerprint": self.data.store.fingerprint, "quick": self.quick}
        now |= {"systems": configs}
        known = before.get("systems", {})
        if before:
            check_same_settings(self.folder, {**before, "systems": {}}, {**now, "systems": {}})
            for name in set(configs) & set(known):
                begun = to_settings(build_config(known[name] | {"execution": {}})) | {"execution": None}
                check_same_settings(self.folder, begun, configs[name], f"{name}: ")
        if before != (now := now | {"systems": known | configs}):
            write_json(file, now)


def plan(comparison: Comparison) -> list[Stage]:
    """Plan every command of a comparison, each after what it needs; the table of the first seed comes first.

    Args:
        comparison: What is compared.

    Returns:
        The stages, in the order in which they start.
    """
    stages: list[Stage] = []
    for seed in range(comparison.seeds):
        for dataset in comparison.datasets:
            stages += _Planner(comparison, dataset, seed).raw()
        for system in comparison.configs:
            for dataset in comparison.datasets:
                stages += _Planner(comparison, dataset, seed).system(system)
    return stages


class _Planner:
    """The stages of one seed and split."""

    def __init__(self, comparison: Comparison, dataset: Dataset, seed: int) -> None:
        self.comparison = comparison
        self.dataset = dataset
        self.seed = seed
        self.split = dataset.split_name if len(dataset.store.splits) > 1 else ""

    def raw(self) -> Iterator[Stage]:
        """The baseline of the frozen protocols and of `semi`: coordinates without an encoder."""
        for protocol, labels in [*((SEMI, labels) for labels in self._labels_to_semi()), *self._frozen()]:
            if self.seed and labels == "1.0" and not PROTOCOLS[protocol].draws_for_raw:
                continue  # it uses no random number, so another seed gives the same score
            yield self._evaluate(RAW, RAW, None, protocol, labels, None)

    def system(self, name: str) -> Iterator[Stage]:
        """Pre-training and every protocol on it; training from scratch where there is nothing to pre-train.

        The final system is also trained from scratch, for the finding that compares the two.
        """
        comparison, config = self.comparison, self.comparison.configs[name]
        if not config.pretrains:
            yield from (self._finetune(name, name, labels, None) for labels in self._labels_to_finetune())
            yield from (self._finetune(name, name, labels, None, SEMI) for labels in self._labels_to_semi())
            return
        folder = comparison.folder / name / run_name(self.dataset, "pretrain", self.seed)
        command = ("pretrain", name, *self._common(), "--run", str(folder))
        title = self._title("pretrain", name)
        products = (folder / "run.json",)
        pretrain = Stage(title, command + self._quick(), products, folder, self._log(title), resume=self._resume(name))
        yield pretrain
        yield from (self._finetune(name, str(folder), labels, pretrain) for labels in self._labels_to_finetune())
        yield from (self._finetune(name, str(folder), labels, pretrain, SEMI) for labels in self._labels_to_semi())
        if name == FINAL:
            yield from (self._finetune(name, name, labels, None) for labels in self._labels_to_finetune())
            yield from (self._finetune(name, name, labels, None, SEMI) for labels in self._labels_to_semi())
        for protocol, labels in self._frozen():
            yield self._evaluate(name, str(folder), pretrain, protocol, labels, config.probe.pooling)

    def _finetune(self, system: str, start: str, labels: str, after: Stage | None, protocol: str = FINETUNE) -> Stage:
        unlabelled = "pseudo" if protocol == SEMI else None
        stage = training_name(after is not None, unlabelled)
        folder = self.comparison.folder / system / run_name(self.dataset, stage, self.seed, labels)
        name = self._result(system, protocol, labels, start="" if after else "scratch")
        products = (folder / "run.json", folder / "results" / name, self.comparison.results / name)
        command = (FINETUNE, start, *self._common(), "--labels", labels, "--run", str(folder), *self._quick())
        command += ("--unlabelled", unlabelled) if unlabelled else ()
        title = self._title(
            (f"{SEMI} " if unlabelled else "") + (FINETUNE if after else "from scratch"), system, labels
        )
        command += self._to_results()
        return Stage(title, command, products, folder, self._log(title), after, self._resume(system))

    def _evaluate(
        self, system: str, start: str, after: Stage | None, protocol: str, labels: str, pooling: str | None
    ) -> Stage:
        name = self._result(system, protocol, labels, pooling=pooling)
        products = [self.comparison.results / name, *([Path(start) / "results" / name] if after else [])]
        command = ("evaluate", start, "--protocol", protocol, *self._common(), "--labels", labels)
        if self.comparison.quick:
            steps = next(iter(self.comparison.configs.values())).probe.linear.steps
            command += ("--probe.linear.steps", str(steps))
        title = self._title(protocol, system, labels)
        return Stage(title, command + self._to_results(), tuple(products), None, self._log(title), after)

    def _labels_to_finetune(self) -> tuple[str, ...]:
        return self.comparison.labels if FINETUNE in self.comparison.protocols else ()

    def _labels_to_semi(self) -> tuple[str, ...]:
        return self.comparison.labels if SEMI in self.comparison.protocols else ()

    def _frozen(self) -> list[tuple[str, str]]:
        protocols = [protocol for protocol in self.comparison.protocols if protocol not in training_protocols()]
        return [(protocol, labels) for protocol in protocols for labels in self.comparison.labels]

    def _common(self) -> tuple[str, ...]:
        return (*self.dataset.arguments, "--seed", str(self.seed), *self.comparison.options)

    def _resume(self, system: str) -> tuple[str, ...]:
        """A resumed run keeps its settings, but not its device."""
        return ("--resume", "--execution.device", self.comparison.configs[system].execution.device)

    def _quick(self) -> tuple[str, ...]:
        return ("--quick",) if self.comparison.quick else ()

    def _to_results(self) -> tuple[str, ...]:
        return ("--results", str(self.comparison.results))

    def _result(self, system: str, protocol: str, labels: str, **more: Any) -> str:
        validation = self.comparison.validation or None
        words = {"system": system, "protocol": protocol, "labels": labels, "seed": self.seed, **more}
        return result_name(**words, split=self.split, validation=validation) + ".json"

    def _title(self, stage: str, system: str, labels: str = "") -> str:
        words = [stage, system, self.split, f"labels {labels}" if labels else "", f"seed {self.seed}"]
        return " ".join(word for word in words if word)

    def _log(self, title: str) -> Path:
        return self.comparison.folder / "logs" / f"{title.replace(' ', '-')}.log"


def compare(comparison: Comparison, jobs: int, start: Start, console: Console, again: Sequence[str]) -> None:
    """Run the unfinished stages, then show the tables of all available results, even after a failure.

    Under torchrun all processes run stages; the first one shows the tables and names the stages that failed.

    Args:
        comparison: What is compared.
        jobs: How many stages run at once.
        start: Starts one.
        console: Where the output goes.
        again: The arguments of this command, for messages.

    Raises:
        TrainingError: Stages have failed; the same command tries them again.
        Interrupted: After Ctrl-C; the same command continues.
    """
    if jobs < 1:
        raise ConfigError(f"--jobs {jobs}: at least one is needed.")
    with distributed.main_process_first():
        comparison.check()
    stages, command = plan(comparison), shlex.join(["jointwise", *again])
    try:
        own = run_stages(stages, jobs, start, console)
        failed_titles = distributed.store_barrier("end of the stages", "\n".join(stage.title for stage in own))
    except KeyboardInterrupt:
        if distributed.is_main_process():
            show_tables(comparison, stages, console.print)
        done = sum(stage.finished for stage in stages)
        raise Interrupted(f"stopped, {done} of {len(stages)} stages are finished. Go on with: {command}") from None
    if not distributed.is_main_process():
        return
    show_tables(comparison, stages, console.print)
    titled = {stage.title: stage for stage in stages}
    failed = [titled[title] for titles in failed_titles for title in titles.splitlines()]
    if failed:
        listed = "\n".join(f"  {stage.title}" + (f": {stage.log}" if stage.log.is_file() else "") for stage in failed)
        raise TrainingError(f"{len(failed)} of {len(stages)} stages failed:\n{listed}\nTry these again with: {command}")


def show_tables(comparison: Comparison, stages: Sequence[Stage], say: Callable[..., None]) -> None:
    """Render the tables of the results to the terminal, table.md and table.html.

    Args:
        comparison: What is compared.
        stages: Its stages, for their curves.
        say: Prints.
    """
    results = [
        result
        for result in (read_results(comparison.results) if comparison.results.is_dir() else [])
        if result["split"]["is_test"] is not bool(comparison.validation)
        and result["config"]["validation_subjects"] == comparison.validation
    ]
    if not results:
        say("no results yet")
        return
    grids = tables(results, whole=False)
    shown: dict[str, Grid] = {
        KINDS[kind].heading: grid
        for kind, grid in grids.items()
        if grid.rows and not (comparison.quick and kind == "findings")
    }
    say(comparison.title, markup=False, highlight=False, style="bold")
    for heading, grid in shown.items():
        say(grid.to_terminal(heading))
    if comparison.quick:
        say(QUICK_NOTE)
    text = "\n".join(f"## {heading}\n\n{grid.to_markdown()}" for heading, grid in shown.items())
    with writing(comparison.folder):
        (comparison.folder / "table.md").write_text(
            f"# {comparison.title}\n\n{text}" + (f"\n{QUICK_NOTE}\n" if comparison.quick else ""), "utf-8"
        )
    runs = {stage.title: stage.run for stage in stages if stage.run and (stage.run / "metrics.jsonl").is_file()}
    page = write_comparison(
        comparison.folder / "table.html",
        comparison.title,
        shown,
        list(runs.values()),
        results,
        note=QUICK_NOTE if comparison.quick else "",
    )
    say(f"tables: {comparison.folder / 'table.md'}, with curves: {page}", markup=False, soft_wrap=True)
