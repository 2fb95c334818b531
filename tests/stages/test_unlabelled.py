"""Training on recordings without labels: what is used, what is held out, and what later stages make of it."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from helpers import tiny
from helpers.own_folder import gestures, load, write
from jointwise.cli import run as jointwise
from jointwise.data.dataset import HELD_OUT, Dataset, Part
from jointwise.errors import ConfigError, DataError
from jointwise.evaluation import propagation
from jointwise.evaluation.held_out import loss_parts
from jointwise.stages import finetune as finetune_stage
from jointwise.stages.pretrain import hold_out_share, pretrain, training_data

SHORT = ["--quick", *tiny.SMALL, "--pretrain.steps", "2", "--finetune.steps", "2", "--semi.steps", "2"]
PRETRAIN = ["pretrain", tiny.SYSTEM, *SHORT]


@pytest.fixture(autouse=True)
def at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JOINTWISE_DATA", str(tmp_path / "stores"))
    monkeypatch.chdir(tmp_path)


def test_a_flat_folder_is_pre_trained_on_with_one_plain_command(capsys: pytest.CaptureFixture[str]) -> None:
    for number in range(5):
        write(Path("flat") / f"{number}.npz", 700 + number)
    jointwise([*PRETRAIN, "--data", "flat/"])
    folder = Path("runs/quick/flat") / tiny.SYSTEM / "pretrain-seed0"
    said = f"{HELD_OUT} recordings, 10% of them by content, for losses: 1 of 5"
    card = json.loads((folder / "model" / "config.json").read_text())
    assert card["split"] == f"all recordings train, nothing is scored; {said}"
    run = json.loads((folder / "run.json").read_text())
    assert set(loss_parts(run["held_out"])) == {"latent", "reconstruction"}
    printed = capsys.readouterr().out
    assert "flat: 5 to train (5 unlabelled), 0 to test (all recordings train, nothing is scored)" in printed
    assert said in printed
    assert f"jointwise finetune {folder} --data DATA --labels 0.1" in printed
    assert "unlabelled · " in (folder / "report.html").read_text()
    jointwise(["view", "flat/", "--out", "flat.html"])
    with pytest.raises(DataError, match="flat: its recordings have no classes"):
        jointwise(["finetune", str(folder), "--data", "flat/", *SHORT[:1]])
    gestures(Path("own"))
    jointwise(["finetune", str(folder), "--data", "own/", "--quick", "--finetune.steps", "2"])


def test_a_labelled_folder_is_pre_trained_on_whole_when_asked_and_then_never_scored(
    capsys: pytest.CaptureFixture[str],
) -> None:
    gestures(Path("own"), subjects=True)
    jointwise([*PRETRAIN, "--data", "own/"])
    assert "8 are left out, because they can be scored later; to use them too: --split all" in capsys.readouterr().out
    jointwise([*PRETRAIN, "--data", "own/", "--split", "all"])
    folder = Path("runs/quick/own") / tiny.SYSTEM / "pretrain-all-seed0"
    assert json.loads((folder / "run.json").read_text())["held_out"]["split"].endswith("for losses: 2 of 20")
    with pytest.raises(DataError, match="trained with the split 'all recordings train"):
        jointwise(["finetune", str(folder), "--data", "own/", "--quick"])


# --- the share that is held out ---


def test_a_tenth_of_the_contents_is_held_out_and_copies_stay_together(tmp_path: Path) -> None:
    for number in range(20):
        write(tmp_path / "own" / f"{number}.npz", number)
        write(tmp_path / "own" / "copies" / "deep" / f"{number}.npz", number)
    dataset = load(tmp_path / "own")
    held = hold_out_share(dataset)
    assert (len(held.train), len(held.test)) == (36, 4)
    assert not set(held.test.digests) & set(held.train.digests)
    assert sorted([*held.train.ids, *held.test.ids]) == list(range(40))
    assert hold_out_share(dataset).test.names == held.test.names
    assert training_data(tiny.config(), dataset).test.names == held.test.names


def test_every_tenth_subject_is_held_out_where_ten_are_known(tmp_path: Path) -> None:
    for number in range(44):
        write(tmp_path / "own" / f"{number}.npz", number, subject=100 + number // 2)  # 22 subjects
    write(tmp_path / "own" / "copy.npz", 18, subject=100)  # as subject 109 has it
    held = hold_out_share(load(tmp_path / "own"))
    assert set(held.test.subjects) == {100, 109, 119}
    assert (len(held.train), held.test.names.count("copy.npz")) == (40, 1)
    assert held.split.endswith(f"{HELD_OUT} subjects 109, 119, every tenth, for losses: 5 of 45")


def test_nothing_is_held_out_where_nothing_would_be_left_or_where_it_is_named(dataset: Dataset, tmp_path: Path) -> None:
    write(tmp_path / "own" / "only.npz")
    one = load(tmp_path / "own")
    assert hold_out_share(one) is one
    named = training_data(tiny.config("--validation_subjects", "[3]"), Dataset.of(dataset.store, "tiny", "all"))
    assert set(named.test.subjects) == {3}
    assert training_data(tiny.config(), dataset) is dataset  # it has a test part


# --- what has no label, beside what has one ---


def test_unlabelled_recordings_are_learned_from_by_pseudo_labels_and_never_as_labelled(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    root = gestures(Path("own"))
    for number in range(6):
        write(root / "_unlabelled" / f"{number}.npz", 700 + number)
    pools = []
    real = finetune_stage.semi_order
    monkeypatch.setattr(
        finetune_stage, "semi_order", lambda labelled, pool, batch: pools.append(pool) or real(labelled, pool, batch)
    )
    jointwise(["finetune", tiny.BASELINE, "--data", "own/", "--unlabelled", "pseudo", *SHORT])
    dataset = load(root)
    (pool,) = pools
    assert pool.tolist() == dataset.train.ids.tolist()
    assert len(pool) == 20
    (labelled,) = Path("runs/quick/own").rglob("labelled.json")
    assert json.loads(labelled.read_text()) == [name for name in dataset.train.names if "_unlabelled" not in name]
    jointwise([*PRETRAIN, "--data", "own/", "--validation_subjects", "[]"])
    seen = np.load(next(Path("runs/quick/own").rglob("pretrain-seed0/model/trained_on.npy")))
    assert set(dataset.train.digests) == set(seen.tolist())


def test_unlabelled_recordings_are_nodes_of_label_propagation(monkeypatch: pytest.MonkeyPatch) -> None:
    root = gestures(Path("own"))
    write(root / "_unlabelled" / "0.npz", 700)
    sizes = []
    real = propagation.neighbour_graph
    monkeypatch.setattr(propagation, "neighbour_graph", lambda features: sizes.append(len(features)) or real(features))
    jointwise(["evaluate", "raw", "--protocol", "semi", "--data", "own/"])
    jointwise(["evaluate", "raw", "--protocol", "knn", "--data", "own/"])  # learns from labelled ones only
    assert sizes == [15]


def test_probes_learn_from_labelled_sequences_only(dataset: Dataset, tmp_path: Path) -> None:
    store = dataset.store.on_joints(dataset.skeleton.joints[:10])
    store.index = store.index.copy()
    store.index["label"][dataset.train.ids[dataset.train.subjects == 1][::3]] = -1  # one of three of each class
    some = replace(dataset, store=store, train=Part(store, dataset.train.ids), test=Part(store, dataset.test.ids))
    config = tiny.config("--validation_subjects", "[3]", "--pretrain.probe_every", "1", "--pretrain.steps", "3")
    probes = pretrain(config, some, 0, tmp_path / "run")["probes"]
    assert set(probes) == {"linear", "knn"}


# --- leaving classes and subjects out ---


def test_a_run_without_some_classes_has_a_name_of_its_own_and_resumes_with_the_same(
    capsys: pytest.CaptureFixture[str],
) -> None:
    gestures(Path("own"), ("nod", "wave, twice", "point"), subjects=True)
    jointwise([*PRETRAIN, "--data", "own/", "--without-classes", "wave, twice", "--without-subjects", "2,5"])
    (folder,) = (Path("runs/quick/own") / tiny.SYSTEM).iterdir()
    assert folder.name.startswith("pretrain-without-")
    printed = capsys.readouterr().out
    assert "own: 8 to train, 4 to test, 18 not used" in printed
    words = "--without-classes 'wave, twice' --without-subjects 2 --without-subjects 5"
    assert f"jointwise finetune {folder} --data own/ {words}" in printed
    card = json.loads((folder / "model" / "config.json").read_text())
    assert card["split"].endswith("without classes wave, twice and subjects 2, 5")
    own = ["--data", "own/", "--without-classes", "wave, twice", "--without-subjects", "2,5"]
    jointwise(["pretrain", tiny.SYSTEM, *own, "--run", str(folder), "--resume"])
    with pytest.raises(ConfigError, match="was started with left_out 'without classes wave, twice and subjects 2, 5'"):
        jointwise(["pretrain", tiny.SYSTEM, "--data", "own/", "--run", str(folder), "--resume"])
    jointwise(["finetune", str(folder), *own, "--quick", "--finetune.steps", "2"])
    (result,) = Path("runs/quick/own").rglob("results/*finetune*.json")
    content = json.loads(result.read_text())
    assert (content["classes"], content["n"]) == (["nod", "point"], 4)
    assert content["left_out"] == "without classes wave, twice and subjects 2, 5"
    assert "-without-" in result.name


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--without-classes", "nod,wav"), "own has no class 'wav' to leave out. It has: nod, wave"),
        (("--without-subjects", "7"), "own has no subject '7' to leave out. It has: none that is known"),
        (("--without-subjects", "anna"), "--without-subjects anna: not a number"),
    ],
)
def test_what_cannot_be_left_out_is_refused(words: tuple[str, str], message: str) -> None:
    gestures(Path("own"), each=2)
    with pytest.raises(ConfigError, match=message):
        jointwise([*PRETRAIN, "--data", "own/", *words])
