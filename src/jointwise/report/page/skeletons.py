"""The clips that the page plays: as recorded, as the student saw them, as the decoder rebuilt them; and answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from jointwise.data.sequence import Bools, Floats
from jointwise.data.store.reader import label_name
from jointwise.evaluation.protocols import PROTOCOLS
from jointwise.report.page.reading import Result, Run
from jointwise.report.page.results import view_result
from jointwise.report.viewer import Answer, Clip, Panel, recorded_panel
from jointwise.training.example_clips import Examples

MOST_ANSWERS = 4  # recognisers shown side by side


@dataclass(frozen=True)
class Playback:
    """Clips to play.

    Args:
        words: A sentence that says what they are.
        clips: The clips.
    """

    words: str
    clips: tuple[Clip, ...]


def make_playback(runs: Sequence[Run], results: Sequence[Result]) -> Playback | None:
    """The example clips of the first run that has some, with the answers of results on the same clips.

    Args:
        runs: Runs; one on data that the results are about is preferred (after a transfer these differ).
        results: Results whose scores of the clips are shown.

    Returns:
        The clips; None when no run has any.
    """
    evaluated = {result.facts.text("data") for result in results}
    with_examples = [(run, run.examples) for run in runs if run.examples is not None]
    if not with_examples:
        return None
    run, examples = min(with_examples, key=lambda pair: pair[1].data not in evaluated)
    answering = _answering(results, examples)
    words = f"{len(examples.names)} evaluation clips of {examples.data}"
    if examples.seen is not None:
        hidden = 100 * (1 - examples.seen[examples.valid.any((2, 3))].mean())
        frames = examples.clip.shape[2]
        words += f": as recorded, as the student of run {run.name} saw them ({frames} frames, {hidden:.0f} % hidden)"
        words += ", and as its decoder rebuilt them from that" if examples.rebuilt is not None else ""
    return Playback(
        f"{words}. Split: {examples.split}.",
        tuple(_clip(examples, place, answering) for place in range(len(examples.names))),
    )


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


def _answering(results: Sequence[Result], examples: Examples) -> list[tuple[str, Result]]:
    """Results that have probabilities for the examples, each with a title that distinguishes it."""
    fitting = [
        result
        for result in results
        if _has_probabilities(result)
        and result.facts.text("data") == examples.data
        and result.facts.names("classes") == examples.classes
        and set(examples.names) & result.scores.keys()
    ][:MOST_ANSWERS]
    views = [view_result(result) for result in fitting]
    several = len({view.system for view in views}) > 1
    titles = [f"{view.system}\u00a0· {view.details}" if several else view.details for view in views]
    return list(zip(titles, fitting, strict=True))


def _has_probabilities(result: Result) -> bool:
    protocol = PROTOCOLS.get(result.facts.text("protocol") or "")
    return protocol is not None and protocol.probabilities


def _clip(examples: Examples, place: int, answering: Sequence[tuple[str, Result]]) -> Clip:
    present = examples.valid[place].any((1, 2))  # persons
    present[0] = True
    skeleton = examples.skeleton
    valid = examples.valid[place][present]
    frames = valid.shape[1]
    panels = [recorded_panel("recording", skeleton, examples.recording[place][present], valid)]
    if examples.seen is not None:
        clip = resample(examples.clip[place][present], frames)
        seen = resample_mask(examples.seen[place][present], frames)
        panels.append(Panel("what the student saw", skeleton, clip, valid, seen, hiding=True))
    if examples.rebuilt is not None:
        rebuilt = resample(examples.rebuilt[place][present], frames)
        panels.append(Panel("what the decoder rebuilt", skeleton, rebuilt, np.ones_like(valid)))
    name, truth = examples.names[place], label_name(examples.classes, int(examples.labels[place]))
    answers = tuple(
        Answer(title, tuple(zip(examples.classes, result.scores[name].tolist(), strict=True)))
        for title, result in answering
        if name in result.scores
    )
    return Clip(f"{truth} · {name}", float(examples.fps[place]), tuple(panels), truth, answers)
