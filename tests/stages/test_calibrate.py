"""A run is calibrated on training subjects that a copy of it never saw; its weights stay as they are."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from helpers import tiny
from jointwise.cli import run as jointwise
from jointwise.data.dataset import Dataset
from jointwise.errors import CheckpointError, ConfigError, DataError
from jointwise.evaluation import calibration
from jointwise.inference.answers import NONE, Answers
from jointwise.inference.inputs import Inputs
from jointwise.inference.recognizer import Recognizer
from jointwise.stages import calibrate as stage
from jointwise.stages.calibrate import calibrate, subjects_to_hold_out
from jointwise.stages.finetune import finetune
from jointwise.training.model_folder import load_card, save_calibration

CLIPS = tiny.TRIALS * len(tiny.CLASSES)  # of a subject


@pytest.fixture
def run(finetuned: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the fine-tuned run, which a test may change; 15 held-out clips are enough for it."""
    monkeypatch.setattr(calibration, "LEAST_CLIPS", CLIPS)
    return Path(shutil.copytree(finetuned, tmp_path / "run"))


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.slow
def test_only_the_calibration_in_the_card_changes(run: Path, dataset: Dataset) -> None:
    before = contents(run)
    found = calibrate(run, dataset, tiny.config())
    after = contents(run)
    assert found.held_out == "subjects 3"
    assert found.clips == CLIPS
    card = json.loads(after.pop("model/config.json"))
    assert card.pop("calibration") | {} == found.__dict__
    assert card == {key: value for key, value in json.loads(before.pop("model/config.json")).items() if key in card}
    assert after == before  # and nothing of the copy is left
    assert load_card(run).calibration == found


@pytest.mark.slow
def test_the_copy_is_the_run_that_finetune_makes_without_the_subjects(
    run: Path, dataset: Dataset, tmp_path: Path
) -> None:
    """From random weights, as then no encoder has seen the subjects that are held out."""
    without = tiny.config("--validation_subjects", "[1]")
    finetune(tiny.config(), dataset, 0, "1.0", tmp_path / "all")
    finetune(without, dataset, 0, "1.0", tmp_path / "held-out")
    through_copy = calibrate(tmp_path / "all", dataset, without)
    weights = (tmp_path / "held-out" / "model" / "model.safetensors").read_bytes()
    direct = calibrate(tmp_path / "held-out", dataset, without)
    assert direct == through_copy
    assert (tmp_path / "held-out" / "model" / "model.safetensors").read_bytes() == weights
    with pytest.raises(ConfigError, match=r"was trained without subjects 1, so it is calibrated on these"):
        calibrate(tmp_path / "held-out", dataset, tiny.config("--validation_subjects", "[3]"))


