"""What the recordings of a data set tell as a whole: equal ones, pieces of one, classes, who performs, what is scored.

Nothing is compared pair by pair, so that the time grows with the number of recordings and not with its square.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from jointwise.data.findings import LOOK, STOP, Finding
from jointwise.data.frame_digests import FrameDigests, digest_table, find_overlaps
from jointwise.data.store.reader import TEST, TRAIN, find_duplicates
from jointwise.errors import counted, first_few

CHECKS = (
    "two classes",
    "duplicates",
    "in both parts",
    "class in one part",
    "one recording",
    "small classes",
    "class of one subject",
    "spelling",
    "balance",
    "subjects in both parts",
    "subjects unknown",
)
FEW = 5  # recordings of a class that are few
_UNEVEN = 10  # times the smallest class that the largest has
_SHOWN = 3

Key = TypeVar("Key", bound=Hashable)


@dataclass(frozen=True)
class Member:
    """A recording of a data set, as far as the whole is concerned.

    Args:
        name: Its name in the data set.
        label: Name of its class; None where it has none.
        subject: Who performs; None where that is not known.
        part: TRAIN, TEST or UNUSED, under the split that is looked at.
        frames: Number of frames.
        digest: Of its content: equal for equal recordings only.
        frame_digests: Of its frames, as the function `frame_digests` makes them.
    """

    name: str
    label: str | None
    subject: int | str | None
    part: int
    frames: int
    digest: str
    frame_digests: FrameDigests


@dataclass(frozen=True)
class Shared:
    """A scored recording that is in the training part as well.

    Args:
        train: Name of the training recording that has the most of it.
        test: Its name.
        share: Share of its frames that training recordings have.
        equal: Whether the two are equal.
    """

    train: str
    test: str
    share: float
    equal: bool

    def __str__(self) -> str:
        if self.equal:
            return f"{self.test} equals {self.train}"
        return f"{self.test} has {100 * self.share:.0f} % of its frames in training recordings, such as {self.train}"


def find_shared(
    names: Sequence[str] | npt.NDArray[np.str_],
    digests: list[str],
    frames: npt.NDArray[np.void],
    train: npt.NDArray[np.bool_],
    test: npt.NDArray[np.bool_],
) -> list[Shared]:
    """Find the scored recordings that equal a training recording, or share most of their frames with some.

    Args:
        names: (n,) names of the recordings.
        digests: (n,) digests of the recordings.
        frames: (K,) digests of their frames, as `digest_table` returns them.
        train: (n,) whether a recording trains.
        test: (n,) whether a recording is scored.

    Returns:
        What is shared, whole recordings first.
    """
    equal = find_duplicates(digests, train, test)
    known = {place for _, place in equal}
    found = [(first, place, 1.0, True) for first, place in equal]
    found += [(*pair, False) for pair in find_overlaps(frames, train, test) if pair[1] not in known]
    return [Shared(str(names[first]), str(names[place]), share, same) for first, place, share, same in found]


def check_set(members: Sequence[Member]) -> list[Finding]:
    """Look at the recordings of a data set as a whole.

    Args:
        members: The recordings.

    Returns:
        At most one finding for each of CHECKS.
    """
    groups = _grouped((member.digest, member) for member in members)
    return [
        *_two_classes(groups),
        *_duplicates(groups),
        *check_parts(members),
        *_class_in_one_part(members),
        *_small_classes(members),
        *_class_of_one_subject(members),
        *_spelling(members),
        *_balance(members),
        *_subjects(members),
    ]


def check_parts(members: Sequence[Member], split: str = "") -> list[Finding]:
    """Look for scored recordings that equal training ones, or share most of their frames with them.

    Args:
        members: The recordings.
        split: Name of the split, for the message; empty where there is one only.

    Returns:
        No finding, or one.
    """
    train = np.array([member.part == TRAIN for member in members], bool)
    test = np.array([member.part == TEST for member in members], bool)
    found = find_shared(
        [member.name for member in members],
        [member.digest for member in members],
        digest_table(member.frame_digests for member in members),
        train,
        test,
    )
    if not found:
        return []
    whole = sum(shared.equal for shared in found)
    of = f" of split {split}" if split else ""
    return [
        Finding(
            "in both parts",
            STOP,
            f"{len(found)} of {int(test.sum())} scored recordings{of} are in the training part too, {whole} whole and "
            f"{len(found) - whole} in most of their frames: {first_few([str(one) for one in found], _SHOWN, '; ')}. A "
            "score would partly measure memory, and training refuses this. Keep all pieces of one recording in one "
            "part (subject_pattern or test_files in dataset.yaml), and leave copies out (--skip-list).",
        )
    ]


def _grouped(pairs: Iterable[tuple[Key, Member]]) -> dict[Key, list[Member]]:
    groups: dict[Key, list[Member]] = defaultdict(list)
    for key, member in pairs:
        groups[key].append(member)
    return groups


def _labelled(members: Iterable[Member]) -> dict[str, list[Member]]:
    """Name of each class -> its recordings."""
    return _grouped((member.label, member) for member in members if member.label is not None)


def _two_classes(groups: dict[str, list[Member]]) -> list[Finding]:
    """Equal recordings of different classes."""
    found = [group for group in groups.values() if len({member.label for member in group} - {None}) > 1]
    if not found:
        return []
    lines = [" equals ".join(member.name for member in group[:_SHOWN]) for group in found]
    return [
        Finding(
            "two classes",
            STOP,
            f"{counted(len(found), 'recording')} {_is(len(found))} in two classes at once: "
            f"{first_few(lines, _SHOWN, '; ')}. Which label is right? Move the others away.",
        )
    ]


def _duplicates(groups: dict[str, list[Member]]) -> list[Finding]:
    """Equal recordings of one class in one part."""
    kinds = (_grouped(((member.label, member.part), member) for member in group) for group in groups.values())
    found = [same for group in kinds for same in group.values() if len(same) > 1]
    if not found:
        return []
    copies = sum(len(same) - 1 for same in found)
    lines = [" equals ".join(member.name for member in same[:_SHOWN]) for same in found]
    return [
        Finding(
            "duplicates",
            LOOK,
            f"{counted(copies, 'recording')} {_is(copies)} a copy of another one of the same class: "
            f"{first_few(lines, _SHOWN, '; ')}. Copies weigh double; leave them out with --skip-list.",
        )
    ]


def _class_in_one_part(members: Sequence[Member]) -> list[Finding]:
    """Classes that are scored and never learned, or learned and never scored."""
    if len({member.part for member in members} & {TRAIN, TEST}) < 2:
        return []
    groups = {label: group for label, group in _labelled(members).items() if len(group) > 1}
    parts = {label: {member.part for member in group} for label, group in groups.items()}
    never_learned = sorted(label for label, found in parts.items() if TRAIN not in found and TEST in found)
    never_scored = sorted(label for label, found in parts.items() if TEST not in found and TRAIN in found)
    lines = []
    if never_learned:
        lines.append(f"{_classes(never_learned)} all recordings in the test part, and cannot be learned")
    if never_scored:
        lines.append(f"{_classes(never_scored)} no recording in the test part, and cannot be scored")
    if not lines:
        return []
    message = f"{'; '.join(lines)}. Record more, or leave them out with --without-classes."
    return [Finding("class in one part", STOP if never_learned else LOOK, message)]


def _small_classes(members: Sequence[Member]) -> list[Finding]:
    """Classes with a single recording, and with a few."""
    sizes = {label: len(group) for label, group in _labelled(members).items()}
    single = sorted(label for label, size in sizes.items() if size == 1)
    small = sorted(label for label, size in sizes.items() if 1 < size < FEW)
    found = []
    if single:
        message = f"{_classes(single)} one recording: it can be learned or scored, never both."
        found.append(Finding("one recording", LOOK, message))
    if small:
        message = f"{_classes(small)} fewer than {FEW} recordings: their scores say little."
        found.append(Finding("small classes", LOOK, message))
    return found


def _class_of_one_subject(members: Sequence[Member]) -> list[Finding]:
    """Classes that one subject alone has, where others have others."""
    known = [member for member in members if member.label is not None and member.subject is not None]
    if len({member.subject for member in known}) < 2 or len(_labelled(known)) < 2:
        return []
    groups = {label: group for label, group in _labelled(known).items() if len(group) > 1}
    alone = sorted(label for label, group in groups.items() if len({member.subject for member in group}) == 1)
    if not alone:
        return []
    return [
        Finding(
            "class of one subject",
            LOOK,
            f"{_classes(alone)} one subject alone: to know the person is to know the class, and with subjects apart it "
            "is learned or scored, never both. Record it with others too.",
        )
    ]


def _spelling(members: Sequence[Member]) -> list[Finding]:
    """Classes whose names differ in capitals, spaces, underscores and hyphens only."""
    kinds: dict[str, list[str]] = defaultdict(list)
    for label in sorted(_labelled(members)):
        kinds[_plain(label)].append(label)
    alike = [" and ".join(f"'{label}'" for label in labels) for labels in kinds.values() if len(labels) > 1]
    if not alike:
        return []
    message = f"names of classes differ in spelling only: {first_few(alike, _SHOWN, '; ')}. Give each class one name."
    return [Finding("spelling", STOP, message)]


def _plain(label: str) -> str:
    """A label without capitals and separators; between two digits they count.

    >>> _plain("Sit_Down"), _plain("sit-down "), _plain("take 1-1"), _plain("take 11")
    ('sitdown', 'sitdown', 'take1-1', 'take11')
    """
    return re.sub(r"(?<!\d)[\s_-]+|[\s_-]+(?!\d)", "", label.casefold())


def _balance(members: Sequence[Member]) -> list[Finding]:
    """Classes of very different sizes."""
    sizes = Counter({label: len(group) for label, group in _labelled(members).items()}).most_common()
    if len(sizes) < 2 or sizes[0][1] < _UNEVEN * sizes[-1][1]:
        return []
    (most, many), (least, few) = sizes[0], sizes[-1]
    share = 100 * many / sum(size for _, size in sizes)
    return [
        Finding(
            "balance",
            LOOK,
            f"class '{most}' has {many} recordings, '{least}' {few}. Who always answers '{most}' is right in "
            f"{share:.0f} %: look at the score of each class.",
        )
    ]


def _subjects(members: Sequence[Member]) -> list[Finding]:
    """Whether the parts have subjects in common, or this cannot be known."""
    scored = [member for member in members if member.part == TEST]
    training = [member for member in members if member.part == TRAIN]
    if not scored or not training:
        return []
    unknown = sum(member.subject is None for member in (*scored, *training))
    if unknown:
        return [
            Finding(
                "subjects unknown",
                LOOK,
                f"{unknown} of {len(scored) + len(training)} recordings do not tell their subject. If recordings of "
                "one person or one video are in both parts, a score is too good, and nobody can see it. Say who "
                "performs (subject_pattern in dataset.yaml), or what is scored (test_files).",
            )
        ]
    both = {member.subject for member in scored} & {member.subject for member in training}
    if not both:
        return []
    names = first_few([str(subject) for subject in sorted(both, key=str)], _SHOWN)
    message = f"{counted(len(both), 'subject')} {_is(len(both))} in both parts ({names}): a score then says "
    return [Finding("subjects in both parts", LOOK, f"{message}nothing about new persons.")]


def _classes(labels: list[str]) -> str:
    """Classes as the subject of a sentence, with its verb."""
    if len(labels) == 1:
        return f"class '{labels[0]}' has"
    return f"{len(labels)} classes ({first_few(labels, _SHOWN)}) have"


def _is(count: int) -> str:
    return "is" if count == 1 else "are"
