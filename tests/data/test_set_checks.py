"""What a data set as a whole tells: each check with a set that it must find and one that it must not."""

from __future__ import annotations

from dataclasses import replace
from time import perf_counter

import numpy as np
import pytest

from jointwise.data.findings import LOOK, STOP, Finding
from jointwise.data.frame_digests import digest_table, find_overlaps, frame_digests
from jointwise.data.sequence import Sequence
from jointwise.data.set_checks import CHECKS, Member, Shared, check_parts, check_set, find_shared
from jointwise.data.skeletons import NTU25
from jointwise.data.store.reader import TEST, TRAIN, UNUSED

NONE = np.zeros(0, np.uint32)


def member(name: str, label: str = "wave", subject: int | None = 1, part: int = TRAIN, digest: str = "") -> Member:
    return Member(name, label, subject, part, 40, digest or name, NONE)


def healthy() -> list[Member]:
    """Two classes, four subjects, six recordings of each class by each; the last two subjects are scored."""
    return [
        member(f"{label}/{subject}_{take}", label, subject, TRAIN if subject < 3 else TEST)
        for label in ("wave", "bow")
        for subject in (1, 2, 3, 4)
        for take in range(6)
    ]


def found(members: list[Member]) -> dict[str, Finding]:
    findings = check_set(members)
    assert {finding.check for finding in findings} <= set(CHECKS)
    return {finding.check: finding for finding in findings}


def test_a_healthy_set_has_no_findings() -> None:
    assert check_set(healthy()) == []
    assert check_set([]) == []


def test_equal_recordings_in_two_classes_stop() -> None:
    twice = [*healthy(), member("bow/again", "bow", 1, digest="wave/1_0")]
    finding = found(twice)["two classes"]
    assert finding.verdict == STOP
    assert finding.message.startswith("1 recording is in two classes at once: wave/1_0 equals bow/again.")


def test_equal_recordings_of_one_class_are_counted() -> None:
    twice = [*healthy(), member("a", digest="wave/1_0"), member("b", digest="wave/1_0"), member("c", digest="wave/1_1")]
    finding = found(twice)["duplicates"]
    assert finding.verdict == LOOK
    assert finding.message.startswith(
        "3 recordings are a copy of another one of the same class: wave/1_0 equals a equals b"
    )


def test_equal_recordings_in_both_parts_are_all_named_together() -> None:
    twice = [*healthy(), *(member(f"again{take}", "wave", 3, TEST, f"wave/1_{take}") for take in range(4))]
    finding = found(twice)["in both parts"]
    assert finding.verdict == STOP
    assert "4 of 28 scored recordings are in the training part too, 4 whole and 0" in finding.message
    assert "again2 equals wave/1_2; and 1 more" in finding.message
    assert check_parts(twice, "fold2")[0].message.startswith("4 of 28 scored recordings of split fold2")
    assert check_parts([replace(one, part=TRAIN) for one in twice]) == []


def test_classes_in_one_part_are_named() -> None:
    unlearned = [*healthy(), *(member(f"nod{take}", "nod", 3 + take % 2, TEST) for take in range(6))]
    finding = found(unlearned)["class in one part"]
    assert finding.verdict == STOP
    assert finding.message.startswith("class 'nod' has all recordings in the test part, and cannot be learned")
    unscored = [*healthy(), *(member(f"nod{take}", "nod", 1 + take % 2) for take in range(6))]
    assert found(unscored)["class in one part"].verdict == LOOK
    assert check_set([replace(one, part=TRAIN) for one in unscored]) == []  # nothing is scored at all


def test_small_classes_and_classes_of_one_recording_are_named() -> None:
    few = [*healthy(), member("nod/1", "nod"), member("sit/1", "sit", 1), member("sit/2", "sit", 3, TEST)]
    findings = found(few)
    assert (
        findings["one recording"].message == "class 'nod' has one recording: it can be learned or scored, never both."
    )
    assert findings["small classes"].message.startswith("class 'sit' has fewer than 5 recordings")


def test_a_class_that_one_subject_alone_has_is_named() -> None:
    alone = [*healthy(), *(member(f"nod{take}", "nod", 2) for take in range(6))]
    assert "class 'nod' has one subject alone" in found(alone)["class of one subject"].message
    assert "class of one subject" not in found(
        [replace(one, subject=1) for one in alone]
    )  # one subject in all: no news


@pytest.mark.parametrize("other", ["Wave", "wave ", "WAVE", "w-ave", "wa_ve"])
def test_labels_that_differ_in_spelling_only_are_named(other: str) -> None:
    mixed = [
        *healthy(),
        *(member(f"{other}{take}", other, 1 + take % 4, TEST if take % 2 else TRAIN) for take in range(8)),
    ]
    assert found(mixed)["spelling"].verdict == STOP


@pytest.mark.parametrize("other", ["waves", "wave 1", "bow wave"])
def test_labels_that_differ_otherwise_are_not(other: str) -> None:
    mixed = [*healthy(), *(member(f"{other}{take}", other, 1 + take % 4) for take in range(8))]
    assert "spelling" not in found(mixed)


def test_uneven_classes_are_told_with_the_share_of_the_largest() -> None:
    uneven = [*healthy(), *(member(f"more{take}", "bow", 1 + take % 4) for take in range(600))]
    message = found(uneven)["balance"].message
    assert "class 'bow' has 624 recordings, 'wave' 24" in message
    assert "right in 96 %" in message


