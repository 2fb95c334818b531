"""A pool: sets on one layout, in one unit and frame rate, drawn by weight, without what any of them would score."""

import json
import math
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from helpers import tiny
from helpers.stores import write_store
from jointwise.cli import run
from jointwise.data.checks import check_trainable
from jointwise.data.dataset import Dataset, load_dataset, pool, prepare
from jointwise.data.datasets import DATASETS, address_and_split, is_pool, new_pool_path, pool_members, pool_path, pools
from jointwise.data.sequence import Sequence
from jointwise.data.skeletons import COCO17, H36M17, KINECT20, NTU25, SBU15, Skeleton
from jointwise.data.store import pool as pooling
from jointwise.data.store.conversion import Conversion, Source, common_layout, find_conversion
from jointwise.data.store.pool import build_pool, convert_set
from jointwise.data.store.reader import TRAIN, Description, Store
from jointwise.data.store.shards import Member, Shards
from jointwise.data.store.writer import lock_store
from jointwise.errors import ConfigError, DataError, StoreBusy
from jointwise.report.viewer.sources import find_clips
from jointwise.stages.pretrain import hold_out_share
from jointwise.training.batches import BatchOrder

PLACES = {  # metres, y up; an upper arm of 0.3 m and a thigh of 0.4 m
    f"{side}_{joint}": (sign * x, y, 0)
    for side, sign in (("left", 1), ("right", -1))
    for joint, x, y in (("shoulder", 0.2, 0.4), ("elbow", 0.2, 0.1), ("hip", 0.1, -0.3), ("knee", 0.1, -0.7))
} | {"spine_base": (0, -0.3, 0.1)}


def standing(skeleton: Skeleton, frames: int, **about: object) -> Sequence:
    """A body of which a few joints are known by hand; it moves 1 cm to the side in each frame."""
    positions = np.zeros((1, frames, len(skeleton.joints), 3), np.float32)
    for joint, place in PLACES.items():
        positions[:, :, skeleton.joints.index(joint)] = place
    positions[..., 0] += 0.01 * np.arange(frames)[None, :, None]
    return Sequence(positions, skeleton, **about)  # type: ignore[arg-type]


def source(
    folder: Path, sequences: Iterable[Sequence], tested: Iterable[Sequence] = (), name: str = "a", **about: object
) -> Source:
    """A set of training and test sequences."""
    pairs = [*((sequence, False) for sequence in sequences), *((sequence, True) for sequence in tested)]
    description = Description(name, pairs[0][0].skeleton, ("x",), **({"metres": True} | about))  # type: ignore[arg-type]
    data = Dataset.of(Store(write_store(folder / name, description, pairs)), name)
    return Source(data.store, data.split, data.train.ids, data.test.ids)


def place_of(joint: str, store: Store, item: int = 0, frame: int = 0) -> list[float]:
    sequence = store[item]
    column = sequence.skeleton.joints.index(joint)
    assert sequence.validity[0, frame, column]
    return sequence.positions[0, frame, column].round(4).tolist()


# --- one layout, unit, axes, frame rate ---


def test_joints_are_matched_by_name_and_absent_ones_are_not_valid(tmp_path: Path) -> None:
    sets = [
        source(tmp_path, [standing(KINECT20, 30)], name="a"),
        source(tmp_path, [standing(NTU25, 30)], name="b"),
    ]
    store = build_pool(tmp_path / "pools" / "both", sets)
    assert store.description.skeleton == NTU25
    for joint, place in PLACES.items():
        assert place_of(joint, store, 0) == place_of(joint, store, 1) == pytest.approx(place)
    absent = [NTU25.joints.index(joint) for joint in set(NTU25.joints) - set(KINECT20.joints)]
    assert not store[0].validity[..., absent].any()
    assert store[0].validity.sum() == 30 * 20
    assert store[1].validity.all()
    assert store.mixture[0].notes == ("20 of 25 joints",)


def test_the_middle_of_two_joints_stands_for_one_that_a_set_lacks(tmp_path: Path) -> None:
    sets = [
        source(tmp_path, [standing(KINECT20, 30).on_joints(SBU15.joints)]),
        source(tmp_path, [standing(NTU25, 30)], name="b"),
    ]
    store = build_pool(tmp_path / "pools" / "both", sets)
    assert store.mixture[0].notes == ("16 of 25 joints",)
    assert place_of("spine_base", store) == pytest.approx((0, -0.3, 0))  # between the hips
    assert not store[0].validity[..., NTU25.joints.index("neck")].any()


