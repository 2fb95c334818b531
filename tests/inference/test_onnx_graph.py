"""The graph that is exported computes what a Recognizer computes, whoever is missing."""

import numpy as np
import pytest
import torch
from torch import Tensor

from helpers.stick import STICK
from jointwise.data.centring import centre, prepare_sequence
from jointwise.data.centring import fill_gaps as fill_gaps_of_arrays
from jointwise.data.clips import Clips
from jointwise.data.movement import movement
from jointwise.data.sequence import Sequence
from jointwise.data.skeletons import Skeleton
from jointwise.evaluation.features import encoder_features
from jointwise.inference.onnx_graph import ClipGraph, centre_clips, fill_gaps, movement_of_clips
from jointwise.model.classifier import Classifier
from jointwise.model.encoders import AXES, Encoder
from jointwise.model.heads import POOLINGS, ClassificationHead
from jointwise.model.tokens import MotionInput

FRAMES, SEGMENT, JOINTS = 8, 4, len(STICK.joints)


def clips(count: int = 6, persons: int = 3, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Random clips in which somebody is seen at both ends; some persons, joints and frames are missing."""
    rng = np.random.default_rng(seed)
    positions = rng.normal(3, 1, (count, persons, FRAMES, JOINTS, 3)).astype(np.float32)
    valid = rng.random(positions.shape[:-1]) < 0.7
    valid[:, 0, [0, -1], 0] = True
    valid[1:, -1] = False  # an empty slot
    valid[2, 0, :, 1] = False  # a joint that is never seen
    valid[3, 0, SEGMENT:-1] = False  # a person who is gone for a while
    valid[4, 0] = False  # the first slot is empty
    valid[4, 1, [0, -1], 0] = True
    valid[5, :, :, STICK.root_index] = False  # no root at all
    valid[5, 0, [0, -1], 1] = True
    return torch.from_numpy(positions), torch.from_numpy(valid)


def sequences(positions: Tensor, valid: Tensor, skeleton: Skeleton = STICK) -> list[Sequence]:
    return [
        Sequence(positions=places, valid=seen, skeleton=skeleton)
        for places, seen in zip(positions.numpy(), valid.numpy(), strict=True)
    ]


def model(axis: str = "factorised") -> Classifier:
    """A classifier of every kind of input, with random weights and statistics."""
    encoder = Encoder(
        FRAMES // SEGMENT, JOINTS, 3 * SEGMENT, axis, 2, 16, 2, motion=MotionInput(SEGMENT, 0.5), centre=(1,)
    )
    head = ClassificationHead(JOINTS, 16, 5, hidden=16)
    head.mlp[1].running_mean.normal_()
    return Classifier(encoder, head, SEGMENT).eval()


def graph(classifier: Classifier, temperature: float = 1.0, pooling: str = "mean") -> ClipGraph:
    return ClipGraph(classifier.encoder, classifier, SEGMENT, STICK.root_index, temperature, pooling).eval()


@torch.no_grad()
def outputs(of: ClipGraph, positions: Tensor, valid: Tensor) -> dict[str, Tensor]:
    return dict(zip(of.outputs, of(positions, valid), strict=True))


@pytest.mark.parametrize("axis", AXES)
def test_the_graph_gives_what_packed_persons_prepared_by_numpy_give(axis: str) -> None:
    classifier = model(axis)
    positions, valid = clips()
    found = outputs(graph(classifier), positions, valid)
    for number, sequence in enumerate(sequences(positions, valid)):
        piece = prepare_sequence(sequence)
        clip = Clips(torch.from_numpy(piece.positions)[None], torch.from_numpy(piece.validity)[None], torch.zeros(1))
        with torch.no_grad():
            logits = classifier(clip.persons())[0]
            features = encoder_features(classifier.encoder, SEGMENT, "mean")(clip)[0]
        torch.testing.assert_close(found["logits"][number], logits, atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(found["features"][number], features, atol=1e-5, rtol=1e-5)
        assert float(found["movement"][number]) == pytest.approx(movement(piece), rel=1e-4)


@pytest.mark.parametrize("pooling", POOLINGS)
def test_every_pooling_gives_finite_features_of_which_empty_slots_are_no_part(pooling: str) -> None:
    described = graph(model(), pooling=pooling)
    positions, valid = clips()
    found = outputs(described, positions, valid)["features"]
    alone = outputs(described, positions[1:, :2], valid[1:, :2])["features"]
    assert found.isfinite().all()
    torch.testing.assert_close(found[1:], alone, atol=1e-5, rtol=1e-5)


def test_a_batch_is_its_clips_one_by_one() -> None:
    described = graph(model())
    positions, valid = clips()
    together = outputs(described, positions, valid)
    for number in range(len(positions)):
        alone = outputs(described, positions[number, None], valid[number, None])
        for name, values in alone.items():
            torch.testing.assert_close(values[0], together[name][number], atol=1e-5, rtol=1e-5)


def test_values_at_invalid_places_are_not_looked_at() -> None:
    described = graph(model())
    positions, valid = clips()
    spoilt = torch.where(valid[..., None], positions, torch.nan)
    for before, after in zip(described(positions, valid), described(spoilt, valid), strict=True):
        assert torch.equal(before, after)


def test_a_clip_in_which_nobody_is_seen_has_zero_features_and_no_movement() -> None:
    positions, valid = clips()
    found = outputs(graph(model()), positions, torch.zeros_like(valid))
    assert not found["features"].any()
    assert not found["movement"].any()
    assert found["probabilities"].isfinite().all()


def test_the_temperature_divides_logits_before_they_become_probabilities() -> None:
    positions, valid = clips()
    found = outputs(graph(model(), temperature=2.0), positions, valid)
    torch.testing.assert_close(found["probabilities"], (found["logits"] / 2).softmax(-1))


def test_a_graph_without_a_head_describes_clips_and_names_nothing() -> None:
    described = ClipGraph(model().encoder, None, SEGMENT, None).eval()
    positions, valid = clips()
    assert list(outputs(described, positions, valid)) == ["features", "movement"]


@pytest.mark.parametrize("root", [STICK.root_index, None])
def test_clips_are_centred_as_recordings_are(root: int | None) -> None:
    skeleton = STICK if root is not None else Skeleton("rootless", STICK.joints, STICK.bones, root=None)
    positions, valid = clips()
    wanted = np.stack([centre(sequence).positions for sequence in sequences(positions, valid, skeleton)])
    np.testing.assert_allclose(centre_clips(positions, valid, root).numpy(), wanted, atol=1e-5)


def test_gaps_are_filled_as_in_recordings() -> None:
    positions, valid = (tensor.flatten(0, 1) for tensor in clips(count=12, seed=3))
    known = torch.where(valid[..., None], positions, 0)
    wanted = fill_gaps_of_arrays(known.numpy(), valid.numpy())
    np.testing.assert_allclose(fill_gaps(known, valid).numpy(), wanted, atol=1e-5)


def test_a_gap_is_a_straight_line() -> None:
    track = torch.tensor([0.0, 1.0, 0.0, 0.0, 4.0, 0.0]).view(1, 6, 1, 1)
    seen = torch.tensor([False, True, False, False, True, False]).view(1, 6, 1)
    torch.testing.assert_close(fill_gaps(track, seen).flatten(), torch.tensor([1.0, 1.0, 2.0, 3.0, 4.0, 4.0]))


def test_who_stands_still_does_not_move_and_who_is_seen_once_neither() -> None:
    body = torch.arange(JOINTS * 3.0).view(1, 1, JOINTS, 3).expand(2, FRAMES, -1, -1)
    seen = torch.ones(2, FRAMES, JOINTS, dtype=torch.bool)
    seen[1, 1:] = False
    assert not movement_of_clips(body, seen).any()
