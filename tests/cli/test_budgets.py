"""How many labelled steps rows get: --steps, the passes of all labels, the choice from random weights."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml

from helpers import tiny
from helpers.in_process import in_process
from jointwise import cli
from jointwise.cli import comparison as comparisons
from jointwise.cli import processes as stages
from jointwise.cli.budgets import Budget, Choice, steps_settings, subjects_to_choose_on
from jointwise.cli.comparison import Comparison
from jointwise.cli.processes import Stage
from jointwise.cli.table_command import plan
from jointwise.config.layers import read_layer
from jointwise.data.dataset import Dataset
from jointwise.data.store.reader import UNKNOWN
from jointwise.errors import ConfigError
from jointwise.report.tables.scratch_steps import scratch_steps
from jointwise.report.tables.tables import render_into

FAIR = Budget(finetune_as_set=False, scratch_as_set=False)


class Subjects:
    """A data set of which only the training subjects are known."""

    def __init__(self, *subjects: int) -> None:
        self.train = self.labelled = self
        self.subjects = np.array(subjects)


def comparison(dataset: Dataset, folder: Path, budget: Budget = FAIR, **changes: object) -> Comparison:
    configs = {name: tiny.config(system=name) for name in (tiny.BASELINE, tiny.SYSTEM)}
    made = Comparison(
        (dataset,), configs, 2, ("0.5", "1.0"), ("finetune",), folder, folder / "results", tiny.SMALL, budget=budget
    )
    return replace(made, **changes)  # type: ignore[arg-type]


def after_word(stage: Stage, word: str) -> str:
    return stage.command[len(stage.command) - 1 - stage.command[::-1].index(word) + 1]


# --- what --steps says ---


def test_steps_are_those_of_pre_training_of_few_labels_and_of_all() -> None:
    assert steps_settings(None) == {}
    assert steps_settings("100") == {"pretrain.steps": "100"}
    both = {"pretrain.steps": "100", "finetune.steps": "40", "scratch.steps": "40"}
    assert steps_settings("100+40") == steps_settings("100+40+90") == both
    assert Budget.of("100+40", {}, quick=False) == FAIR
    assert Budget.of("100+40+90", {}, quick=False) == replace(FAIR, all_labels=90)


@pytest.mark.parametrize("steps", ["many", "1+2+3+4", "1+", "-1"])
def test_steps_of_another_form_are_refused(steps: str) -> None:
    with pytest.raises(ConfigError, match="expected steps of pre-training such as 1000"):
        steps_settings(steps)


def test_what_the_user_names_and_quick_are_taken_as_set() -> None:
    assert Budget.of(None, {"scratch.steps": "9"}, quick=False) == Budget(finetune_as_set=False)
    assert Budget.of(None, {"finetune.steps": "9"}, quick=False) == Budget(scratch_as_set=False)
    assert Budget.of("10+5", {}, quick=True) == Budget()


# --- the numbers ---


def test_all_labels_get_eighty_passes_over_the_training_clips_and_few_labels_do_not() -> None:
    config = tiny.config("--finetune.steps", "400", "--finetune.batch", "24", "--pretrain.steps", "1000")
    assert FAIR.labelled(config, "0.1", 431) == FAIR.labelled(config, "5shot", 431) == 400
    assert FAIR.labelled(config, "1.0", 431) == 1437  # 80 · 431 / 24 = 1436.7
    assert FAIR.labelled(config, "1.0", 10) == 400  # a batch holds 10 clips at most: 80 steps
    assert replace(FAIR, all_labels=700).labelled(config, "1.0", 431) == 700
    assert Budget().labelled(config, "1.0", 431) == 400


def test_from_scratch_the_candidates_are_without_and_with_the_steps_of_pre_training() -> None:
    config = tiny.config("--finetune.steps", "400", "--finetune.batch", "24", "--pretrain.steps", "1000")
    assert FAIR.from_scratch(config, "0.1", 431) == (400, 1400)
    assert FAIR.from_scratch(config, "1.0", 431) == (1437, 2437)
    assert Budget().from_scratch(config, "1.0", 431) == (config.scratch.steps,)


@pytest.mark.parametrize(
    ("training", "held_out"),
    [
        ((1, 3, 5, 7), [7]),
        (range(1, 10), [4, 8]),
        ((5, 5, 2, 2, 9), [9]),
        ((1, 2), [2]),
        ((1, 1), []),
        ((UNKNOWN, UNKNOWN), []),
        ((UNKNOWN, 4), []),
    ],
)
def test_every_fourth_training_subject_is_held_out_at_least_one_never_all(
    training: tuple[int, ...], held_out: list[int]
) -> None:
    assert subjects_to_choose_on(Subjects(*training)) == held_out  # type: ignore[arg-type]


# --- the plan ---


def test_candidates_are_planned_once_before_all_rows_from_scratch_which_read_the_choice(
    dataset: Dataset, tmp_path: Path
) -> None:
    planned = plan(comparison(dataset, tmp_path))
    titles = [stage.title for stage in planned]
    choosing = [stage for stage in planned if stage.title.startswith("choose")]
    assert [stage.title for stage in choosing] == [
        f"choose {steps} steps {system} labels {labels}"
        for system in (tiny.BASELINE, tiny.SYSTEM)
        for labels, few in (("0.5", 12), ("1.0", 300))  # 80 passes over 30 clips in batches of 8
        for steps in (few, few + 12)
    ]
    for stage in choosing:
        assert after_word(stage, "--validation_subjects") == "[3]"
        assert after_word(stage, "--scratch.steps") in stage.title.split()
        assert "--results" not in stage.command  # never among the results of the table
        assert tmp_path / "results" not in stage.products[0].parents
    scratch = [stage for stage in planned if stage.title.startswith("from scratch")]
    assert len(scratch) == 8  # 2 systems, 2 amounts of labels, 2 seeds
    for stage in scratch:
        assert stage.after in choosing
        assert titles.index(stage.after.title) < planned.index(stage)  # type: ignore[union-attr]
        assert "--scratch.steps" not in stage.command[stage.command.index("--run") :]
        labels = after_word(stage, "--labels")
        assert after_word(stage, "--config").endswith(f"choosing/{stage.command[1]}/{labels}.yaml")
    tuned = [stage for stage in planned if stage.title.startswith("finetune")]
    assert [after_word(stage, "--finetune.steps") for stage in tuned] == ["12", "300"] * 2


@pytest.mark.parametrize(
    ("budget", "changes", "steps"),
    [
        (Budget(), {}, "12"),
        (FAIR, {"validation": True}, "24"),
    ],
)
def test_nothing_is_chosen_where_steps_are_set_or_training_subjects_are_scored(
    dataset: Dataset, tmp_path: Path, budget: Budget, changes: dict[str, bool], steps: str
) -> None:
    made = comparison(dataset, tmp_path, budget, labels=("0.5",))
    if changes:
        held = {name: tiny.config("--validation_subjects", "[3]", system=name) for name in made.configs}
        made = replace(made, configs=held)
    planned = plan(made)
    assert not [stage for stage in planned if stage.title.startswith("choose")]
    for stage in planned:
        if stage.title.startswith("from scratch"):
            assert after_word(stage, "--scratch.steps") == steps


def test_data_without_two_training_subjects_take_the_steps_of_both_and_say_so(dataset: Dataset, tmp_path: Path) -> None:
    one = replace(dataset, train=dataset.hold_out([3]).train)
    made = comparison(one, tmp_path)
    assert made.chosen_on == ((), "fewer than two training subjects are known")
    assert made.scratch_steps(tiny.BASELINE, "0.5") == 24


def test_a_class_that_only_the_held_out_subject_shows_leaves_nothing_to_choose_by(
    dataset: Dataset, tmp_path: Path
) -> None:
    made = comparison(dataset, tmp_path, labels=("5shot",))  # a subject has three recordings of a class
    subjects, reason = made.chosen_on
    assert subjects == ()
    assert "5 asked for" in reason


def test_a_folder_that_was_begun_by_another_rule_is_refused(dataset: Dataset, tmp_path: Path) -> None:
    comparison(dataset, tmp_path, Budget()).check()
    with pytest.raises(ConfigError, match=r"steps\.with_all_labels 'finetune.steps', now it is '80 passes'"):
        comparison(dataset, tmp_path).check()
    before = json.loads((tmp_path / "table.json").read_text())
    del before["steps"]  # as tables wrote it before there was a rule
    (tmp_path / "table.json").write_text(json.dumps(before))
    comparison(dataset, tmp_path, Budget()).check()
    with pytest.raises(ConfigError, match="80 passes"):
        comparison(dataset, tmp_path).check()


# --- the choice ---


KEPT = Path(__file__).parents[2] / "results" / "few-labels" / "utd-mhad"
WHOLE = json.loads(min(path for path in KEPT.glob("*.json")).read_text())  # any result, with all that a result has


def chosen(folder: Path, few: float, many: float) -> Choice:
    results = (folder / "few.json", folder / "many.json")
    for path, top1 in zip(results, (few, many), strict=True):
        split = WHOLE["split"] | {"name": "odd; held-out training subjects 3"}
        content = {"scores": {"top1": top1}, "n": 15, "commit": "abc", "split": split, "seed": 0}
        path.write_text(json.dumps(WHOLE | content))
    record = folder / "results" / "steps" / "mamp-0.1.json"
    choice = Choice("mamp", "0.1", (400, 1400), results, record, folder / "0.1.yaml")
    choice.write()
    return choice


@pytest.mark.parametrize(("few", "many", "steps"), [(0.5, 0.6, 1400), (0.6, 0.5, 400), (0.5, 0.5, 400)])
def test_the_steps_with_the_higher_score_are_chosen_and_of_equal_ones_the_fewer(
    tmp_path: Path, few: float, many: float, steps: int
) -> None:
    choice = chosen(tmp_path, few, many)
    assert read_layer(choice.settings).settings == {"scratch": {"steps": steps}}
    assert yaml.safe_load(choice.settings.read_text()) == {"scratch": {"steps": steps}}
    grid = scratch_steps(tmp_path / "results")
    assert grid.rows == [("mamp", "0.1", f"{steps:,}", f"400: {100 * few:.1f}", f"1,400: {100 * many:.1f}")]
    assert "held-out training subjects 3, seed 0" in grid.caption
    document = tmp_path / "page.md"
    document.write_text(f"<!-- steps {tmp_path / 'results'} -->\nold\n<!-- end of steps -->\n")
    assert render_into(document) == 1
    assert f"| mamp | 0.1 | {steps:,} |" in document.read_text()


def test_a_choice_that_was_made_stays(tmp_path: Path) -> None:
    choice = chosen(tmp_path, 0.5, 0.6)
    choice.results[1].unlink()
    choice.write()
    assert read_layer(choice.settings).settings == {"scratch": {"steps": 1400}}
    assert scratch_steps(tmp_path / "elsewhere").rows == []


@pytest.mark.slow
def test_rows_from_scratch_take_what_held_out_subjects_decide_and_the_table_shows_both_scores(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(stages, "start_process", lambda jobs: in_process)
    monkeypatch.setattr(stages, "PAUSE", 0)
    sizes = [word for name, value in tiny.SETTINGS.items() if "steps" not in name for word in (f"--{name}", value)]
    words = ["table", "--data", "tiny", *sizes, "--systems", tiny.BASELINE, "--labels", "0.5", "--steps", "3+4"]
    cli.run([*words, "--encoder.depth", "2", "--encoder.heads", "2"])
    out = capsys.readouterr().out
    assert "[3/3] from scratch" in out
    assert "Steps from scratch" in out
    folder = Path("runs/tiny/table")
    (record,) = (folder / "results" / "steps").glob("*.json")
    choice = json.loads(record.read_text())
    assert [candidate["steps"] for candidate in choice["candidates"]] == [4, 7]
    scores = [candidate["top1"] for candidate in choice["candidates"]]
    assert choice["scratch_steps"] == (7 if scores[1] > scores[0] else 4)
    (scored,) = (folder / "results").glob("*.json")
    result = json.loads(scored.read_text())
    assert result["steps"] == {"finetune": choice["scratch_steps"]}
    assert result["split"]["is_test"] is True
    assert (
        "Chosen on cross-subject (odd train, even test); held-out training subjects 3, seed 0."
        in (folder / "table.md").read_text()
    )
    assert "Steps from scratch" in (folder / "table.html").read_text()
    log = (folder / "results" / "test_scorings.jsonl").read_text().splitlines()
    assert len(log) == 1  # the candidates have not looked at the test part
    monkeypatch.setattr(stages, "start_process", lambda jobs: lambda stage: pytest.fail(f"{stage.title} again"))
    cli.run([*words, "--encoder.depth", "2", "--encoder.heads", "2"])
    assert "3 of 3 stages are finished already" in capsys.readouterr().out


@pytest.mark.slow
def test_a_table_says_why_nothing_was_chosen(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stages, "start_process", lambda jobs: in_process)
    monkeypatch.setattr(stages, "PAUSE", 0)
    monkeypatch.setattr(comparisons, "subjects_to_choose_on", lambda dataset: [])
    sizes = [word for name, value in tiny.SETTINGS.items() if "steps" not in name for word in (f"--{name}", value)]
    words = ["table", "--data", "tiny", *sizes, "--systems", tiny.BASELINE, "--labels", "0.5", "--steps", "3+4"]
    cli.run([*words, "--encoder.heads", "2"])
    text = Path("runs/tiny/table/table.md").read_text()
    assert "none are chosen: fewer than two training subjects are known." in text
    assert "| – + 7 |" in text  # the costs: the steps of pre-training and fine-tuning together
