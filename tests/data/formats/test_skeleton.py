"""The reader and writer of NTU `.skeleton` files."""

from pathlib import Path

import numpy as np
import pytest

from jointwise.data.formats.skeleton import SHARED_ID, read, write
from jointwise.data.sequence import Sequence
from jointwise.data.skeletons import KINECT20, NTU25
from jointwise.errors import ReadError, StorageError

NAME = "S001C002P003R001A024.skeleton"
BIG = 72057594037931101  # 2**53 is 9007199254740992: as floats, this id and the next would be one


def body(identity: int, x: float = 0.0, state: int = 2, joints: int = 25) -> list[str]:
    """One body of one frame: joint v at (x, v / 10, 3)."""
    rows = [f"{x} {v / 10} 3.0 277.4 191.8 1036.2 519.1 0.2 0.03 0.97 0.01 {state}" for v in range(joints)]
    return [f"{identity} 0 1 1 1 1 0 0.02 -0.1 2", str(joints), *rows]


def recording(*frames: list[list[str]], promised: int | None = None) -> list[str]:
    """The lines of a file whose frames hold these bodies."""
    lines = [str(len(frames) if promised is None else promised)]
    for bodies in frames:
        lines += [str(len(bodies)), *(line for lines_of_body in bodies for line in lines_of_body)]
    return lines


def save(folder: Path, lines: list[str], name: str = NAME, end: str = "\r\n") -> Path:
    path = folder / name
    path.write_bytes((end.join(lines) + end).encode())
    return path


def random_sequence() -> Sequence:
    rng = np.random.default_rng(0)
    valid = rng.random((2, 12, 25)) > 0.2
    valid[0, :4] = False  # the first person comes in late, after the second
    valid[1, 6:9] = False
    positions = np.where(valid[..., None], rng.normal((0.0, 0.0, 3.0), 1.0, (2, 12, 25, 3)), 0.0)
    return Sequence(positions.astype(np.float32), NTU25, valid, label=23, subject=3, camera=2, source=NAME[:-9])


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    before = random_sequence()
    write(tmp_path / NAME, before)
    after = read(tmp_path / NAME)
    np.testing.assert_allclose(after.positions, before.positions, atol=1e-4)
    np.testing.assert_array_equal(after.validity, before.validity)
    assert (after.label, after.subject, after.camera, after.fps) == (23, 3, 2, before.fps)
    assert after.source == str(tmp_path / NAME)
    assert after.skeleton is NTU25


def test_a_person_never_seen_keeps_its_slot(tmp_path: Path) -> None:
    valid = np.ones((2, 3, 25), bool)
    valid[1] = False
    write(tmp_path / NAME, Sequence(np.ones((2, 3, 25, 3), np.float32), NTU25, valid))
    after = read(tmp_path / NAME)
    np.testing.assert_array_equal(after.validity, valid)
    assert not after.positions[1].any()


def test_files_are_written_as_ntu_writes_them(tmp_path: Path) -> None:
    write(tmp_path / NAME, random_sequence())
    content = (tmp_path / NAME).read_bytes()
    lines = content.decode("ascii").split("\r\n")
    assert content.count(b"\n") == content.count(b"\r\n")
    assert lines[0] == "12"
    assert len(lines[2].split()) == 10
    assert int(lines[2].split()[0]) > 2**53
    assert lines[3] == "25"
    assert len(lines[4].split()) == 12


@pytest.mark.parametrize("end", ["\r\n", "\n"])
def test_either_line_end_is_read(tmp_path: Path, end: str) -> None:
    sequence = read(save(tmp_path, recording([body(BIG, 0.5)], [body(BIG, 0.6)]), end=end))
    assert sequence.positions.shape == (1, 2, 25, 3)
    np.testing.assert_allclose(sequence.positions[0, :, 7], [[0.5, 0.7, 3.0], [0.6, 0.7, 3.0]], rtol=1e-6)
    assert sequence.validity.all()


def test_label_subject_and_camera_come_from_the_file_name(tmp_path: Path) -> None:
    named = read(save(tmp_path, recording([body(BIG)])))
    assert (named.label, named.subject, named.camera) == (23, 3, 2)
    other = read(save(tmp_path, recording([body(BIG)]), name="my own.skeleton"))
    assert (other.label, other.subject, other.camera) == (None, None, None)


def test_ids_that_differ_only_beyond_float_precision_are_two_bodies(tmp_path: Path) -> None:
    assert float(BIG) == float(BIG + 1)
    sequence = read(save(tmp_path, recording([body(BIG, 1.0), body(BIG + 1, 2.0)])))
    assert sequence.positions[:, 0, 0, 0].tolist() == [1.0, 2.0]


