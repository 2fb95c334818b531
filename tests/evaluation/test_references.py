"""What a score stands beside, against answers known by hand."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from helpers import tiny
from jointwise.data.dataset import Dataset
from jointwise.data.label_subset import choose_labelled
from jointwise.evaluation import references as module
from jointwise.evaluation.references import References, in_words, references, warning_of
from jointwise.stages.evaluate import evaluate

CPU = torch.device("cpu")


def test_chance_and_the_majority_class_are_counted(dataset: Dataset) -> None:
    most = dataset.train.ids[dataset.train.labels == 3]
    labelled = replace(dataset.train, ids=np.concatenate([most, dataset.train.ids[:1]]))
    found = references(dataset, labelled, tiny.config(), CPU)
    assert found.chance == 1 / len(tiny.CLASSES)
    assert found.majority == (dataset.test.labels == 3).mean()


def test_raw_neighbours_are_those_of_evaluate_and_computed_once(
    dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for labels in ("1.0", "2shot"):
        path = evaluate(None, "knn", dataset, tiny.config(), seed=3, labels=labels)[0]
        labelled = choose_labelled(dataset.train, labels, 3, dataset.classes)
        found = references(dataset, labelled, tiny.config(), CPU)
        assert found.raw_knn == json.loads(path.read_text())["scores"]["top1"]
        with monkeypatch.context() as patch:
            patch.setattr(module, "probe_scores", None)  # called again, it would fail
            assert references(dataset, labelled, tiny.config(), CPU) == found


def test_a_score_below_what_needs_no_training_has_a_word() -> None:
    found = References(0.2, 0.3, 0.5).to_json()
    assert in_words(found) == "chance 20.0 %, majority class 30.0 %, raw nearest neighbour 50.0 %"
    assert warning_of(0.5, found) == ""
    assert warning_of(0.4, found).startswith("Below raw nearest neighbour: ")
    assert warning_of(0.1, found).startswith("Below chance and majority class and raw nearest neighbour: ")
    assert in_words({}) == warning_of(0.0, {}) == ""
