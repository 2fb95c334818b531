"""Mutants of metrics, statistics, calibration, timelines and exported models."""

from mutants.mutant import Mutant

METRICS = "evaluation/test_metrics.py"
PROTOCOLS = "evaluation/test_protocols.py"
PROPAGATION = "evaluation/test_propagation.py"
COMPLETION = "evaluation/test_completion.py"
SEGMENTS = "evaluation/test_segments.py"
PAIRED = "evaluation/test_paired.py"
FINDINGS = "report/tables/test_findings.py"
CALIBRATION = "evaluation/test_calibration.py"
ANSWERS = "stages/test_calibrate.py"
TIMELINE = "inference/test_timeline.py"
GRAPH = "inference/test_onnx_graph.py"

metrics = [
    Mutant(
        "evaluation/metrics.py",
        "better = (~(scores < own)).sum(1) - 1",
        "better = (scores > own).sum(1)",
        "equal scores for all classes are right",
        METRICS,
    ),
    Mutant(
        "evaluation/metrics.py",
        "return (better < k).astype(np.float64)",
        "return (better <= k).astype(np.float64)",
        "top-1 is top-2",
        METRICS,
    ),
    Mutant(
        "evaluation/metrics.py",
        'average="macro"',
        'average="weighted"',
        "frequent classes decide F1",
        METRICS,
    ),
    Mutant(
        "evaluation/knn.py",
        'similarity, "amax")',
        'similarity, "mean")',
        "a class is scored by its mean clip",
        f"{PROTOCOLS}::test_a_class_is_scored_by_its_most_similar_clip",
    ),
    Mutant(
        "evaluation/knn.py",
        "gallery = functional.normalize(gallery, dim=1)",
        "gallery = functional.normalize(gallery, dim=0)",
        "long vectors are the nearest",
        f"{PROTOCOLS}::test_the_best_scored_class_is_scikit_learns_nearest_neighbour_by_cosine",
    ),
    Mutant(
        "evaluation/propagation.py",
        "similarity[torch.arange(len(some)), some] = -torch.inf",
        "similarity[torch.arange(len(some)), some] *= 1",
        "every clip is its own nearest neighbour",
        PROPAGATION,
    ),
    Mutant(
        "evaluation/propagation.py",
        ".clamp(min=0) ** POWER",
        ".clamp(min=0)",
        "far neighbours count nearly as much as near ones",
        PROPAGATION,
    ),
    Mutant(
        "evaluation/propagation.py",
        "reached = spread.sum(1) > 0",
        "reached = spread.sum(1) >= 0",
        "clips without any label are neighbours",
        PROPAGATION,
    ),
    Mutant(
        "evaluation/completion.py",
        "return persons.valid & hidden & (persons.valid & ~hidden).any(1, keepdim=True)",
        "return persons.valid & hidden",
        "joints that are never visible are judged",
        f"{COMPLETION}::test_invalid_frames_and_joints_that_are_never_seen_are_not_judged",
    ),
    Mutant(
        "evaluation/completion.py",
        "seen = persons.valid & ~hiding.hidden.repeat_interleave(self.segment, 1)",
        "seen = persons.valid",
        "gaps are filled from the frames that are predicted",
        f"{COMPLETION}::test_whatever_lies_in_the_hidden_frames_changes_no_prediction",
    ),
    Mutant(
        "evaluation/interpolation.py",
        "beyond = last + velocity * (times - before)[..., None]",
        "beyond = last + velocity",
        "the baseline moves by one frame and stops",
        f"{COMPLETION}::test_on_a_straight_line_the_straight_line_is_right_and_zero_velocity_is_known",
    ),
    Mutant(
        "evaluation/segments.py",
        "[_overlap(span, truth) if span.label == truth.label else 0.0 for truth in true]",
        "[_overlap(span, truth) for truth in true]",
        "a segment of another action at the right place is a match",
        SEGMENTS,
    ),
    Mutant(
        "evaluation/segments.py",
        "row[other] = min(row[other - 1] + 1, before[other] + 1, before[other - 1]",
        "row[other] = min(row[other - 1], before[other] + 1, before[other - 1]",
        "segments that are missing cost nothing",
        SEGMENTS,
    ),
    Mutant(
        "evaluation/collapse.py",
        "share = values / values.sum().clamp(min=1e-12)",
        "share = values.square() / values.square().sum().clamp(min=1e-12)",
        "the effective rank is that of the covariance",
        "evaluation/test_collapse.py",
    ),
    Mutant(
        "evaluation/held_out.py",
        "sums += parts.double().cpu() * len(places)",
        "sums += parts.double().cpu() * batch",
        "the last, smaller batch counts as a whole one",
        "evaluation/test_held_out.py",
    ),
]

