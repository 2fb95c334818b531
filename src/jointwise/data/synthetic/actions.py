"""The 20 actions of one person, as keyframes of hands, trunk, head and feet over the phase of the action (0 to 1)."""

from __future__ import annotations

import numpy as np

from jointwise.data.synthetic.actor import Actor, Hand
from jointwise.data.synthetic.body import Array

# positions of a hand, by the place where it is (see `Hand`)
MOUTH: Hand = (0.07, 0.03, 0.23, 0.8, 0.5, 0.5)
EAR: Hand = (0.13, 0.06, 0.17, 0.8, 0.35, 0.3)
CROWN: Hand = (0.10, 0.20, 0.11, 0.8, 1.0, 0.8)
HOLD: Hand = (0.12, -0.20, 0.33, 0.5, 0.2, 0.2)
RAISED: Hand = (0.28, 0.14, 0.18, 0.6, 0.4, 0.0)
BOARD: Hand = (0.12, -0.02, 0.46, 0.5, 0.3, 0.0)
LAPEL: Hand = (0.05, -0.20, 0.24, 0.8, 0.5, 0.4)
COLLAR: Hand = (-0.14, -0.02, 0.16, 0.8, 0.3, 0.4)
SLEEVE: Hand = (0.46, -0.30, -0.12, 0.6, 0.4, 0.0)
FOLDED: Hand = (-0.08, -0.20, 0.19, 0.9, 0.4, 0.3)
BACKSWING: Hand = (0.34, 0.12, -0.14, 0.8, 1.0, 0.0)
THROWN: Hand = (0.08, 0.02, 0.54, 0.7, 0.3, 0.0)
OFFERED: Hand = (0.02, -0.28, 0.50, 0.3, 0.1, 0.0)


def _keyframes(times: Array, rows: tuple[tuple[float, ...], ...]) -> list[tuple[float, ...]]:
    """Puts each time in front of its row of values."""
    return [(time, *row) for time, row in zip(times.tolist(), rows, strict=True)]


def drink(actor: Actor) -> None:
    """Lift a cup to the mouth once or twice, tilting the head back."""
    sips = actor.count(1, 2)
    away: list[tuple[float, Hand | None]] = [(0.0, None), (0.15, HOLD)]
    for i in range(sips):
        away += [((i + 0.55) / sips * 0.7 + 0.15, MOUTH), ((i + 0.85) / sips * 0.7 + 0.15, MOUTH)]
        away += [((i + 1.0) / sips * 0.7 + 0.18, HOLD)] if i + 1 < sips else []
    actor.reach(actor.main, *away, (1.0, None if actor.rng.random() < 0.6 else HOLD))
    actor.look(
        (0.0, 0.0, 0.0, 0.0), (0.4, -0.05, 0.0, 0.0), (0.7, -actor.draw(0.1, 0.4), 0.0, 0.0), (1.0, 0.0, 0.0, 0.0)
    )


def answer_phone(actor: Actor) -> None:
    """Take a phone out, look at it or not, and hold it to the ear."""
    start: list[tuple[float, Hand | None]] = [(0.0, None)]
    if actor.rng.random() < 0.5:
        start += [(0.18, HOLD), (0.30, HOLD)]
    actor.reach(actor.main, *start, (0.5, EAR), (0.85, EAR), (1.0, None if actor.rng.random() < 0.6 else HOLD))
    tilt = actor.sign(actor.main) * actor.draw(0.0, 0.25)
    actor.look(
        (0.0, 0.0, 0.0, 0.0), (0.3, actor.draw(0.0, 0.3), 0.0, 0.0), (0.5, 0.05, tilt, 0.0), (1.0, 0.0, 0.0, 0.0)
    )


def brush_teeth(actor: Actor) -> None:
    """Rub to and fro in front of the mouth."""
    actor.reach(actor.main, (0.0, None), (0.2, MOUTH), (0.85, MOUTH), (1.0, None))
    cycles = actor.seconds * 0.65 * actor.draw(2.2, 3.6)
    side, up = (0.045, 0.01) if actor.rng.random() < 0.6 else (0.015, 0.045)
    actor.shake(actor.main, actor.size * actor.swing(0.18, 0.87, cycles), (side, up, 0.015))
    actor.look((0.0, 0.0, 0.0, 0.0), (0.3, actor.draw(0.0, 0.3), 0.0, 0.0), (0.8, 0.1, 0.0, 0.0), (1.0, 0.0, 0.0, 0.0))


