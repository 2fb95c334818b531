"""`complete`: future frames and missing joints predicted from the features of a frozen encoder, and their errors.

The encoder gets the visible tokens of an evaluation clip only. The same small head turns the features of every encoder
into coordinates; it is trained on the training part, for both tasks. A run with its own decoder of joints is judged
with that decoder as well.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from jointwise.config.schema import CompleteConfig
from jointwise.data.clips import ClipCutter, Clips, Persons
from jointwise.data.randomness import Draws
from jointwise.errors import ConfigError, DataError
from jointwise.evaluation.interpolation import BASELINES, straight_lines
from jointwise.evaluation.protocols import COMPLETE
from jointwise.model.encoders import Completion
from jointwise.model.losses import mean_square
from jointwise.model.objective import Rebuilt
from jointwise.model.tokens import (
    all_tokens,
    from_centre,
    from_segments,
    relative_to_centre,
    to_segments,
    token_validity,
    visible_tokens,
)
from jointwise.training import distributed
from jointwise.training.batches import BatchOrder
from jointwise.training.device import autocast
from jointwise.training.example_clips import Rebuild
from jointwise.training.optimizer import build_optimizer, learning_rate
from jointwise.training.progress import watched

LEAST_SEGMENTS = 4  # of a clip, as a quarter of them is hidden


@dataclass(frozen=True)
class Hiding:
    """Which tokens of clips are hidden.

    Args:
        hidden: (P, S, V) bool.
        grid: (S', V') of the visible tokens; None where they are no grid.
    """

    hidden: Tensor
    grid: tuple[int, int] | None


def hide_future(order: Tensor, segments: int) -> Hiding:
    """Hides the last quarter of the segments of all joints; of `order` (P, V) only the shape is used."""
    persons, joints = order.shape
    kept = segments - max(1, round(segments / 4))
    hidden = torch.arange(segments, device=order.device) >= kept
    return Hiding(hidden[None, :, None].expand(persons, -1, joints), (kept, joints))


def hide_joints(order: Tensor, segments: int) -> Hiding:
    """Hides the quarter of the joints that `order` (P, V) ranks lowest, during the middle half of the segments."""
    joints = order.shape[1]
    chosen = torch.zeros_like(order, dtype=torch.bool)
    chosen.scatter_(1, order.argsort(1)[:, : max(1, round(joints / 4))], True)
    times = torch.arange(segments, device=order.device)
    middle = (times >= segments // 4) & (times < segments - segments // 4)
    return Hiding(middle[None, :, None] & chosen[:, None], None)


# (uniform noise (P, V) that ranks the joints, number of segments S) -> hidden tokens, as many of every person
TASKS: dict[str, Callable[[Tensor, int], Hiding]] = {"future": hide_future, "joints": hide_joints}


class Completer(nn.Module):
    """A frozen encoder and a head that predicts coordinates.

    Args:
        encoder: Not trained, and always in evaluation mode.
        head: Features and tokens -> coordinates.
        segment: Frames per segment.
        scale: One unit of the head, in the unit of the data.
        centre: Joints that what comes out of the head is relative to, see `relative_to_centre`.
    """

    def __init__(
        self, encoder: nn.Module, head: Completion, segment: int, scale: float, centre: Sequence[int] = ()
    ) -> None:
        super().__init__()
        self.encoder = encoder.requires_grad_(False).eval()
        self.head = head
        self.segment = segment
        self.scale = scale
        self.centre = centre

    def train(self, mode: bool = True) -> Completer:
        """Sets the mode of the head; the encoder stays in evaluation mode."""
        self.head.train(mode)
        return self

    def forward(self, persons: Persons, hiding: Hiding) -> Tensor:
        """Predicts all joints in all frames from the visible tokens.

        Of hidden tokens not even the validity is read. `prepare` filled gaps with the help of frames that are hidden
        here, so they are filled again from visible frames.

        Args:
            persons: P persons of some clips.
            hiding: Which of their tokens are hidden.

        Returns:
            (P, T, V, C) in the unit of the data.
        """
        seen = persons.valid & ~hiding.hidden.repeat_interleave(self.segment, 1)
        segments = to_segments(straight_lines(persons.positions, seen), self.segment)
        valid = token_validity(seen, self.segment)
        visible = visible_tokens(hiding.hidden, valid, hiding.grid)
        with torch.no_grad():
            features = self.encoder(segments, visible)
        predicted = self.head(features, visible, all_tokens(valid | hiding.hidden)).float()
        places = from_segments(predicted.unflatten(1, valid.shape[1:]), self.segment) * self.scale
        if not self.centre:
            return places
        given = relative_to_centre(persons.positions, self.centre)  # of a visible centre, which nothing has to predict
        return from_centre(torch.where(seen[..., None], given, places), self.centre)


def judged_places(persons: Persons, hiding: Hiding, segment: int) -> Tensor:
    """Where a prediction is judged: hidden frames with a valid joint, if that joint is visible elsewhere in the clip.

    Args:
        persons: P persons of some clips.
        hiding: Which of their tokens are hidden.
        segment: Frames per segment.

    Returns:
        (P, T, V) bool.
    """
    hidden = hiding.hidden.repeat_interleave(segment, 1)
    return persons.valid & hidden & (persons.valid & ~hidden).any(1, keepdim=True)


def clip_errors(prediction: Tensor, persons: Persons, judged: Tensor) -> Tensor:
    """Mean Euclidean distance over the judged joints and frames of each clip.

    Args:
        prediction: (P, T, V, C).
        persons: The P persons of B clips, with their true positions.
        judged: (P, T, V) bool.

    Returns:
        (B,) errors in the unit of the data; NaN for a clip in which nothing is judged.
    """
    distance = (prediction - persons.positions).norm(dim=-1) * judged
    total, count = (
        torch.zeros(persons.clips, device=judged.device).index_add(0, persons.clip, values.flatten(1).sum(1).float())
        for values in (distance, judged)
    )
    return total / count


def train_head(
    completer: Completer, cutter: ClipCutter, ids: Tensor, settings: CompleteConfig, precision: str, seed: int
) -> None:
    """Trains the head of a completer for both tasks; the encoder is not changed.

    Args:
        completer: Its head is trained, and is in evaluation mode afterwards.
        cutter: Cuts random clips.
        ids: (n,) places of the training sequences in the store.
        settings: Steps, batch, rate and augmentation.
        precision: `fp32` or `bf16`.
        seed: Decides the order, the crops and the hidden joints.

    Raises:
        ConfigError: The clips have too few segments.
    """
    order = BatchOrder(ids, settings.batch, seed, cutter.shards)
    optimizer = build_optimizer(completer.head, settings)
    completer.train()
    for step in watched(range(settings.steps), settings.steps, "head that completes"):
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(step, settings)
        batch = order.local_batch(step)
        clips = cutter.random(batch.ids, batch.draws(seed, "completion clips"), **asdict(settings.augment))
        noise = batch.draws(seed, "completion joints").uniform(len(cutter.skeleton.joints))
        loss = torch.zeros((), device=cutter.device)
        for persons, hiding in _tasks(clips, noise, completer.segment).values():
            with autocast(cutter.device, precision):
                prediction = completer(persons, hiding)
            judged = judged_places(persons, hiding, completer.segment)
            target = persons.positions / completer.scale
            loss = loss + mean_square(
                prediction / completer.scale, target, judged[..., None], distributed.all_reduce_sum
            )
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        distributed.all_reduce_gradients(completer.head.parameters())
        optimizer.step()
    completer.eval()


def _tasks(clips: Clips, noise: Tensor, segment: int) -> dict[str, tuple[Persons, Hiding]]:
    """The persons of clips and what is hidden of them in each task; noise: (B, V), the same for all in a clip."""
    persons = clips.persons()
    order = noise.to(persons.clip.device)[persons.clip]
    segments = persons.valid.shape[1] // segment
    if segments < LEAST_SEGMENTS:
        raise ConfigError(
            f"protocol '{COMPLETE}' hides a quarter of a clip, but this encoder's clips have {segments} segments; it "
            f"takes {LEAST_SEGMENTS}. Train with more frames (clip.frames) or shorter segments (clip.segment)."
        )
    return {name: (persons, hide(order, segments)) for name, hide in TASKS.items()}


def predict_future(completer: Completer, precision: str) -> Rebuild:
    """What a completer makes of example clips whose last quarter is hidden; before it, the clips as they are.

    Args:
        completer: Trained.
        precision: `fp32` or `bf16`.
    """

    def rebuild(clips: Clips, persons: Persons) -> Rebuilt:
        noise = torch.zeros(clips.positions.shape[0], persons.valid.shape[2])
        _, hiding = _tasks(clips, noise, completer.segment)["future"]
        hidden = hiding.hidden.repeat_interleave(completer.segment, 1)
        with torch.no_grad(), autocast(persons.positions.device, precision):
            predicted = completer.eval()(persons, hiding)
        return Rebuilt(persons.valid & ~hidden, torch.where(hidden[..., None], predicted, persons.positions))

    return rebuild


@torch.no_grad()
def completion_errors(
    completers: dict[str, Completer], cutter: ClipCutter, ids: Tensor, precision: str, seed: int, batch: int = 64
) -> dict[str, npt.NDArray[np.float64]]:
    """Errors of every completer and every baseline on evaluation clips.

    Args:
        completers: Name -> completer. Errors are called `<task>_<name>`, or `<task>` for the name "".
        cutter: Cuts the clips.
        ids: (N,) places of the sequences in the store.
        precision: `fp32` or `bf16`.
        seed: Decides the hidden joints of each clip, whatever batch it is in.
        batch: Clips at once.

    Returns:
        Name of an error -> (N,) in the unit of the data, NaN where nothing can be judged.

    Raises:
        ConfigError: The clips have too few segments.
        DataError: A prediction is not finite. Such clips would otherwise be left out of the mean.
    """
    parts: dict[str, list[Tensor]] = {}
    noise = Draws(torch.arange(len(ids)), seed, "hidden joints").uniform(len(cutter.skeleton.joints))
    for places in distributed.local_batches(ids, batch, cutter.shards):
        segment = next(iter(completers.values())).segment
        for task, (persons, hiding) in _tasks(cutter.centre(ids[places]), noise[places], segment).items():
            judged = judged_places(persons, hiding, segment)
            seen = persons.valid & ~hiding.hidden.repeat_interleave(segment, 1)
            predictions = {}
            for name, completer in completers.items():
                with autocast(cutter.device, precision):
                    predictions[name] = completer.eval()(persons, hiding)
            predictions |= {name: baseline(persons.positions, seen) for name, baseline in BASELINES.items()}
            for name, prediction in predictions.items():
                if not bool(prediction[judged].isfinite().all()):
                    raise DataError(f"the completions of task '{task}' are not finite numbers. Look at the encoder.")
                errors = clip_errors(prediction, persons, judged).cpu()
                parts.setdefault(f"{task}_{name}".rstrip("_"), []).append(errors)
    names = next(names for names in distributed.all_gather(list(parts)) if names)
    shares = {name: distributed.all_gather_concat(parts.get(name, [])) for name in names}
    return {name: torch.cat(errors).double().numpy() for name, errors in shares.items()}
