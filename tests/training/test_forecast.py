"""What a training will take."""

from jointwise.config.schema import TrainConfig
from jointwise.training.forecast import Forecast


def lines(seconds_per_step: float, steps: int, done: int = 0) -> list[str]:
    """What is said over a training whose steps all take the same time."""
    said: list[str] = []
    now = 0.0
    forecast = Forecast("pretrain final", TrainConfig(steps=steps, batch=32), 12.0, done, said.append, lambda: now)
    for step in range(done, steps):
        now += seconds_per_step
        forecast.after_step(step + 1)
    return said


def test_a_short_training_says_its_length_and_its_time() -> None:
    assert lines(0.5, 106) == [
        "pretrain final: 106 steps of 32 clips, 12 passes over the data",
        "about 50 s on this machine.",  # of the 100 steps that are left then
    ]


def test_a_long_training_says_how_it_becomes_shorter() -> None:
    assert lines(1.0, 4006)[1] == (
        "about 1 h 07 min on this machine. With 1,001 steps it takes a quarter; --quick shows soon that all works."
    )


def test_a_run_that_goes_on_says_what_is_left_and_a_finished_one_nothing() -> None:
    said = lines(2.0, 106, done=50)
    assert "(56 of them are left)" in said[0]
    assert said[1] == "about 2 min on this machine."  # 50 steps of 2 s
    assert lines(1.0, 10, done=10) == []