def test_sets_of_one_layout_keep_it(tmp_path: Path) -> None:
    assert common_layout([KINECT20, KINECT20]) == KINECT20
    assert common_layout([replace(KINECT20, up=2, lateral=1)]) == KINECT20  # but with y up
    assert common_layout([KINECT20, NTU25]) == common_layout([H36M17, KINECT20]) == NTU25


@pytest.mark.parametrize(("up", "lateral", "order"), [(2, 0, (0, 2, 1)), (2, 1, (2, 0, 1)), (0, 1, (1, 0, 2))])
def test_the_axis_that_points_up_becomes_y_by_a_rotation(
    tmp_path: Path, up: int, lateral: int, order: tuple[int, ...]
) -> None:
    """`order`: which axis of y-up data each axis of the set is; its sign keeps a left arm a left arm."""
    upright = standing(NTU25, 20)
    turned = upright.positions[..., order]
    if np.linalg.det(np.eye(3)[list(order)]) < 0:
        depth = ({0, 1, 2} - {up, lateral}).pop()
        turned[..., depth] *= -1
    sequence = replace(upright, positions=turned, skeleton=replace(NTU25, up=up, lateral=lateral))
    store = build_pool(tmp_path / "pools" / "turned", [source(tmp_path, [sequence])])
    for joint, place in PLACES.items():
        assert place_of(joint, store) == pytest.approx(place, abs=1e-4)
    assert f"{'xyz'[up]} up turned to y up" in store.mixture[0].notes


@pytest.mark.parametrize(("factor", "unit"), [(1, None), (100, "centimetres"), (1000, "millimetres")])
def test_an_unknown_unit_is_told_by_the_length_of_limbs(tmp_path: Path, factor: float, unit: str | None) -> None:
    sequence = standing(NTU25, 20)
    sequence = replace(sequence, positions=sequence.positions * factor)
    store = build_pool(tmp_path / "pools" / "units", [source(tmp_path, [sequence], metres=False)])
    assert place_of("left_elbow", store) == pytest.approx(PLACES["left_elbow"], abs=1e-4)
    assert store.mixture[0].notes == ((f"from {unit}",) if unit else ())
    assert store.description.metres


def test_sets_that_cannot_be_brought_into_line_are_refused_before_anything_is_written(tmp_path: Path) -> None:
    good = source(tmp_path, [standing(NTU25, 20)])
    body = standing(NTU25, 20)
    pixels = source(tmp_path, [replace(body, positions=body.positions * 7)], name="p", metres=False)
    image = source(tmp_path, [Sequence(np.ones((9, 17, 2)), COCO17)], name="i", coordinates=2)
    nowhere = source(tmp_path, [replace(body, skeleton=replace(NTU25, up=None))], name="n")
    others = Skeleton("own", tuple("abcde"), (), None)
    strange = source(tmp_path, [Sequence(np.ones((9, 5, 3)), others)], name="s")
    for bad, message in (
        (pixels, r"p: the unit .* mean length is 2.45, no human's"),
        (image, "i: 2 coordinates per joint"),
        (nowhere, "n: its layout 'ntu25' does not say which axis points up"),
        (strange, r"s: only 0 joints of 'ntu25' follow from its own \(a, b, c, d, e\)"),
        (good, "a: named twice"),
    ):
        with pytest.raises(DataError, match=message):
            build_pool(tmp_path / "pools" / "bad", [good, bad])
    with pytest.raises(DataError, match="it names no upper arms and thighs"):
        find_conversion(source(tmp_path, [Sequence(np.ones((9, 5, 3)), others)], name="t", metres=False), others)
    assert not (tmp_path / "pools").exists()
    assert not (tmp_path / pooling.COPIES).exists()


