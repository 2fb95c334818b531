"""The figures of a live stream."""

import itertools

import numpy as np
import torch

from jointwise.bench.figures import BenchDevice
from jointwise.bench.streams import SMALL, endless, frames_of, pace

CPU = BenchDevice(torch.device("cpu"))


def test_persons_of_the_figure_stand_apart_and_never_jump() -> None:
    frames = np.stack(list(itertools.islice(frames_of(3), 300)))
    assert frames.shape == (300, 3, 25, 3)
    assert np.linalg.norm(np.diff(frames, axis=0), axis=-1).max() < 0.5  # metres
    middles = frames.mean((0, 2))[:, 0]
    assert np.diff(middles).min() > 1


def test_a_stream_is_timed_and_its_memory_looked_at_three_times() -> None:
    share, answer = pace(CPU, 2, SMALL, 2)
    assert 0 < share < 1
    assert 0 < answer < 1
    measured = endless(CPU, 700)
    assert list(measured["memory_mb"]) == ["7", "70", "700"]
    assert measured["persons"] == 3
    # two visits of 210 frames and one of 100: windows of 60 frames every 15, some of them half empty, and segments
    assert 2 * 11 + 3 < measured["events"] < 2 * 15 + 10 + 6
