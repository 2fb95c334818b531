"""`jointwise table`: what it plans, that nothing is done twice, and that a failure or Ctrl-C costs only itself."""

import io
import json
import re
import signal
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

import jointwise
from helpers import tiny
from helpers.in_process import Ended, in_process
from helpers.made_results import make
from helpers.stopping import stop_in_step
from jointwise import cli
from jointwise.cli import processes as stages
from jointwise.cli.comparison import Comparison, choose_splits
from jointwise.cli.processes import Stage, run_stages, start_process
from jointwise.cli.table_command import compare, plan
from jointwise.config.systems import default_systems, in_order, systems
from jointwise.data.dataset import Dataset
from jointwise.errors import ConfigError, JointwiseError, TrainingError
from jointwise.training.loop import Interrupted

SYSTEMS = (tiny.BASELINE, tiny.SYSTEM)
TABLE = ("table", "--data", "tiny", "--quick", *tiny.SMALL, "--systems", ",".join(SYSTEMS), "--labels", "0.5")
FOLDER = Path("runs/quick/tiny/table")


@pytest.fixture
def place(place: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The same, and stages run in this process."""
    use(monkeypatch, in_process)
    return place


def use(monkeypatch: pytest.MonkeyPatch, start: Callable[[Stage], object]) -> None:
    monkeypatch.setattr(stages, "start_process", lambda jobs: start)
    monkeypatch.setattr(stages, "PAUSE", 0)


def comparison(dataset: Dataset, folder: Path, *options: str, **changes: object) -> Comparison:
    configs = {name: tiny.config(*options, system=name) for name in SYSTEMS}
    made = Comparison((dataset,), configs, 1, ("1.0",), ("finetune",), folder, folder / "results", options)
    return replace(made, **changes)  # type: ignore[arg-type]


# --- the whole of it ---


@pytest.mark.slow
def test_all_systems_are_trained_judged_and_shown_and_nothing_is_done_twice(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    cli.run([*TABLE, "--protocols", "finetune", "knn"])
    out = capsys.readouterr().out
    for number, title in enumerate(
        (
            "knn raw labels 0.5 seed 0",
            f"from scratch {tiny.BASELINE} labels 0.5 seed 0",
            f"pretrain {tiny.SYSTEM} seed 0",
            f"finetune {tiny.SYSTEM} labels 0.5 seed 0",
            f"from scratch {tiny.SYSTEM} labels 0.5 seed 0",
            f"knn {tiny.SYSTEM} labels 0.5 seed 0",
        ),
        1,
    ):
        assert re.search(rf"^\[{number}/6\] {title} … \d+ s$", out, re.MULTILINE)
    for shown in (
        "top-1 %",
        "GFLOPs",
        "Findings are left out: the scores of --quick mean nothing.",
        "Table 1 on tiny, cross-subject",
    ):
        assert shown in out
    text = (FOLDER / "table.md").read_text()
    rows = [line.split(" | ")[0:3] for line in text.split("## Costs")[0].splitlines()[6:] if line.startswith("|")]
    assert rows == [
        [f"| {tiny.BASELINE}", "scratch, --quick", "finetune"],
        [f"| {tiny.SYSTEM}", "scratch, --quick", "finetune"],
        [f"| {tiny.SYSTEM}", "pretrained, --quick", "finetune"],
        ["| raw", "none", "knn"],
        [f"| {tiny.SYSTEM}", "pretrained, --quick", "knn"],
    ]
    assert "Pre-training" in (FOLDER / "table.html").read_text()
    ran = json.loads((FOLDER / tiny.SYSTEM / "pretrain-seed0" / "run.json").read_text())
    assert ran["steps"] == 12

    use(monkeypatch, lambda stage: pytest.fail(f"{stage.title} was started again"))
    (FOLDER / "table.md").unlink()
    report = FOLDER / tiny.SYSTEM / "pretrain-seed0" / "report.html"
    report.unlink()  # as after a kill between the result of a stage and its report
    cli.run([*TABLE, "--protocols", "finetune", "knn"])
    assert "6 of 6 stages are finished already" in capsys.readouterr().out
    assert (FOLDER / "table.md").read_text() == text
    assert report.is_file()


@pytest.mark.slow
def test_a_stage_that_was_stopped_half_way_goes_on_and_what_needs_it_waits(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words = (*TABLE[:-4], "--systems", tiny.SYSTEM)
    with monkeypatch.context() as patch:
        stop_in_step(patch, 4)
        with pytest.raises(
            TrainingError,
            match=r"3 of 3 stages failed:\n  pretrain .*\n  from.*\n  finetune (.*\n)*.*Try",
        ):
            cli.run(list(words))
    out = capsys.readouterr().out
    assert "stopped after step 5 of 12, all saved" in out
    assert f"[2/3] finetune {tiny.SYSTEM} labels 1.0 seed 0 … left out" in out
    assert "no results yet" in out
    cli.run(list(words))
    log = FOLDER / tiny.SYSTEM / "pretrain-seed0" / "metrics.jsonl"
    assert [json.loads(line)["step"] for line in log.read_text().splitlines()] == [*range(1, 13)]
    assert (FOLDER / "results" / f"{tiny.SYSTEM}-quick-finetune-1.0-seed0.json").is_file()


def test_a_run_begun_on_a_device_that_is_not_there_goes_on_elsewhere(place: Path) -> None:
    words = [*TABLE[:-4], "--systems", tiny.BASELINE, "--scratch.steps", "2"]
    with pytest.raises(TrainingError, match="1 of 1 stages failed"):
        cli.run([*words, "--execution.device", "cuda:99"])
    cli.run(words)
    assert (FOLDER / "results" / f"{tiny.BASELINE}-quick-scratch-finetune-1.0-seed0.json").is_file()


def test_other_settings_in_the_same_folder_are_an_error_and_more_seeds_are_not(
    dataset: Dataset, tmp_path: Path
) -> None:
    comparison(dataset, tmp_path).check()
    comparison(dataset, tmp_path, seeds=3, labels=("0.5",), protocols=("knn",)).check()
    comparison(dataset, tmp_path, "--execution.precision", "bf16").check()
    with pytest.raises(ConfigError, match=r"was started with \w+: pretrain\.steps 12, now it is 13\. Resume with"):
        comparison(dataset, tmp_path, "--pretrain.steps", "13").check()


def test_validation_subjects_are_scored_and_named_and_the_test_part_is_not(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [*TABLE[:-4], "--systems", tiny.BASELINE, "--scratch.steps", "2", "--validation_subjects", "[3]"]
    cli.run(words)
    folder = Path("runs/quick/tiny/table-validation")
    assert "Table 1 on tiny, validation on cross-subject" in capsys.readouterr().out
    assert "held-out training subjects 3" in (folder / "table.md").read_text().splitlines()[0]
    (path,) = (folder / "results").glob("*.json")
    assert json.loads(path.read_text())["split"]["is_test"] is False
    use(monkeypatch, lambda stage: pytest.fail(f"{stage.title} was started again"))
    cli.run(words)
    assert "1 of 1 stages are finished already" in capsys.readouterr().out


# --- the plan ---


def test_every_shipped_system_has_a_place_in_the_order() -> None:
    assert set(default_systems()) <= set(systems())
    assert not {"recommended", "mamp_published"} & set(default_systems())
    assert in_order(["sjepa", "mamp", "supervised", "mamp"]) == ["supervised", "mamp", "sjepa"]


def test_the_expected_names_are_those_that_results_get(dataset: Dataset, folds: Dataset, tmp_path: Path) -> None:
    for data, subjects in ((dataset, []), (folds, []), (dataset, [3])):
        options = ("--probe.pooling", "joints", "--validation_subjects", json.dumps(subjects))
        planned = plan(comparison(data, tmp_path, *options, protocols=("finetune", "linear")))
        expected = {stage.products[-1].stem for stage in planned if stage.command[0] == "finetune"}
        expected |= {stage.products[0].stem for stage in planned if stage.command[0] == "evaluate"}
        common = {"config": tiny.config(*options), "split_is_test": not subjects}
        made = [
            make(data, system=tiny.BASELINE, protocol="finetune", initialisation="scratch", **common),
            make(data, system=tiny.SYSTEM, protocol="finetune", **common),
            make(data, system=tiny.SYSTEM, protocol="finetune", initialisation="scratch", **common),
            make(data, system=tiny.SYSTEM, protocol="linear", pooling="joints", **common),
            make(data, system="raw", protocol="linear", initialisation="none", **common),
        ]
        assert expected == {evaluation.name() for evaluation in made}


def test_semi_has_rows_pre_trained_from_scratch_and_raw_beside_those_of_fine_tuning(
    dataset: Dataset, tmp_path: Path
) -> None:
    planned = plan(comparison(dataset, tmp_path, seeds=2, protocols=("finetune", "semi")))
    semi = [stage for stage in planned if "-semi-" in stage.products[-1].stem and "seed 0" in stage.title]
    assert [stage.products[-1].stem for stage in semi] == [
        "raw-semi-1.0-seed0",
        f"{tiny.BASELINE}-scratch-semi-1.0-seed0",
        f"{tiny.SYSTEM}-semi-1.0-seed0",
        f"{tiny.SYSTEM}-scratch-semi-1.0-seed0",
    ]
    for stage in semi[1:]:
        assert stage.command[stage.command.index("--unlabelled") + 1] == "pseudo"
    assert len({stage.run for stage in planned if stage.run}) == len([stage for stage in planned if stage.run])
    assert len({stage.title for stage in planned}) == len(planned)
    assert not [stage for stage in planned if " raw " in stage.title and "seed 1" in stage.title]  # nothing is drawn


def test_all_folds_are_planned_unless_some_are_named_or_subjects_held_out(folds: Dataset, dataset: Dataset) -> None:
    def chosen(data: Dataset, *how: object) -> list[str]:
        return [part.split_name for part in choose_splits(data, *how)]  # type: ignore[arg-type]

    assert chosen(folds, None, None, []) == ["fold1", "fold2"]
    assert chosen(folds, None, [2], []) == ["fold2"]
    assert chosen(folds, "fold2", None, []) == ["fold2"]
    assert len(chosen(folds, None, None, [1])) == 1
    assert chosen(dataset, None, None, []) == ["xsub"]
    with pytest.raises(ConfigError, match="has the folds 1 to 2"):
        choose_splits(folds, None, [3], [])
    with pytest.raises(ConfigError, match="has no folds"):
        choose_splits(dataset, None, [1], [])


def test_the_first_seed_of_every_system_comes_before_the_second_of_any(folds: Dataset, tmp_path: Path) -> None:
    both = choose_splits(folds, None, None, [])
    planned = plan(comparison(folds, tmp_path, datasets=both, seeds=2, labels=("0.5", "1.0"), protocols=("knn",)))
    seeds = [stage.title[-1] for stage in planned]
    assert seeds == sorted(seeds)
    assert len({stage.title for stage in planned}) == len({stage.log for stage in planned}) == len(planned)
    raw = [stage.title for stage in planned if " raw " in stage.title]
    assert raw == [
        *(f"knn raw {fold} labels {labels} seed 0" for fold in ("fold1", "fold2") for labels in ("0.5", "1.0")),
        *(f"knn raw {fold} labels 0.5 seed 1" for fold in ("fold1", "fold2")),  # with all labels nothing is drawn
    ]
    for stage in planned:
        assert stage.after is None or planned.index(stage.after) < planned.index(stage)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--protocols", "linar"), "did you mean 'linear'"),
        (("--seeds", "0"), "--seeds 0: at least one"),
        (("--jobs", "0"), "--jobs 0: at least one"),
        (("--systems", ","), "--systems: none is named"),
        (("--protocols", "finetune,linar"), "did you mean 'linear'"),
        (("--labels", "1.0,2"), "--labels 2.0: expected a share"),
        (("--systems", "mampp"), "unknown system 'mampp': did you mean 'mamp'"),
        (("--labels", "2"), "--labels 2.0: expected a share"),
        (("--pretrain.step", "1"), "did you mean '--pretrain.steps'"),
    ],
)
def test_a_mistake_is_found_before_anything_is_trained(place: Path, words: tuple[str, ...], message: str) -> None:
    with pytest.raises(JointwiseError, match=re.escape(message)):
        cli.run(["table", "--data", "tiny", "--quick", "--systems", tiny.BASELINE, *words])
    assert list(place.rglob("config.yaml")) == []


def test_no_jobs_are_a_message_where_processes_are_started_too(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stages, "start_process", start_process)  # the real one, which shares the cores
    with pytest.raises(JointwiseError, match="--jobs 0: at least one"):
        cli.run(["table", "--data", "tiny", "--quick", "--systems", tiny.BASELINE, "--jobs", "0"])


# --- running ---


class Fake:
    """A process that ends when it has been looked at `looks` times, or has got a signal; it may leave its products."""

    def __init__(self, stage: Stage, looks: float = 2, status: int = 0) -> None:
        self.stage, self.looks, self.status, self.signals = stage, looks, status, list[int]()

    def poll(self) -> int | None:
        self.looks -= 1
        if self.looks > 0 and not self.signals:
            return None
        if not self.status:
            for path in self.stage.products:
                path.write_text("done")
        return self.status

    def send_signal(self, sig: int, /) -> None:
        self.signals.append(sig)


@pytest.fixture
def chain(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Stage]:
    """Three pre-trainings, each with a fine-tuning after it."""
    monkeypatch.setattr(stages, "PAUSE", 0)
    planned: list[Stage] = []
    for name in "abc":
        first = Stage(f"pretrain {name}", (), (tmp_path / f"{name}1",), None, tmp_path / f"{name}1.log")
        planned += [first, Stage(f"finetune {name}", (), (tmp_path / f"{name}2",), None, tmp_path / "log", first)]
    return planned


def quiet() -> Console:
    return Console(file=io.StringIO(), width=120)


@pytest.mark.parametrize("jobs", [1, 2, 4])
def test_as_many_stages_run_at_once_as_asked_for_each_after_what_it_needs(chain: list[Stage], jobs: int) -> None:
    started: list[Fake] = []
    most = 0

    def start(stage: Stage) -> Fake:
        nonlocal most
        assert stage.after is None or stage.after.finished
        started.append(Fake(stage))
        most = max(most, sum(not fake.stage.finished for fake in started))
        return started[-1]

    assert run_stages(chain, jobs, start, quiet()) == []
    assert [fake.stage for fake in started] == chain if jobs == 1 else len(started) == len(chain)
    assert most == min(jobs, 3)


def test_a_failed_stage_costs_what_needs_it_and_nothing_else(chain: list[Stage]) -> None:
    console = quiet()
    chain[2].log.write_text("".join(f"line {number}\n" for number in range(20)))
    failed = run_stages(chain, 1, lambda stage: Fake(stage, status=3 if stage is chain[2] else 0), console)
    assert failed == [chain[2], chain[3]]
    assert all(stage.finished for stage in chain if stage not in failed)
    assert isinstance(console.file, io.StringIO)
    text = console.file.getvalue()
    assert "[3/6] pretrain b … FAILED after 0 s (status 3), the end of" in text
    assert "line 19" in text
    assert "line 3\n" not in text


def test_a_stage_that_ends_well_without_what_it_should_write_has_failed(chain: list[Stage]) -> None:
    console = quiet()
    assert run_stages(chain[:1], 1, lambda _: Ended(0), console) == chain[:1]


def press(monkeypatch: pytest.MonkeyPatch, *times: int) -> None:
    """Ctrl-C at these pauses."""
    pauses: Iterator[int] = iter(range(1, 1000))

    def sleep(_: float) -> None:
        if next(pauses) in times:
            raise KeyboardInterrupt

    monkeypatch.setattr(stages.time, "sleep", sleep)


def test_ctrl_c_is_passed_on_once_to_every_running_stage(chain: list[Stage], monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[Fake] = []
    press(monkeypatch, 3)

    def start(stage: Stage) -> Fake:
        started.append(Fake(stage, looks=float("inf")))
        return started[-1]

    with pytest.raises(KeyboardInterrupt):
        run_stages(chain, 2, start, quiet())
    assert [fake.signals for fake in started] == [[signal.SIGINT]] * 2


def test_a_kill_of_the_table_stops_its_stages_as_ctrl_c_does(
    chain: list[Stage], monkeypatch: pytest.MonkeyPatch
) -> None:
    fake = Fake(chain[0], looks=float("inf"))
    pauses = iter((False, True))
    monkeypatch.setattr(stages.time, "sleep", lambda _: signal.raise_signal(signal.SIGTERM) if next(pauses) else None)
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(KeyboardInterrupt):
        run_stages(chain, 1, lambda _: fake, quiet())
    assert fake.signals == [signal.SIGINT]
    assert signal.getsignal(signal.SIGTERM) == before


def test_a_second_ctrl_c_ends_what_does_not_end_by_itself(chain: list[Stage], monkeypatch: pytest.MonkeyPatch) -> None:
    class Deaf(Fake):
        def poll(self) -> int | None:
            return None

    fake = Deaf(chain[0])
    press(monkeypatch, 3, 5)
    with pytest.raises(KeyboardInterrupt):
        run_stages(chain, 1, lambda _: fake, quiet())
    assert fake.signals == [signal.SIGINT, signal.SIGKILL]


def test_after_ctrl_c_the_message_says_how_to_go_on(
    dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    press(monkeypatch, 1)
    with pytest.raises(
        Interrupted, match=r"stopped, 0 of 4 stages are finished\. Go on with: jointwise table --data x"
    ):
        compare(comparison(dataset, tmp_path), 1, lambda stage: Fake(stage, 9, 1), quiet(), ["table", "--data", "x"])


def test_a_real_stage_is_a_process_with_a_log_that_the_terminals_ctrl_c_does_not_reach(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(stages.os, "cpu_count", lambda: 7)
    opened = subprocess.Popen
    given: dict[str, object] = {}

    def popen(*words: object, **how: object) -> object:
        given.update(how)
        return opened(*words, **how)  # type: ignore[call-overload]

    monkeypatch.setattr(stages.subprocess, "Popen", popen)
    stage = Stage("version", ("--version",), (), None, tmp_path / "logs" / "version.log")
    process = start_process(2)(stage)
    assert isinstance(process, opened)
    assert process.wait(60) == 0
    assert stage.log.read_text() == f"$ jointwise --version\njointwise {jointwise.__version__}\n"
    assert given["process_group"] == 0
    environment = given["env"]
    assert isinstance(environment, dict)
    assert environment["OMP_NUM_THREADS"] == "3"  # of 7 cores for each of 2 jobs
