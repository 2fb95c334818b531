"""LOG.md, 'none of these, by what a model says of actions it never saw': how a timeline should weigh the threshold.

Run: python lab/rejected_windows.py RUN DATA, RUN calibrated. Clips of one person from training subjects, without those
whose labels the run learned, follow each other without a break, 24 recordings of 8; so each "none of these" is wrong.
"""

import sys
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from jointwise import Recognizer, load_dataset
from jointwise.data.centring import prepare_sequence
from jointwise.data.label_subset import choose_labelled
from jointwise.evaluation.segments import OVERLAPS, Span, edit_score, segmental_f1
from jointwise.inference.answers import NONE
from jointwise.inference.timeline import join_windows, windows_of_persons

MANY, CLIPS, WINDOW, HOP, COST = 24, 8, 2.0, 0.5, 4.0

recognizer, dataset = Recognizer.from_pretrained(sys.argv[1]), load_dataset(sys.argv[2])
RATE = dataset.train[0].fps
calibration = recognizer.card.calibration
assert calibration is not None
answers, inputs = recognizer._trained(), recognizer._inputs
learned = set(choose_labelled(dataset.train, recognizer.card.labels, recognizer.card.seed, dataset.classes).ids)
free = [place for place, number in enumerate(dataset.train.ids) if number not in learned]
free = np.random.default_rng(0).permutation(free)[: MANY * CLIPS].reshape(MANY, CLIPS).tolist()
windows, stated, still, spans = [], [], [], []
for places in free:
    clips = [dataset.train[place] for place in places]
    edges = (np.cumsum([0, *(clip.frames for clip in clips)]) / clips[0].fps).tolist()
    spans.append([Span(*edges[i : i + 2], dataset.classes[clip.label]) for i, clip in enumerate(clips)])
    joined = replace(
        clips[0],
        positions=np.concatenate([clip.positions[:1] for clip in clips], 1),
        valid=np.concatenate([clip.validity[:1] for clip in clips], 1),
    )
    found = windows_of_persons(inputs.sequence(joined), WINDOW, HOP)
    pieces = [prepare_sequence(piece) for *_, piece in found]
    said = answers.of([inputs.whole(piece) for piece in pieces], pieces)
    windows.append([window[:3] for window in found])
    stated.append(np.array([answer.probabilities for answer in said]))
    still.append(np.array([answer.with_none[-1] > 0.9 for answer in said]))


def measure(name: str, weight: Callable[[np.ndarray], np.ndarray], temperature: float = 1.0) -> None:
    """Print what a timeline finds if none of them has a weight; probabilities are raised to `temperature`."""
    pairs = []
    for own, probabilities, moved, true in zip(windows, stated, still, spans, strict=True):
        scaled = probabilities**temperature
        scaled /= scaled.sum(1, keepdims=True)
        none = np.where(moved, 999.0, weight(probabilities.max(1)))[:, None]
        segments = join_windows(own, np.hstack([scaled, none]) / (1 + none), (*answers.classes, NONE), RATE, COST)
        pairs.append(([Span(one.start, one.end, one.label) for one in segments], true))
    f1 = ", ".join(f"F1@{100 * overlap:.0f} {100 * segmental_f1(pairs, overlap):.1f}" for overlap in OVERLAPS)
    edit, number = (np.mean([f(a, b) for a, b in pairs]) for f in (edit_score, lambda found, _: len(found)))
    print(f"{name}: {f1}, edit {100 * edit:.1f}, segments {number:.1f} of {CLIPS}")


below = calibration.threshold
print(f"{100 * np.mean(np.concatenate(stated).max(1) < below):.1f} % of windows are below the threshold")
measure("not calibrated", lambda most: np.full(len(most), 0.001), calibration.temperature)
measure("temperature only", lambda most: np.full(len(most), 0.001))
measure("below the threshold for sure", lambda most: np.where(most < below, 999.0, 0.001))
measure("below the threshold a doubt", lambda most: np.where(most < below, 1.0, 0.001))
measure("weight of none is the threshold", lambda most: np.full(len(most), below))