def test_subjects_that_are_unknown_or_in_both_parts_are_told() -> None:
    unknown = [replace(one, subject=None) for one in healthy()]
    assert found(unknown)["subjects unknown"].message.startswith("48 of 48 recordings do not tell their subject")
    both = [*healthy(), member("wave/late", "wave", 1, TEST)]
    assert "1 subject is in both parts (1)" in found(both)["subjects in both parts"].message
    assert check_set([replace(one, part=TRAIN) for one in unknown]) == []  # nothing is scored


# --- frames ---


def walk(frames: int, seed: int = 0) -> Sequence:
    positions = np.random.default_rng(seed).normal(size=(1, frames, 25, 3)).cumsum(1)
    return Sequence(positions.astype(np.float32), NTU25)


def test_a_pose_keeps_its_digest_wherever_the_origin_is_and_whatever_the_unit() -> None:
    one = walk(400)
    known = frame_digests(one)
    assert 60 < len(known) < 140  # a quarter
    moved = Sequence(one.positions * 1000 + np.float32([5000, -200, 3000]), NTU25)
    assert len(np.intersect1d(known, frame_digests(moved))) > 0.9 * len(known)
    assert len(np.intersect1d(known, frame_digests(walk(400, seed=1)))) <= 1
    hidden = Sequence(one.positions, NTU25, np.broadcast_to(np.arange(25) != 4, (1, 400, 25)))
    assert len(np.intersect1d(known, frame_digests(hidden))) <= 1


def test_padding_does_not_change_digests_and_an_empty_recording_has_none() -> None:
    one = walk(40)
    ghost = Sequence(
        np.concatenate([one.positions, one.positions]), NTU25, np.stack([one.validity[0], ~one.validity[0]])
    )
    assert np.array_equal(frame_digests(ghost), frame_digests(one))
    assert len(frame_digests(Sequence(one.positions, NTU25, ~one.validity))) == 0
    assert len(frame_digests(Sequence(np.zeros((1, 9, 25, 3)), NTU25))) == 0  # all joints in one place: no pose


def test_windows_of_one_recording_are_found_in_the_other_part() -> None:
    video, other = walk(400).positions, walk(400, seed=1).positions
    pieces = [video[:, :200], video[:, 50:250], video[:, 300:], other[:, :100]]
    table = digest_table(frame_digests(Sequence(piece, NTU25)) for piece in pieces)
    train = np.array([True, False, False, False])
    ((first, place, share),) = find_overlaps(table, train, ~train)
    assert (first, place) == (0, 1)
    assert 0.6 < share < 0.9  # 150 of 200 frames, of which a quarter is looked at
    names, digests = ["a", "b", "c", "d"], ["1", "1", "3", "4"]
    assert find_shared(names, digests, table, train, ~train) == [Shared("a", "b", 1.0, equal=True)]
    assert find_overlaps(table[:0], train, ~train) == []


def test_a_piece_is_found_in_whatever_place_it_stands_and_nothing_is_its_own_piece() -> None:
    video = walk(400).positions
    digests = [frame_digests(Sequence(piece, NTU25)) for piece in (video[:, 50:250], video[:, :200])]
    train = np.array([False, True])
    for order in ((0, 1), (1, 0)):
        table = digest_table(digests[place] for place in order)
        ((first, place, _),) = find_overlaps(table, train[[*order]], ~train[[*order]])
        assert (first, place) == (order.index(1), order.index(0))
        assert find_overlaps(table, np.array([True, True]), np.array([False, False])) == []
        assert find_overlaps(table, np.array([False, False]), np.array([True, True])) == []


def test_the_last_pose_that_trains_is_compared_too() -> None:
    """The digests of one recording are those of the other: every one of them is found, also the largest."""
    one = digest_table([frame_digests(walk(400))] * 2)
    train = np.array([True, False])
    assert find_overlaps(one, train, ~train) == [(0, 1, 1.0)]


def test_a_copy_is_found_in_whatever_place_it_stands() -> None:
    names, digests = ["a", "b", "c"], ["1", "1", "1"]
    for place in range(3):
        test = np.arange(3) == place
        (shared,) = find_shared(names, digests, digest_table([NONE] * 3), ~test, test)
        assert (shared.test, shared.equal) == (names[place], True)


def test_a_recording_of_no_part_is_no_training_recording() -> None:
    left_out = [*healthy(), member("again", part=UNUSED), member("late", "wave", 3, TEST, digest="again")]
    assert "in both parts" not in found(left_out)


def test_a_joint_that_was_not_seen_is_not_one_in_the_place_of_the_first() -> None:
    positions = walk(400).positions.copy()
    positions[:, :, 4] = positions[:, :, 0]
    seen, hidden = (
        Sequence(positions, NTU25, np.broadcast_to(np.arange(25) != joint, (1, 400, 25))) for joint in (25, 4)
    )
    assert len(np.intersect1d(frame_digests(seen), frame_digests(hidden))) <= 1


def test_what_lies_where_nothing_was_seen_changes_no_digest() -> None:
    positions, valid = walk(400).positions.copy(), np.broadcast_to(np.arange(25) != 4, (1, 400, 25))
    before = frame_digests(Sequence(positions, NTU25, valid))
    positions[:, :, 4] = 1e6
    np.testing.assert_array_equal(frame_digests(Sequence(positions, NTU25, valid)), before)


def test_ten_thousand_recordings_take_less_than_a_few_seconds() -> None:
    random = np.random.default_rng(0)
    members = [
        replace(
            member(str(place), f"class {place % 50}", place % 40, TEST if place % 3 else TRAIN),
            frame_digests=random.integers(0, 2**32, 20, dtype=np.uint32),
        )
        for place in range(10_000)
    ]
    begun = perf_counter()
    check_set(members)
    assert perf_counter() - begun < 5
