"""The body of the synthetic data: proportions, parameters of the pose over time, and the 25 joints that follow.

A person's own directions are right (+x), up (+y) and forward (-z). A person of heading 0 faces a camera that stands at
negative z and looks along +z. Coordinates are right-handed; lengths are metres, angles radians.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from jointwise.data.skeletons import NTU25

Array = npt.NDArray[np.float64]

REFERENCE_STATURE = 1.70  # metres; targets of hands and feet are given for this stature and scaled to the body
SIDES = np.array([-1.0, 1.0])  # sign of +x for the left and the right side
_INDEX = {name: i for i, name in enumerate(NTU25.joints)}


@dataclass(frozen=True)
class Body:
    """Lengths of one body in metres; the defaults are those of a person of 1.70 m.

    The fractions of stature are those of Drillis and Contini (Body segment parameters, 1966) as printed in Winter
    (Biomechanics and Motor Control of Human Movement, figure 4.1): ankle height 0.039, shank 0.246, thigh 0.245, upper
    arm 0.186, forearm 0.146, hand 0.108, biacromial width 0.259, hip joint height 0.530, shoulder height 0.818. Other
    values are chosen to resemble the Kinect: shoulders and hips nearer to the midline, `foot` at the ball of the foot,
    and the joints of the spine, head and hand.
    """

    stature: float = 1.70
    ankle: float = 0.039 * 1.70  # height of the ankle above the floor
    shank: float = 0.246 * 1.70
    thigh: float = 0.245 * 1.70
    hip: float = 0.047 * 1.70  # from the midline to one hip joint
    foot: float = 0.075 * 1.70  # from the ankle to the ball of the foot
    lower_spine: float = 0.150 * 1.70  # spine_base to spine_mid
    upper_spine: float = 0.138 * 1.70  # spine_mid to spine_shoulder
    neck: float = 0.048 * 1.70  # spine_shoulder to neck
    head: float = 0.068 * 1.70  # neck to the middle of the head
    shoulder: float = 0.118 * 1.70  # from the midline to one shoulder joint
    upper_arm: float = 0.186 * 1.70
    forearm: float = 0.146 * 1.70
    palm: float = 0.050 * 1.70  # wrist to hand
    fingers: float = 0.050 * 1.70  # hand to hand_tip
    thumb: float = 0.045 * 1.70  # wrist to thumb
    stance: float = 0.10  # from the midline to one ankle when standing
    toe_out: float = 0.15  # radians

    @property
    def hip_height(self) -> float:
        """Height of the pelvis when standing with the knees almost straight."""
        return self.ankle + 0.99 * (self.shank + self.thigh)

    @property
    def shoulder_height(self) -> float:
        """Height of spine_shoulder when standing upright."""
        return self.hip_height + self.lower_spine + self.upper_spine

    @property
    def scale(self) -> float:
        """Size relative to the person of REFERENCE_STATURE."""
        return self.stature / REFERENCE_STATURE


def draw_body(rng: np.random.Generator) -> Body:
    """Draws a random adult: stature 1.50 to 1.95 m, 1.70 m on average; proportions vary by a few per cent."""
    stature = float(np.clip(rng.normal(1.70, 0.09), 1.50, 1.95))
    spread = np.array([0.02, 0.025, 0.02, 0.05, 0.06, 0.05])
    leg, arm, trunk, shoulder, hip, hand = 1.0 + spread * rng.normal(size=6)
    factors = {
        **dict.fromkeys(("shank", "thigh"), leg),
        **dict.fromkeys(("upper_arm", "forearm"), arm),
        **dict.fromkeys(("lower_spine", "upper_spine", "neck"), trunk),
        **dict.fromkeys(("palm", "fingers", "thumb", "foot"), hand),
        "shoulder": shoulder,
        "hip": hip,
        "ankle": 1.0,
        "head": 1.0,
    }
    lengths = {name: float(getattr(Body, name) * stature / 1.70 * factor) for name, factor in factors.items()}
    return Body(stature=stature, stance=float(rng.uniform(0.06, 0.17)), toe_out=float(rng.uniform(0.0, 0.4)), **lengths)


class Motion:
    """Parameters of the pose of one person over T frames.

    With all parameters zero the body stands upright with its hands at the breastbone. Offsets are metres for a stature
    of 1.70 m, angles are radians, and the two sides are left and right. The attributes are:

    - root (T, 3): displacement along x, y, z.
    - heading (T,): turn to the left.
    - pelvis (T, 3): offset right, up and forward of standing.
    - trunk (T, 3): bend forward, lean right, twist left.
    - head (T, 3): the same, relative to the chest.
    - hands (2, T, 6): wrist outward, up and forward of spine_shoulder; how far it moves with the chest (0: not at all,
      1: fully); swivel of the elbow (0: down, 1.5: outward); flexion of the wrist.
    - feet (2, T, 4): ankle outward, up and forward of standing; how far the toes point down.

    Args:
        frames: Number of frames T.
    """

    def __init__(self, frames: int) -> None:
        self.root, self.pelvis, self.trunk, self.head = np.zeros((4, frames, 3))
        self.heading = np.zeros(frames)
        self.hands = np.zeros((2, frames, 6))
        self.feet = np.zeros((2, frames, 4))


def rotation_matrices(angles: Array) -> Array:
    """Rotation matrices that lean right, then bend forward, then turn left.

    Args:
        angles: (3, …) bend, lean and turn, radians.

    Returns:
        (…, 3, 3).
    """
    (cos_bend, cos_lean, cos_turn), (sin_bend, sin_lean, sin_turn) = np.cos(angles), np.sin(angles)
    out = np.empty((*angles.shape[1:], 3, 3))
    out[..., 0, 0] = cos_turn * cos_lean + sin_turn * sin_bend * sin_lean
    out[..., 0, 1] = cos_turn * sin_lean - sin_turn * sin_bend * cos_lean
    out[..., 0, 2] = sin_turn * cos_bend
    out[..., 1, 0] = -cos_bend * sin_lean
    out[..., 1, 1] = cos_bend * cos_lean
    out[..., 1, 2] = sin_bend
    out[..., 2, 0] = -sin_turn * cos_lean + cos_turn * sin_bend * sin_lean
    out[..., 2, 1] = -sin_turn * sin_lean - cos_turn * sin_bend * cos_lean
    out[..., 2, 2] = cos_turn * cos_bend
    return out


def pose(body: Body, motion: Motion) -> Array:
    """The joints of a body in motion.

    Trunk and head follow from the pelvis by forward kinematics; a bend is spread along the spine (pelvis 0.35, lower
    spine 0.75, chest 1). Arms and legs have two bones whose joint angles are solved in closed form, so that wrists and
    ankles reach their targets, elbows point down and outward, and knees forward. Bone lengths never change.

    Args:
        body: Proportions.
        motion: Parameters of the pose over T frames.

    Returns:
        (T, 25, 3) metres, in the order of NTU25; the floor is at y = 0.
    """
    frames = len(motion.root)
    out = np.empty((frames, len(NTU25.joints), 3))
    share = np.array([0.35, 0.75, 1.0, 1.0, 1.0, 0.0])  # pelvis, lower spine, chest, neck, head, upright
    spin = np.array([0.25, 0.6, 1.0, 1.0, 1.0, 1.0])
    nod = np.array([0.0, 0.0, 0.0, 0.5, 1.0, 0.0])
    angles = motion.trunk.T[:, None] * share[:, None] + motion.head.T[:, None] * nod[:, None]  # (3, 6, T)
    angles[2] = motion.heading + motion.trunk[:, 2] * spin[:, None] + motion.head[:, 2] * nod[:, None]
    pelvis, lower, chest, neck, head, upright = rotation_matrices(angles)
    ground = rotation_matrices(np.stack([np.zeros(frames), np.zeros(frames), motion.heading]))

    floor = motion.root.copy()
    forward = np.array([1.0, 1.0, -1.0])
    base = floor + body.scale * _rotate(ground, motion.pelvis * forward)
    base[:, 1] += body.hip_height
    feet = motion.feet[..., :3] * body.scale
    feet[..., 0] = (feet[..., 0] + body.stance) * SIDES[:, None]
    feet[..., 2] *= -1.0
    feet[..., 1] += body.ankle
    ankles = floor + _rotate(ground, feet)
    offsets = np.zeros((2, 1, 3))
    offsets[:, 0, 0] = SIDES * body.hip
    hips = base + _rotate(pelvis, offsets)
    lowered = _lower_to_reach(body, hips, ankles, motion.feet[..., 1], ground)
    base[:, 1] -= lowered
    hips[..., 1] -= lowered

    out[:, _INDEX["spine_base"]] = base
    middle = out[:, _INDEX["spine_mid"]] = base + lower[..., 1] * body.lower_spine
    breast = out[:, _INDEX["spine_shoulder"]] = middle + chest[..., 1] * body.upper_spine
    out[:, _INDEX["neck"]] = breast + neck[..., 1] * body.neck
    out[:, _INDEX["head"]] = out[:, _INDEX["neck"]] + head @ np.array([0.0, 0.94, -0.34]) * body.head
    offsets[:, 0, 0] = SIDES * body.shoulder
    shoulders = breast + _rotate(chest, offsets)

    _place_arms(body, motion, out, shoulders, chest, upright)
    _place_legs(body, motion, out, hips, ankles, ground)
    return out


def _rotate(matrices: Array, vectors: Array) -> Array:
    """Rotates vectors (…, T or 1, 3) by matrices (T, 3, 3)."""
    turned: Array = (matrices * vectors[..., None, :]).sum(-1)
    return turned


def _unit(vectors: Array) -> Array:
    """Scales vectors (…, 3) to length one."""
    scaled: Array = vectors / np.sqrt((vectors * vectors).sum(-1, keepdims=True) + 1e-12)
    return scaled


def _lower_to_reach(body: Body, hips: Array, ankles: Array, lift: Array, ground: Array) -> Array:
    """How far (T,) the pelvis must sink so that planted feet reach the floor; a trailing heel may rise by 5 cm."""
    gap = ankles - hips
    ahead = (gap * -ground[..., 2]).sum(-1)  # forward distance of the ankle from the hip
    reach = 0.995 * (body.shank + body.thigh)
    height = np.sqrt(np.maximum(reach**2 - gap[..., 0] ** 2 - gap[..., 2] ** 2, 0.01))
    trailing = np.clip(-ahead / 0.3, 0.0, 1.0) * 0.05
    planted = np.clip(1.0 - lift / 0.05, 0.0, 1.0)
    excess = np.maximum(-gap[..., 1] - height - trailing, 0.0) * planted
    deepest: Array = excess.max(0)
    return deepest


def bend_limb(start: Array, target: Array, pole: Array, upper: float, lower: float) -> tuple[Array, Array]:
    """Places two bones so that their end reaches a target, as far as their lengths allow.

    Args:
        start: (…, 3) where the first bone begins.
        target: (…, 3) where the second bone should end.
        pole: (…, 3) direction towards which the joint between them bends.
        upper: Length of the first bone, metres.
        lower: Length of the second bone, metres.

    Returns:
        (…, 3) the joint between the bones, and (…, 3) the end of the second.
    """
    line = target - start
    distance = np.sqrt((line * line).sum(-1, keepdims=True) + 1e-12)
    along = line / distance
    distance = np.clip(distance, 0.3 * (upper + lower), 0.995 * (upper + lower))
    across = _unit(pole - along * (pole * along).sum(-1, keepdims=True))
    cosine = (upper**2 + distance**2 - lower**2) / (2.0 * upper * distance)
    sine = np.sqrt(1.0 - np.minimum(cosine**2, 1.0))
    return start + upper * (cosine * along + sine * across), start + distance * along


def _place_arms(body: Body, motion: Motion, out: Array, shoulders: Array, chest: Array, upright: Array) -> None:
    """Writes shoulders, elbows, wrists and hands of both sides into `out` (T, 25, 3)."""
    target = motion.hands[..., :3] * np.array([1.0, 1.0, -1.0]) * body.scale
    target[..., 0] *= SIDES[:, None]
    follow = motion.hands[..., 3, None]
    target = (1.0 - follow) * _rotate(upright, target) + follow * _rotate(chest, target)
    target += out[:, _INDEX["spine_shoulder"]]
    target[..., 1] = np.maximum(target[..., 1], 0.17 * body.scale)  # fingers stay above the floor
    swivel = motion.hands[..., 4]
    back = np.clip(-1.2 * motion.hands[..., 1] - 0.25, -0.15, 0.5)  # elbows point back above a low hand
    pole = np.stack([SIDES[:, None] * (0.25 + np.sin(swivel)), -np.cos(swivel), back], -1)
    elbows, wrists = bend_limb(shoulders, target, _rotate(chest, pole), body.upper_arm, body.forearm)
    forearm = (wrists - elbows) / body.forearm
    thumb = np.zeros((2, 1, 3)) + np.array([0.0, 0.5, -0.8])
    thumb[..., 0] = -0.3 * SIDES[:, None]
    thumb = _rotate(upright, thumb)
    thumb = _unit(thumb - forearm * (thumb * forearm).sum(-1, keepdims=True))
    palm = -SIDES[:, None, None] * np.cross(forearm, thumb)
    flexion = motion.hands[..., 5, None]
    direction = np.cos(flexion) * forearm + np.sin(flexion) * palm
    hands = wrists + body.palm * direction
    thumbs = wrists + body.thumb * _unit(0.75 * direction + 0.65 * thumb)
    parts = (shoulders, elbows, wrists, hands, hands + body.fingers * direction, thumbs)
    _store(out, ("shoulder", "elbow", "wrist", "hand", "hand_tip", "thumb"), parts)


def _place_legs(body: Body, motion: Motion, out: Array, hips: Array, ankles: Array, ground: Array) -> None:
    """Writes hips, knees, ankles and feet of both sides into `out` (T, 25, 3)."""
    pole = np.zeros((2, 1, 3)) + np.array([0.0, 0.0, -1.0])
    pole[..., 0] = np.sin(body.toe_out) * SIDES[:, None]
    knees, ankles = bend_limb(hips, ankles, _rotate(ground, pole), body.thigh, body.shank)
    flat = np.arcsin((body.ankle - 0.02 * body.scale) / body.foot)  # the ball of the foot is 2 cm above the floor
    pitch = flat + motion.feet[..., 3]
    ahead = np.cos(pitch)
    toes = np.stack([SIDES[:, None] * np.sin(body.toe_out) * ahead, -np.sin(pitch), -np.cos(body.toe_out) * ahead], -1)
    toes = body.foot * _rotate(ground, toes)
    _store(out, ("hip", "knee", "ankle", "foot"), (hips, knees, ankles, ankles + toes))


def _store(out: Array, names: tuple[str, ...], parts: tuple[Array, ...]) -> None:
    """Writes parts (2, T, 3), left then right, into `out` (T, 25, 3) under their joint names."""
    for name, part in zip(names, parts, strict=True):
        out[:, _INDEX[f"left_{name}"]] = part[0]
        out[:, _INDEX[f"right_{name}"]] = part[1]
