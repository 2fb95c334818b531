"""The system `report_code`: its loss is that of the report's public code, number by number."""

import pytest
import torch
from torch import Tensor

from helpers import tiny
from jointwise.config.systems import SYSTEMS
from jointwise.data.clips import ClipCutter
from jointwise.data.dataset import Dataset
from jointwise.data.randomness import Draws
from jointwise.model.build import build_objective
from jointwise.model.masked_prediction import MaskedPrediction, mask_noise

LENGTH = 4


def standardised_motion(positions: Tensor, valid: Tensor) -> list[tuple[int, float]]:
    """(place in the token, value) of a token's frames (s + 1, C): motion over its own mean and standard deviation.

    The last frame is the first of the next token, which the token itself does not have.
    """
    places = []
    for frame in range(LENGTH):
        if valid[frame] and valid[frame + 1]:
            for axis in range(3):
                places.append((frame * 3 + axis, float(positions[frame + 1, axis] - positions[frame, axis])))
    values = torch.tensor([value for _, value in places], dtype=torch.float64)
    deviation = (values.var() + 1e-6).sqrt() if len(values) > 1 else torch.tensor(1e-3)
    return [(place, float((value - values.mean()) / deviation)) for place, value in places]


@pytest.mark.parametrize("width", [16, 32])
def test_the_loss_is_ten_times_the_latent_loss_plus_that_of_standardised_motion_of_hidden_tokens(
    width: int, dataset: Dataset
) -> None:
    config = tiny.config("--encoder.width", str(width), system="report_code")
    module = build_objective(config, dataset.skeleton, 3, 0.5, 0).eval()
    assert isinstance(module, MaskedPrediction)
    clips = ClipCutter.from_store(dataset.store, config.clip.frames).centre(torch.arange(4))
    persons, draws = clips.persons(), Draws(torch.arange(4), 0, "masks")
    decoded: list[Tensor] = []
    module.decoder.register_forward_hook(lambda *call: decoded.append(call[2].detach()))
    predicted: list[Tensor] = []
    module.predictor.register_forward_hook(lambda *call: predicted.append(call[2].detach()))
    with torch.no_grad():
        losses = module.losses(persons, clips, draws)
        view = module.student_view(persons, mask_noise(persons, clips, LENGTH, draws))
        taught = module.teacher(view.segments, view.everything)

    latent, rebuilt = [], []
    for p, segment, joint in (view.hidden & view.valid).nonzero().tolist():
        token = segment * 20 + joint
        target = taught[p, token]
        target = (target - target.mean()) / (target.var(unbiased=False) + 1e-5).sqrt()
        latent += (predicted[0][p, token] - target).square().tolist()
        first = segment * LENGTH
        frames, valid = persons.positions[p, first : first + LENGTH + 1, joint], persons.valid[p, :, joint]
        valid = valid[first : first + LENGTH + 1]
        if first + LENGTH == persons.positions.shape[1]:  # the clip ends: its last frame does not move
            frames, valid = torch.cat([frames, frames[-1:]]), torch.cat([valid, valid[-1:]])
        for place, value in standardised_motion(frames, valid):
            rebuilt.append((float(decoded[0][p, token, place]) - value) ** 2)
    expected = sum(latent) / len(latent), sum(rebuilt) / len(rebuilt)
    assert float(losses.parts["latent"]) == pytest.approx(expected[0], rel=1e-4)
    assert float(losses.parts["reconstruction"]) == pytest.approx(expected[1], rel=1e-4)
    assert float(losses.total) == pytest.approx(10 * expected[0] + expected[1], rel=1e-4)


def test_it_differs_from_the_final_system_in_loss_and_target_alone() -> None:
    """And it is outside Table 1, so that no row of the report's text is scored with it."""
    ours, final = (tiny.config(system=name) for name in ("report_code", tiny.SYSTEM))
    assert (ours.encoder, ours.mask, ours.predictor, ours.teacher) == (
        final.encoder,
        final.mask,
        final.predictor,
        final.teacher,
    )
    assert (ours.clip, ours.pretrain) == (final.clip, final.pretrain)
    (entry,) = [system for system in SYSTEMS if system.name == "report_code"]
    assert not entry.in_table_1
    assert not entry.by_default
