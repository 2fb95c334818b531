"""The benchmark as a whole: figures chosen by name, ratios and promises, tables, rows kept when it is interrupted."""

import json
from pathlib import Path

import pytest
import torch

from jointwise.bench import run as bench_run
from jointwise.bench.figures import FIGURES, GROUPS, PLAIN, BenchDevice, Figure
from jointwise.bench.run import BenchError, choose_figures, ratios, run_bench
from jointwise.cli import run
from jointwise.errors import ConfigError
from jointwise.report.tables.bench_figures import as_grid, kept

CPU = BenchDevice(torch.device("cpu"))


def row(name: str, seconds: dict[str, float], promised: float | None = None, at_most: float | None = None) -> dict:
    variants = {name: {"seconds": value, "memory_mb": 100 * value} for name, value in seconds.items()}
    measurement = {
        "figure": name,
        "unit": "clip",
        "promised": promised,
        "at_most": at_most,
        "place": None,
        "ways": variants,
    }
    return measurement | {"ratios": ratios(variants, "seconds"), "memory_ratios": ratios(variants, "memory_mb")}


def test_columns_that_tell_nothing_are_left_out() -> None:
    table = as_grid([row("x", {"bf16": 0.5})])
    assert table.header == ("figure", "per", "bf16", "MB")
    assert table.rows == [("x", "clip", "0.5 s", "50")]


def test_figures_are_chosen_by_words_in_their_names() -> None:
    assert choose_figures("yardstick", []) == list(GROUPS["yardstick"])
    assert {figure.name for figure in choose_figures("yardstick", ["import", "help"])} == {
        "import jointwise",
        "jointwise --help",
    }
    with pytest.raises(ConfigError, match="import jointwise"):
        choose_figures("yardstick", ["import jointwize"])
    with pytest.raises(ConfigError, match="scaling"):
        choose_figures("scalling", [])


def test_the_sizes_of_figures_are_fixed() -> None:
    with pytest.raises(ConfigError, match=r"bench yardstick does not take --clip\.frames: its sizes are fixed"):
        run(["bench", "yardstick", "--clip.frames", "8"])


def test_no_two_figures_share_a_name() -> None:
    assert len(FIGURES) == sum(len(group) for group in GROUPS.values())


def test_a_ratio_is_the_time_of_the_yardstick_over_that_of_the_variant() -> None:
    measurement = row("x", {PLAIN: 6.0, "fp32": 3.0, "bf16": 1.0}, promised=5.0)
    assert measurement["ratios"] == measurement["memory_ratios"] == {"fp32": 2.0, "bf16": 6.0}
    assert kept(measurement) == "yes"
    assert kept(measurement | {"promised": 6.1}) == "no"
    assert kept(measurement | {"promised": None}) == "–"
    assert row("x", {"fp32": 3.0})["ratios"] == {}


@pytest.mark.parametrize(("seconds", "verdict"), [(0.29, "yes"), (0.31, "no")])
def test_what_must_not_take_longer_is_held_to_its_seconds(seconds: float, verdict: str) -> None:
    assert kept(row("x", {"fp32": seconds}, at_most=0.3)) == verdict


def test_the_table_says_what_was_measured_and_promised() -> None:
    table = as_grid([row("x", {PLAIN: 6.0, "fp32": 0.05, "bf16": 1.0}, 5.0), row("y", {"fp32": 2.0}, at_most=3.0)])
    assert table.rows == [
        ("x", "clip", "6 s", "50 ms", "1 s", "120.0", "6.0", "≥ 5 ×", "yes", "600 / 5 / 100"),
        ("y", "clip", "–", "2 s", "–", "–", "–", "≤ 3 s", "yes", "200"),
    ]


def test_a_figure_measured_again_replaces_its_row_and_leaves_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, seconds = tmp_path / "bench.json", iter((1.0, 2.0, 3.0))
    monkeypatch.setattr(bench_run, "measure_figure", lambda figure, _on: row(figure.name, {"fp32": next(seconds)}))
    run_bench(choose_figures("yardstick", ["import", "help"]), CPU, out, lambda _name: None)
    run_bench(choose_figures("yardstick", ["import"]), CPU, out, lambda _name: None)
    rows = json.loads(out.read_text())["rows"]
    assert [(one["figure"], one["ways"]["fp32"]["seconds"]) for one in rows] == [
        ("import jointwise", 3.0),
        ("jointwise --help", 2.0),
    ]
    assert {"commit", "device", "created", "command"} <= rows[0].keys()


def test_what_another_program_wrote_is_not_overwritten(tmp_path: Path) -> None:
    out = tmp_path / "bench.json"
    out.write_text('{"score": {}}')
    with pytest.raises(ConfigError, match=r"bench\.json: damaged \(no 'rows'\).* name another"):
        run_bench(choose_figures("yardstick", ["import"]), CPU, out, lambda _name: None)
    assert out.read_text() == '{"score": {}}'


@pytest.mark.slow
def test_a_variant_that_fails_is_named_and_earlier_rows_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench_run, "measure_figure", lambda figure, _on: row(figure.name, {"fp32": 1.0}))
    out = tmp_path / "bench.json"
    run_bench(choose_figures("yardstick", ["import"]), CPU, out, lambda _name: None)
    assert [one["figure"] for one in json.loads(out.read_text())["rows"]] == ["import jointwise"]
    monkeypatch.undo()
    nobody = Figure("nobody knows", {"fp32": lambda _on: lambda _number: None}, (1, "clip"))
    with pytest.raises(BenchError, match=r"nobody knows', fp32: ended with 1\.\n"):
        run_bench([nobody], CPU, out, lambda _name: None)


@pytest.mark.slow
def test_the_command_measures_each_variant_in_a_process_of_its_own(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JOINTWISE_BENCH_SECONDS", "0")  # few repetitions are enough here
    run(["bench", "--only", "cut", "--device", "cpu", "--out", str(tmp_path / "bench.json")])
    measurement, out = json.loads((tmp_path / "bench.json").read_text()), capsys.readouterr().out
    (measured_row,) = measurement["rows"]
    assert set(measured_row["ways"]) == {PLAIN, "fp32"}
    assert set(measured_row["ratios"]) == {"fp32"}
    for variant in measured_row["ways"].values():
        assert 0 < variant["least"] <= variant["seconds"]
        assert variant["memory_mb"] > 50
    assert measured_row["device"]
    assert "cut and augment clips" in out
