"""Findings: differences known by hand, with intervals over subjects and seeds, and verdicts that follow from them."""

import json
from dataclasses import astuple
from pathlib import Path

import numpy as np
import pytest
import torch

from helpers.made_results import make
from jointwise.config import systems
from jointwise.data.dataset import Dataset
from jointwise.errors import DataError
from jointwise.evaluation.paired import PairedInterval, paired_interval
from jointwise.evaluation.results import read_results, save_result
from jointwise.report.tables.findings import FINDINGS, Difference, Side, difference, findings, paired
from jointwise.report.tables.grouping import Group, group_results, origin_note
from jointwise.report.tables.tables import KINDS

FINAL = Side(systems.FINAL)
BASELINE = Side("supervised_segments", "scratch")


def score(folder: Path, dataset: Dataset, side: Side, hits: np.ndarray, seed: int = 0, **more: object) -> None:
    """A result that is right exactly where `hits` says so."""
    labels = dataset.test.labels
    scores = np.eye(5, dtype=np.float32)[np.where(hits, labels, (labels + 1) % 5)]
    known = {"system": side.system, "initialisation": side.start, "protocol": "finetune", "scores": scores}
    save_result(folder, make(dataset, seed, **(known | more)), torch.device("cpu"))


def groups(folder: Path) -> list[Group]:
    return group_results(read_results(folder))


