"""Tables: rendered from result files and nothing else."""

import io
from pathlib import Path

import pytest
import torch
from rich.console import Console

from jointwise import table
from jointwise.datasets import Dataset
from jointwise.metrics import bootstrap_interval
from jointwise.results import read_hits, read_results, save_result
from test_results import make


@pytest.fixture(scope="module")
def results(dataset: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    tmp_path = tmp_path_factory.mktemp("table")
    for seed in (0, 1, 2):
        save_result(tmp_path / "results", make(dataset, seed), torch.device("cpu"))
    other = make(dataset, system="other", initialisation="scratch", seconds_per_epoch={}, parameters={})
    save_result(tmp_path / "results", other, torch.device("cpu"))
    save_result(tmp_path / "results", make(dataset, split_is_test=False, system="held"), torch.device("cpu"))
    return tmp_path / "results"


def test_seeds_are_averaged_into_one_row_with_the_interval_over_subjects_and_seeds(results: Path) -> None:
    members = [result for result in read_results(results) if result["system"] == "some_system"]
    (row,) = table.rows(members)
    mean = sum(result["scores"]["top1"] for result in members) / 3
    low, high = bootstrap_interval([read_hits(result["path"], 1) for result in members])
    assert row == (
        *("some_system", "pretrained", "knn", "–", "1.0", "3"),
        *(f"{100 * mean:.1f} ({100 * low:.1f}–{100 * high:.1f})", "100.0 (100.0–100.0)", "1.5", "1.25 M"),
    )


def test_what_a_result_does_not_know_is_a_dash(results: Path) -> None:
    (row,) = table.rows(result for result in read_results(results) if result["system"] == "other")
    assert row[1] == "scratch"
    assert row[-2:] == ("–", "–")


def test_no_result_is_an_empty_table() -> None:
    assert table.rows([]) == []


def test_markdown_has_one_line_per_row_below_header_and_rule(results: Path) -> None:
    rows = table.rows(read_results(results))
    lines = table.to_markdown(rows).splitlines()
    assert len(lines) == 2 + len(rows) == 5
    assert {line.count("|") for line in lines} == {len(table.HEADER) + 1}
    assert lines[0].startswith("| system | start | protocol |")
    assert set(lines[1]) <= set("|- ")


def test_the_terminal_shows_every_row(results: Path) -> None:
    rows = table.rows(read_results(results))
    console = Console(width=200, file=io.StringIO(), record=True)
    console.print(table.to_terminal("title", rows))
    text = console.export_text()
    assert all(cell in text for row in rows for cell in row)


def test_tables_in_a_document_are_rendered_afresh_with_test_results_only(
    results: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(results.parent)
    document = results.parent / "README.md"
    document.write_text("before\n<!-- results results -->\nold\n<!-- end of results -->\nafter\n")
    assert table.render_into(document) == 1
    once = document.read_text()
    assert once.startswith("before\n<!-- results results -->\n")
    assert once.endswith("<!-- end of results -->\nafter\n")
    assert "| some_system | pretrained |" in once
    assert "old" not in once
    assert "held" not in once
    table.render_into(document)
    assert document.read_text() == once
