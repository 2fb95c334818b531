"""What the JSON of a result must hold to be read again."""

from __future__ import annotations

from typing import Annotated, Any, NotRequired, TypedDict

import msgspec

from jointwise.data.label_subset import Labels

_Count = Annotated[int, msgspec.Meta(ge=0)]


class SavedSplit(TypedDict):
    """How a result says what was scored."""

    name: str
    key: NotRequired[str]  # results before there were several splits have none
    is_test: bool
    train: _Count
    test: _Count
    labelled: _Count
    train_sha256: str
    test_sha256: str
    labelled_sha256: str


class SavedStage(TypedDict):
    """What is needed of the settings of a stage."""

    batch: _Count


class SavedConfig(TypedDict):
    """What is needed of settings."""

    quick: NotRequired[bool]
    pretrain: SavedStage
    finetune: SavedStage
    scratch: SavedStage


class SavedResult(TypedDict):
    """What tables need of the JSON of a result, as `Evaluation.summary` makes it; there is more in it."""

    data: str
    data_fingerprint: str
    system: str
    protocol: str
    labels: Labels
    seed: int
    fold: int | None
    folds: NotRequired[int | None]
    initialisation: str
    pretrained_on: NotRequired[str | None]
    unlabelled: NotRequired[str | None]
    encoder: str
    pooling: str | None
    scores: dict[str, float]
    interval: dict[str, Any]
    unit: NotRequired[str]
    n: int
    split: SavedSplit
    joints: NotRequired[str | None]
    left_out: NotRequired[str | None]
    classes: list[str]
    terms: str
    config: SavedConfig
    precision: str
    commit: str | None
    versions: dict[str, str]
    command: str
    created: str
