"""2D data for an encoder of 3D recordings: as bodies without depth, in the axes and the unit of its training."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from helpers import tiny
from helpers.stores import write_store
from jointwise.data.clips import ClipCutter
from jointwise.data.conventions import Conventions, turn
from jointwise.data.dataset import Dataset
from jointwise.data.sequence import Sequence
from jointwise.data.skeletons import KINECT20, NTU25
from jointwise.data.store.reader import Description, Store
from jointwise.errors import CheckpointError, ReadError
from jointwise.evaluation.features import encoder_features
from jointwise.evaluation.results import read_results
from jointwise.inference.recognizer import Recognizer
from jointwise.model.parts import build_encoder
from jointwise.model.tokens import restrict_coordinates
from jointwise.stages.evaluate import evaluate
from jointwise.stages.finetune import finetune
from jointwise.training.flat_data import axes_in, in_2d
from jointwise.training.model_folder import encoder_weights, load_card, pretrained_weights

PIXELS = 400.0  # in a metre


def data_of(folder: Path, positions: list[np.ndarray], skeleton=KINECT20) -> Dataset:
    """A data set of walks of two subjects, one of whom is scored."""
    shape = positions[0].shape[:3]
    pairs = [
        (Sequence(walk, skeleton, np.ones(shape, bool), 30.0, number % 2, 1 + number // 4), number >= 4)
        for number, walk in enumerate(positions)
    ]
    description = Description("flat", skeleton, ("a", "b"), positions[0].shape[-1])
    return Dataset.of(Store(write_store(folder, description, pairs)), "flat")


@pytest.fixture(scope="module")
def flat(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """Walks in pixels."""
    random = np.random.default_rng(0)
    starts = random.normal(0, 0.3, (8, 1, 1, 20, 2))
    walks = PIXELS * (starts + random.normal(0, 0.02, (8, 1, 20, 20, 2)).cumsum(2))
    return data_of(tmp_path_factory.mktemp("flat"), list(walks.astype(np.float32)))


@pytest.mark.parametrize("up", ["y", "-y"])
@pytest.mark.parametrize("own", ["y", "z"])
@pytest.mark.parametrize("numbers", ["place", "relative+motion"])
def test_it_is_the_encoder_on_the_same_bodies_without_depth(
    flat: Dataset, tmp_path: Path, up: str, own: str, numbers: str
) -> None:
    config = tiny.config("--clip.input", numbers)
    units = {"motion_scale": 3.0, "centre": KINECT20.root} if config.clip.has_motion else {}
    config = replace(config, clip=replace(config.clip, scale=90.0, **units))
    whole = build_encoder(config, KINECT20, 3).eval()
    turned = turn(up, own)
    walks = [sequence.positions for sequence in flat.store]
    deep = [(np.concatenate([walk, 0 * walk[..., :1]], -1) @ turned.T).astype(np.float32) for walk in walks]
    data = data_of(tmp_path, deep)
    part = build_encoder(config, KINECT20, 2).eval()
    part.load_state_dict(restrict_coordinates(whole.state_dict(), torch.from_numpy(turned)[:, :2]))
    features = []
    for encoder, dataset in ((whole, data), (part, flat)):
        clips = ClipCutter.from_store(dataset.store, config.clip.frames).centre(torch.arange(8))
        with torch.no_grad():
            features.append(encoder_features(encoder, config.clip.segment, "mean")(clips))
    torch.testing.assert_close(features[1], features[0], atol=1e-4, rtol=1e-4)
    assert not torch.allclose(features[0][0], features[0][1], atol=1e-2)


def test_axes_follow_from_where_bodies_point_up(flat: Dataset, pretrained: Path) -> None:
    card = load_card(pretrained)
    upright = flat.store.layout.up  # kinect20 says that y points up; random walks do not contradict
    assert upright == 1
    for own, expected in (
        ("y", [[1, 0], [0, 1], [0, 0]]),
        ("-y", [[-1, 0], [0, -1], [0, 0]]),
        ("z", [[1, 0], [0, 0], [0, 1]]),
        (None, [[1, 0], [0, 1], [0, 0]]),
    ):
        axes = axes_in(replace(card, conventions=Conventions(own)), flat)
        assert axes.tolist() == expected, own


def test_units_are_those_of_the_data_and_the_card_says_2d(flat: Dataset, pretrained: Path) -> None:
    card, weights, view = encoder_weights(pretrained, flat, "student")
    assert card.coordinates == 2
    assert load_card(pretrained).config.clip.scale < 1
    sizes = [np.sqrt(np.square(sequence.positions).mean()) for sequence in flat.train]
    assert card.config.clip.scale == pytest.approx(np.median(sizes), rel=0.01)
    assert in_2d(load_card(pretrained), flat).settings == card.settings
    assert weights["embed.proj.weight"].shape[1] == card.config.clip.segment * 2
    assert view.skeleton == KINECT20


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*:jointwise.errors.JointwiseWarning")  # walks are no bodies
def test_a_model_is_fine_tuned_judged_and_used_on_2d(flat: Dataset, pretrained: Path, tmp_path: Path) -> None:
    finetune(tiny.config(), flat, 0, "1.0", tmp_path / "run", pretrained, results=tmp_path / "results")
    evaluate(pretrained, "knn", flat, tiny.config(), 0, results=tmp_path / "results")
    assert {result["protocol"] for result in read_results(tmp_path / "results")} == {"finetune", "knn"}
    card = load_card(tmp_path / "run")
    assert (card.coordinates, card.pretrained_on) == (2, "tiny")
    recognizer = Recognizer.from_pretrained(tmp_path / "run")
    assert recognizer.predict(flat.test[0]).label in ("a", "b")
    with pytest.raises(ReadError, match="3 coordinates per joint, but this model was trained on 2D"):
        recognizer.predict(tiny.walk(0, 1, 0))


def test_what_is_said_of_2d_data_is_no_warning(flat: Dataset, pretrained: Path) -> None:
    said = load_card(pretrained).compatibility_notes(flat)
    assert said == "flat: 2D, taken as bodies without depth in the axes and the unit of the model"


def test_pre_training_goes_on_with_as_many_coordinates_only(
    flat: Dataset, pretrained: Path, finetuned: Path, tmp_path: Path
) -> None:
    with pytest.raises(CheckpointError, match="made for 3 coordinates per joint, but 'flat' has 2"):
        pretrained_weights(pretrained, flat)
    with pytest.raises(CheckpointError, match="made for 3 coordinates per joint, but 'flat' has 2"):
        evaluate(finetuned, "score", flat, tiny.config(), 0)
    card = replace(load_card(pretrained), coordinates=2)
    deep = data_of(tmp_path, [np.ones((1, 20, 25, 3), np.float32)] * 8, NTU25)
    with pytest.raises(CheckpointError, match="made for 2 coordinates per joint, but 'flat' has 3"):
        card.on_shared_joints(deep, pretrained, flat=True)
