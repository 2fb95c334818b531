"""Bare arrays: the order of their axes is found, or refused with the way to say it."""

import pickle
from itertools import permutations
from pathlib import Path

import numpy as np
import pytest

import jointwise
from jointwise.data.formats import detect, npz, read
from jointwise.data.formats.arrays import fits, from_arrays, in_order
from jointwise.data.sequence import Sequence
from jointwise.data.skeletons import COCO17, NTU25
from jointwise.data.synthetic import generate
from jointwise.errors import ConfigError, ReadError
from jointwise.report.viewer import find_clips

TWO = next(item for item in generate(subjects=(3,), cameras=(2,)) if item.persons == 2)


def turned(points: np.ndarray, order: str) -> np.ndarray:
    return points.transpose(["MTVC".index(letter) for letter in order])


@pytest.mark.parametrize("order", ["".join(letters) for letters in permutations("MTVC")])
def test_every_order_of_the_axes_of_a_motion_is_found_and_said(tmp_path: Path, order: str) -> None:
    np.save(tmp_path / "x.npy", turned(TWO.positions, order))
    sequence = read(tmp_path / "x.npy", layout="ntu25", fps=25)
    np.testing.assert_array_equal(sequence.positions, TWO.positions)
    assert (sequence.skeleton, sequence.fps) == (NTU25, 25.0)
    assert f"taken for {order} (" in sequence.assumed[0]
    assert detect(tmp_path / "x.npy").name == "npy"


@pytest.mark.parametrize("order", ["TVC", "CTV", "VCT"])
def test_as_many_frames_as_joints_are_told_apart_by_steady_bones(tmp_path: Path, order: str) -> None:
    points = TWO.positions[0, :25]
    np.save(tmp_path / "x.npy", points.transpose(["TVC".index(letter) for letter in order]))
    np.testing.assert_array_equal(read(tmp_path / "x.npy").positions[0], points)


def test_rows_of_numbers_are_joints_of_one_or_two_persons(tmp_path: Path) -> None:
    np.save(tmp_path / "one.npy", TWO.positions[0].reshape(-1, 75))
    np.save(tmp_path / "two.npy", TWO.positions.transpose(1, 0, 2, 3).reshape(-1, 150))
    np.testing.assert_array_equal(read(tmp_path / "one.npy").positions, TWO.positions[:1])
    np.testing.assert_array_equal(read(tmp_path / "two.npy").positions, TWO.positions)


def test_what_fits_several_orders_is_refused_with_the_way_to_say_it(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).normal(size=(25, 25, 3))
    np.save(tmp_path / "x.npy", noise)
    with pytest.raises(
        ReadError, match=r"can be read in 2 ways: TVC \(25 frames, 25 joints, 3 coordinates\); VTC .*axes="
    ):
        read(tmp_path / "x.npy")
    np.savez(tmp_path / "x.npz", positions=noise, axes="VTC")
    np.testing.assert_array_equal(read(tmp_path / "x.npz").positions[0], noise.transpose(1, 0, 2).astype(np.float32))
    np.save(tmp_path / "x.npy", np.random.default_rng(0).normal(size=(60, 60)))
    with pytest.raises(ReadError, match=r"15 joints × 4 coordinates.*20 joints × 3 coordinates"):
        read(tmp_path / "x.npy")
    assert read(tmp_path / "x.npy", layout="kinect20").positions.shape == (1, 60, 20, 3)


