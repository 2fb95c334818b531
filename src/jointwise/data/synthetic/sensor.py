"""The simulated depth cameras: where they stand, how joints jitter, and which joints are lost."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from jointwise.data.sequence import Bools, Floats
from jointwise.data.skeletons import NTU25
from jointwise.data.synthetic.body import Array, rotation_matrices

VIEWS = np.deg2rad([-45.0, 0.0, 45.0])  # cameras 1, 2, 3: their angle around the scene

# Standard deviation of the jitter of a joint in view, metres. The values are chosen, not measured: a few millimetres
# for the trunk, more for thin and fast parts, in the order of the errors of the Kinect v2.
_JITTER = {
    "spine_base": 0.004,
    "spine_mid": 0.004,
    "spine_shoulder": 0.004,
    "neck": 0.004,
    "head": 0.004,
    "shoulder": 0.006,
    "elbow": 0.008,
    "wrist": 0.010,
    "hand": 0.012,
    "hand_tip": 0.016,
    "thumb": 0.016,
    "hip": 0.005,
    "knee": 0.007,
    "ankle": 0.010,
    "foot": 0.012,
}
_SIGMA = np.array([_JITTER[name.removeprefix("left_").removeprefix("right_")] for name in NTU25.joints], np.float32)
_CORRELATION = 0.75  # of the jitter from one frame to the next
_LIMBS = np.array([i for i, name in enumerate(NTU25.joints) if "_" in name and "spine" not in name])
_ARMS = [i for i, name in enumerate(NTU25.joints) if name.endswith(("elbow", "wrist", "hand", "tip", "thumb"))]
_BASE, _BREAST = NTU25.joints.index("spine_base"), NTU25.joints.index("spine_shoulder")


@dataclass(frozen=True)
class CameraRig:
    """Three cameras around a scene.

    Args:
        distance: (3,) distance of each camera from the middle of the scene, metres.
        height: (3,) height of each, metres.
        pan: (3,) turn of each beside its angle in VIEWS, radians.
        tilt: (3,) downward tilt of each, radians.
    """

    distance: Array
    height: Array
    pan: Array
    tilt: Array


def draw_cameras(rng: np.random.Generator) -> CameraRig:
    """Draws cameras on tripods at random distances, heights and angles."""
    return CameraRig(
        distance=rng.uniform(2.9, 3.9, 3),
        height=rng.uniform(0.9, 1.5, 3),
        pan=rng.normal(0.0, 0.05, 3),
        tilt=rng.uniform(-0.02, 0.10, 3),
    )


def to_camera_coordinates(world: Array, rig: CameraRig) -> Array:
    """Transforms positions from the room to the coordinates of each camera.

    Args:
        world: (M, T, 25, 3) metres; the floor is at y = 0.
        rig: The three cameras.

    Returns:
        (3, M, T, 25, 3) metres.
    """
    zero = np.zeros(3)
    turned = rotation_matrices(np.stack([zero, zero, VIEWS + rig.pan]))
    tilted = rotation_matrices(np.stack([rig.tilt, zero, zero]))
    shift = np.stack([zero, -rig.height, rig.distance], -1)
    matrices = tilted @ turned
    seen: Array = np.einsum("cij,mtvj->cmtvi", matrices, world, optimize=False)
    return seen + (tilted @ shift[..., None])[..., 0][:, None, None, None]


def simulate_sensor(seen: Array, rng: np.random.Generator) -> tuple[Floats, Bools]:
    """Simulates what the cameras report: joints jitter, and some are lost.

    Args:
        seen: (3, M, T, 25, 3) true camera coordinates, metres.
        rng: Random numbers of the performance.

    Returns:
        (3, M, T, 25, 3) positions, zero where invalid, and the (3, M, T, 25) valid mask.
    """
    from scipy.signal import lfilter  # a slow import, which commands that only list data sets do not need

    hidden = _hidden(seen)
    jitter = rng.standard_normal(seen.shape[:2] + seen.shape[3:] + seen.shape[2:3], dtype=np.float32)
    gain = np.float32(np.sqrt(1.0 - _CORRELATION**2))
    jitter = lfilter(np.array([gain], np.float32), np.array([1.0, -_CORRELATION], np.float32), jitter)
    sigma = _SIGMA * np.where(hidden, np.float32(2.5), np.float32(1.0))
    positions = seen.astype(np.float32) + jitter.transpose(0, 1, 4, 2, 3) * sigma[..., None]
    valid = ~(hidden & (rng.random((seen.shape[0], seen.shape[1], 1, seen.shape[3])) < 0.3))
    _lose_joints(valid, rng)
    positions *= valid[..., None]
    return positions, valid


def _hidden(seen: Array) -> Bools:
    """(3, M, T, 25) True where a joint of an arm is behind the own trunk, or any joint behind the other person."""
    hidden = np.zeros(seen.shape[:-1], bool)
    base, breast = seen[..., _BASE : _BASE + 1, :], seen[..., _BREAST : _BREAST + 1, :]
    arms = seen[..., _ARMS, :]
    hidden[..., _ARMS] = (
        (arms[..., 2] > base[..., 2] + 0.06)
        & (np.abs(arms[..., 0] - base[..., 0]) < 0.16)
        & (arms[..., 1] < breast[..., 1] + 0.05)
        & (arms[..., 1] > base[..., 1] - 0.15)
    )
    if seen.shape[1] == 2:
        for one, other in ((0, 1), (1, 0)):
            behind = seen[:, one, ..., 2] > base[:, other, ..., 2] + 0.15
            hidden[:, one] |= behind & (np.abs(seen[:, one, ..., 0] - base[:, other, ..., 0]) < 0.15)
    return hidden


def _lose_joints(valid: Bools, rng: np.random.Generator) -> None:
    """Clears runs of frames in `valid` (3, M, T, 25): of single joints of the limbs, rarely of a whole person."""
    cameras, persons, frames, _ = valid.shape
    count = int(rng.poisson(2.5 * cameras * persons))
    where = rng.integers(0, (cameras, persons, frames, len(_LIMBS), 16), (count, 5))
    for camera, person, start, limb, length in where.tolist():
        valid[camera, person, start : start + 3 + length, _LIMBS[limb]] = False
    for camera in range(cameras):
        if persons == 2 and rng.random() < 0.12:
            start = int(rng.integers(0, frames))
            valid[camera, int(rng.integers(0, 2)), start : start + int(rng.integers(4, 20))] = False
