"""Ways to judge a frozen encoder, all through one feature contract; fine-tuning has a file of its own."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from jointwise.config.schema import Config
from jointwise.evaluation import knn, linear

# (train features (n, F), labels (n,), test features (N, F), number of classes K, config, seed) -> scores (N, K)
Probe = Callable[[Tensor, Tensor, Tensor, int, Config, int], Tensor]

PROTOCOLS: dict[str, Probe] = {
    "linear": lambda train, labels, test, classes, config, seed: linear.score(
        train, labels, test, classes, config.probe.linear, seed
    ),
    "knn": lambda train, labels, test, classes, config, seed: knn.score(train, labels, test, classes),
}


RAW = "raw"  # the name that stands for no encoder at all


COMPLETE, SCORE = "complete", "score"  # judged by predicted coordinates; by a trained head
