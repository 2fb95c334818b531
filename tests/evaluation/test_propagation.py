"""Label propagation: a graph solved by hand, and a dense reference."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch

from helpers import tiny
from helpers.dense_propagation import dense_decorrelation, dense_graph, dense_solution
from jointwise.data.clips import ClipCutter
from jointwise.data.dataset import Dataset
from jointwise.data.label_subset import choose_labelled
from jointwise.errors import ConfigError
from jointwise.evaluation import propagation
from jointwise.evaluation.features import extract, raw_features
from jointwise.evaluation.propagation import (
    COMPONENTS,
    NEIGHBOURS,
    decorrelate,
    neighbour_graph,
    propagate,
    score,
    spread_labels,
)
from jointwise.evaluation.results import read_results
from jointwise.stages.evaluate import evaluate


def on_circle(*degrees: float) -> torch.Tensor:
    angles = torch.tensor(degrees, dtype=torch.float64).deg2rad()
    return torch.stack([angles.cos(), angles.sin()], 1)


def test_two_clips_by_hand() -> None:
    """One edge, so S swaps the two: F = (1 − α)(I − αS)⁻¹ Y has 1/(1 + α) and α/(1 + α) for a label on the first."""
    graph = neighbour_graph(on_circle(0, 30), 1)
    torch.testing.assert_close(graph.to_dense(), torch.tensor([[0.0, 1], [1, 0]], dtype=torch.float64))
    found = propagate(graph, torch.tensor([[1.0], [0.0]]), alpha=0.5)
    torch.testing.assert_close(found, torch.tensor([[2 / 3], [1 / 3]], dtype=torch.float64))


def test_a_chain_by_hand() -> None:
    """Neighbours at 0°, 30° and 70°: the middle one has two edges, of weight cos³; the ends choose it."""
    near, far = math.cos(math.radians(30)) ** 3, math.cos(math.radians(40)) ** 3
    graph = neighbour_graph(on_circle(0, 30, 70), 1).to_dense()
    assert graph[0, 2] == graph[0, 0] == 0
    assert graph[0, 1].item() == pytest.approx(near / math.sqrt(near * (near + far)))
    assert graph[1, 2].item() == pytest.approx(far / math.sqrt((near + far) * far))


def test_opposite_vectors_are_no_neighbours() -> None:
    assert not neighbour_graph(on_circle(0, 180), 1).to_dense().any()


@pytest.mark.parametrize("neighbours", [3, NEIGHBOURS])
def test_graph_solution_and_scores_are_those_of_a_dense_reference(
    neighbours: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(propagation.neighbour_graph, "__defaults__", (neighbours,))
    random = np.random.default_rng(0)
    labels = random.integers(4, size=50)
    features = np.eye(4, 6)[labels] + 0.4 * random.normal(size=(50, 6))
    expected = dense_graph(features, neighbours)
    graph = neighbour_graph(torch.from_numpy(features), neighbours)
    np.testing.assert_allclose(graph.to_dense().numpy(), expected, atol=1e-12)
    seeds = np.zeros((50, 5))  # nothing has the last class
    seeds[np.arange(8), labels[:8]] = 1
    solution = dense_solution(expected, seeds)
    np.testing.assert_allclose(propagate(graph, torch.from_numpy(seeds)).numpy(), solution, atol=1e-7)
    spread = spread_labels(torch.from_numpy(features), torch.arange(8), torch.from_numpy(labels[:8]), 5)
    np.testing.assert_allclose(spread.numpy(), solution / solution.sum(1, keepdims=True), atol=1e-6)


def test_scores_are_those_of_the_nearest_clip_among_decorrelated_ones() -> None:
    random = np.random.default_rng(0)
    labels = random.integers(4, size=50)
    features = 5 + np.eye(4, 6)[labels] + 0.4 * random.normal(size=(50, 6))
    seeds = np.zeros((50, 4))
    seeds[np.arange(8), labels[:8]] = 1
    train = dense_decorrelation(np.concatenate([features]))
    solution = dense_solution(dense_graph(train), seeds)
    test = torch.from_numpy(features[20:30])  # each is its own nearest clip
    found = score(torch.from_numpy(features), torch.arange(8), torch.from_numpy(labels[:8]), test, 4).numpy()
    np.testing.assert_allclose(found, (solution / solution.sum(1, keepdims=True))[20:30], atol=1e-5)
    np.testing.assert_allclose(found.sum(1), 1, atol=1e-6)


@pytest.mark.parametrize("shape", [(40, 7), (30, 300), (300, 160)])
def test_decorrelation_has_the_distances_of_a_dense_reference(shape: tuple[int, int]) -> None:
    """Signs and order of components are free, and tell nothing: products of clips are compared."""
    random = np.random.default_rng(1)
    features = random.normal(size=shape) @ np.diag(0.9 ** np.arange(shape[1])) + 3
    expected = dense_decorrelation(features)
    found, again = decorrelate(torch.from_numpy(features), torch.from_numpy(features[:5]))
    assert found.shape[1] == min(COMPONENTS, *shape)
    np.testing.assert_allclose((found @ found.T).numpy(), expected @ expected.T, atol=1e-6)
    np.testing.assert_allclose(again.numpy(), found[:5].numpy(), atol=1e-12)
    assert torch.equal(decorrelate(torch.from_numpy(features))[0], found)  # nothing is random


def test_clips_that_are_all_alike_have_no_components() -> None:
    assert not decorrelate(torch.ones(4, 3))[0].any()


def test_with_all_labels_few_neighbours_and_no_spread_it_is_the_nearest_neighbour() -> None:
    features = on_circle(0, 5, 90, 95)
    found = score(features, torch.arange(4), torch.tensor([0, 0, 1, 1]), on_circle(3, 93, 40), 2)
    assert found.argmax(1).tolist() == [0, 1, 0]


def test_labels_reach_clips_that_are_nearer_to_another_label_but_joined_to_theirs() -> None:
    """Two arcs: the end of one is nearer to the label of the other, but a chain of neighbours leads to its own."""
    first = [*range(0, 80, 4)]
    second = [*range(100, 121, 4)]
    features = on_circle(*first, *second)
    spread = propagate(neighbour_graph(features, 2), torch.eye(len(features))[:, [0, len(first)]])
    assert spread[len(first) - 1].argmax() == 0  # 76° from its label, 24° from the other


def test_a_clip_that_no_label_reaches_is_nobodys_neighbour() -> None:
    features = on_circle(0, 1, 180, 181)
    spread = propagate(neighbour_graph(features, 1), torch.tensor([[1.0], [0], [0], [0]]))
    assert (spread[:, 0] > 0).tolist() == [True, True, False, False]
    found = score(features, torch.tensor([0]), torch.tensor([1]), on_circle(175), 3)
    assert found.argmax(1).tolist() == [1]
    assert not spread_labels(features, torch.tensor([0]), torch.tensor([1]), 3)[2:].any()


def test_raw_coordinates_have_a_result_of_protocol_semi(
    dataset: Dataset, pretrained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    evaluate(None, "semi", dataset, tiny.config(), 0, "2shot", results=tmp_path / "results")
    result = read_results(tmp_path / "results")[0]
    assert result["path"].stem == "raw-semi-2shot-seed0"
    assert result["split"]["labelled"] == 10
    cutter = ClipCutter.from_store(dataset.store, 32)
    features = raw_features(dataset.skeleton.root_index)
    train, test = (extract(features, cutter, torch.from_numpy(part.ids)) for part in (dataset.train, dataset.test))
    labelled = choose_labelled(dataset.train, "2shot", 0, dataset.classes)
    places = torch.tensor([dataset.train.ids.tolist().index(number) for number in labelled.ids])
    expected = score(train, places, torch.from_numpy(labelled.labels), test, 5)
    with np.load(result["path"].with_suffix(".npz")) as clips:
        np.testing.assert_allclose(clips["scores"], expected.numpy())
    with pytest.raises(ConfigError, match="protocol 'semi' trains a run further: jointwise finetune RUN --unlabelled"):
        evaluate(pretrained, "semi", dataset, tiny.config(), 0)
    with pytest.raises(ConfigError, match="unknown protocol 'finetune'"):
        evaluate(None, "finetune", dataset, tiny.config(), 0)
