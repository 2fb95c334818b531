"""Nearest neighbour: L2-normalised features, cosine similarity, k = 1, the training part as gallery."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

_AT_ONCE = 1024  # queries: all of NTU RGB+D 120 against its gallery would be 13 GB of similarities


def nearest_scores(gallery: Tensor, labels: Tensor, queries: Tensor, classes: int) -> Tensor:
    """Similarity of each query to the nearest gallery vector of each class.

    The best scored class is that of the nearest neighbour, and the five best are the five nearest classes.

    Args:
        gallery: (n, F) vectors.
        labels: (n,) their classes.
        queries: (N, F) vectors.
        classes: K, the number of classes.

    Returns:
        (N, K) cosine similarities; −1 for a class that the gallery lacks.
    """
    gallery = functional.normalize(gallery, dim=1)
    scores = gallery.new_full((len(queries), classes), -1.0)
    for some, part in zip(scores.split(_AT_ONCE), queries.split(_AT_ONCE), strict=True):
        similarity = functional.normalize(part, dim=1) @ gallery.T
        some.scatter_reduce_(1, labels.expand(len(part), -1), similarity, "amax")
    return scores


def score(train: Tensor, labels: Tensor, test: Tensor, classes: int) -> Tensor:
    """Scores test features by the nearest training feature of each class.

    Args:
        train: (n, F) training features.
        labels: (n,) their classes.
        test: (N, F) test features.
        classes: K, the number of classes.

    Returns:
        (N, K) scores.
    """
    return nearest_scores(train, torch.as_tensor(labels), test, classes)
