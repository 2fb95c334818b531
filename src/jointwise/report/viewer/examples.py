"""The clips that a run keeps: as recorded, as the student saw them, as they were rebuilt or predicted."""

from __future__ import annotations

import numpy as np

from jointwise.data.sequence import Bools, Floats
from jointwise.data.store.reader import label_name
from jointwise.report.viewer.clips import Answer, Clip, Panel, recorded_panel
from jointwise.training.example_clips import Examples

REBUILT = ("what the student saw", "what the decoder rebuilt")  # titles of the panels
FORESEEN = ("what the encoder saw", "the predicted future")  # the same of predicted.npz


def example_clip(
    examples: Examples, place: int, answers: tuple[Answer, ...] = (), titles: tuple[str, str] = REBUILT
) -> Clip:
    """One of the clips, with a panel for each way in which it is known.

    Args:
        examples: The clips of a run.
        place: Which of them.
        answers: Answers of recognisers to it.
        titles: Of the panels of what was seen and what was made of it.

    Returns:
        The clip, on the frames of its recording.
    """
    present = examples.valid[place].any((1, 2))  # persons
    present[0] = True
    skeleton = examples.skeleton
    valid = examples.valid[place][present]
    frames = valid.shape[1]
    panels = [recorded_panel("recording", skeleton, examples.recording[place][present], valid)]
    if examples.seen is not None:
        clip = resample(examples.clip[place][present], frames)
        seen = resample_mask(examples.seen[place][present], frames)
        panels.append(Panel(titles[0], skeleton, clip, valid, seen, hiding=True))
    if examples.rebuilt is not None:
        rebuilt = resample(examples.rebuilt[place][present], frames)
        panels.append(Panel(titles[1], skeleton, rebuilt, np.ones_like(valid)))
    name, truth = examples.names[place], label_name(examples.classes, int(examples.labels[place]))
    return Clip(f"{truth} · {name}", float(examples.fps[place]), tuple(panels), truth, answers)


def resample(values: Floats, frames: int) -> Floats:
    """Resample values to another number of frames, linearly with half-pixel centres.

    Args:
        values: (M, T, V, C).
        frames: New number of frames.

    Returns:
        (M, frames, V, C).
    """
    length = values.shape[1]
    times = np.clip((np.arange(frames) + 0.5) * (length / frames) - 0.5, 0, length - 1)
    below = times.astype(int)
    above = np.minimum(below + 1, length - 1)
    share = (times - below).astype(np.float32)[:, None, None]
    return values[:, below] * (1 - share) + values[:, above] * share


def resample_mask(mask: Bools, frames: int) -> Bools:
    """Resample a mask to another number of frames; each new frame repeats the old frame it falls into.

    Args:
        mask: (M, T, V).
        frames: New number of frames.

    Returns:
        (M, frames, V).
    """
    return mask[:, ((np.arange(frames) + 0.5) * mask.shape[1] / frames).astype(int)]
