"""Calibration of a fine-tuned run, on training subjects that a copy of it was trained without."""

from __future__ import annotations

import shlex
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from jointwise.config.schema import Config
from jointwise.data.dataset import Dataset, Part, name_subjects
from jointwise.data.store.reader import UNKNOWN
from jointwise.errors import CheckpointError, ConfigError, DataError
from jointwise.evaluation import calibration
from jointwise.evaluation.class_scores import class_logits
from jointwise.stages.finetune import FinetuneRun, prepare_finetune, train_classifier
from jointwise.training.checkpoint import load_weights
from jointwise.training.model_card import Calibration
from jointwise.training.model_folder import load_model, save_calibration
from jointwise.training.run_folder import opened_run, read_run_settings

EVERY = 4  # which training subjects are held out, if none are named: every fourth


def calibrate(run: Path, dataset: Dataset, config: Config) -> Calibration:
    """Finds temperature and threshold of a fine-tuned run, and writes them into its card. Its weights stay.

    The run has learned from all training subjects. So a copy is trained as it was, without some of them, and judged on
    their clips. Of the copy nothing is kept. A run that was itself trained without some is judged on those, without a
    copy. A copy that was interrupted is continued by the next call.

    Args:
        run: The run folder.
        dataset: The data that it was trained on.
        config: Its settings, those of `execution` may be others. `validation_subjects`: who is held out from the copy;
            none: `subjects_to_hold_out` chooses.

    Returns:
        What was found.

    Raises:
        CheckpointError: There is no finished run, or it is pre-trained only.
        ConfigError: The data are not those of the run, or it was trained without other subjects than named.
        DataError: Too few subjects or clips, or a class is left without a clip.
    """
    card, weights = load_model(run)
    if card.kind != "classifier":
        raise CheckpointError(
            f"{run}: pre-trained only, it names no classes. Calibrate what jointwise finetune makes of it."
        )
    own = card.config.validation_subjects
    if own and set(own) != set(config.validation_subjects):
        raise ConfigError(
            f"{run}: was trained without {name_subjects(own)}, so it is calibrated on these. Leave "
            "--validation_subjects out."
        )
    named = ["--validation_subjects", str(config.validation_subjects)] if config.validation_subjects else []
    subjects = config.validation_subjects or subjects_to_hold_out(dataset)
    held = dataset.hold_out(subjects)
    _check_same_data(run, held if own else dataset)
    part = held.test.labelled
    calibration.check_enough(len(part), name_subjects(subjects))  # before a training that would be in vain
    folder = run / f"copy-without-{'-'.join(str(subject) for subject in sorted(subjects))}"
    copy = _copy(run, held, replace(config, validation_subjects=sorted(subjects)), folder)
    if own:
        load_weights(copy.module, weights, run)
    else:
        with opened_run(folder, copy.config, copy.about, resume=(folder / "config.yaml").is_file()):
            train_classifier(copy, shlex.join(["jointwise", "calibrate", str(run), *dataset.arguments, *named]))
    logits = class_logits(copy.trained, copy.cutter, torch.from_numpy(part.ids), "fp32")  # as a Recognizer answers
    found = calibration.calibrate(logits.numpy(), part.labels, name_subjects(subjects))
    save_calibration(run, found)
    shutil.rmtree(folder, ignore_errors=True)
    return found


def subjects_to_hold_out(dataset: Dataset) -> list[int]:
    """Every fourth training subject; the last one where there are fewer than four.

    Args:
        dataset: The data.

    Raises:
        DataError: There are fewer than two training subjects.
    """
    subjects = sorted({int(subject) for subject in np.unique(dataset.train.subjects)} - {UNKNOWN})
    if len(subjects) < 2:
        known = "its recordings do not say whose they are" if not subjects else "one subject is all that trains"
        raise DataError(
            f"{dataset.name}: {known}, so nobody can be held out. Name subjects by `subject` in each file or "
            "subject_pattern in dataset.yaml and train again, or call Recognizer.calibrate with labelled recordings of "
            "somebody else."
        )
    return subjects[EVERY - 1 :: EVERY] or subjects[-1:]


def _check_same_data(run: Path, dataset: Dataset) -> None:
    """Raises ConfigError where the training part is not that of the run."""
    _, about = read_run_settings(run)
    if about.get("train_sha256") != dataset.train.names_hash:
        left_out = f", without {about['left_out']}" if about.get("left_out") else ""
        raise ConfigError(
            f"{run}: was trained on other sequences than these: on '{about.get('data')}', split "
            f"{about.get('split')}{left_out}. Give the same --data, --split, --without-classes and --without-subjects."
        )


def _copy(run: Path, held: Dataset, config: Config, folder: Path) -> FinetuneRun:
    """The run as it was before its training, on the data without those who are held out."""
    _, about = read_run_settings(run)
    before = about.get("pretrained")
    nobody = Part(held.store, held.test.ids[:0])  # the encoder may know the clips of those who are held out, unlabelled
    return prepare_finetune(
        config,
        replace(held, test=nobody),
        about["seed"],
        about["labels"],
        folder,
        Path(before) if before else None,
        about.get("encoder") or "student",
        about.get("unlabelled"),
    )
