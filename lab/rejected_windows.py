"""LOG.md, 'none of these, by what a model says of actions it never saw': how a timeline should weigh the threshold.

Run: python lab/rejected_windows.py RUN DATA, RUN calibrated. Clips of one person from training subjects, without those
whose labels the run learned, follow each other without a break, 24 recordings of 8; so each "none of these" is wrong.
"""

import sys
from dataclasses import replace

import numpy as np

from jointwise import Recognizer, load_dataset
from jointwise.data.label_subset import choose_labelled
from jointwise.evaluation.segments import OVERLAPS, Span, edit_score, segmental_f1
from jointwise.inference import answers

MANY, CLIPS = 24, 8

dataset, calibrated = load_dataset(sys.argv[2]), Recognizer.from_pretrained(sys.argv[1]).card
learned = set(choose_labelled(dataset.train, calibrated.labels, calibrated.seed, dataset.classes).ids)
free = [place for place, number in enumerate(dataset.train.ids) if number not in learned]
recordings, spans = [], []
for places in np.random.default_rng(0).permutation(free)[: MANY * CLIPS].reshape(-1, CLIPS).tolist():
    clips = [dataset.train[place] for place in places]
    edges = (np.cumsum([0, *(clip.frames for clip in clips)]) / clips[0].fps).tolist()
    spans.append([Span(*edges[i : i + 2], dataset.classes[clip.label]) for i, clip in enumerate(clips)])
    positions = np.concatenate([clip.positions[:1] for clip in clips], 1)
    valid = np.concatenate([clip.validity[:1] for clip in clips], 1)
    recordings.append(replace(clips[0], positions=positions, valid=valid))


def measure(name: str, doubt: float, calibrate: bool = True) -> None:
    """Print what timelines find if none of them has the weight `doubt` where no class reaches the threshold."""
    answers._DOUBT = doubt
    recognizer = Recognizer.from_pretrained(sys.argv[1])
    if not calibrate:
        recognizer.card.calibration = None
    found = [[Span(one.start, one.end, one.label) for one in recognizer.timeline(each)] for each in recordings]
    pairs = list(zip(found, spans, strict=True))
    f1 = ", ".join(f"F1@{100 * overlap:.0f} {100 * segmental_f1(pairs, overlap):.1f}" for overlap in OVERLAPS)
    edit, number = np.mean([edit_score(*pair) for pair in pairs]), np.mean([len(one) for one in found])
    print(f"{name}: {f1}, edit {100 * edit:.1f}, segments {number:.1f} of {CLIPS}", flush=True)


measure("not calibrated", 1.0, calibrate=False)
measure("temperature, no threshold", 0.001)
measure("none of these for sure", answers.SURE)
measure("a doubt", 1.0)
