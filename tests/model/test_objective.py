"""The seam: what every objective keeps to, and a new one that is added through nothing but the seam."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from helpers import tiny
from jointwise import cli
from jointwise.config.layers import all_settings, make_config
from jointwise.config.schema import Config
from jointwise.data.clips import ClipCutter
from jointwise.data.dataset import Dataset
from jointwise.data.randomness import Draws
from jointwise.errors import ConfigError
from jointwise.evaluation.results import read_results
from jointwise.model.build import NAMED, OBJECTIVES, build_objective, check_names
from jointwise.model.objective import Objective
from jointwise.report.page.comparison import write_comparison
from jointwise.report.tables.grouping import group_results
from jointwise.report.tables.tables import costs
from jointwise.stages.evaluate import evaluate
from jointwise.stages.finetune import finetune
from jointwise.stages.pretrain import pretrain
from jointwise.training.checkpoint import read_json
from jointwise.training.loop import Interrupted
from jointwise.training.model_folder import load_model
from jointwise.training.run_folder import read_log

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "add-an-objective.md"
OTHER_KEYS = {"loss", "step", "epoch", "learning_rate", "seconds", "split", "teacher_spread", "effective_rank"}


def block(language: str) -> str:
    """The only block of code in a language on the page."""
    (code,) = re.findall(rf"```{language}\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    return str(code)


@pytest.fixture(scope="module")
def toy_class() -> type[Objective]:
    """The class on the page."""
    names: dict[str, Any] = {"__name__": "mean_position"}
    exec(block("python"), names)
    found: type[Objective] = names["MeanPosition"]
    return found


@pytest.fixture
def toy(toy_class: type[Objective], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The page's objective is registered; its settings lie in the file."""
    monkeypatch.setitem(OBJECTIVES, "mean_position", toy_class)
    file = tmp_path / "mean_position.yaml"
    file.write_text(block("yaml"))
    return file


def toy_config(file: Path, **options: Any) -> Config:
    sizes = {name: value for name, value in tiny.options_of(*tiny.SMALL).items() if name != "mask.ratio"}
    return make_config(tiny.SYSTEM, tiny.NAME, quick=True, file=file, options=sizes | options)


# --- every objective ---


@pytest.mark.parametrize("name", [*OBJECTIVES, "mean_position"])
def test_every_objective_keeps_to_the_seam(name: str, toy: Path, dataset: Dataset) -> None:
    config = tiny.config("--objective", name)
    objective = build_objective(config, dataset.skeleton, 3, 0.5, 0)
    again = build_objective(config, dataset.skeleton, 3, 0.5, 0)
    assert all(torch.equal(own, other) for own, other in zip(objective.parameters(), again.parameters(), strict=True))
    other = build_objective(config, dataset.skeleton, 3, 0.5, 1)
    assert not torch.equal(objective.encoder.embed.proj.weight, other.encoder.embed.proj.weight)
    encoder = {key for key in objective.state_dict() if key.startswith("student.")}
    assert encoder == {f"student.{key}" for key in objective.encoder.state_dict()}
    clips = ClipCutter.from_store(dataset.store, config.clip.frames).centre(torch.arange(6))
    losses, same = (objective.losses(clips.persons(), clips, Draws(torch.arange(6), 0, "x")) for _ in range(2))
    assert losses.parts.keys() == objective.PARTS.keys()
    assert all(part.ndim == 0 and not part.requires_grad and part.isfinite() for part in losses.parts.values())
    assert torch.equal(losses.total, same.total)
    assert not objective.PARTS.keys() & OTHER_KEYS  # it shares a line of the log with these
    losses.total.backward()
    assert all(weights.grad is not None for weights in objective.encoder.parameters())
    json.dumps(objective.describe(config.segments, 20))