def test_confidences_are_told_from_coordinates(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    points = random.uniform(100, 900, (9, 17, 3))
    points[..., 2] = random.random((9, 17))
    np.save(tmp_path / "x.npy", points)
    flat = read(tmp_path / "x.npy")
    assert flat.positions.shape == (1, 9, 17, 2)
    assert flat.confidence is not None
    np.testing.assert_allclose(flat.confidence[0], points[..., 2], rtol=1e-6)
    np.testing.assert_array_equal(flat.validity[0], points[..., 2].astype(np.float32) >= 0.3)
    assert any("taken for a confidence, not for z" in sentence for sentence in flat.assumed)
    np.save(tmp_path / "y.npy", np.concatenate([TWO.positions[0], np.ones((TWO.frames, 25, 1))], axis=-1))
    solid = read(tmp_path / "y.npy")
    np.testing.assert_array_equal(solid.positions[0], TWO.positions[0])
    assert solid.confidence is not None


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((9, 3, 30, 25, 2), "holds 9 recordings, not one"),
        ((4, 3, 2), "is no recording: no order of its axes"),
        ((30, 7, 3), "is no recording"),
    ],
)
def test_what_is_no_recording_says_why(tmp_path: Path, shape: tuple[int, ...], message: str) -> None:
    np.save(tmp_path / "x.npy", np.ones(shape))
    assert not fits(shape)
    with pytest.raises(ReadError, match=message):
        read(tmp_path / "x.npy")


def test_python_objects_and_damage_are_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(ReadError, match="holds Python objects, which are not loaded"):
        read(tmp_path / "x.npy")
    (tmp_path / "x.npy").write_bytes(b"\x93NUMPY\x01\x00")
    with pytest.raises(ReadError, match=r"damaged or not an \.npy file"):
        read(tmp_path / "x.npy")


