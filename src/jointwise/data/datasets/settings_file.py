"""Write a `dataset.yaml` for a folder of recordings: what was seen in them, and guesses to confirm."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import Protocol

import yaml

from jointwise.data.skeletons import SKELETONS
from jointwise.errors import counted

_SUBJECT_PATTERNS = (  # what names subjects in names of files, the surest first
    r"S\d{3}C\d{3}P(\d{3})R\d{3}A\d{3}",
    r"(?:^|[/_.-])(?:[Ss]ub(?:j(?:ect)?)?|[Pp]erson|[Pp]articipant|[Aa]ctor|[Uu]ser)[_-]?(\d+)",
    r"(?:^|[/_.-])[Ss][_-]?(\d+)",
    r"(?:^|[/_.-])[Pp][_-]?(\d+)",
    r"(?:^|[/_.-])[Aa][_-]?(\d+)",
)
_SUBJECTS_SHOWN = 8


class Recording(Protocol):
    """What is needed of a recording."""

    @property
    def name(self) -> str:
        """Its place in the folder."""

    @property
    def layout(self) -> str:
        """Name of its joint layout."""

    @property
    def fps(self) -> float:
        """Frames per second."""

    @property
    def units(self) -> str | None:
        """Its unit, as the file says it."""

    @property
    def guess(self) -> str | None:
        """Its unit, as the size of the body tells it."""

    @property
    def subject(self) -> int | None:
        """Who performs, as the file says it."""

    @property
    def assumed(self) -> tuple[str, ...]:
        """What its reader took for granted."""


def guess_subjects(names: Sequence[str]) -> tuple[str, dict[str, int]] | None:
    """Find what in the names of recordings may name the subject.

    Args:
        names: Places of the recordings, such as `wave/s03_take2.npz`.

    Returns:
        A regular expression that finds a subject in every name, and each subject with its number of recordings; None
        where there is none. Fewer than two subjects, or more than half as many as recordings, are not believed.

    >>> guess_subjects(["wave/s01_1.npz", "wave/s02_1.npz", "bow/s01_1.npz", "bow/s02_1.npz"])[1]
    {'01': 2, '02': 2}
    """
    for pattern in _SUBJECT_PATTERNS:
        found = [re.search(pattern, name) for name in names]
        if all(found):
            counts = Counter(match[1] for match in found if match)
            if 2 <= len(counts) <= len(names) / 2:
                return pattern, dict(sorted(counts.items()))
    return None


def describe_folder(place: str, recordings: Sequence[Recording], labels: str | None, terms: str = "") -> str:
    """The text of a `dataset.yaml`.

    Args:
        place: The folder, as it was named.
        recordings: Those that could be read.
        labels: The table of labels, from the folder; None without one.
        terms: Terms of use, where they are known.

    Returns:
        YAML with comments. What need not be said stands in a comment.
    """
    lines = [
        "# What jointwise should know about this folder. Written by jointwise init from "
        f"{counted(len(recordings), 'recording')}.",
        "# Every line may be changed or left out. Look again after a change: jointwise doctor " + place,
        "",
    ]
    if labels is not None:
        lines += ["# The class of each recording: a table with the columns file, label and, if known, subject.", ""]
        lines[-1:] = [_line("labels", labels), ""]
    lines += [
        *_skeleton_lines(recordings),
        "",
        *_rate_lines(recordings),
        "",
        *_axes_lines(recordings),
        "",
        *_subject_lines(recordings),
        "",
    ]
    lines += ["# Terms of use. They are shown with every model.", _line("terms", terms)]
    return "\n".join(lines) + "\n"


def _line(key: str, value: object) -> str:
    text = yaml.safe_dump(value, default_flow_style=True, width=1000)
    return f"{key}: {text.splitlines()[0]}"


def _skeleton_lines(recordings: Sequence[Recording]) -> list[str]:
    """The joint layout, where all recordings have a known one."""
    counts = Counter(item.layout for item in recordings)
    layout, count = counts.most_common(1)[0]
    known = layout in SKELETONS
    seen = "all recordings" if len(counts) == 1 else f"{count} of {len(recordings)} recordings"
    lines = [f"# Joint layout, as in {seen}." if known else f"# Joint layout. {seen.capitalize()} have {layout}."]
    if known and len(counts) == 1:
        return [*lines, _line("skeleton", layout)]
    return [
        *lines,
        "# A known one (jointwise layouts lists them), or joints: [names], bones: [[name, name], ...], root: name.",
        f"# skeleton: {layout if known else 'ntu25'}",
    ]


def _rate_lines(recordings: Sequence[Recording]) -> list[str]:
    """The frame rate: to be confirmed where a reader assumed it."""
    rates = Counter(round(item.fps, 3) for item in recordings)
    rate = rates.most_common(1)[0][0]
    assumed = sum("per second" in sentence for item in recordings for sentence in item.assumed)
    value = f"fps: {rate:g}"
    if len(rates) > 1:
        return [
            f"# Frames per second: from {min(rates):g} to {max(rates):g}, as the files say. One for all:",
            f"# {value}",
        ]
    if assumed:
        return [f"# Frames per second. {assumed} files do not say it, so this is assumed: is it right?", value]
    return ["# Frames per second, where the files do not say it or say it wrongly.", f"# {value}"]


def _axes_lines(recordings: Sequence[Recording]) -> list[str]:
    """The unit, where bodies tell it and files do not, and the axis that points up."""
    if all(item.units in ("px", "image") for item in recordings):
        return ["# Coordinates are places in an image: unit and axes are known."]
    guesses = {item.guess for item in recordings if item.units is None} - {None}
    up = ["# The axis that points up, where the files do not say it: y, -y, z, ... Bodies are turned to it.", "# up: y"]
    if len(guesses) == 1 and not guesses & {"m"} and all(item.units is None for item in recordings):
        return ["# The unit, guessed from the size of the bodies: is it right?", _line("units", guesses.pop()), *up]
    return ["# The unit, where the files do not say it: m, cm or mm. Bodies become metres.", "# units: m", *up]


def _subject_lines(recordings: Sequence[Recording]) -> list[str]:
    """Who performs, and who is scored."""
    told = sorted({item.subject for item in recordings if item.subject is not None})
    if len(told) > 1 and all(item.subject is not None for item in recordings):
        return [
            f"# Subjects that are scored, of {len(told)} that the files name: others than those who train.",
            _line("test_subjects", told[1::2]),
        ]
    guess = guess_subjects([item.name for item in recordings])
    if guess is None:
        return [
            "# Who performs: a regular expression that is searched in <class>/<file>; its group is the subject.",
            "# Without it a share of each class is scored, and a person may be in both parts.",
            "# subject_pattern: 's(\\d+)'",
            "# test_subjects: [1, 2]",
        ]
    pattern, counts = guess
    shown = ", ".join(f"{name} ({count})" for name, count in list(counts.items())[:_SUBJECTS_SHOWN])
    more = ", ..." if len(counts) > _SUBJECTS_SHOWN else ""
    return [
        f"# Who performs, guessed from the names: is it right? {len(counts)} subjects (recordings): {shown}{more}",
        _line("subject_pattern", pattern),
        "# Subjects that are scored: others than those who train.",
        _line("test_subjects", [int(name) for name in counts][1::2]),
    ]
