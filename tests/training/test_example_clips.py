"""The clips that a run keeps for its report: which, what was seen and rebuilt of them."""

from pathlib import Path

import numpy as np
import pytest
import torch

from helpers import tiny
from jointwise.data.clips import ClipCutter
from jointwise.data.dataset import Dataset
from jointwise.data.randomness import Draws
from jointwise.errors import DataError
from jointwise.model.build import build_objective
from jointwise.model.masked_prediction import mask_noise
from jointwise.model.masks import MASKS
from jointwise.model.tokens import all_tokens, to_segments, token_validity, visible_tokens
from jointwise.report.viewer.examples import resample, resample_mask
from jointwise.stages.pretrain import pretrain
from jointwise.training.example_clips import choose_examples, make_examples, read_examples, write_examples
from jointwise.training.model_folder import load_model


def test_examples_are_spread_over_classes_and_the_same_for_the_same_seed(dataset: Dataset):
    for most, counts in ((3, [1, 0, 1, 0, 1]), (5, [1] * 5), (8, [2, 2, 2, 1, 1])):
        places = choose_examples(dataset.test, 0, most)
        assert np.bincount(dataset.test.labels[places], minlength=5).tolist() == counts
        assert (places == choose_examples(dataset.test, 0, most)).all()
    assert (choose_examples(dataset.test, 0) != choose_examples(dataset.test, 1)).any()


def test_examples_are_written_and_read_as_they_are_and_bitwise_the_same_for_two_runs(
    dataset: Dataset, pretrained: Path, tmp_path: Path
):
    pretrain(tiny.config(), dataset, 0, tmp_path / "again")
    assert (tmp_path / "again" / "examples.npz").read_bytes() == (pretrained / "examples.npz").read_bytes()
    examples = read_examples(pretrained)
    assert examples is not None
    assert set(examples.names) <= set(dataset.test.names)
    assert write_examples(tmp_path, examples).read_bytes() == (pretrained / "examples.npz").read_bytes()
    assert read_examples(tmp_path / "nowhere") is None


def test_rebuilt_joints_are_the_decoders_output_times_the_scale(dataset: Dataset, pretrained: Path):
    card, weights = load_model(pretrained)
    config = card.config
    module = build_objective(config, dataset.skeleton, 3, 1.0, seed=0)
    module.load_state_dict(weights)
    module.eval()
    examples = read_examples(pretrained)
    assert examples is not None
    assert examples.seen is not None
    assert examples.rebuilt is not None
    ids = torch.tensor([dataset.test.ids[dataset.test.names.index(name)] for name in examples.names])
    clips = ClipCutter.from_store(dataset.store, config.clip.frames).centre(ids)
    persons = clips.persons()
    segments, valid = to_segments(persons.positions, 4), token_validity(persons.valid, 4)
    noise = mask_noise(persons, clips, 4, Draws(torch.arange(len(ids)), 0, "example masks"))
    counts = module.visible(*valid.shape[1:])
    hidden = MASKS[module.mask_strategy].draw(segments, valid, noise, counts, module.body_parts)
    visible = visible_tokens(hidden, valid, counts.grid)
    with torch.no_grad():
        predicted = module.decoder(module.student(segments, visible), visible, all_tokens(valid))
    for person, (clip, slot) in enumerate(zip(persons.clip.tolist(), persons.slot.tolist(), strict=True)):
        for segment, joint, frame in ((0, 0, 0), (1, 7, 2), (3, 19, 3)):
            token = predicted[person, segment * 20 + joint].reshape(4, 3)[frame]
            wanted = token * float(weights["coordinate_scale"])
            rebuilt = examples.rebuilt[clip, slot, 4 * segment + frame, joint]
            assert np.allclose(rebuilt, wanted.numpy(), atol=1e-6)
            assert examples.seen[clip, slot, 4 * segment + frame, joint] == bool(
                ~hidden[person, segment, joint] & valid[person, segment, joint]
            )
    assert not examples.seen[~examples.valid.any((2, 3))].any()
    assert np.array_equal(examples.clip, clips.positions.numpy())


def test_a_clip_lasts_as_long_as_what_was_recorded(dataset: Dataset):
    examples = make_examples(dataset, ClipCutter.from_store(dataset.store, 16), seed=0)
    assert examples.seen is None
    assert examples.rebuilt is None
    for name, fps in zip(examples.names, examples.fps, strict=True):
        sequence = dataset.test[dataset.test.names.index(name)]
        assert examples.valid.shape[2] / fps == pytest.approx(round(0.95 * sequence.frames) / sequence.fps)


def test_a_clip_of_few_frames_is_stretched_to_the_recordings_time():
    """Resampling of a straight motion to 4 frames, and back, is that motion away from its ends."""
    line = np.arange(16, dtype=np.float32).reshape(1, 16, 1, 1)
    few = line.reshape(1, 4, 4, 1).mean(2, keepdims=True)
    assert np.allclose(resample(few, 16)[0, 2:14], line[0, 2:14])
    assert resample(few, 4) is not few
    assert (resample(few, 4) == few).all()
    assert resample_mask(np.array([[[True], [False]]]), 6)[0, :, 0].tolist() == [True] * 3 + [False] * 3


def test_no_decoder_of_joints_no_third_panel(dataset: Dataset):
    cutter = ClipCutter.from_store(dataset.store, 16)
    clips = cutter.centre(torch.from_numpy(dataset.test.ids[:4]))
    persons = clips.persons()
    for options, rebuilds in (
        (("--decoder.target", "motion"), False),
        (("--decoder.use", "false"), False),
        (("--decoder.normalisation", "token"), False),
        (("--decoder.region", "hidden"), True),
    ):
        module = build_objective(tiny.config(*options), dataset.skeleton, 3, 1.0, seed=0)
        rebuilt = module.rebuild(persons, clips, Draws(torch.arange(4), 0))
        assert (rebuilt.joints is not None) == rebuilds
        if rebuilt.joints is not None:  # it learned nothing about the places it sees
            assert torch.equal(rebuilt.joints[rebuilt.seen], persons.positions[rebuilt.seen])


def test_damaged_examples_are_named(pretrained: Path, tmp_path: Path):
    file = tmp_path / "examples.npz"
    file.write_bytes((pretrained / "examples.npz").read_bytes()[:-200])
    with pytest.raises(DataError, match=r"examples\.npz: damaged"):
        read_examples(tmp_path)
