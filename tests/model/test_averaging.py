"""How fast the teacher follows the student."""

import pytest

from jointwise.config.schema import TeacherConfig
from jointwise.model.ema import teacher_momentum


@pytest.mark.parametrize(
    ("steps", "momentum"),
    [(100, 0.98), (1000, 0.98), (2000, 0.99), (20_000, 0.999), (125_000, 0.99984), (1_000_000, 0.9999)],
)
def test_the_teacher_averages_over_a_twentieth_of_the_run_within_bounds(steps: int, momentum: float) -> None:
    assert teacher_momentum(TeacherConfig(), steps) == pytest.approx(momentum, abs=1e-12)  # 1 − 20 / steps


def test_a_fixed_teacher_momentum_is_taken_as_it_is() -> None:
    assert teacher_momentum(TeacherConfig(momentum=0.5), 10) == 0.5