@pytest.mark.slow
def test_a_copy_that_was_interrupted_goes_on(run: Path, dataset: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(stage, "class_logits", interrupted)
        with pytest.raises(KeyboardInterrupt):
            calibrate(run, dataset, tiny.config())
    assert (run / "copy-without-3" / "checkpoint").is_dir()
    assert load_card(run).calibration is None
    calibrate(run, dataset, tiny.config())
    assert not (run / "copy-without-3").exists()


def test_every_fourth_training_subject_is_held_out(dataset: Dataset) -> None:
    assert subjects_to_hold_out(dataset) == [3]  # of 1 and 3
    with pytest.raises(DataError, match=r"one subject is all that trains.*Recognizer\.calibrate"):
        subjects_to_hold_out(dataset.hold_out([3]))


def test_too_few_clips_are_told_before_a_copy_is_trained(
    finetuned: Path, dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stage, "train_classifier", lambda *_: pytest.fail("a copy is trained"))
    with pytest.raises(DataError, match=r"subjects 3: 15 clips with a label, too few"):
        calibrate(finetuned, dataset, tiny.config())


def test_other_data_than_those_of_the_run_are_refused(run: Path, dataset: Dataset) -> None:
    with pytest.raises(ConfigError, match=r"trained on other sequences.*'tiny', split xsub\. Give the same --data"):
        calibrate(run, dataset.without(["up"]), tiny.config())


def test_a_run_without_classes_cannot_be_calibrated(pretrained: Path, dataset: Dataset) -> None:
    with pytest.raises(CheckpointError, match="pre-trained only"):
        calibrate(pretrained, dataset, tiny.config())


@pytest.mark.slow
def test_the_command_says_what_it_found(run: Path, registered: Path, capsys: pytest.CaptureFixture[str]) -> None:
    jointwise(["calibrate", str(run), "--data", tiny.NAME])
    printed = capsys.readouterr().out
    assert f"subjects 3: {CLIPS} clips, with their labels" in printed
    assert "calibration error" in printed
    page = (run / "report.html").read_text()
    assert "Reliability" in page
    assert "calibrated" in page
    with pytest.raises(ConfigError, match=r"finetune\.steps"):
        jointwise(["calibrate", str(run), "--data", tiny.NAME, "--finetune.steps", "7"])


# --- a calibrated model in use ---


def test_a_recognizer_answers_by_its_calibration(run: Path, dataset: Dataset) -> None:
    plain = Recognizer.from_pretrained(run)
    before = [plain.predict(sequence) for sequence in dataset.test]
    found = plain.calibrate(dataset.test)
    assert found.clips == len(dataset.test)
    save_calibration(run, found)
    calibrated = Recognizer.from_pretrained(run)
    after = [calibrated.predict(sequence) for sequence in dataset.test]
    assert after == [plain.predict(sequence) for sequence in dataset.test]
    for one, other in zip(before, after, strict=True):
        logs = np.log([one.probabilities[name] for name in tiny.CLASSES])
        stated = calibration.probabilities(logs[None], found.temperature)[0]
        np.testing.assert_allclose([other.probabilities[name] for name in tiny.CLASSES], stated, atol=1e-5)
        assert (other.label == NONE) == bool(one.reason or other.probability < found.threshold)
    rejected = [answer for answer in after if answer.reason.startswith("The clip resembles none of the actions")]
    assert len(rejected) == round(found.rejected * len(after))
    assert all(answer.label == NONE for answer in rejected)


def test_answers_in_a_row_take_the_threshold_for_a_doubt_and_movement_for_sure(run: Path, dataset: Dataset) -> None:
    recognizer = Recognizer.from_pretrained(run)
    recognizer.calibrate(dataset.test)
    answers = Answers(recognizer.card, recognizer._classifier)
    inputs = Inputs(recognizer.card, recognizer.device)
    sequences = [inputs.sequence(sequence) for sequence in dataset.test]
    found = answers.of([inputs.clip(sequence) for sequence in sequences], sequences)
    shares = {answer.reason.partition(":")[0]: answer.with_none[-1] for answer in found}
    assert shares[""] < 0.01
    assert shares["The clip resembles none of the actions"] == pytest.approx(0.5)
    still = replace(dataset.test[0], positions=np.repeat(dataset.test[0].positions[:, :1], 20, 1), valid=None)
    (told,) = answers.of([inputs.clip(inputs.sequence(still))], [inputs.sequence(still)])
    assert told.with_none[-1] > 0.99
    assert all(answer.with_none.sum() == pytest.approx(1) for answer in [*found, told])


def test_labels_are_given_by_name_by_a_part_or_by_the_sequences(run: Path, dataset: Dataset) -> None:
    recognizer = Recognizer.from_pretrained(run)
    names = [tiny.CLASSES[label] for label in dataset.test.labels]
    arrays = [replace(sequence, label=None) for sequence in dataset.test]
    found = recognizer.calibrate(dataset.test)
    assert recognizer.calibrate(arrays, names) == found == recognizer.calibrate(list(dataset.test))
    with pytest.raises(ConfigError, match="recording 0: no label"):
        recognizer.calibrate(arrays)
    with pytest.raises(ConfigError, match=r"recording 0: unknown class 'upp': did you mean 'up'"):
        recognizer.calibrate(arrays, ["upp", *names[1:]])
    with pytest.raises(ConfigError, match="1 labels for 30 recordings"):
        recognizer.calibrate(arrays, ["up"])


def test_a_card_from_before_has_no_calibration(run: Path) -> None:
    file = run / "model" / "config.json"
    content = json.loads(file.read_text())
    content.pop("calibration")
    file.write_text(json.dumps(content))
    assert load_card(run).calibration is None
