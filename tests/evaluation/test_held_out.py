"""Losses on held-out clips."""

import pytest
import torch

from helpers import tiny
from jointwise.data.clips import ClipCutter
from jointwise.data.dataset import Dataset
from jointwise.data.randomness import Draws
from jointwise.evaluation.held_out import held_out_losses
from jointwise.model.build import build_objective


def test_a_held_out_loss_is_the_mean_over_clips_of_the_means_of_batches(dataset: Dataset) -> None:
    objective = build_objective(tiny.config(), dataset.skeleton, 3, 1.0, 0)
    cutter = ClipCutter.from_store(dataset.store, 16)
    ids = torch.from_numpy(dataset.test.ids[:7])
    found = held_out_losses(objective, cutter, ids, "fp32", batch=5)
    assert not objective.training
    means = []
    for places in (torch.arange(5), torch.arange(5, 7)):  # the masks of a clip follow from its place in `ids`
        clips = cutter.centre(ids[places])
        with torch.no_grad():
            means.append(objective.losses(clips.persons(), clips, Draws(places, "held-out masks")).parts)
    for name in objective.PARTS:
        assert found[name] == pytest.approx(float(5 * means[0][name] + 2 * means[1][name]) / 7, rel=1e-5)
    assert found == held_out_losses(objective, cutter, ids, "fp32", batch=5)
