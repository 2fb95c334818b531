"""What a live stream costs: the time of a second of it, and memory over a million frames."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch

from jointwise.bench.figures import BenchDevice
from jointwise.bench.workload import CLASSES, settings
from jointwise.config.layers import to_settings
from jointwise.config.systems import RECOMMENDED
from jointwise.data import synthetic
from jointwise.data.centring import PREPARATION, prepare_sequence
from jointwise.data.conventions import Conventions
from jointwise.data.sequence import Floats
from jointwise.data.skeletons import NTU25
from jointwise.errors import counted
from jointwise.inference.recognizer import Recognizer
from jointwise.model.build import build_classifier
from jointwise.training.model_card import ModelCard
from jointwise.training.provenance import peak_memory

FPS = 30
PERSONS = (1, 5)
SECONDS = 30
SIZES: dict[str, dict[str, Any]] = {  # of the recipe of utd-mhad, and of that of NTU RGB+D
    "width 128, clips of 32 frames": {"encoder.width": 128, "clip.frames": 32},
    "width 256, clips of 120 frames": {},
}
FRAMES = 1_000_000  # of a stream whose memory is looked at
SMALL = {"encoder.width": 16, "encoder.depth": 1, "encoder.heads": 2, "clip.frames": 32}  # else it takes an hour
_VISIT = 300  # frames after which another person comes in


def untrained(on: BenchDevice, options: Mapping[str, Any] | None = None) -> Recognizer:
    """A recogniser of `recommended` at the size of NTU RGB+D that has learned nothing.

    Args:
        on: Where it computes.
        options: Settings by name.
    """
    config = settings(RECOMMENDED, options=options)
    classifier = build_classifier(config, config.finetune, NTU25, 3, CLASSES, 0)
    card = ModelCard(
        kind="classifier",
        system=config.system,
        settings=to_settings(config),
        skeleton=NTU25,
        coordinates=3,
        classes=tuple(f"class {number}" for number in range(CLASSES)),
        data="generated",
        data_fingerprint="",
        preparation=PREPARATION,
        seed=0,
        split="none",
        conventions=Conventions("y", False),
        movement=(0.1, 0.4),
        fps=(FPS, FPS),
    )
    return Recognizer(card, classifier.encoder, classifier, on.device)


def frames_of(persons: int) -> Iterator[Floats]:
    """Frames (M, V, C) without end, of persons who stand beside each other and move to and fro."""
    generated = synthetic.generate(cameras=(2,), actions=range(5, 5 + persons))
    recordings = [prepare_sequence(sequence).positions[0] for sequence in generated]
    shortest = min(len(one) for one in recordings)
    there = np.stack([one[:shortest] for one in recordings[:persons]])
    there += np.arange(0, 2 * persons, 2, dtype=np.float32)[:, None, None, None] * np.array([1, 0, 0], np.float32)
    both = np.concatenate([there, there[:, ::-1]], 1)
    while True:
        yield from both.swapaxes(0, 1)


def measure_stream(on: BenchDevice, frames: int = FRAMES, seconds: int = SECONDS) -> dict[str, Any]:
    """Measure what a live stream costs on one core, at the default hop.

    Args:
        on: Where.
        frames: Frames of the stream whose memory is looked at.
        seconds: Seconds of stream that are timed, for each size and number of persons.

    Returns:
        `share_of_a_core`: median processor time of a second of the stream, in seconds, for one and for several persons
        without ids; `answer_ms`: median time from the last frame of a window to its answers; `memory_mb`: largest
        memory of the process so far, after a hundredth, a tenth and all of the frames.
    """
    torch.set_num_threads(1)
    measured: dict[str, Any] = {"precision": "fp32", "share_of_a_core": {}, "answer_ms": {}}
    memory = endless(on, frames)
    for size, options in SIZES.items():
        for persons in PERSONS:
            name = f"{counted(persons, 'person')}, {size}"
            share, answer = pace(on, persons, options, seconds)
            measured["share_of_a_core"][name] = round(share, 3)
            measured["answer_ms"][name] = round(1000 * answer, 1)
    return measured | memory


def pace(on: BenchDevice, persons: int, options: Mapping[str, Any], seconds: int = SECONDS) -> tuple[float, float]:
    """Time a stream.

    Args:
        on: Where.
        persons: How many are in view; they have no ids.
        options: Sizes of the model.
        seconds: Seconds of stream that are timed.

    Returns:
        Median seconds of processor time that a second of the stream takes, and median seconds from the last frame of a
        window to its answers.
    """
    stream = untrained(on, options).stream()
    frames = frames_of(persons)
    for _ in range(3 * FPS):
        stream.push(next(frames))
    shares, answers = [], []
    for _ in range(seconds):
        begin = time.process_time()
        for _ in range(FPS):
            moment = time.perf_counter()
            if stream.push(next(frames)):
                answers.append(time.perf_counter() - moment)
        shares.append(time.process_time() - begin)
    return statistics.median(shares), statistics.median(answers)


def endless(on: BenchDevice, frames: int = FRAMES) -> dict[str, Any]:
    """Push very many frames to a stream of a small model, in which one person after the other comes and goes.

    Args:
        on: Where.
        frames: How many.

    Returns:
        `memory_mb`: largest memory of the process so far, after a hundredth, a tenth and all of the frames; and how
        long it took.
    """
    stream = untrained(on, SMALL).stream()
    source = frames_of(1)
    looked_at = [frames // 100, frames // 10, frames]
    memory, events = {}, 0
    begin = time.perf_counter()
    for number in range(1, frames + 1):
        points = next(source)
        gone = number % _VISIT > 0.7 * _VISIT
        events += len(stream.push([]) if gone else stream.push(points, ids=[number // _VISIT]))
        if number in looked_at:
            memory[f"{number:,}"] = peak_memory(on.device)
    return {
        "frames": frames,
        "persons": frames // _VISIT + 1,
        "events": events,
        "memory_mb": memory,
        "seconds_per_frame": (time.perf_counter() - begin) / frames,
    }
