"""What a look at data finds: the common form of everything that `doctor`, `prepare` and `predict` notice."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from jointwise.errors import cause_of

FINE = "fine"
LOOK = "look"  # worth a look; a training works
STOP = "stop"  # it would spoil a training
UNREADABLE = "unreadable"  # the check of recordings that cannot be read
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


SHOWN = 3  # findings of a check that are shown


@dataclass(frozen=True)
class Group:
    """Findings of one check.

    Args:
        check: Name of the check.
        verdict: The gravest of them.
        count: How many.
        examples: The first of them.
        remedy: What to do about all of them; empty where the messages say it.
    """

    check: str
    verdict: str
    count: int
    examples: tuple[Finding, ...]
    remedy: str = ""


def group_findings(findings: Iterable[Finding], remedies: Mapping[str, str]) -> list[Group]:
    """Put the findings of each check together; of files that cannot be read, those with the same cause.

    Args:
        findings: The findings.
        remedies: Name of a check -> what to do about it.

    Returns:
        The groups, the gravest first, then the largest.
    """
    kinds: dict[tuple[str, str], list[Finding]] = {}
    for finding in findings:
        cause = cause_of(finding.message) if finding.check == UNREADABLE else ""
        kinds.setdefault((finding.check, cause), []).append(finding)
    groups = [
        Group(check, worst(found), len(found), tuple(found[:SHOWN]), remedies.get(check, ""))
        for (check, _), found in kinds.items()
    ]
    return sorted(groups, key=lambda group: (-VERDICTS.index(group.verdict), -group.count))
