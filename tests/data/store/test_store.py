"""The store: what goes in comes out, whole or not at all, and never a pickle."""

import errno
import gc
import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import jointwise.data.store.writer
from helpers import tiny
from helpers.stores import ABOUT, SPLIT, forget_metres, write_store
from jointwise.data.centring import PREPARATION, prepare_sequence
from jointwise.data.dataset import Dataset
from jointwise.data.frame_digests import TABLE
from jointwise.data.sequence import Sequence
from jointwise.data.skeletons import KINECT20, NTU25, Skeleton
from jointwise.data.store.reader import TEST, TRAIN, Store
from jointwise.data.store.writer import StoreWriter
from jointwise.errors import DataError, ReadError, StorageError, StoreBusy

DESCRIPTION = tiny.SOURCE.description


def some(count: int = 4) -> list[tuple[Sequence, bool]]:
    return [(tiny.walk(0, subject, 1), subject % 2 == 0) for subject in range(1, count + 1)]


def read_all(path: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in sorted(path.iterdir())}


def assert_same(read: Sequence, written: Sequence) -> None:
    expected = prepare_sequence(written)
    np.testing.assert_array_equal(read.positions, expected.positions)
    np.testing.assert_array_equal(read.validity, expected.validity)
    assert read.skeleton == expected.skeleton
    assert read.source == Path(written.source).name
    for name in ("label", "subject", "camera", "fps"):
        assert getattr(read, name) == getattr(expected, name), name


def test_sequences_come_back_as_they_were_prepared(dataset: Dataset) -> None:
    for read, written in zip((dataset.store[i] for i in range(60)), tiny.sequences(), strict=True):
        assert_same(read, written)


def test_the_share_of_valid_joints_is_that_of_all_rows(dataset: Dataset) -> None:
    assert dataset.store.valid_share() == np.asarray(dataset.store.valid).mean()
    assert 0 < dataset.store.valid_share() <= 1


@settings(max_examples=15, deadline=None)
@given(
    shapes=st.lists(st.tuples(st.integers(1, 3), st.integers(1, 9)), min_size=1, max_size=5), seed=st.integers(0, 99)
)
def test_ragged_persons_and_frames_come_back_each_at_its_place(
    tmp_path_factory: pytest.TempPathFactory, shapes: list[tuple[int, int]], seed: int
) -> None:
    random = np.random.default_rng(seed)
    written = [
        Sequence(random.normal(size=(*shape, 20, 3)), KINECT20, random.random((*shape, 20)) < 0.9, source=f"{place}")
        for place, shape in enumerate(shapes)
    ]
    store = Store(write_store(tmp_path_factory.mktemp("s") / "store", DESCRIPTION, [(s, False) for s in written]))
    assert len(store) == len(written)
    for place, sequence in enumerate(written):
        assert_same(store[place], sequence)


def test_the_header_keeps_description_and_preparation(tmp_path: Path) -> None:
    store = Store(write_store(tmp_path / "store", DESCRIPTION, some()))
    assert store.description == DESCRIPTION
    assert store.preparation == PREPARATION
    assert store.splits == {SPLIT: ABOUT}
    assert store.parts[:, 0].tolist() == [TRAIN, TEST, TRAIN, TEST]


@pytest.mark.parametrize("metres", [True, False])
def test_a_store_keeps_whether_it_is_in_metres(tmp_path: Path, metres: bool) -> None:
    store = Store(write_store(tmp_path / "store", replace(DESCRIPTION, metres=metres), some()))
    assert store.description.metres is metres


@pytest.mark.parametrize(
    ("name", "metres"),
    [
        ("synthetic", True),
        ("utd-mhad", True),
        ("sbu", True),
        ("wmft", True),
        ("ntu60", True),
        ("ntu120", True),
        ("tiny", False),
        ("my-folder", False),
    ],
)
def test_a_store_without_the_key_is_in_metres_if_a_registered_data_set_in_metres_was_stored(
    tmp_path: Path, name: str, metres: bool
) -> None:
    path = write_store(tmp_path / "store", replace(DESCRIPTION, data=name), some())
    before = Store(path)
    forget_metres(path)
    assert Store(path).description == replace(before.description, metres=metres)
    assert Store(path).fingerprint == before.fingerprint


def test_the_same_sequences_give_the_same_fingerprint_and_others_another(tmp_path: Path) -> None:
    prints = [
        Store(write_store(tmp_path / name, DESCRIPTION, some(count))).fingerprint
        for name, count in (("a", 4), ("b", 4), ("c", 3))
    ]
    assert prints[0] == prints[1] != prints[2]


