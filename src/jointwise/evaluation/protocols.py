"""Every protocol once: its name, its title, its place in tables, what it judges and how it scores.

Code that lists, ranks or names protocols reads PROTOCOLS. The module imports torch only when something is scored, so
that the command line can list protocols quickly.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING

from jointwise.errors import ConfigError, unknown

if TYPE_CHECKING:
    from torch import Tensor

    from jointwise.config.schema import Config

    # (train features (n, F), labels (n,), test features (N, F), number of classes K, config, seed) -> scores (N, K)
    ScoreFunction = Callable[[Tensor, Tensor, Tensor, int, Config, int], Tensor]
    # (features of all training clips (n, F), places of the labelled ones (m,), labels (m,), test features (N, F), K)
    # -> scores (N, K)
    RawScoreFunction = Callable[[Tensor, Tensor, Tensor, Tensor, int], Tensor]

RAW = "raw"  # the name in place of a system for coordinates without an encoder

FINETUNE = "finetune"
SEMI = "semi"
LINEAR = "linear"
KNN = "knn"
SCORE = "score"
COMPLETE = "complete"

# key of a score in a result -> what it is: the head of its column
RECOGNITION = {"top1": "top-1 %", "top5": "top-5 %"}
COMPLETION = {
    f"{task}{ending}": what + how
    for task, what in {"future": "future frames", "joints": "missing joints"}.items()
    for ending, how in {
        "": "",  # by the head that is trained for the protocol
        "_decoder": ", own decoder",
        "_zero_velocity": ", zero velocity",
        "_linear": ", straight line",
    }.items()
}


class Judges(Enum):
    """What a protocol judges."""

    FEATURES = "the features of a frozen encoder, by a score function"
    CLASSIFIER = "a trained classifier as it is"
    COMPLETIONS = "coordinates predicted from the features of a frozen encoder, without labels"
    TRAINING = "an encoder and a head that are trained first: `jointwise finetune`"


@dataclass(frozen=True)
class Protocol:
    """One way to judge an encoder.

    Args:
        title: What pages call it, such as "nearest neighbours".
        judges: What it judges.
        score: Of a protocol on frozen features: learns from training features and labels, scores test features.
        raw_score: Of a protocol that trains: what raw coordinates are scored by in its place. None: they have no row.
        draws: Whether anything in it is drawn from the seed. If not, all seeds give the same scores.
        probabilities: Whether its scores are probabilities of the classes.
        measures: Key of a score in its results -> head of the score's column.
    """

    title: str
    judges: Judges = Judges.FEATURES
    score: ScoreFunction | None = None
    raw_score: RawScoreFunction | None = None
    draws: bool = True
    probabilities: bool = False
    measures: Mapping[str, str] = field(default_factory=lambda: RECOGNITION)

    @property
    def learns_labels(self) -> bool:
        """Whether it learns from the labels it is given."""
        return self.judges in (Judges.FEATURES, Judges.TRAINING)

    @property
    def draws_for_raw(self) -> bool:
        """Whether a score of raw coordinates with all labels depends on the seed."""
        return self.draws and self.raw_score is None


def _score_linear(train: Tensor, labels: Tensor, test: Tensor, classes: int, config: Config, seed: int) -> Tensor:
    from jointwise.evaluation import linear

    return linear.score(train, labels, test, classes, config.probe.linear, seed)


def _score_knn(train: Tensor, labels: Tensor, test: Tensor, classes: int, config: Config, seed: int) -> Tensor:
    from jointwise.evaluation import knn

    return knn.score(train, labels, test, classes)


def _score_propagated(train: Tensor, labelled: Tensor, labels: Tensor, test: Tensor, classes: int) -> Tensor:
    from jointwise.evaluation import propagation

    return propagation.score(train, labelled, labels, test, classes)


# in the order of tables
PROTOCOLS: dict[str, Protocol] = {
    FINETUNE: Protocol("fine-tuning", Judges.TRAINING, probabilities=True),
    SEMI: Protocol("semi-supervised", Judges.TRAINING, raw_score=_score_propagated, probabilities=True),
    LINEAR: Protocol("linear probe", score=_score_linear),
    KNN: Protocol("nearest neighbours", score=_score_knn, draws=False),
    SCORE: Protocol("as trained", Judges.CLASSIFIER, probabilities=True),
    COMPLETE: Protocol("future frames and missing joints", Judges.COMPLETIONS, measures=COMPLETION),
}


def frozen_protocols() -> dict[str, ScoreFunction]:
    """The score functions of the protocols on frozen features, by name."""
    return {name: protocol.score for name, protocol in PROTOCOLS.items() if protocol.score is not None}


def training_protocols() -> tuple[str, ...]:
    """The protocols that train an encoder and a head: results of `jointwise finetune`."""
    return tuple(name for name, protocol in PROTOCOLS.items() if protocol.judges is Judges.TRAINING)


def evaluated_protocols(raw: bool = True) -> tuple[str, ...]:
    """The protocols that `jointwise evaluate --protocol` takes.

    Args:
        raw: Whether to name those too that judge raw coordinates but no finished run.
    """
    return tuple(
        name
        for name, protocol in PROTOCOLS.items()
        if protocol.judges is not Judges.TRAINING or (raw and protocol.raw_score is not None)
    )


def check_evaluated(name: str, raw: bool = True) -> None:
    """Check the name of a protocol that `jointwise evaluate` is to apply.

    Args:
        name: What a user wrote.
        raw: Whether raw coordinates are judged, and not a run.

    Raises:
        ConfigError: No protocol of that name judges a finished run, or raw coordinates; names the nearest one.
    """
    if name == SEMI and not raw:
        raise ConfigError(
            f"protocol '{SEMI}' trains a run further: jointwise finetune RUN --unlabelled pseudo. Only raw coordinates "
            "are judged by `evaluate` here."
        )
    if name not in evaluated_protocols(raw):
        raise ConfigError(unknown("protocol", name, evaluated_protocols(raw)))


def compared_protocols() -> tuple[str, ...]:
    """The protocols that learn from labels: what `jointwise table --protocols` takes."""
    return tuple(name for name, protocol in PROTOCOLS.items() if protocol.learns_labels)


def protocol_title(name: str) -> str:
    """What pages call a protocol; the name itself where it is not known."""
    return PROTOCOLS[name].title if name in PROTOCOLS else name