def test_frame_rates_become_one_and_motion_keeps_its_speed(tmp_path: Path) -> None:
    slow, fast = (replace(standing(NTU25, frames), fps=fps) for frames, fps in ((15, 15.0), (60, 60.0)))
    store = build_pool(tmp_path / "pools" / "rates", [source(tmp_path, [slow, fast])])
    assert store.index["frames"].tolist() == [30, 30]  # both lasted a second
    assert set(store.index["fps"].tolist()) == {30.0}
    step = np.diff(store[0].positions[0, 2:-2, 0, 0])  # at the ends half a frame is repeated
    np.testing.assert_allclose(step, 0.005, atol=1e-6)
    np.testing.assert_allclose(np.diff(store[1].positions[0, 2:-2, 0, 0]), 0.02, atol=1e-6)
    assert store.mixture[0].notes == ("from 15, 60 frames a second",)


def test_a_long_recording_is_cut_into_equal_windows_each_centred_and_known_by_its_recording(tmp_path: Path) -> None:
    short, long = (standing(NTU25, frames, source=f"r{frames}", subject=4) for frames in (150, 301))
    long.validity[:, 200:, :] = False  # nobody there in the last window
    taken = source(tmp_path, [short, long])
    store = build_pool(tmp_path / "pools" / "long", [taken])
    assert store.names.tolist() == ["a/r150", "a/r301", "a/r301 from 3.3 s"]
    assert store.index["frames"].tolist() == [150, 100, 100]  # without the frame in which nobody is
    for item in range(3):
        assert place_of("spine_mid", store, item) == [0, 0, 0]
    assert store.digests.tolist() == [taken.store.digests[0], taken.store.digests[1], taken.store.digests[1]]
    assert store.mixture[0].hours == pytest.approx(350 / 30 / 3600, abs=1e-4)


# --- what is in it, and how often ---


def test_what_a_set_would_score_is_in_no_set(tmp_path: Path) -> None:
    seen, shared, scored = (standing(NTU25, frames, source=str(frames)) for frames in (20, 21, 22))
    sets = [source(tmp_path, [seen], [scored]), source(tmp_path, [shared, scored], [shared], name="b")]
    with pytest.raises(DataError, match="b: each of its training sequences is in a test part"):
        build_pool(tmp_path / "pools" / "p", sets)
    sets[1] = source(tmp_path, [seen, scored], [shared], name="c")
    data = Dataset.of(build_pool(tmp_path / "pools" / "p", sets), "p")
    assert data.train.names == ["a/20", "c/20"]
    assert (len(data.test), data.classes) == (0, ())
    assert data.store.mixture[1].notes == ("1 left out: in the test part of a set",)
    assert data.train.labels.tolist() == [-1, -1]
    assert Dataset.of(data.store, "p", "all").train.names == data.train.names


def test_weights_are_the_square_roots_of_hours_unless_they_are_given(tmp_path: Path) -> None:
    sets = [
        source(tmp_path, [standing(NTU25, 100)] * 9, name="large", terms="cite"),
        source(tmp_path, [standing(NTU25, 100)], name="small"),
    ]
    store = build_pool(tmp_path / "pools" / "p", sets)
    assert [member.share for member in store.mixture] == pytest.approx([0.75, 0.25])
    assert store.mixture[0].weight == pytest.approx(math.sqrt(900 / 30 / 3600), rel=1e-3)
    assert store.description.terms == "large: cite"
    again = build_pool(tmp_path / "pools" / "p", sets, {"small": 3, "large": 1})
    assert [(member.data, member.weight, member.share) for member in again.mixture] == [
        ("large", 1, 0.25),
        ("small", 3, 0.75),
    ]
    assert Store(tmp_path / "pools" / "p").mixture == again.mixture
    assert again.fingerprint != store.fingerprint  # a run of the one is not resumed on the other
    with pytest.raises(ConfigError, match="unknown set of this pool 'smal': did you mean 'small'"):
        build_pool(tmp_path / "pools" / "p", sets, {"smal": 3})
    for weight in (0, -1, math.inf, math.nan):
        with pytest.raises(ConfigError, match="a weight is a positive number"):
            build_pool(tmp_path / "pools" / "p", sets, {"small": weight})


