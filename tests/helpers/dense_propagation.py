"""Label propagation with dense matrices, as its definition says."""

import numpy as np

from jointwise.evaluation.propagation import ALPHA, COMPONENTS, NEIGHBOURS, SHRINKAGE


def dense_decorrelation(features: np.ndarray) -> np.ndarray:
    """(n, F) -> (n, K): components of the centred features, each by its size plus a share of the largest."""
    centred = features - features.mean(0)
    left, sizes, _ = np.linalg.svd(centred, full_matrices=False)
    left, sizes = left[:, :COMPONENTS], sizes[:COMPONENTS]
    return left * sizes / (sizes + SHRINKAGE * sizes[0])


def dense_graph(features: np.ndarray, neighbours: int = NEIGHBOURS) -> np.ndarray:
    """(n, F) -> S (n, n)."""
    unit = features / np.linalg.norm(features, axis=1, keepdims=True)
    cosine = unit @ unit.T
    weights = np.zeros_like(cosine)
    for i, row in enumerate(cosine):
        others = [j for j in np.argsort(-row) if j != i][:neighbours]
        weights[i, others] = np.maximum(row[others], 0) ** 3
    weights = np.maximum(weights, weights.T)
    degree = weights.sum(1)
    return weights / np.sqrt(degree[:, None] * degree)


def dense_solution(graph: np.ndarray, seeds: np.ndarray) -> np.ndarray:
    """(1 − α)(I − α S)⁻¹ Y."""
    return (1 - ALPHA) * np.linalg.solve(np.eye(len(graph)) - ALPHA * graph, seeds)
