"""Recordings of one data set that differ in what all should have in common are found; those that agree are not."""

from dataclasses import dataclass, replace

import pytest

from jointwise.data.agreement_checks import CHECKS, check_agreement
from jointwise.data.findings import LOOK, STOP


@dataclass(frozen=True)
class Seen:
    name: str
    joints: str = "ntu25, 25 joints, 3D"
    fps: float = 30.0
    frames: int = 60
    units: str | None = "m"
    up: str | None = "y"
    size: float | None = 1.7


TEN = [Seen(f"wave/{number}.npz") for number in range(10)]


def test_recordings_that_agree_have_no_finding() -> None:
    assert check_agreement([]) == []
    assert check_agreement(TEN) == []
    alike = [replace(TEN[0], fps=29.5, frames=700, units=None, up=None, size=0.6), *TEN[1:]]
    assert check_agreement(alike) == []


@pytest.mark.parametrize(
    ("check", "verdict", "change", "words"),
    [
        ("joints differ", STOP, {"joints": "coco17, 17 joints, 2D"}, "1 has coco17, 17 joints, 2D (wave/3.npz)"),
        ("frame rates differ", LOOK, {"fps": 120.0}, "9 have 30 frames per second; 1 has 120 frames per second"),
        ("units differ", LOOK, {"units": "mm", "size": 1700.0}, "9 have m; 1 has mm (wave/3.npz)"),
        ("units differ", STOP, {"units": "px"}, "9 have m; 1 has px (wave/3.npz)"),
        ("axes differ", LOOK, {"up": "-y"}, "9 have y; 1 has -y (wave/3.npz)"),
        ("sizes differ", STOP, {"size": 1700.0}, "1 are far from it: wave/3.npz"),
        ("lengths", LOOK, {"frames": 18000}, "up to 18000 (600 s): wave/3.npz"),
    ],
)
def test_one_that_differs_is_named(check: str, verdict: str, change: dict[str, object], words: str) -> None:
    found = check_agreement([replace(item, **change) if item.name == "wave/3.npz" else item for item in TEN])  # type: ignore[arg-type]
    assert [(finding.check, finding.verdict) for finding in found] == [(check, verdict)]
    assert words in found[0].message


def test_every_check_is_tested_above() -> None:
    assert len(CHECKS) == 6


def test_a_long_recording_counts_only_beside_short_ones_and_if_it_is_long_in_seconds() -> None:
    short = [replace(item, frames=10) for item in TEN]
    assert check_agreement([replace(short[0], frames=900), *short[1:]]) == []  # 30 s
    assert check_agreement([replace(item, frames=18000) for item in TEN]) == []
