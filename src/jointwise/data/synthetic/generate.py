"""Generates the recordings: who performs an action, how and where, and what the cameras report."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from jointwise.data.formats import skeleton as skeleton_format
from jointwise.data.sequence import Sequence
from jointwise.data.skeletons import NTU25
from jointwise.data.synthetic.actor import FPS, Actor, Style, draw_style
from jointwise.data.synthetic.body import Array, Body, pose, rotation_matrices
from jointwise.data.synthetic.library import ACTIONS, LIBRARY, Duo, Solo
from jointwise.data.synthetic.sensor import CameraRig, draw_cameras, simulate_sensor, to_camera_coordinates
from jointwise.errors import ConfigError, writing

VERSION = 1  # to be raised whenever a seed gives other data; lab/LOG.md holds its fingerprint
MIN_FRAMES = 40  # of a recording
MAX_FRAMES = 150


@dataclass(frozen=True)
class Performance:
    """The true motion of M persons, before any camera.

    Args:
        positions: (M, T, 25, 3) metres; the floor is at y = 0.
        bodies: The proportions of the M persons.
    """

    positions: Array
    bodies: tuple[Body, ...]


def generate(
    seed: int = 0,
    subjects: Iterable[int] = range(1, 41),
    repetitions: int = 1,
    cameras: Iterable[int] = (1, 2, 3),
    actions: Iterable[int] = range(len(ACTIONS)),
) -> Iterator[Sequence]:
    """Generates every action by every subject as recorded by every camera: 40 × 24 × 3 = 2,880 sequences by default.

    Positions are metres in camera coordinates as the Kinect v2 gives them: y up, z the depth, and +x the camera's
    left, so that the right hand of a person who faces the camera has the larger x. A sequence has 40 to 150 frames at
    30 fps, with 2 persons in the last four actions and 1 otherwise. Joints that the sensor lost are invalid and zero.
    A performance depends on (seed, subject, action, repetition) only, so a part equals the same part of the whole.

    Args:
        seed: Of the data set.
        subjects: Numbers of persons, from 1.
        repetitions: How often each person performs each action.
        cameras: Some of 1, 2, 3, which stand at about -45, 0 and 45 degrees.
        actions: Labels, 0 to 23.

    Yields:
        Sequences whose source is a name as in NTU RGB+D, `S001C001P001R001A001`.

    Raises:
        ConfigError: There is no such camera.
    """
    camera_numbers = tuple(cameras)
    labels = tuple(actions)
    if not set(camera_numbers) <= {1, 2, 3}:
        raise ConfigError(f"synthetic data has cameras 1, 2 and 3, not {camera_numbers}. Name some of these.")
    for subject in subjects:
        for action in labels:
            for repetition in range(1, repetitions + 1):
                yield from _record(seed, subject, action, repetition, camera_numbers)


def perform(seed: int, subject: int, action: int, repetition: int = 1) -> Performance:
    """The true motion of one performance.

    Args:
        seed: Of the data set.
        subject: Number of the person, from 1.
        action: Label, 0 to 23.
        repetition: From 1.
    """
    return _perform(seed, subject, action, np.random.default_rng([seed, subject, action, repetition]))


def fingerprint(seed: int = 0) -> str:
    """16 hexadecimal digits that change if the generator does: a hash of two subjects, rounded to 0.1 mm."""
    digest = hashlib.sha256(f"{VERSION} {' '.join(ACTIONS)}".encode())
    for sequence in generate(seed, subjects=(1, 2)):
        digest.update(np.round(sequence.positions.astype(np.float64) * 1e4).astype("<i4").tobytes())
        digest.update(np.packbits(sequence.validity).tobytes())
    return digest.hexdigest()[:16]


def write_files(
    folder: Path,
    seed: int = 0,
    subjects: Iterable[int] = range(1, 41),
    repetitions: int = 1,
    cameras: Iterable[int] = (1, 2, 3),
) -> int:
    """Writes the sequences as NTU `.skeleton` files.

    Args:
        folder: Where the files are written; made if needed.
        seed: Of the data set.
        subjects: Numbers of persons, from 1.
        repetitions: How often each person performs each action.
        cameras: Some of 1, 2, 3.

    Returns:
        The number of files.

    Raises:
        ConfigError: There is no such camera.
        StorageError: The folder cannot be written.
    """
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
    count = 0
    for sequence in generate(seed, subjects, repetitions, cameras):
        skeleton_format.write(folder / f"{sequence.source}.skeleton", sequence)
        count += 1
    return count


@lru_cache(maxsize=64)
def _subject(seed: int, subject: int) -> tuple[Style, CameraRig]:
    """The habits of one subject, and the cameras that record this subject."""
    rng = np.random.default_rng([seed, subject])
    return draw_style(rng), draw_cameras(rng)


def _record(seed: int, subject: int, action: int, repetition: int, cameras: tuple[int, ...]) -> Iterator[Sequence]:
    """One performance as recorded by some cameras; all three are simulated, so the choice does not change the data."""
    rng = np.random.default_rng([seed, subject, action, repetition])
    performance = _perform(seed, subject, action, rng)
    seen = to_camera_coordinates(performance.positions, _subject(seed, subject)[1])
    positions, valid = simulate_sensor(seen, rng)
    for camera in cameras:
        yield Sequence(
            positions=positions[camera - 1],
            skeleton=NTU25,
            valid=valid[camera - 1],
            fps=FPS,
            label=action,
            subject=subject,
            camera=camera,
            source=f"S001C{camera:03d}P{subject:03d}R{repetition:03d}A{action + 1:03d}",
        )


def _perform(seed: int, subject: int, action: int, rng: np.random.Generator) -> Performance:
    """The true motion of one performance, drawn from `rng`."""
    style = _subject(seed, subject)[0]
    entry = LIBRARY[action]
    seconds = rng.uniform(*entry.seconds) / style.tempo
    before, after = rng.uniform(0.0, 1.0, 2) * rng.choice([0.3, 1.2], 2)
    frames = int(np.clip(round((before + seconds + after) * FPS), MIN_FRAMES, MAX_FRAMES))
    seconds = min(seconds, frames / FPS)
    before = min(before, frames / FPS - seconds)
    phase = (np.arange(frames) / FPS - before) / seconds
    lead = Actor(style, phase, seconds, rng)
    if isinstance(entry, Solo):
        return _perform_solo(entry, lead, rng)
    return _perform_duo(entry, lead, rng)


def _perform_solo(entry: Solo, actor: Actor, rng: np.random.Generator) -> Performance:
    """One person, who roughly faces the middle camera."""
    if entry.seated and rng.random() < 0.3:
        actor.sit_throughout(actor.draw(0.42, 0.52))
    entry.act(actor)
    actor.add_idle_motion()
    frames = len(actor.phase)
    if not actor.seated and rng.random() < 0.35:
        actor.step(rng.uniform(-10.0, frames - 20.0), rng.normal(0.0, 0.08), rng.normal(0.0, 0.08))
    spread = 0.8 if entry.name in ("walk", "march in place") else 0.38
    place = np.array([rng.normal(0.0, 0.2), 0.0, rng.normal(0.0, 0.2)])
    return Performance(_place(pose(actor.body, actor.motion), rng.normal(0.0, spread), place)[None], (actor.body,))


def _perform_duo(entry: Duo, lead: Actor, rng: np.random.Generator) -> Performance:
    """Two persons, who face each other across the line of sight; either may act first, `lead` has the first slot."""
    partner = Actor(draw_style(rng), lead.phase, lead.seconds, rng)
    partner.warps = lead.warps  # both move in the same rhythm
    pair = (lead, partner) if rng.random() < 0.5 else (partner, lead)
    gap = entry.act(*pair)
    for actor in pair:
        actor.add_idle_motion()
    axis = rng.normal(0.0, 0.4) + np.pi / 2 * rng.choice([-1.0, 1.0])
    middle = np.array([rng.normal(0.0, 0.15), 0.0, rng.normal(0.0, 0.2)])
    placed = []
    for actor, facing in ((pair[0], axis), (pair[1], axis + np.pi)):
        back = 0.5 * gap * np.array([np.sin(facing), 0.0, np.cos(facing)])
        placed.append(_place(pose(actor.body, actor.motion), facing + rng.normal(0.0, 0.08), middle + back))
    order = (0, 1) if pair[0] is lead else (1, 0)
    return Performance(np.stack([placed[i] for i in order]), tuple(pair[i].body for i in order))


def _place(positions: Array, facing: float, place: Array) -> Array:
    """Turns positions (T, 25, 3) left by `facing` radians and moves them to a place (3,) on the floor."""
    matrix = rotation_matrices(np.array([0.0, 0.0, facing]))
    placed: Array = positions @ matrix.T + place
    return placed