def test_an_npz_without_positions_is_read_where_one_array_fits(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", keypoints=turned(TWO.positions, "CTVM"), fps=25)
    sequence = read(tmp_path / "x.npz")
    np.testing.assert_array_equal(sequence.positions, TWO.positions)
    assert sequence.fps == 25
    assert sequence.assumed[0] == "There is no array 'positions': 'keypoints' is read as the coordinates."
    np.savez(tmp_path / "x.npz", a=TWO.positions, b=TWO.positions)
    with pytest.raises(ReadError, match=r"no array 'positions' \(found: a, b\)"):
        read(tmp_path / "x.npz")


def test_more_persons_than_frames_is_the_sign_of_exchanged_axes(tmp_path: Path) -> None:
    positions = np.random.default_rng(0).normal(size=(40, 1, 25, 3))
    np.savez(tmp_path / "x.npz", positions=positions)
    with pytest.raises(ReadError, match=r"40 persons in 1 frames\. The axes seem to be exchanged.*axes='TMVC'"):
        read(tmp_path / "x.npz")
    np.savez(tmp_path / "x.npz", positions=positions, axes="TMVC", valid=np.ones((40, 1, 25), bool))
    assert read(tmp_path / "x.npz").positions.shape == (1, 40, 25, 3)
    np.savez(tmp_path / "x.npz", positions=positions, axes="MTVC")
    assert read(tmp_path / "x.npz").persons == 40
    np.savez(tmp_path / "x.npz", positions=positions, axes="TVC")
    with pytest.raises(ReadError, match="'axes' is 'TVC', but 'positions' has shape"):
        read(tmp_path / "x.npz")


def test_confidence_units_up_and_what_was_assumed_are_kept_in_npz(tmp_path: Path) -> None:
    before = Sequence(
        np.ones((1, 2, 17, 2)), COCO17, confidence=np.full((1, 2, 17), 0.5), units="px", up="-y", assumed=("A.", "B.")
    )
    npz.write(tmp_path / "x.npz", before)
    after = read(tmp_path / "x.npz")
    assert (after.units, after.up, after.assumed) == ("px", "-y", ("A.", "B."))
    np.testing.assert_array_equal(after.confidence, before.confidence)
    assert not read(tmp_path / "x.npz", min_confidence=0.6).validity.any()
    np.savez(tmp_path / "x.npz", positions=before.positions, confidence=np.ones(3))
    with pytest.raises(ReadError, match=r"'confidence' has shape \(3,\), expected \(1, 2, 17\)"):
        read(tmp_path / "x.npz")


def test_from_arrays_takes_any_order_that_is_named() -> None:
    sequence = jointwise.from_arrays(turned(TWO.positions, "TMVC"), layout="ntu25", fps=30, axes="TMVC")
    np.testing.assert_array_equal(sequence.positions, TWO.positions)
    assert (sequence.units, sequence.up) == ("m", "y")
    flat = from_arrays(TWO.positions[0].reshape(-1, 75), layout=NTU25, fps=30, axes="T(VC)")
    np.testing.assert_array_equal(flat.positions, TWO.positions[:1])
    rated = from_arrays(
        np.ones((5, 2, 17, 2)), np.full((5, 2, 17), 0.2), layout="coco17", fps=30, axes="TMVC", units="px", up="-y"
    )
    assert rated.positions.shape == (2, 5, 17, 2)
    assert not rated.validity.any()
    holes = np.ones((5, 17, 2))
    holes[3, 4] = np.nan
    assert np.argwhere(~from_arrays(holes, layout="coco17", fps=1, axes="TVC").validity).tolist() == [[0, 3, 4]]


@pytest.mark.parametrize("axes", ["TVX", "TVVC", "TV C!", "MC"])
def test_axes_that_are_none_are_explained(axes: str) -> None:
    with pytest.raises(ConfigError, match="expected the letters M"):
        from_arrays(np.ones((5, 17, 2)), layout="coco17", fps=30, axes=axes)


def test_shapes_that_do_not_fit_are_explained() -> None:
    with pytest.raises(ReadError, match=r"axes MTVC do not fit an array of shape \(5, 17, 2\) with 17 joints"):
        from_arrays(np.ones((5, 17, 2)), layout="coco17", fps=30)
    with pytest.raises(ReadError, match="do not fit"):
        in_order(np.ones((5, 52)), "T(VC)", 17)
    with pytest.raises(ReadError, match="the confidences have the shape"):
        from_arrays(np.ones((5, 17, 2)), np.ones((4, 17)), layout="coco17", fps=30, axes="TVC")


def test_aist_keypoints_are_read_and_smpl_is_refused(tmp_path: Path) -> None:
    points = np.random.default_rng(0).normal(100, 30, (4, 17, 3))
    points[1, 2] = np.nan
    path = tmp_path / "gBR_sBM.pkl"
    path.write_bytes(pickle.dumps({"keypoints3d": points, "keypoints3d_optim": points + 1}))
    sequence = read(path)
    assert detect(path).name == "aist"
    assert (sequence.skeleton, sequence.fps, sequence.units, sequence.up) == (COCO17, 60.0, "cm", "y")
    np.testing.assert_allclose(sequence.positions[0, 0], points[0] + 1, rtol=1e-6)
    assert np.argwhere(~sequence.validity).tolist() == [[0, 1, 2]]
    path.write_bytes(pickle.dumps({"smpl_poses": np.zeros((4, 72)), "smpl_trans": np.zeros((4, 3))}))
    with pytest.raises(ReadError, match=r"parameters of the SMPL body.*keypoints3d/"):
        read(path)
    path.write_bytes(pickle.dumps({"keypoints3d": np.zeros((4, 5))}))
    with pytest.raises(ReadError, match=r"'keypoints3d' has shape \(4, 5\)"):
        read(path)


def test_dir_lists_the_public_names() -> None:
    assert dir(jointwise) == sorted([*jointwise.__all__, "__version__"])
    assert all(getattr(jointwise, name) for name in jointwise.__all__)


def test_the_viewer_takes_what_users_say_of_files_and_pickles_of_one_recording(tmp_path: Path) -> None:
    path = tmp_path / "gBR_sBM.pkl"
    path.write_bytes(pickle.dumps({"keypoints3d": np.random.default_rng(0).normal(100, 30, (4, 17, 3))}))
    (clip,) = find_clips(str(path), reading={"fps": 12}).clips
    assert (clip.fps, clip.frames) == (12, 4)
    np.save(tmp_path / "x.npy", TWO.positions)
    source = find_clips(str(tmp_path), reading={"layout": "ntu25"})
    assert [clip.panels[0].skeleton.name for clip in source.clips] == ["ntu25"]
    assert any("gBR_sBM.pkl" in note for note in source.notes)  # it has other joints, and says so