def test_subjects_of_two_sets_stay_apart_and_can_be_held_out(tmp_path: Path) -> None:
    sets = [
        source(tmp_path, [standing(NTU25, 20 + subject, subject=subject) for subject in (7, 8)]),
        source(tmp_path, [standing(NTU25, 20, subject=subject) for subject in (7, None)], name="b"),
    ]
    data = Dataset.of(build_pool(tmp_path / "pools" / "p", sets), "p")
    assert data.train.subjects.tolist() == [1007, 1008, 2007, -1]
    assert data.hold_out([2007]).test.names == ["b/array"]
    assert [member.notes for member in data.store.mixture] == [("subjects 1007 to 1008",), ("subjects 2007 to 2007",)]
    many = [source(tmp_path, [standing(NTU25, 20, subject=1205)], name="c")]
    assert build_pool(tmp_path / "pools" / "q", many).index["subject"].tolist() == [11205]


# --- copies of sets ---


def test_no_set_of_a_pool_is_held_out_whole(tmp_path: Path) -> None:
    """The tenth subject is all of a set, and so is the first recording by content."""
    many = source(tmp_path, [standing(NTU25, 20 + number, subject=number) for number in range(9)], name="many")
    single = [source(tmp_path, [standing(NTU25, 40 + n, subject=1)], name=f"one{n}") for n in range(8)]
    dataset = Dataset.of(build_pool(tmp_path / "pools" / "mixed", [many, *single]), "mixed")
    assert len(set(dataset.train.subjects)) == 17
    held = hold_out_share(dataset)
    assert set(held.store.shards.of(held.train.ids)) == set(range(9))
    assert len(held.train) + len(held.test) == 17
    assert "every tenth" not in held.split


def test_a_set_is_converted_once_for_all_pools_and_again_when_it_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sets = [source(tmp_path, [standing(NTU25, 20)], name=name) for name in "ab"]
    build_pool(tmp_path / "pools" / "one", sets[:1])
    known = build_pool(tmp_path / "pools" / "two", sets)
    with monkeypatch.context() as patch:
        patch.setattr(Conversion, "convert", lambda *_: pytest.fail("converted again"))
        build_pool(tmp_path / "pools" / "other", sets[1:])
        assert build_pool(tmp_path / "pools" / "two", sets).revision == known.revision
    sets[1] = source(tmp_path, [standing(NTU25, 25)], name="b")
    assert build_pool(tmp_path / "pools" / "two", sets).index["frames"].tolist() == [20, 25]
    assert Store(tmp_path / "pools" / "other")[0].frames == 20  # runs on it can go on


def test_an_interrupted_conversion_goes_on_and_leaves_the_copy_of_one_that_was_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken = source(tmp_path, [standing(NTU25, 160 + number, source=str(number)) for number in range(4)])
    conversion = find_conversion(taken, NTU25)

    def stop(items: Iterable[int], _count: int, _title: str) -> Iterable[int]:
        for number, item in enumerate(items):
            if number == 2:
                raise KeyboardInterrupt
            yield item

    with pytest.raises(KeyboardInterrupt):
        convert_set(taken, conversion, tmp_path / "copies", stop)
    added: list[str] = []
    write = pooling.StoreWriter.add
    monkeypatch.setattr(
        pooling.StoreWriter,
        "add",
        lambda self, name, *rest, **more: (added.append(name), write(self, name, *rest, **more)),
    )
    whole = convert_set(taken, conversion, tmp_path / "copies")
    assert [name.split(" ")[0] for name in added] == ["a/2", "a/2", "a/3", "a/3"]
    assert whole.fingerprint == convert_set(taken, conversion, tmp_path / "others").fingerprint
    assert len(whole) == 8


def test_terms_that_a_set_got_later_are_those_of_the_pool(tmp_path: Path) -> None:
    path, sets = tmp_path / "pools" / "both", [standing(NTU25, 30)]
    others = [source(tmp_path, [standing(KINECT20, 30)], name="b")]
    before = build_pool(path, [source(tmp_path, sets), *others])
    assert before.description.terms == ""
    after = build_pool(path, [source(tmp_path, sets, terms="ask first"), *others])
    assert (after.description.terms, after.mixture[0].terms) == ("a: ask first", "ask first")
    assert after.fingerprint == before.fingerprint  # the same motion, drawn alike


