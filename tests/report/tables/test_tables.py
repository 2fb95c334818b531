"""Tables: rendered from result files and nothing else."""

import io
import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from rich.console import Console

from helpers.made_results import make
from jointwise.data.dataset import HELD_OUT, Dataset
from jointwise.errors import DataError
from jointwise.evaluation.results import read_hits, read_results, save_result
from jointwise.evaluation.statistics import bootstrap_interval
from jointwise.report.tables import tables as table
from jointwise.report.tables.__main__ import main
from jointwise.report.tables.costs import costs
from jointwise.report.tables.findings import FINDINGS
from jointwise.report.tables.grouping import group_results

CPU = torch.device("cpu")


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
    (row,) = table.accuracy(group_results(members)).rows
    mean = sum(result["scores"]["top1"] for result in members) / 3
    low, high = bootstrap_interval([read_hits(result["path"], 1) for result in members])
    assert row == (
        "some_system",
        "pretrained",
        "knn",
        "–",
        "1.0",
        "3",
        f"{100 * mean:.1f} ({100 * low:.1f}–{100 * high:.1f})",
        "–",  # of 5 classes or fewer, top-5 is 100 % of any answers
    )


def test_what_a_result_does_not_know_is_a_dash(results: Path) -> None:
    """Results from before these fields were written have none of them."""
    old = [
        {
            key: value
            for key, value in result.items()
            if key not in ("held_out", "memory_mb", "gflops", "steps", "seconds")
        }
        for result in read_results(results)
        if result["system"] == "some_system"
    ]
    (row,) = costs(group_results(old)).rows
    assert row == ("some_system", "pretrained", "knn", "1.0", "–", "–", "1.5 + –", "–", "1.25 / – / – M", "–")


def test_costs_of_every_training_with_labels_are_means_over_seeds_and_the_largest_memory(
    dataset: Dataset, tmp_path: Path
) -> None:
    def measured(seed: int, protocol: str, labels: str, **more: object) -> None:
        held_out = {"latent": 0.5 + seed, "reconstruction": 0.0, "split": f"{HELD_OUT} 7"}
        known = {"memory_mb": {"pretrain": 700.4 + seed, "finetune": 800.0}, "held_out": held_out, "gflops": 0.5}
        save_result(tmp_path, make(dataset, seed, protocol=protocol, labels=labels, **(known | more)), CPU)

    for seed in (0, 1):
        sizes = {"encoder": 1_000_000, "pretrain": 2_500_000, "finetune": 6_300_000}
        seconds = {"pretrain": 7.0 + seed, "finetune": 2.0 + 2 * seed}
        steps = {"pretrain": 1000, "finetune": 1400}
        took = {"pretrain": 600.0, "finetune": 300.0 + 120 * seed}
        measured(seed, "finetune", "1.0", parameters=sizes, seconds_per_epoch=seconds, steps=steps, seconds=took)
        few = {"pretrain": 1000, "finetune": 400 + 100 * seed}
        measured(seed, "finetune", "0.1", seconds_per_epoch={"finetune": 99.0}, steps=few)
        measured(seed, "knn", "1.0")  # its encoder has stood above
    save_result(tmp_path, make(dataset, system="raw", initialisation="none", parameters={}), CPU)
    assert costs(group_results(read_results(tmp_path))).rows == [
        ("some_system", "pretrained", "finetune", "0.1", "1.000", "–", "1,000 + 400–500", "–", "– + 99.0", "701 + 800",
         "1.25 / – / – M", "0.5"),
        ("some_system", "pretrained", "finetune", "1.0", "1.000", "–", "1,000 + 1,400", "16.0", "7.5 + 3.0",
         "701 + 800", "1.00 / 2.50 / 6.30 M", "0.5"),
    ]  # fmt: skip


