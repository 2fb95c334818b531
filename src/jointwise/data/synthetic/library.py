"""The 24 actions of the synthetic data set, in the order of their labels."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from jointwise.data.synthetic import actions, pairs
from jointwise.data.synthetic.actor import Actor


@dataclass(frozen=True)
class Solo:
    """An action of one person.

    Args:
        name: Class name.
        act: Writes the motion of the action into an actor.
        seconds: Shortest and longest duration.
        seated: Whether some people perform it on a seat.
    """

    name: str
    act: Callable[[Actor], None]
    seconds: tuple[float, float]
    seated: bool = False


@dataclass(frozen=True)
class Duo:
    """An action of two persons who face each other.

    Args:
        name: Class name.
        act: Writes the motion of the action into two actors; returns the distance between their pelvises at the
            start, metres.
        seconds: Shortest and longest duration.
    """

    name: str
    act: Callable[[Actor, Actor], float]
    seconds: tuple[float, float]


LIBRARY: tuple[Solo | Duo, ...] = (
    Solo("drink", actions.drink, (1.8, 3.4), seated=True),
    Solo("answer phone", actions.answer_phone, (1.8, 3.4), seated=True),
    Solo("brush teeth", actions.brush_teeth, (1.8, 3.4)),
    Solo("wave", actions.wave, (1.5, 3.0), seated=True),
    Solo("scratch head", actions.scratch_head, (1.5, 3.0), seated=True),
    Solo("clap", actions.clap, (1.5, 3.0), seated=True),
    Solo("cross arms", actions.cross_arms, (1.5, 3.0), seated=True),
    Solo("put on jacket", actions.put_on_jacket, (2.6, 4.2)),
    Solo("take off jacket", actions.take_off_jacket, (2.6, 4.2)),
    Solo("draw circle clockwise", actions.draw_circle_clockwise, (1.8, 3.4)),
    Solo("draw circle counter-clockwise", actions.draw_circle_counterclockwise, (1.8, 3.4)),
    Solo("throw", actions.throw, (1.4, 2.5)),
    Solo("kick", actions.kick, (1.2, 2.2)),
    Solo("bow", actions.bow, (1.6, 3.0)),
    Solo("pick up", actions.pick_up, (1.6, 3.0)),
    Solo("sit down", actions.sit_down, (1.4, 2.4)),
    Solo("stand up", actions.stand_up, (1.4, 2.4)),
    Solo("walk", actions.walk, (1.6, 3.2)),
    Solo("march in place", actions.march, (1.6, 3.2)),
    Solo("jump", actions.jump, (1.2, 2.6)),
    Duo("shake hands", pairs.shake_hands, (2.0, 3.4)),
    Duo("hug", pairs.hug, (2.0, 3.4)),
    Duo("push", pairs.push, (1.6, 2.6)),
    Duo("hand over an object", pairs.hand_over, (2.0, 3.2)),
)

ACTIONS: tuple[str, ...] = tuple(action.name for action in LIBRARY)
