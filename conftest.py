"""Fixtures of tests/ and of the examples in the docstrings of src/.

A small skeleton, a ragged store, a tiny data set, trained runs.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import settings

from helpers import tiny
from helpers.stick import STICK, stick_sequence
from helpers.stores import write_store
from jointwise.data.dataset import Dataset, load_dataset, prepare
from jointwise.data.datasets import DATASETS
from jointwise.data.datasets import source as source_types
from jointwise.data.sequence import Sequence
from jointwise.data.skeletons import Skeleton
from jointwise.data.store.reader import Description, Store
from jointwise.stages.finetune import finetune
from jointwise.stages.pretrain import pretrain

settings.register_profile("jointwise", derandomize=True, deadline=None, max_examples=25)
settings.load_profile("jointwise")
torch.set_num_threads(1)  # on tensors this small, a second thread on a busy machine made the tests 70 times slower


@pytest.fixture(scope="session")
def stick() -> Skeleton:
    """The layout of a stick figure."""
    return STICK


@pytest.fixture(scope="session")
def ragged_sequences() -> list[Sequence]:
    """One and two persons, 1 to 40 frames, as read: not yet prepared."""
    shapes = [(1, 9), (2, 14), (1, 1), (2, 23), (1, 2), (2, 1), (1, 40)]
    return [stick_sequence(m, t, seed, label=seed % 3, subject=seed) for seed, (m, t) in enumerate(shapes)]


@pytest.fixture(scope="session")
def ragged_store(tmp_path_factory: pytest.TempPathFactory, ragged_sequences: list[Sequence]) -> Store:
    """A store of `ragged_sequences`; every second one trains."""
    path: Path = tmp_path_factory.mktemp("stores") / "ragged"
    description = Description("ragged", STICK, ("a", "b", "c"))
    pairs = ((sequence, i % 2 == 0) for i, sequence in enumerate(ragged_sequences))
    return Store(write_store(path, description, pairs))


# --- the tiny data set of tests/helpers/tiny.py, and runs trained on it ---


@pytest.fixture(scope="session")
def tiny_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder under which the tiny data set is prepared, to be named by JOINTWISE_DATA."""
    folder = tmp_path_factory.mktemp("data")
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(DATASETS, tiny.NAME, tiny.SOURCE)
        patch.setenv("JOINTWISE_DATA", str(folder))
        prepare(tiny.NAME)
    return folder


@pytest.fixture(scope="session")
def dataset(tiny_data: Path) -> Dataset:
    """The tiny data set: 30 sequences of subjects 1 and 3 to train, 30 of 2 and 4 to test."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(DATASETS, tiny.NAME, tiny.SOURCE)
        patch.setenv("JOINTWISE_DATA", str(tiny_data))
        return load_dataset(tiny.NAME)


@pytest.fixture(scope="session")
def folds(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """The tiny data under the second fold of a cross-validation: subjects 3 and 4 are scored."""
    source = replace(tiny.SOURCE, splits=source_types.folds([[1, 2], [3, 4]], "subjects"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(DATASETS, tiny.NAME, source)
        patch.setenv("JOINTWISE_DATA", str(tmp_path_factory.mktemp("folds")))
        return load_dataset(tiny.NAME, split="fold2")


@pytest.fixture
def registered(tiny_data: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Makes `tiny` a known and prepared data set for one test."""
    monkeypatch.setitem(DATASETS, tiny.NAME, tiny.SOURCE)
    monkeypatch.setenv("JOINTWISE_DATA", str(tiny_data))
    return tiny_data


@pytest.fixture(scope="session")
def pretrained(dataset: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished pre-training on the tiny data. Read only."""
    folder = tmp_path_factory.mktemp("runs") / "pretrain"
    pretrain(tiny.config(), dataset, 0, folder)
    return folder


@pytest.fixture(scope="session")
def finetuned(dataset: Dataset, pretrained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished fine-tuning of `pretrained` on all labels. Read only."""
    folder = tmp_path_factory.mktemp("runs") / "finetune"
    finetune(tiny.config(), dataset, 0, "1.0", folder, pretrained)
    return folder


@pytest.fixture(autouse=True)
def example_files(request: pytest.FixtureRequest) -> None:
    """What an example of a docstring opens: `runs/demo/finetune`, a model, and `wave.npz`, a recording it can name."""
    if isinstance(request.node, pytest.DoctestItem) and "runs/demo" in (request.node.dtest.docstring or ""):
        folder = request.getfixturevalue("tmp_path")
        (folder / "runs" / "demo").mkdir(parents=True)
        (folder / "runs" / "demo" / "finetune").symlink_to(request.getfixturevalue("finetuned"))
        recording = tiny.sequences()[0]
        np.savez(folder / "wave.npz", positions=recording.positions, joints=recording.skeleton.joints)
        request.getfixturevalue("monkeypatch").chdir(folder)


@pytest.fixture(autouse=True)
def seeded() -> None:
    """Whatever a test draws without a generator of its own is the same on every run."""
    torch.manual_seed(0)


@pytest.fixture
def place(registered: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory in which `tiny` is a prepared data set."""
    monkeypatch.chdir(tmp_path)
    return tmp_path
