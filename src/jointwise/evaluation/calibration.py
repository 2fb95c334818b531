"""How far stated probabilities can be believed: temperature, calibration error, and telling known from unknown clips.

Logits are (n, K) of n clips and K classes. Logarithms of probabilities serve as well: a constant added to all logits of
a clip changes nothing here.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax, softmax

from jointwise.errors import DataError
from jointwise.training.model_card import Calibration

Floats = npt.NDArray[np.floating]
Ints = npt.NDArray[np.integer]

BINS = 10  # of equal width, over stated probabilities from 0 to 1
KEPT = 0.95  # of clips of the known classes: the share that a threshold does not reject
LEAST_CLIPS = 20  # held out: with fewer, a twentieth of them is less than a clip
_TEMPERATURES = (0.02, 50.0)  # the range that is searched


def probabilities(logits: Floats, temperature: float = 1.0) -> npt.NDArray[np.float64]:
    """Class probabilities (n, K): softmax(logits / temperature).

    Args:
        logits: (n, K).
        temperature: Above 0. Above 1 all probabilities are nearer to each other; the order of classes stays.
    """
    found: npt.NDArray[np.float64] = softmax(logits.astype(np.float64) / temperature, axis=1)
    return found


def fit_temperature(logits: Floats, labels: Ints) -> float:
    """The temperature under which the labels of held-out clips are most likely.

    The mean negative log likelihood is minimised, with one clip in n + 2 taken as wrongly labelled (Platt, 1999).
    Otherwise a few clips, all of them recognised, would have the model be sure of everything.

    Args:
        logits: (n, K) of clips that the model was not trained on.
        labels: (n,) their classes.

    Returns:
        The temperature, between 0.02 and 50.
    """
    count, classes = logits.shape
    wrong = 1 / (count + 2)
    targets = np.full((count, classes), wrong / max(1, classes - 1))
    targets[np.arange(count), labels] = 1 - wrong
    scores = logits.astype(np.float64)

    def loss(log_temperature: float) -> float:
        return -float((targets * log_softmax(scores / np.exp(log_temperature), axis=1)).sum(1).mean())

    found = minimize_scalar(loss, bounds=np.log(_TEMPERATURES), method="bounded", options={"xatol": 1e-5})
    return float(np.exp(found.x))


@dataclass(frozen=True)
class Reliability:
    """Stated probabilities beside how often the answers were right, in bins of stated probability that hold clips.

    Args:
        stated: (b,) mean probability of the most probable class.
        right: (b,) share of clips whose most probable class is the true one.
        clips: (b,) clips in the bin.
    """

    stated: npt.NDArray[np.float64]
    right: npt.NDArray[np.float64]
    clips: npt.NDArray[np.int64]

    @property
    def share(self) -> npt.NDArray[np.float64]:
        """(b,) share of all clips that are in the bin."""
        return self.clips / self.clips.sum()

    @property
    def error(self) -> float:
        """The expected calibration error: the mean gap between both, each bin weighted by its clips."""
        return float((self.share * np.abs(self.stated - self.right)).sum())


def reliability(stated: Floats, labels: Ints, bins: int = BINS) -> Reliability:
    """How stated probabilities and accuracy go together.

    Args:
        stated: (n, K) class probabilities.
        labels: (n,) true classes.
        bins: Bins of equal width.
    """
    most = stated.max(1).astype(np.float64)
    hits = (stated.argmax(1) == labels).astype(np.float64)
    place = np.minimum((most * bins).astype(int), bins - 1)
    count = np.bincount(place, minlength=bins)
    held = count > 0
    means = [np.bincount(place, values, bins)[held] / count[held] for values in (most, hits)]
    return Reliability(means[0], means[1], count[held])


def threshold_keeping(scores: Floats, share: float = KEPT) -> float:
    """The largest threshold that keeps a share of clips: those that score at least as much.

    Args:
        scores: (n,) of held-out clips of known classes, higher is more known.
        share: Smallest share to keep.
    """
    return float(np.sort(scores)[int(len(scores) * (1 - share) + 1e-9)])


def check_enough(clips: int, held_out: str) -> None:
    """Checks that there are enough clips to calibrate on.

    Args:
        clips: How many have a label.
        held_out: Whose clips these are, in words.

    Raises:
        DataError: There are fewer than LEAST_CLIPS.
    """
    if clips < LEAST_CLIPS:
        raise DataError(
            f"{held_out}: {clips} clips with a label, too few to calibrate on (at least {LEAST_CLIPS}). Hold more "
            "subjects out (--validation_subjects), or record more."
        )


def calibrate(logits: Floats, labels: Ints, held_out: str) -> Calibration:
    """Temperature and threshold from held-out clips, and what these tell.

    Args:
        logits: (n, K) of clips that the model was not trained on.
        labels: (n,) their classes.
        held_out: Whose clips these are, in words.

    Raises:
        DataError: There are too few clips.
    """
    check_enough(len(labels), held_out)
    temperature = fit_temperature(logits, labels)
    before, after = (reliability(probabilities(logits, value), labels) for value in (1.0, temperature))
    stated = probabilities(logits, temperature).max(1)
    threshold = threshold_keeping(stated)
    return Calibration(
        temperature=temperature,
        threshold=threshold,
        held_out=held_out,
        clips=len(labels),
        accuracy=float((logits.argmax(1) == labels).mean()),
        error_before=before.error,
        error_after=after.error,
        rejected=float((stated < threshold).mean()),
    )


def auroc(known: Floats, unknown: Floats) -> float:
    """The chance that a clip of a known class scores higher than one of an unknown class; a tie counts half.

    Args:
        known: (n,) scores of clips of known classes.
        unknown: (m,) scores of clips of classes that were left out of the training.
    """
    from sklearn.metrics import roc_auc_score

    kinds = np.repeat([1, 0], [len(known), len(unknown)])
    return float(roc_auc_score(kinds, np.concatenate([known, unknown])))


def false_alarms(known: Floats, unknown: Floats, kept: float = KEPT) -> float:
    """The share of clips of unknown classes that pass for known, where a share of the known ones is kept.

    Args:
        known: (n,) scores of clips of known classes, which set the threshold.
        unknown: (m,) scores of clips of unknown classes.
        kept: Share of the known clips that pass.
    """
    return float((unknown >= threshold_keeping(known, kept)).mean())
