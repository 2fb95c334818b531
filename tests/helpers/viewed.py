"""Clips to view: synthetic ones, alone or beside what a student saw and a decoder rebuilt of them."""

from dataclasses import replace

import numpy as np

from jointwise.data.synthetic import ACTIONS, generate
from jointwise.report.viewer import Answer, Clip, clip_of

WAVE, HUG = ACTIONS.index("wave"), ACTIONS.index("hug")


def synthetic_clip(action: int) -> Clip:
    sequence = next(s for s in generate(subjects=(3,), cameras=(2,)) if s.label == action)
    return clip_of(sequence, ACTIONS[action], ACTIONS[action])


def compared(clip: Clip) -> Clip:
    """The clip beside what a student saw of it (some tokens) and a rebuilt copy, with two answers."""
    panel = clip.panels[0]
    shown = np.zeros(panel.valid.shape, bool)
    shown[:, 8:16, :9] = True
    pretrained_scores = ((clip.title, 0.7), ("<b>sit</b>", 0.2), ("clap", 0.1))
    answers = (Answer("pre-trained", pretrained_scores), Answer("from scratch", (("clap", 0.9), (clip.title, 0.1))))
    student = replace(panel, title="what the student saw", shown=shown, hiding=True)
    rebuilt = replace(panel, title="what the decoder rebuilt", positions=panel.positions + np.float32(0.01))
    return replace(clip, panels=(panel, student, rebuilt), answers=answers)
