"""Mutants of seeds, resumed trainings and the optimiser."""

from mutants.mutant import Mutant

LOOP = "training/test_loop.py"
OPTIMIZER = "training/test_optimizer.py"
CHECKPOINT = "training/test_checkpoint.py"
SEMI = "stages/test_semi.py"
DRAWN = "stages/test_pretrain.py::test_clips_and_masks_of_a_step_are_drawn_apart_and_by_seed_and_step"
CRASH = f"{LOOP}::test_a_crash_between_checkpoints_and_resume_is_bitwise_never_stopping_and_logs_each_step_once"
CLIPPED = f"{LOOP}::test_a_gradient_is_clipped_to_the_norm_of_the_settings_and_is_that_of_one_step"

seeds = [
    Mutant(
        "training/batches.py",
        'generator_for(self.seed, "order", number)',
        'generator_for("order", number)',
        "every seed has the same order",
        f"{LOOP}::test_epochs_and_seeds_differ_in_order",
    ),
    Mutant(
        "training/batches.py",
        'generator_for(self.seed, "order", number)',
        'generator_for(self.seed, "order")',
        "every epoch has the same order",
        f"{LOOP}::test_epochs_and_seeds_differ_in_order",
    ),
    Mutant(
        "training/batches.py",
        "return Draws(self.places, seed, purpose, self.step)",
        "return Draws(self.places, seed, purpose)",
        "every step has the same masks and crops",
        DRAWN,
    ),
    Mutant(
        "training/batches.py",
        "return Draws(self.places, seed, purpose, self.step)",
        "return Draws(self.places, purpose, self.step)",
        "every seed has the same masks and crops",
        DRAWN,
    ),
    Mutant(
        "training/loop.py",
        'seed_for(self.seed, "dropout", step, distributed.rank())',
        'seed_for(self.seed, "dropout", distributed.rank())',
        "dropout hides the same features in every step",
        f"{LOOP}::test_every_step_and_every_seed_drop_other_features",
    ),
    Mutant(
        "model/build.py",
        'torch.manual_seed(seed_for(seed, "weights"))',
        'torch.manual_seed(seed_for("weights"))',
        "every seed of a pre-training has the same random weights",
        "model/test_objective.py::test_every_objective_keeps_to_the_seam",
    ),
    Mutant(
        "model/build.py",
        'torch.manual_seed(seed_for(seed, "classifier weights"))',
        'torch.manual_seed(seed_for("classifier weights"))',
        "every seed of a classifier has the same random weights",
        "model/test_classifier.py",
    ),
    Mutant(
        "stages/pretrain.py",
        'batch.draws(self.seed, "masks")',
        'batch.draws(self.seed, "clips")',
        "masks follow from crops and turns",
        DRAWN,
    ),
    Mutant(
        "stages/semi.py",
        'seed = seed_for(labelled.seed, "unlabelled")',
        "seed = labelled.seed",
        "the same clips come with and without their label in a step",
        SEMI,
    ),
    Mutant(
        "data/randomness.py",
        "return (bits >> by) & (2 ** (64 - by) - 1)",
        "return bits >> by",
        "half of the random numbers are negative",
        "data/test_randomness.py",
    ),
    Mutant(
        "data/randomness.py",
        "streams = _mix(self.samples.to(device) * _GAMMA + self.seed)",
        "streams = self.samples.to(device) * _GAMMA + self.seed",
        "a sample draws the numbers of the one before, moved by one place",
        "data/test_randomness.py",
    ),
    Mutant(
        "evaluation/linear.py",
        'torch.manual_seed(seed_for(seed, "linear probe"))',
        'torch.manual_seed(seed_for("linear probe"))',
        "every seed of a linear probe has the same random weights",
        "evaluation/test_protocols.py::test_another_seed_is_another_probe",
    ),
]