def test_rows_stand_in_the_order_of_table_1_below_the_floor(dataset: Dataset, tmp_path: Path) -> None:
    systems = ("mamp", "newcomer", "raw", "spatial_segments_decoder", "supervised", "spatial", "recommended")
    for system in systems:
        save_result(tmp_path, make(dataset, system=system), CPU)
    for labels in ("1.0", "0.1", "5shot"):
        save_result(tmp_path, make(dataset, system="mamp", protocol="finetune", labels=labels), CPU)
    rows = [(row[2], row[4], row[0]) for row in table.accuracy(group_results(read_results(tmp_path))).rows]
    assert rows == [
        *(("finetune", labels, "mamp") for labels in ("5shot", "0.1", "1.0")),
        *(("knn", "1.0", system) for system in ("raw", "supervised", "mamp", "spatial", "spatial_segments_decoder")),
        *(("knn", "1.0", system) for system in ("recommended", "newcomer")),
    ]


def test_a_missing_fold_is_an_error_unless_what_is_there_is_asked_for(folds: Dataset, tmp_path: Path) -> None:
    save_result(tmp_path, make(folds), CPU)  # of the second fold
    with pytest.raises(DataError, match=r"is fold 2 of 2, but beside it fold 1 is missing: .* --split fold1"):
        group_results(read_results(tmp_path))
    (group,) = group_results(read_results(tmp_path), whole=False)
    assert group.count == "1 × 1 of 2 folds"


def test_folds_of_data_that_were_prepared_again_make_no_accuracy_together(folds: Dataset, tmp_path: Path) -> None:
    second = save_result(tmp_path, make(folds), CPU)
    content = json.loads(second.read_text())
    first = tmp_path / second.name.replace("fold2", "fold1")
    shutil.copy(second.with_suffix(".npz"), first.with_suffix(".npz"))
    content["fold"] = 1
    first.write_text(json.dumps(content))
    assert group_results(read_results(tmp_path))[0].count == "1 × 2 folds"
    content["data_fingerprint"] = "of other files"
    first.write_text(json.dumps(content))
    with pytest.raises(DataError, match="different data or test parts cannot stand in one table"):
        group_results(read_results(tmp_path))


def test_what_scores_no_recognition_is_passed_over(dataset: Dataset, tmp_path: Path) -> None:
    path = save_result(tmp_path, make(dataset), CPU)
    path.write_text(json.dumps(json.loads(path.read_text()) | {"scores": {"error_mm": 31.0}}))
    assert group_results(read_results(tmp_path)) == []


def test_no_result_is_an_empty_table() -> None:
    grids = table.tables([])
    assert [grid.rows for grid in grids.values()] == [[], [], [], []]


def test_markdown_has_one_line_per_row_below_header_and_rule(results: Path) -> None:
    grid = table.accuracy(group_results(read_results(results)))
    lines = grid.to_markdown().splitlines()
    assert len(lines) == 2 + len(grid.rows) == 5
    assert {line.count("|") for line in lines} == {len(grid.header) + 1}
    assert lines[0].startswith("| system | start | protocol |")
    assert set(lines[1]) <= set("|- ")


def test_the_terminal_shows_every_row(results: Path) -> None:
    grid = table.accuracy(group_results(read_results(results)))
    console = Console(width=200, file=io.StringIO(), record=True)
    console.print(grid.to_terminal("title"))
    text = " ".join(console.export_text().split())
    assert all(cell in text for row in grid.rows for cell in row)


@pytest.mark.parametrize("kind", ["results", "costs", "findings"])
def test_the_widest_rows_fit_120_columns_without_a_fold(dataset: Dataset, tmp_path: Path, kind: str) -> None:
    systems = ("spacetime_segments_decoder", "spatial_segments_decoder", "temporal_segments_decoder")
    protocols = (("finetune", None), ("linear", "joint-phases"), ("knn", "joint-phases"))
    for number, (system, (protocol, pooling)) in enumerate(zip(systems, protocols, strict=True), 1):
        big = {"pretrain": 1e2 * number, "finetune": 1e2 * number}
        evaluation = make(
            dataset, system=system, protocol=protocol, pooling=pooling, labels=f"0.{number}", gflops=0.0123 * number,
            held_out={"latent": 0.1 * number, "reconstruction": 0.2, "split": HELD_OUT}, seconds_per_epoch=big,
            memory_mb=big, steps={"pretrain": 125_000, "finetune": 84_000},
            parameters={"encoder": 10**7 * number, "pretrain": 10**7, "finetune": 10**7},
            scores=np.random.default_rng(number).normal(size=(30, 6)),
        )  # fmt: skip
        save_result(tmp_path, evaluation, CPU)
    grid = table.tables(read_results(tmp_path))[kind]
    console = Console(width=120, file=io.StringIO(), record=True)
    console.print(grid.to_terminal("title"))
    text = console.export_text()
    lines = iter(text.splitlines())
    for row in grid.rows:
        line = next(line for line in lines if row[0] in line)
        for name, cell in zip(grid.header, row, strict=True):  # what is alike in all rows stands below
            assert name in grid.pages_only or cell in line or f"{name} {cell}" in " ".join(text.split())


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


