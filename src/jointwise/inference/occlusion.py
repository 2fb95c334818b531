"""What an answer rests on: how much less probable a class becomes where joints, or spans of time, are hidden."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from jointwise.data.centring import fill_gaps
from jointwise.data.clips import Clips, centre_windows
from jointwise.data.sequence import Bools, Sequence
from jointwise.data.skeletons import Skeleton
from jointwise.errors import ConfigError, ReadError, unknown
from jointwise.inference.answers import Answers
from jointwise.inference.many import batched

Drops = npt.NDArray[np.float64]
_AT_ONCE = 32  # clips
_LEAST = 1e-30  # probability that counts as 0, so that its logarithm is finite


@dataclass(frozen=True, eq=False)
class Occlusion:
    """What the answer to a recording rests on.

    A drop is log(p / p'), in nats: p is the probability of the class, p' what is left of it where something is hidden
    in all persons. It is 0 where hiding changes nothing or nothing was seen anyway, and negative where hiding helps.

    Args:
        label: The class.
        probability: Its probability, nothing hidden.
        skeleton: The layout of the V joints of the model.
        joints: (V,) drop without each joint.
        parts: Drop without each part of the body, such as `left arm`.
        times: (S,) drop without each span of time.
        spans: (S, 2) begin and end of each span, in seconds from the first frame of the recording.
    """

    label: str
    probability: float
    skeleton: Skeleton
    joints: Drops
    parts: dict[str, float]
    times: Drops
    spans: Drops

    def without(self, drop: float) -> float:
        """The probability that a drop leaves."""
        return self.probability * float(np.exp(-drop))


def occlusion(
    answers: Answers,
    clip: Clips,
    sequence: Sequence,
    segments: int,
    label: str | None = None,
    centre: Collection[int] = (),
) -> Occlusion | ReadError:
    """Hides each joint, each part of the body and each span of time in turn, and asks again.

    Args:
        answers: The classifier as it answers.
        clip: The evaluation clip of the recording.
        sequence: The prepared recording that it was cut from.
        segments: Spans of time, S: the segments that the model sees.
        label: The class that is asked about; None: the most probable one.
        centre: Places of the joints from which the model measures all others.

    Returns:
        What the answer rests on, or the error that says why there is no answer.

    Raises:
        ConfigError: The model has no such class.
    """
    (whole,) = answers.of([clip], [sequence])
    if isinstance(whole, ReadError):
        return whole
    classes = answers.classes
    if label is not None and label not in classes:
        raise ConfigError(unknown("class", label, classes))
    place = int(whole.probabilities.argmax()) if label is None else classes.index(label)
    probability = float(whole.probabilities[place])
    skeleton, frames = sequence.skeleton, clip.valid.shape[2]
    names = list(dict.fromkeys(skeleton.part_names))
    masks = [*_masks(skeleton, frames, segments)]
    drops = np.zeros(len(masks))
    hidden = [(number, made) for number, mask in enumerate(masks) if (made := hide(clip, mask, centre)) is not None]
    for some in batched(hidden, _AT_ONCE):
        for (number, _), answer in zip(
            some, answers.of([made for _, made in some], [sequence] * len(some)), strict=True
        ):
            if isinstance(answer, ReadError):
                return answer
            drops[number] = np.log(max(probability, _LEAST) / max(float(answer.probabilities[place]), _LEAST))
    of_joints, of_parts, of_times = np.split(drops, [len(skeleton.joints), len(skeleton.joints) + len(names)])
    parts = dict(zip(names, of_parts.tolist(), strict=True))
    return Occlusion(classes[place], probability, skeleton, of_joints, parts, of_times, spans_of(sequence, segments))


def _masks(skeleton: Skeleton, frames: int, segments: int) -> Iterator[Bools]:
    """What is hidden, (T, V) each: every joint, then every part of the body, then every span of time."""
    joints = np.arange(len(skeleton.joints))
    parts = np.array(skeleton.part_names)
    span = np.arange(frames) * segments // frames
    for chosen in (*(joints == joint for joint in joints), *(parts == part for part in dict.fromkeys(parts))):
        yield np.broadcast_to(chosen, (frames, len(joints)))
    for number in range(segments):
        yield np.broadcast_to((span == number)[:, None], (frames, len(joints)))


def spans_of(sequence: Sequence, segments: int) -> Drops:
    """Where the spans of the evaluation clip of a recording lie.

    Args:
        sequence: The prepared recording.
        segments: Number of spans, S.

    Returns:
        (S, 2) begin and end in seconds from the first frame of the file.
    """
    start, kept = (int(value) for value in centre_windows(torch.tensor([sequence.frames])))
    edges = (sequence.begin + start + kept * np.arange(segments + 1) / segments) / sequence.fps
    return np.stack([edges[:-1], edges[1:]], 1)


def hide(clip: Clips, hidden: Bools, centre: Collection[int] = ()) -> Clips | None:
    """A clip of which a part is not seen, in no person.

    Nothing of the hidden coordinates is left: as in a recording that lacks them, they are filled from what is seen of
    the same joint before and after, or are zero. Only the joints from which a model measures all others keep their
    coordinates behind the mask: else hiding one of them would move the whole body.

    Args:
        clip: A batch of one.
        hidden: (T, V) what is not to be seen.
        centre: Places of the joints from which others are measured.

    Returns:
        The clip with these places invalid; None where none of them was seen.
    """
    positions, valid = clip.positions[0].cpu().numpy(), clip.valid[0].cpu().numpy()
    lost = valid & hidden
    if not lost.any():
        return None
    left = valid & ~lost
    moved = hidden & ~np.isin(np.arange(hidden.shape[1]), [*centre])
    filled = np.where(moved[..., None], fill_gaps(positions, left), positions)
    on_device = torch.from_numpy(filled).to(clip.positions.device)
    return Clips(on_device[None], torch.from_numpy(left)[None], clip.ids)
