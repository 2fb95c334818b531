"""The four actions of two persons who face each other; each returns how far apart they start, metres."""

from __future__ import annotations

from jointwise.data.synthetic.actions import HOLD
from jointwise.data.synthetic.actor import Actor, Hand


def _approach(first: Actor, second: Actor, near: float, arrive: float, leave: bool = False) -> float:
    """Lets one or both walk towards the other.

    Args:
        first: One of the two.
        second: The other.
        near: Distance of their pelvises after that, metres.
        arrive: The phase at which they have come so near.
        leave: Whether they walk apart again at the end.

    Returns:
        Distance of their pelvises at the start, metres.
    """
    total = first.draw(0.2, 0.9)
    share = float(first.rng.choice([0.0, 0.5, 1.0]))
    for actor, part in ((first, share), (second, 1.0 - share)):
        far = total * part
        back = far * (0.3 if leave else 1.0)
        if far > 0.0:
            path = actor.glide((0.0, 0.0), (arrive, far), (0.8, far), (1.0, back), warp=False)[:, 0]
            actor.walk(path, 0.8, lift=0.07)
    return near + total


def _meeting(actor: Actor, apart: float, height: float, share: float = 0.5) -> Hand:
    """The wrist target of an actor whose hand meets the partner's.

    Args:
        actor: Whose hand it is.
        apart: Distance of the partner, metres.
        height: Height of the hands, metres.
        share: Where the hands meet, as a share of the distance.
    """
    ahead = max(apart * share - 0.06, 0.15)
    return (0.02, (height - actor.body.shoulder_height) / actor.body.scale, ahead / actor.body.scale, 0.0, 0.1, 0.0)


def shake_hands(first: Actor, second: Actor) -> float:
    """Walk up, grasp each other's hand and shake it."""
    near = first.draw(0.75, 1.0)
    gap = _approach(first, second, near, 0.35)
    second.main = first.main if first.rng.random() < 0.9 else second.main
    height = first.draw(0.56, 0.64) * 0.5 * (first.body.stature + second.body.stature)
    shaken = first.draw(0.03, 0.07) * first.swing(0.45, 0.8, max(1.5, first.seconds * 0.35 * first.draw(1.5, 3.0)))
    for actor in (first, second):
        grasp = _meeting(actor, near, height)
        actor.reach(actor.main, (0.0, None), (0.2, None), (0.45, grasp), (0.8, grasp), (1.0, None), spread=0.015)
        actor.shake(actor.main, shaken, (0.0, 1.0, 0.0))
    return gap


def hug(first: Actor, second: Actor) -> float:
    """Walk up and put the arms around each other."""
    near = first.draw(0.30, 0.42)
    gap = _approach(first, second, near, 0.4, leave=True)
    for actor in (first, second):
        high = actor.draw(-0.30, -0.05)
        opened: Hand = (0.34, high - 0.05, 0.34, 0.3, 0.8, 0.0)
        for side in range(2):
            around: Hand = (0.10, high + actor.draw(-0.15, 0.05), 0.40, 0.3, 0.7, 0.8)
            actor.reach(side, (0.0, None), (0.25, opened), (0.48, around), (0.78, around), (1.0, None))
        actor.bend((0.0, 0.0, 0.0, 0.0), (0.48, 0.12, 0.05, 0.0), (0.78, 0.12, 0.05, 0.0), (1.0, 0.0, 0.0, 0.0))
    return gap


def push(first: Actor, second: Actor) -> float:
    """One pushes the other, who staggers back."""
    near = first.draw(0.6, 0.8)
    gap = _approach(first, second, near, 0.35)
    chest = second.body.shoulder_height - 0.12
    drawn: Hand = (0.15, -0.16, 0.24, 0.5, 0.6, 0.0)
    out = _meeting(first, near, chest, share=0.95)
    for side in range(2) if first.rng.random() < 0.65 else (first.main,):
        touch: Hand = (0.11, *out[1:])
        first.reach(side, (0.0, None), (0.38, drawn), (0.52, touch), (0.62, touch), (1.0, None))
    first.bend((0.0, 0.0, 0.0, 0.0), (0.4, -0.05, 0.0, 0.0), (0.54, 0.25, 0.0, 0.0), (1.0, 0.0, 0.0, 0.0), warp=False)
    far = -first.draw(0.15, 0.5) * first.size
    second.walk(second.glide((0.0, 0.0), (0.49, 0.0), (0.75, far), (1.0, far), warp=False)[:, 0], 0.5, lift=0.06)
    second.bend((0.0, 0.0, 0.0, 0.0), (0.49, 0.0, 0.0, 0.0), (0.58, -0.22, 0.0, 0.0), (1.0, 0.0, 0.0, 0.0), warp=False)
    flung: Hand = (0.34, -0.32, 0.22, 0.4, 0.5, 0.0)
    for side in range(2):
        second.reach(side, (0.0, None), (0.49, None), (0.62, flung), (1.0, None), spread=0.06)
    return gap


def hand_over(first: Actor, second: Actor) -> float:
    """One holds something out, the other takes it and keeps it."""
    near = first.draw(0.75, 1.0)
    gap = _approach(first, second, near, 0.35)
    height = first.draw(0.56, 0.68) * 0.5 * (first.body.stature + second.body.stature)
    give, take = _meeting(first, near, height), _meeting(second, near, height)
    first.reach(first.main, (0.0, HOLD), (0.25, HOLD), (0.5, give), (0.63, give), (0.9, None), (1.0, None))
    second.reach(second.main, (0.0, None), (0.25, None), (0.5, take), (0.63, take), (0.9, HOLD), (1.0, HOLD))
    return gap
