"""jointwise's own .npz files: what is written is read back, and whatever else is in one is named with a remedy."""

import io
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jointwise.data.formats import npz, read
from jointwise.data.sequence import Sequence
from jointwise.data.skeletons import COCO17, NTU25, SKELETONS, Skeleton, unnamed_skeleton
from jointwise.errors import ReadError, StorageError

OWN = Skeleton("upper body", ("left_hand", "chest", "right_hand"), (("chest", "left_hand"),), "chest", None, 0)
BARE = Skeleton("bare", ("a", "b"), (), None, None, None)
RENAMED = Skeleton("ntu25", NTU25.joints, NTU25.bones, "head")  # a known name, another root

numbers = st.none() | st.integers(0, 2**31 - 1)


@st.composite
def sequences(draw: st.DrawFn) -> Sequence:
    skeleton = draw(st.sampled_from([*SKELETONS.values(), OWN, BARE, RENAMED, unnamed_skeleton(4)]))
    shape = (draw(st.integers(1, 3)), draw(st.integers(1, 5)), len(skeleton.joints))
    random = np.random.default_rng(draw(st.integers(0, 2**32)))
    valid = random.random(shape) < draw(st.sampled_from([0.0, 0.5, 1.0]))
    positions = random.normal(size=(*shape, draw(st.sampled_from([2, 3])))).astype(np.float32)
    positions[~valid] = draw(st.sampled_from([0.0, 5.0, np.nan, np.inf]))
    about = {key: draw(numbers) for key in ("label", "subject", "camera")}
    return Sequence(positions, skeleton, valid, draw(st.floats(0.1, 1000)), **about)


def test_more_persons_than_frames_are_read_back_as_they_were_written(tmp_path: Path) -> None:
    before = Sequence(np.arange(30 * 2 * 2 * 3).reshape(30, 2, 2, 3), BARE)
    npz.write(tmp_path / "crowd.npz", before)
    assert (npz.read(tmp_path / "crowd.npz").positions == before.positions).all()


@given(sequences())
def test_what_is_written_is_read_back(tmp_path_factory: pytest.TempPathFactory, before: Sequence) -> None:
    path = tmp_path_factory.mktemp("npz") / "x.npz"
    npz.write(path, before)
    after = read(path)
    np.testing.assert_array_equal(after.positions, before.positions)
    np.testing.assert_array_equal(after.validity, before.validity)
    for key in ("skeleton", "fps", "label", "subject", "camera"):
        assert getattr(after, key) == getattr(before, key), key
    assert after.source == str(path)


def save(folder: Path, **content: Any) -> Path:
    np.savez(folder / "x.npz", **content)
    return folder / "x.npz"


POSITIONS = np.arange(4 * 3 * 2, dtype=float).reshape(4, 3, 2)  # frames, joints, coordinates


def test_positions_alone_are_enough(tmp_path: Path) -> None:
    sequence = read(save(tmp_path, positions=POSITIONS))
    np.testing.assert_array_equal(sequence.positions, POSITIONS[None].astype(np.float32))
    assert sequence.validity.all()
    assert sequence.skeleton == unnamed_skeleton(3)
    assert (sequence.fps, sequence.label, sequence.subject, sequence.camera) == (30.0, None, None, None)


def test_without_a_mask_what_is_not_finite_is_missing(tmp_path: Path) -> None:
    positions = POSITIONS.copy()
    positions[1, 2, 0] = np.nan
    positions[3, 0] = np.inf
    sequence = read(save(tmp_path, positions=positions))
    assert np.argwhere(~sequence.validity).tolist() == [[0, 1, 2], [0, 3, 0]]


def test_with_a_mask_what_is_not_finite_must_be_marked(tmp_path: Path) -> None:
    positions, valid = POSITIONS.copy(), np.ones((4, 3), bool)
    positions[1, 2, 0] = np.nan
    with pytest.raises(ReadError, match=r"x\.npz: .*not finite .*person 0, frame 1, joint 2 \(joint_2\)"):
        read(save(tmp_path, positions=positions, valid=valid))
    valid[1, 2] = False
    assert read(save(tmp_path, positions=positions, valid=valid.astype(np.int8))).validity.sum() == 11


def test_joints_are_named_by_layout_or_one_by_one(tmp_path: Path) -> None:
    coco = np.zeros((2, 17, 2))
    assert read(save(tmp_path, positions=coco, joints="coco17")).skeleton is COCO17
    assert read(save(tmp_path, positions=coco, joints=COCO17.joints)).skeleton is COCO17
    own = read(save(tmp_path, positions=POSITIONS, joints=["left_hip", "knee", "right_hip"])).skeleton
    assert own == Skeleton("joints3", ("left_hip", "knee", "right_hip"), (), None, None, None)
    assert own.mirror_permutation == (2, 1, 0)
    bones = [("knee", "left_hip"), ("knee", "right_hip")]
    own = read(save(tmp_path, positions=POSITIONS, joints=own.joints, bones=bones, root="knee", lateral=0)).skeleton
    assert (own.bones, own.root, own.up, own.lateral) == (tuple(bones), "knee", None, 0)


