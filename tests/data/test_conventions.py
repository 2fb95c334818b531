"""Units and axes: a body tells them, and a conversion keeps it what it is."""

from dataclasses import replace

import numpy as np
import pytest

from helpers.recordings import SBU, UTD_MHAD, WMFT
from jointwise.data.body_shape import Bodies, pieces
from jointwise.data.conventions import METRES, UP, axis_of, convert, guess_units, guess_up, is_mirrored, turn
from jointwise.data.datasets import DATASETS
from jointwise.data.sequence import Sequence
from jointwise.data.skeletons import COCO17, NTU25, unnamed_skeleton
from jointwise.data.synthetic import generate
from jointwise.errors import ConfigError, ReadError

Z_UP = turn("y", "z")
REAL = {"utd-mhad": UTD_MHAD, "sbu": SBU, "wmft": WMFT}


@pytest.fixture(scope="module")
def recordings() -> list[Sequence]:
    """Every action of one person, seen by one camera; the person stands in all of them, but in `lie down`."""
    return list(generate(subjects=(1,), cameras=(2,)))


def moved(sequence: Sequence, matrix: np.ndarray) -> Sequence:
    return replace(sequence, positions=sequence.positions @ np.asarray(matrix, np.float32).T)


def test_a_body_tells_up_unit_and_sides_and_every_spoiled_copy_is_noticed(recordings: list[Sequence]) -> None:
    ups = [guess_up(sequence) for sequence in recordings]
    assert set(ups) <= {"y", None}
    assert ups.count("y") >= 22
    assert {guess_units(sequence) for sequence in recordings} == {"m"}
    assert {is_mirrored(sequence) for sequence in recordings} <= {False, None}
    standing = recordings[ups.index("y")]
    assert is_mirrored(standing) is False
    assert guess_up(moved(standing, np.diag([1, -1, -1]))) == "-y"
    assert guess_up(moved(standing, Z_UP)) == "z"
    assert is_mirrored(moved(standing, Z_UP)) is False
    for axis in range(3):
        assert is_mirrored(moved(standing, np.diag([-1 if axis == place else 1 for place in range(3)])))
    exchanged = standing.positions[:, :, list(NTU25.mirror_permutation)]
    assert is_mirrored(replace(standing, positions=exchanged))
    for unit, metres in METRES.items():
        assert guess_units(moved(standing, np.eye(3) / metres)) == unit


def test_what_cannot_be_known_is_not_guessed(recordings: list[Sequence]) -> None:
    one = recordings[0]
    lying = moved(one, turn("y", "x"))
    assert guess_up(lying) is None
    unnamed = replace(one, skeleton=unnamed_skeleton(25))
    nobody = replace(one, valid=np.zeros(one.validity.shape, bool))
    flat = replace(one, positions=one.positions[..., :2])
    for unknown in (unnamed, nobody):
        assert guess_up(unknown) is guess_units(unknown) is is_mirrored(unknown) is None
    assert is_mirrored(flat) is None
    assert guess_up(flat) == "y"
    assert guess_units(moved(one, np.eye(3) * 25)) is None


def test_flat_recordings_are_pixels_or_parts_of_an_image() -> None:
    poses = np.random.default_rng(0).uniform(100, 400, (6, 17, 2))
    assert guess_units(Sequence(poses, COCO17)) == "px"
    assert guess_units(Sequence(poses / 640, COCO17)) == "image"


@pytest.mark.parametrize("name", REAL)
def test_real_recordings_are_metres_with_y_up_and_not_mirrored(name: str) -> None:
    root = REAL[name]
    if not root.is_dir():
        pytest.skip(f"the recordings of {name} are not here")
    source = DATASETS[name]
    found = source.recordings(root)
    for item in list(found.items.values())[::20]:
        sequence = replace(found.read(item), skeleton=source.description.skeleton)
        assert (guess_up(sequence), guess_units(sequence)) == ("y", "m"), sequence.source
        assert is_mirrored(sequence) is not True, sequence.source


@pytest.mark.parametrize("own", UP)
@pytest.mark.parametrize("up", UP)
def test_a_turn_is_a_rotation_that_takes_one_axis_to_the_other(own: str, up: str) -> None:
    matrix = turn(own, up)
    assert np.linalg.det(matrix) == pytest.approx(1)
    np.testing.assert_array_equal(matrix @ matrix.T, np.eye(3))
    start, end = np.zeros(3), np.zeros(3)
    start[axis_of(own)[0]], end[axis_of(up)[0]] = axis_of(own)[1], axis_of(up)[1]
    np.testing.assert_array_equal(matrix @ start, end)


def test_who_faces_a_camera_with_y_down_faces_it_with_y_up() -> None:
    """Pose estimators say x right, y down, z away; Kinect says x to its left, y up, z away."""
    np.testing.assert_array_equal(turn("-y", "y"), np.diag([-1, -1, 1]))
    np.testing.assert_array_equal(turn("y", "-y"), np.diag([-1, -1, 1]))


def test_converting_undoes_what_was_spoiled_and_says_so(recordings: list[Sequence]) -> None:
    one = recordings[0]
    spoiled = moved(one, 1000 * Z_UP)
    back = convert(spoiled)
    np.testing.assert_allclose(back.positions, one.positions, atol=1e-5)
    assert (back.units, back.up) == ("m", "y")
    assert back.assumed == ("Turned from z up to y up.", "Converted from millimetres to metres.")
    assert convert(one).assumed == ()
    said = convert(replace(spoiled, units="cm", up="y"))
    np.testing.assert_allclose(said.positions, spoiled.positions / 100, rtol=1e-6)
    assert said.skeleton.up == 1


def test_converting_keeps_bones_sides_and_the_layouts_axes(recordings: list[Sequence]) -> None:
    one = recordings[0]
    for up in UP:
        turned = convert(one, units=None, up=up)
        np.testing.assert_allclose(Bodies.of(turned).bones[0], Bodies.of(one).bones[0], rtol=1e-4)
        assert is_mirrored(turned) is False
        axis, sign = axis_of(up)
        assert turned.skeleton.up in ((axis,) if sign > 0 else (None, axis))
        assert turned.skeleton.lateral != axis


def test_in_2d_the_direction_of_an_axis_changes_and_sides_stay() -> None:
    poses = Sequence(np.random.default_rng(0).uniform(0, 9, (3, 17, 2)), COCO17, up="-y")
    flipped = convert(poses, units=None)
    np.testing.assert_array_equal(flipped.positions, poses.positions * [1, -1])
    with pytest.raises(ConfigError, match="no axis z"):
        convert(poses, units=None, up="z")


def test_pixels_never_become_metres_and_unknown_names_are_refused(recordings: list[Sequence]) -> None:
    with pytest.raises(ReadError, match="pixels cannot become metres"):
        convert(replace(recordings[0], units="px"))
    with pytest.raises(ConfigError, match="unknown unit 'feet'"):
        convert(recordings[0], units="feet")
    with pytest.raises(ConfigError, match="unknown axis 'up'"):
        convert(recordings[0], up="up")


def test_what_cannot_be_known_is_left_as_it_is(recordings: list[Sequence]) -> None:
    unnamed = replace(recordings[0], skeleton=unnamed_skeleton(25))
    assert np.array_equal(convert(unnamed).positions, unnamed.positions)
    assert convert(unnamed).up is None


def test_runs_of_numbers() -> None:
    assert pieces(np.array([], int)) == []
    assert pieces(np.array([0, 1, 4])) == [(0, 1), (4, 4)]
