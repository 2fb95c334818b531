"""Training with unlabelled clips: every number of its steps by plain torch, and nothing of a hidden label in it."""

import copy
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from helpers import tiny
from helpers.dense_propagation import dense_decorrelation, dense_graph, dense_solution
from helpers.stopping import stop_in_step
from jointwise.cli import run
from jointwise.config.schema import Config, SemiConfig
from jointwise.data.clips import ClipCutter
from jointwise.data.dataset import Dataset, Part
from jointwise.data.label_subset import choose_labelled
from jointwise.data.randomness import Draws, seed_for
from jointwise.errors import ConfigError
from jointwise.evaluation.class_scores import class_scores
from jointwise.evaluation.features import RAW_FRAMES
from jointwise.evaluation.results import read_results
from jointwise.model.build import build_classifier
from jointwise.model.classifier import Classifier
from jointwise.stages import finetune as stage
from jointwise.stages import semi
from jointwise.stages.evaluate import evaluate
from jointwise.stages.finetune import FinetuneTask, finetune
from jointwise.stages.label_loss import LabelLoss
from jointwise.stages.semi import graph_labels, semi_order, teacher_momentum, teacher_share
from jointwise.training.batches import BatchOrder
from jointwise.training.checkpoint import load_tensors, load_weights, read_json
from jointwise.training.coordinate_scale import with_coordinate_scale
from jointwise.training.loop import Interrupted
from jointwise.training.model_folder import load_card, load_model
from jointwise.training.optimizer import build_optimizer, learning_rate
from jointwise.training.run_folder import read_log

LABELS = "2shot"  # 10 of the 30 training clips
STEPS = 6
SEED = 3
SURE = ("--semi.threshold", "0.3")  # of five classes: some clips pass it, some do not
SETTINGS = ("--semi.steps", str(STEPS), "--semi.batch", "12", "--semi.ramp", "0.5", *SURE)
CPU = torch.device("cpu")


def settings(*options: str) -> Config:
    return tiny.config(*SETTINGS, *options, system=tiny.BASELINE)


def train(dataset: Dataset, folder: Path, *options: str, resume: bool = False, **changes: Any) -> Path:
    changes = {"labels": LABELS, "unlabelled": "pseudo"} | changes
    finetune(settings(*options), dataset, SEED, folder=folder, resume=resume, **changes)
    return folder


def weights_of(folder: Path) -> dict[str, Tensor]:
    return load_tensors(folder / "model" / "model.safetensors")


def checkpoint_of(folder: Path) -> dict[str, Tensor]:
    return load_tensors(next((folder / "checkpoint").glob("*.safetensors")))


def everything(folder: Path) -> dict[str, bytes]:
    files = [*folder.glob("checkpoint/*.safetensors"), folder / "model" / "model.safetensors"]
    return {file.name: file.read_bytes() for file in files}


