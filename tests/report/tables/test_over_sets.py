"""Findings over sets: every set counts alike, and only what all sets have."""

from dataclasses import astuple
from pathlib import Path

import numpy as np
import pytest
import torch

from helpers.made_results import make
from jointwise.data.dataset import Dataset
from jointwise.evaluation.paired import paired_interval
from jointwise.evaluation.results import read_results, save_result
from jointwise.report.tables.findings import FINDINGS
from jointwise.report.tables.grouping import group_results
from jointwise.report.tables.over_sets import _over_sets, findings_over_sets

CLAIM = next(finding for finding in FINDINGS if finding.claim == "pre-training helps recommended")


def score(folder: Path, dataset: Dataset, start: str, hits: int, seed: int, labels: str = "2shot") -> None:
    right = dataset.test.labels
    scores = np.eye(5, dtype=np.float32)[np.where(np.arange(30) < hits, right, (right + 1) % 5)]
    facts = {"system": "recommended", "protocol": "semi", "labels": labels, "initialisation": start, "scores": scores}
    save_result(folder, make(dataset, seed, **facts), torch.device("cpu"))


def test_the_interval_is_of_seeds_and_sets(dataset: Dataset, tmp_path: Path) -> None:
    gains = {"a": (6, 3, 9), "b": (12, 9, 9), "c": (0, 3, -3), "d": (3, 3, 6)}
    for name, by_seed in gains.items():
        for seed, gain in enumerate(by_seed):
            score(tmp_path / name, dataset, "pretrained", 15 + gain, seed)
            score(tmp_path / name, dataset, "scratch", 15, seed)
    score(tmp_path / "a", dataset, "pretrained", 20, 3)  # a fourth seed, and another amount of labels, of one set only
    score(tmp_path / "a", dataset, "scratch", 20, 3)
    for start in ("pretrained", "scratch"):
        score(tmp_path / "b", dataset, start, 20, 0, labels="1.0")
    (row,) = _over_sets(CLAIM, [group_results(read_results(tmp_path / name)) for name in gains])
    of_subjects = [[[100 * gain / 30 for gain in by_seed] for by_seed in gains.values()]]
    expected = paired_interval(np.array(of_subjects[0]).T)
    assert astuple(row.found.interval)[:3] == pytest.approx(astuple(expected)[:3], abs=1e-9)
    assert (row.found.seeds, row.found.folds) == ((0, 1, 2), 4)
    grid = findings_over_sets(tmp_path)
    assert [texts[5] for texts in grid.rows] == ["3 × 4 sets"]
    assert "(a, b, c, d)" in grid.caption
