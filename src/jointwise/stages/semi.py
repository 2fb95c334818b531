"""Training with unlabelled clips too: label propagation labels them at first, then the classifier's moving average."""

from __future__ import annotations

from dataclasses import asdict

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from jointwise.config.schema import SemiConfig
from jointwise.data.clips import ClipCutter
from jointwise.data.dataset import Dataset, Part
from jointwise.data.randomness import seed_for
from jointwise.evaluation.features import RAW_FRAMES, extract, raw_features
from jointwise.evaluation.propagation import decorrelate, spread_labels
from jointwise.model.classifier import Classifier
from jointwise.model.pseudo_labels import PseudoLabels
from jointwise.stages.label_loss import LabelLoss
from jointwise.training import distributed
from jointwise.training.batches import Batch, BatchOrder, PairedOrder


def teacher_momentum(step: int, largest: float) -> float:
    """α of the teacher after a step: it follows fast at first, when the weights are far from good.

    Args:
        step: Number of the step, from 0.
        largest: What α never exceeds.

    >>> teacher_momentum(0, 0.99), teacher_momentum(2000, 0.99)
    (0.1, 0.99)
    """
    return min(largest, (step + 1) / (step + 10))


def teacher_share(step: int, settings: SemiConfig) -> float:
    """Share of the teacher in the pseudo-labels of a step: it rises from 0 to 1 in the share `ramp` of the steps.

    Args:
        step: Number of the step, from 0.
        settings: Steps and ramp.

    >>> [teacher_share(step, SemiConfig(steps=100, ramp=0.4)) for step in (0, 10, 40, 99)]
    [0.0, 0.25, 1.0, 1.0]
    """
    rising = settings.ramp * settings.steps
    return min(1.0, step / rising) if rising else 1.0


def graph_labels(dataset: Dataset, labelled: Part, device: torch.device) -> Tensor:
    """Class probabilities of all training clips by label propagation on raw coordinates: no encoder is needed.

    Args:
        dataset: Its training part is labelled.
        labelled: The training sequences whose labels are used.
        device: Where the clips are cut.

    Returns:
        (n, K) fp32, in the order of the training part. All classes are alike where no label reaches a clip.
    """
    cutter = ClipCutter.from_store(dataset.store, RAW_FRAMES, device)
    features = extract(raw_features(dataset.skeleton.root_index), cutter, torch.from_numpy(dataset.train.ids))
    places = torch.from_numpy(np.flatnonzero(np.isin(dataset.train.ids, labelled.ids)))
    labels = torch.from_numpy(labelled.labels)
    spread = spread_labels(decorrelate(features)[0], places, labels, len(dataset.classes))
    spread[spread.sum(1) == 0] = 1 / len(dataset.classes)
    return spread.float().to(device)


def semi_order(labelled: BatchOrder, pool: Tensor, batch: int) -> PairedOrder:
    """The order of a training with unlabelled clips.

    Args:
        labelled: Of the labelled clips.
        pool: (n,) the clips that are taken as unlabelled.
        batch: Unlabelled clips of each step.

    Returns:
        Both orders in one; the unlabelled clips are shuffled on their own.
    """
    seed = seed_for(labelled.seed, "unlabelled")
    return PairedOrder(labelled, BatchOrder(pool, batch, seed, labelled.shards))


class SemiTask:
    """Clips of each step, cross-entropy on labels and on pseudo-labels, the teacher's update.

    Probabilities of unlabelled clips come from label propagation at first and pass to the teacher in the ramp.

    The teacher is the classifier's `average`: a moving average of encoder and head in evaluation mode, kept from here
    on. `module` holds the classifier and the prior, so that a checkpoint has both.

    Args:
        classifier: The classifier to train.
        cutter: Cuts the clips, on the classifier's device.
        label_loss: The loss on the labelled clips.
        order: Labelled and unlabelled clips.
        first: (n, K) the probabilities at first, of the samples of `order.unlabelled` in ascending order.
        settings: Of the unlabelled clips.
        seed: Decides the crops and augmentations.
    """

    def __init__(
        self,
        classifier: Classifier,
        cutter: ClipCutter,
        label_loss: LabelLoss,
        order: PairedOrder,
        first: Tensor,
        settings: SemiConfig,
        seed: int,
    ) -> None:
        classifier.keep_average()
        self.classifier = classifier
        self.pseudo_labels = PseudoLabels(first.shape[1], settings.threshold, settings.prior_momentum).to(cutter.device)
        self.module: nn.Module = nn.ModuleDict({"classifier": classifier, "pseudo_labels": self.pseudo_labels})
        self.cutter = cutter
        self.label_loss = label_loss
        self.order = order
        self.first = first
        self.settings = settings
        self.seed = seed

    def loss(self, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        """The loss of a step, and its parts for the log: labelled and unlabelled clips pass the student together."""
        labelled, unlabelled = self.order.split(batch)
        targets, used = self._teach(unlabelled)
        clips = self.cutter.random(batch.ids, batch.draws(self.seed, "clips"), **asdict(self.settings.strong))
        logits = self.classifier(clips.persons()).float()
        count = len(labelled.ids)
        supervised, scalars = self.label_loss(logits[:count], labelled.ids, labelled.count)
        losses = functional.cross_entropy(logits[count:], targets, reduction="none") * used
        pseudo = losses.sum() / unlabelled.count  # the mean over all unlabelled clips, also those without a label
        scalars |= {
            "loss_labelled": supervised.detach(),
            "loss_pseudo": pseudo.detach(),
            "pseudo_share": used.float().sum() / unlabelled.count,
        }
        return supervised + self.settings.weight * pseudo, scalars

    @torch.no_grad()
    def _teach(self, unlabelled: Batch) -> tuple[Tensor, Tensor]:
        """Labels of clips (n,), and which of them are sure enough (n,). The teacher sees a weak view."""
        teacher = self.classifier.average
        assert teacher is not None
        draws = unlabelled.draws(self.seed, "weak")
        clips = self.cutter.random(unlabelled.ids, draws, **asdict(self.settings.weak))
        taught = teacher(clips.persons()).float().softmax(1)
        places = torch.searchsorted(self.order.unlabelled.ids, unlabelled.ids).to(taught.device)
        probabilities = self.first[places].lerp(taught, teacher_share(unlabelled.step, self.settings))
        labels: tuple[Tensor, Tensor] = self.pseudo_labels(probabilities, unlabelled.count, distributed.all_reduce_sum)
        return labels

    def after_step(self, step: int) -> None:
        """Moves the teacher towards the student."""
        self.classifier.update_average(teacher_momentum(step, self.settings.momentum))

    def epoch_metrics(self) -> dict[str, float]:
        """Empty: each step logs all there is."""
        return {}

    def describe(self, ids: Tensor) -> list[str]:
        """Files of the sequences."""
        return self.label_loss.describe(ids)