def test_costs_and_findings_have_places_of_their_own(results: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(results.parent)
    document = results.parent / "page.md"
    places = [f"<!-- {kind} results -->\n<!-- end of {kind} -->\n" for kind in ("costs", "findings", "results")]
    document.write_text("between\n".join(places))
    assert table.render_into(document) == 3
    costs_table, findings, accuracy = document.read_text().split("between\n")
    assert "GFLOPs" in costs_table
    count = len(FINDINGS)
    assert f"Not measured here: {count} of {count} findings (pre-training beats supervision;" in findings
    assert "top-1" in accuracy


def test_the_module_renders_documents_and_prints_the_tables_of_folders(
    results: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(results.parent)
    document = results.parent / "both.md"
    document.write_text("<!-- results results -->\n<!-- end of results -->\n")
    main([str(document), "results"])
    assert "| some_system | pretrained |" in document.read_text()
    printed = capsys.readouterr().out
    assert printed.startswith("## Accuracy\n\n| system |")
    assert "## Costs\n" in printed
    assert "Completions" not in printed  # there are none
    assert "held" not in printed.replace("held-out", "")


def test_costs_have_a_column_for_every_part_of_the_held_out_loss(dataset: Dataset, tmp_path: Path) -> None:
    where = {"split": f"{HELD_OUT} 7"}
    for system, part in (("a", {"latent": 0.5}), ("b", {"motion": 0.25})):
        save_result(tmp_path, make(dataset, system=system, held_out=part | where), CPU)
    grid = costs(group_results(read_results(tmp_path)))
    assert grid.header[4:7] == ("L_st", "motion", "steps")
    assert [row[4:6] for row in grid.rows] == [("0.500", "–"), ("–", "0.250")]


def test_losses_that_older_results_have_of_test_clips_are_not_shown(dataset: Dataset, tmp_path: Path) -> None:
    save_result(tmp_path, make(dataset, held_out={"latent": 0.5, "split": dataset.split}), CPU)
    grid = costs(group_results(read_results(tmp_path)))
    assert "L_st" not in grid.header
    assert "held-out" not in grid.caption


@pytest.mark.parametrize(
    ("start", "steps", "minutes"),
    [
        # tiny: 30 training clips, 8 a step to pre-train and to fine-tune
        ("pretrained", {"pretrain": 30, "finetune": 15}, (8 * 60 + 4 * 30) / 60),
        ("scratch", {"finetune": 15}, 4 * 30 / 60),
    ],
)
def test_minutes_of_older_results_are_those_of_their_epochs(
    dataset: Dataset, tmp_path: Path, start: str, steps: dict[str, int], minutes: float
) -> None:
    per_epoch = {"pretrain": 60.0, "finetune": 30.0}
    seconds = {stage: per_epoch[stage] for stage in steps}
    evaluation = make(dataset, protocol="finetune", initialisation=start, steps=steps, seconds_per_epoch=seconds)
    save_result(tmp_path, evaluation, CPU)
    (row,) = costs(group_results(read_results(tmp_path))).rows
    assert row[5] == f"{minutes:.1f}"
    save_result(tmp_path, replace(evaluation, pretrained_on="other"), CPU)
    other = costs(group_results([r for r in read_results(tmp_path) if r["pretrained_on"] == "other"])).rows[0]
    assert other[5] == (f"{minutes:.1f}" if start == "scratch" else "–")  # how many clips those are is not known
