"""One walk of two persons in every 3D format: after unit and axes are converted, all give the same places."""

from dataclasses import replace

import numpy as np
import pytest

from helpers.recordings import FORMATS
from jointwise.data.conventions import convert
from jointwise.data.formats import detect, npz, read

TRUTH = FORMATS / "twins" / "truth_ntu25_metres_yup.npz"
TWINS = {  # format -> file, unit, axis that points up, every how many frames
    "azure_kinect": ("azure_kinect.json", "mm", "-y", 2),
    "zed": ("zed_body38.json", "m", "y", 2),
    "trc": ("walk.trc", "m", "y", 1),
    "c3d": ("walk_zup_mm.c3d", "mm", "z", 1),
}
LEAST_SHARED = {"azure_kinect": 24, "zed": 19, "trc": 14, "c3d": 14}  # joints that are ntu25's

pytestmark = pytest.mark.skipif(not TRUTH.exists(), reason="the samples of file formats are not here")


@pytest.mark.parametrize("name", TWINS)
def test_a_twin_gives_back_the_walk_that_was_written(name: str) -> None:
    file, units, up, step = TWINS[name]
    path = FORMATS / "twins" / file
    if name == "c3d":
        pytest.importorskip("ezc3d")
    assert detect(path).name == name
    found = read(path)
    truth = npz.read(TRUTH)
    assert (found.units, found.up, found.fps) == (units, up, truth.fps / step)
    found = convert(found, "m", "y")
    if name == "azure_kinect":  # z points away from its camera, and stays so; that of the truth points towards it
        found = replace(found, positions=found.positions * np.float32([-1, 1, -1]))
    places, valid = truth.positions[:, ::step], truth.validity[:, ::step]
    shared = [joint for joint in found.skeleton.joints if joint in truth.skeleton.joints]
    assert len(shared) >= LEAST_SHARED[name]
    assert found.frames == places.shape[1]
    assert found.persons == (2 if name in ("azure_kinect", "zed") else 1)
    for joint in shared:
        there = truth.skeleton.joints.index(joint)
        here = found.skeleton.joints.index(joint)
        for person in range(found.persons):
            seen = valid[person, :, there]
            said = found.validity[person, :, here]
            if name == "azure_kinect":  # without confidences it cannot say that a joint of a body was not seen
                assert (said >= seen).all(), joint
                assert not said[~valid[person].any(-1)].any(), joint
            else:
                assert (said == seen).all(), joint
            error = np.abs(found.positions[person, seen, here] - places[person, seen, there])
            assert error.max() < 1e-4, joint


@pytest.mark.parametrize("name", ["azure_kinect", "zed"])
def test_persons_keep_their_slots_where_the_file_changes_their_order(name: str) -> None:
    found = read(FORMATS / "twins" / TWINS[name][0])
    both = found.validity.any(-1).all(0)
    assert both.sum() > 10
    steps = np.linalg.norm(np.diff(found.positions[:, both].mean(2), axis=1), axis=-1)
    apart = np.linalg.norm(np.diff(found.positions[:, both].mean(2), axis=0), axis=-1)
    assert steps.max() < 0.5 * apart.min()
