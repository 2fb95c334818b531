"""One person acting: style and timing of a performance, and the verbs from which the motion library is written."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from jointwise.data.synthetic.body import Array, Body, Motion, draw_body

FPS = 30.0  # frames per second, as the Kinect records

# A hand: wrist target (outward, up, forward of the breastbone, metres), 0..1 moves with the chest, swivel, flexion.
Hand = tuple[float, float, float, float, float, float]
RESTS: dict[str, Hand] = {
    "hanging": (0.24, -0.54, 0.02, 0.0, 0.2, 0.0),
    "on the hip": (0.22, -0.36, 0.02, 0.6, 1.2, 0.6),
    "on the belly": (0.02, -0.34, 0.22, 0.7, 0.4, 0.3),
    "in the pocket": (0.23, -0.45, 0.07, 0.5, 0.5, 0.2),
    "behind the back": (0.06, -0.42, -0.14, 0.7, 0.6, 0.3),
    "holding something": (0.12, -0.20, 0.32, 0.6, 0.3, 0.2),
    "at the chin": (0.04, -0.04, 0.20, 0.8, 0.3, 0.4),
}
_REST_ODDS = np.array([0.50, 0.10, 0.10, 0.10, 0.06, 0.10, 0.04])
ON_THE_THIGH: Hand = (0.16, -0.36, 0.30, 0.0, 0.4, 0.0)


@dataclass(frozen=True)
class Style:
    """Habits of one person: body, tempo and amplitude (1 is average), odds of using the right hand, posture (rad)."""

    body: Body
    tempo: float
    amplitude: float
    right_handed: float
    slouch: float
    swivel: float


def draw_style(rng: np.random.Generator) -> Style:
    """A random person."""
    return Style(
        body=draw_body(rng),
        tempo=float(np.exp(rng.normal(0.0, 0.15))),
        amplitude=float(np.exp(rng.normal(0.0, 0.13))),
        right_handed=0.75 if rng.random() < 0.85 else 0.15,
        slouch=float(rng.normal(0.06, 0.05)),
        swivel=float(rng.normal(0.15, 0.2)),
    )


def glide(at: Array, times: Array, values: Array) -> Array:
    """Values (T, D) at times `at` (T), gliding from key to key (K, and K x D) with minimal jerk; held outside."""
    key = np.clip(np.searchsorted(times, at, side="right") - 1, 0, len(times) - 2)
    span = np.maximum(np.diff(times), 1e-6)
    u = np.clip((at - times[key]) / span[key], 0.0, 1.0)
    u *= u * u * (10.0 - 15.0 * u + 6.0 * u * u)
    path: Array = values[key] + (values[key + 1] - values[key]) * u[:, None]
    return path


class Actor:
    """A person in one performance: `phase` (T) runs from 0 to 1 while the action lasts and is held before and after.

    main, other: the side (0 left, 1 right) that does the one-handed part, and the opposite one. size: amplitude of
    this performance. Verbs write into `motion`; actions are lists of verbs.
    """

    def __init__(self, style: Style, phase: Array, seconds: float, rng: np.random.Generator) -> None:
        self.style, self.body, self.phase, self.rng = style, style.body, phase, rng
        self.seconds = seconds  # how long the action lasts, from phase 0 to 1
        self.motion = Motion(len(phase))
        self.main = int(rng.random() < style.right_handed)
        self.other = 1 - self.main
        self.size = style.amplitude * float(np.exp(rng.normal(0.0, 0.12)))
        self.seated = 0.0
        self.warps: dict[tuple[float, ...], Array] = {}
        self.rest, self.rest_after = self._draw_rests()
        start = rng.uniform(-0.3, 0.9)
        for side in range(2):
            keys = np.array([start, start + 0.3])
            self.motion.hands[side] = glide(phase, keys, np.stack([self.rest[side], self.rest_after[side]]))

    def _draw_rests(self) -> tuple[Array, Array]:
        """Where the hands (2, 6) rest before the action and after it: often both alike, often the same again."""
        names = self.rng.choice(len(RESTS), size=(2, 2), p=_REST_ODDS)
        if self.rng.random() < 0.5:
            names[:, 1] = names[:, 0]
        keep = self.rng.random(2) < 0.65
        names[1, keep] = names[0, keep]
        rests = np.array(list(RESTS.values()))[names]
        rests[..., :3] += self.rng.normal(0.0, 0.02, (2, 2, 3))
        rests[1, keep] = rests[0, keep]
        return rests[0], rests[1]

    def draw(self, low: float, high: float) -> float:
        """A number between low and high."""
        return float(self.rng.uniform(low, high))

    def count(self, low: int, high: int) -> int:
        """A whole number from low to high, both included."""
        return int(self.rng.integers(low, high + 1))

    def warp(self, times: tuple[float, ...]) -> Array:
        """Key times as performed: the parts of an action take longer or shorter, ends stay; both hands keep time."""
        if times not in self.warps:
            spans = np.diff(times) * np.exp(self.rng.normal(0.0, 0.25, len(times) - 1))
            warped = np.concatenate([[0.0], np.cumsum(spans)])
            self.warps[times] = times[0] + warped * ((times[-1] - times[0]) / warped[-1])
        return self.warps[times]

    def glide(self, *keys: tuple[float, ...], warp: bool = True) -> Array:
        """A path (T, D) through keys (phase, value, value, ...)."""
        table = np.array(keys)
        times = self.warp(tuple(table[:, 0].tolist())) if warp else table[:, 0]
        return glide(self.phase, times, table[:, 1:])

    def reach(self, side: int, *keys: tuple[float, Hand | None], spread: float = 0.03) -> None:
        """Moves one hand through keys (phase, hand), None being where it rests; each target is missed by `spread`."""
        missed: dict[Hand, Array] = {}
        rows = []
        for time, hand in keys:
            if hand is None:
                rows.append((self.rest if time < 0.5 else self.rest_after)[side])
                continue
            if hand not in missed:
                error = np.zeros(6)
                error[:3] = self.rng.normal(0.0, spread, 3)
                error[4:] = self.rng.normal(self.style.swivel, 0.25), self.rng.normal(0.0, 0.2)
                missed[hand] = np.array(hand) + error
            rows.append(missed[hand])
        table = np.array(rows)
        times = self.warp(tuple(time for time, _ in keys))
        path = glide(self.phase, times, table)
        for key in np.flatnonzero(np.abs(np.diff(table[:, 1])) > 0.35):  # a hand is raised in an arc before the body
            part = (path[:, 1] - table[key, 1]) / (table[key + 1, 1] - table[key, 1])
            path[:, 2] += 0.7 * part * (1.0 - part) * ((self.phase > times[key]) & (self.phase < times[key + 1]))
        self.motion.hands[side] = path

    def swing(self, start: float, stop: float, cycles: float, offset: float = 0.0) -> Array:
        """A sine (T) of so many cycles between two phases, fading in and out, zero elsewhere."""
        u = np.clip((self.phase - start) / (stop - start), 0.0, 1.0)
        return np.sin(2.0 * np.pi * (cycles * u + offset)) * np.minimum(1.0, 6.0 * np.minimum(u, 1.0 - u))

    def shake(self, side: int, wave: Array, direction: tuple[float, float, float]) -> None:
        """Adds a wave (T) along a direction (outward, up, forward; metres) to one hand."""
        self.motion.hands[side, :, :3] += wave[:, None] * np.array(direction)

    def bend(self, *keys: tuple[float, float, float, float], warp: bool = True) -> None:
        """Adds to the trunk keys of (phase, bend, lean, twist)."""
        self.motion.trunk += self.glide(*keys, warp=warp)

    def look(self, *keys: tuple[float, float, float, float]) -> None:
        """Adds to the head keys of (phase, nod, tilt, turn left)."""
        self.motion.head += self.glide(*keys)

    def sign(self, side: int) -> float:
        """+1 for the right side, -1 for the left: turns `outward` into `right`."""
        return 2.0 * side - 1.0

    def sit(self, weight: Array, height: float, rest: bool = True) -> None:
        """Lowers the pelvis onto a seat of that height (metres) by a weight (T) of 0 standing to 1 seated."""
        down = (height - self.body.hip_height) / self.body.scale
        self.motion.pelvis[:, 1] += weight * down
        self.motion.pelvis[:, 2] -= weight * 0.40
        if rest:
            lap = np.array(ON_THE_THIGH)
            for hand in self.motion.hands:
                low = weight * np.clip((-0.25 - hand[:, 1]) / 0.1, 0.0, 1.0)
                hand += low[:, None] * (lap - hand)

    def sit_throughout(self, height: float) -> None:
        """Performs the whole action on a seat."""
        self.seated = height
        self.sit(np.ones(len(self.phase)), height, rest=False)
        self.motion.pelvis[:, 2] += 0.2
        self.motion.feet[..., 2] += 0.2
        lap = np.array(ON_THE_THIGH) + np.append(self.rng.normal(0.0, 0.02, 3), np.zeros(3))
        for rest in (self.rest, self.rest_after):
            rest[rest[:, 1] < -0.3] = lap
        self.motion.hands[:] = self.rest[:, None]

    def walk(self, path: Array, stride: float, lift: float = 0.10) -> None:
        """Moves the root along its heading by path (T, metres forward), feet stepping under it; strides in metres."""
        speed = np.abs(np.gradient(path)) * FPS
        effort = np.clip(speed / 0.4, 0.0, 1.0)
        effort = np.convolve(np.pad(effort, 4, mode="edge"), np.ones(9) / 9.0, mode="valid")
        start = self.draw(0.0, 1.0)
        for side in range(2):
            u = path / (stride * self.body.scale) + start + 0.5 * side
            part = u - np.floor(u)
            step = np.clip((part - 0.6) / 0.4, 0.0, 1.0)
            ease = step * step * (3.0 - 2.0 * step)
            self.motion.feet[side, :, 2] += effort * stride * (ease - part + 0.3)
            self.motion.feet[side, :, 1] += effort * lift * np.sin(np.pi * step)
            self.motion.feet[side, :, 3] += effort * 0.6 * np.sin(2.0 * np.pi * step)
            self.motion.hands[1 - side, :, 2] += effort * 0.32 * self.size * (ease - part + 0.3)
        heading = self.motion.heading
        moved = np.diff(path, prepend=0.0)
        self.motion.root[:, 0] += np.cumsum(-np.sin(heading) * moved)
        self.motion.root[:, 2] += np.cumsum(-np.cos(heading) * moved)

    def step(self, at: float, right: float, forward: float) -> None:
        """Shifts the stance by one small step with each foot, beginning `at` frames into the recording."""
        first = self.count(0, 1)
        clock = (np.arange(len(self.phase)) - at) / FPS
        way = np.array([right, 0.0, -forward])
        body = np.clip(clock / 0.9, 0.0, 1.0)
        body = body * body * (3.0 - 2.0 * body)
        self.motion.root += body[:, None] * way
        for side in range(2):
            u = np.clip((clock - (0.0 if side == first else 0.45)) / 0.45, 0.0, 1.0)
            foot = u * u * (3.0 - 2.0 * u) - body
            self.motion.feet[side, :, 0] += foot * right * self.sign(side) / self.body.scale
            self.motion.feet[side, :, 2] += foot * forward / self.body.scale
            self.motion.feet[side, :, 1] += 0.05 * np.sin(np.pi * u)

    def live(self) -> None:
        """Adds what nobody suppresses: posture, shifting weight, breathing, looking around, unsteady hands."""
        time = np.arange(len(self.phase)) / FPS
        size = np.array([0.025, 0.006, 0.012, *(0.03, 0.03, 0.05), *(0.07, 0.04, 0.15), *(0.012,) * 6])
        rate = self.rng.uniform(0.08, 0.6, (len(size), 2, 1))
        start = self.rng.uniform(0.0, 2.0 * np.pi, (len(size), 2, 1))
        drift = (np.sin(2.0 * np.pi * rate * time + start).sum(1) * (0.6 * size)[:, None]).T
        self.motion.pelvis += drift[:, :3] * (0.3 if self.seated else 1.0)
        posture = np.array([self.style.slouch, 0.0, 0.0]) + self.rng.normal(0.0, (0.04, 0.02, 0.06))
        self.motion.trunk += drift[:, 3:6] + posture
        self.motion.head += drift[:, 6:9] + self.rng.normal(0.0, (0.08, 0.03, 0.15))
        self.motion.hands[..., :3] += drift[:, 9:].reshape(-1, 2, 3).swapaxes(0, 1)