statistics = [
    Mutant(
        "evaluation/paired.py",
        "differences.mean(-1).var(-1, ddof=1) / seeds",
        "differences.mean(-1).var(-1) / seeds",
        "the variance over three seeds is a third too small",
        PAIRED,
    ),
    Mutant(
        "evaluation/paired.py",
        "np.maximum(by_seed + by_group - residual, np.maximum(by_seed, by_group))",
        "np.maximum(by_seed, by_group)",
        "only one margin counts",
        PAIRED,
    ),
    Mutant(
        "evaluation/paired.py",
        "/ ((seeds - 1) * (groups - 1)) / (seeds * groups)",
        "/ (seeds * groups - 1) / (seeds * groups)",
        "the residual has the degrees of freedom of a plain sample",
        PAIRED,
    ),
    Mutant(
        "evaluation/paired.py",
        "by_seed**2 / max(seeds - 1, 1) + by_group**2",
        "by_seed**2 / max(seeds, 1) + by_group**2",
        "one degree of freedom too many",
        PAIRED,
    ),
    Mutant(
        "evaluation/paired.py",
        "stats.t.ppf((1 + LEVEL) / 2, freedom)",
        "stats.t.ppf(LEVEL, freedom)",
        "the interval is one of 90 %",
        PAIRED,
    ),
    Mutant(
        "evaluation/paired.py",
        "float(2 * stats.t.sf(abs(mean) / error, freedom))",
        "float(stats.t.sf(abs(mean) / error, freedom))",
        "the p-value is one-sided",
        PAIRED,
    ),
    Mutant(
        "evaluation/paired.py",
        "float(2 * stats.t.sf(abs(mean) / error, freedom))",
        "float(2 * stats.norm.sf(abs(mean) / error))",
        "the p-value is that of a normal distribution",
        PAIRED,
    ),
    Mutant(
        "evaluation/paired.py",
        "least = max(least, min(1.0, (len(p_values) - place) * p_values[index]))",
        "least = min(1.0, (len(p_values) - place) * p_values[index])",
        "a less likely claim gets a smaller p-value",
        PAIRED,
    ),
    Mutant(
        "evaluation/statistics.py",
        "parts.append(weights @ totals.T / (weights @ counts.T))",
        "parts.append(weights @ (totals / np.maximum(counts, 1)).T / len(names))",
        "subjects with few clips weigh as much as others",
        METRICS,
    ),
    Mutant(
        "evaluation/statistics.py",
        "drawn_seeds = generator.integers(len(totals), size=(DRAWS, len(totals)))",
        "drawn_seeds = np.tile(np.arange(len(totals)), (DRAWS, 1))",
        "seeds are not drawn: intervals are too narrow",
        METRICS,
    ),
    Mutant(
        "evaluation/statistics.py",
        "[(1 - LEVEL) / 2, (1 + LEVEL) / 2]",
        "[1 - LEVEL, LEVEL]",
        "the interval is one of 90 %",
        METRICS,
    ),
    Mutant(
        "evaluation/statistics.py",
        "for values in (np.nan_to_num, np.isfinite)",
        "for values in (np.nan_to_num, np.ones_like)",
        "clips without an error count as perfect",
        METRICS,
    ),
    Mutant(
        "report/tables/findings.py",
        "if sorted(ours.seeds[seed]) == sorted(theirs.seeds.get(seed, {}))]",
        "if seed in theirs.seeds]",
        "seeds with other folds are paired",
        FINDINGS,
    ),
    Mutant(
        "report/tables/findings.py",
        "if self.trainings < LEAST:",
        "if self.trainings < LEAST - 1:",
        "two trainings give a verdict",
        FINDINGS,
    ),
    Mutant(
        "report/tables/findings.py",
        "holm([row.found.interval.p for row in tested])",
        "[row.found.interval.p for row in tested]",
        "many findings are tested as if they were one",
        FINDINGS,
    ),
]

