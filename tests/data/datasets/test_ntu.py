"""NTU RGB+D 60 and 120: names, files, splits typed a second time, the report's quarter, from files to sequences."""

import hashlib
import pickle
import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from jointwise.data import synthetic
from jointwise.data.cleaning import CLEANING
from jointwise.data.datasets.ntu import ACTIONS, NTU60, NTU120
from jointwise.data.datasets.source import DataSource
from jointwise.data.formats import skeleton
from jointwise.data.sequence import Sequence
from jointwise.data.skeletons import NTU25
from jointwise.data.store.reader import INDEX, TEST, TRAIN, UNUSED
from jointwise.errors import DataError, EmptyRecording, ReadError

XSUB60 = {1, 2, 4, 5, 8, 9, 13, 14, 15, 16, 17, 18, 19, 25, 27, 28, 31, 34, 35, 38}
XSUB120 = XSUB60.union(
    {45, 46, 47, 49, 50, 70, 74, 78, 89, 97, 98, 100, 103}, range(52, 60), range(80, 87), range(91, 96)
)


def name_of(setup: int, camera: int, subject: int, repetition: int, action: int) -> str:
    return f"S{setup:03d}C{camera:03d}P{subject:03d}R{repetition:03d}A{action:03d}"


def index_of(names: list[str]) -> np.ndarray:
    """The index of sequences with these names; only label, subject and camera are filled in."""
    index = np.zeros(len(names), INDEX)
    for entry, name in zip(index, names, strict=True):
        entry["camera"] = int(name[5:8])
        entry["subject"] = int(name[9:12])
        entry["label"] = int(name[17:20]) - 1
    return index


def part_of(source: DataSource, split: str, names: list[str]) -> dict[str, int]:
    parts = source.splits[split].rule(index_of(names), names)
    assert parts.shape == (len(names),)
    assert parts.dtype == np.int8
    return dict(zip(names, parts.tolist(), strict=True))


# --- classes and descriptions ---


def test_there_are_120_actions_in_the_official_order() -> None:
    assert len(ACTIONS) == len(set(ACTIONS)) == 120
    assert all(action == action.lower().strip() and action.isascii() for action in ACTIONS)
    known = {
        1: "drink water",
        6: "pickup",
        9: "standing up (from sitting position)",
        24: "kicking something",
        36: "shake head",
        40: "cross hands in front (say stop)",
        43: "falling",
        49: "use a fan (with hand or paper)/feeling warm",
        50: "punching/slapping other person",
        58: "handshaking",
        60: "walking apart from each other",
        61: "put on headphone",
        69: "thumb up",
        80: "squat down",
        97: "arm circles",
        102: "side kick",
        105: "blow nose",
        106: "hit other person with something",
        112: "high-five",
        120: "finger-guessing game (playing rock-paper-scissors)",
    }
    assert {number: ACTIONS[number - 1] for number in known} == known


def test_the_two_data_sets_describe_themselves() -> None:
    assert (NTU60.name, NTU60.count, NTU60.description.classes) == ("ntu60", 56880, ACTIONS[:60])
    assert (NTU120.name, NTU120.count, NTU120.description.classes) == ("ntu120", 114480, ACTIONS)
    for source in (NTU60, NTU120):
        assert source.description.skeleton is NTU25
        assert source.description.coordinates == 3
        assert source.description.cleaning == "clean_ntu"
        assert source.description.cleaning in CLEANING
        assert "research use only" in source.description.terms


@pytest.mark.parametrize(
    "name", ["NTU_RGBD_samples_with_missing_skeletons", "NTU_RGBD120_samples_with_missing_skeletons"]
)
def test_the_authors_lists_of_missing_skeletons_are_found(tmp_path: Path, name: str) -> None:
    path = tmp_path / f"{name}.txt"
    path.touch()
    (tmp_path / "readme.txt").touch()
    assert list(tmp_path.rglob(NTU60.skip_lists)) == list(tmp_path.rglob(NTU120.skip_lists)) == [path]


# --- splits ---


def test_the_first_split_is_x_sub() -> None:
    assert list(NTU60.splits) == ["xsub", "xview", "xsub-quarter"]
    assert list(NTU120.splits) == ["xsub", "xset"]