resume = [
    Mutant(
        "training/checkpoint.py",
        'optimizer.load_state_dict({"state": moments,',
        'optimizer.load_state_dict({"state": {},',
        "a resumed run has forgotten the moments",
        CHECKPOINT,
    ),
    Mutant(
        "training/checkpoint.py",
        '{"step": step, "tensors": file.name, **state}',
        '{"step": step - 1, "tensors": file.name, **state}',
        "a resumed run repeats a step",
        f"{LOOP}::test_after_a_bad_loss_the_run_resumes_from_the_last_good_checkpoint",
    ),
    Mutant(
        "training/loop.py",
        'if line["step"] <= step]',
        'if line["step"] < step]',
        "a resumed run loses the line of its checkpoint",
        CRASH,
    ),
    Mutant(
        "training/loop.py",
        'return state["step"], state["seconds"]',
        'return state["step"], 0.0',
        "the time before a resume does not count",
        f"{LOOP}::test_seconds_go_on_after_resuming",
    ),
    Mutant(
        "model/pseudo_labels.py",
        'self.register_buffer("prior", torch.full((classes,), 1 / classes))',
        'self.register_buffer("prior", torch.full((classes,), 1 / classes), persistent=False)',
        "a resumed run has forgotten the prior",
        "model/test_pseudo_labels.py",
    ),
    Mutant(
        "model/sharpening.py",
        'self.register_buffer("centre", torch.zeros(width))',
        'self.register_buffer("centre", torch.zeros(width), persistent=False)',
        "a resumed run has forgotten the centre",
        "model/test_masked_prediction.py",
    ),
    Mutant(
        "training/batches.py",
        "epoch, start = divmod(step * self.batch_size, self.size)",
        "epoch, start = divmod(step * self.batch_size, self.size - self.size % self.batch_size)",
        "the last samples of an epoch are left out",
        f"{LOOP}::test_every_epoch_holds_every_sample_once",
    ),
    Mutant(
        "training/batches.py",
        "batch = torch.cat([first, self._shuffled(epoch + 1)[:missing]])",
        "batch = torch.cat([first, self._shuffled(epoch)[:missing]])",
        "the first samples of an epoch come again at its end",
        f"{LOOP}::test_every_epoch_holds_every_sample_once",
    ),
]

optimiser = [
    Mutant(
        "training/optimizer.py",
        "return settings.lr * (step + 1) / warmup",
        "return settings.lr * step / warmup",
        "the first step has no effect",
        OPTIMIZER,
    ),
    Mutant(
        "training/optimizer.py",
        "0.5 * (1 + math.cos(math.pi * progress))",
        "math.cos(math.pi / 2 * progress)",
        "the rate falls along another curve",
        OPTIMIZER,
    ),
    Mutant(
        "training/optimizer.py",
        "return decay ** (depth - int(block[1]))",
        "return decay ** (int(block[1]) + 1)",
        "low layers learn fast and high ones slowly",
        OPTIMIZER,
    ),
    Mutant(
        "training/optimizer.py",
        "(position\\.(segment|joint)|mask_token|bias)$",
        "(position\\.(segment|joint)|bias)$",
        "the mask token decays to zero",
        OPTIMIZER,
    ),
    Mutant(
        "training/optimizer.py",
        "betas=(0.9, settings.beta2),",
        "betas=(0.9, 0.999),",
        "β2 of the settings is not used",
        OPTIMIZER,
    ),
    Mutant(
        "training/loop.py",
        'group["lr"] = rate * group["scale"]',
        'group["lr"] = rate',
        "layer-wise decay of the rate has no effect",
        f"{LOOP}::test_a_group_of_parameters_learns_at_its_share_of_the_scheduled_rate",
    ),
    Mutant(
        "training/loop.py",
        "            if self.settings.clip_gradient:",
        "            if self.settings.clip_gradient > 1e9:",
        "gradients are never clipped",
        CLIPPED,
    ),
    Mutant(
        "training/loop.py",
        "            self.optimizer.zero_grad(set_to_none=True)\n",
        "",
        "gradients add up over steps",
        CLIPPED,
    ),
]
