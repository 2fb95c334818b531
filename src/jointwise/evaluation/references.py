"""What a score stands beside: chance, the majority class, and the nearest neighbour on raw coordinates."""

from __future__ import annotations

import hashlib
import json
from contextlib import suppress
from dataclasses import asdict, dataclass

import numpy as np
import torch

from jointwise.config.schema import Config
from jointwise.data.clips import ClipCutter
from jointwise.data.dataset import Dataset, Part
from jointwise.errors import StorageError
from jointwise.evaluation.features import RAW_FRAMES, raw_features
from jointwise.evaluation.judge import probe_scores
from jointwise.evaluation.metrics import top_k_hits
from jointwise.evaluation.protocols import KNN
from jointwise.training import distributed
from jointwise.training.checkpoint import read_json, write_json

TITLES = {"chance": "chance", "majority": "majority class", "raw_knn": "raw nearest neighbour"}


@dataclass(frozen=True)
class References:
    """Top-1 accuracies that need no training, on the clips and with the labels of a score.

    Args:
        chance: Of drawing one of the classes.
        majority: Of always naming the most frequent class of the labelled training clips.
        raw_knn: Of the nearest labelled training clip by raw coordinates.
    """

    chance: float
    majority: float
    raw_knn: float

    def to_json(self) -> dict[str, float]:
        """As the key `references` of a result."""
        return asdict(self)


def references(dataset: Dataset, labelled: Part, config: Config, device: torch.device) -> References:
    """What a score of the test part stands beside. The nearest neighbours are computed once and kept in the store.

    Args:
        dataset: Its test part is scored.
        labelled: The training sequences whose labels are learned from.
        config: The precision.
        device: Where it computes.

    Returns:
        The accuracies.
    """
    counts = np.bincount(labelled.labels, minlength=len(dataset.classes))
    majority = float((dataset.test.labels == counts.argmax()).mean())
    return References(1 / len(dataset.classes), majority, _raw_knn(dataset, labelled, config, device))


def _raw_knn(dataset: Dataset, labelled: Part, config: Config, device: torch.device) -> float:
    store = dataset.store
    facts = [store.fingerprint, store.preparation, dataset.skeleton.joints, labelled.names_hash]
    key = hashlib.sha256(json.dumps([*facts, dataset.test.names_hash]).encode()).hexdigest()[:16]
    place = store.path / "references" / f"{key}.json"
    known = read_json(place, dict[str, float]) if distributed.is_main_process() and place.is_file() else None
    if "raw_knn" in (known := distributed.all_gather(known)[0] or {}):  # as the first process sees it
        return known["raw_knn"]
    cutter = ClipCutter.from_store(store, RAW_FRAMES, device)
    features = raw_features(dataset.skeleton.root_index)
    scores = probe_scores(KNN, features, cutter, dataset, labelled, config, seed=0)
    top1 = float(top_k_hits(scores, dataset.test.labels, 1).mean())
    if distributed.is_main_process():
        with suppress(StorageError):  # a store that cannot be written to: it is computed again next time
            write_json(place, {"raw_knn": top1})
    return top1


def in_words(found: dict[str, float]) -> str:
    """The references of a result as one line.

    Args:
        found: The key `references` of the result.

    >>> in_words({"chance": 0.25, "majority": 0.3, "raw_knn": 0.615})
    'chance 25.0 %, majority class 30.0 %, raw nearest neighbour 61.5 %'
    """
    return ", ".join(f"{title} {100 * found[key]:.1f} %" for key, title in TITLES.items() if key in found)


def warning_of(top1: float, found: dict[str, float]) -> str:
    """A sentence where a model is no better than something that needs no training; else empty.

    Args:
        top1: Its accuracy.
        found: The key `references` of its result.
    """
    better = [title for key, title in TITLES.items() if found.get(key, -1.0) > top1]
    return f"Below {' and '.join(better)}: what was learned does not help here (yet)." if better else ""
