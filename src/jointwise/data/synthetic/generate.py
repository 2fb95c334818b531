"""Turns seed, subject, action and repetition into recordings: who performs, how, where, and what the cameras report."""

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
from jointwise.data.synthetic.body import Array, Body, pose, turn
from jointwise.data.synthetic.library import ACTIONS, LIBRARY, Duo, Solo
from jointwise.data.synthetic.sensor import Rig, draw_rig, observe, view
from jointwise.errors import ConfigError, writing

VERSION = 1  # grows whenever a seed yields other data; lab/LOG.md holds the fingerprint that goes with it
SHORTEST, LONGEST = 40, 150  # frames of a recording


@dataclass(frozen=True)
class Performance:
    """What truly happens, before any camera: positions (M, T, 25, 3) in metres, floor at y = 0, and M bodies."""

    positions: Array
    bodies: tuple[Body, ...]


def generate(
    seed: int = 0,
    subjects: Iterable[int] = range(1, 41),
    repetitions: int = 1,
    cameras: Iterable[int] = (1, 2, 3),
    actions: Iterable[int] = range(len(ACTIONS)),
) -> Iterator[Sequence]:
    """Every action by every subject as seen by every camera: 40 x 24 x 3 = 2,880 sequences unless told otherwise.

    Positions are metres in camera coordinates as the Kinect v2 gives them: y up, z the depth, and +x the camera's
    left, so that the right hand of somebody who faces the camera has the larger x. Frames: 40 to 150 at 30 fps;
    persons: 2 in the last four actions, otherwise 1. Joints the sensor lost are invalid and zero. Each performance
    depends on (seed, subject, action, repetition) alone, so a part equals the same part of the whole. Cameras 1, 2, 3
    stand at about -45, 0 and 45 degrees. The source is an NTU name, `S001C001P001R001A001`.
    """
    chosen, wanted = tuple(cameras), tuple(actions)
    if not set(chosen) <= {1, 2, 3}:
        raise ConfigError(f"synthetic data has cameras 1, 2 and 3, not {chosen}. Name some of these.")
    for subject in subjects:
        for action in wanted:
            for repetition in range(1, repetitions + 1):
                yield from _record(seed, subject, action, repetition, chosen)


def perform(seed: int, subject: int, action: int, repetition: int = 1) -> Performance:
    """One performance without noise. subject and repetition count from 1, action is the label 0 to 23."""
    return _perform(seed, subject, action, np.random.default_rng([seed, subject, action, repetition]))


def fingerprint(seed: int = 0) -> str:
    """16 hexadecimal digits that change when the generator does: a hash over two subjects, rounded to 0.1 mm."""
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
    """Writes the same sequences as NTU `.skeleton` files into `folder`; returns how many."""
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
    count = 0
    for sequence in generate(seed, subjects, repetitions, cameras):
        skeleton_format.write(folder / f"{sequence.source}.skeleton", sequence)
        count += 1
    return count


@lru_cache(maxsize=64)
def _subject(seed: int, subject: int) -> tuple[Style, Rig]:
    """The person and the set-up of cameras of one subject."""
    rng = np.random.default_rng([seed, subject])
    return draw_style(rng), draw_rig(rng)


def _record(seed: int, subject: int, action: int, repetition: int, cameras: tuple[int, ...]) -> Iterator[Sequence]:
    """One performance, once per camera; all three are simulated, so that each is the same whichever are asked for."""
    rng = np.random.default_rng([seed, subject, action, repetition])
    performance = _perform(seed, subject, action, rng)
    positions, valid = observe(view(performance.positions, _subject(seed, subject)[1]), rng)
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
    """One performance without noise, drawn from `rng`."""
    style = _subject(seed, subject)[0]
    entry = LIBRARY[action]
    seconds = rng.uniform(*entry.seconds) / style.tempo
    before, after = rng.uniform(0.0, 1.0, 2) * rng.choice([0.3, 1.2], 2)
    frames = int(np.clip(round((before + seconds + after) * FPS), SHORTEST, LONGEST))
    seconds = min(seconds, frames / FPS)
    before = min(before, frames / FPS - seconds)
    phase = (np.arange(frames) / FPS - before) / seconds
    lead = Actor(style, phase, seconds, rng)
    if isinstance(entry, Solo):
        return _alone(entry, lead, rng)
    return _together(entry, lead, rng)


def _alone(entry: Solo, actor: Actor, rng: np.random.Generator) -> Performance:
    """One person on stage, facing the middle camera more or less."""
    if entry.seated and rng.random() < 0.3:
        actor.sit_throughout(actor.draw(0.42, 0.52))
    entry.act(actor)
    actor.live()
    frames = len(actor.phase)
    if not actor.seated and rng.random() < 0.35:
        actor.step(rng.uniform(-10.0, frames - 20.0), rng.normal(0.0, 0.08), rng.normal(0.0, 0.08))
    spread = 0.8 if entry.name in ("walk", "march in place") else 0.38
    place = np.array([rng.normal(0.0, 0.2), 0.0, rng.normal(0.0, 0.2)])
    return Performance(_stage(pose(actor.body, actor.motion), rng.normal(0.0, spread), place)[None], (actor.body,))


def _together(entry: Duo, lead: Actor, rng: np.random.Generator) -> Performance:
    """Two persons facing each other across the line of sight; either may be the first."""
    partner = Actor(draw_style(rng), lead.phase, lead.seconds, rng)
    partner.warps = lead.warps  # they keep time with each other
    pair = (lead, partner) if rng.random() < 0.5 else (partner, lead)
    gap = entry.act(*pair)
    for actor in pair:
        actor.live()
    axis = rng.normal(0.0, 0.4) + np.pi / 2 * rng.choice([-1.0, 1.0])
    middle = np.array([rng.normal(0.0, 0.15), 0.0, rng.normal(0.0, 0.2)])
    placed = []
    for actor, facing in ((pair[0], axis), (pair[1], axis + np.pi)):
        back = 0.5 * gap * np.array([np.sin(facing), 0.0, np.cos(facing)])
        placed.append(_stage(pose(actor.body, actor.motion), facing + rng.normal(0.0, 0.08), middle + back))
    order = (0, 1) if pair[0] is lead else (1, 0)
    return Performance(np.stack([placed[i] for i in order]), tuple(pair[i].body for i in order))


def _stage(positions: Array, facing: float, place: Array) -> Array:
    """Positions (T, 25, 3) turned left by `facing` and moved to a place on the floor."""
    matrix = turn(np.array([0.0, 0.0, facing]))
    staged: Array = positions @ matrix.T + place
    return staged