@pytest.fixture(scope="module")
def trained(dataset: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished training of SETTINGS. Read only."""
    return train(dataset, tmp_path_factory.mktemp("semi") / "run")


def propagated(dataset: Dataset) -> dict[int, Tensor]:
    """Training sequence -> its class probabilities by label propagation, with dense matrices."""
    cutter = ClipCutter.from_store(dataset.store, RAW_FRAMES)
    clips = cutter.centre(torch.from_numpy(dataset.train.ids))
    root = dataset.skeleton.root_index
    positions = (clips.positions - clips.positions[:, :1, :, root : root + 1]) * clips.valid[..., None]
    features = positions.flatten(1).double().numpy()
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    labelled = choose_labelled(dataset.train, LABELS, SEED, dataset.classes)
    seeds = np.zeros((len(features), 5))
    for number, label in zip(labelled.ids.tolist(), labelled.labels.tolist(), strict=True):
        seeds[dataset.train.ids.tolist().index(number), label] = 1
    solution = dense_solution(dense_graph(dense_decorrelation(features)), seeds)
    rows = torch.from_numpy(solution / solution.sum(1, keepdims=True)).float()
    return dict(zip(dataset.train.ids.tolist(), rows, strict=True))


def reference(config: Config, dataset: Dataset) -> tuple[Classifier, Classifier, Tensor, list[dict[str, float]]]:
    """Student, teacher, prior and log of all steps, in plain torch."""
    config = with_coordinate_scale(config, dataset)
    recipe = config.scratch
    student = build_classifier(config, recipe, dataset.skeleton, 3, 5, SEED).train()
    teacher = copy.deepcopy(student).eval()
    cutter = ClipCutter.from_store(dataset.store, config.clip.frames)
    optimizer = build_optimizer(student, recipe)
    labelled = torch.from_numpy(choose_labelled(dataset.train, LABELS, SEED, dataset.classes).ids)
    pool = torch.from_numpy(dataset.train.ids)
    truth = torch.from_numpy(dataset.store.index["label"].astype("int64"))
    prior = torch.full((5,), 0.2)
    first = propagated(dataset)
    log = []
    for step in range(STEPS):
        known = BatchOrder(labelled, 8, SEED)[step]
        unknown = BatchOrder(pool, 12, seed_for(SEED, "unlabelled"))[step]
        with torch.no_grad():
            weak = cutter.random(unknown, Draws(torch.arange(12), SEED, "weak", step), crop=0.9, rotation=0.1)
            taught = teacher(weak.persons()).softmax(1)
        share = min(1.0, step / 3)  # the ramp is half of 6 steps
        known_first = torch.stack([first[int(number)] for number in unknown])
        probabilities = (1 - share) * known_first + share * taught
        balanced = probabilities / prior
        balanced /= balanced.sum(1, keepdim=True)
        prior = 0.95 * prior + 0.05 * probabilities.mean(0)
        sure = balanced.max(1).values > float(SURE[1])
        torch.manual_seed(seed_for(SEED, "dropout", step, 0))
        strong = {"crop": 0.5, "rotation": 0.3, "scale": 0.1, "bones": 0.1}
        draws = Draws(torch.arange(20), SEED, "clips", step)
        scores = student(cutter.random(torch.cat([known, unknown]), draws, **strong).persons()).log_softmax(1)
        right = -scores[:8].gather(1, truth[known][:, None])[:, 0]
        supervised = (0.9 * right - 0.1 * scores[:8].mean(1)).mean()
        pseudo = sum((-scores[8 + i, balanced[i].argmax()] for i in range(12) if sure[i]), torch.zeros(())) / 12
        loss = supervised + pseudo
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(step, replace(recipe, steps=STEPS))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        momentum = min(0.99, (step + 1) / (step + 10))
        followed = student.state_dict()
        for name, value in teacher.state_dict().items():
            is_weight = name in dict(student.named_parameters())
            value.copy_(momentum * value + (1 - momentum) * followed[name] if is_weight else followed[name])
        labels = float(sure.float().mean())
        log.append({"loss": loss.item(), "loss_pseudo": pseudo.item(), "pseudo_share": labels})
    return student, teacher, prior, log


def test_all_steps_are_those_of_plain_torch(trained: Path, dataset: Dataset) -> None:
    student, teacher, prior, log = reference(settings(), dataset)
    found = read_log(trained)
    assert len(found) == STEPS
    for line, expected in zip(found, log, strict=True):
        assert {name: line[name] for name in expected} == pytest.approx(expected, abs=1e-5)
    assert any(0 < line["pseudo_share"] < 1 for line in log)  # the threshold decides
    state = checkpoint_of(trained)
    torch.testing.assert_close(state["module.pseudo_labels.prior"], prior, atol=1e-6, rtol=1e-5)
    assert (prior - 0.2).abs().max() > 1e-3
    for name, weights in student.state_dict().items():
        torch.testing.assert_close(state[f"module.classifier.{name}"], weights, atol=1e-5, rtol=1e-4)
    for name, weights in teacher.state_dict().items():
        torch.testing.assert_close(weights_of(trained)[name], weights, atol=1e-5, rtol=1e-4)


def test_the_teacher_moves_and_is_what_is_saved_and_scored(trained: Path, dataset: Dataset) -> None:
    config = with_coordinate_scale(settings(), dataset)
    start = build_classifier(config, config.scratch, dataset.skeleton, 3, 5, SEED)
    state, saved = checkpoint_of(trained), weights_of(trained)
    moved = 0
    for name, first in start.state_dict().items():
        assert torch.equal(saved[name], state[f"module.classifier.average.{name}"])
        student = state[f"module.classifier.{name}"]
        moved += not torch.equal(saved[name], first) and not torch.equal(saved[name], student)
    assert moved > 10
    load_weights(start, saved, trained)
    cutter = ClipCutter.from_store(dataset.store, config.clip.frames)
    expected = class_scores(start, cutter, torch.from_numpy(dataset.test.ids), "fp32")
    hits = (expected.argmax(1) == dataset.test.labels).mean()
    assert read_results(trained)[0]["scores"]["top1"] == pytest.approx(hits)


def with_other_labels(dataset: Dataset, ids: Any) -> Dataset:
    """The same data, in which the sequences `ids` have another label than their own."""
    store = copy.copy(dataset.store)
    store.index = store.index.copy()
    store.index["label"][ids] = (store.index["label"][ids] + 1) % 5
    return Dataset.of(store, dataset.address, dataset.split_name)


def test_a_label_that_is_not_among_those_used_is_never_looked_at(
    trained: Path, dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    labelled = choose_labelled(dataset.train, LABELS, SEED, dataset.classes).ids
    hidden = sorted({*dataset.train.ids} - {*labelled})
    assert len(hidden) == 20
    other = with_other_labels(dataset, hidden)
    monkeypatch.setattr(stage, "choose_labelled", lambda train, *_: Part(train.store, labelled))
    train(other, tmp_path / "hidden")
    assert everything(tmp_path / "hidden") == everything(trained)
    train(with_other_labels(dataset, labelled[:1]), tmp_path / "seen")  # the comparison can tell
    assert everything(tmp_path / "seen") != everything(trained)


def test_the_loss_knows_no_label_outside_its_part(dataset: Dataset) -> None:
    part = Part(dataset.store, dataset.train.ids[:4])
    loss = LabelLoss(part, 0.0, CPU)
    logits = torch.zeros(2, 5)
    value, scalars = loss(logits, torch.from_numpy(part.ids[:2]), 4)
    assert float(value) == pytest.approx(2 * torch.tensor(5.0).log().item() / 4)
    assert set(scalars) == {"train_top1"}
    assert loss.describe(torch.from_numpy(part.ids)) == part.names
    with pytest.raises(IndexError):
        loss(logits, torch.from_numpy(dataset.train.ids[3:5]), 2)


@pytest.mark.parametrize("step", [0, 3])
def test_stopped_and_resumed_is_never_stopped_to_the_bit(
    trained: Path, dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    with monkeypatch.context() as patch:
        stop_in_step(patch, step)
        with pytest.raises(Interrupted, match="--unlabelled pseudo"):
            train(dataset, tmp_path / "run")
    train(dataset, tmp_path / "run", resume=True)
    assert everything(tmp_path / "run") == everything(trained)


def test_a_run_goes_on_with_the_use_of_unlabelled_clips_that_it_began_with(
    trained: Path, dataset: Dataset, tmp_path: Path
) -> None:
    assert read_json(trained / "about.json")["unlabelled"] == "pseudo"
    with pytest.raises(ConfigError, match="was started with unlabelled 'pseudo', now it is None"):
        train(dataset, trained, resume=True, unlabelled=None)
    with pytest.raises(ConfigError, match="unknown value of --unlabelled 'pseudos': did you mean 'pseudo'"):
        train(dataset, tmp_path / "run", unlabelled="pseudos")
    assert not (tmp_path / "run").exists()


def test_a_result_has_the_protocol_steps_and_clips_of_its_training(trained: Path, dataset: Dataset) -> None:
    result = read_results(trained)[0]
    assert result["path"].stem == f"{tiny.BASELINE}-scratch-semi-{LABELS}-seed{SEED}"
    assert (result["protocol"], result["unlabelled"], result["initialisation"]) == ("semi", "pseudo", "scratch")
    assert result["steps"] == {"finetune": STEPS}
    assert result["clips_per_step"] == {"finetune": 8 + 12}
    assert result["split"]["labelled"] == 10
    run = read_json(trained / "run.json")
    assert (run["steps"], run["clips_per_step"]) == (STEPS, 20)
    seconds = read_log(trained)[-1]["seconds"]  # without the last save, so the training took no less
    assert run["seconds_per_epoch"] * (STEPS * 12 / 30) >= seconds - 0.01  # epochs of all clips, not of the labelled
    assert (load_card(trained).unlabelled, load_card(trained).labels) == ("pseudo", LABELS)


def test_another_protocol_on_its_model_says_that_it_learned_from_unlabelled_clips(
    trained: Path, dataset: Dataset, tmp_path: Path
) -> None:
    run = shutil.copytree(trained, tmp_path / "run")
    for protocol in ("score", "knn"):
        evaluate(run, protocol, dataset, settings(), SEED, results=tmp_path / "results")
    names = sorted(path.stem for path in (tmp_path / "results").glob("*.json"))
    assert names == [
        f"{tiny.BASELINE}-finetuned-pseudo-knn-1.0-seed{SEED}",
        f"{tiny.BASELINE}-scratch-pseudo-score-{LABELS}-seed{SEED}",
    ]
    scored = next(result for result in read_results(tmp_path / "results") if result["protocol"] == "score")
    assert scored["scores"] == pytest.approx(read_results(trained)[0]["scores"])


def test_it_starts_from_a_pre_trained_encoder_with_the_recipe_of_fine_tuning(
    pretrained: Path, dataset: Dataset, tmp_path: Path
) -> None:
    config = tiny.config(*SETTINGS, "--semi.steps", "1", "--finetune.lr", "0")
    finetune(config, dataset, 0, LABELS, tmp_path / "run", pretrained, unlabelled="pseudo")
    _, before = load_model(pretrained)
    for name, value in weights_of(tmp_path / "run").items():
        if name.startswith("encoder."):
            torch.testing.assert_close(value, before[name.replace("encoder", "student", 1)])
    result = read_results(tmp_path / "run")[0]
    assert (result["initialisation"], result["steps"]) == ("pretrained", {"pretrain": 12, "finetune": 1})


def test_with_all_labels_the_same_clips_come_in_two_orders(dataset: Dataset, tmp_path: Path) -> None:
    train(dataset, tmp_path / "run", labels="1.0")
    assert read_results(tmp_path / "run")[0]["split"]["labelled"] == 30
    order = semi_order(BatchOrder(torch.from_numpy(dataset.train.ids), 12, 0), torch.from_numpy(dataset.train.ids), 12)
    labelled, unlabelled = order.split(order.local_batch(0))
    assert labelled.ids.tolist() != unlabelled.ids.tolist()


def test_labels_pass_to_the_teacher_in_the_ramp_and_without_one_at_once() -> None:
    shares = [teacher_share(step, SemiConfig(steps=10, ramp=0.5)) for step in range(10)]
    assert shares == pytest.approx([0, 0.2, 0.4, 0.6, 0.8, 1, 1, 1, 1, 1])
    assert teacher_share(0, SemiConfig(ramp=0.0)) == 1


def test_a_clip_that_no_label_reaches_is_of_no_class_at_first(
    dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    labelled = choose_labelled(dataset.train, LABELS, SEED, dataset.classes)
    monkeypatch.setattr(semi, "spread_labels", lambda features, *_: torch.eye(len(features), 5).double())
    first = graph_labels(dataset, labelled, CPU)
    assert torch.equal(first[:5], torch.eye(5))
    assert torch.equal(first[5:], torch.full((25, 5), 0.2))


def test_the_teacher_follows_fast_at_first() -> None:
    assert [teacher_momentum(step, 0.99) for step in (0, 8, 890, 891)] == pytest.approx([0.1, 0.5, 0.99, 0.99])


def test_settings_outside_their_range_are_refused() -> None:
    for change in ({"steps": 0}, {"batch": 0}, {"threshold": 1.5}, {"ramp": -1}, {"weight": -1}, {"momentum": 2}):
        with pytest.raises(ConfigError, match=f"semi: {next(iter(change))}"):
            SemiConfig(**change)  # type: ignore[arg-type]


# --- averages of a classifier, through the loop ---


def test_every_step_of_a_fine_tuning_moves_the_average_that_is_saved(
    dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Δ ← α Δ + (1 − α) θ after each step, α = min(0.98, n / (n + 1)): of 5 steps it is the mean."""
    students: list[dict[str, Tensor]] = []
    real: Callable[[FinetuneTask, int], None] = FinetuneTask.after_step

    def note(self: FinetuneTask, step: int) -> None:
        students.append({name: weights.detach().clone() for name, weights in self.module.named_parameters()})
        real(self, step)

    with monkeypatch.context() as patch:
        patch.setattr(FinetuneTask, "after_step", note)
        config = tiny.config("--scratch.average", "0.5", "--scratch.steps", "5", system=tiny.BASELINE)
        finetune(config, dataset, 0, "1.0", tmp_path / "run")
    saved = weights_of(tmp_path / "run")
    assert len(students) == 5
    for name in (name for name in students[0] if not name.startswith("average.")):
        mean = torch.stack([student[name] for student in students]).mean(0)
        torch.testing.assert_close(saved[name], mean, atol=1e-6, rtol=1e-5)
    assert not torch.equal(saved["head.mlp.3.weight"], students[-1]["head.mlp.3.weight"])


def test_the_command_keeps_its_run_beside_that_of_fine_tuning_and_resumes_what_it_began(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["finetune", tiny.BASELINE, "--data", tiny.NAME, "--quick", *tiny.SMALL, "--labels", LABELS]
    run([*words, "--unlabelled", "pseudo", "--semi.steps", "2"])
    unused = "--scratch.steps is not used with --unlabelled pseudo: it takes semi.steps"
    assert f"{unused} (2)" in capsys.readouterr().out
    run(words)
    assert unused not in capsys.readouterr().out
    runs = Path("runs/quick") / tiny.NAME / tiny.BASELINE
    assert sorted(path.name for path in runs.iterdir()) == ["scratch-2shot-seed0", "scratch-semi-2shot-seed0"]
    again = ["finetune", tiny.BASELINE, "--data", tiny.NAME, "--resume", "--run"]
    run([*again, str(runs / "scratch-semi-2shot-seed0")])  # it knows the rest by itself
    with pytest.raises(ConfigError, match="has no unlabelled, not pseudo"):
        run([*again, str(runs / "scratch-2shot-seed0"), "--unlabelled", "pseudo"])
