"""Layouts of as many joints are told apart by how long bones are."""

import numpy as np
import pytest

from helpers.detected import truth
from jointwise.data.layout_guess import MIN_FACTOR, bone_ratios, guess_layout
from jointwise.data.skeletons import COCO17, Skeleton, get_skeleton
from jointwise.errors import ConfigError, ReadError

NAMES = ("body25", "body25b", "ntu25")
CANDIDATES = [get_skeleton(name) for name in NAMES]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("change", ["as it is", "millimetres", "upside down", "mirrored", "lying", "few seen"])
def test_the_right_layout_is_found_whatever_the_unit_and_the_axes(name: str, change: str) -> None:
    points = truth(name)[0].reshape(-1, 25, 2).copy()
    if change == "few seen":
        points[::2, ::3] = np.nan
    points = {"millimetres": points * 7.3 + 900, "upside down": -points, "lying": points[..., ::-1]}.get(change, points)
    if change == "mirrored":
        points = points * [-1, 1]
    found, factor = guess_layout(points, CANDIDATES)
    assert found == name
    assert factor > MIN_FACTOR


def test_the_measure_is_the_mean_bone_over_the_diagonal() -> None:
    bar = Skeleton("bar", ("a", "b", "c"), (("a", "b"), ("b", "c")), None)
    jump = Skeleton("jump", ("a", "b", "c"), (("a", "b"), ("a", "c")), None)
    points = np.array([[[0, 0], [3, 0], [3, 4.0]]])  # bones of 3 and 4, or 3 and 5; diagonal 5
    assert bone_ratios(points, [jump, bar]) == pytest.approx({"bar": 0.7, "jump": 0.8})
    assert list(bone_ratios(points, [jump, bar])) == ["bar", "jump"]
    with pytest.raises(ReadError, match=r"x: 3 joints without names could be bar or jump.*factor 1\.14, needed 1\.5"):
        guess_layout(points, [jump, bar], "x")


def test_where_nothing_is_seen_nothing_is_guessed() -> None:
    for points in (np.full((2, 25, 2), np.nan), np.zeros((0, 25, 2)), np.zeros((2, 25, 2))):
        assert set(bone_ratios(points, CANDIDATES).values()) == {np.inf}
        with pytest.raises(ReadError, match="could be body25 or body25b or ntu25"):
            guess_layout(points, CANDIDATES)


def test_layouts_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ConfigError, match="'coco17' has 17 joints"):
        guess_layout(np.zeros((1, 25, 2)), [CANDIDATES[0], COCO17])
