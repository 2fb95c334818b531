"""Mutants of masks, losses, teachers, pooling and pseudo-labels."""

from mutants.mutant import Mutant

MASKS = "model/test_masks.py"
PREDICTION = "model/test_masked_prediction.py"
CROSS = "model/test_cross_prediction.py"
SLIM = "model/test_slim.py"
TARGETS = "model/test_targets.py"
TOKENS = "model/test_tokens.py"
HEADS = "model/test_heads.py"
SEMI = "stages/test_semi.py"
PRETRAIN = "stages/test_pretrain.py"

masks = [
    Mutant(
        "model/masks.py",
        "order = keys.masked_fill(~valid, torch.inf)",
        "order = keys.masked_fill(~valid, -torch.inf)",
        "invalid tokens stay visible, valid ones are hidden",
        MASKS,
    ),
    Mutant(
        "model/masks.py",
        "(math.sqrt(1 - ratio),) * 2 if isinstance(ratio, float) else (1 - ratio[0], 1 - ratio[1])",
        "(math.sqrt(1 - ratio),) * 2 if isinstance(ratio, float) else (1 - ratio[1], 1 - ratio[0])",
        "the shares of hidden segments and of hidden joints are exchanged",
        MASKS,
    ),
    Mutant(
        "model/masks.py",
        "_hide_all_but_lowest(log_probability + gumbel,",
        "_hide_all_but_lowest(log_probability - gumbel,",
        "tokens are hidden with other probabilities than those of the softmax",
        MASKS,
    ),
    Mutant(
        "model/masks.py",
        "scores / largest / MOTION_TEMPERATURE",
        "scores / largest * MOTION_TEMPERATURE",
        "the temperature of the motion mask is inverted",
        MASKS,
    ),
    Mutant(
        "model/masks.py",
        "torch.cat([change[:, :1], change], 1)",
        "torch.cat([change[:, -1:], change], 1)",
        "the first segment takes the motion of the last",
        MASKS,
    ),
    Mutant(
        "model/masks.py",
        "(torch.arange(count, device=valid.device) + offset[:, None]) // length",
        "(torch.arange(count, device=valid.device) + 0 * offset[:, None]) // length",
        "tubes begin at the same segments in every clip",
        MASKS,
    ),
    Mutant(
        "model/masks.py",
        "area = LEAST_TUBE + for_area * max(",
        "area = LEAST_TUBE + for_width * max(",
        "long tubes are wide tubes: two draws share one number",
        MASKS,
    ),
    Mutant(
        "model/masked_prediction.py",
        "return noise[persons.clip, persons.slot]",
        "return noise[persons.clip, 0 * persons.slot]",
        "all persons of a clip have the same mask",
        "evaluation/test_collapse.py",
    ),
    Mutant(
        "model/masked_prediction.py",
        "self.student(segments * ~hidden[..., None], everything)",
        "self.student(segments, everything)",
        "zeroed tokens are seen by the student",
        PREDICTION,
    ),
    Mutant(
        "model/cross_prediction.py",
        "keys = (noise[:, 1:, 1:].flatten(1) * _LOWER_BITS).frac()",
        "keys = noise[:, 1:, 1:].flatten(1)",
        "which hidden tokens are asked for depends on how they were hidden",
        CROSS,
    ),
    Mutant(
        "model/slim.py",
        "TokenSet(shown.index + first[:, None] * shown.joints,",
        "TokenSet(shown.index + 0 * first[:, None] * shown.joints,",
        "local views have the numbers and the places of the first segments",
        SLIM,
    ),
]