X = np.zeros((5, 300, 150), np.float32)
REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "many recordings": ({"x_train": X, "y_train": X}, r"holds many recordings, not one. .*--data .*x\.npz"),
    "nothing": ({}, r"no array 'positions' \(found: nothing\)"),
    "other key": ({"pose": POSITIONS}, r"no array 'positions' \(found: pose\)"),
    "flat": ({"positions": POSITIONS.reshape(4, 6)}, r"'positions' has shape \(4, 6\), expected \(persons"),
    "4 coordinates": ({"positions": np.zeros((4, 3, 4))}, r"'positions' has shape \(4, 3, 4\)"),
    "no frame": ({"positions": np.zeros((0, 3, 2))}, r"'positions' has shape \(0, 3, 2\).*no axis empty"),
    "text": ({"positions": np.full((4, 3, 2), "1")}, r"'positions' has type <U1, expected real numbers"),
    "complex": ({"positions": POSITIONS * 1j}, r"'positions' has type complex128"),
    "objects": ({"positions": np.array([None])}, r"Python objects"),
    "short mask": ({"positions": POSITIONS, "valid": np.ones(4)}, r"'valid' has shape \(4,\) .*\(4, 3\)"),
    "real mask": ({"positions": POSITIONS, "valid": np.ones((4, 3))}, r"'valid' .*float64.*true or false"),
    "fps": ({"positions": POSITIONS, "fps": 0}, r"'fps' is 0, expected one number above 0"),
    "fps text": ({"positions": POSITIONS, "fps": "30"}, r"'fps' has type <U2"),
    "label": ({"positions": POSITIONS, "label": 1.5}, r"'label' is 1.5, expected one whole number"),
    "negative": ({"positions": POSITIONS, "camera": -1}, r"'camera' is -1"),
    "subject": ({"positions": POSITIONS, "subject": "anna"}, r"'subject' is 'anna'.*use numbers.*subject_pattern"),
    "big label": ({"positions": POSITIONS, "label": 2**31}, r"'label' is 2147483648, .* from 0 to 2147483647"),
    "big subject": ({"positions": POSITIONS, "subject": 2**40}, r"'subject' is 1099511627776"),
    "big camera": ({"positions": POSITIONS, "camera": np.uint64(2**64 - 1)}, r"'camera' is 18446744073709551615"),
    "up": (
        {"positions": POSITIONS, "joints": list("abc"), "up": 5},
        r"'up' is 5, expected one whole number from 0 to 2",
    ),
    "lateral": ({"positions": POSITIONS, "joints": list("abc"), "lateral": -1}, r"'lateral' is -1"),
    "layout": ({"positions": POSITIONS, "joints": "coco"}, r"'joints': unknown skeleton 'coco': did you mean 'coco17'"),
    "count": ({"positions": POSITIONS, "joints": ["a", "b"]}, r"names 2 joints \(joints2\), but 'positions' has 3"),
    "twice": ({"positions": POSITIONS, "joints": ["a", "b", "b"]}, r"'joints': .*names a joint twice"),
    "numbers": ({"positions": POSITIONS, "joints": [1, 2, 3]}, r"'joints' has type int64, expected text"),
    "bone": ({"positions": POSITIONS, "joints": list("abc"), "bones": [("a", "d")]}, r"unknown joint 'd'"),
    "bones": ({"positions": POSITIONS, "joints": list("abc"), "bones": ["a", "b"]}, r"'bones' has shape \(2,\)"),
    "bones alone": ({"positions": POSITIONS, "bones": [("a", "b")]}, r"'bones' without 'joints'"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_recording_is_refused_with_its_key_and_a_remedy(tmp_path: Path, name: str) -> None:
    content, message = REFUSED[name]
    with pytest.raises(ReadError, match=message) as caught:
        read(save(tmp_path, **content))
    assert str(caught.value).startswith(str(tmp_path / "x.npz"))


def cut(content: bytes) -> bytes:
    return content[: len(content) // 2]


def flip(content: bytes) -> bytes:
    return content[:90] + bytes([content[90] ^ 0xFF]) + content[91:]


@pytest.mark.parametrize("damage", [cut, flip])
def test_a_damaged_file_is_named(tmp_path: Path, damage: Callable[[bytes], bytes]) -> None:
    path = save(tmp_path, positions=POSITIONS)
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(ReadError, match=r"x\.npz: "):
        read(path)


@pytest.mark.parametrize("shape", [(10, 2**41, 3), (10**30,), (-1, 3, 3)])
def test_a_header_that_promises_more_than_there_is_says_damaged(tmp_path: Path, shape: tuple[int, ...]) -> None:
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "<f4", "fortran_order": False, "shape": shape})
    with zipfile.ZipFile(tmp_path / "x.npz", "w") as archive:
        archive.writestr("positions.npy", header.getvalue() + bytes(100))
    with pytest.raises(ReadError, match=r"x\.npz: damaged"):
        read(tmp_path / "x.npz")


def test_a_member_that_is_no_array_is_named(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "x.npz", "w") as archive:
        archive.writestr("positions", b"1 2 3")
    with pytest.raises(ReadError, match=r"x\.npz: 'positions' is no NumPy array"):
        read(tmp_path / "x.npz")


def test_no_message_asks_to_unpickle(tmp_path: Path) -> None:
    path = tmp_path / "x.npz"
    path.write_bytes(b"this is no archive" * 30)
    messages = []
    for content in (None, {"positions": np.array([None])}):
        with pytest.raises(ReadError) as caught:
            read(path if content is None else save(tmp_path, **content))
        messages.append(str(caught.value))
    assert "not an .npz file" in messages[0]
    assert "'positions' holds Python objects" in messages[1]
    assert not any(word in message for message in messages for word in ("allow_pickle", "unsafe"))


def test_a_single_array_under_this_name_is_refused(tmp_path: Path) -> None:
    with (tmp_path / "x.npz").open("wb") as file:
        np.save(file, POSITIONS)
    with pytest.raises(ReadError, match=r"x\.npz: a single array, not an \.npz file"):
        read(tmp_path / "x.npz")


def test_the_error_for_a_folder_that_cannot_be_written_names_it(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="cannot write"):
        npz.write(tmp_path / "no" / "folder" / "x.npz", Sequence(POSITIONS, unnamed_skeleton(3)))