@pytest.mark.parametrize("name", [*OBJECTIVES, "mean_position"])
def test_the_losses_of_two_shares_add_up_to_those_of_the_batch(name: str, toy: Path, dataset: Dataset) -> None:
    """A sum over the batch is known once both shares have been asked for it: each round learns one more."""
    objective = build_objective(tiny.config("--objective", name), dataset.skeleton, 3, 0.5, 0).eval()
    cutter = ClipCutter.from_store(dataset.store, 16)
    places = (torch.arange(0, 4), torch.arange(4, 6))

    def share(of: torch.Tensor, batch_sum: Any) -> Any:
        clips = cutter.centre(of)
        with torch.no_grad():
            return objective.losses(clips.persons(), clips, Draws(of, 0, "x"), batch_sum)

    known: list[torch.Tensor] = []  # sums over the batch, in the order in which they are asked for
    while True:
        asked: list[list[torch.Tensor]] = []
        shares = []
        for of in places:
            sums: list[torch.Tensor] = []

            def batch_sum(own: torch.Tensor, sums: list[torch.Tensor] = sums) -> torch.Tensor:
                sums.append(own)
                return known[len(sums) - 1] if len(sums) <= len(known) else own

            shares.append(share(of, batch_sum))
            asked.append(sums)
        if len(known) == len(asked[0]):
            break
        known.append(asked[0][len(known)] + asked[1][len(known)])
    whole = share(torch.arange(6), lambda own: own)
    for key in objective.PARTS:
        torch.testing.assert_close(shares[0].parts[key] + shares[1].parts[key], whole.parts[key])
    torch.testing.assert_close(shares[0].total + shares[1].total, whole.total)


# --- names in a config ---


@pytest.mark.parametrize("setting", NAMED)
def test_a_name_that_is_not_known_names_setting_and_nearest_on_every_way_in(setting: str, tmp_path: Path) -> None:
    known = sorted(NAMED[setting])[0]
    wrong = known[:-1]
    message = rf"unknown value of --{setting} '{wrong}': did you mean '{known}'\? Known: .*{known}"
    with pytest.raises(ConfigError, match=message):
        check_names(tiny.config(f"--{setting}", wrong))
    group, _, name = setting.rpartition(".")
    file = tmp_path / "mine.yaml"
    file.write_text(yaml.safe_dump({group: {name: wrong}} if group else {name: wrong}))
    with pytest.raises(ConfigError, match=message):
        check_names(make_config(tiny.SYSTEM, file=file))


