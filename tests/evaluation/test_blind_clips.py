"""Clips in which nobody is seen are counted aloud."""

import warnings

import pytest
import torch

from jointwise.data.clips import Clips
from jointwise.errors import JointwiseWarning
from jointwise.evaluation.blind_clips import tell_blind


def test_blind_clips_are_counted_and_told() -> None:
    valid = torch.zeros(3, 2, 4, 5, dtype=torch.bool)
    valid[1, 1, 3, 0] = True
    assert Clips(torch.zeros(3, 2, 4, 5, 3), valid, torch.arange(3)).blind == 2
    with pytest.warns(JointwiseWarning, match="2 of 3 clips have no valid joint in the frames that are looked at"):
        tell_blind(2, 3)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        tell_blind(0, 3)
