"""Few labels: which training sequences keep theirs."""

from __future__ import annotations

import re

import numpy as np

from jointwise.data.dataset import Part
from jointwise.data.randomness import seed_for
from jointwise.errors import ConfigError, DataError

_SHOTS = re.compile(r"0*([1-9]\d*)shot")


def canonical_labels(labels: str) -> str:
    """`0.1` and `5shot` as they are; `1`, `1.0` and `all` are all `1.0`."""
    if labels == "all":
        return "1.0"
    if shots := _SHOTS.fullmatch(labels):
        return f"{shots[1]}shot"
    try:
        return str(float(labels))
    except ValueError:
        return labels


def choose_labelled(train: Part, labels: str, seed: int, classes: tuple[str, ...]) -> Part:
    """The labelled part of the training sequences, stratified by class; drawn from the seed only.

    labels: a share such as `0.1` (at least one sequence of each class) or shots such as `5shot`. Raises ConfigError for
    anything else, DataError when a class has fewer sequences than shots.
    """
    shots = _SHOTS.fullmatch(labels)
    share = None
    if not shots:
        try:
            share = float(labels)
        except ValueError:
            share = 0.0
        if not 0 < share <= 1:
            raise ConfigError(
                f"--labels {labels}: expected a share between 0 and 1 such as 0.1, or shots such as 5shot."
            )
    if share == 1:
        return train
    generator = np.random.default_rng(seed_for(seed, "labels"))
    chosen = []
    for label in np.unique(train.labels):
        members = generator.permutation(train.ids[train.labels == label])
        wanted = int(shots[1]) if shots else max(1, round((share or 0) * len(members)))
        if wanted > len(members):
            raise DataError(
                f"--labels {labels}: class '{classes[label]}' has {len(members)} training sequence(s), {wanted} asked "
                "for. Ask for fewer shots, or add recordings of this class."
            )
        chosen.append(members[:wanted])
    return Part(train.store, np.sort(np.concatenate(chosen)))