def wave(actor: Actor) -> None:
    """Wave the raised hand from side to side."""
    actor.reach(actor.main, (0.0, None), (0.25, RAISED), (0.8, RAISED), (1.0, None), spread=0.06)
    cycles = max(1.5, actor.seconds * 0.55 * actor.draw(1.2, 2.2))
    actor.shake(actor.main, actor.size * actor.swing(0.2, 0.85, cycles, actor.draw(0.0, 1.0)), (0.12, 0.02, 0.0))


def scratch_head(actor: Actor) -> None:
    """Put a hand on the head and scratch."""
    actor.reach(actor.main, (0.0, None), (0.28, CROWN), (0.8, CROWN), (1.0, None), spread=0.035)
    cycles = max(1.5, actor.seconds * 0.55 * actor.draw(1.5, 3.0))
    actor.shake(actor.main, actor.size * actor.swing(0.25, 0.83, cycles), (0.02, 0.02, 0.035))
    nod, tilt = actor.draw(0.0, 0.35), actor.sign(actor.main) * actor.draw(-0.1, 0.25)
    actor.look((0.0, 0.0, 0.0, 0.0), (0.3, nod, tilt, 0.0), (0.8, nod, tilt, 0.0), (1.0, 0.0, 0.0, 0.0))


def clap(actor: Actor) -> None:
    """Clap the hands in front of the chest."""
    height, ahead = actor.draw(-0.25, 0.05), actor.draw(0.26, 0.38)
    apart: Hand = (0.12, height, ahead, 0.7, 0.5, 0.0)
    claps = max(2.0, actor.seconds * 0.6 * actor.draw(1.3, 3.0))
    beat = actor.swing(0.2, 0.85, claps)
    for side in range(2):
        actor.reach(side, (0.0, None), (0.22, apart), (0.82, apart), (1.0, None), spread=0.01)
        actor.shake(side, actor.size * beat, (0.085, 0.0, 0.0))


def cross_arms(actor: Actor) -> None:
    """Fold the arms in front of the chest and stay so."""
    for side in range(2):
        lower = FOLDED if side == actor.main else (FOLDED[0], FOLDED[1] - 0.06, FOLDED[2] - 0.05, *FOLDED[3:])
        end = None if actor.rng.random() < 0.5 else lower
        actor.reach(
            side, (0.0, None), (0.12, (0.1, -0.25, 0.33, 0.8, 0.5, 0.0)), (0.35, lower), (0.8, lower), (1.0, end)
        )


def _jacket(actor: Actor, reverse: bool) -> None:
    """One arm after the other goes out and back through a sleeve; reversed for taking off."""
    first, second = actor.main, actor.other
    times = (0.0, 0.12, 0.28, 0.44, 0.61, 0.8, 1.0)
    keys: dict[int, tuple[Hand | None, ...]] = {
        first: (None, HOLD, SLEEVE, LAPEL, COLLAR, LAPEL, None),
        second: (None, HOLD, COLLAR, LAPEL, SLEEVE, LAPEL, None),
    }
    for side, hands in keys.items():
        path = reversed(hands) if reverse else hands
        actor.reach(side, *zip(times, path, strict=True), spread=0.05)
    turn = actor.sign(first) * actor.draw(0.1, 0.4)
    early, late = (0.44, 0.61) if reverse else (0.28, 0.61)
    turn = turn if reverse else -turn
    still = (0.0, 0.0, 0.0)
    actor.bend((0.0, *still), (early, 0.08, 0.0, turn), (late, 0.08, 0.0, -turn), (1.0, *still))


def put_on_jacket(actor: Actor) -> None:
    """One arm, then the other, through the sleeves of a jacket; close it at the chest."""
    _jacket(actor, reverse=False)


def take_off_jacket(actor: Actor) -> None:
    """Open a jacket at the chest, slip out of one sleeve, then the other."""
    _jacket(actor, reverse=True)


def _circle(actor: Actor, direction: float) -> None:
    """Draws circles on a wall in front; direction +1 is clockwise as the actor sees it, -1 the other way round."""
    actor.reach(actor.main, (0.0, None), (0.22, BOARD), (0.85, BOARD), (1.0, None), spread=0.05)
    rounds = actor.draw(1.2, 3.2)
    start = actor.draw(0.0, 1.0)
    radius = 0.17 * actor.size
    right = actor.swing(0.18, 0.88, direction * rounds, start) * radius
    up = actor.swing(0.18, 0.88, direction * rounds, start + 0.25) * radius * actor.draw(0.8, 1.1)
    actor.shake(actor.main, right * actor.sign(actor.main), (1.0, 0.0, 0.0))
    actor.shake(actor.main, up, (0.0, 1.0, 0.0))


