"""Result files: everything a table needs can be recomputed from them."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from helpers import tiny
from helpers.made_results import make
from jointwise.data.dataset import Dataset, Part
from jointwise.errors import ConfigError, DataError, StorageError
from jointwise.evaluation.metrics import macro_f1, telling_ranks, top_k_hits
from jointwise.evaluation.results import TEST_LOG, check_folder, read_hits, read_results, save_result
from jointwise.evaluation.statistics import bootstrap_interval

CPU = torch.device("cpu")


@pytest.mark.parametrize("spread", [1.0, 1e-5])  # similarities of neighbours differ in the fifth digit
def test_scores_and_intervals_are_recomputed_from_the_clips_beside_them(
    dataset: Dataset, tmp_path: Path, spread: float
) -> None:
    path = save_result(tmp_path, make(dataset, spread=spread), CPU)
    content = json.loads(path.read_text())
    assert 0.2 < content["scores"]["top1"] < 0.9
    for k in telling_ranks(len(dataset.classes)):
        hits = read_hits(path, k)
        assert hits.hits.mean() == content["scores"][f"top{k}"]
        assert list(bootstrap_interval([hits])) == content["interval"][f"top{k}"]
    with np.load(path.with_suffix(".npz"), allow_pickle=False) as clips:
        assert macro_f1(clips["scores"], clips["labels"]) == content["scores"]["macro_f1"]
        assert top_k_hits(clips["scores"], clips["labels"], 1).mean() == content["scores"]["top1"]
        assert clips["ids"].tolist() == [f"a{i // 6 + 1}_s{2 + 2 * (i // 3 % 2)}_t{i % 3 + 1}" for i in range(30)]
        assert clips["subjects"].tolist() == dataset.test.subjects.tolist()


def test_a_result_says_what_was_scored_with_what_and_how(dataset: Dataset, tmp_path: Path) -> None:
    content = json.loads(save_result(tmp_path, make(dataset), CPU).read_text())
    assert (content["n"], content["split"]["train"], content["split"]["labelled"]) == (30, 30, 30)
    assert content["split"]["name"] == dataset.split
    assert content["data_fingerprint"] == dataset.store.fingerprint
    assert content["config"]["encoder"]["width"] == 16
    assert content["interval"]["level"] == 0.95
    missing = {"schema", "command", "commit", "versions", "device", "created", "steps", "classes"} - set(content)
    assert not missing


def test_the_name_tells_system_protocol_labels_seed_and_held_out_subjects(dataset: Dataset) -> None:
    assert make(dataset, 3).name() == "some_system-knn-1.0-seed3"
    assert make(dataset, initialisation="scratch").name() == "some_system-scratch-knn-1.0-seed0"
    held = make(dataset, config=tiny.config("--validation_subjects", "[3]"), split_is_test=False)
    assert held.name() == "some_system-knn-1.0-seed0-validation-3"


def test_hashes_are_stable_whatever_the_order_and_the_folder(dataset: Dataset) -> None:
    known = dataset.test.names_hash
    assert known == "3e823c51c717de35"  # sha256 of the 30 names a1_s2_t1 … a5_s4_t3, sorted, one per line
    assert Part(dataset.store, dataset.test.ids[::-1]).names_hash == known
    assert Part(dataset.store, dataset.test.ids[1:]).names_hash != known
    assert dataset.train.names_hash != known


def test_only_scorings_of_the_official_test_part_are_logged(dataset: Dataset, tmp_path: Path) -> None:
    save_result(tmp_path, make(dataset, split_is_test=False), CPU)
    assert not (tmp_path / TEST_LOG).exists()
    for seed in (0, 1):
        save_result(tmp_path, make(dataset, seed), CPU)
    lines = [json.loads(line) for line in (tmp_path / TEST_LOG).read_text().splitlines()]
    assert [line["result"] for line in lines] == ["some_system-knn-1.0-seed0", "some_system-knn-1.0-seed1"]
    assert all({"top1", "created", "commit"} <= line.keys() for line in lines)


def test_scoring_the_test_part_again_is_logged_again(dataset: Dataset, tmp_path: Path) -> None:
    for _ in range(2):
        save_result(tmp_path, make(dataset), CPU)
    assert len((tmp_path / TEST_LOG).read_text().splitlines()) == 2


def test_results_are_found_in_folders_below_and_other_json_is_passed_over(dataset: Dataset, tmp_path: Path) -> None:
    paths = [save_result(tmp_path / name, make(dataset), CPU) for name in ("a", "b/c")]
    (tmp_path / "about.json").write_text('{"stage": "pretrain"}')
    (tmp_path / "list.json").write_text("[1]")
    assert [result["path"] for result in read_results(tmp_path)] == paths


def test_a_folder_with_results_of_other_data_is_refused(dataset: Dataset, tmp_path: Path) -> None:
    check_folder(tmp_path, dataset)
    path = save_result(tmp_path, make(dataset), CPU)
    check_folder(tmp_path, dataset)
    for key, message in (("data", "holds results of other. Give tiny a"), ("data_fingerprint", "or of another folder")):
        path.write_text(json.dumps(json.loads(path.read_text()) | {"data_fingerprint": "other"} | {key: "other"}))
        with pytest.raises(ConfigError, match=message):
            check_folder(tmp_path, dataset)
        save_result(tmp_path, make(dataset), CPU)


def test_a_damaged_result_is_named(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text('{"protocol": ')
    with pytest.raises(DataError, match=r"x\.json: damaged.*Delete it and run its command again"):
        read_results(tmp_path)


def test_a_folder_that_cannot_be_written_says_what_to_do(dataset: Dataset, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="cannot write"):
        save_result(tmp_path / "file" / "results", make(dataset), CPU)
