"""What a look at recordings has found: facts of each, findings, and findings of one kind together."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jointwise.data.body_checks import REMEDIES
from jointwise.data.datasets.source import DataSource
from jointwise.data.findings import FINE, Finding, Group, group_findings, worst


@dataclass(frozen=True)
class Look:
    """What was seen of a recording.

    Args:
        name: Its name in the data set, or its path.
        format: Its format; empty where it comes from a store or a prepared file.
        layout: Name of its joint layout.
        joints: The same in words, such as `ntu25, 25 joints, 3D`.
        persons: Number of person slots.
        frames: Number of frames.
        fps: Frames per second.
        units: Unit of the coordinates, as the file says it.
        guess: The unit that its body tells, where the file says none.
        up: The axis that points up, as the file or the layout says it.
        size: Typical diagonal of the box around a body, in 3D in the unit of the file; None in 2D, where it depends on
            the distance, and without a body.
        seen: Share of the joints that are valid.
        label: Number of its class.
        subject: Number of who performs.
        camera: Number of the view.
        assumed: What its reader took for granted.
        digest: Of its content.
        frame_digests: Of its frames, as the function `frame_digests` makes them.
        findings: Of the body in it.
    """

    name: str
    format: str
    layout: str
    joints: str
    persons: int
    frames: int
    fps: float
    units: str | None
    guess: str | None
    up: str | None
    size: float | None
    seen: float
    label: int | None
    subject: int | None
    camera: int | None
    assumed: tuple[str, ...]
    digest: str
    frame_digests: Any
    findings: tuple[Finding, ...]

    def to_json(self) -> dict[str, Any]:
        """The facts, without digests."""
        left_out = ("digest", "frame_digests", "findings")
        return {key: value for key, value in vars(self).items() if key not in left_out}


@dataclass(frozen=True)
class Examination:
    """What was seen of a recording or a data set.

    Args:
        place: What was looked at, as it was given.
        recordings: Those that could be read.
        findings: Of all of them, and of the whole.
        source: The data set; None for a single recording, or where the folder cannot be described.
        folder: The folder of a data set of the user's own; None for anything else.
        prepared: Whether its prepared form was looked at.
    """

    place: str
    recordings: list[Look]
    findings: list[Finding]
    source: DataSource | None = None
    folder: Path | None = None
    prepared: bool = False
    checks: tuple[str, ...] = field(default=())

    @property
    def verdict(self) -> str:
        """The gravest verdict of all findings."""
        return worst(self.findings)

    @property
    def single(self) -> bool:
        """Whether it is a recording on its own."""
        return self.source is None and self.folder is None

    @property
    def groups(self) -> list[Group]:
        """The findings by kind, the gravest first."""
        return group_findings(self.findings, REMEDIES)

    @property
    def fine(self) -> list[str]:
        """The checks that found nothing."""
        found = {finding.check for finding in self.findings if finding.verdict != FINE}
        return [check for check in self.checks if check not in found] if self.recordings else []

    def to_json(self) -> dict[str, Any]:
        """All of it as plain values."""
        return {
            "place": self.place,
            "verdict": self.verdict,
            "fine": self.fine,
            "findings": [vars(finding) for finding in self.findings],
            "recordings": [look.to_json() for look in self.recordings],
        }
