"""The clips that the page plays: as recorded, as the student saw them, as the decoder rebuilt them; and answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from jointwise.evaluation.protocols import PROTOCOLS
from jointwise.report.page.reading import Result, Run
from jointwise.report.page.results import view_result
from jointwise.report.viewer import Answer, Clip, example_clip
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
    name = examples.names[place]
    answers = tuple(
        Answer(title, tuple(zip(examples.classes, result.scores[name].tolist(), strict=True)))
        for title, result in answering
        if name in result.scores
    )
    return example_clip(examples, place, answers)