def draw_circle_clockwise(actor: Actor) -> None:
    """Draw circles in the air, clockwise as the actor sees them."""
    _circle(actor, 1.0)


def draw_circle_counterclockwise(actor: Actor) -> None:
    """Draw circles in the air, counter-clockwise as the actor sees them."""
    _circle(actor, -1.0)


def throw(actor: Actor) -> None:
    """Swing an arm back over the shoulder and throw, turning the trunk."""
    actor.reach(actor.main, (0.0, None), (0.2, HOLD), (0.45, BACKSWING), (0.62, THROWN), (0.74, OFFERED), (1.0, None))
    twist = actor.sign(actor.main) * actor.size
    actor.bend(
        (0.0, 0.0, 0.0, 0.0),
        (0.45, -0.10, 0.10 * twist, -0.45 * twist),
        (0.62, 0.22, 0.0, 0.45 * twist),
        (1.0, 0.0, 0.0, 0.0),
    )
    if actor.rng.random() < 0.6:
        far = actor.draw(0.15, 0.35)
        keys = ((0.0, 0.0, 0.0), (0.38, 0.0, 0.0), (0.47, 0.08, 0.6 * far), (0.55, 0.0, far), (1.0, 0.0, far))
        actor.motion.feet[actor.other, :, 1:3] += actor.glide(*keys, warp=False)
        actor.motion.pelvis[:, 2:] += actor.glide((0.0, 0.0), (0.35, -0.03), (0.6, far / 2), (1.0, far / 2), warp=False)


def kick(actor: Actor) -> None:
    """Draw one leg back and kick forward with it, arms balancing."""
    high, far = actor.draw(0.25, 0.6) * actor.size, actor.draw(0.45, 0.7) * actor.size
    back = actor.draw(0.2, 0.35)
    times = actor.warp((0.0, 0.15, 0.38, 0.55, 0.78, 1.0))
    rows = ((0.0, 0.0, 0.0), (0.0, 0.0, 0.0), (0.2, -back, 0.7), (high, far, 0.2), (0.1, 0.1, 0.0), (0.0, 0.0, 0.0))
    actor.motion.feet[actor.main, :, 1:] += actor.glide(*_keyframes(times, rows), warp=False)
    shift = -0.06 * actor.sign(actor.main)
    actor.motion.pelvis[:, :1] += actor.glide((0.0, 0.0), (times[1], shift), (times[4], shift), (1.0, 0.0), warp=False)
    actor.bend(
        (0.0, 0.0, 0.0, 0.0),
        (times[2], 0.12, 0.0, 0.0),
        (times[3], -0.15, shift, 0.0),
        (1.0, 0.0, 0.0, 0.0),
        warp=False,
    )
    out: Hand = (0.36, -0.42, 0.08, 0.3, 0.4, 0.0)
    for side in range(2):
        actor.reach(side, (0.0, None), (0.4, out), (0.6, out), (1.0, None), spread=0.07)


def bow(actor: Actor) -> None:
    """Bow, hands at the sides or on the thighs."""
    depth = actor.draw(0.6, 1.2) * min(actor.size, 1.15)
    times = actor.warp((0.0, 0.4, 0.62, 1.0))
    actor.bend(
        (times[0], 0.0, 0.0, 0.0),
        (times[1], depth, 0.0, 0.0),
        (times[2], depth, 0.0, 0.0),
        (times[3], 0.0, 0.0, 0.0),
        warp=False,
    )
    back = -0.14 * depth
    actor.motion.pelvis[:, 2:] += actor.glide((0.0, 0.0), (times[1], back), (times[2], back), (1.0, 0.0), warp=False)
    thigh: Hand = (0.14, -0.46, 0.14 + 0.1 * depth, 0.6, 0.3, 0.0)
    if actor.rng.random() < 0.6:
        for side in range(2):
            actor.reach(side, (0.0, None), (0.3, thigh), (0.7, thigh), (1.0, None))


def pick_up(actor: Actor) -> None:
    """Squat or bend down, take something from the floor, rise with it."""
    squat = actor.draw(0.15, 1.0)
    down, bend = -0.18 - 0.36 * squat, 1.55 - 0.50 * squat
    times = actor.warp((0.0, 0.42, 0.58, 1.0))
    rows = ((0.0, 0.0, 0.0), (down, -0.14, bend), (down, -0.14, bend), (0.0, 0.0, 0.0))
    path = actor.glide(*_keyframes(times, rows), warp=False)
    actor.motion.pelvis[:, 1:] += path[:, :2]
    actor.motion.trunk[:, 0] += path[:, 2]
    actor.motion.head[:, 0] -= 0.35 * path[:, 2]
    floor: Hand = (0.10, -0.62, 0.16, 0.0, 0.2, 0.0)
    end = None if actor.rng.random() < 0.5 else HOLD
    both = actor.rng.random() < 0.35
    for side in range(2) if both else (actor.main,):
        actor.reach(side, (0.0, None), (0.4, floor), (0.6, floor), (1.0, end), spread=0.04)


