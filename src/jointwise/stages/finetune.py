"""Fine-tuning with labels: from a pre-trained encoder, or from random weights (the supervised baseline)."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from jointwise.config.schema import Config, FinetuneConfig
from jointwise.data.clips import ClipCutter
from jointwise.data.dataset import Dataset, Part
from jointwise.data.label_subset import choose_labelled
from jointwise.errors import ConfigError
from jointwise.evaluation.class_scores import class_scores, classifier_gflops
from jointwise.evaluation.results import Evaluation, check_folder, save_result
from jointwise.model.build import build_classifier
from jointwise.model.classifier import Classifier
from jointwise.model.size import count_parameters
from jointwise.training import distributed
from jointwise.training.batches import Batch, BatchOrder
from jointwise.training.checkpoint import load_weights, write_json
from jointwise.training.coordinate_scale import median_coordinate_rms, with_coordinate_scale
from jointwise.training.device import compile_blocks, pick_device
from jointwise.training.example_clips import make_examples, write_examples
from jointwise.training.loop import fit
from jointwise.training.model_folder import ModelCard, encoder_weights, load_card, load_trained_on, save_model
from jointwise.training.optimizer import build_optimizer, ema_momentum
from jointwise.training.provenance import peak_memory, provenance
from jointwise.training.run_folder import about_run, open_run, resume_command


class FinetuneTask:
    """Clips of each step and the cross-entropy with label smoothing."""

    def __init__(self, module: Classifier, cutter: ClipCutter, part: Part, recipe: FinetuneConfig, seed: int) -> None:
        self.module: Classifier = module
        self.cutter, self.part, self.recipe, self.seed = cutter, part, recipe, seed
        self.momentum = ema_momentum(recipe.average, recipe.steps) if recipe.average else None
        if self.momentum is not None:
            module.keep_average()
        self.labels = torch.from_numpy(part.store.index["label"].astype(np.int64)).to(cutter.device)

    def loss(self, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        """Cross-entropy, and the share of training clips that are right."""
        clips = self.cutter.random(batch.ids, batch.draws(self.seed, "clips"), **asdict(self.recipe.augment))
        logits = self.module(clips.persons()).float()
        labels = self.labels[clips.ids]
        losses = functional.cross_entropy(logits, labels, label_smoothing=self.recipe.label_smoothing, reduction="none")
        hits = (logits.detach().argmax(1) == labels).float()
        return losses.sum() / batch.count, {"train_top1": hits.sum() / batch.count}

    def after_step(self, step: int) -> None:
        """Moves the average of the weights, where one is kept; at first all steps count alike, the start does not."""
        if self.momentum is not None:
            self.module.update_average(min(self.momentum, step / (step + 1)))

    def epoch_metrics(self) -> dict[str, float]:
        """Nothing more than what each step logs."""
        return {}

    def describe(self, ids: Tensor) -> list[str]:
        """Files of the samples."""
        return [str(name) for name in self.part.store.names[ids.numpy()]]


def finetune(
    config: Config,
    dataset: Dataset,
    seed: int,
    labels: str,
    folder: Path,
    pretrained: Path | None = None,
    which: str = "student",
    resume: bool = False,
    results: Path | None = None,
) -> Path:
    """Trains encoder and head on the labelled part, scores the test part once at the end; returns the result's path.

    pretrained: run whose encoder to start from, also one of other data: what both have of joints, matched by name, is
    kept; None: random weights and the recipe `scratch`. results: folder for the result besides the run's own.
    Raises ConfigError for the teacher of random weights.
    """
    if which != "student" and not pretrained:
        raise ConfigError(f"--encoder {which}: from random weights there is one encoder. Leave it out.")
    is_test, words = not config.validation_subjects, dataset.arguments
    dataset = dataset.hold_out(config.validation_subjects)
    dataset.check_trainable(config.allow_duplicates)
    check_folder(results, dataset)
    config = with_coordinate_scale(config, dataset, load_card(pretrained).config if pretrained else None)
    recipe = config.finetune if pretrained else config.scratch
    before, module, dataset = _begin(config, recipe, dataset, seed, pretrained, which)
    labelled = choose_labelled(dataset.train, labels, seed, dataset.classes)
    about = about_run("finetune", config.system, dataset, seed, labels) | {
        "labelled_sha256": labelled.names_hash,
        "pretrained": str(pretrained) if pretrained else None,
        "encoder": which if pretrained else None,
    }
    open_run(folder, config, about, resume)
    if distributed.is_main_process():
        write_json(folder / "labelled.json", labelled.names)
    cutter = ClipCutter.from_store(dataset.store, config.clip.frames, pick_device(config.execution.device))
    copied = ["--results", str(results)] if results else []
    command = resume_command("finetune", str(pretrained or config.system), words, folder, *copied)
    seconds = _train(module.to(cutter.device), cutter, labelled, config, recipe, folder, seed, command)
    parameters = count_parameters(encoder=module.encoder, finetune=module)  # an average has none that are trained
    module = module.average or module
    evaluation = Evaluation(
        system=config.system,
        protocol="finetune",
        labels=labels,
        seed=seed,
        initialisation=before.start if before else "scratch",
        config=config,
        dataset=dataset,
        labelled=labelled,
        scores=class_scores(module, cutter, torch.from_numpy(dataset.test.ids), config.execution.precision),
        steps=(before.steps if before else {}) | {"finetune": recipe.steps},
        parameters=(before.parameters if before else {}) | parameters,
        seconds_per_epoch=(before.seconds_per_epoch if before else {}) | {"finetune": seconds},
        split_is_test=is_test,
        encoder=which,
        pretrained_on=before.data if before else None,
        held_out=before.held_out if before else None,
        memory_mb=(before.memory_mb if before else {}) | {"finetune": peak_memory(cutter.device)},
        gflops=classifier_gflops(module, dataset, config.clip.frames, cutter.device),
    )
    _save(folder, module, evaluation, about, cutter, load_trained_on(pretrained) if pretrained else set())
    if results is not None:
        save_result(results, evaluation, cutter.device)
    return save_result(folder / "results", evaluation, cutter.device)


def _begin(
    config: Config, recipe: FinetuneConfig, dataset: Dataset, seed: int, pretrained: Path | None, which: str
) -> tuple[ModelCard | None, Classifier, Dataset]:
    """The classifier before training; the card of the run whose encoder it has, and the data on the joints of both."""
    before, weights = None, None
    if pretrained:
        before, weights, dataset = encoder_weights(pretrained, dataset, which)
    coordinates = dataset.store.description.coordinates
    module = build_classifier(config, recipe, dataset.skeleton, coordinates, len(dataset.classes), seed)
    if pretrained and weights:
        load_weights(module.encoder, weights, pretrained)
    if config.execution.compile:
        compile_blocks(module)
    return before, module, dataset


def _train(
    module: Classifier,
    cutter: ClipCutter,
    labelled: Part,
    config: Config,
    recipe: FinetuneConfig,
    folder: Path,
    seed: int,
    command: str,
) -> float:
    """Fits the classifier; returns the seconds per epoch. command: resumes it, for messages."""
    distributed.convert_sync_batchnorm(module)
    task = FinetuneTask(module, cutter, labelled, recipe, seed)
    order = BatchOrder(torch.from_numpy(labelled.ids), recipe.batch, seed, cutter.shards, min_share=2)
    optimizer = build_optimizer(module, recipe, recipe.layer_decay)
    title = f"{'from scratch' if recipe is config.scratch else 'finetune'} {config.system}"
    seconds = fit(task, order, optimizer, recipe, config.execution, folder, title, seed, command)
    return seconds / order.epoch(recipe.steps)


def _save(
    folder: Path,
    module: Classifier,
    evaluation: Evaluation,
    about: dict[str, Any],
    cutter: ClipCutter,
    seen: set[str],
) -> None:
    """Writes model folder, examples and run.json of a classifier that was trained and scored; seen: by its encoder."""
    # the report plays the examples of the pre-training, if it was on the same data
    elsewhere = evaluation.pretrained_on != evaluation.dataset.name
    examples = make_examples(evaluation.dataset, cutter, evaluation.seed) if elsewhere else None
    size = median_coordinate_rms(evaluation.dataset.train)
    if not distributed.is_main_process():
        return
    if examples:
        write_examples(folder, examples)
    card = ModelCard.of(
        evaluation.config,
        evaluation.dataset,
        kind="classifier",
        classes=evaluation.dataset.classes,
        seed=evaluation.seed,
        steps=evaluation.steps,
        labels=evaluation.labels,
        initialisation=evaluation.initialisation,
        pretrained_on=evaluation.pretrained_on,
        scores=evaluation.summary()["scores"],
        parameters=evaluation.parameters,
        seconds_per_epoch=evaluation.seconds_per_epoch,
        held_out=evaluation.held_out,
        memory_mb=evaluation.memory_mb,
        size=size,
    )
    save_model(folder / "model", card, module.state_dict(), seen | set(evaluation.dataset.train.digests))
    run = about | {
        "steps": evaluation.steps["finetune"],
        "parameters": evaluation.parameters,
        "seconds_per_epoch": evaluation.seconds_per_epoch["finetune"],
        "peak_memory_mb": evaluation.memory_mb["finetune"],
        **provenance(cutter.device, evaluation.config.execution.precision),
    }
    write_json(folder / "run.json", run)