def test_two_commands_that_make_the_same_pool_wait_for_each_other(sets: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = pool_path("mine")
    waited: list[float] = []
    with lock_store(place) as _, pytest.raises(StoreBusy, match="another jointwise is preparing it"), lock_store(place):
        pass
    held = lock_store(place)
    held.__enter__()

    def sleep(seconds: float) -> None:
        waited.append(seconds)
        held.__exit__(None, None, None)

    monkeypatch.setattr("jointwise.data.dataset.time.sleep", sleep)
    assert len(pool("mine", [tiny.NAME]).train) == 30
    assert waited == [1.0]
    assert [path.name for path in place.parent.iterdir()] == ["mine"]


# --- the order of samples ---

POOLS = given(
    sizes=st.lists(st.integers(1, 40), min_size=1, max_size=5),
    weights=st.lists(st.integers(1, 20), min_size=5, max_size=5),
    batch=st.integers(1, 30),
    seed=st.integers(0, 9),
)


@POOLS
def test_each_set_has_its_share_of_every_epoch_and_of_every_batch(
    sizes: list[int], weights: list[int], batch: int, seed: int
) -> None:
    weights = weights[: len(sizes)]
    shards = Shards.of_sizes(sizes).with_sampling(weights)
    order = BatchOrder(torch.arange(sum(sizes)), batch, seed, shards)
    shares = np.array(weights) / sum(weights)
    assert np.abs(order.quotas - np.maximum(1, sum(sizes) * shares)).max() <= 0.5
    for epoch in range(3):
        drawn = np.bincount(shards.of(order._shuffled(epoch).numpy()), minlength=len(sizes))
        assert drawn.tolist() == order.quotas.tolist()
    for step in range(5):
        found = np.bincount(shards.of(order[step].numpy()), minlength=len(sizes))
        expected = order.batch_size * order.quotas / order.size
        assert np.abs(found - expected).max() <= 1 + len(sizes) / 2
        assert (np.diff(shards.of(order[step].numpy())).sum() >= 0).all()


@POOLS
def test_the_recordings_of_a_set_all_come_before_one_comes_again(
    sizes: list[int], weights: list[int], batch: int, seed: int
) -> None:
    shards = Shards.of_sizes(sizes).with_sampling(weights[: len(sizes)])
    order = BatchOrder(torch.arange(sum(sizes)), batch, seed, shards)
    stream = torch.cat([order._shuffled(epoch) for epoch in range(4)]).numpy()
    for number, size in enumerate(sizes):
        own = stream[shards.of(stream) == number]
        for begin in range(0, len(own) - size + 1, size):
            assert len(set(own[begin : begin + size].tolist())) == size


@POOLS
def test_weights_as_large_as_the_sets_give_the_order_without_weights(
    sizes: list[int], weights: list[int], batch: int, seed: int
) -> None:
    plain, weighted = (
        BatchOrder(torch.arange(sum(sizes)), batch, seed, shards)
        for shards in (Shards.of_sizes(sizes), Shards.of_sizes(sizes).with_sampling([0.3 * size for size in sizes]))
    )
    for step in (0, 1, 5, 40):
        assert torch.equal(plain[step], weighted[step])
        assert plain.epoch(step) == weighted.epoch(step)


def test_any_step_can_be_asked_for_first() -> None:
    """So a resumed run sees what it would have seen."""
    shards = Shards.of_sizes([5, 50]).with_sampling([3, 1])
    forth, back = (BatchOrder(torch.arange(55), 8, 0, shards) for _ in range(2))
    batches = [forth[step] for step in range(30)]
    for step in reversed(range(30)):
        assert torch.equal(back[step], batches[step])


def test_a_share_of_the_samples_keeps_the_weights_of_the_sets_it_has() -> None:
    """Such as few labels; a set that has none takes no part."""
    shards = Shards.of_sizes([10, 10, 10]).with_sampling([1, 3, 5])
    ids = torch.tensor([0, 1, 2, 10])
    assert shards.quotas(ids.numpy()).tolist() == [1, 3, 0]
    assert shards.frequencies(ids.numpy()) == pytest.approx([1 / 3, 1 / 3, 1 / 3, 3])
    assert Shards.of_sizes([3, 1]).frequencies(np.arange(4)).tolist() == [1, 1, 1, 1]
    assert shards.with_weights(np.arange(9)) is shards


# --- names and commands ---


def write_gesture(path: Path, frames: int, subject: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    about = {"joints": NTU25.joints, "root": "spine_mid", "up": 1, "lateral": 0, "subject": subject}
    np.savez(path, positions=standing(NTU25, frames).positions, **about)


@pytest.fixture
def sets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with the tiny set, in metres, and a folder `gestures` of the same kind."""
    monkeypatch.setitem(DATASETS, tiny.NAME, tiny.SOURCE_IN_METRES)
    monkeypatch.setenv("JOINTWISE_DATA", str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path)
    prepare(tiny.NAME)
    for number, name in enumerate(("nod/1", "nod/2", "wave/1", "wave/2")):
        write_gesture(tmp_path / "gestures" / f"{name}.npz", 40 + number, subject=1 + number % 2)
    return tmp_path


def test_a_pool_is_data_by_its_name_and_by_its_sets(sets: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(["pool", "mine", tiny.NAME, "gestures/", "--weights", "tiny=2", "gestures=1"])
    printed = capsys.readouterr().out
    assert "66.7 % of an epoch (weight 2), 30 sequences" in printed
    assert "20 of 25 joints" in printed
    named, listed = load_dataset("mine"), load_dataset("tiny,gestures/")
    assert (named.name, listed.name) == ("mine", "tiny_gestures")
    assert named.train.digests == listed.train.digests
    assert listed.arguments == ["--data", "tiny,gestures/"]
    assert [member.share for member in listed.store.mixture] != [member.share for member in named.store.mixture]
    assert [path.name for path in pools()] == ["mine", "tiny_gestures"]
    run(["datasets"])
    assert "mine (pool)" in capsys.readouterr().out
    assert len(find_clips("mine").clips) == 12  # what jointwise view plays
    for name in ("mine", "tiny,gestures/"):
        assert load_dataset(name, split="all").split_name == "all"
    with pytest.raises(ConfigError, match=r"--split fold2: the sets of a pool have splits.* tiny:fold2,gestures/"):
        load_dataset("tiny,gestures/", split="fold2")
    with pytest.raises(ConfigError, match="mine: a pool is not prepared but made: jointwise pool"):
        prepare("mine")
    with pytest.raises(DataError, match="mine: a pool itself"):
        pool("more", ["mine", "gestures/"])
    with pytest.raises(DataError, match=r"mine: a pool has no classes.* one of its sets: tiny, gestures\."):
        check_trainable(named)


def test_a_pool_named_by_its_sets_is_made_again_when_a_set_changes(sets: Path) -> None:
    assert len(load_dataset("tiny,gestures/").train) == 32
    write_gesture(sets / "gestures" / "nod" / "more.npz", 50, subject=1)
    assert len(load_dataset("tiny,gestures/").train) == 33


def test_names_of_pools_and_of_their_sets(sets: Path) -> None:
    assert pool_members("a, b/ ,") == ("a", "b/")
    assert pool_members("a,b/") == ("a", "b/")
    assert pool_members("a") == pool_members("gestures/") == ()
    (sets / "x,y").mkdir()
    assert pool_members("x,y") == ()  # a folder that is there
    assert address_and_split("wmft:fold2") == ("wmft", "fold2")
    assert address_and_split("gestures/") == ("gestures/", None)
    assert pool_path("tiny,deep/gestures/:own").name == "tiny_gestures.own"
    assert len(pool_path(",".join(f"folder{number}/" for number in range(20))).name) < 40
    assert not is_pool("tiny")
    assert not is_pool("none")
    for name in ("tiny", "a/b", "", "a b"):
        with pytest.raises(ConfigError, match="a pool needs a name of its own"):
            new_pool_path(name)
    with pytest.raises(ConfigError, match="unknown split of tiny 'fold2'"):
        pool("p", ["tiny:fold2"])
    with pytest.raises(ConfigError, match="expected the name of a set and a number, such as wmft=2"):
        run(["pool", "p", "tiny", "--weights", "tiny"])


def test_the_mixture_stands_in_the_store_as_it_was(tmp_path: Path) -> None:
    store = build_pool(tmp_path / "pools" / "p", [source(tmp_path, [standing(KINECT20, 20)])])
    (member,) = store.mixture
    header = json.loads((tmp_path / "pools" / "p" / "store.json").read_text())
    assert Member(**header["mixture"][0] | {"notes": ()}) == member
    assert (member.data, member.sequences, member.split) == ("a", 1, "as the test says")
    assert (store.parts[:, 0] == TRAIN).all()
