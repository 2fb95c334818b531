"""Training on a pool: absent joints take no part, sets count by their shares, and tested subjects stay unseen."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from helpers import tiny, worker
from helpers.stores import write_store
from helpers.two_processes import assert_same_training, pretraining, start_two
from jointwise.cli import run
from jointwise.config.schema import Config
from jointwise.data.clips import ClipCutter
from jointwise.data.dataset import Dataset, load_dataset, pool
from jointwise.data.randomness import Draws
from jointwise.data.sequence import Sequence
from jointwise.data.skeletons import KINECT20, NTU25, Skeleton
from jointwise.data.store.reader import Description, Store
from jointwise.errors import DataError
from jointwise.model.build import build_objective
from jointwise.model.objective import Objective
from jointwise.stages.finetune import finetune
from jointwise.stages.pretrain import pretrain
from jointwise.training.coordinate_scale import (
    coordinate_rms,
    median_clip_rms,
    median_coordinate_rms,
    weighted_median,
    with_coordinate_scale,
)
from jointwise.training.model_folder import load_card, load_trained_on

ABSENT = [NTU25.joints.index(joint) for joint in NTU25.joints if joint not in KINECT20.joints]
SYSTEMS = ("recommended", "spatial_segments_decoder")
CLASSES = ("low", "high")


def write_set(folder: Path, name: str, skeleton: Skeleton, each: int = 4, size: float = 0.3) -> str:
    """A set of noise, of two classes and of subjects 1 (trains) and 2 (is scored); what `--data` takes for it."""
    pairs = []
    for number in range(4 * each):
        random = np.random.default_rng([number, len(skeleton.joints)])
        label, subject = number % 2, 1 + number % 4 // 2
        shape = (1, int(random.integers(20, 40)), len(skeleton.joints))
        positions = random.normal(0, size, (*shape, 3)).astype(np.float32)
        valid = random.random(shape) > 0.05
        sequence = Sequence(positions, skeleton, valid, 30.0, label, subject, source=f"{name}{number}")
        pairs.append((sequence, subject == 2))
    return f"{write_store(folder / name, Description(name, skeleton, CLASSES, terms=name, metres=True), pairs)}/"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the sets `old`, on 20 joints, and `new`, on 25 and three times as many. Read only."""
    folder = tmp_path_factory.mktemp("pools")
    write_set(folder, "old", KINECT20)
    write_set(folder, "new", NTU25, each=12)
    return folder


@pytest.fixture
def mine(home: Path, monkeypatch: pytest.MonkeyPatch) -> Dataset:
    """The pool `mine` of both sets, half and half."""
    monkeypatch.setenv("JOINTWISE_DATA", str(home / "data"))
    return pool("mine", [f"{home}/old/", f"{home}/new/"], {"old": 1, "new": 1})


def made(system: str, dataset: Dataset) -> tuple[Config, Objective]:
    config = with_coordinate_scale(tiny.config(system=system), dataset)
    return config, build_objective(config, dataset.skeleton, 3, 0.3, 0)


def losses(objective: Objective, store: Store, ids: Tensor, positions: np.ndarray) -> dict[str, Tensor]:
    rows = np.concatenate([store.valid.of_shard(number) for number in range(2)])  # type: ignore[union-attr]
    cutter = ClipCutter(positions, rows, store.index, NTU25, 16)
    clips = cutter.random(ids, Draws(torch.arange(len(ids)), 0, "clips"))
    parts = objective.losses(clips.persons(), clips, Draws(torch.arange(len(ids)), 0, "masks"), lambda total: total)
    return dict(parts.parts) | {"total": parts.total}


@pytest.mark.parametrize("system", SYSTEMS)
def test_what_lies_under_joints_that_are_absent_changes_no_loss(mine: Dataset, system: str) -> None:
    _, objective = made(system, mine)
    rows = np.concatenate([mine.store.positions.of_shard(number) for number in range(2)])  # type: ignore[union-attr]
    noise = rows.copy()
    noise[: int(mine.store.positions.ends[0]), ABSENT] += np.random.default_rng(0).normal(size=3)  # type: ignore[union-attr]
    assert not np.array_equal(noise, rows)
    ids = torch.from_numpy(mine.train.ids)
    as_it_is, changed = (losses(objective, mine.store, ids, positions) for positions in (rows, noise))
    assert as_it_is.keys() == changed.keys() > {"latent", "total"}
    for name, value in as_it_is.items():
        assert torch.equal(value, changed[name]), name


@pytest.mark.parametrize("system", SYSTEMS)
def test_joints_that_a_set_lacks_learn_nothing_from_it(mine: Dataset, system: str) -> None:
    """No gradient reaches their embeddings: they are in no token, and no target."""
    _, objective = made(system, mine)
    rows = np.concatenate([mine.store.positions.of_shard(number) for number in range(2)])  # type: ignore[union-attr]
    old = torch.from_numpy(mine.train.ids[mine.store.shards.of(mine.train.ids) == 0])
    for ids, absent_learn in ((old, False), (torch.from_numpy(mine.train.ids), True)):
        objective.zero_grad()
        losses(objective, mine.store, ids, rows)["total"].backward()
        found = 0
        for name, parameter in objective.named_parameters():
            if name.endswith("position.joint") and parameter.grad is not None:
                found += 1
                learned = parameter.grad[0].abs().sum(1)
                assert bool((learned[ABSENT] > 0).any()) is absent_learn, name
                assert (learned[[NTU25.joints.index(joint) for joint in KINECT20.joints]] > 0).all(), name
        assert found >= 2  # student, and predictor, decoder or trunk


