"""Evaluations with made-up scores."""

from dataclasses import replace

import numpy as np

from helpers import tiny
from jointwise.data.dataset import Dataset
from jointwise.evaluation.results import Evaluation
from jointwise.training.costs import COST_KEYS, Costs


def make(dataset: Dataset, seed: int = 0, spread: float = 1.0, **changes: object) -> Evaluation:
    """Scores that are right about half of the time; with a small `spread`, all near 0.9.

    changes: fields of the evaluation or of its costs.
    """
    random = np.random.default_rng(seed)
    scores = random.normal(size=(len(dataset.test), 5)) + np.eye(5)[dataset.test.labels]
    evaluation = Evaluation(
        system="some_system",
        protocol="knn",
        labels="1.0",
        seed=seed,
        initialisation="pretrained",
        config=tiny.config(),
        dataset=dataset,
        labelled=dataset.train,
        scores=(0.9 + spread * scores).astype(np.float32),
        costs=Costs(
            steps={"pretrain": 12},
            parameters={"encoder": 1_250_000},
            seconds_per_epoch={"pretrain": 1.5},
        ),
    )
    costs = replace(evaluation.costs, **{name: changes.pop(name) for name in COST_KEYS if name in changes})  # type: ignore[arg-type]
    return replace(evaluation, costs=costs, **changes)  # type: ignore[arg-type]
