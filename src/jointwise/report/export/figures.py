"""The bodies of a clip as they are exported: in metres, y up, standing on the floor, views of the clip side by side."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np

from jointwise.data.kinematics import BodyMotion, fit_body
from jointwise.errors import DataError
from jointwise.report.viewer.clips import Clip
from jointwise.report.viewer.screen import extent, points_down, to_display

BETWEEN = 0.5  # metres between two views of a clip
STATURES = (0.5, 2.5)  # metres; a person of another size is in another unit
USUAL_STATURE = 1.7  # metres, of a person in a unit that is not known
UNITS = {"metres": 1.0, "centimetres": 0.01, "millimetres": 0.001}


@dataclass(frozen=True, eq=False)
class Figure:
    """One body that moves.

    Args:
        name: What it is: the view of the clip and, of several persons, the number.
        person: Its number in the view, from 0; decides the colours.
        motion: In metres, y up, facing +z, the floor at y = 0.
        fps: Frames per second.
        distance: Mean distance in metres of the body's joints from those that were given, where these are valid.
    """

    name: str
    person: int
    motion: BodyMotion
    fps: float
    distance: float


def figures_of(clip: Clip) -> tuple[tuple[Figure, ...], tuple[str, ...]]:
    """The bodies of a clip: of every person in every view, but not in views that only hide joints.

    Args:
        clip: A clip of three coordinates.

    Returns:
        The figures, and notes on what was taken for granted.

    Raises:
        DataError: The clip is two-dimensional, or nobody in it has a bone.
    """
    first = clip.panels[0]
    if first.positions.shape[3] != 3:
        raise DataError(
            f"{clip.title}: 2D poses have no depth, so bones have no length and no rotation. A body needs three "
            "coordinates; lift the poses to 3D first."
        )
    down = points_down(first)
    low, high, _ = extent(first, down)
    panels = [panel for panel in clip.panels if not panel.hiding]
    scale, note = _metres(first.stature)
    notes = [note] if note else []
    step = float(high[0] - low[0]) * scale + BETWEEN
    figures: list[Figure] = []
    for place, panel in enumerate(panels):
        shown = panel.drawn & panel.valid
        moved = (to_display(panel.positions, panel.skeleton, down) - (0, low[1], 0)) * scale + (place * step, 0, 0)
        for person, (positions, seen) in enumerate(zip(moved, shown, strict=True)):
            name = panel.title if len(moved) == 1 else f"{panel.title} {person + 1}"
            try:
                motion = fit_body(panel.skeleton, positions, seen)
            except DataError as error:
                notes.append(f"{name} is left out: {error}")
                continue
            ever = seen.any(0)
            away = np.linalg.norm(motion.positions() - positions[:, ever], axis=-1)[seen[:, ever]]
            figures.append(Figure(name, person, motion, clip.fps, float(away.mean())))
    if not figures:
        raise DataError(f"{clip.title}: there is no body. " + notes[-1])
    return tuple(figures), tuple(notes)


def _metres(tall: float) -> tuple[float, str]:
    """What brings a clip into metres, and a note where it is not in metres; bones tell how tall a person is."""
    for unit, factor in UNITS.items():
        if STATURES[0] <= tall * factor <= STATURES[1]:
            note = f"the coordinates look like {unit} (a person is {tall:.4g} tall); the file is in metres"
            return factor, "" if factor == 1 else note
    if tall == 0:
        return 1.0, ""  # without a bone; no body can be fitted
    note = f"the unit is unknown (a person is {tall:.4g} tall): the first person is made {USUAL_STATURE} m tall"
    return USUAL_STATURE / tall, note


def file_name(name: str) -> str:
    """A name as a part of file names.

    >>> file_name("what the decoder rebuilt")
    'what-the-decoder-rebuilt'
    """
    return re.sub(r"\W+", "-", name).strip("-")