@pytest.mark.parametrize(("source", "subjects", "train"), [(NTU60, 40, XSUB60), (NTU120, 106, XSUB120)])
def test_x_sub_trains_on_half_of_the_subjects(source: DataSource, subjects: int, train: set[int]) -> None:
    names = [name_of(1, 1 + p % 3, p, 1 + p % 2, 1 + p % 60) for p in range(1, subjects + 1)]
    parts = part_of(source, "xsub", names)
    assert {int(name[9:12]) for name, part in parts.items() if part == TRAIN} == train
    assert set(parts.values()) == {TRAIN, TEST}
    assert len(train) == subjects // 2


def test_x_view_trains_on_cameras_2_and_3() -> None:
    names = [name_of(3, camera, subject, 1, 5) for camera in (1, 2, 3) for subject in (1, 3)]
    parts = part_of(NTU60, "xview", names)
    assert parts == {name: TEST if name[5:8] == "001" else TRAIN for name in names}


def test_x_set_trains_on_even_set_ups() -> None:
    names = [name_of(setup, camera, 7, 2, 61) for setup in range(1, 33) for camera in (1, 3)]
    parts = part_of(NTU120, "xset", names)
    assert {int(name[1:4]) for name, part in parts.items() if part == TRAIN} == set(range(2, 33, 2))
    assert {int(name[1:4]) for name, part in parts.items() if part == TEST} == set(range(1, 32, 2))


def test_x_set_needs_names_that_hold_the_set_up() -> None:
    with pytest.raises(DataError, match=r"'my own' is no name like S018.*Use the split xsub"):
        NTU120.splits["xset"].rule(np.zeros(2, INDEX), [name_of(1, 1, 1, 1, 1), "my own"])


def test_splits_of_nothing_are_empty() -> None:
    for source in (NTU60, NTU120):
        for split in source.splits:
            assert part_of(source, split, []) == {}


# --- the report's quarter ---


def all_names() -> list[str]:
    """As many names as NTU RGB+D 60 has: 158 pairs of subject and set-up, each 3 cameras, 2 repetitions, 60 actions."""
    pairs = [(subject, setup) for setup in (0, 5, 9, 14) for subject in range(1, 41)][:158]
    return [
        name_of(1 + (subject + setup) % 17, camera, subject, repetition, action)
        for subject, setup in pairs
        for camera in (1, 2, 3)
        for repetition in (1, 2)
        for action in range(1, 61)
    ]


@pytest.fixture(scope="module")
def clean_names() -> list[str]:
    """302 names less, as without missing skeletons."""
    names = all_names()
    assert len(set(names)) == 56880
    missing = set(np.random.default_rng(0).choice(56880, 302, replace=False).tolist())
    return [name for i, name in enumerate(names) if i not in missing]


def cell_of(name: str) -> tuple[str, str]:
    return name[9:12], name[17:20]


def test_the_quarter_has_14220_sequences_spread_evenly_over_class_and_subject(clean_names: list[str]) -> None:
    assert len(clean_names) == 56578
    parts = part_of(NTU60, "xsub-quarter", clean_names)
    drawn = [name for name, part in parts.items() if part != UNUSED]
    assert len(drawn) == 14220
    counts = Counter(cell_of(name) for name in drawn)
    for cell, size in Counter(cell_of(name) for name in clean_names).items():
        assert abs(counts[cell] - size * 14220 / 56578) < 1
    cameras = Counter(name[5:8] for name in drawn)
    assert all(abs(count - 14220 / 3) < 200 for count in cameras.values())  # drawn by chance within a cell


def test_the_quarter_is_divided_as_x_sub(clean_names: list[str]) -> None:
    quarter, whole = part_of(NTU60, "xsub-quarter", clean_names), part_of(NTU60, "xsub", clean_names)
    assert all(part in (UNUSED, whole[name]) for name, part in quarter.items())
    train, of_train = (sum(part == TRAIN for part in parts.values()) for parts in (quarter, whole))
    assert abs(train - of_train * 14220 / 56578) < 60


def test_the_quarter_depends_on_the_names_only(clean_names: list[str]) -> None:
    once = part_of(NTU60, "xsub-quarter", clean_names)
    order = np.random.default_rng(1).permutation(len(clean_names))
    assert part_of(NTU60, "xsub-quarter", [clean_names[i] for i in order]) == once


def test_the_quarter_has_not_changed() -> None:
    """A golden value, printed by this test when it fails: another draw would silently be another benchmark."""
    drawn = sorted(name for name, part in part_of(NTU60, "xsub-quarter", all_names()).items() if part != UNUSED)
    assert hashlib.sha256(" ".join(drawn).encode()).hexdigest()[:16] == "67415b55b73e1dac"


