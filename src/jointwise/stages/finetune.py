"""Training with labels, and if asked with unlabelled clips: from a pre-trained encoder, or from random weights."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from jointwise.config.schema import Config, FinetuneConfig
from jointwise.data.checks import check_trainable
from jointwise.data.clips import ClipCutter
from jointwise.data.dataset import Dataset, Part
from jointwise.data.label_subset import choose_labelled
from jointwise.data.movement import movement_range
from jointwise.errors import ConfigError, unknown
from jointwise.evaluation import protocols
from jointwise.evaluation.class_scores import class_scores, classifier_gflops
from jointwise.evaluation.references import references
from jointwise.evaluation.results import Evaluation, check_folder, save_result
from jointwise.model.build import build_classifier, check_names
from jointwise.model.classifier import Classifier
from jointwise.model.ema import ema_momentum
from jointwise.stages.label_loss import LabelLoss
from jointwise.stages.semi import SemiTask, graph_labels, semi_order
from jointwise.training import distributed
from jointwise.training.batches import Batch, BatchOrder, Order
from jointwise.training.checkpoint import load_weights, write_json
from jointwise.training.coordinate_scale import median_coordinate_rms, with_coordinate_scale
from jointwise.training.costs import FINETUNE, Costs
from jointwise.training.device import compile_blocks, pick_device
from jointwise.training.example_clips import make_examples, write_examples
from jointwise.training.loop import Task, fit
from jointwise.training.model_card import ModelCard, some_sequences
from jointwise.training.model_folder import encoder_weights, load_trained_on, save_model
from jointwise.training.optimizer import build_optimizer
from jointwise.training.provenance import provenance
from jointwise.training.run_folder import ARGUMENTS, about_run, opened_run, resume_command

UNLABELLED = ("pseudo",)  # how unlabelled clips can be used
_MOVEMENTS = 400  # sequences, which tell how much bodies move


class FinetuneTask:
    """Clips of each step, the cross-entropy with label smoothing, the average of the weights.

    Args:
        module: The classifier to train.
        cutter: Cuts the clips, on the classifier's device.
        label_loss: The loss on the labelled training clips.
        recipe: Settings of the training.
        seed: Decides the crops and augmentations.
    """

    def __init__(
        self, module: Classifier, cutter: ClipCutter, label_loss: LabelLoss, recipe: FinetuneConfig, seed: int
    ) -> None:
        self.module: Classifier = module
        self.cutter = cutter
        self.label_loss = label_loss
        self.recipe = recipe
        self.seed = seed
        self.momentum = ema_momentum(recipe.average, recipe.steps) if recipe.average else None
        if self.momentum is not None:
            module.keep_average()

    def loss(self, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        """Cross-entropy of a batch, and the share of its clips that are recognised."""
        clips = self.cutter.random(batch.ids, batch.draws(self.seed, "clips"), **asdict(self.recipe.augment))
        return self.label_loss(self.module(clips.persons()).float(), batch.ids, batch.count)

    def after_step(self, step: int) -> None:
        """Moves the average of the weights, where one is kept."""
        if self.momentum is not None:  # at first all steps count alike, and the random start does not count
            self.module.update_average(min(self.momentum, step / (step + 1)))

    def epoch_metrics(self) -> dict[str, float]:
        """Empty: each step logs all there is."""
        return {}

    def describe(self, ids: Tensor) -> list[str]:
        """Files of the sequences."""
        return self.label_loss.describe(ids)


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
    unlabelled: str | None = None,
) -> Path:
    """Trains encoder and head on the labelled part, then scores the test part once.

    Args:
        config: Settings of the system and the training.
        dataset: Its labelled training part is trained on.
        seed: Decides the head's weights, the order, the crops and the labelled subset.
        labels: Share or shots of the training labels.
        folder: The run folder to write.
        pretrained: Run whose encoder to start from, also one of other data; joints are matched by name, and those that
            both have are kept. None: random weights and the recipe `scratch`.
        which: `student` or `teacher`, of `pretrained`.
        resume: Whether to continue the run in `folder`.
        results: Folder for a copy of the result.
        unlabelled: `pseudo`: all training clips are learned from without their labels as well (protocol `semi`). None:
            labelled clips only.

    Returns:
        The path of the result.

    Raises:
        ConfigError: The teacher of random weights is asked for, or an unknown use of unlabelled clips.
    """
    check_unlabelled(unlabelled)
    if which != "student" and not pretrained:
        raise ConfigError(f"--encoder {which}: from random weights there is one encoder. Leave it out.")
    check_names(config)
    arguments = [
        str(pretrained or config.system),
        *dataset.arguments,
    ]  # those of the command: subjects and joints are left out below
    dataset = dataset.hold_out(config.validation_subjects)
    check_trainable(dataset, config.allow_duplicates)
    check_folder(results, dataset)
    run = prepare_finetune(config, dataset, seed, labels, folder, pretrained, which, unlabelled)
    pick_device(config.execution.device)  # a missing one leaves no folder behind
    arguments += ["--results", str(results)] if results else []
    arguments += ["--unlabelled", unlabelled] if unlabelled else []
    with opened_run(folder, run.config, run.about | {ARGUMENTS: arguments}, resume):
        if distributed.is_main_process():
            write_json(folder / "labelled.json", run.labelled.names)
        evaluation = _score(run, train_classifier(run, resume_command(FINETUNE, arguments, folder)))
        _save(run, evaluation)
        if results is not None:
            save_result(results, evaluation, run.cutter.device)
        return save_result(folder / "results", evaluation, run.cutter.device)


def check_unlabelled(unlabelled: str | None) -> None:
    """Check the use of unlabelled clips that a user wrote.

    Args:
        unlabelled: One of UNLABELLED; None: unlabelled clips are not used.

    Raises:
        ConfigError: It is another word.
    """
    if unlabelled not in (None, *UNLABELLED):
        raise ConfigError(unknown("value of --unlabelled", unlabelled, UNLABELLED))


@dataclass(frozen=True)
class FinetuneRun:
    """A fine-tuning that is ready to train.

    Args:
        config: Settings of the system and the training.
        recipe: The part of `config` that decides this training: `finetune` or `scratch`, with the steps of `semi` where
            there are unlabelled clips.
        dataset: The data, on the joints that the encoder knows.
        labelled: The training sequences whose labels are used.
        labels: Share or shots, as the user gave them.
        seed: Decides weights, order and crops.
        folder: The run folder.
        pretrained: Run that the encoder comes from; None: random weights.
        before: Card of that run.
        which: `student` or `teacher`, of that run.
        unlabelled: `pseudo`, or None: how unlabelled clips are used.
        module: The classifier, on its device.
        cutter: Cuts the clips, on the same device.
    """

    config: Config
    recipe: FinetuneConfig
    dataset: Dataset
    labelled: Part
    labels: str
    seed: int
    folder: Path
    pretrained: Path | None
    before: ModelCard | None
    which: str
    unlabelled: str | None
    module: Classifier
    cutter: ClipCutter

    @property
    def about(self) -> dict[str, Any]:
        """What the run is: a run that is resumed must be the same."""
        return about_run(FINETUNE, self.config.system, self.dataset, self.seed, self.labels) | {
            "labelled_sha256": self.labelled.names_hash,
            "pretrained": str(self.pretrained) if self.pretrained else None,
            "encoder": self.which if self.pretrained else None,
            "unlabelled": self.unlabelled,
        }

    @property
    def trained(self) -> Classifier:
        """The classifier that is scored and saved: the average of the weights (the teacher) where one is kept."""
        return self.module.average or self.module


def prepare_finetune(
    config: Config,
    dataset: Dataset,
    seed: int,
    labels: str,
    folder: Path,
    pretrained: Path | None,
    which: str,
    unlabelled: str | None,
) -> FinetuneRun:
    """Builds the classifier, with the weights of the pre-trained encoder where there is one, and chooses the labels.

    Args:
        config: As `finetune` takes it.
        dataset: As `finetune` takes it, after the validation subjects are held out.
        seed: As `finetune` takes it.
        labels: As `finetune` takes it.
        folder: As `finetune` takes it; nothing is written.
        pretrained: As `finetune` takes it.
        which: As `finetune` takes it.
        unlabelled: As `finetune` takes it.
    """
    before = weights = None
    if pretrained:
        before, weights, dataset = encoder_weights(pretrained, dataset, which)
    config = with_coordinate_scale(config, dataset, before.config if before else None)
    recipe = config.finetune if pretrained else config.scratch
    if unlabelled:
        recipe = replace(recipe, steps=config.semi.steps)
    coordinates = dataset.store.description.coordinates
    module = build_classifier(config, recipe, dataset.skeleton, coordinates, len(dataset.classes), seed)
    if pretrained and weights:
        load_weights(module.encoder, weights, pretrained)
    if config.execution.compile:
        compile_blocks(module)
    labelled = choose_labelled(dataset.train, labels, seed, dataset.classes)
    cutter = ClipCutter.from_store(dataset.store, config.clip.frames, pick_device(config.execution.device))
    return FinetuneRun(
        config=config,
        recipe=recipe,
        dataset=dataset,
        labelled=labelled,
        labels=labels,
        seed=seed,
        folder=folder,
        pretrained=pretrained,
        before=before,
        which=which,
        unlabelled=unlabelled,
        module=module.to(cutter.device),
        cutter=cutter,
    )


def _task(run: FinetuneRun) -> tuple[Task, Order]:
    """What is trained, and the clips of each step."""
    cutter = run.cutter
    label_loss = LabelLoss(run.labelled, run.recipe.label_smoothing, cutter.device)
    labelled = BatchOrder(torch.from_numpy(run.labelled.ids), run.recipe.batch, run.seed, cutter.shards, min_share=2)
    if not run.unlabelled:
        return FinetuneTask(run.module, cutter, label_loss, run.recipe, run.seed), labelled
    semi = run.config.semi
    order = semi_order(labelled, torch.from_numpy(run.dataset.train.ids), semi.batch)
    first = graph_labels(run.dataset, run.labelled, cutter.device)
    return SemiTask(run.module, cutter, label_loss, order, first, semi, run.seed), order


def train_classifier(run: FinetuneRun, command: str) -> dict[str, Any]:
    """Trains the classifier, from the checkpoint in the folder of the run if there is one.

    Args:
        run: Its folder has been opened.
        command: What resumes the run, for messages.

    Returns:
        What it took, for Costs.
    """
    config = run.config
    recipe = run.recipe
    distributed.convert_sync_batchnorm(run.module)
    task, order = _task(run)
    optimizer = build_optimizer(run.module, recipe, recipe.layer_decay)
    title = f"{FINETUNE if run.pretrained else 'from scratch'} {config.system}"
    title += f" ({protocols.SEMI})" if run.unlabelled else ""
    seconds = fit(task, order, optimizer, recipe, config.execution, run.folder, title, run.seed, command)
    return {"seconds": seconds, "epochs": order.epoch(recipe.steps), "clips": len(order[0])}


def _score(run: FinetuneRun, took: dict[str, Any]) -> Evaluation:
    """Scores the test part with the trained classifier; took: what `train_classifier` returned."""
    config = run.config
    before = run.before
    device = run.cutter.device
    ids = torch.from_numpy(run.dataset.test.ids)
    scores = class_scores(run.trained, run.cutter, ids, config.execution.precision)
    costs = (before.costs if before else Costs()).with_stage(
        FINETUNE,
        steps=run.recipe.steps,
        device=device,
        **took,
        encoder=run.module.encoder,
        finetune=run.module,  # not `trained`: an average has no weights that are trained
    )
    return Evaluation(
        system=config.system,
        protocol=protocols.SEMI if run.unlabelled else protocols.FINETUNE,
        labels=run.labels,
        seed=run.seed,
        initialisation=before.start if before else "scratch",
        config=config,
        dataset=run.dataset,
        labelled=run.labelled,
        scores=scores,
        split_is_test=not config.validation_subjects,
        encoder=run.which,
        pretrained_on=before.data if before else None,
        unlabelled=run.unlabelled or (before.unlabelled if before else None),
        costs=costs.with_gflops(classifier_gflops(run.trained, run.dataset, config.clip.frames, device)),
        references=references(run.dataset, run.labelled, config, device).to_json(),
    )


def _save(run: FinetuneRun, evaluation: Evaluation) -> None:
    """Writes model folder, examples and run.json of a classifier that was trained and scored."""
    dataset = run.dataset
    # the report plays the examples of the pre-training, if that was on the same data
    examples = make_examples(dataset, run.cutter, run.seed) if evaluation.pretrained_on != dataset.name else None
    size = median_coordinate_rms(dataset.train)
    if not distributed.is_main_process():
        return
    if examples:
        write_examples(run.folder, examples)
    card = ModelCard.of(
        run.config,
        dataset,
        kind="classifier",
        classes=dataset.classes,
        seed=run.seed,
        labels=run.labels,
        unlabelled=evaluation.unlabelled,
        initialisation=evaluation.initialisation,
        pretrained_on=evaluation.pretrained_on,
        scores=evaluation.summary()["scores"],
        costs=evaluation.costs,
        size=size,
        movement=movement_range(some_sequences(dataset, _MOVEMENTS)),
    )
    if run.before:
        card = card.after(run.before)
    seen = load_trained_on(run.pretrained) if run.pretrained else set()
    save_model(run.folder / "model", card, run.trained.state_dict(), seen | set(dataset.train.digests))
    origin = provenance(run.cutter.device, run.config.execution.precision)
    write_json(run.folder / "run.json", run.about | evaluation.costs.of_run(FINETUNE) | origin)
