"""`complete`: future frames and missing joints predicted from the features of a frozen encoder, and how far off.

The encoder gets the visible tokens of an evaluation clip and nothing else. The same small head, trained on the
training part for both tasks, turns its features into coordinates, so that all encoders are judged alike; a run that has
a decoder of joints is judged with that as well.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass

import numpy as np
import numpy.typing as npt
import torch
from rich.progress import track
from torch import Tensor, nn

from jointwise.config.schema import CompleteConfig
from jointwise.data.clips import ClipCutter, Clips, Persons
from jointwise.data.randomness import Draws
from jointwise.errors import ConfigError, DataError
from jointwise.evaluation.interpolation import BASELINES, straight_lines
from jointwise.model.encoders import Completion
from jointwise.model.losses import mean_square
from jointwise.model.tokens import all_tokens, from_segments, to_segments, token_validity, visible_tokens
from jointwise.training import distributed
from jointwise.training.batches import BatchOrder
from jointwise.training.device import autocast
from jointwise.training.optimizer import build_optimizer, learning_rate

LEAST_SEGMENTS = 4  # of a clip: a quarter of them is hidden


@dataclass(frozen=True)
class Hiding:
    """Which tokens of a clip are hidden. hidden: (P, S, V). grid: (S', V') of the visible ones, None where no grid."""

    hidden: Tensor
    grid: tuple[int, int] | None


def hide_future(order: Tensor, segments: int) -> Hiding:
    """The last quarter of the segments of all joints; order (P, V) does not matter."""
    persons, joints = order.shape
    kept = segments - max(1, round(segments / 4))
    hidden = torch.arange(segments, device=order.device) >= kept
    return Hiding(hidden[None, :, None].expand(persons, -1, joints), (kept, joints))


def hide_joints(order: Tensor, segments: int) -> Hiding:
    """The quarter of the joints that `order` (P, V) ranks lowest, during the middle half of the segments."""
    joints = order.shape[1]
    chosen = torch.zeros_like(order, dtype=torch.bool)
    chosen.scatter_(1, order.argsort(1)[:, : max(1, round(joints / 4))], True)
    times = torch.arange(segments, device=order.device)
    middle = (times >= segments // 4) & (times < segments - segments // 4)
    return Hiding(middle[None, :, None] & chosen[:, None], None)


# (uniform noise (P, V) that ranks the joints, segments S) -> which tokens are hidden, as many of every person
TASKS: dict[str, Callable[[Tensor, int], Hiding]] = {"future": hide_future, "joints": hide_joints}


class Completer(nn.Module):
    """A frozen encoder and a head that says coordinates. scale: the unit of the head in that of the data."""

    def __init__(self, encoder: nn.Module, head: Completion, segment: int, scale: float) -> None:
        super().__init__()
        self.encoder, self.head = encoder.requires_grad_(False).eval(), head
        self.segment, self.scale = segment, scale

    def train(self, mode: bool = True) -> Completer:
        """The encoder stays in evaluation mode."""
        self.head.train(mode)
        return self

    def forward(self, persons: Persons, hiding: Hiding) -> Tensor:
        """What it says of all joints in all frames, (P, T, V, C) in the unit of the data.

        Nothing of the hidden tokens is looked at, not even whether they are valid; and gaps, which `prepare` filled
        with the help of frames that are hidden here, are filled again from visible ones.
        """
        seen = persons.valid & ~hiding.hidden.repeat_interleave(self.segment, 1)
        segments = to_segments(straight_lines(persons.positions, seen), self.segment)
        valid = token_validity(seen, self.segment)
        visible = visible_tokens(hiding.hidden, valid, hiding.grid)
        with torch.no_grad():
            features = self.encoder(segments, visible)
        said = self.head(features, visible, all_tokens(valid | hiding.hidden)).float()
        return from_segments(said.unflatten(1, valid.shape[1:]), self.segment) * self.scale


def judged_places(persons: Persons, hiding: Hiding, segment: int) -> Tensor:
    """(P, T, V): hidden frames in which the joint is valid, of joints that are seen in some frame of the clip."""
    hidden = hiding.hidden.repeat_interleave(segment, 1)
    return persons.valid & hidden & (persons.valid & ~hidden).any(1, keepdim=True)


def clip_errors(prediction: Tensor, persons: Persons, judged: Tensor) -> Tensor:
    """Mean Euclidean distance over the judged joints and frames of each clip: (P, T, V, C) -> (B,), NaN where none."""
    distance = (prediction - persons.positions).norm(dim=-1) * judged
    total, count = (
        torch.zeros(persons.clips, device=judged.device).index_add(0, persons.clip, values.flatten(1).sum(1).float())
        for values in (distance, judged)
    )
    return total / count


def train_head(
    completer: Completer, cutter: ClipCutter, ids: Tensor, settings: CompleteConfig, precision: str, seed: int
) -> None:
    """Trains the head for both tasks on random clips of the sequences `ids`; the encoder is not touched."""
    order, optimizer = BatchOrder(ids, settings.batch, seed, cutter.shards), build_optimizer(completer.head, settings)
    completer.train()
    for step in track(range(settings.steps), description="complete: train the head"):
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(step, settings)
        batch = order.local_batch(step)
        clips = cutter.random(batch.ids, batch.draws(seed, "completion clips"), **asdict(settings.augment))
        noise = batch.draws(seed, "completion joints").uniform(len(cutter.skeleton.joints))
        loss = torch.zeros((), device=cutter.device)
        for persons, hiding in _tasks(clips, noise, completer.segment).values():
            with autocast(cutter.device, precision):
                said = completer(persons, hiding)
            judged = judged_places(persons, hiding, completer.segment)
            wanted = persons.positions / completer.scale
            loss = loss + mean_square(said / completer.scale, wanted, judged[..., None], distributed.all_reduce_sum)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        distributed.all_reduce_gradients(completer.head.parameters())
        optimizer.step()
    completer.eval()


def _tasks(clips: Clips, noise: Tensor, segment: int) -> dict[str, tuple[Persons, Hiding]]:
    """The persons of clips and what is hidden of them in each task; noise (B, V), the same for all in a clip."""
    persons = clips.persons()
    order, segments = noise.to(persons.clip.device)[persons.clip], persons.valid.shape[1] // segment
    if segments < LEAST_SEGMENTS:
        raise ConfigError(
            f"protocol 'complete' hides a quarter of a clip, but this encoder's clips have {segments} segments; it "
            f"takes {LEAST_SEGMENTS}. Train with more frames (clip.frames) or shorter segments (clip.segment)."
        )
    return {name: (persons, hide(order, segments)) for name, hide in TASKS.items()}


@torch.no_grad()
def completion_errors(
    completers: dict[str, Completer], cutter: ClipCutter, ids: Tensor, precision: str, seed: int, batch: int = 64
) -> dict[str, npt.NDArray[np.float64]]:
    """Errors of the evaluation clips of `ids`, (N,) each, in the unit of the data: of every completer and baseline.

    completers: name -> completer; the error of the one called "" is that of the task, others are `TASK_NAME`. Which
    joints are hidden is drawn from `seed` for each clip, whatever batch it is in. NaN where nothing can be judged.
    Raises DataError for a prediction that is not finite: such clips would otherwise be left out of the mean.
    """
    parts: dict[str, list[Tensor]] = {}
    noise = Draws(torch.arange(len(ids)), seed, "hidden joints").uniform(len(cutter.skeleton.joints))
    for places in distributed.local_batches(ids, batch, cutter.shards):
        segment = next(iter(completers.values())).segment
        for task, (persons, hiding) in _tasks(cutter.centre(ids[places]), noise[places], segment).items():
            judged = judged_places(persons, hiding, segment)
            seen = persons.valid & ~hiding.hidden.repeat_interleave(segment, 1)
            said = {}
            for name, completer in completers.items():
                with autocast(cutter.device, precision):
                    said[name] = completer.eval()(persons, hiding)
            said |= {name: baseline(persons.positions, seen) for name, baseline in BASELINES.items()}
            for name, prediction in said.items():
                if not bool(prediction[judged].isfinite().all()):
                    raise DataError(f"the completions of task '{task}' are not finite numbers. Look at the encoder.")
                errors = clip_errors(prediction, persons, judged).cpu()
                parts.setdefault(f"{task}_{name}".rstrip("_"), []).append(errors)
    names = next(names for names in distributed.all_gather(list(parts)) if names)
    shares = {name: distributed.all_gather_concat(parts.get(name, [])) for name in names}
    return {name: torch.cat(errors).double().numpy() for name, errors in shares.items()}