losses = [
    Mutant(
        "model/losses.py",
        "batch_sum(weights.expand_as(error).sum())",
        "batch_sum(weights.sum())",
        "the mean over tokens is a sum over features",
        TARGETS,
    ),
    Mutant(
        "model/losses.py",
        "loss.sum() / batch_sum(weights.sum()).clamp(min=1)",
        "loss.mean()",
        "tokens that do not count make the cross-entropy smaller",
        PREDICTION,
    ),
    Mutant(
        "model/losses.py",
        "/ (count - 1).clamp(min=1)",
        "/ count.clamp(min=1)",
        "the spread is that of a biased variance",
        PREDICTION,
    ),
    Mutant(
        "model/targets.py",
        "/ (count - 1).clamp(min=1)",
        "/ count.clamp(min=1)",
        "targets are standardised by a biased variance",
        TARGETS,
    ),
    Mutant(
        "model/targets.py",
        "both[:, :-1] &= valid[:, 1:]",
        "both[:, :-1] |= valid[:, 1:]",
        "motion out of filled frames is a target",
        TARGETS,
    ),
    Mutant(
        "model/targets.py",
        "return torch.stack(whole).mean(0)",
        "return whole[-1]",
        "the target is the last of the teacher's blocks alone",
        PREDICTION,
    ),
    Mutant(
        "model/masked_prediction.py",
        "layers[-1 - self.teacher_blocks : -1]",
        "layers[-self.teacher_blocks :]",
        "the mean over blocks takes the last block twice and leaves one out",
        PREDICTION,
    ),
    Mutant(
        "model/masked_prediction.py",
        "return (self.hidden & self.valid).flatten(1)[..., None]",
        "return self.hidden.flatten(1)[..., None]",
        "filled values of invalid tokens are predicted",
        PREDICTION,
    ),
    Mutant(
        "model/masked_prediction.py",
        "self.loss_latent * latent + self.loss_reconstruction * reconstruction",
        "self.loss_reconstruction * latent + self.loss_latent * reconstruction",
        "the weights of the two losses are exchanged",
        f"{PREDICTION} model/test_report_code.py",
    ),
    Mutant(
        "model/masked_prediction.py",
        "target = target / self.coordinate_scale",
        "target = target * self.coordinate_scale",
        "the reconstruction weighs by the square of the unit",
        f"{PREDICTION} training/test_example_clips.py",
    ),
    Mutant(
        "model/cross_prediction.py",
        "asked.take_flat(target), counted, batch_sum)",
        "asked.take_flat(target), torch.ones_like(counted), batch_sum)",
        "features of invalid tokens are predicted where valid ones have run out",
        CROSS,
    ),
    Mutant(
        "model/sharpening.py",
        "(teacher_features - self.centre) / self.teacher_temperature",
        "(teacher_features - self.centre) / self.student_temperature",
        "the teacher is as blurred as the student",
        PREDICTION,
    ),
    Mutant(
        "model/sharpening.py",
        "self.centre.lerp_(mean, 1 - self.centre_momentum)",
        "self.centre.lerp_(mean, self.centre_momentum)",
        "the centre jumps to each batch",
        PREDICTION,
    ),
    Mutant(
        "model/slim.py",
        "/ temperature).exp() * weights",
        "/ temperature).exp()",
        "invalid samples take part in the balance of prototypes",
        SLIM,
    ),
    Mutant(
        "model/slim.py",
        'target = self.teacher_heads["token"](places.take(taught.unflatten(1, grid)))',
        'target = self.heads["token"](places.take(taught.unflatten(1, grid)))',
        "targets come from the student's head",
        SLIM,
    ),
    Mutant(
        "model/tokens.py",
        "0.0 if joint in centre else times",
        "times",
        "the path of the root through the room is lost",
        TOKENS,
    ),
    Mutant(
        "model/tokens.py",
        "token_motion(place, self.motion.length) / self.motion.scale",
        "token_motion(place, self.motion.length) / self.scale",
        "motion enters in the unit of places",
        TOKENS,
    ),
]

teachers = [
    Mutant(
        "model/ema.py",
        "torch._foreach_lerp_(averaged, followed, 1 - momentum)",
        "torch._foreach_lerp_(averaged, followed, momentum)",
        "the average follows fast where it should follow slowly",
        PREDICTION,
    ),
    Mutant(
        "model/ema.py",
        "1 - 1 / (horizon * steps)",
        "1 - horizon / steps",
        "the average is over the whole run",
        "model/test_averaging.py",
    ),
    Mutant(
        "stages/pretrain.py",
        "        self.module.after_step(step)",
        "",
        "no teacher moves in pre-training",
        PRETRAIN,
    ),
    Mutant(
        "model/masked_prediction.py",
        "        self.update_teacher(self.teacher_momentum)",
        "        self.update_teacher(1.0)",
        "the teacher of masked and cross prediction stays at its random start",
        PRETRAIN,
    ),
    Mutant(
        "model/masked_prediction.py",
        "update_ema(self.teacher, self.student, momentum)",
        "update_ema(self.student, self.teacher, momentum)",
        "the student is pulled back to the teacher",
        PREDICTION,
    ),
    Mutant(
        "model/masked_prediction.py",
        "            self.teacher.eval()\n        return self",
        "            self.teacher.train(mode)\n        return self",
        "drop-path touches the teacher",
        PREDICTION,
    ),
    Mutant(
        "model/slim.py",
        "update_ema(self.teacher, self.student, self.teacher_momentum)",
        "update_ema(self.teacher, self.student, 1.0)",
        "the teacher of slim stays at its random start",
        SLIM,
    ),
    Mutant(
        "model/slim.py",
        "update_ema(self.teacher_heads, self.heads, self.teacher_momentum)",
        "update_ema(self.teacher_heads, self.heads, 1.0)",
        "the heads of slim's teacher stay at their random start",
        SLIM,
    ),
    Mutant(
        "model/cross_prediction.py",
        "self.teacher_features(self.teacher, view, persons, batch_sum)",
        "self.teacher_features(self.student, view, persons, batch_sum)",
        "the student is its own teacher",
        CROSS,
    ),
    Mutant(
        "model/classifier.py",
        "update_ema(self.average.head, self.head, momentum)",
        "update_ema(self.average.head, self.head, 1.0)",
        "the head that is saved is the random one",
        SEMI,
    ),
    Mutant(
        "model/classifier.py",
        "                own.copy_(followed_buffer)",
        "                pass",
        "the average has the statistics of BatchNorm of the first step",
        "model/test_classifier.py",
    ),
    Mutant(
        "stages/finetune.py",
        "min(self.momentum, step / (step + 1))",
        "self.momentum",
        "the random start stays in the average of weights",
        "evaluation/test_protocols.py",
    ),
]

