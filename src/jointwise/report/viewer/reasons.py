"""Why a recogniser answers as it does, for the viewer: what the answer rests on, and the nearest training clips."""

from __future__ import annotations

import warnings
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from jointwise.data.sequence import Sequence
from jointwise.data.skeletons import Skeleton, resolve_layout
from jointwise.errors import JointwiseError, JointwiseWarning
from jointwise.report.viewer.clips import Bars, Clip, Panel, recorded_panel
from jointwise.report.viewer.examples import resample, resample_mask

if TYPE_CHECKING:
    from jointwise.inference.nearest import Neighbour
    from jointwise.inference.occlusion import Occlusion
    from jointwise.inference.recognizer import Recognizer

_NAMED = 5  # nearest training clips
_PLAYED = ("nearest", "2nd nearest")  # those that play beside the recording
_MOST_ROWS = 6  # parts of the body and spans of time that are listed
_LEAST = 0.25  # share of the probability that must be lost for a full colour
_ALIKE = 2.0  # bodies that differ in stature by a larger factor are in different units


def with_reasons(clip: Clip, recognizer: Recognizer, recording: Sequence, ready: Sequence) -> Clip:
    """A clip with what the answer of a recogniser rests on, and with the nearest training clips.

    Args:
        clip: The recording as a clip.
        recognizer: The recogniser, fine-tuned.
        recording: The recording as read.
        ready: The recording as prepared, which the first panel of the clip shows.

    Raises:
        ReadError: The recording does not fit the model.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", JointwiseWarning)  # the answer said them already
        clip = _with_occlusion(clip, recognizer.occlusion(recording), ready)
        try:
            return _with_neighbours(clip, recognizer.nearest(recording, _NAMED), recognizer.card.terms)
        except JointwiseError as error:  # of the training data; the recording was answered
            return replace(clip, bars=(*clip.bars, Bars("Nearest training clips", (), f"None: {error}")))


def _with_occlusion(clip: Clip, found: Occlusion, ready: Sequence) -> Clip:
    """The clip with a panel whose joints are coloured, the spans of time, and how little is left without what."""
    title = f"what “{found.label}” rests on"
    panel = clip.panels[0]
    weights = joint_weights(found, panel.skeleton)
    things = {f"without the {part}": drop for part, drop in found.parts.items()}
    things |= {
        f"without {begin:.1f} to {end:.1f} s": drop
        for (begin, end), drop in zip(found.spans.tolist(), found.times.tolist(), strict=True)
    }
    largest = sorted(((drop, name) for name, drop in things.items() if drop > 0), reverse=True)[:_MOST_ROWS]
    rows = [("nothing hidden", found.probability), *((name, found.without(drop)) for drop, name in largest)]
    bars = Bars(
        title[0].upper() + title[1:],
        tuple((name, share, f"{100 * share:.1f} %") for name, share in rows),
        f"Probability of “{found.label}” where a part of the body, or a span of time, is hidden.",
    )
    times = (found.spans - ready.begin / ready.fps).tolist()
    left = [f"{100 * found.without(drop):.0f} % without it" for drop in found.times.tolist()]
    weights_in_time = weights_of(found.times).tolist()
    spans = tuple(
        (begin, end, weight, words) for (begin, end), weight, words in zip(times, weights_in_time, left, strict=True)
    )
    return replace(
        clip, panels=(*clip.panels, replace(panel, title=title, weights=weights)), bars=(*clip.bars, bars), spans=spans
    )


def weights_of(drops: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Drops as weights from 0 to 1: shares of the probability that are lost, relative to the largest of them.

    Args:
        drops: (n,) drops, as of `Occlusion`.

    Returns:
        (n,) weights; where no share reaches a quarter, none is 1. What helps when it is hidden has 0.

    >>> weights_of(np.log([2.0, 1.0, 0.5])).tolist(), weights_of(-np.log([0.95])).round(1).tolist()
    ([1.0, 0.0, 0.0], [0.2])
    """
    lost = 1 - np.exp(-np.maximum(drops, 0))
    return np.asarray(lost / max(_LEAST, float(lost.max(initial=0))))


def joint_weights(found: Occlusion, recorded: Skeleton) -> npt.NDArray[np.float64]:
    """How much of the answer to a recording rests on each of its joints, from 0 to 1.

    Args:
        found: What the answer rests on, by the joints of the model.
        recorded: The layout of the recording.

    Returns:
        A weight for each joint of the recording: the largest of the model's joints that follow from it, else 0.
    """
    own = dict(zip(found.skeleton.joints, weights_of(found.joints).tolist(), strict=True))
    layout = resolve_layout(found.skeleton, recorded)
    weights = dict.fromkeys(layout.joints, 0.0)
    for joint, names in layout.map_to(found.skeleton).sources.items():
        for name in names:
            weights[name] = max(weights[name], own[joint])
    return np.array([weights[joint] for joint in layout.joints])


def _with_neighbours(clip: Clip, neighbours: list[Neighbour], terms: str) -> Clip:
    """The clip with the nearest training clips named, and the first of them playing beside it, under their terms."""
    bars = Bars(
        "Nearest training clips",
        tuple((f"{one.label} · {one.name}", one.similarity, f"{one.similarity:.2f}") for one in neighbours),
        "Similarity to the recording, by the features of the model; 1 at most."
        + (f" Terms of use of these clips: {terms}." if terms else ""),
    )
    titles = [f"{place}: {one.label}" for place, one in zip(_PLAYED, neighbours, strict=False)]
    panels = tuple(_in_step(*pair, clip.panels[0]) for pair in zip(titles, neighbours, strict=False))
    return replace(clip, panels=(*clip.panels, *panels), bars=(*clip.bars, bars))


def _in_step(title: str, neighbour: Neighbour, panel: Panel) -> Panel:
    """A training clip stretched to the frames of a panel, and brought to its unit where that is another."""
    sequence = neighbour.sequence
    frames = panel.positions.shape[1]
    made = recorded_panel(
        title,
        sequence.skeleton,
        resample(sequence.positions, frames),
        resample_mask(sequence.validity, frames),
    )
    if min(panel.stature, made.stature) > 0:
        factor = panel.stature / made.stature
        if not 1 / _ALIKE < factor < _ALIKE:
            made = replace(made, positions=made.positions * np.float32(factor))
    return made
