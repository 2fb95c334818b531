"""The unit of coordinates: data in millimetres are learned like the same data in metres."""

import copy
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from helpers import tiny
from jointwise.data.clips import ClipCutter
from jointwise.data.dataset import Dataset, Part, load_dataset
from jointwise.data.datasets import DATASETS
from jointwise.data.datasets.source import DataSource, Recordings
from jointwise.data.sequence import Sequence
from jointwise.data.store.shards import Shards
from jointwise.inference.recognizer import Recognizer
from jointwise.model.encoders import Encoder
from jointwise.model.tokens import all_tokens
from jointwise.stages.finetune import finetune
from jointwise.stages.pretrain import pretrain
from jointwise.training import coordinate_scale
from jointwise.training.coordinate_scale import (
    coordinate_rms,
    median_clip_rms,
    median_coordinate_rms,
    with_coordinate_scale,
)
from jointwise.training.model_folder import load_card
from jointwise.training.run_folder import read_log


def load(source: DataSource, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Dataset:
    monkeypatch.setitem(DATASETS, tiny.NAME, source)
    monkeypatch.setenv("JOINTWISE_DATA", str(folder))
    return load_dataset(tiny.NAME)


def a_thousand_times(root: Path | None) -> Recordings:
    def read(item: tuple[int, int, int]) -> Sequence:
        sequence = tiny.read(item)
        return replace(sequence, positions=1000 * sequence.positions)

    return replace(tiny.recordings(root), read=read)


def test_an_encoder_says_the_same_of_coordinates_in_another_unit() -> None:
    torch.manual_seed(0)
    one = Encoder(3, 5, 12, depth=2, width=16, heads=2)
    other = Encoder(3, 5, 12, depth=2, width=16, heads=2, scale=300.0)
    other.load_state_dict(one.state_dict())
    segments, tokens = torch.randn(2, 3, 5, 12), all_tokens(torch.ones(2, 3, 5, dtype=torch.bool))
    torch.testing.assert_close(other(300 * segments, tokens), one(segments, tokens))
    assert not torch.allclose(one(300 * segments, tokens), one(segments, tokens), atol=0.1)


def test_data_in_another_unit_are_learned_alike(
    dataset: Dataset, pretrained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    large = load(replace(tiny.SOURCE, recordings=a_thousand_times), tmp_path, monkeypatch)
    pretrain(tiny.config(), large, 0, tmp_path / "pretrain")
    scales = [load_card(run).config.clip.scale for run in (pretrained, tmp_path / "pretrain")]
    assert scales[1] == pytest.approx(1000 * (scales[0] or 0))
    for line, same in zip(read_log(pretrained), read_log(tmp_path / "pretrain"), strict=True):
        assert line["loss"] == pytest.approx(same["loss"], rel=1e-3)
    assert "WARNING: tiny: coordinates are of the order of" in str(load_card(pretrained).compatibility_notes(large))
    finetune(tiny.config(), large, 0, "1.0", tmp_path / "finetune", tmp_path / "pretrain")
    card = load_card(tmp_path / "finetune")
    assert card.config.clip.scale == scales[1]
    assert card.size == pytest.approx(1000 * (load_card(pretrained).size or 0))
    assert card.compatibility_notes(replace(large, train=replace(large.train, ids=large.train.ids[:0]))) is None
    features = Recognizer.from_pretrained(pretrained).features(dataset.test[0])
    in_millimetres = Recognizer.from_pretrained(tmp_path / "pretrain").features(large.test[0])
    np.testing.assert_allclose(features, in_millimetres, atol=0.02)


def test_metres_stay_as_they_are_and_so_does_what_a_user_says(
    dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes = [np.sqrt(np.square(s.positions[s.validity], dtype=np.float64).mean()) for s in dataset.train]
    assert with_coordinate_scale(tiny.config(), dataset).clip.scale == pytest.approx(np.median(sizes), rel=5e-3)
    assert with_coordinate_scale(tiny.config("--clip.scale", "7"), dataset).clip.scale == 7
    metres = load(tiny.SOURCE_IN_METRES, tmp_path, monkeypatch)
    assert with_coordinate_scale(tiny.config(), metres).clip.scale == 1


def test_one_wild_coordinate_does_not_change_the_scale_of_all(
    dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def with_outlier(root: Path | None) -> Recordings:
        def read(item: tuple[int, int, int]) -> Sequence:
            sequence = tiny.read(item)
            if sequence.source == dataset.train[0].source:
                person, frame, joint = np.argwhere(sequence.validity)[-1]
                sequence.positions[person, frame, joint] = 1e6
            return sequence

        return replace(tiny.recordings(root), read=read)

    wild = load(replace(tiny.SOURCE, recordings=with_outlier), tmp_path, monkeypatch)
    assert coordinate_rms(wild.train) > 1000
    assert with_coordinate_scale(tiny.config(), wild).clip.scale == pytest.approx(
        with_coordinate_scale(tiny.config(), dataset).clip.scale, rel=0.2
    )


def test_a_baseline_from_random_weights_has_the_scale_of_its_data(dataset: Dataset, tmp_path: Path) -> None:
    config = tiny.config(system=tiny.BASELINE)
    finetune(config, dataset, 0, "1.0", tmp_path / "run")
    assert load_card(tmp_path / "run").config.clip.scale == with_coordinate_scale(config, dataset).clip.scale


def test_motion_has_the_typical_size_of_its_changes_in_clips_and_place_that_of_its_coordinates(
    dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tiny.config("--clip.input", "place+motion")
    sizes, places = [], []
    cutter = ClipCutter.from_store(dataset.store, config.clip.frames)
    for number in dataset.train.ids.tolist():
        clip = cutter.centre(torch.tensor([number]))
        places.append(np.sqrt(np.square(clip.positions[clip.valid].numpy()).mean()))
        changes = []
        for person in range(clip.valid.shape[1]):
            for frame in range(config.clip.frames - 1):
                seen = clip.valid[0, person, frame] & clip.valid[0, person, frame + 1]
                change = clip.positions[0, person, frame + 1] - clip.positions[0, person, frame]
                changes += change[seen].flatten().tolist()
        sizes.append(np.sqrt(np.square(changes).mean()))
    clip_config = with_coordinate_scale(config, dataset).clip
    assert clip_config.motion_scale == pytest.approx(np.median(sizes), rel=5e-3)
    assert clip_config.scale == pytest.approx(np.median(places), rel=5e-3)
    metres = load(tiny.SOURCE_IN_METRES, tmp_path, monkeypatch)
    in_metres = with_coordinate_scale(config, metres).clip
    assert in_metres.scale not in (None, 1.0)
    assert with_coordinate_scale(tiny.config(), metres).clip.motion_scale is None
    kept = with_coordinate_scale(config, dataset, trained=with_coordinate_scale(config, metres)).clip
    assert (kept.scale, kept.motion_scale) == (in_metres.scale, in_metres.motion_scale)


def test_a_run_and_what_is_fine_tuned_from_it_keep_the_units_of_their_input(dataset: Dataset, tmp_path: Path) -> None:
    config = tiny.config("--clip.input", "place+motion")
    pretrain(config, dataset, 0, tmp_path / "pretrain")
    finetune(config, dataset, 0, "1.0", tmp_path / "finetune", tmp_path / "pretrain")
    cards = [load_card(tmp_path / name).config.clip for name in ("pretrain", "finetune")]
    assert cards[0] == cards[1] == with_coordinate_scale(config, dataset).clip
    features = Recognizer.from_pretrained(tmp_path / "pretrain").features(dataset.test[0])
    assert np.isfinite(features).all()


def test_of_very_many_sequences_some_of_each_shard_are_measured(
    dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    shards = Shards.of_sizes([1, 9, 50])
    store = copy.copy(dataset.store)
    store.shards = shards
    part = Part(store, np.arange(60))
    assert coordinate_scale._sampled(part) is part
    whole = [median_coordinate_rms(part), median_clip_rms(part, 16)[1], coordinate_rms(part)]
    with monkeypatch.context() as patch:
        patch.setattr(coordinate_scale, "MOST_MEASURED", 20)
        some = coordinate_scale._sampled(part)
        found = [median_coordinate_rms(part), median_clip_rms(part, 16)[1], coordinate_rms(part)]
    assert np.bincount(shards.of(some.ids)).tolist() == [1, 3, 17]  # every third of each
    assert found == [median_coordinate_rms(some), median_clip_rms(some, 16)[1], coordinate_rms(some)] != whole
    assert found == pytest.approx(whole, rel=0.2)
