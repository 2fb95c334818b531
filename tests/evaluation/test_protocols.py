"""Judging encoders: probes against independent references, honest splits, and runs that are never changed."""

import hashlib
import re
import subprocess
import sys
import types
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.neighbors import KNeighborsClassifier
from torch.nn import functional

import jointwise.evaluation
from helpers import tiny
from jointwise.config.schema import Config, LinearConfig
from jointwise.data.clips import ClipCutter
from jointwise.data.dataset import Dataset
from jointwise.errors import CheckpointError, ConfigError, DataError
from jointwise.evaluation import knn, linear
from jointwise.evaluation.completion import TASKS
from jointwise.evaluation.features import extract, raw_features
from jointwise.evaluation.interpolation import BASELINES
from jointwise.evaluation.judge import judge
from jointwise.evaluation.protocols import (
    COMPLETE,
    COMPLETION,
    FINETUNE,
    PROTOCOLS,
    SCORE,
    Judges,
    Protocol,
    compared_protocols,
    evaluated_protocols,
    frozen_protocols,
    training_protocols,
)
from jointwise.evaluation.results import read_results
from jointwise.model.build import build_classifier
from jointwise.report.page import write_report
from jointwise.report.tables.tables import tables
from jointwise.stages.evaluate import evaluate
from jointwise.stages.finetune import FinetuneTask, finetune
from jointwise.stages.label_loss import LabelLoss
from jointwise.stages.pretrain import pretrain
from jointwise.training.checkpoint import load_tensors, read_json
from jointwise.training.model_folder import load_card

HOW_TO = Path(__file__).parents[2] / "docs" / "how-to" / "add-a-protocol.md"


def clusters(seed: int = 0, noise: float = 0.3) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """Train and test features and labels of 4 classes around 4 centres."""
    random = np.random.default_rng(seed)
    centres = 3 * np.eye(4, 10)
    labels = random.integers(4, size=(2, 120))
    features = centres[labels] + noise * random.normal(size=(2, 120, 10))
    train, test = torch.from_numpy(features.astype(np.float32))
    train_labels, test_labels = torch.from_numpy(labels)
    return train, train_labels, test, test_labels


