"""Training with few labels: which training sequences keep their label."""

from __future__ import annotations

import re
from typing import Annotated

import msgspec
import numpy as np

from jointwise.data.dataset import Part
from jointwise.data.randomness import seed_for
from jointwise.errors import ConfigError, DataError

_SHOTS = re.compile(r"0*([1-9]\d*)shot")
# a choice of labels in a file
Labels = Annotated[str, msgspec.Meta(pattern=r"^(none|[0-9]{1,9}shot|[0-9]{1,3}(\.[0-9]{1,20})?(e-?[0-9]{1,2})?)$")]


def canonical_labels(labels: str) -> str:
    """The one spelling of a choice of labels, for names of runs and results.

    Args:
        labels: A share, `all`, or shots such as `5shot`; anything else is returned as it is.

    >>> canonical_labels("all"), canonical_labels("0.10"), canonical_labels("05shot")
    ('1.0', '0.1', '5shot')
    """
    if labels == "all":
        return "1.0"
    if shots := _SHOTS.fullmatch(labels):
        return f"{shots[1]}shot"
    try:
        return str(float(labels))
    except ValueError:
        return labels


def check_labels(labels: str) -> None:
    """Check a choice of labels.

    Args:
        labels: As `canonical_labels` returns it.

    Raises:
        ConfigError: It is neither a share above 0 and up to 1, nor shots.
    """
    try:
        share = 1.0 if _SHOTS.fullmatch(labels) else float(labels)
    except ValueError:
        share = 0.0
    if not 0 < share <= 1:
        raise ConfigError(f"--labels {labels}: expected a share between 0 and 1 such as 0.1, or shots such as 5shot.")


def choose_labelled(train: Part, labels: str, seed: int, classes: tuple[str, ...]) -> Part:
    """Draws the training sequences that keep their label, stratified by class.

    Args:
        train: The training sequences; unlabelled ones are never chosen.
        labels: A share of each class such as `0.1` (at least one sequence of each class), or a number of sequences of
            each class such as `5shot`.
        seed: Decides which sequences; nothing else does.
        classes: Class names, for messages.

    Returns:
        The labelled sequences; for a share of 1 all that have a label.

    Raises:
        ConfigError: `labels` is neither a share nor shots.
        DataError: A class has fewer sequences than shots.
    """
    check_labels(labels)
    shots = _SHOTS.fullmatch(labels)
    share = None if shots else float(labels)
    train = train.labelled
    if share == 1:
        return train
    generator = np.random.default_rng(seed_for(seed, "labels"))
    chosen = []
    for label in np.unique(train.labels):
        members = generator.permutation(train.ids[train.labels == label])
        count = int(shots[1]) if shots else max(1, round((share or 0) * len(members)))
        if count > len(members):
            raise DataError(
                f"--labels {labels}: class '{classes[label]}' has {len(members)} training sequence(s), {count} asked "
                "for. Ask for fewer shots, or add recordings of this class."
            )
        chosen.append(members[:count])
    return Part(train.store, np.sort(np.concatenate(chosen)))