@pytest.mark.parametrize("setting", NAMED)
def test_the_command_line_refuses_a_name_before_it_opens_data(setting: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jointwise.data.dataset.load_dataset", None)  # calling it would be a TypeError
    words = ["--data", "synthetic", f"--{setting}", "spatal"]
    for command in (["pretrain", tiny.SYSTEM], ["finetune", tiny.BASELINE], ["table"]):
        with pytest.raises(ConfigError, match=rf"unknown value of --{setting} 'spatal'"):
            cli.run([*command, *words])


@pytest.mark.parametrize("setting", [setting for setting in NAMED if setting != "objective"])
def test_the_help_of_a_setting_lists_the_names_it_takes(setting: str) -> None:
    (info,) = [info for info in all_settings() if info.name == setting]
    assert all(name in info.help for name in NAMED[setting])


def test_stages_refuse_a_name_before_they_make_a_folder(dataset: Dataset, tmp_path: Path) -> None:
    config = tiny.config("--mask.strategy", "randm")
    with pytest.raises(ConfigError, match="did you mean 'random'"):
        pretrain(config, dataset, 0, tmp_path / "run")
    with pytest.raises(ConfigError, match="did you mean 'random'"):
        finetune(config, dataset, 0, "1.0", tmp_path / "run")
    assert not (tmp_path / "run").exists()


# --- a new objective, through nothing but the seam ---


def test_a_new_objective_pretrains_reports_and_is_fine_tuned(toy: Path, dataset: Dataset, tmp_path: Path) -> None:
    config = toy_config(toy, validation_subjects=[3])
    assert (config.objective, config.mask.ratio) == ("mean_position", 0.5)
    folder = tmp_path / "pretrain"
    run = pretrain(config, dataset, 0, folder)
    lines = read_log(folder)
    assert len(lines) == 12
    for line in lines:
        assert line["mean_position"] == line["loss"]
        assert not {"latent", "reconstruction", "teacher_spread"} & line.keys()
    assert read_json(folder / "run.json")["held_out"].keys() == {"mean_position", "split"}
    assert run["held_out"]["mean_position"] > 0
    assert run["collapse"] is None
    words = write_page(folder, tmp_path)
    assert "held-out mean position loss" in words
    assert "mean position" in words

    finetune(config, dataset, 0, "1.0", tmp_path / "finetune", folder, results=tmp_path / "results")
    evaluate(folder, "knn", dataset, config, 0, results=tmp_path / "results")
    results = read_results(tmp_path / "results")
    assert len(results) == 2
    table = costs(group_results(results))
    assert table.header[4:6] == ("L_mean", "steps")
    (row,) = table.rows
    assert row[4] == f"{run['held_out']['mean_position']:.3f}"
    assert "L_mean: losses on held-out training clips;" in table.caption


def write_page(folder: Path, place: Path) -> str:
    from jointwise.report.page import write_report

    return write_report(place / "report.html", "toy", [folder], []).read_text("utf-8")


def test_the_encoder_that_is_kept_is_the_one_that_was_trained(toy: Path, dataset: Dataset, tmp_path: Path) -> None:
    config = toy_config(toy)
    pretrain(config, dataset, 0, tmp_path / "run")
    _, weights = load_model(tmp_path / "run")
    start = build_objective(config, dataset.skeleton, 3, 0.5, 0).state_dict()
    assert weights.keys() == start.keys()
    assert all(not torch.equal(weights[key], start[key]) for key in start if key.endswith("proj.weight"))


def test_a_new_objective_on_the_command_line_and_beside_others_in_a_chart(
    toy: Path, registered: Path, pretrained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    sizes = [*tiny.SMALL]
    start = sizes.index("--mask.ratio")
    del sizes[start : start + 2]
    held_out = ("--validation_subjects", "[3]")
    cli.run(
        ["pretrain", tiny.SYSTEM, "--data", "tiny", "--quick", "--config", str(toy), *sizes, "--run", "run", *held_out]
    )
    loss = read_json(tmp_path / "run" / "run.json")["held_out"]["mean_position"]
    assert re.search(rf"held-out loss +mean_position {loss:.4f}\n", capsys.readouterr().out)
    cli.run(["finetune", "run", "--data", "tiny", "--quick", *sizes])
    with pytest.raises(ConfigError, match=r"--objective masked_prediction: this was decided when run was trained"):
        cli.run(["finetune", "run", "--data", "tiny", "--quick", *sizes, "--objective", "masked_prediction"])
    about = read_json(tmp_path / "run" / "about.json") | {"system": "toy"}
    (tmp_path / "run" / "about.json").write_text(json.dumps(about))
    page = write_comparison(tmp_path / "table.html", "T", {}, [pretrained, tmp_path / "run"], []).read_text("utf-8")
    titles = [title for title in re.findall(r"<h4>(.*?)</h4>", page) if "loss" in title]
    assert [title.partition(",")[0] for title in titles] == [
        "Latent loss L_st",
        "Reconstruction loss L_rec",
        "Mean position loss L_mean",
    ]


def test_a_run_of_an_objective_that_is_not_registered_here_is_named_and_still_reported(
    toy: Path, dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = toy_config(toy, validation_subjects=[3])
    pretrain(config, dataset, 0, tmp_path / "run")
    monkeypatch.delitem(OBJECTIVES, "mean_position")
    assert "held-out mean position loss" in write_page(tmp_path / "run", tmp_path)
    with pytest.raises(ConfigError, match="unknown value of --objective 'mean_position'"):
        pretrain(config, dataset, 0, tmp_path / "other")


def test_a_new_objective_resumes_bitwise_the_same(
    toy: Path, toy_class: type[Objective], dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import signal

    pretrain(toy_config(toy), dataset, 0, tmp_path / "whole")

    def stop(self: Objective, step: int) -> None:
        if step == 4:
            signal.raise_signal(signal.SIGINT)

    with monkeypatch.context() as patch:
        patch.setattr(toy_class, "after_step", stop)
        with pytest.raises(Interrupted):
            pretrain(toy_config(toy), dataset, 0, tmp_path / "parts")
    pretrain(toy_config(toy), dataset, 0, tmp_path / "parts", resume=True)
    weights = [tmp_path / name / "model" / "model.safetensors" for name in ("whole", "parts")]
    assert weights[0].read_bytes() == weights[1].read_bytes()