def test_the_difference_is_taken_by_subject_over_the_seeds_that_both_have(dataset: Dataset, tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    ours, theirs = random.random((3, 30)) < 0.7, random.random((3, 30)) < 0.5
    for seed in range(3):
        score(tmp_path, dataset, FINAL, ours[seed], seed)
    for seed in range(2):
        score(tmp_path, dataset, BASELINE, theirs[seed], seed)
    found = paired(read_results(tmp_path), FINAL, BASELINE, "finetune", "1.0")
    assert found is not None
    assert (found.seeds, found.folds, found.trainings) == ((0, 1), 1, 2)
    subjects = np.unique(dataset.test.subjects)
    points = 100 * (ours[:2].astype(float) - theirs[:2])
    expected = paired_interval(np.stack([points[:, dataset.test.subjects == one].mean(1) for one in subjects], 1))
    assert astuple(found.interval) == pytest.approx(astuple(expected))


def test_pairing_removes_what_both_share(dataset: Dataset, tmp_path: Path) -> None:
    """Both fail on subject 4 and one always gains the same clip per subject: no spread is left."""
    easy = dataset.test.subjects == 2
    third = np.arange(30) % 3 == 0  # the first trial of each class and subject
    for seed in range(3):
        score(tmp_path, dataset, FINAL, easy | third, seed)
        score(tmp_path, dataset, BASELINE, easy & ~third, seed)
    found = paired(read_results(tmp_path), FINAL, BASELINE, "finetune", "1.0")
    assert found is not None
    assert astuple(found.interval) == pytest.approx((100 / 3, 100 / 3, 100 / 3, 0))
    assert found.verdict(found.interval.p) == "holds"


@pytest.mark.parametrize(
    ("mean", "p", "seeds", "folds", "verdict"),
    [
        (3, 0.049, 3, 1, "holds"),
        (-3, 0.049, 3, 1, "does not hold"),
        (3, 0.05, 3, 1, "not settled"),
        (3, 0.001, 2, 1, "no verdict"),
        (3, 0.001, 1, 2, "no verdict"),
        (3, 0.001, 1, 4, "holds"),  # folds are trainings of their own
    ],
)
def test_a_verdict_needs_three_trainings(mean: float, p: float, seeds: int, folds: int, verdict: str) -> None:
    interval = PairedInterval(mean, mean - 1, mean + 1, p)
    assert Difference(interval, tuple(range(seeds)), folds).verdict(p) == verdict


def test_folds_are_the_groups_of_a_cross_validation(dataset: Dataset, tmp_path: Path) -> None:
    """Four folds of one seed: an ordinary t interval over the differences of the folds."""
    results = []
    for fold, hits in enumerate((24, 21, 27, 18), start=1):
        folder = tmp_path / str(fold)
        score(folder, dataset, FINAL, np.arange(30) < hits)
        score(folder, dataset, BASELINE, np.arange(30) < 15)
        results += [result | {"fold": fold, "folds": 4} for result in read_results(folder)]
    found = paired(results, FINAL, BASELINE, "finetune", "1.0")
    assert found is not None
    assert (found.seeds, found.folds, found.trainings) == ((0,), 4, 4)
    expected = paired_interval(np.array([[30.0, 20.0, 40.0, 10.0]]))
    assert astuple(found.interval) == pytest.approx(astuple(expected))


@pytest.mark.parametrize("more", [FINAL, BASELINE])
def test_a_seed_is_compared_where_both_sides_have_the_same_folds(dataset: Dataset, tmp_path: Path, more: Side) -> None:
    results = []
    for fold in (1, 2, 3):
        folder = tmp_path / str(fold)
        for side in {FINAL, BASELINE} if fold < 3 else {more}:
            score(folder, dataset, side, np.arange(30) < 15)
        results += [result | {"fold": fold, "folds": 4} for result in read_results(folder)]
    assert difference(*group_results(results, whole=False)) is None
    assert difference(*group_results([result for result in results if result["fold"] < 3], whole=False)) is not None


def test_more_findings_make_each_harder_to_settle(dataset: Dataset, tmp_path: Path) -> None:
    """Alone the p-value of the difference is below 0.05; as one of ten it is not."""
    _, place = np.unique(dataset.test.subjects, return_inverse=True)
    counted = np.array([(place[:clip] == place[clip]).sum() for clip in range(30)])  # of the clips of one subject

    def verdicts() -> set[str]:
        return {row[6] for row in findings(groups(tmp_path)).rows if row[0] == "the final system beats MAMP"}

    for seed in range(3):
        score(tmp_path, dataset, FINAL, counted < 5 + 2 * seed, seed)  # of 15 clips of each of two subjects
        score(tmp_path, dataset, Side("mamp"), np.zeros(30), seed)
    alone = paired(read_results(tmp_path), FINAL, Side("mamp"), "finetune", "1.0")
    assert alone is not None
    assert 0.05 / 10 < alone.interval.p < 0.05
    assert verdicts() == {"holds"}
    for seed in range(3):
        for side in (FINAL, Side("mamp")):
            for shots in range(1, 10):
                score(tmp_path, dataset, side, np.ones(30), seed, labels=f"{shots}shot")
    assert verdicts() == {"not settled"}


def test_what_was_not_measured_on_both_sides_says_so(dataset: Dataset, tmp_path: Path) -> None:
    score(tmp_path, dataset, FINAL, np.ones(30))
    score(tmp_path, dataset, BASELINE, np.ones(30), seed=1)
    results = read_results(tmp_path)
    assert paired(results, FINAL, BASELINE, "finetune", "1.0") is None  # no seed in common
    assert paired(results, FINAL, Side("mamp"), "finetune", "1.0") is None
    grid = findings(groups(tmp_path))
    assert grid.rows == []
    claims = "; ".join(finding.claim for finding in FINDINGS)
    assert grid.caption.endswith(f"Not measured here: {len(FINDINGS)} of {len(FINDINGS)} findings ({claims}).")


def test_every_share_of_labels_and_every_protocol_has_a_row(dataset: Dataset, tmp_path: Path) -> None:
    for labels in ("1.0", "0.1"):
        score(tmp_path, dataset, FINAL, np.ones(30), labels=labels)
        score(tmp_path, dataset, Side("mamp"), np.zeros(30), labels=labels)
    for pooling in ("mean", "joints"):
        score(tmp_path, dataset, FINAL, np.ones(30), protocol="knn", pooling=pooling)
        score(tmp_path, dataset, Side("mamp"), np.ones(30), protocol="knn", pooling=pooling)
    rows = [row[2:] for row in findings(groups(tmp_path)).rows if row[0] == "the final system beats MAMP"]
    assert rows == [
        *(("finetune", labels, "+100.0 (+100.0 to +100.0)", "1", "no verdict") for labels in ("0.1", "1.0")),
        *((f"knn, {pooling}", "1.0", "+0.0 (+0.0 to +0.0)", "1", "no verdict") for pooling in ("joints", "mean")),
    ]
    results = read_results(tmp_path)
    with pytest.raises(DataError, match=r"several features are there \(joints, mean\)"):
        paired(results, FINAL, Side("mamp"), "knn", "1.0")
    assert paired(results, FINAL, Side("mamp"), "knn", "1.0", "joints") is not None


def test_results_on_other_clips_are_not_subtracted(dataset: Dataset, tmp_path: Path) -> None:
    for side in (FINAL, BASELINE):
        score(tmp_path, dataset, side, np.ones(30))
    path = next(tmp_path.glob("supervised_segments*.npz"))
    with np.load(path) as clips:
        changed = dict(clips) | {"ids": clips["ids"][::-1]}
    np.savez(path, **changed)
    with pytest.raises(DataError, match="scored different clips"):
        findings(groups(tmp_path))


def test_findings_name_known_systems_only() -> None:
    named = {side.system for finding in FINDINGS for side in (finding.better, finding.worse)}
    assert named <= {"raw", *(system.name for system in systems.SYSTEMS)}


def test_raw_coordinates_are_compared_with_features_of_every_pooling_under_the_same_protocol_and_labels(
    dataset: Dataset, tmp_path: Path
) -> None:
    ours = Side("recommended")
    score(tmp_path, dataset, ours, np.arange(30) < 24, protocol="knn", pooling="joint-phases")
    score(tmp_path, dataset, ours, np.arange(30) < 21, protocol="linear", pooling="joint-phases")
    score(tmp_path, dataset, Side("raw", "none"), np.arange(30) < 15, protocol="knn")
    rows = [row for row in findings(groups(tmp_path)).rows if row[0] == "recommended beats raw coordinates"]
    assert [(row[2], row[4][:5]) for row in rows] == [("knn, joint-phases", "+30.0")]


def rewrite(folder: Path, seed: int, **changes: object) -> None:
    """Other origins for the results of a seed."""
    for path in folder.glob(f"*-seed{seed}.json"):
        path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def three_seeds(folder: Path, dataset: Dataset) -> None:
    """A difference without any spread: it holds."""
    for seed in range(3):
        score(folder, dataset, FINAL, np.ones(30), seed)
        score(folder, dataset, Side("mamp"), np.zeros(30), seed)
        rewrite(folder, seed, commit="aaa", precision="fp32")


def only_row(folder: Path) -> tuple[str, str]:
    """The verdict of the only finding, and what stands below the table."""
    grid = KINDS["findings"].of(read_results(folder))
    (row,) = grid.rows
    return row[6], grid.caption


@pytest.mark.parametrize(
    ("changes", "verdict"),
    [
        ({}, "holds"),
        ({"commit": "bbb"}, "mixed: no verdict"),
        ({"commit": "aaa+changes"}, "mixed: no verdict"),  # another code than that of the commit
        ({"commit": ""}, "mixed: no verdict"),
        ({"precision": "bf16"}, "mixed: no verdict"),
    ],
)
def test_results_of_several_commits_or_precisions_give_no_verdict(
    dataset: Dataset, tmp_path: Path, changes: dict[str, str], verdict: str
) -> None:
    three_seeds(tmp_path, dataset)
    rewrite(tmp_path, 2, **changes)
    shown, caption = only_row(tmp_path)
    assert shown == verdict
    assert ("mixed: no verdict: its results are of several commits or precisions." in caption) is bool(changes)


def test_one_commit_with_changes_throughout_is_one(dataset: Dataset, tmp_path: Path) -> None:
    three_seeds(tmp_path, dataset)
    for seed in range(3):
        rewrite(tmp_path, seed, commit="aaa+changes")
    shown, caption = only_row(tmp_path)
    assert shown == "holds"
    assert caption.endswith("Precision: fp32. Commit: aaa+changes.")


def test_seeds_that_are_not_compared_do_not_mix(dataset: Dataset, tmp_path: Path) -> None:
    three_seeds(tmp_path, dataset)
    score(tmp_path, dataset, FINAL, np.ones(30), 3)
    rewrite(tmp_path, 3, commit="bbb", precision="fp32")
    assert only_row(tmp_path)[0] == "holds"


def test_a_mixed_finding_still_counts_among_those_that_are_corrected_for(dataset: Dataset, tmp_path: Path) -> None:
    """Else a table could settle a finding by mixing the others."""
    three_seeds(tmp_path, dataset)
    for seed in range(3):
        score(tmp_path, dataset, BASELINE, np.zeros(30), seed)
        rewrite(tmp_path, seed, commit="aaa" if seed else "bbb", precision="fp32")
    grid = KINDS["findings"].of(read_results(tmp_path))
    assert [row[6] for row in grid.rows] == ["mixed: no verdict"] * 2
    assert "tested here (2)" in " ".join(grid.caption.split())


@pytest.mark.parametrize("kind", ["results", "costs"])
def test_tables_say_of_which_precision_and_commit_their_results_are(
    dataset: Dataset, tmp_path: Path, kind: str
) -> None:
    three_seeds(tmp_path, dataset)
    assert KINDS[kind].of(read_results(tmp_path)).caption.endswith("Precision: fp32. Commit: aaa.")
    rewrite(tmp_path, 1, commit="", precision="bf16")
    note = "Precisions (results): bf16 (2), fp32 (4). Commits (results): aaa (4), version 0"
    assert note in KINDS[kind].of(read_results(tmp_path)).caption
    assert origin_note([]) == ""