calibration = [
    Mutant(
        "evaluation/calibration.py",
        "return float(np.exp(found.x))",
        "return float(np.exp(-found.x))",
        "the temperature is inverted",
        CALIBRATION,
    ),
    Mutant(
        "evaluation/calibration.py",
        "wrong = 1 / (count + 2)",
        "wrong = 0.0",
        "a few clips, all recognised, make a model sure of everything",
        CALIBRATION,
    ),
    Mutant(
        "evaluation/calibration.py",
        "(self.share * np.abs(self.stated - self.right)).sum()",
        "abs((self.share * (self.stated - self.right)).sum())",
        "too sure and too unsure cancel out",
        CALIBRATION,
    ),
    Mutant(
        "evaluation/calibration.py",
        "np.sort(scores)[int(len(scores) * (1 - share) + 1e-9)]",
        "np.sort(scores)[int(len(scores) * (1 - share) + 1 - 1e-9)]",
        "the threshold keeps less than the share",
        CALIBRATION,
    ),
    Mutant(
        "evaluation/calibration.py",
        "return float((unknown >= threshold_keeping(known, kept)).mean())",
        "return float((unknown >= threshold_keeping(unknown, kept)).mean())",
        "the unknown clips set their own threshold",
        CALIBRATION,
    ),
    Mutant(
        "inference/answers.py",
        "/ (found.temperature if found else 1.0)",
        "* (found.temperature if found else 1.0)",
        "answers are sharpened where they should be softened",
        f"{ANSWERS}::test_a_recognizer_answers_by_its_calibration",
    ),
    Mutant(
        "inference/answers.py",
        "most >= calibration.threshold",
        "most >= 1 - calibration.threshold",
        "sure clips show none of the actions",
        f"{ANSWERS}::test_a_recognizer_answers_by_its_calibration",
    ),
    Mutant(
        "stages/calibrate.py",
        "return subjects[EVERY - 1 :: EVERY] or subjects[-1:]",
        "return subjects[::EVERY] or subjects[-1:]",
        "other subjects are held out than is said",
        f"{ANSWERS}::test_every_fourth_training_subject_is_held_out",
    ),
]

timelines = [
    Mutant(
        "inference/timeline.py",
        "floor = self._best[leader] - self._cost",
        "floor = self._best[leader] + self._cost",
        "to go on with an action costs, to change it is free",
        TIMELINE,
    ),
    Mutant(
        "inference/timeline.py",
        "self._start, self._sum, self._count = moment, 0.0, 0",
        "self._start = moment",
        "the probability of a segment has the segments before in it",
        TIMELINE,
    ),
    Mutant(
        "inference/timeline.py",
        "(self._told.begin + self._told.end + window.begin + window.end) / 4",
        "(window.begin + window.end) / 2",
        "actions change half a hop too late",
        TIMELINE,
    ),
    Mutant(
        "inference/timeline.py",
        "cost = switch_cost * window / hop",
        "cost = switch_cost * hop / window",
        "a finer hop makes more changes",
        TIMELINE,
    ),
    Mutant(
        "inference/timeline.py",
        "cost, fit, zero=recorded.begin / recorded.fps)",
        "cost, fit)",
        "times are counted from the first frame that was kept",
        TIMELINE,
    ),
    Mutant(
        "inference/windows.py",
        "valid = self._valid[rows] & (self._places[rows] == places)[:, None]",
        "valid = self._valid[rows]",
        "a window shows frames of an earlier one where nobody was seen",
        TIMELINE,
    ),
    Mutant(
        "inference/windows.py",
        "if valid.any(1).mean() >= LEAST_SEEN:",
        "if valid.any(1).mean() > LEAST_SEEN:",
        "who is seen in just half of a window is not there",
        TIMELINE,
    ),
    Mutant(
        "inference/windows.py",
        "self._end += self._step * ((place - self._end) // self._step + 1)",
        "self._end = place + self._step",
        "after a gap windows are off the grid",
        f"{TIMELINE} inference/test_stream.py",
    ),
    Mutant(
        "data/movement.py",
        "np.ptp(places - places.mean(1, keepdims=True), axis=0)",
        "np.ptp(places, axis=0)",
        "who walks by moves as in an action",
        "data/test_movement.py",
    ),
]

exported = [
    Mutant(
        "inference/onnx_graph.py",
        "(logits / self.temperature).softmax(-1)",
        "(logits * self.temperature).softmax(-1)",
        "probabilities of the file have the temperature inverted",
        GRAPH,
    ),
    Mutant(
        "inference/onnx_graph.py",
        "return (vectors.unflatten(0, clips) * present).sum(1) / present.sum(1).clamp(min=1)",
        "return vectors.unflatten(0, clips).mean(1)",
        "empty slots take part in the mean over persons",
        GRAPH,
    ),
    Mutant(
        "inference/onnx_graph.py",
        "main = valid.flatten(2).sum(2).argmax(1)",
        "main = valid.flatten(2).any(2).to(torch.int64).argmax(1)",
        "the origin is that of the first person, not of the main one",
        GRAPH,
    ),
    Mutant(
        "inference/onnx_graph.py",
        "share = (times - known[0]).to(positions) / (known[1] - known[0]).clamp(min=1)",
        "share = (times - known[0]).to(positions).clamp(max=1)",
        "gaps are filled with what comes after them",
        GRAPH,
    ),
    Mutant(
        "inference/occlusion.py",
        "np.log(max(probability, _LEAST) / max(float(answer.probabilities[place]), _LEAST))",
        "np.log(max(probability, _LEAST) / max(float(answer.probabilities.max()), _LEAST))",
        "what hiding does to another class is told",
        "inference/test_occlusion.py",
    ),
    Mutant(
        "inference/taught.py",
        "known.log_softmax(1) + together",
        "known + together",
        "how large logits are decides between known and taught actions",
        "inference/test_taught.py",
    ),
]