def hashes(folder: Path) -> dict[str, str]:
    """Of every file but results and reports."""
    files = (file for file in sorted(folder.rglob("*")) if file.is_file() and "results" not in file.parts)
    return {str(file): hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


# --- the contract of every protocol ---


@pytest.mark.parametrize("name", frozen_protocols())
def test_a_protocol_scores_every_class_of_every_clip_and_learns_clusters(name: str) -> None:
    train, labels, test, test_labels = clusters()
    scores = frozen_protocols()[name](train, labels, test, 6, Config(), 0)
    assert scores.shape == (120, 6)  # classes 4 and 5 have no training clip
    assert scores.isfinite().all()
    assert (scores.argmax(1) == test_labels).float().mean() > 0.95


@pytest.mark.parametrize("name", frozen_protocols())
def test_a_protocol_is_a_function_of_features_and_seed(name: str) -> None:
    train, labels, test, _ = clusters(noise=3)
    copies = [tensor.clone() for tensor in (train, labels, test)]
    first = frozen_protocols()[name](train, labels, test, 4, tiny.config(), 0)
    torch.rand(100)
    state = torch.get_rng_state()
    assert torch.equal(frozen_protocols()[name](train, labels, test, 4, tiny.config(), 0), first)
    assert torch.equal(torch.get_rng_state(), state)
    assert all(map(torch.equal, copies, (train, labels, test)))


@pytest.mark.parametrize("name", frozen_protocols())
def test_a_test_clip_is_scored_the_same_whatever_others_there_are(name: str) -> None:
    train, labels, test, _ = clusters()
    together = frozen_protocols()[name](train, labels, test, 4, tiny.config(), 0)
    alone = frozen_protocols()[name](train, labels, test[7:8], 4, tiny.config(), 0)
    torch.testing.assert_close(alone, together[7:8])


# --- nearest neighbour ---


@pytest.mark.parametrize("noise", [0.3, 3.0])
def test_the_best_scored_class_is_scikit_learns_nearest_neighbour_by_cosine(noise: float) -> None:
    train, labels, test, _ = clusters(noise=noise)
    reference = KNeighborsClassifier(1, metric="cosine").fit(train.double().numpy(), labels.numpy())
    assert knn.score(train, labels, test, 4).argmax(1).tolist() == reference.predict(test.double().numpy()).tolist()


def test_a_class_is_scored_by_its_most_similar_clip() -> None:
    train, labels, test, _ = clusters(noise=3.0)
    scores = knn.score(train, labels, test, 5)
    similarity = functional.cosine_similarity(test[:, None], train[None], dim=-1)
    for label in range(4):
        torch.testing.assert_close(scores[:, label], similarity[:, labels == label].amax(1))
    assert (scores[:, 4] == -1).all()


def test_the_size_of_features_does_not_matter_to_neighbours() -> None:
    train, labels, test, _ = clusters(noise=3.0)
    sizes = torch.rand(120, 1) + 0.1
    torch.testing.assert_close(knn.score(train * sizes, labels, test * 7, 4), knn.score(train, labels, test, 4))


@pytest.mark.parametrize("at_once", [1, 7, 1000])
def test_scores_do_not_depend_on_how_many_queries_are_compared_at_once(
    at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    train, labels, test, _ = clusters(noise=3.0)
    together = knn.score(train, labels, test, 4)
    monkeypatch.setattr(knn, "_AT_ONCE", at_once)
    torch.testing.assert_close(knn.score(train, labels, test, 4), together)


# --- linear probe ---


def test_the_linear_probe_learns_separable_data() -> None:
    train, labels, test, test_labels = clusters()
    scores = linear.score(train, labels, test, 4, LinearConfig(steps=100, batch=32), 0)
    assert (scores.argmax(1) == test_labels).float().mean() > 0.98


def test_the_linear_probe_does_not_mind_the_scale_of_a_feature() -> None:
    train, labels, test, test_labels = clusters()
    scale = 10.0 ** torch.linspace(-1, 4, 10)  # far below 1 the epsilon of BatchNorm damps a feature
    scores = linear.score(train * scale, labels, test * scale, 4, LinearConfig(steps=100, batch=32), 0)
    assert (scores.argmax(1) == test_labels).float().mean() > 0.95


def test_another_seed_is_another_probe() -> None:
    train, labels, test, _ = clusters()
    for settings in (LinearConfig(steps=5), LinearConfig(steps=1, lr=0.0, batch=len(train))):  # order, random weights
        first, again, other = (linear.score(train, labels, test, 4, settings, seed) for seed in (0, 0, 1))
        assert torch.equal(first, again)
        assert not torch.allclose(first, other, atol=1e-3)


# --- features ---


def test_raw_features_do_not_know_where_a_person_stands(dataset: Dataset) -> None:
    cutter = ClipCutter.from_store(dataset.store, 8)
    clips = cutter.centre(torch.arange(6))
    features = raw_features(dataset.skeleton.root_index)
    moved = type(clips)(clips.positions + torch.tensor([1.0, -2.0, 3.0]), clips.valid, clips.ids)
    torch.testing.assert_close(features(moved), features(clips), atol=1e-5, rtol=1e-4)
    assert features(clips).shape == (6, 2 * 8 * 20 * 3)


def test_features_of_a_batch_are_those_of_its_clips_one_by_one(dataset: Dataset) -> None:
    cutter, features = ClipCutter.from_store(dataset.store, 8), raw_features(dataset.skeleton.root_index)
    ids = torch.tensor([0, 1, 30, 5, 12])  # sequence 0 has two persons
    together = extract(features, cutter, ids)
    torch.testing.assert_close(extract(features, cutter, ids, batch=1), together)
    torch.testing.assert_close(extract(features, cutter, ids, batch=2), together)


# --- evaluate ---


@pytest.mark.parametrize("protocol", [*frozen_protocols(), SCORE])
@pytest.mark.parametrize("which", ["student", "teacher"])
def test_evaluating_never_changes_the_run(
    request: pytest.FixtureRequest, dataset: Dataset, protocol: str, which: str
) -> None:
    run = request.getfixturevalue("finetuned" if protocol == "score" else "pretrained")
    before = hashes(run)
    assert len(before) > 4
    evaluate(run, protocol, dataset, tiny.config(), 0, which=which)
    assert hashes(run) == before


def test_student_and_teacher_have_features_of_their_own(pretrained: Path, dataset: Dataset, tmp_path: Path) -> None:
    scores = []
    for which in ("student", "teacher"):
        _, path = evaluate(pretrained, "linear", dataset, tiny.config(), 0, which=which, results=tmp_path / which)
        scores.append(np.load(path.with_suffix(".npz"))["scores"])
    assert not np.array_equal(*scores)


def test_the_results_of_student_and_teacher_do_not_overwrite_each_other(
    pretrained: Path, dataset: Dataset, tmp_path: Path
) -> None:
    paths = [
        evaluate(pretrained, "knn", dataset, tiny.config(), 0, which=which, results=tmp_path)[1]
        for which in ("student", "teacher")
    ]
    assert len(set(paths)) == 2


def test_raw_coordinates_are_judged_without_a_run(
    dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    own, copy = evaluate(None, "knn", dataset, tiny.config(), 0, results=tmp_path / "copy")
    assert own == Path("runs/tiny/raw/results/raw-knn-1.0-seed0.json")
    content = read_json(copy)
    assert (content["system"], content["initialisation"], content["steps"]) == ("raw", "none", {})


def test_scoring_a_fine_tuned_run_again_gives_the_scores_of_its_training(
    finetuned: Path, dataset: Dataset, tmp_path: Path
) -> None:
    _, path = evaluate(finetuned, "score", dataset, tiny.config(), 0, results=tmp_path)
    trained = finetuned / "results" / f"{tiny.SYSTEM}-finetune-1.0-seed0.json"
    assert read_json(path)["scores"] == read_json(trained)["scores"]


def test_an_encoder_that_has_seen_labels_is_not_pretrained(finetuned: Path, dataset: Dataset, tmp_path: Path) -> None:
    """Fine-tuned again with few labels it would stand in the place of an honest result."""
    path = finetune(tiny.config(), dataset, 0, "1shot", tmp_path / "run", finetuned)
    assert path.stem == f"{tiny.SYSTEM}-finetuned-finetune-1shot-seed0"
    assert read_json(path)["initialisation"] == load_card(tmp_path / "run").initialisation == "finetuned"


def test_few_labels_are_fewer_training_clips_of_the_probe(pretrained: Path, dataset: Dataset, tmp_path: Path) -> None:
    _, path = evaluate(pretrained, "knn", dataset, tiny.config(), 0, labels="1shot", results=tmp_path)
    assert read_json(path)["split"]["labelled"] == 5


def test_an_unknown_protocol_names_the_nearest(pretrained: Path, dataset: Dataset) -> None:
    with pytest.raises(ConfigError, match="unknown protocol 'liner': did you mean 'linear'"):
        evaluate(pretrained, "liner", dataset, tiny.config(), 0)


def test_a_pretrained_run_has_no_classifier_to_score(pretrained: Path, dataset: Dataset) -> None:
    with pytest.raises(
        CheckpointError, match=r"no classifier yet\. Fine-tune it: jointwise finetune .* --protocol linear"
    ):
        evaluate(pretrained, "score", dataset, tiny.config(), 0)
    with pytest.raises(ConfigError, match="needs a fine-tuned run"):
        evaluate(None, "score", dataset, tiny.config(), 0)


@pytest.mark.parametrize("protocol", [*frozen_protocols(), SCORE, FINETUNE])
def test_an_encoder_that_may_have_seen_the_held_out_subjects_is_refused(
    pretrained: Path, finetuned: Path, dataset: Dataset, tmp_path: Path, protocol: str
) -> None:
    held = tiny.config("--validation_subjects", "[3]")

    def judge() -> None:
        if protocol == "finetune":
            finetune(held, dataset, 0, "1.0", tmp_path / "run", pretrained)
        else:
            evaluate(finetuned if protocol == "score" else pretrained, protocol, dataset, held, 0)

    with pytest.raises(DataError, match=r"which had 15 of the .* the same --split and --validation_subjects"):
        judge()


def test_an_encoder_trained_without_the_held_out_subjects_is_judged_on_them(dataset: Dataset, tmp_path: Path) -> None:
    held = tiny.config("--validation_subjects", "[3]", "--pretrain.steps", "2")
    pretrain(held, dataset, 0, tmp_path / "run")
    (path,) = evaluate(tmp_path / "run", "knn", dataset, held, 0)
    split = read_json(path)["split"]
    assert (split["train"], split["test"], split["is_test"]) == (15, 15, False)
    assert not (path.parent / "test_scorings.jsonl").exists()


def test_a_classifier_trained_from_scratch_is_not_called_pretrained(dataset: Dataset, tmp_path: Path) -> None:
    config = tiny.config("--scratch.steps", "1", system=tiny.BASELINE)
    finetune(config, dataset, 0, "1shot", tmp_path / "run")
    (path,) = evaluate(tmp_path / "run", "score", dataset, config, 0)
    content = read_json(path)
    assert content["labels"] == "1shot"
    assert content["initialisation"] == "scratch"
    assert content["split"]["labelled"] == 5


def test_a_classifier_trained_from_scratch_with_a_head_of_its_own_size_is_scored(
    dataset: Dataset, tmp_path: Path
) -> None:
    config = tiny.config("--scratch.steps", "1", "--scratch.hidden", "24", system=tiny.BASELINE)
    finetune(config, dataset, 0, "1.0", tmp_path / "run")
    assert evaluate(tmp_path / "run", "score", dataset, config, 0)


def test_an_average_has_nothing_of_the_random_weights_that_training_began_with(dataset: Dataset) -> None:
    config = tiny.config("--scratch.average", "0.5", system=tiny.BASELINE)
    module = build_classifier(config, config.scratch, dataset.skeleton, 3, len(dataset.classes), 0)
    cutter = ClipCutter.from_store(dataset.store, config.clip.frames)
    task = FinetuneTask(module, cutter, LabelLoss(dataset.train, 0.1, cutter.device), config.scratch, 0)
    weight = module.head.mlp[3].weight
    for step in range(3):
        weight.data.fill_(step)
        task.after_step(step)
        assert module.average is not None
        torch.testing.assert_close(module.average.head.mlp[3].weight.data, torch.full_like(weight, step / 2))


def test_a_fine_tuning_that_averages_its_weights_trains_as_ever_and_keeps_the_average_also_for_a_resume(
    dataset: Dataset, pretrained: Path, tmp_path: Path
) -> None:
    finetune(tiny.config(), dataset, 0, "1.0", tmp_path / "plain", pretrained)
    finetune(tiny.config("--finetune.average", "0.5"), dataset, 0, "1.0", tmp_path / "averaged", pretrained)
    last, whole = (load_tensors(tmp_path / name / "model" / "model.safetensors") for name in ("plain", "averaged"))
    assert whole.keys() == last.keys()
    assert not torch.equal(whole["head.mlp.3.weight"], last["head.mlp.3.weight"])
    live = load_tensors(next((tmp_path / "averaged" / "checkpoint").glob("step-*.safetensors")))
    assert torch.equal(live["module.head.mlp.3.weight"], last["head.mlp.3.weight"])  # training itself is the same
    assert torch.equal(live["module.average.head.mlp.3.weight"], whole["head.mlp.3.weight"])
    plain, averaged = (read_json(tmp_path / name / "run.json")["parameters"] for name in ("plain", "averaged"))
    assert averaged == plain
    assert averaged["encoder"] > 0


# --- the registry ---


def test_the_registry_says_what_each_command_takes_and_stands_in_the_order_of_tables() -> None:
    known = ("finetune", "semi", "linear", "knn", "score", "complete")
    assert [name for name in PROTOCOLS if name in known] == list(known)
    assert {"linear", "knn"} <= set(frozen_protocols())
    assert evaluated_protocols() == tuple(name for name in PROTOCOLS if name != "finetune")
    assert evaluated_protocols(raw=False) == tuple(name for name in PROTOCOLS if name not in ("finetune", "semi"))
    assert training_protocols() == ("finetune", "semi")
    assert compared_protocols() == ("finetune", "semi", *frozen_protocols())
    for protocol in PROTOCOLS.values():
        assert (protocol.score is not None) == (protocol.judges is Judges.FEATURES)


def test_every_error_of_a_completion_has_the_head_of_its_column() -> None:
    names = ["", "decoder", *BASELINES]
    assert list(COMPLETION) == [f"{task}_{name}".rstrip("_") for task in TASKS for name in names]
    assert PROTOCOLS[COMPLETE].measures == COMPLETION


def test_the_command_line_lists_protocols_without_torch() -> None:
    code = "import sys; import jointwise.evaluation.protocols; print('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "False\n"


# --- docs/how-to/add-a-protocol.md ---


@pytest.fixture
def centroid(monkeypatch: pytest.MonkeyPatch) -> str:
    """The protocol of the how-to page, added by its module and its entry; returns its name."""
    code, function, entry = re.findall(r"```python\n(.*?)```", HOW_TO.read_text(), re.DOTALL)
    module = types.ModuleType("centroid")
    exec(compile(code, str(HOW_TO), "exec"), module.__dict__)
    monkeypatch.setitem(sys.modules, "jointwise.evaluation.centroid", module)
    monkeypatch.setattr(jointwise.evaluation, "centroid", module, raising=False)
    names: dict[str, Any] = {"Protocol": Protocol}
    exec(compile(f"from __future__ import annotations\n{function}{entry}", str(HOW_TO), "exec"), names)
    for name, protocol in names["PROTOCOLS"].items():
        monkeypatch.setitem(PROTOCOLS, name, protocol)
    return str(names["CENTROID"])


def test_a_protocol_added_by_its_entry_is_in_the_result_the_table_and_the_page(
    centroid: str, pretrained: Path, dataset: Dataset, tmp_path: Path
) -> None:
    for protocol in (centroid, "knn"):
        evaluate(pretrained, protocol, dataset, tiny.config(), 0, results=tmp_path)
    paths = sorted(tmp_path.glob("*.json"))
    results = read_results(tmp_path)
    assert [result["protocol"] for result in results] == [centroid, "knn"]
    assert results[0]["scores"]["top1"] > 0.2  # five classes
    grid = tables(results)["results"]
    assert [row[grid.header.index("protocol")] for row in grid.rows] == ["knn", centroid]  # in the registry's order
    assert grid.header[-2:] == ("top-1 %", "top-5 %")
    page = write_report(tmp_path / "report.html", "tiny", [pretrained], paths).read_text()
    assert "nearest class centroid" in page
    assert "nearest neighbours" in page


def test_a_protocol_added_by_its_entry_probes_a_pretraining_and_judges_foreign_encoders(
    centroid: str, dataset: Dataset, tmp_path: Path
) -> None:
    options = ("--validation_subjects", "[3]", "--pretrain.probe_every", "1", "--pretrain.steps", "2")
    run = pretrain(tiny.config(*options), dataset, 0, tmp_path / "run")
    assert set(run["probes"]) == {"linear", "knn", centroid}
    features = raw_features(dataset.skeleton.root_index)
    evaluation = judge(features, dataset, centroid, name="mine", frames=16, config=tiny.config())
    assert 0 <= evaluation.summary()["scores"]["top1"] <= 1
    assert centroid in compared_protocols()  # what `jointwise table --protocols` takes