def test_the_quarter_of_a_part_of_the_files_is_a_quarter_too(clean_names: list[str]) -> None:
    for count in (1, 2, 7, 100, 1001):
        some = clean_names[:: len(clean_names) // count][:count]
        drawn = sum(part != UNUSED for part in part_of(NTU60, "xsub-quarter", some).values())
        assert drawn == round(count * 14220 / 56578)


# --- files ---


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The 24 embedded actions by subject 3, as NTU files in two folders, among files that are something else."""
    folder = tmp_path_factory.mktemp("ntu")
    synthetic.write_files(folder / "s001", subjects=[3], cameras=[2])
    (folder / "later").mkdir()
    some = folder / "s001" / "S001C002P003R001A001.skeleton"
    for name in ("S018C001P008R001A061", "S001C001P001R001A007", "S017C003P040R002A060", "S018C001P003R001A003"):
        shutil.copy(some, folder / "later" / f"{name}.skeleton")
    for name in ("S001C002P003R001A001.avi", "S01C02P03R01A01.skeleton", "S001C002P003R001A001_copy.skeleton"):
        (folder / name).write_text("not for us")
    (folder / "notes.txt").write_text("S001C002P003R001A001")
    shutil.copy(some, folder / "S001C002P003R002A001.SKELETON")
    return folder


def test_files_are_found_by_their_names_and_ordered_by_them(files: Path) -> None:
    found = NTU60.recordings(files)
    others = ["S001C001P001R001A007", "S017C003P040R002A060", "S001C002P003R002A001"]
    assert list(found.items) == sorted([name_of(1, 2, 3, 1, a) for a in range(1, 25)] + others)
    assert all(path.stem == name and path.is_file() for name, path in found.items.items())
    assert found.parallel
    assert pickle.loads(pickle.dumps(found.read)) is skeleton.read  # worker processes get it by its name


def test_a_folder_with_all_of_ntu_120_serves_for_both(files: Path) -> None:
    extra = {"S018C001P008R001A061", "S018C001P003R001A003"}
    assert set(NTU120.recordings(files).items) - set(NTU60.recordings(files).items) == extra


def test_label_subject_and_camera_come_from_the_name(files: Path) -> None:
    for source in (NTU60, NTU120):
        recordings = source.recordings(files)
        name = "S017C003P040R002A060"
        sequence = recordings.read(recordings.items[name])
        assert (sequence.label, sequence.subject, sequence.camera) == (59, 40, 3)
        assert sequence.source == str(recordings.items[name])
        assert sequence.skeleton is source.description.skeleton
        assert sequence.fps == 30.0


@pytest.mark.parametrize("source", [NTU60, NTU120])
def test_the_error_without_files_says_where_they_come_from(source: DataSource, tmp_path: Path) -> None:
    asked = rf"The files come from .*rose1.ntu.edu.sg.*; then run: jointwise prepare {source.name} --root DIR\.$"
    with pytest.raises(DataError, match=rf"^{source.name}: no \*\.skeleton below {tmp_path}\. {asked}"):
        source.recordings(tmp_path)
    (tmp_path / "a file").touch()
    for place in ("nowhere", "a file"):
        with pytest.raises(DataError, match=rf"{source.name}: .*{place}, which is no folder"):  # as `find_files` says
            source.recordings(tmp_path / place)
    with pytest.raises(DataError, match=rf"^{source.name}: no --root says where its files are\. {asked}"):
        source.recordings(None)


def test_an_ending_in_capitals_is_read_and_other_names_are_counted(files: Path) -> None:
    found = NTU120.recordings(files)
    ((reason, ignored),) = found.ignored.items()
    assert "no name like S001C001P001R001A001" in reason
    assert sorted(path.name for path in ignored) == ["S001C002P003R001A001_copy.skeleton", "S01C02P03R01A01.skeleton"]
    assert "S001C002P003R002A001" in found.items


def test_names_that_differ_in_capitals_only_are_one_name(tmp_path: Path) -> None:
    for ending in ("skeleton", "SKELETON"):
        (tmp_path / f"S001C001P001R001A001.{ending}").touch()
    if len(list(tmp_path.iterdir())) == 2:  # not on a file system that takes both for one
        with pytest.raises(DataError, match="have the same name"):
            NTU60.recordings(tmp_path)


def test_hidden_files_are_no_recordings(tmp_path: Path) -> None:
    for name in ("S001C001P001R001A002", ".S001C001P001R001A001", "._S001C001P001R001A002"):
        (tmp_path / f"{name}.skeleton").touch()
    assert list(NTU60.recordings(tmp_path).items) == ["S001C001P001R001A002"]


def test_the_error_for_files_of_other_set_ups_is_not_that_of_an_empty_folder(tmp_path: Path) -> None:
    (tmp_path / "S018C001P008R001A061.skeleton").touch()
    with pytest.raises(DataError, match=r"ntu60: none of the 1 \*\.skeleton below .* of its set-ups and actions"):
        NTU60.recordings(tmp_path)
    assert len(NTU120.recordings(tmp_path).items) == 1


def test_two_files_of_one_name_are_an_error_that_names_both(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "S001C001P001R001A001.skeleton").touch()
    both = r".*/b/S001C001P001R001A001\.skeleton and .*/a/S001C001P001R001A001\.skeleton have the same name"
    with pytest.raises(DataError, match=f"ntu60: {both}"):
        NTU60.recordings(tmp_path)
    with pytest.raises(DataError, match=f"ntu120: {both}"):
        NTU120.recordings(tmp_path)


@pytest.mark.parametrize("content", ["0\r\n", "2\r\n0\r\n0\r\n"])
def test_a_file_without_frames_or_bodies_is_empty_and_not_damaged(tmp_path: Path, content: str) -> None:
    path = tmp_path / "S001C001P001R001A001.skeleton"
    path.write_text(content)
    with pytest.raises(EmptyRecording, match=r"0 frames|nobody is in any of its 2 frames"):
        NTU60.recordings(tmp_path).read(path)


def test_a_file_with_lines_after_its_0_frames_is_damaged(tmp_path: Path) -> None:
    path = tmp_path / "S001C001P001R001A001.skeleton"
    path.write_text("0\n1\n")
    with pytest.raises(ReadError, match="line 2: the file continues after the 0 frames") as caught:
        skeleton.read(path)
    assert not isinstance(caught.value, EmptyRecording)


# --- from a file to a clean sequence ---


def read_clean(folder: Path, name: str) -> tuple[Sequence, Sequence, dict[str, int]]:
    recordings = NTU60.recordings(folder)
    before = recordings.read(recordings.items[name])
    cleaned = CLEANING[NTU60.description.cleaning](before)
    return before, cleaned.sequence, cleaned.notes


@pytest.mark.parametrize("action", range(1, 25))
def test_the_embedded_actions_keep_their_one_or_two_persons(files: Path, action: int) -> None:
    before, after, notes = read_clean(files, name_of(1, 2, 3, 1, action))
    assert before.persons == after.persons == (2 if action > 20 else 1)
    assert notes == {}
    order = sorted(range(after.persons), key=lambda m: float(after.positions[m, 0, 0, 0]))
    unordered = sorted(range(before.persons), key=lambda m: float(before.positions[m, 0, 0, 0]))
    np.testing.assert_array_equal(after.positions[order], before.positions[unordered])
    np.testing.assert_array_equal(after.validity[order], before.validity[unordered])


def test_two_persons_with_a_chair_a_ghost_and_a_lost_track(files: Path, tmp_path: Path) -> None:
    """In the file: a chair that lies across, a body of 5 frames, and a person whose number changes on the way."""
    two = skeleton.read(files / "s001" / "S001C002P003R001A021.skeleton")
    frames = two.frames
    chair, ghost, *persons = np.repeat(two.positions, 3, 0)[[0, 0, 0, 3, 3]]
    chair = chair[:1][[0] * frames][..., [1, 0, 2]]  # it stands still, lying on its side
    seen = np.zeros((5, frames, 25), bool)
    seen[0] = True  # the chair
    seen[1, 10:15] = True  # the ghost
    seen[2] = two.validity[0]
    seen[3, : frames // 2 - 3] = True  # the second person, lost for three frames, then tracked under another id
    seen[4, frames // 2 :] = True
    path = tmp_path / "S001C002P003R001A050.skeleton"
    skeleton.write(path, Sequence(np.stack([chair, ghost, *persons]), NTU25, seen))
    before, after, notes = read_clean(tmp_path, path.stem)
    assert before.persons == 5
    assert notes == {"tracks of at most 11 frames": 1, "tracks wider than a person (spread)": 1}
    assert after.positions.shape == (2, frames, 25, 3)
    present = after.validity.any(-1)
    changed = int(np.flatnonzero(~present.all(1))[0])
    assert present[1 - changed].all()
    assert np.flatnonzero(~present[changed]).tolist() == [frames // 2 - 3, frames // 2 - 2, frames // 2 - 1]
    np.testing.assert_allclose(
        after.positions[changed][present[changed]], two.positions[1][present[changed]], atol=1e-5
    )
