"""A trained model in use: however a recording is given, the answer is the same."""

import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.io
import torch

import jointwise
from helpers import tiny
from jointwise.data.dataset import Dataset
from jointwise.data.mapping import map_to_layout
from jointwise.data.sequence import Sequence
from jointwise.data.skeletons import COCO17, KINECT20, NTU25, shared_joints, unnamed_skeleton
from jointwise.errors import CheckpointError, ConfigError, JointwiseWarning, ReadError
from jointwise.inference.answers import NONE, Prediction
from jointwise.inference.recognizer import Recognizer
from jointwise.stages.finetune import finetune
from jointwise.training.checkpoint import read_json

FRAMES = 33


@pytest.fixture(scope="module")
def recognizer(finetuned: Path) -> Recognizer:
    return Recognizer.from_pretrained(finetuned)


@pytest.fixture(scope="module")
def array() -> np.ndarray:
    """One person, all joints valid, metres in front of a camera."""
    steps = np.random.default_rng(0).normal(0, 0.05, (FRAMES, 20, 3)).cumsum(0)
    return (steps + np.array([0, 0, 3])).astype(np.float32)


@pytest.fixture(scope="module")
def path(array: np.ndarray, tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("recording") / "a1_s1_t1_skeleton.mat"
    scipy.io.savemat(file, {"d_skel": array.transpose(1, 2, 0).astype(float)})
    return file


def probabilities(prediction: Prediction) -> np.ndarray:
    return np.array([prediction.probabilities[name] for name in tiny.CLASSES])


def test_sequence_array_and_path_agree_to_the_bit(recognizer: Recognizer, array: np.ndarray, path: Path) -> None:
    sequence = jointwise.read(path)
    answers = [recognizer.predict(recording) for recording in (path, str(path), sequence, array, array[None])]
    assert len({tuple(probabilities(answer)) for answer in answers}) == 1
    assert [answer.source for answer in answers[:2]] == [str(path)] * 2
    features = [recognizer.features(recording) for recording in (path, sequence, array)]
    assert all(np.array_equal(feature, features[0]) for feature in features)


def test_the_label_is_the_likeliest_class_and_probabilities_sum_to_one(
    recognizer: Recognizer, dataset: Dataset
) -> None:
    answer = recognizer.predict(dataset.test[0])
    assert set(answer.probabilities) == set(recognizer.classes) == set(tiny.CLASSES)
    assert sum(answer.probabilities.values()) == pytest.approx(1, abs=1e-5)
    assert list(answer.probabilities.values()) == sorted(answer.probabilities.values(), reverse=True)
    assert answer.probability == answer.probabilities[answer.label] == max(answer.probabilities.values())


def test_predictions_are_the_scores_of_the_evaluation(
    finetuned: Path, recognizer: Recognizer, dataset: Dataset
) -> None:
    with np.load(next((finetuned / "results").glob(f"{tiny.SYSTEM}-finetune-*.npz"))) as clips:
        scores, labels = clips["scores"], clips["labels"]
    read = [tiny.walk(*who) for who in [(0, 2, 1), (0, 2, 2), (4, 4, 3)]]  # test sequences 0 (two persons), 1 and 29
    for place, sequence in zip((0, 1, 29), read, strict=True):
        assert labels[place] == sequence.label
        np.testing.assert_allclose(probabilities(recognizer.predict(sequence)), scores[place], atol=1e-5)


@pytest.mark.parametrize("at", [0, 1])
def test_an_extra_empty_person_slot_changes_nothing(recognizer: Recognizer, array: np.ndarray, at: int) -> None:
    sequence = Sequence(array, recognizer.card.skeleton)
    empty = np.full((1, FRAMES, 20, 3), np.nan, np.float32)
    persons, valid = [sequence.positions, empty], [sequence.validity, np.zeros((1, FRAMES, 20), bool)]
    order = [at, 1 - at]
    padded = replace(
        sequence,
        positions=np.concatenate([persons[i] for i in order]),
        valid=np.concatenate([valid[i] for i in order]),
    )
    assert np.array_equal(probabilities(recognizer.predict(padded)), probabilities(recognizer.predict(sequence)))
    assert np.array_equal(recognizer.features(padded), recognizer.features(sequence))


def test_where_the_person_stands_changes_nothing(recognizer: Recognizer, array: np.ndarray) -> None:
    moved = probabilities(recognizer.predict(array + np.float32([2, -1, 0.5])))
    np.testing.assert_allclose(moved, probabilities(recognizer.predict(array)), atol=1e-4)


def test_a_recording_is_never_changed(recognizer: Recognizer, array: np.ndarray) -> None:
    before = array.copy()
    sequence = Sequence(array, recognizer.card.skeleton)
    recognizer.predict(sequence)
    assert np.array_equal(sequence.positions[0], before)
    assert np.array_equal(array, before)


@pytest.mark.parametrize("frames", [1, 2, 300])
def test_recordings_of_any_length_are_recognised(recognizer: Recognizer, frames: int) -> None:
    array = np.random.default_rng(1).normal(size=(frames, 20, 3))
    assert np.isfinite(probabilities(recognizer.predict(array))).all()


def test_a_copied_model_folder_is_all_it_needs(
    finetuned: Path, recognizer: Recognizer, array: np.ndarray, tmp_path: Path
) -> None:
    for name in ("config.json", "model.safetensors"):
        (tmp_path / name).write_bytes((finetuned / "model" / name).read_bytes())
    moved = jointwise.Recognizer.from_pretrained(tmp_path)
    assert moved.predict(array).probabilities == recognizer.predict(array).probabilities


def test_a_classifier_names_recordings_of_another_layout_and_tells_its_coverage(
    recognizer: Recognizer, dataset: Dataset
) -> None:
    given = dataset.test[0]
    expected = recognizer.predict(given).probabilities
    more = map_to_layout(given, NTU25)  # the model's joints and five more: none is missing
    assert recognizer.predict(more).probabilities == pytest.approx(expected, abs=1e-6)
    fewer = given.on_joints(shared_joints(COCO17, given.skeleton))
    expected = (
        "'kinect20-12joints' on a model of 'kinect20': 15 of 20 joints: 12 matched, 3 from others, missing: head, "
    )
    with pytest.warns(JointwiseWarning, match=expected):
        assert recognizer.predict(fewer).label in recognizer.classes


def test_a_layout_with_too_few_joints_of_the_model_is_refused(recognizer: Recognizer) -> None:
    arm = NTU25.on_joints(["left_shoulder", "left_elbow", "left_wrist", "left_hand", "head"])
    with pytest.raises(ReadError, match=r"x: too few joints .*'ntu25-5joints' on a model of .*: 5 of 20 joints"):
        recognizer.predict(Sequence(np.zeros((5, 5, 3)), arm, source="x"))
    with pytest.raises(ReadError, match=r"'kinect20' needs \(persons, frames, 20, 3\)"):
        recognizer.predict(np.zeros((5, 25, 3)))


def test_joints_that_are_only_numbered_are_taken_as_those_of_the_model(
    recognizer: Recognizer, array: np.ndarray, tmp_path: Path
) -> None:
    np.savez(tmp_path / "numbered.npz", positions=array)
    assert recognizer.predict(tmp_path / "numbered.npz").probabilities == recognizer.predict(array).probabilities
    np.savez(tmp_path / "fewer.npz", positions=array[..., :19, :])
    with pytest.raises(ReadError, match="'joints19'"):
        recognizer.predict(tmp_path / "fewer.npz")


def test_a_recording_is_cleaned_as_the_data_of_the_model_was(recognizer: Recognizer, array: np.ndarray) -> None:
    person = Sequence(array, KINECT20)
    ghost = np.zeros((1, *person.positions.shape[1:]), np.float32)
    seen = np.zeros(ghost.shape[:3], bool)
    seen[:, :5], ghost[:, :5] = True, 1.0  # a track of five frames: noise
    both = Sequence(np.concatenate([person.positions, ghost]), KINECT20, np.concatenate([person.validity, seen]))
    cleaned = Recognizer(replace(recognizer.card, cleaning="clean_ntu"), *rest_of(recognizer))
    assert cleaned.predict(both).probabilities == cleaned.predict(person).probabilities
    assert recognizer.predict(both).probabilities != recognizer.predict(person).probabilities


def rest_of(recognizer: Recognizer) -> tuple[Any, Any, Any]:
    return recognizer._encoder, recognizer._classifier, recognizer.device


def test_another_number_of_coordinates_is_refused(recognizer: Recognizer) -> None:
    with pytest.raises(ReadError, match="2 coordinates per joint, but this model was trained on 3D recordings"):
        recognizer.predict(np.zeros((5, 20, 2)))


def test_a_recording_without_a_valid_person_is_refused(recognizer: Recognizer) -> None:
    empty = Sequence(np.zeros((5, 20, 3)), recognizer.card.skeleton, np.zeros((5, 20), bool), source="nobody")
    with pytest.raises(ReadError, match="nobody: no valid person"):
        recognizer.predict(empty)


def test_coordinates_that_are_no_numbers_are_refused(recognizer: Recognizer, array: np.ndarray) -> None:
    broken = array.copy()
    broken[3, 4] = np.inf
    with pytest.raises(ReadError, match=r"frame 3, joint 4 \(left_shoulder\)"):
        recognizer.predict(broken)


@pytest.mark.parametrize(
    "recording", [b"positions", {}, [[0.0, 1.0], [2.0]], None], ids=["bytes", "dict", "ragged", "none"]
)
def test_what_is_no_recording_is_refused(recognizer: Recognizer, recording: Any) -> None:
    with pytest.raises(ReadError, match="array: positions"):
        recognizer.predict(recording)


def test_named_joints_are_taken_in_whatever_order(recognizer: Recognizer, array: np.ndarray) -> None:
    backwards = replace(KINECT20, name="mine", joints=KINECT20.joints[::-1], root=None)
    answer = recognizer.predict(Sequence(array[:, ::-1], backwards))
    assert answer.probabilities == recognizer.predict(array).probabilities
    with pytest.warns(JointwiseWarning, match=r"'mine' on a model of 'kinect20': 19 of 20 joints"):
        recognizer.predict(Sequence(array, replace(backwards, joints=("tail", *backwards.joints[1:]), bones=())))


def test_a_wild_coordinate_gives_no_answer_instead_of_nan(recognizer: Recognizer, array: np.ndarray) -> None:
    wild = Sequence(array.copy(), KINECT20, source="wild")
    wild.positions[0, 5, 3, 1] = 1e25
    for use in (recognizer.predict, recognizer.features):
        with (
            pytest.warns(JointwiseWarning, match=r"wild: .*another unit"),
            pytest.raises(ReadError, match="no finite number"),
        ):
            use(wild)


def test_a_recording_in_which_nobody_is_seen_where_it_is_judged_is_refused(
    recognizer: Recognizer, array: np.ndarray
) -> None:
    long = np.concatenate([array] * 4)
    seen = np.zeros(long.shape[:2], bool)
    seen[[0, -1]] = True  # the first and the last frame of 132: outside the middle 95 %
    with pytest.raises(ReadError, match=r"late: not one joint is valid in the 16 frames .* middle 95 % of 132"):
        recognizer.predict(Sequence(long, KINECT20, seen, source="late"))


@pytest.mark.parametrize("factor", [0.01, 0.001])
def test_coordinates_in_another_unit_are_told(recognizer: Recognizer, array: np.ndarray, factor: float) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        recognizer.predict(array)
    with pytest.warns(JointwiseWarning, match=f"array: coordinates are of the order of {0.1 * factor:g} here"):
        recognizer.predict(factor * array)
    unknown = Recognizer(replace(recognizer.card, size=None), *rest_of(recognizer))  # of an earlier version
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        unknown.predict(factor * array)


def test_a_missing_file_is_named(recognizer: Recognizer, tmp_path: Path) -> None:
    with pytest.raises(ReadError, match=r"gone\.mat: no such file"):
        recognizer.predict(tmp_path / "gone.mat")


def test_a_pretrained_model_has_features_but_names_nothing(pretrained: Path, array: np.ndarray) -> None:
    student, teacher = (Recognizer.from_pretrained(pretrained, encoder=which) for which in ("student", "teacher"))
    with pytest.raises(CheckpointError, match=r"pre-trained only, it knows no class names\. Fine-tune it first"):
        student.predict(array)
    assert student.features(array).shape == (16,)
    assert student.features(array).dtype == np.float32
    assert not np.array_equal(student.features(array), teacher.features(array))


def test_unknown_encoders_and_poolings_are_refused(pretrained: Path, array: np.ndarray) -> None:
    with pytest.raises(ConfigError, match="unknown encoder 'techer': did you mean 'teacher'"):
        Recognizer.from_pretrained(pretrained, encoder="techer")
    with pytest.raises(ConfigError, match="unknown pooling 'None'"):
        Recognizer.from_pretrained(pretrained).features(array, pooling=None)  # type: ignore[arg-type]


@pytest.mark.parametrize(("pooling", "size"), [("mean", 16), ("joints", 320), ("phases", 64), ("joint-phases", 1280)])
def test_features_have_the_size_of_their_pooling(
    recognizer: Recognizer, array: np.ndarray, pooling: str, size: int
) -> None:
    assert recognizer.features(array, pooling).shape == (size,)


def test_features_do_not_depend_on_training_mode_or_global_state(recognizer: Recognizer, array: np.ndarray) -> None:
    first = recognizer.features(array)
    torch.rand(10)
    assert np.array_equal(recognizer.features(array), first)


def test_a_folder_without_a_model_is_named(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="no finished model here"):
        Recognizer.from_pretrained(tmp_path / "nowhere")


def test_a_model_trained_from_scratch_with_a_head_of_its_own_size_opens(dataset: Dataset, tmp_path: Path) -> None:
    config = tiny.config("--scratch.steps", "1", "--scratch.hidden", "24", system=tiny.BASELINE)
    finetune(config, dataset, 0, "1.0", tmp_path / "run")
    assert read_json(tmp_path / "run" / "model" / "config.json")["kind"] == "classifier"
    assert Recognizer.from_pretrained(tmp_path / "run").classes == tiny.CLASSES


def test_importing_jointwise_is_cheap_and_its_names_are_there() -> None:
    assert {"Recognizer", "Sequence", "load_dataset", "read", "JointwiseError"} <= set(jointwise.__all__)
    for name in jointwise.__all__:
        assert getattr(jointwise, name).__name__ == name
    with pytest.raises(AttributeError, match="no attribute 'Recogniser'"):
        _ = jointwise.Recogniser


def test_a_pre_trained_model_describes_recordings_of_other_layouts(pretrained: Path, dataset: Dataset) -> None:
    """What it has no joint for is left out, and joints that are missing are as if nobody had seen them."""
    recognizer = Recognizer.from_pretrained(pretrained)
    given = dataset.test[0]
    more = map_to_layout(given, NTU25)  # five joints more, which are invalid
    np.testing.assert_allclose(recognizer.features(more), recognizer.features(given), atol=1e-6)
    fewer = given.on_joints(shared_joints(COCO17, given.skeleton))
    hidden = given.validity.copy()
    synthetic = fewer.skeleton.map_to(given.skeleton).synthetic
    hidden[:, :, [joint not in (*fewer.skeleton.joints, *synthetic) for joint in given.skeleton.joints]] = False
    positions = given.positions.copy()
    for middle, sides in synthetic.items():
        columns = [given.skeleton.joints.index(side) for side in sides]
        positions[:, :, given.skeleton.joints.index(middle)] = positions[:, :, columns].mean(2)
        hidden[:, :, given.skeleton.joints.index(middle)] = hidden[:, :, columns].all(2)
    expected = recognizer.features(replace(given, positions=positions, valid=hidden))
    with pytest.warns(JointwiseWarning, match="15 of 20 joints"):
        np.testing.assert_allclose(recognizer.features(fewer), expected, atol=1e-6)
    with pytest.raises(ReadError, match=r"'joints7' on a model of 'kinect20': 0 of 20 joints"):
        recognizer.features(Sequence(np.zeros((8, 7, 3)), unnamed_skeleton(7)))


def test_many_recordings_are_answered_in_their_order(
    recognizer: Recognizer, array: np.ndarray, path: Path, tmp_path: Path
) -> None:
    other = Sequence(np.stack([array[::-1], array + 1]), recognizer.card.skeleton)
    alone = [recognizer.predict(recording) for recording in (path, other, array)]
    for together in (recognizer.predict([path, other, array]), list(recognizer.predict_each([path, other, array], 2))):
        assert [answer.source for answer in together] == [answer.source for answer in alone]
        for one, same in zip(alone, together, strict=True):
            np.testing.assert_allclose(probabilities(same), probabilities(one), atol=1e-5)
    for name in ("b.mat", "a.mat"):
        (tmp_path / name).write_bytes(path.read_bytes())
    assert [Path(answer.source).name for answer in recognizer.predict(tmp_path)] == ["a.mat", "b.mat"]
    assert recognizer.predict([]) == []


def test_of_many_recordings_those_that_fail_are_grouped_and_stop_no_other(
    recognizer: Recognizer, array: np.ndarray, tmp_path: Path
) -> None:
    wrong = [Sequence(np.ones((4, 17, 2)), COCO17, source=f"{name}.npz") for name in "abcd"]
    answers = list(recognizer.predict_each([*wrong, array]))
    assert [type(answer) for answer in answers] == [ReadError] * 4 + [Prediction]
    with pytest.raises(ReadError, match=r"4 of 5 recordings cannot be used:\n  4 alike, first: a\.npz: ") as error:
        recognizer.predict([*wrong, array])
    assert len(str(error.value).splitlines()) == 3
    assert str(error.value).splitlines()[-1] == "    also b.npz, c.npz and 1 more"
    with pytest.raises(ReadError, match="no recording in this folder"):
        recognizer.predict(tmp_path)


def test_the_repr_of_a_recognizer_is_one_line_that_tells(recognizer: Recognizer, pretrained: Path) -> None:
    text = repr(recognizer)
    assert f"{len(tiny.CLASSES)} classes" in text
    assert f"20 joints ({recognizer.card.skeleton.name}), 3D, trained on tiny" in text
    assert "no class names" in repr(Recognizer.from_pretrained(pretrained))
    assert "\n" not in text


def test_who_stands_still_and_noise_do_none_of_the_actions(finetuned: Path, dataset: Dataset) -> None:
    recognizer = Recognizer.from_pretrained(finetuned)
    own = dataset.test[0]
    assert recognizer.card.movement is not None
    assert recognizer.predict(own).reason == ""
    still = replace(own, positions=np.repeat(own.positions[:, :1], own.frames, 1))
    answer = recognizer.predict(still)
    assert answer.label == NONE
    assert answer.label not in recognizer.classes
    assert "moves less" in answer.reason
    assert sum(answer.probabilities.values()) == pytest.approx(1, abs=1e-4)
    noise = np.random.default_rng(0).normal(size=own.positions.shape).astype(np.float32)
    assert "move more" in recognizer.predict(replace(own, positions=noise)).reason
    before = Recognizer(replace(recognizer.card, movement=None), *rest_of(recognizer))  # a card of before
    assert before.predict(still).label in before.classes


def test_the_frame_rate_of_a_recording_changes_no_answer(finetuned: Path, dataset: Dataset) -> None:
    """A clip is cut to a number of frames, whatever the rate was."""
    recognizer = Recognizer.from_pretrained(finetuned)
    own = dataset.test[0]
    places = (np.arange(4 * own.frames) + 0.5) / 4 - 0.5
    below = np.clip(np.floor(places).astype(int), 0, own.frames - 2)
    share = np.clip(places - below, 0, 1).astype(np.float32)[:, None, None]
    fine = (1 - share) * own.positions[:, below] + share * own.positions[:, below + 1]
    valid = own.validity[:, np.clip(places.round().astype(int), 0, own.frames - 1)]
    faster = recognizer.predict(replace(own, positions=fine, valid=valid, fps=4 * own.fps))
    usual = recognizer.predict(own)
    assert faster.probabilities == pytest.approx(usual.probabilities, abs=0.02)
    assert recognizer.card.fps == (30.0, 30.0)
