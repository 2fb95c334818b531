"""What the page plays: test clips as recorded, as the student saw them, as the decoder rebuilt them; and answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from jointwise.data.sequence import Bools, Floats
from jointwise.evaluation.protocols import PROTOCOLS
from jointwise.report.page.reading import Result, Run
from jointwise.report.page.results import view_result
from jointwise.report.viewer import Answer, Clip, Panel, recorded
from jointwise.training.example_clips import Examples

MOST_ANSWERS = 4  # recognisers whose bars stand side by side


@dataclass(frozen=True)
class Playback:
    """Clips with a sentence on what they are."""

    words: str
    clips: tuple[Clip, ...]


def make_playback(runs: Sequence[Run], results: Sequence[Result]) -> Playback | None:
    """The clips of the first run that kept some, with what results on the same clips say; None without any."""
    shown = {result.facts.text("data") for result in results}
    kept = [run for run in runs if run.examples is not None]
    kept.sort(key=lambda run: run.examples is None or run.examples.data not in shown)  # transfer: those scored
    run = kept[0] if kept else None
    if run is None or run.examples is None:
        return None
    examples, answering = run.examples, _answering(results, run.examples)
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


def stretched(values: Floats, frames: int) -> Floats:
    """(M, T, V, C) -> (M, frames, V, C), the same stretch of time in straight lines, frames at half-pixel centres."""
    length = values.shape[1]
    times = np.clip((np.arange(frames) + 0.5) * (length / frames) - 0.5, 0, length - 1)
    below = times.astype(int)
    above, share = np.minimum(below + 1, length - 1), (times - below).astype(np.float32)[:, None, None]
    return values[:, below] * (1 - share) + values[:, above] * share


def held(mask: Bools, frames: int) -> Bools:
    """(M, T, V) -> (M, frames, V), the same stretch of time: each frame says what the one below it said."""
    return mask[:, ((np.arange(frames) + 0.5) * mask.shape[1] / frames).astype(int)]


def _answering(results: Sequence[Result], examples: Examples) -> list[tuple[str, Result]]:
    """Results that give probabilities for the examples, with what sets each apart."""
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
    there = examples.valid[place].any((1, 2))
    there[0] = True
    skeleton, valid = examples.skeleton, examples.valid[place][there]
    frames = valid.shape[1]
    panels = [recorded("recording", skeleton, examples.recording[place][there], valid)]
    if examples.seen is not None:
        given, seen = stretched(examples.clip[place][there], frames), held(examples.seen[place][there], frames)
        panels.append(Panel("what the student saw", skeleton, given, valid, seen, hiding=True))
    if examples.rebuilt is not None:
        rebuilt = stretched(examples.rebuilt[place][there], frames)
        panels.append(Panel("what the decoder rebuilt", skeleton, rebuilt, np.ones_like(valid)))
    name, truth = examples.names[place], examples.classes[int(examples.labels[place])]
    answers = tuple(
        Answer(title, tuple(zip(examples.classes, result.scores[name].tolist(), strict=True)))
        for title, result in answering
        if name in result.scores
    )
    return Clip(f"{truth} · {name}", float(examples.fps[place]), tuple(panels), truth, answers)