pooling = [
    Mutant(
        "model/heads.py",
        "return (features * weights).sum(axes) / weights.sum(axes).clamp(min=1)",
        "return (features * weights).mean(axes)",
        "gaps make pooled features smaller",
        HEADS,
    ),
    Mutant(
        "model/heads.py",
        "return total / count.clamp(min=1)[:, None]",
        "return total",
        "two persons have features twice as large as one",
        HEADS,
    ),
    Mutant(
        "model/tokens.py",
        "return valid.unflatten(1, (-1, length)).any(2)",
        "return valid.unflatten(1, (-1, length)).all(2)",
        "a token with a gap is not seen",
        TOKENS,
    ),
    Mutant(
        "model/heads.py",
        "joined = pool_joints(self.dropout(features), valid)",
        "joined = pool_joints(self.dropout(features), torch.ones_like(valid))",
        "features of invalid tokens reach the head",
        HEADS,
    ),
    Mutant(
        "model/heads.py",
        "return torch.cat([_masked_mean(part, part_valid, (1, 2)) for part, part_valid in parts], 1)",
        "return torch.stack([_masked_mean(part, part_valid, (1, 2)) for part, part_valid in parts], 2).flatten(1)",
        "phases and features lie in another order than is said",
        HEADS,
    ),
    Mutant(
        "evaluation/features.py",
        "positions = (positions * clips.valid[..., None])[:, :RAW_PERSONS]",
        "positions = positions[:, :RAW_PERSONS]",
        "filled gaps and empty slots are raw features",
        "evaluation/test_protocols.py",
    ),
]

pseudo_labels = [
    Mutant(
        "model/pseudo_labels.py",
        "mean = batch_sum(probabilities.sum(0)) / count",
        "mean = batch_sum(balanced.sum(0)) / count",
        "the prior follows what it has balanced itself",
        "model/test_pseudo_labels.py",
    ),
    Mutant(
        "model/pseudo_labels.py",
        "self.prior.lerp_(mean, 1 - self.momentum)",
        "self.prior.lerp_(mean, self.momentum)",
        "the prior is that of the last batch",
        "model/test_pseudo_labels.py",
    ),
    Mutant(
        "stages/semi.py",
        "pseudo = losses.sum() / unlabelled.count",
        "pseudo = losses.sum() / used.sum().clamp(min=1)",
        "few sure clips weigh as much as many",
        SEMI,
    ),
    Mutant(
        "stages/semi.py",
        "self.first[places].lerp(taught, teacher_share(unlabelled.step, self.settings))",
        "taught.lerp(self.first[places], teacher_share(unlabelled.step, self.settings))",
        "the ramp goes from the teacher to the graph",
        SEMI,
    ),
    Mutant(
        "stages/semi.py",
        "places = torch.searchsorted(self.order.unlabelled.ids, unlabelled.ids)",
        "places = unlabelled.places",
        "clips get the graph labels of others",
        SEMI,
    ),
    Mutant(
        "stages/semi.py",
        "draws, **asdict(self.settings.weak))",
        "draws, **asdict(self.settings.strong))",
        "the teacher sees the strong view",
        SEMI,
    ),
    Mutant(
        "stages/semi.py",
        "teacher = self.classifier.average",
        "teacher = self.classifier",
        "the student is its own teacher",
        SEMI,
    ),
    Mutant(
        "stages/semi.py",
        "np.flatnonzero(np.isin(dataset.train.ids, labelled.ids))",
        "np.flatnonzero(np.isin(labelled.ids, dataset.train.ids))",
        "labels are given to the first clips of the graph",
        SEMI,
    ),
    Mutant(
        "stages/semi.py",
        "self.classifier.update_average(teacher_momentum(step, self.settings.momentum))",
        "self.classifier.update_average(self.settings.momentum)",
        "the teacher is random for hundreds of steps",
        SEMI,
    ),
]
