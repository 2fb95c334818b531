"""The training clips that a model finds most like a recording."""

import os
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from helpers import tiny
from jointwise.data.dataset import Dataset, load_dataset
from jointwise.data.datasets import DATASETS
from jointwise.errors import CheckpointError, ConfigError, DataError
from jointwise.inference.nearest import Retrieval
from jointwise.inference.recognizer import Recognizer
from jointwise.stages.finetune import finetune
from jointwise.training.run_folder import run_path

POOLING = tiny.config().probe.pooling


@pytest.fixture
def features_folder(registered: Path, dataset: Dataset) -> Path:
    folder = dataset.store.path / "features"
    shutil.rmtree(folder, ignore_errors=True)
    return folder


@pytest.mark.parametrize("which", ["finetuned", "pretrained"])
def test_the_nearest_are_the_training_clips_with_the_largest_cosine(
    which: str, dataset: Dataset, features_folder: Path, request: pytest.FixtureRequest
) -> None:
    recognizer = Recognizer.from_pretrained(request.getfixturevalue(which))
    recording = dataset.test[4]
    found = recognizer.nearest(recording, count=7)
    gallery = np.array([recognizer.features(clip, POOLING) for clip in dataset.train], np.float64)
    vector = recognizer.features(recording, POOLING).astype(np.float64)
    cosines = gallery @ vector / np.linalg.norm(gallery, axis=1) / np.linalg.norm(vector)
    best = np.argsort(-cosines)[:7]
    assert [one.similarity for one in found] == pytest.approx(cosines[best], abs=2e-3)
    assert {one.name for one in found[:3]} <= {dataset.train.names[place] for place in np.argsort(-cosines)[:5]}
    for one in found:
        place = dataset.train.names.index(one.name)
        assert one.label == dataset.classes[dataset.train.labels[place]]
        np.testing.assert_array_equal(one.sequence.positions, dataset.train[place].positions)


def test_a_training_clip_is_nearest_to_itself(finetuned: Path, dataset: Dataset, features_folder: Path) -> None:
    recognizer = Recognizer.from_pretrained(finetuned)
    for place in (0, 11, 29):
        nearest, second = recognizer.nearest(dataset.train[place], count=2)
        assert nearest.name == dataset.train.names[place]
        assert nearest.similarity == pytest.approx(1, abs=2e-3)
        assert second.similarity < nearest.similarity
    assert len(recognizer.nearest(dataset.train[0], count=1000)) == len(dataset.train)


def test_features_are_kept_beside_the_data_until_the_weights_change(
    finetuned: Path, dataset: Dataset, features_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = dataset.test[0]
    found = Recognizer.from_pretrained(finetuned).nearest(asked)
    assert len(list(features_folder.iterdir())) == 1
    assert not list(finetuned.rglob("*features*"))
    with monkeypatch.context() as patch:
        patch.setattr(Retrieval, "_computed", None)  # nothing is computed again
        again = Recognizer.from_pretrained(finetuned).nearest(asked)
    assert [(one.name, one.similarity) for one in again] == [(one.name, one.similarity) for one in found]
    for _ in range(5):
        changed = Recognizer.from_pretrained(finetuned)
        with torch.no_grad():
            next(changed._encoder.parameters()).add_(torch.rand(1))
        assert [one.similarity for one in changed.nearest(asked)] != [one.similarity for one in found]
    assert len(list(features_folder.iterdir())) == 4


def test_a_store_that_cannot_be_written_is_searched_all_the_same(
    finetuned: Path, dataset: Dataset, features_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "access", lambda *_: False)
    assert Recognizer.from_pretrained(finetuned).nearest(dataset.train[5], 1)[0].name == dataset.train.names[5]
    assert not features_folder.exists()


def test_of_other_data_the_training_part_is_searched(
    finetuned: Path, dataset: Dataset, features_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for clip in list(dataset.test)[:6] + list(dataset.train)[:6]:
        file = tmp_path / "gestures" / ("first" if clip.label == 0 else "second") / f"{clip.source}.npz"
        file.parent.mkdir(parents=True, exist_ok=True)
        np.savez(file, positions=clip.positions, valid=clip.validity, joints=clip.skeleton.joints)
    monkeypatch.setenv("JOINTWISE_DATA", str(tmp_path / "stores"))
    other = load_dataset(str(tmp_path / "gestures"))
    recognizer = Recognizer.from_pretrained(finetuned)
    found = recognizer.nearest(dataset.test[0], 100, data=str(tmp_path / "gestures"))
    trained = set(np.load(finetuned / "model" / "trained_on.npy"))
    known = [name for name, digest in zip(other.store.names, other.store.digests, strict=True) if digest in trained]
    assert sorted(one.name for one in found) == sorted(known or other.train.names)
    assert {one.label for one in found} <= {"first", "second"}


def test_data_that_are_not_here_are_told(
    finetuned: Path, dataset: Dataset, registered: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recognizer = Recognizer.from_pretrained(finetuned)
    with pytest.raises(ConfigError, match="0 nearest clips: ask for 1 or more"):
        recognizer.nearest(dataset.test[0], 0)
    changed = replace(tiny.SOURCE, recordings=lambda root: moved(tiny.recordings(root)), revision="another")
    with monkeypatch.context() as patch:
        patch.setitem(DATASETS, tiny.NAME, changed)
        patch.setenv("JOINTWISE_DATA", str(tmp_path))
        with pytest.raises(DataError, match="not one of its 60 recordings is one that the model was trained on"):
            Recognizer.from_pretrained(finetuned).nearest(dataset.test[0])
    monkeypatch.delitem(DATASETS, tiny.NAME)
    with pytest.raises(DataError, match=r"trained on 'tiny', .* do not travel with it.*data='DATA'"):
        Recognizer.from_pretrained(finetuned).nearest(dataset.test[0])


def moved(recordings: tiny.Recordings) -> tiny.Recordings:
    """The same recordings with other coordinates."""

    def read(item: tuple[int, int, int]) -> tiny.Sequence:
        sequence = tiny.read(item)
        return replace(sequence, positions=1.1 * sequence.positions)

    return replace(recordings, read=read)


def test_a_copied_model_folder_searches_data_that_are_named(
    finetuned: Path, dataset: Dataset, features_folder: Path, tmp_path: Path
) -> None:
    for name in ("config.json", "model.safetensors"):
        shutil.copy(finetuned / "model" / name, tmp_path)
    recognizer = Recognizer.from_pretrained(tmp_path)
    with pytest.raises(CheckpointError, match=r"trained_on.npy: missing or damaged"):
        recognizer.nearest(dataset.test[0])
    assert len(recognizer.nearest(dataset.test[0], 100, data=tiny.NAME)) == len(dataset.train)


def test_a_run_on_a_folder_of_ones_own_finds_it_again(place: Path, dataset: Dataset) -> None:
    for clip in dataset.train:
        file = place / "gestures" / dataset.classes[clip.label or 0] / f"{clip.source}.npz"
        file.parent.mkdir(parents=True, exist_ok=True)
        np.savez(file, positions=clip.positions, valid=clip.validity, joints=clip.skeleton.joints, subject=clip.subject)
    own = load_dataset("gestures")
    folder = run_path(own, tiny.SYSTEM, "scratch", 0, "1.0")
    finetune(tiny.config(), own, 0, "1.0", folder)
    assert Recognizer.from_pretrained(folder).nearest(own.train[2], 1)[0].name == own.train.names[2]
