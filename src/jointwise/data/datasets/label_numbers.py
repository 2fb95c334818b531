"""Whether class numbers of prepared arrays count from 0, and fit the actions that names of recordings tell."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from pathlib import Path

from jointwise.data.findings import LOOK, STOP, Finding
from jointwise.data.formats.skeleton import NAME as NTU_NAME
from jointwise.errors import DataError, counted, first_few

CHECK = "class numbers"
_SHOWN = 5


def check_numbers(labels: Iterable[int], known: Collection[int] = ()) -> tuple[Finding, ...]:
    """Look for class numbers that seem to count from 1, and for gaps.

    Args:
        labels: The class of each recording.
        known: Numbers of classes that the whole data set may have, of which some may not be there. Labels then count
            from 1 only if they go up to one of these.

    Returns:
        No finding, or one.
    """
    found = sorted(set(labels))
    gaps = sorted(set(range(found[-1] + 1)) - set(found)) if found else []
    if gaps == [0] and (not known or found[-1] in known):
        message = (
            f"labels are 1 to {found[-1]}, none is 0: do they count from 1? Then subtract 1 from all of them. As it "
            "is, class 0 has no recording and can never be the answer."
        )
        return (Finding(CHECK, STOP, message),)
    if not gaps or known:
        return ()
    numbers = first_few([str(gap) for gap in gaps], _SHOWN)
    message = (
        f"labels go up to {found[-1]}, but {counted(len(gaps), 'number')} between 0 and that {_have(len(gaps))} no "
        f"recording: {numbers}. Number the classes without gaps, unless recordings are missing."
    )
    return (Finding(CHECK, LOOK, message),)


def _have(count: int) -> str:
    return "has" if count == 1 else "have"


def check_actions(path: Path, labelled: Iterable[tuple[str, int]]) -> tuple[Finding, ...]:
    """Compare class numbers with the actions in names of NTU RGB+D, such as A001 in S001C001P001R001A001.

    Args:
        path: The file, for messages.
        labelled: Name and class of each recording; names of another kind say nothing.

    Returns:
        A finding where classes are other ones than the actions of NTU RGB+D; none where they are these.

    Raises:
        DataError: Every class is the number of its action, so that they count from 1.
    """
    told = [(name, label, int(match[5])) for name, label in labelled if (match := NTU_NAME.fullmatch(name))]
    odd = [(name, label, action) for name, label, action in told if label != action - 1]
    if not odd:
        return ()
    name, label, action = odd[0]
    if all(label == action for _, label, action in told):
        raise DataError(
            f"{path}: labels count from 1, jointwise counts from 0: all {counted(len(told), 'label')} equal the action "
            f"in the name (first: {name} has label {label}), where A001 is class 0. Subtract 1 from all labels."
        )
    message = (
        f"{len(odd)} of {len(told)} labels are not those of the actions in the names (first: {name} has label {label}, "
        f"action {action} of NTU RGB+D is {action - 1}). So the classes are numbered, and not named after NTU RGB+D."
    )
    return (Finding(CHECK, LOOK, message),)
