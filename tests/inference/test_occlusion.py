"""What an answer rests on, by hiding joints and spans of time."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from helpers import tiny
from jointwise.data.clips import Clips, Persons
from jointwise.data.dataset import Dataset
from jointwise.data.sequence import Sequence
from jointwise.errors import CheckpointError, ConfigError
from jointwise.inference.answers import Answers
from jointwise.inference.occlusion import Occlusion, hide, occlusion, spans_of
from jointwise.inference.recognizer import Recognizer
from jointwise.stages.finetune import finetune

HAND = 7


@pytest.fixture(scope="module")
def recognizer(finetuned: Path) -> Recognizer:
    return Recognizer.from_pretrained(finetuned)


class HandUp(nn.Module):
    """How high one joint of the first person is on average, where it is seen in the frames from `begin`."""

    def __init__(self, begin: int = 0) -> None:
        super().__init__()
        self.begin = begin

    def forward(self, persons: Persons) -> Tensor:
        first = persons.slot == 0
        height = persons.positions[first][:, self.begin :, HAND, 1]
        seen = persons.valid[first][:, self.begin :, HAND].float()
        mean = (height * seen).sum(1) / seen.sum(1).clamp(min=1)
        return torch.stack([mean, *[torch.zeros_like(mean)] * (len(tiny.CLASSES) - 1)], 1)


def asked(recognizer: Recognizer, looks: nn.Module, sequence: Sequence, label: str | None = None) -> Occlusion:
    answers = Answers(replace(recognizer.card, movement=None), looks)  # type: ignore[arg-type]
    prepared = recognizer._inputs.sequence(sequence)
    found = occlusion(answers, recognizer._inputs.clip(prepared), prepared, recognizer.card.config.segments, label)
    assert isinstance(found, Occlusion)
    return found


@pytest.fixture(scope="module")
def recording() -> Sequence:
    """One person whose hand is 2 m above its root; nothing is missing."""
    steps = np.random.default_rng(1).normal(0, 0.05, (1, 40, 20, 3)).cumsum(1)
    steps[:, :, HAND, 1] = 2.0
    return Sequence(steps.astype(np.float32), tiny.KINECT20)


def test_only_the_joint_that_decides_has_a_drop(recognizer: Recognizer, recording: Sequence) -> None:
    found = asked(recognizer, HandUp(), recording, "up")
    joints = len(found.joints)
    assert found.joints.argmax() == HAND
    assert found.joints[HAND] == pytest.approx(np.log(found.probability * len(tiny.CLASSES)))  # chance is left
    assert found.without(found.joints[HAND]) == pytest.approx(1 / len(tiny.CLASSES))
    assert not found.joints[np.arange(joints) != HAND].any()
    assert found.parts["left arm"] == found.joints[HAND]
    assert not any(drop for part, drop in found.parts.items() if part != "left arm")


def test_only_the_time_that_decides_has_a_drop(recognizer: Recognizer, recording: Sequence) -> None:
    frames, segments = recognizer.card.config.clip.frames, recognizer.card.config.segments
    found = asked(recognizer, HandUp(frames - frames // segments), recording, "up")
    assert found.times.shape == (segments,)
    assert found.times[-1] > 0.5
    assert not found.times[:-1].any()


def test_what_was_not_seen_anyway_has_no_drop(recognizer: Recognizer, dataset: Dataset) -> None:
    sequence = dataset.test[5]
    valid = sequence.validity.copy()
    valid[:, :, [4, HAND]] = False
    found = recognizer.occlusion(replace(sequence, valid=valid))
    assert not found.joints[[4, HAND]].any()
    assert np.count_nonzero(found.joints) == len(found.joints) - 2


@pytest.mark.parametrize("place", [0, 1, 29])  # two persons in the first
def test_a_drop_is_what_predict_says_to_a_recording_without_it(
    recognizer: Recognizer, dataset: Dataset, place: int
) -> None:
    sequence = dataset.test[place]
    found = recognizer.occlusion(sequence)
    answer = recognizer.predict(sequence)
    assert found.label == max(answer.probabilities, key=answer.probabilities.__getitem__)
    assert found.probability == pytest.approx(answer.probability)
    parts = np.array(sequence.skeleton.part_names)
    chosen = [(found.joints[joint], np.zeros(len(parts), bool)) for joint in range(len(parts))]
    for joint, (_, mask) in enumerate(chosen):
        mask[joint] = True
    chosen += [(drop, parts == part) for part, drop in found.parts.items()]
    for drop, mask in chosen:
        if mask[sequence.skeleton.joints.index(sequence.skeleton.root or "")]:
            continue  # without the root the recording would have another origin
        left = recognizer.predict(replace(sequence, valid=sequence.validity & ~mask)).probabilities[found.label]
        assert found.without(drop) == pytest.approx(left, abs=1e-5)


def test_nothing_of_what_is_hidden_is_left(recognizer: Recognizer, dataset: Dataset) -> None:
    clip = recognizer._inputs.clip(recognizer._inputs.sequence(dataset.test[0]))
    random = np.random.default_rng(0)
    for mask in (random.random(clip.valid.shape[2:]) < 0.3, np.arange(20) == 1 | np.zeros(clip.valid.shape[2:], int)):
        hidden = torch.from_numpy(np.asarray(mask, bool))
        other = Clips(clip.positions + 9 * hidden[..., None], clip.valid, clip.ids)
        first, second = (hide(one, hidden.numpy()) for one in (clip, other))
        assert first is not None
        assert second is not None
        assert torch.equal(first.positions, second.positions)
        assert torch.equal(first.valid, clip.valid & ~hidden)
        assert torch.equal(first.positions[:, :, ~hidden], clip.positions[:, :, ~hidden])
    assert hide(clip, ~clip.valid[0].numpy().any(0)) is None


def test_the_joint_that_others_are_measured_from_keeps_its_place_behind_the_mask(
    recognizer: Recognizer, dataset: Dataset
) -> None:
    clip = recognizer._inputs.clip(recognizer._inputs.sequence(dataset.test[0]))
    mask = np.broadcast_to(np.isin(np.arange(20), [3, 5]), clip.valid.shape[2:])
    hidden = hide(clip, mask, centre=(3,))
    assert hidden is not None
    assert not hidden.valid[..., [3, 5]].any()
    assert torch.equal(hidden.positions[..., 3, :], clip.positions[..., 3, :])
    assert not hidden.positions[..., 5, :].any()


def test_asking_twice_gives_the_same(recognizer: Recognizer, dataset: Dataset) -> None:
    first, second = (recognizer.occlusion(dataset.test[3]) for _ in range(2))
    np.testing.assert_array_equal(first.joints, second.joints)
    np.testing.assert_array_equal(first.times, second.times)
    assert first.parts == second.parts


def test_spans_are_seconds_of_the_file(recording: Sequence) -> None:
    later = replace(recording, fps=20.0, begin=10)  # 38 of 40 frames are looked at, the first one is frame 11
    np.testing.assert_allclose(spans_of(later, 2), [[0.55, 1.5], [1.5, 2.45]])


def test_a_class_that_the_model_does_not_know_is_refused(
    recognizer: Recognizer, dataset: Dataset, pretrained: Path
) -> None:
    other = min(recognizer.classes)
    assert recognizer.occlusion(dataset.test[0], other).label == other
    with pytest.raises(ConfigError, match=r"unknown class 'upp': did you mean 'up'\?"):
        recognizer.occlusion(dataset.test[0], "upp")
    with pytest.raises(CheckpointError, match="pre-trained only"):
        Recognizer.from_pretrained(pretrained).occlusion(dataset.test[0])


@pytest.mark.slow
def test_a_trained_model_rests_on_the_hand_that_tells_the_classes(dataset: Dataset, tmp_path: Path) -> None:
    config = tiny.config("--scratch.steps", "120", "--scratch.lr", "0.003", "--scratch.hidden", "64")
    finetune(config, dataset, 0, "1.0", tmp_path / "run")
    trained = Recognizer.from_pretrained(tmp_path / "run")
    moving = [clip for clip in dataset.test if clip.label != tiny.CLASSES.index("still")]
    drops = np.mean([trained.occlusion(clip, tiny.CLASSES[clip.label or 0]).joints for clip in moving], 0)
    assert drops.argmax() == HAND
    assert drops[HAND] > 3 * np.delete(drops, HAND).max()