def test_no_file_of_a_store_is_a_pickle(tmp_path: Path) -> None:
    path = write_store(tmp_path / "store", DESCRIPTION, some())
    arrays = {file.name: np.load(file, allow_pickle=False) for file in path.glob("*.npy")}
    assert {file.name for file in path.iterdir()} == {*arrays, "store.json"}
    assert not any(array.dtype.hasobject for array in arrays.values())
    json.loads((path / "store.json").read_text())


def broken_half_way(error: BaseException) -> Iterator[tuple[Sequence, bool]]:
    yield from some(2)
    raise error


@pytest.mark.parametrize("error", [ReadError("x.mat: damaged"), KeyboardInterrupt(), MemoryError()])
def test_an_error_half_way_leaves_the_old_store_as_it_was(tmp_path: Path, error: BaseException) -> None:
    path = write_store(tmp_path / "store", DESCRIPTION, some())
    before = read_all(path)
    with pytest.raises(type(error)):
        write_store(path, DESCRIPTION, broken_half_way(error))
    assert read_all(path) == before


def test_an_error_half_way_makes_no_store_but_keeps_what_was_written(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        write_store(tmp_path / "store", DESCRIPTION, broken_half_way(KeyboardInterrupt()))
    assert not (tmp_path / "store").exists()
    with StoreWriter(tmp_path / "store", DESCRIPTION, "a test") as writer:
        assert list(writer.entries) == [sequence.source for sequence, _ in some(2)]


def test_an_error_before_the_first_sequence_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(ReadError):
        write_store(tmp_path / "store", DESCRIPTION, chain([], broken_at_once()))
    assert list(tmp_path.iterdir()) == []


def broken_at_once() -> Iterator[tuple[Sequence, bool]]:
    raise ReadError("x.mat: damaged")
    yield


def finished(path: Path, stop_after: int | None, cut: int = 0) -> Store:
    """A store written at once, or in two goes with the last `cut` bytes of every file lost in between."""
    sequences = [prepare_sequence(sequence) for sequence, _ in some()]
    names = [sequence.source for sequence in sequences]
    splits = {SPLIT: (ABOUT, np.full(4, TRAIN, np.int8))}
    if stop_after is not None:
        with StoreWriter(path, DESCRIPTION, "same") as writer:  # left without `finish`, as by Ctrl-C
            for sequence in sequences[:stop_after]:
                writer.add(sequence.source, sequence, {})
        for file in (writer.folder / "positions.npy", writer.folder / "valid.npy", writer.folder / "journal.jsonl"):
            os.truncate(file, max(0, file.stat().st_size - cut))
    with StoreWriter(path, DESCRIPTION, "same") as writer:
        for sequence in sequences:
            if sequence.source not in writer.entries:
                writer.add(sequence.source, sequence, {})
        return Store(writer.finish(names, splits, {}))


@pytest.mark.parametrize("stop_after", [1, 2, 3, 4])
@pytest.mark.parametrize("cut", [0, 1, 7, 500])
def test_an_interrupted_store_is_finished_as_if_written_at_once(tmp_path: Path, stop_after: int, cut: int) -> None:
    whole, resumed = finished(tmp_path / "whole", None), finished(tmp_path / "resumed", stop_after, cut)
    assert resumed.fingerprint == whole.fingerprint
    for a, b in zip((whole[i] for i in range(4)), (resumed[i] for i in range(4)), strict=True):
        assert_same(a, b)
    assert read_all(whole.path)["positions.npy"] == read_all(resumed.path)["positions.npy"]


def test_an_interruption_while_finishing_keeps_what_was_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(jointwise.data.store.writer, "write_all_but_rows", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_store(tmp_path / "store", DESCRIPTION, some())
    with StoreWriter(tmp_path / "store", DESCRIPTION, "a test") as writer:
        assert list(writer.entries) == [sequence.source for sequence, _ in some()]


class Killed(BaseException):
    """What stands for SIGKILL: nothing on the disk changes after it."""


@contextmanager
def killed_after(operations: int) -> Iterator[list[str]]:
    """Do some operations on files, then none any more."""
    done: list[str] = []

    def counted(function: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(*arguments: Any, **options: Any) -> Any:
            if len(done) >= operations:
                raise Killed
            done.append(function.__name__)
            return function(*arguments, **options)

        return wrapped

    with pytest.MonkeyPatch.context() as patch:
        for owner, names in ((Path, ("rename", "unlink", "write_text")), (shutil, ("rmtree",)), (np, ("save",))):
            for name in names:
                patch.setattr(owner, name, counted(getattr(owner, name)))
        yield done


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # nobody closes its files
@pytest.mark.parametrize("before", [True, False])
def test_a_writer_that_is_killed_at_any_operation_is_followed_by_one_that_finishes(
    tmp_path: Path, before: bool
) -> None:
    write_store(tmp_path / "whole", DESCRIPTION, some())
    wanted = Store(tmp_path / "whole").fingerprint
    for operations in range(100):
        place = tmp_path / str(operations) / "store"
        if before:
            write_store(place, DESCRIPTION, some(2))
        with killed_after(operations) as done, suppress(Killed):
            write_store(place, DESCRIPTION, some())
        gc.collect()  # a process that is killed closes its files
        if len(done) == operations:
            write_store(place, DESCRIPTION, some())  # the next `prepare`
        assert Store(place).fingerprint == wanted
        left = {file.name for file in place.parent.iterdir()} - {"store"}
        assert not left, f"after {done}"
        if len(done) < operations:
            break
    assert operations > 8  # all operations were tried


@pytest.mark.parametrize("column", ["label", "subject", "frames", "camera", "fps"])
def test_a_changed_index_is_found_when_the_store_is_opened(tmp_path: Path, column: str) -> None:
    write_store(tmp_path / "store", DESCRIPTION, some())
    index = np.load(tmp_path / "store" / "index.npy")
    index[column][1] -= 1
    np.save(tmp_path / "store" / "index.npy", index)
    with pytest.raises(DataError, match=r"damaged store .* were changed\)\. Delete the folder and prepare it again"):
        Store(tmp_path / "store")


def test_another_split_or_name_is_found_when_the_store_is_opened(tmp_path: Path) -> None:
    for name, change in (("parts", lambda parts: parts[::-1].copy()), ("names", lambda names: np.roll(names, 1))):
        path = write_store(tmp_path / name, DESCRIPTION, some())
        written = np.load(path / f"{name}.npy")
        assert not np.array_equal(change(written), written)
        np.save(path / f"{name}.npy", change(written))
        with pytest.raises(DataError, match=r"names, frame rates or splits were changed"):
            Store(path)
        header = json.loads((path / "store.json").read_text())
        del header["rest_fingerprint"]  # a store of before opens as it did
        (path / "store.json").write_text(json.dumps(header))
        Store(path)


@pytest.mark.parametrize("name", ["positions", "valid"])
@pytest.mark.parametrize("row", [0, -1])
def test_changed_coordinates_are_found_when_the_store_is_opened(tmp_path: Path, name: str, row: int) -> None:
    write_store(tmp_path / "store", DESCRIPTION, some())
    rows = np.load(tmp_path / "store" / f"{name}.npy", mmap_mode="r+")
    rows[row, 0] = 1 - rows[row, 0]
    rows.flush()
    with pytest.raises(DataError, match=r"the coordinates of .* were changed"):
        Store(tmp_path / "store")


@pytest.mark.parametrize("name", ["../../../x", "a/b", "..", "x" * 300])
def test_names_in_a_store_that_would_be_paths_are_refused(tmp_path: Path, name: str) -> None:
    write_store(tmp_path / "store", DESCRIPTION, some())
    file = tmp_path / "store" / "store.json"
    header = json.loads(file.read_text())
    file.write_text(json.dumps(header | {"description": header["description"] | {"data": name}}))
    with pytest.raises(DataError, match=r"store\.json: .* is no name"):
        Store(tmp_path / "store")
    file.write_text(json.dumps(header | {"splits": {name: "a split"}}))
    with pytest.raises(DataError, match=r"store\.json: .* is no name"):
        Store(tmp_path / "store")


def test_the_order_in_which_sequences_are_added_does_not_matter(tmp_path: Path) -> None:
    prepared = [prepare_sequence(sequence) for sequence, _ in some()]
    names, splits = [s.source for s in prepared], {SPLIT: (ABOUT, np.full(4, TRAIN, np.int8))}
    stores = []
    for name, order in (("a", (0, 1, 2, 3)), ("b", (2, 0, 3, 1))):
        with StoreWriter(tmp_path / name, DESCRIPTION, "same") as writer:
            for place in order:
                writer.add(names[place], prepared[place], {})
            stores.append(Store(writer.finish(names, splits, {})))
    assert stores[0].fingerprint == stores[1].fingerprint
    assert stores[0].names.tolist() == stores[1].names.tolist() == names
    for place in range(4):
        assert_same(stores[1][place], prepared[place])


def test_what_was_begun_from_something_else_is_deleted(tmp_path: Path) -> None:
    with StoreWriter(tmp_path / "store", DESCRIPTION, "version 1") as writer:
        writer.add("x", prepare_sequence(some(1)[0][0]), {})
    with StoreWriter(tmp_path / "store", DESCRIPTION, "version 2") as writer:
        assert not writer.entries


def test_a_new_store_takes_the_place_of_the_old_one(tmp_path: Path) -> None:
    path = write_store(tmp_path / "store", DESCRIPTION, some(4))
    write_store(path, DESCRIPTION, some(2))
    assert len(Store(path)) == 2
    assert list(tmp_path.iterdir()) == [path]


def test_folders_left_by_an_earlier_crash_are_replaced(tmp_path: Path) -> None:
    for name, sign in (("store.unfinished", "begun.txt"), ("store.former", "store.json")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "rubbish").write_text("")
        (tmp_path / name / sign).write_text("")
    path = write_store(tmp_path / "store", DESCRIPTION, some(2))
    assert len(Store(path)) == 2
    assert list(tmp_path.iterdir()) == [path]


def test_a_full_disk_says_what_to_do_and_keeps_the_old_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_store(tmp_path / "store", DESCRIPTION, some())
    before = read_all(path)

    def full(self: object, rows: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(jointwise.data.store.writer.GrowingArray, "append", full)
    with pytest.raises(StorageError, match=rf"cannot write {path}: No space left on device.*JOINTWISE_DATA"):
        write_store(path, DESCRIPTION, some(2))
    assert read_all(path) == before


def test_a_folder_that_cannot_be_made_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match=r"cannot write .*JOINTWISE_DATA"):
        write_store(tmp_path / "file" / "store", DESCRIPTION, some())


def test_a_file_in_the_place_of_a_store_is_not_deleted(tmp_path: Path) -> None:
    (tmp_path / "store").write_text("precious")
    with pytest.raises(StorageError, match="store is a file"):
        write_store(tmp_path / "store", DESCRIPTION, some())
    assert (tmp_path / "store").read_text() == "precious"


def test_no_sequence_at_all_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="tiny: not one sequence"):
        write_store(tmp_path / "store", DESCRIPTION, [])


def test_a_sequence_without_a_valid_person_is_named(tmp_path: Path) -> None:
    empty = Sequence(np.zeros((5, 20, 3)), KINECT20, np.zeros((5, 20), bool), source="nobody.mat")
    with pytest.raises(ReadError, match=r"nobody\.mat: no valid person"):
        write_store(tmp_path / "store", DESCRIPTION, [(empty, False)])


def test_a_sequence_of_another_skeleton_is_named(tmp_path: Path) -> None:
    other = Sequence(np.zeros((5, 25, 3)), NTU25, source="other.skeleton")
    with pytest.raises(DataError, match=r"other\.skeleton: skeleton 'ntu25' .* in a store of 'kinect20'"):
        write_store(tmp_path / "store", DESCRIPTION, [(other, False)])
    joints = KINECT20.joints
    for names, differ in (
        ((joints[1], joints[0], *joints[2:]), "the names have another order"),
        (("nose", *joints[1:]), "it lacks head, it adds nose"),
    ):
        other = Sequence(np.zeros((5, 20, 3)), Skeleton("mine", names, (), None))
        with pytest.raises(DataError, match=f"'kinect20' .20 joints. sequences: {differ}"):
            write_store(tmp_path / "store", DESCRIPTION, [(other, False)])


@pytest.mark.parametrize("label", [-1, 5])
def test_a_label_without_a_class_is_named(tmp_path: Path, label: int) -> None:
    odd = Sequence(np.zeros((5, 20, 3)), KINECT20, label=label, source="odd.mat")
    with pytest.raises(DataError, match=rf"odd\.mat: class {label + 1}, but 'tiny' has classes 1 to 5"):
        write_store(tmp_path / "store", DESCRIPTION, [(odd, False)])


def test_the_error_for_a_missing_store_says_how_to_make_it(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no store here\. Make it with: jointwise prepare"):
        Store(tmp_path)


@pytest.mark.parametrize("name", ["positions.npy", "valid.npy", "index.npy", "names.npy", "digests.npy", "parts.npy"])
@pytest.mark.parametrize("damage", ["missing", "empty", "half", "garbage", "shorter"])
def test_every_damaged_array_is_an_error_that_names_the_store(tmp_path: Path, name: str, damage: str) -> None:
    path = write_store(tmp_path / "store", DESCRIPTION, some())
    file = path / name
    content = file.read_bytes()
    if damage == "missing":
        file.unlink()
    elif damage == "shorter":  # a whole file, but of another store
        np.save(file, np.load(file)[:-1])
    else:
        file.write_bytes({"empty": b"", "half": content[: len(content) // 2], "garbage": b"\x00" * 500}[damage])
    with pytest.raises(DataError, match=r"store: damaged store .*Delete the folder and prepare it again"):
        Store(path)


def test_digests_of_frames_may_be_missing_but_not_damaged(tmp_path: Path) -> None:
    path = write_store(tmp_path / "store", DESCRIPTION, some())
    np.save(path / "frames.npy", np.array([(0, 7), (3, 9)], TABLE))
    assert Store(path).frames["digest"].tolist() == [7, 9]
    np.save(path / "frames.npy", np.array([(0, 7), (4, 9)], TABLE))  # of a store with more sequences
    with pytest.raises(DataError, match="damaged store"):
        Store(path)
    (path / "frames.npy").write_bytes(b"")
    with pytest.raises(DataError, match="damaged store"):
        Store(path)
    (path / "frames.npy").unlink()  # as before they were kept
    assert len(Store(path).frames) == 0


@pytest.mark.parametrize("header", ["", "{", "[]", "{}", '{"version": 2}', '{"version": 2, "description": 3}'])
def test_a_damaged_header_is_an_error_that_names_the_store(tmp_path: Path, header: str) -> None:
    path = write_store(tmp_path / "store", DESCRIPTION, some())
    (path / "store.json").write_text(header)
    with pytest.raises(DataError, match=r"store/store\.json: damaged.*Delete the folder and prepare it again"):
        Store(path)


def test_a_pickled_array_is_refused(tmp_path: Path) -> None:
    path = write_store(tmp_path / "store", DESCRIPTION, some())
    np.save(path / "names.npy", np.array(["a", 1, 2, 3], object), allow_pickle=True)
    with pytest.raises(DataError, match="damaged store"):
        Store(path)


def test_the_error_for_another_version_says_prepare_again(tmp_path: Path) -> None:
    path = write_store(tmp_path / "store", DESCRIPTION, some())
    header = json.loads((path / "store.json").read_text())
    (path / "store.json").write_text(json.dumps(header | {"version": 99}))
    with pytest.raises(DataError, match=r"store of version 99, this is 2\. Prepare it again"):
        Store(path)


def test_writing_into_returned_arrays_never_changes_the_store(tmp_path: Path) -> None:
    path = write_store(tmp_path / "store", DESCRIPTION, some(1))
    before = read_all(path)
    store = Store(path)
    store[0].positions[:] = 7
    store.positions[:] = 7
    assert read_all(path) == before
    shutil.rmtree(path)


def test_recordings_that_lie_where_a_store_would_go_are_never_deleted(tmp_path: Path) -> None:
    for name in ("store", "store.former", "store.unfinished"):
        precious = tmp_path / name / "recording.mat"
        precious.parent.mkdir()
        precious.write_text("precious")
        with pytest.raises(StorageError, match=rf"{name} holds something that is no store, and"):
            write_store(tmp_path / "store", DESCRIPTION, some())
        assert precious.read_text() == "precious"
        shutil.rmtree(precious.parent)


def test_a_store_has_one_writer_at_a_time(tmp_path: Path) -> None:
    sequence = prepare_sequence(some(1)[0][0])
    splits = {SPLIT: (ABOUT, np.array([TRAIN], np.int8))}
    with StoreWriter(tmp_path / "store", DESCRIPTION, "same") as first:
        first.add(sequence.source, sequence, {})
        with pytest.raises(StoreBusy, match="another jointwise is preparing it"):
            StoreWriter(tmp_path / "store", DESCRIPTION, "same").__enter__()
        first.finish([sequence.source], splits, {})
        with StoreWriter(tmp_path / "store", DESCRIPTION, "same") as second:  # the store is there: this is the next one
            assert not second.entries
    assert_same(Store(tmp_path / "store")[0], some(1)[0][0])


def test_every_sequence_keeps_its_own_frame_rate(tmp_path: Path) -> None:
    pairs = [(replace(sequence, fps=fps), False) for (sequence, _), fps in zip(some(3), (12.5, 30, 60), strict=True)]
    store = Store(write_store(tmp_path / "store", DESCRIPTION, pairs))
    assert [store[i].fps for i in range(3)] == [12.5, 30, 60]


@pytest.mark.parametrize("name", ["label", "subject", "camera"])
def test_a_number_that_the_index_cannot_hold_is_named(tmp_path: Path, name: str) -> None:
    odd = replace(some(1)[0][0], **{name: 2**40})
    with pytest.raises(DataError, match=rf"{name} 1099511627776 is too large"):
        write_store(tmp_path / "store", DESCRIPTION, [(odd, False)])
