"""Nearest neighbour: L2-normalised features, cosine similarity, k = 1, the training part as gallery."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def nearest_scores(gallery: Tensor, labels: Tensor, queries: Tensor, classes: int) -> Tensor:
    """Similarity of each query to the nearest gallery vector of each class.

    gallery (n, F), labels (n,), queries (N, F) -> (N, K); −1 for a class the gallery lacks. The best scored class is
    that of the nearest neighbour, and the five best are the five nearest classes.
    """
    similarity = functional.normalize(queries, dim=1) @ functional.normalize(gallery, dim=1).T
    scores = similarity.new_full((len(queries), classes), -1.0)
    return scores.scatter_reduce(1, labels.expand(len(queries), -1), similarity, "amax")


def score(train: Tensor, labels: Tensor, test: Tensor, classes: int) -> Tensor:
    """Scores (N, K) of the test features by the nearest training feature."""
    return nearest_scores(train, torch.as_tensor(labels), test, classes)