# --- sizes of the data ---


def test_the_median_by_weight_is_that_of_numpy_where_weights_are_equal() -> None:
    for values in ([3.0], [3.0, 1.0], [5.0, 1.0, 2.0], [4.0, 1.0, 3.0, 2.0], [1.0, 1.0, 7.0, 9.0]):
        for weight in (1.0, 0.1, 7.0):
            assert weighted_median(np.array(values), np.full(len(values), weight)) == np.median(values)
    assert weighted_median(np.array([1.0, 2.0, 9.0]), np.array([1.0, 2.0, 1.0])) == 2
    assert weighted_median(np.array([9.0, 1.0]), np.array([1.0, 3.0])) == 1


def test_a_small_set_counts_for_the_scale_as_much_as_it_is_drawn(tmp_path: Path) -> None:
    """Of two sets that are drawn alike, the larger one does not decide alone."""
    large, small = (write_set(tmp_path, name, NTU25, each, size) for name, each, size in (("l", 9, 0.3), ("s", 2, 0.6)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("JOINTWISE_DATA", str(tmp_path / "data"))
        alike = pool("alike", [large, small], {"l": 1, "s": 1})
        mostly = pool("mostly", [large, small], {"l": 1, "s": 9})
    own = [median_coordinate_rms(part) for part in (load_dataset(large).train, load_dataset(small).train)]
    assert own[0] < median_coordinate_rms(alike.train) < median_coordinate_rms(mostly.train) < own[1]
    assert coordinate_rms(alike.train) < coordinate_rms(mostly.train)
    assert median_clip_rms(alike.train, 16)[1] < median_clip_rms(mostly.train, 16)[1]


# --- from the pool to one of its sets ---


@pytest.fixture(scope="module")
def pretrained_on_pool(home: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished pre-training on `mine`. Read only."""
    folder = tmp_path_factory.mktemp("runs") / "pretrain"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("JOINTWISE_DATA", str(home / "data"))
        data = pool("mine", [f"{home}/old/", f"{home}/new/"], {"old": 1, "new": 1})
        pretrain(tiny.config(system="recommended"), data, 0, folder)
    return folder


def test_an_encoder_of_a_pool_is_fine_tuned_on_a_set_of_fewer_joints(
    home: Path, pretrained_on_pool: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    small = ("--quick", *tiny.SMALL, "--run", str(tmp_path / "tuned"))
    run(["finetune", str(pretrained_on_pool), "--data", f"{home}/old/", *small])
    printed = capsys.readouterr().out
    assert "old (kinect20) on the model's layout ntu25: 20 of 25 joints: 20 matched, missing: neck, " in printed
    assert "origins differ" not in printed  # both are centred at spine_mid
    assert "scored on  8 clips" in printed
    card = load_card(tmp_path / "tuned")
    assert (card.pretrained_on, card.terms) == ("mine", "old: old; new: new")
    assert [member["data"] for member in card.mixture] == ["old", "new"]


def test_the_card_the_run_and_its_page_state_the_mixture(pretrained_on_pool: Path) -> None:
    card = load_card(pretrained_on_pool)
    assert card.terms == "old: old; new: new"
    assert [(member["data"], member["share"], member["sequences"]) for member in card.mixture] == [
        ("old", 0.5, 8),
        ("new", 0.5, 24),
    ]
    assert json.loads((pretrained_on_pool / "run.json").read_text())["mixture"] == card.mixture
    assert "/" not in "".join(str(member) for member in card.mixture)  # no path of this machine


def test_what_a_set_scores_was_not_seen_and_another_split_is_refused(home: Path, pretrained_on_pool: Path) -> None:
    new = Dataset.of(Store(home / "new"), f"{home}/new/")
    seen = load_trained_on(pretrained_on_pool)
    assert not seen & set(new.test.digests)
    assert seen & set(new.train.digests)
    swapped = replace(new, train=new.test, test=new.train)
    with pytest.raises(DataError, match="sequences that would be scored now"):
        finetune(tiny.config(system="recommended"), swapped, 0, "1.0", home / "refused", pretrained_on_pool)


@pytest.mark.slow
def test_two_processes_train_on_a_pool_as_one_does(home: Path, mine: Dataset, tmp_path: Path) -> None:
    """Each opens one of the two sets only."""
    data = ("--data", "mine", "--validation_subjects", "[]")
    file = tmp_path / "commands"
    file.write_text(json.dumps([(pretraining(tmp_path / "two", *data, system="recommended"), None)]))
    output = start_two(file, home / "data")
    assert [json.loads(Path(f"{file}.{rank}").read_text()) for rank in range(2)] == [[""], [""]], output
    with pytest.MonkeyPatch.context() as patch:
        worker.adapt(patch.setattr)
        run(pretraining(tmp_path / "one", *data, system="recommended"))
    assert_same_training(tmp_path / "one", tmp_path / "two")