def _seat(actor: Actor, start: float, end: float) -> None:
    """Moves from standing (0) to sitting (1) or back, leaning forward on the way.

    Args:
        actor: Who moves.
        start: 0 if the actor stands at the beginning, 1 if seated.
        end: The same at the end.
    """
    times = actor.warp((0.0, 0.15, 0.5, 0.85, 1.0))
    weight = actor.glide((0.0, start), (times[1], start), (times[3], end), (1.0, end), warp=False)[:, 0]
    actor.sit(weight, actor.draw(0.42, 0.52))
    lean = actor.draw(0.35, 0.75)
    still = actor.draw(-0.1, 0.1)
    actor.bend(
        (0.0, start * still, 0.0, 0.0),
        (times[2], lean, 0.0, 0.0),
        (1.0, end * still, 0.0, 0.0),
        warp=False,
    )


def sit_down(actor: Actor) -> None:
    """Sit down on a chair."""
    _seat(actor, 0.0, 1.0)


def stand_up(actor: Actor) -> None:
    """Stand up from a chair."""
    _seat(actor, 1.0, 0.0)


def walk(actor: Actor) -> None:
    """Walk a few steps."""
    far = actor.seconds * actor.draw(0.7, 1.15)
    actor.motion.heading += actor.glide((0.0, 0.0), (1.0, actor.draw(-0.5, 0.5)), warp=False)[:, 0]
    path = far * np.clip(actor.phase, 0.0, 1.0)
    ease = actor.glide((0.0, 0.0), (1.0, far))[:, 0]
    actor.walk(0.6 * path + 0.4 * ease, actor.draw(1.0, 1.3))
    actor.motion.root -= 0.5 * actor.motion.root[-1]


def march(actor: Actor) -> None:
    """March in place, lifting the knees, arms swinging."""
    cycles = max(1.5, actor.seconds * actor.draw(0.75, 1.1))
    high, start = actor.draw(0.10, 0.32) * actor.size, actor.draw(0.0, 1.0)
    beat = actor.swing(0.0, 1.0, cycles, start)
    swing = actor.draw(0.08, 0.30) * actor.size
    for side in range(2):
        up = np.maximum(beat * actor.sign(side), 0.0)
        actor.motion.feet[side, :, 1] += high * up
        actor.motion.feet[side, :, 2] += 0.35 * high * up
        actor.motion.feet[side, :, 3] += 0.5 * up
        actor.shake(1 - side, swing * beat * actor.sign(side), (0.0, 0.0, 1.0))
        actor.shake(1 - side, swing * up, (0.0, 0.5, 0.0))
    actor.motion.pelvis[:, 0] -= 0.025 * beat


def jump(actor: Actor) -> None:
    """Jump up once to three times, swinging the arms."""
    jumps = min(actor.count(1, 3), max(1, int(actor.seconds / 0.9)))
    deep, high = -actor.draw(0.12, 0.28), actor.draw(0.10, 0.28) * actor.size
    part = np.array([0.0, 0.30, 0.44, 0.61, 0.78, 0.87, 1.0])
    rows = np.zeros((7, 4))  # at each of these phases: pelvis down, root up, trunk bent, arms raised
    rows[[1, 5], 0] = deep, 0.6 * deep
    rows[3, 1] = high
    rows[[1, 5], 2] = 0.4, 0.25
    rows[1:5, 3] = -1.0, 0.1, 1.0, 0.3
    keys = [((i + p) / jumps, *row) for i in range(jumps) for p, row in zip(part[:-1], rows, strict=False)]
    keys.append((1.0, *rows[-1]))
    path = actor.glide(*keys, warp=False)
    actor.motion.pelvis[:, 1] += path[:, 0]
    actor.motion.pelvis[:, 2] += 0.3 * path[:, 0]
    actor.motion.root[:, 1] += path[:, 1]
    actor.motion.trunk[:, 0] += path[:, 2]
    actor.motion.feet[..., 3] += 3.0 * np.minimum(path[:, 1], 0.3)
    swing = actor.draw(0.1, 0.5)
    for side in range(2):
        actor.shake(side, swing * path[:, 3], (0.0, 0.3, 0.5))
        actor.shake(side, swing * np.maximum(path[:, 3], 0.0), (0.1, 0.6, 0.0))
