"""`jointwise table`: plans every training and evaluation of a comparison as an ordinary command, and runs them."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from rich.console import Console

from jointwise.cli.budgets import Choice
from jointwise.cli.comparison import Comparison
from jointwise.cli.processes import Stage, Start, run_stages
from jointwise.cli.training_commands import write_run_report
from jointwise.config.systems import ALSO_FROM_SCRATCH
from jointwise.data.dataset import Dataset
from jointwise.data.whole_files import write_text
from jointwise.errors import ConfigError, TrainingError
from jointwise.evaluation.protocols import FINETUNE, PROTOCOLS, RAW, SEMI, training_protocols
from jointwise.evaluation.results import read_results, result_name
from jointwise.report.page.comparison import write_comparison
from jointwise.report.tables.scratch_steps import HEADING as CHOICES
from jointwise.report.tables.scratch_steps import scratch_steps
from jointwise.report.tables.tables import KINDS, tables
from jointwise.report.tables.text_table import Grid
from jointwise.training import distributed
from jointwise.training.loop import Interrupted
from jointwise.training.run_folder import run_name, training_name

ACCURACY = KINDS["results"].heading
QUICK_NOTE = "Findings are left out: the scores of --quick mean nothing."


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
            stages += _Planner(comparison, comparison.data, 0).choosing(system) if not seed else []
            for dataset in comparison.datasets:
                stages += _Planner(comparison, dataset, seed).system(system)
    return stages


class _Planner:
    """The stages of one seed and split."""

    def __init__(self, comparison: Comparison, dataset: Dataset, seed: int) -> None:
        self.comparison = comparison
        self.dataset = dataset
        self.seed = seed
        self.split = dataset.split_mark

    def raw(self) -> Iterator[Stage]:
        """The baseline of the frozen protocols and of `semi`: coordinates without an encoder."""
        for protocol, labels in [*((SEMI, labels) for labels in self._labels_to_semi()), *self._frozen()]:
            if self.seed and labels == "1.0" and not PROTOCOLS[protocol].draws_for_raw:
                continue  # it uses no random number, so another seed gives the same score
            yield self._evaluate(RAW, RAW, None, protocol, labels, None)

    def system(self, name: str) -> Iterator[Stage]:
        """Pre-training and every protocol on it; training from scratch where there is nothing to pre-train.

        The encoders of some systems are also trained from scratch, for the findings that compare the two.
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
        if name in ALSO_FROM_SCRATCH:
            yield from (self._finetune(name, name, labels, None) for labels in self._labels_to_finetune())
            yield from (self._finetune(name, name, labels, None, SEMI) for labels in self._labels_to_semi())
        for protocol, labels in self._frozen():
            yield self._evaluate(name, str(folder), pretrain, protocol, labels, config.probe.pooling)

    def choosing(self, system: str) -> list[Stage]:
        """What decides the steps of a system from random weights: a training with each number, for all labels."""
        if self.comparison.configs[system].pretrains and system not in ALSO_FROM_SCRATCH:
            return []
        found = [self.comparison.scratch_steps(system, labels) for labels in self._labels_to_finetune()]
        return [stage for choice in found if isinstance(choice, Choice) for stage in self._candidates(choice)]

    def _candidates(self, choice: Choice) -> list[Stage]:
        """Two trainings without some training subjects, one after the other: seed 0, first split."""
        comparison = self.comparison
        common = (*comparison.data.arguments, "--seed", "0", *comparison.options, "--labels", choice.labels)
        subjects = ("--validation_subjects", json.dumps(comparison.chosen_on[0]))
        stages: list[Stage] = []
        for steps, result in zip(choice.steps, choice.results, strict=True):
            run = result.parent.parent
            command = (FINETUNE, choice.system, *common, "--scratch.steps", str(steps), *subjects, "--run", str(run))
            title = f"choose {steps} steps {choice.system} labels {choice.labels}"
            after = stages[-1] if stages else None
            stages.append(Stage(title, command, (result,), run, self._log(title), after, self._resume(choice.system)))
        return stages

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
        log, resume = self._log(title), self._resume(system)
        if unlabelled:  # it has steps of its own, `semi.steps`, from whatever it starts
            return Stage(title, command, products, folder, log, after, resume)
        if after is not None:
            steps = self.comparison.finetune_steps(system, labels)
            return Stage(title, (*command, "--finetune.steps", str(steps)), products, folder, log, after, resume)
        choice = self.comparison.scratch_steps(system, labels)
        if isinstance(choice, int):
            return Stage(title, (*command, "--scratch.steps", str(choice)), products, folder, log, None, resume)
        command += ("--config", str(choice.settings))
        return Stage(title, command, products, folder, log, self._candidates(choice)[-1], resume, choice.write)

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
        words: dict[str, Any] = {"system": system, "protocol": protocol, "labels": labels, "seed": self.seed, **more}
        words |= {"selection": self.dataset.selection_name, "quick": self.comparison.quick and system != RAW}
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
    _write_missing_reports(stages)
    titled = {stage.title: stage for stage in stages}
    failed = [titled[title] for titles in failed_titles for title in titles.splitlines()]
    if failed:
        listed = "\n".join(f"  {stage.title}" + (f": {stage.log}" if stage.log.is_file() else "") for stage in failed)
        raise TrainingError(f"{len(failed)} of {len(stages)} stages failed:\n{listed}\nTry these again with: {command}")


def _write_missing_reports(stages: Sequence[Stage]) -> None:
    """Write the reports of stages that were killed after their results, which end a stage, and before their report."""
    for stage in stages:
        if stage.run is not None and stage.finished and not (stage.run / "report.html").is_file():
            write_run_report(stage.run)


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
    _show_scratch_steps(comparison, shown)
    say(comparison.title, markup=False, highlight=False, style="bold")
    for heading, grid in shown.items():
        say(grid.to_terminal(heading))
    if comparison.quick:
        say(QUICK_NOTE)
    text = "\n".join(f"## {heading}\n\n{grid.to_markdown()}" for heading, grid in shown.items())
    note = f"\n{QUICK_NOTE}\n" if comparison.quick else ""
    write_text(comparison.folder / "table.md", f"# {comparison.title}\n\n{text}{note}")
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


def _show_scratch_steps(comparison: Comparison, shown: dict[str, Grid]) -> None:
    """Add the choice of steps from random weights to the tables, or say below the first why there is none."""
    choices = scratch_steps(comparison.results)
    subjects, reason = comparison.chosen_on
    if choices.rows:
        shown[CHOICES] = choices
    if not subjects and not comparison.budget.scratch_as_set and ACCURACY in shown:
        why = f"Rows from scratch have the steps of pre-training and fine-tuning together; none are chosen: {reason}."
        caption = f"{shown[ACCURACY].caption}\n{why}".strip()
        shown[ACCURACY] = replace(shown[ACCURACY], caption=caption)