def test_bodies_that_swap_lines_keep_their_slots(tmp_path: Path) -> None:
    frames = [[body(BIG, 1.0), body(BIG + 1, 2.0)], [body(BIG + 1, 2.0), body(BIG, 1.0)]]
    sequence = read(save(tmp_path, recording(*frames)))
    assert sequence.positions[:, :, 0, 0].tolist() == [[1.0, 1.0], [2.0, 2.0]]


def test_a_body_that_vanishes_leaves_a_gap(tmp_path: Path) -> None:
    frames = [[], [body(BIG, 1.0)], [], [body(BIG + 7, 9.0)], [body(BIG, 1.0), body(BIG + 7, 9.0)]]
    sequence = read(save(tmp_path, recording(*frames)))
    assert sequence.validity[:, :, 0].tolist() == [
        [False, True, False, False, True],
        [False, False, False, True, True],
    ]
    assert sequence.positions[:, :, 0, 0].tolist() == [[0, 1, 0, 0, 1], [0, 0, 0, 9, 9]]


def test_inferred_joints_are_valid_and_lost_ones_are_not(tmp_path: Path) -> None:
    sequence = read(save(tmp_path, recording([body(BIG, state=2)], [body(BIG, state=1)], [body(BIG, state=0)])))
    assert sequence.validity[0].all(-1).tolist() == [True, True, False]


def test_a_lost_joint_may_be_not_a_number(tmp_path: Path) -> None:
    lines = recording([body(BIG)])
    lines[4 + 9] = "nan nan nan 0 0 0 0 0 0 0 0 0"
    sequence = read(save(tmp_path, lines))
    assert np.flatnonzero(~sequence.validity[0, 0]).tolist() == [9]
    assert np.isfinite(sequence.positions).all()


@pytest.mark.parametrize("word", ["nan", "-nan", "-1.#IND", "1.#QNAN", "1.#QNAN0", "-nan(ind)"])
def test_a_tracked_joint_that_is_no_number_is_missing(tmp_path: Path, word: str) -> None:
    lines = recording([body(BIG)], [body(BIG)])
    lines[4 + 9] = f"{word} 0.9 3.0 0 0 0 0 0 0 0 0 2"
    sequence = read(save(tmp_path, lines))
    assert np.argwhere(~sequence.validity[0]).tolist() == [[0, 9]]
    assert np.isnan(sequence.positions[0, 0, 9, 0])  # so that `prepare` can count it
    assert np.isfinite(sequence.positions[0, 1]).all()


def test_what_stands_in_columns_that_nobody_reads_is_ignored(tmp_path: Path) -> None:
    sound = read(save(tmp_path, recording([body(BIG)])))
    lines = recording([body(BIG)])
    for joint in range(25):
        x, y, z, *_, state = lines[4 + joint].split()
        lines[4 + joint] = f"{x} {y} {z} -1.#IND 1.#QNAN -1.#INF what nan inf -inf ? {state}"
    other = read(save(tmp_path, lines))
    np.testing.assert_array_equal(other.positions, sound.positions)
    assert other.validity.all()


def test_bodies_of_one_id_are_linked_from_frame_to_frame(tmp_path: Path) -> None:
    frames = [[body(11, 1.0), body(11, 2.0)], [body(11, 2.1), body(11, 1.1)], [body(11, 1.2)]]
    sequence = read(save(tmp_path, recording(*frames)))
    np.testing.assert_allclose(sequence.positions[:, :, 0, 0], [[1.0, 1.1, 1.2], [2.0, 2.1, 0.0]], rtol=1e-6)
    assert sequence.validity[:, :, 0].tolist() == [[True, True, True], [True, True, False]]
    assert sequence.assumed == (SHARED_ID,)
    assert read(save(tmp_path, recording([body(11), body(12)]))).assumed == ()


def edited(line: int, text: str) -> list[str]:
    """Two good frames with one line replaced; lines 1, 2, 3, 4, 5: frames, bodies, fields, joints, first joint."""
    lines = recording([body(BIG)], [body(BIG)])
    lines[line - 1] = text
    return lines


def shifted(*texts: str) -> list[str]:
    """Two good frames with other lines from the second joint of the first on."""
    lines = recording([body(BIG)], [body(BIG)])
    lines[5 : 5 + len(texts)] = texts
    return lines


