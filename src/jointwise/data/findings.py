"""What a look at data finds: the common form of everything that `doctor`, `prepare` and `predict` notice."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

FINE = "fine"
LOOK = "look"  # worth a look; a training works
STOP = "stop"  # it would spoil a training
VERDICTS = (FINE, LOOK, STOP)  # in ascending order


@dataclass(frozen=True)
class Finding:
    """One thing that was noticed.

    Args:
        check: Name of the check, such as `up axis`. Findings of one check are shown together.
        verdict: FINE, LOOK or STOP.
        message: What is there and what to do, as whole sentences; where it stands (frame, joint) is part of it.
        source: The recording; empty for a finding about a whole data set.
    """

    check: str
    verdict: str
    message: str
    source: str = ""


def worst(findings: Iterable[Finding]) -> str:
    """The gravest verdict; FINE without findings.

    >>> worst([Finding("up axis", LOOK, "It stands on its head.")])
    'look'
    """
    return max((finding.verdict for finding in findings), key=VERDICTS.index, default=FINE)
