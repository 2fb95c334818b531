"""One person who performs an action: personal style, timing, and the movements that actions are composed of."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from jointwise.data.synthetic.body import Array, Body, Motion, draw_body

FPS = 30.0  # frames per second, as the Kinect records

# Position of a hand: three numbers for the wrist (outward, up and forward of the breastbone, metres), how far it moves
# with the chest (0 to 1), swivel of the elbow, and flexion of the wrist (radians).
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
    """Habits of one person.

    Args:
        body: Proportions.
        tempo: Speed of motions; 1 is average.
        amplitude: Size of motions; 1 is average.
        right_handed: Probability of using the right hand.
        slouch: Forward bend of the trunk, radians.
        swivel: How far the elbows point outward, radians.
    """

    body: Body
    tempo: float
    amplitude: float
    right_handed: float
    slouch: float
    swivel: float


def draw_style(rng: np.random.Generator) -> Style:
    """Draws a random person."""
    return Style(
        body=draw_body(rng),
        tempo=float(np.exp(rng.normal(0.0, 0.15))),
        amplitude=float(np.exp(rng.normal(0.0, 0.13))),
        right_handed=0.75 if rng.random() < 0.85 else 0.15,
        slouch=float(rng.normal(0.06, 0.05)),
        swivel=float(rng.normal(0.15, 0.2)),
    )


def glide(at: Array, times: Array, values: Array) -> Array:
    """Interpolates between keyframes with minimal jerk (quintic); constant before the first and after the last.

    Args:
        at: (T,) times at which values are wanted.
        times: (K,) times of the keyframes, ascending.
        values: (K, D) values of the keyframes.

    Returns:
        (T, D).
    """
    key = np.clip(np.searchsorted(times, at, side="right") - 1, 0, len(times) - 2)
    span = np.maximum(np.diff(times), 1e-6)
    u = np.clip((at - times[key]) / span[key], 0.0, 1.0)
    u *= u * u * (10.0 - 15.0 * u + 6.0 * u * u)
    path: Array = values[key] + (values[key + 1] - values[key]) * u[:, None]
    return path


class Actor:
    """A person in one performance.

    Its methods draw random numbers and write movements into `motion`. An action is a list of such calls. The attributes
    `main` and `other` are the side (0 left, 1 right) that does the one-handed part and the opposite side; `size` is the
    amplitude of the performance.

    Args:
        style: Habits of the person.
        phase: (T,) phase of the action in each frame: below 0 before it, 0 to 1 while it lasts, above 1 after it.
        seconds: Duration of the action, from phase 0 to 1.
        rng: Of the performance. The order of the draws decides the data: do not change it.
    """

    def __init__(self, style: Style, phase: Array, seconds: float, rng: np.random.Generator) -> None:
        self.style = style
        self.body = style.body
        self.phase = phase
        self.seconds = seconds
        self.rng = rng
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
        """Draws where the hands rest before the action and after it: (2, 6) each, often the same for both hands."""
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
        """Draws a number between low and high."""
        return float(self.rng.uniform(low, high))

    def count(self, low: int, high: int) -> int:
        """Draws a whole number from low to high, both included."""
        return int(self.rng.integers(low, high + 1))

    def warp(self, times: tuple[float, ...]) -> Array:
        """Varies the times of keyframes, so that parts of an action take longer or shorter; first and last stay.

        The same times are varied in the same way, so both hands move together.
        """
        if times not in self.warps:
            spans = np.diff(times) * np.exp(self.rng.normal(0.0, 0.25, len(times) - 1))
            warped = np.concatenate([[0.0], np.cumsum(spans)])
            self.warps[times] = times[0] + warped * ((times[-1] - times[0]) / warped[-1])
        return self.warps[times]

    def glide(self, *keys: tuple[float, ...], warp: bool = True) -> Array:
        """A smooth path (T, D) through keyframes.

        Args:
            keys: Keyframes (phase, value, value, …).
            warp: Whether their times are varied, see `warp`.
        """
        table = np.array(keys)
        times = self.warp(tuple(table[:, 0].tolist())) if warp else table[:, 0]
        return glide(self.phase, times, table[:, 1:])

    def reach(self, side: int, *keys: tuple[float, Hand | None], spread: float = 0.03) -> None:
        """Moves one hand through keyframes.

        Args:
            side: 0 left, 1 right.
            keys: Keyframes (phase, hand); None is where the hand rests.
            spread: Standard deviation by which each target is missed, metres.
        """
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
        for key in np.flatnonzero(
            np.abs(np.diff(table[:, 1])) > 0.35
        ):  # a raised hand moves in an arc in front of the body
            part = (path[:, 1] - table[key, 1]) / (table[key + 1, 1] - table[key, 1])
            path[:, 2] += 0.7 * part * (1.0 - part) * ((self.phase > times[key]) & (self.phase < times[key + 1]))
        self.motion.hands[side] = path

    def swing(self, start: float, stop: float, cycles: float, offset: float = 0.0) -> Array:
        """A sine between two phases of the action, fading in and out; zero elsewhere.

        Args:
            start: Phase at which it begins; 0 and 1 are the beginning and end of the action.
            stop: Phase at which it ends.
            cycles: Number of its cycles.
            offset: Where in a cycle it begins, 0 to 1.

        Returns:
            (T,) in [-1, 1], at full size but for the first and last sixth.
        """
        u = np.clip((self.phase - start) / (stop - start), 0.0, 1.0)
        return np.sin(2.0 * np.pi * (cycles * u + offset)) * np.minimum(1.0, 6.0 * np.minimum(u, 1.0 - u))

    def shake(self, side: int, wave: Array, direction: tuple[float, float, float]) -> None:
        """Adds a wave to the path of one hand.

        Args:
            side: 0 left, 1 right.
            wave: (T,) factors of the direction, such as a `swing`.
            direction: Offset of the hand where the wave is 1: outward, up and forward, metres.
        """
        self.motion.hands[side, :, :3] += wave[:, None] * np.array(direction)

    def bend(self, *keys: tuple[float, float, float, float], warp: bool = True) -> None:
        """Moves the trunk through keyframes (phase, bend, lean, twist), radians."""
        self.motion.trunk += self.glide(*keys, warp=warp)

    def look(self, *keys: tuple[float, float, float, float]) -> None:
        """Moves the head through keyframes (phase, nod, tilt, turn left), radians."""
        self.motion.head += self.glide(*keys)

    def sign(self, side: int) -> float:
        """+1 for the right side, -1 for the left: the factor from `outward` to `right`."""
        return 2.0 * side - 1.0

    def sit(self, weight: Array, height: float, rest: bool = True) -> None:
        """Lowers the pelvis onto a seat.

        Args:
            weight: (T,) from 0 standing to 1 seated.
            height: Of the seat, metres.
            rest: Whether hands that hang down move onto the thighs.
        """
        down = (height - self.body.hip_height) / self.body.scale
        self.motion.pelvis[:, 1] += weight * down
        self.motion.pelvis[:, 2] -= weight * 0.40
        if rest:
            lap = np.array(ON_THE_THIGH)
            for hand in self.motion.hands:
                low = weight * np.clip((-0.25 - hand[:, 1]) / 0.1, 0.0, 1.0)
                hand += low[:, None] * (lap - hand)

    def sit_throughout(self, height: float) -> None:
        """Performs the whole action on a seat of a height (metres)."""
        self.seated = height
        self.sit(np.ones(len(self.phase)), height, rest=False)
        self.motion.pelvis[:, 2] += 0.2
        self.motion.feet[..., 2] += 0.2
        lap = np.array(ON_THE_THIGH) + np.append(self.rng.normal(0.0, 0.02, 3), np.zeros(3))
        for rest in (self.rest, self.rest_after):
            rest[rest[:, 1] < -0.3] = lap
        self.motion.hands[:] = self.rest[:, None]

    def walk(self, path: Array, stride: float, lift: float = 0.10) -> None:
        """Moves the root along its heading, with the feet stepping under it.

        Args:
            path: (T,) metres forward of the start.
            stride: Length of a step with each foot, metres.
            lift: How high the feet are lifted, metres.
        """
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
        """Moves by one small step with each foot.

        Args:
            at: The frame in which it begins.
            right: Metres to the right.
            forward: Metres forward.
        """
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

    def add_idle_motion(self) -> None:
        """Adds what every person does all the time: posture, shifting weight, looking around, unsteady hands."""
        time = np.arange(len(self.phase)) / FPS
        pelvis = [0.025, 0.006, 0.012]  # metres
        trunk = [0.03, 0.03, 0.05]  # radians
        head = [0.07, 0.04, 0.15]  # radians
        hands = [0.012] * 6  # metres
        size = np.array(pelvis + trunk + head + hands)
        rate = self.rng.uniform(0.08, 0.6, (len(size), 2, 1))
        start = self.rng.uniform(0.0, 2.0 * np.pi, (len(size), 2, 1))
        drift = (np.sin(2.0 * np.pi * rate * time + start).sum(1) * (0.6 * size)[:, None]).T
        self.motion.pelvis += drift[:, :3] * (0.3 if self.seated else 1.0)
        posture = np.array([self.style.slouch, 0.0, 0.0]) + self.rng.normal(0.0, (0.04, 0.02, 0.06))
        self.motion.trunk += drift[:, 3:6] + posture
        self.motion.head += drift[:, 6:9] + self.rng.normal(0.0, (0.08, 0.03, 0.15))
        self.motion.hands[..., :3] += drift[:, 9:].reshape(-1, 2, 3).swapaxes(0, 1)