BROKEN = {
    "cut off": (recording([body(BIG)], promised=103), r"line 30: the file is cut off: line 1 promises 103 .* after 1"),
    "cut in a body": (recording([body(BIG)])[:-3], r"line 27 \(frame 0\): the file is cut off in the middle"),
    "cut before joints": (recording([body(BIG)])[:3], r"line 4 \(frame 0\): the file ends where the number of joints"),
    "too long": ([*recording([body(BIG)]), "1"], r"line 30: the file continues after the 1 frames"),
    "wrong joint count": (recording([body(BIG, joints=20)]), r"line 4 \(frame 0\): 20 joints, but .* has 25"),
    "not a count": (edited(1, "103 frames"), r"line 1: expected the number of frames, found '103 frames'"),
    "no frames": (["0"], r"line 1: the file says that it has 0 frames"),
    "nobody": (recording([], []), "nobody is in any of its 2 frames"),
    "fields": (edited(3, "1 2 3"), r"line 3 \(frame 0\): a body's line has 10 fields, this has 3"),
    "infinite": (edited(40, "inf 0 3 0 0 0 0 0 0 0 0 2"), r"line 40 \(frame 1, left_hand\).*found 'inf 0 3"),
    "infinite in Windows": (edited(6, "0 0 -1.#INF 0 0 0 0 0 0 0 0 2"), r"line 6 \(frame 0, spine_mid\)"),
    "no state": (edited(6, "0 0 3 0 0 0 0 0 0 0 0 -1.#IND"), r"line 6 \(frame 0, spine_mid\): .*tracking state"),
    "a word": (edited(5, "a 0 3 0 0 0 0 0 0 0 0 2"), r"line 5 \(frame 0, spine_base\): .*12 numbers.*found 'a 0"),
    "too few numbers": (edited(6, "0 0 3"), r"line 6 \(frame 0, spine_mid\): .*12 numbers"),
    "blank for a body": (edited(3, " "), r"line 3 \(frame 0\): a body's line has 10 fields, this has 0"),
    "endless count": (edited(2, "1" * 5000), r"line 2 \(frame 0\): expected the number of bodies, found '1{40}'"),
    "endless first count": (edited(1, "1" * 5000), r"line 1: expected the number of frames, found '1{40}'"),
    "one more, one fewer": (
        shifted("0 0 3 0 0 0 0 0 0 0 0 2 0", "0 3 0 0 0 0 0 0 0 0 2"),
        r"line 6 \(frame 0, spine_mid\): .*12 numbers",
    ),
    "tracking state": (edited(6, "0 0 3 0 0 0 0 0 0 0 0 7"), r"line 6 \(frame 0, spine_mid\): .*tracking state"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_file_is_refused_with_its_place_and_what_to_do(tmp_path: Path, name: str) -> None:
    lines, message = BROKEN[name]
    with pytest.raises(ReadError, match=message) as caught:
        read(save(tmp_path, lines))
    assert str(caught.value).startswith(str(tmp_path / NAME))
    assert any(word in str(caught.value) for word in ("again", "leave it out", "Leave it out", "Use the reader"))


def test_a_coordinate_beyond_float32_is_named(tmp_path: Path) -> None:
    path = save(tmp_path, edited(6, "1e39 0 3 0 0 0 0 0 0 0 0 2"))
    with pytest.raises(ReadError, match=r"not finite .*person 0, frame 0, joint 1 \(spine_mid\)"):
        read(path)


def test_a_byte_order_mark_and_more_blanks_between_numbers_do_no_harm(tmp_path: Path) -> None:
    lines = recording([body(BIG, 0.5)])
    lines[6] = "  " + lines[6].replace(" ", " \t ") + " "
    path = save(tmp_path, lines)
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    np.testing.assert_allclose(read(path).positions[0, 0, 2], [0.5, 0.2, 3.0], rtol=1e-6)


def test_files_without_content_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ReadError, match=r"nowhere.skeleton: cannot be read \(No such file"):
        read(tmp_path / "nowhere.skeleton")
    (tmp_path / "empty.skeleton").write_bytes(b"\r\n")
    with pytest.raises(ReadError, match=r"empty.skeleton: the file is empty"):
        read(tmp_path / "empty.skeleton")
    (tmp_path / "zip.skeleton").write_bytes(b"PK\x03\x04" + bytes(range(256)))
    with pytest.raises(ReadError, match=r"zip.skeleton: not a .skeleton file: byte 132 is not text"):
        read(tmp_path / "zip.skeleton")


def test_only_ntu_skeletons_can_be_written(tmp_path: Path) -> None:
    with pytest.raises(ReadError, match="holds the 25 joints of skeleton 'ntu25'"):
        write(tmp_path / NAME, Sequence(np.zeros((1, 2, 20, 3), np.float32), KINECT20))
    with pytest.raises(StorageError, match="cannot write"):
        write(tmp_path / "no" / "folder" / NAME, random_sequence())
