"""A foreign encoder is judged by the same code as our own: a function from clips to vectors is enough."""

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from helpers import tiny
from jointwise.data.clips import ClipCutter, Clips
from jointwise.data.dataset import Dataset
from jointwise.data.label_subset import choose_labelled
from jointwise.data.skeletons import KINECT20
from jointwise.errors import ConfigError, DataError
from jointwise.evaluation.features import RAW_FRAMES, encoder_features, raw_features
from jointwise.evaluation.judge import judge
from jointwise.evaluation.protocols import frozen_protocols
from jointwise.evaluation.results import read_results, save_result
from jointwise.model.parts import build_encoder
from jointwise.report.tables.grouping import group_results
from jointwise.report.tables.tables import accuracy
from jointwise.stages.evaluate import evaluate
from jointwise.training.model_folder import encoder_weights

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "judge-your-own-encoder.md"
HAND = KINECT20.joints.index("left_hand")


def drift(clips: Clips) -> Tensor:
    """How far the left hand of the first person goes: what sets the classes of the tiny data apart."""
    hand = clips.positions[:, 0, :, HAND]
    return torch.nn.functional.pad(hand[:, -1] - hand[:, 0], (0, 1), value=0.2)  # cosine knows no size, so give it one


def test_a_hand_made_encoder_that_looks_at_the_right_joint_is_good(dataset: Dataset) -> None:
    evaluation = judge(drift, dataset, "knn", name="drift", frames=16, config=tiny.config())
    assert evaluation.summary()["scores"]["top1"] > 0.8
    constant = judge(lambda clips: drift(clips) * 0 + 1, dataset, "knn", name="constant", frames=16)
    assert constant.summary()["scores"]["top1"] == 0  # ties are no knowledge


@pytest.mark.parametrize("protocol", frozen_protocols())
def test_our_own_encoders_get_the_scores_that_evaluate_gives_them(
    pretrained: Path, dataset: Dataset, tmp_path: Path, protocol: str
) -> None:
    _, path = evaluate(pretrained, protocol, dataset, tiny.config(), 0, results=tmp_path)
    card, weights, _ = encoder_weights(pretrained, dataset, "student")
    encoder = build_encoder(card.config, card.skeleton, 3).eval()
    encoder.load_state_dict(weights)
    features = encoder_features(encoder, card.config.clip.segment, "mean")
    found = judge(features, dataset, protocol, name="foreign", frames=16, config=tiny.config()).scores
    assert found is not None
    assert np.array_equal(found, np.load(path.with_suffix(".npz"))["scores"])


def test_few_labels_are_the_labels_of_the_clips_they_belong_to(dataset: Dataset) -> None:
    """Every clip is its own feature: the most similar of the labelled clips gives the label."""
    evaluation = judge(raw_features(None), dataset, "knn", name="own", frames=16, labels="2shot", seed=3)
    cutter = ClipCutter.from_store(dataset.store, 16)
    labelled = choose_labelled(dataset.train, "2shot", 3, dataset.classes)
    known, asked = (raw_features(None)(cutter.centre(torch.from_numpy(part.ids))) for part in (labelled, dataset.test))
    assert evaluation.scores is not None
    expected = labelled.labels[(asked @ known.T).argmax(1).numpy()]
    assert (evaluation.scores.argmax(1) == expected).all()
    assert evaluation.labelled.names == labelled.names


def test_raw_coordinates_are_the_raw_floor(dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (path,) = evaluate(None, "knn", dataset, tiny.config(), 0, labels="2shot")
    features = raw_features(dataset.skeleton.root_index)
    evaluation = judge(features, dataset, name="mine", frames=RAW_FRAMES, labels="2shot", config=tiny.config())
    assert np.array_equal(evaluation.arrays()["scores"], np.load(path.with_suffix(".npz"))["scores"])


def test_its_result_stands_in_a_table_beside_others(dataset: Dataset, tmp_path: Path) -> None:
    for seed in (0, 1):
        evaluation = judge(drift, dataset, "knn", name="left hand", labels="1shot", seed=seed, frames=16)
        save_result(tmp_path, evaluation, torch.device("cpu"))
    (row,) = accuracy(group_results(read_results(tmp_path))).rows
    assert row[:6] == ("left hand", "foreign", "knn", "–", "1shot", "2")


def test_held_out_subjects_are_judged_instead_of_test_subjects(dataset: Dataset) -> None:
    evaluation = judge(drift, dataset, name="drift", frames=16, config=tiny.config("--validation_subjects", "[3]"))
    assert set(evaluation.dataset.test.subjects) == {3}
    assert not evaluation.split_is_test


@pytest.mark.parametrize(
    ("features", "message"),
    [
        (lambda clips: clips.positions, r"have shape \(30, \d, 16, 20, 3\), expected \(30, F\): one vector"),
        (lambda clips: drift(clips)[:-1], r"features of 30 clips have shape \(29, 4\)"),
        (lambda clips: drift(clips) / 0, "features of sequence 0 of the store are not finite"),
    ],
)
def test_features_that_are_none_are_refused(dataset: Dataset, features, message: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(DataError, match=message):
        judge(features, dataset, name="broken", frames=16)


def test_names_that_cannot_be_files_and_unknown_protocols_are_refused(dataset: Dataset) -> None:
    with pytest.raises(ConfigError, match=r"name '\.\./x'"):
        judge(drift, dataset, name="../x")
    with pytest.raises(ConfigError, match="unknown protocol 'kn': did you mean 'knn'"):
        judge(drift, dataset, "kn", name="x")


def test_the_example_of_the_page_runs_as_written(
    dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("jointwise.load_dataset", lambda name: dataset, raising=False)
    (script,) = re.findall(r"```python\n(.*?judge\(.*?)```", PAGE.read_text(), re.DOTALL)
    exec(compile(script, str(PAGE), "exec"), {})
    assert 0 <= float(capsys.readouterr().out) <= 1
    assert len(read_results(tmp_path / "results")) == 1
