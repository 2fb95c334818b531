"""Whether the recordings of a data set agree: joints, frame rates, units, axes, lengths."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Protocol

from jointwise.data.conventions import METRES
from jointwise.data.findings import LOOK, STOP, Finding
from jointwise.errors import first_few

CHECKS = ("joints differ", "frame rates differ", "units differ", "axes differ", "sizes differ", "lengths")
_RATES_ALIKE = 1.2  # the highest frame rate over the lowest, of rates that count as the same
_SIZES_ALIKE = 8.0  # the largest body over the smallest, of bodies in one unit: a child lying and a tall man stretched
_MANY_TIMES = 20  # times the median that make a recording long
_LONG_SECONDS = 60.0  # ... if it is also longer than this
_SHOWN = 3


class Recording(Protocol):
    """What is compared of a recording."""

    @property
    def name(self) -> str:
        """Its name in the data set."""

    @property
    def joints(self) -> str:
        """Its layout in words, such as `ntu25, 25 joints, 3D`."""

    @property
    def fps(self) -> float:
        """Frames per second."""

    @property
    def frames(self) -> int:
        """How many."""

    @property
    def units(self) -> str | None:
        """Unit of the coordinates."""

    @property
    def up(self) -> str | None:
        """The axis that points up."""

    @property
    def size(self) -> float | None:
        """Typical size of its bodies in its own unit; None where it says nothing about the unit."""


def check_agreement(recordings: Sequence[Recording]) -> list[Finding]:
    """Look for recordings that differ from the others in what all should have in common.

    Args:
        recordings: The recordings of one data set.

    Returns:
        At most one finding for each of CHECKS.
    """
    return [
        *_differing(
            recordings,
            "joints differ",
            STOP,
            lambda item: item.joints,
            "One data set has one layout: move the others away, or convert them with jointwise convert.",
        ),
        *_frame_rates(recordings),
        *_differing(
            recordings,
            "units differ",
            LOOK if all(item.units is None or item.units in METRES for item in recordings) else STOP,
            lambda item: item.units,
            "prepare brings metres, centimetres and millimetres to metres. Parts of an image become pixels with the "
            "size of the image: jointwise convert FILE --image-size 1920x1080 --out FOLDER.",
        ),
        *_differing(
            recordings,
            "axes differ",
            LOOK,
            lambda item: item.up,
            "prepare turns 3D recordings to one axis. If an axis is wrong, say the right one (up in dataset.yaml holds "
            "for all).",
        ),
        *_sizes(recordings),
        *_lengths(recordings),
    ]


def _differing(
    recordings: Iterable[Recording], check: str, verdict: str, value_of: Callable[[Recording], Any], remedy: str
) -> list[Finding]:
    """One finding where the recordings that have a value do not all have the same; the rarest are named."""
    groups: dict[Any, list[str]] = {}
    for item in recordings:
        if (value := value_of(item)) is not None:
            groups.setdefault(value, []).append(item.name)
    if len(groups) < 2:
        return []
    most, *others = sorted(groups.items(), key=lambda group: -len(group[1]))
    parts = [f"{len(most[1])} have {most[0]}"]
    parts += [
        f"{len(names)} {'has' if len(names) == 1 else 'have'} {value} ({first_few(names, _SHOWN)})"
        for value, names in others[:_SHOWN]
    ]
    parts += [f"{len(others) - _SHOWN} other values"] if len(others) > _SHOWN else []
    return [Finding(check, verdict, f"{'; '.join(parts)}. {remedy}")]


def _frame_rates(recordings: Sequence[Recording]) -> list[Finding]:
    """A finding where frame rates differ by more than the clock of a sensor."""
    rates = [item.fps for item in recordings]
    if not rates or max(rates) <= _RATES_ALIKE * min(rates):
        return []
    return _differing(
        recordings,
        "frame rates differ",
        LOOK,
        lambda item: f"{item.fps:.3g} frames per second",
        "Clips are resampled to one number of frames, whatever the rate: rates may be mixed. If a rate is wrong, "
        "say the right one (fps in dataset.yaml holds for all).",
    )


def _sizes(recordings: Sequence[Recording]) -> list[Finding]:
    """A finding where bodies differ in size as metres and centimetres do."""
    known = sorted((item.size * METRES.get(item.units or "", 1.0), item.name) for item in recordings if item.size)
    if not known or known[-1][0] <= _SIZES_ALIKE * known[0][0]:
        return []
    typical = statistics.median(size for size, _ in known)
    far = [name for size, name in known if not 1 / _SIZES_ALIKE < (size / typical) ** 2 < _SIZES_ALIKE]
    return [
        Finding(
            "sizes differ",
            STOP,
            f"bodies are between {known[0][0]:.3g} ({known[0][1]}) and {known[-1][0]:.3g} ({known[-1][1]}) large, "
            f"{typical:.3g} at the median; {len(far)} are far from it: {first_few(far, _SHOWN)}. If "
            "units are mixed, give all recordings in one.",
        )
    ]


def _lengths(recordings: Sequence[Recording]) -> list[Finding]:
    """A finding where some recordings are many times longer than the others, as uncut ones are."""
    if not recordings:
        return []
    typical = statistics.median(item.frames for item in recordings)
    long = [item for item in recordings if item.frames > max(_MANY_TIMES * typical, _LONG_SECONDS * item.fps)]
    if not long:
        return []
    longest = max(long, key=lambda item: item.frames)
    return [
        Finding(
            "lengths",
            LOOK,
            f"{len(long)} {'is' if len(long) == 1 else 'are'} longer than {_MANY_TIMES} times the median of "
            f"{typical:g} frames, up to {longest.frames} ({longest.frames / longest.fps:.0f} s): "
            f"{first_few([item.name for item in long], _SHOWN)}. Cut them to the action: a clip is a piece of "
            "a recording.",
        )
    ]
