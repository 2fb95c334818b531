"""A tiny data set of random walks, and settings so small that a whole training takes a second."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from jointwise.config.layers import make_config
from jointwise.config.schema import Config
from jointwise.data.datasets.source import DataSource, Recordings, Split, train_on_subjects
from jointwise.data.sequence import Sequence
from jointwise.data.skeletons import KINECT20
from jointwise.data.store.reader import Description

NAME = "tiny"
CLASSES = ("up", "down", "left", "right", "still")
DIRECTIONS = np.array([(0, 1, 0), (0, -1, 0), (-1, 0, 0), (1, 0, 0), (0, 0, 0)], np.float32)
SUBJECTS = (1, 2, 3, 4)
TRIALS = 3

SYSTEM = "spatial_segments_decoder"
BASELINE = "supervised_segments"
SETTINGS = {
    "clip.frames": "16",
    "encoder.width": "16",
    "encoder.depth": "2",
    "mask.ratio": "0.75",
    "pretrain.steps": "12",
    "pretrain.batch": "8",
    "finetune.steps": "12",
    "finetune.batch": "8",
    "finetune.hidden": "16",
    "scratch.steps": "12",
    "scratch.batch": "8",
    "scratch.hidden": "16",
    "probe.linear.steps": "20",
    "probe.linear.batch": "16",
    "execution.log_every": "1",
}
SMALL = tuple(word for name, value in SETTINGS.items() for word in (f"--{name}", value))  # as on the command line


def walk(label: int, subject: int, trial: int) -> Sequence:
    """A random walk of 20 joints whose hands drift into the direction of the class; some joints are not valid."""
    random = np.random.default_rng([label, subject, trial])
    frames = int(random.integers(18, 40))
    persons = 2 if (label, subject, trial) in {(0, 1, 1), (0, 2, 1)} else 1
    steps = random.normal(0, 0.01, (persons, frames, 20, 3))
    steps[:, :, 7] += 0.05 * DIRECTIONS[label]
    positions = random.normal(0, 0.3, (persons, 1, 20, 3)) + steps.cumsum(1) + (0, 0, 3)
    return Sequence(
        positions=positions.astype(np.float32),
        skeleton=KINECT20,
        valid=random.random((persons, frames, 20)) < 0.95,
        label=label,
        subject=subject,
        source=f"a{label + 1}_s{subject}_t{trial}",
    )


def recordings(_root: Path | None) -> Recordings:
    return Recordings(
        {
            f"a{label + 1}_s{subject}_t{trial}": (label, subject, trial)
            for label in range(len(CLASSES))
            for subject in SUBJECTS
            for trial in range(1, TRIALS + 1)
        },
        read,
        stamp=str,
        parallel=False,
    )


def read(item: tuple[int, int, int]) -> Sequence:
    return walk(*item)


def sequences() -> list[Sequence]:
    return [walk(*item) for item in recordings(None).items.values()]


SOURCE = DataSource(
    title="tiny",
    description=Description(data=NAME, skeleton=KINECT20, classes=CLASSES),
    recordings=recordings,
    splits={"xsub": Split("cross-subject (odd train, even test)", train_on_subjects(1, 3))},
    count=len(CLASSES) * len(SUBJECTS) * TRIALS,
    origin="tests/helpers/tiny.py",
)
SOURCE_IN_METRES = replace(SOURCE, description=replace(SOURCE.description, metres=True))


def options_of(*words: str) -> dict[str, str]:
    """`--encoder.width 64 --mask.ratio=0.5` as the command line gives them to `make_config`."""
    split = [part for word in words for part in (word.split("=", 1) if word.startswith("--") else [word])]
    return {name.removeprefix("--"): value for name, value in zip(split[::2], split[1::2], strict=True)}


def config(*options: str, system: str = SYSTEM) -> Config:
    """The settings of a system at the size of the tiny data; `options` come last."""
    return make_config(system, NAME, quick=True, options=SETTINGS | {"quick": False} | options_of(*options))
