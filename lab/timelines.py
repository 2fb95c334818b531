"""LOG.md, 'Timelines of SBU, WMFT and synthetic': how good timelines of clips in a row are.

python lab/timelines.py DATA FOLDER [--splits fold1 fold2 …] [--windows 1 2 …] [--costs 0 2 …]
python lab/timelines.py DATA FOLDER --run RUN     (a run that is there, at the settings of the package)

Recordings: the clips of one subject in random order, some eight without a break, each clip once. Neighbours of one
class are one segment. Each person is named alone; where two interact, the label of the clip is the truth for both, so a
recording of two persons counts as two timelines of one subject (the pair).

For every split two models are trained in FOLDER if they are not there. One leaves every fourth training subject out;
their recordings choose window and switch cost by the mean of F1 at 10, 25, 50 % and the edit score. The other learns
from all training subjects, and its timelines of test subjects are scored at the settings of the package and at those
that were chosen. Intervals: 95 %, bootstrap over subjects. Writes results/timelines/DATA.json.
"""

import argparse
import json
import subprocess
import sys
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from jointwise import Recognizer, load_dataset
from jointwise.data.dataset import Dataset
from jointwise.data.sequence import Sequence
from jointwise.errors import JointwiseWarning
from jointwise.evaluation.segments import OVERLAPS, Span, count_matches, edit_score
from jointwise.inference.answers import NONE, Answer
from jointwise.inference.inputs import Joints
from jointwise.inference.timeline import SWITCH_COST, Course, Namer, Segment
from jointwise.inference.windows import HOP, Window, windows_of

CLIPS = 8  # in a recording
MOST = 24  # recordings that settings are chosen on
FINAL = ["base", "--finetune.steps", "300"]
# `base` was pre-trained on these; a model for held-out subjects begins with random weights.
SEEN_BY_BASE = ("wmft", "synthetic")
SCRATCH = ["recommended", "--scratch.steps", "500", "--encoder.width", "64"]
NAMES = [*(f"F1@{100 * overlap:.0f}" for overlap in OVERLAPS), "edit"]

Counts = npt.NDArray[np.float64]  # of timelines: (3 overlaps of twice the matches, 3 of segments found and true, edit)


def train(dataset: Dataset, run: Path, start: list[str], *more: str) -> Recognizer:
    """A recogniser that knows all labels of the training part; the one that is there, if any."""
    if not (run / "model" / "config.json").is_file():
        command = ["finetune", *start, *dataset.arguments, "--execution.precision", "bf16", "--run", str(run), *more]
        subprocess.run([sys.executable, "-m", "jointwise", *command], check=True)
    return Recognizer.from_pretrained(run)


def recordings_of(dataset: Dataset) -> list[tuple[int, Sequence, list[Span]]]:
    """Subject, recording and what happens in it, of all clips of the test part in a row."""
    rng = np.random.default_rng(0)
    found = []
    for subject in np.unique(dataset.test.subjects):
        own = rng.permutation(np.flatnonzero(dataset.test.subjects == subject))
        for places in np.array_split(own, max(1, round(len(own) / CLIPS))):
            found.append((int(subject), *in_a_row([dataset.test[int(place)] for place in places], dataset.classes)))
    return found


def in_a_row(clips: list[Sequence], classes: tuple[str, ...]) -> tuple[Sequence, list[Span]]:
    """Clips end to end, and where each action lies. Where some show one person, the first person of all."""
    persons = min(clip.persons for clip in clips)
    positions = np.concatenate([clip.positions[:persons] for clip in clips], 1)
    valid = np.concatenate([clip.validity[:persons] for clip in clips], 1)
    spans: list[Span] = []
    begin = 0.0
    for clip in clips:
        end, name = begin + clip.frames / clip.fps, classes[clip.label]
        if spans and spans[-1].label == name:
            spans[-1] = replace(spans[-1], end=end)
        else:
            spans.append(Span(begin, end, name))
        begin = end
    return replace(clips[0], positions=positions, valid=valid, source="clips in a row"), spans


def answers_in(recognizer: Recognizer, recording: Sequence, window: float) -> list[tuple[Window, Answer]]:
    """What the model says of each window, which no switch cost changes; as `Recognizer.timeline` asks it."""
    inputs, answers = recognizer._inputs, recognizer._answers
    assert answers is not None
    sequence = inputs.recorded(recording)
    windows = list(windows_of(sequence, window, HOP, inputs.together))
    joints = Joints(sequence.skeleton, sequence.skeleton)
    namer = Namer(inputs, answers, joints, sequence.fps, 0.0, inputs.fit(sequence, windows[0].piece))
    some = [windows[start : start + 64] for start in range(0, len(windows), 64)]
    return [pair for part in some for pair in zip(part, namer._answers_to(part), strict=True)]


def smoothed(
    recognizer: Recognizer, recording: Sequence, answers: list[tuple[Window, Answer]], cost: float
) -> list[Segment]:
    """The segments of all persons at a switch cost."""
    labels = (*recognizer.classes, NONE)
    courses: dict[Any, Course] = {}
    segments = []
    for window, answer in answers:
        course = courses.setdefault(window.person, Course(window.person, labels, recording.fps, cost))
        segments += course.push(window, answer)
    return segments + [segment for course in courses.values() for segment in course.close()]


def score(recording: Sequence, true: list[Span], segments: list[Segment]) -> Counts:
    """(persons, 7) the counts of each person's timeline."""
    counts = []
    for person in np.flatnonzero(recording.validity.any((1, 2))):
        found = [Span(one.start, one.end, one.label) for one in segments if one.person == person]
        matches = [2.0 * count_matches(found, true, overlap)[0] for overlap in OVERLAPS]
        counts.append([*matches, *[float(len(found) + len(true))] * len(OVERLAPS), edit_score(found, true)])
    return np.array(counts)


def score_test(recognizer: Recognizer, dataset: Dataset, window: float | None, cost: float) -> tuple[Any, Counts]:
    """Subject of each timeline of the test part, and its counts."""
    subjects, counts = [], []
    for subject, recording, true in recordings_of(dataset):
        counts.append(score(recording, true, recognizer.timeline(recording, window=window, switch_cost=cost)))
        subjects += [subject] * len(counts[-1])
    return np.array(subjects), np.concatenate(counts)


def figures(counts: Counts) -> Counts:
    """(…, 4): F1 of each overlap and mean edit score in percent, of (…, n, 7) counts."""
    totals = counts.sum(-2)
    return 100 * np.concatenate([totals[..., :3] / totals[..., 3:6], counts[..., 6:].mean(-2)], -1)


def with_intervals(subjects: npt.NDArray[np.int64], counts: Counts) -> dict[str, list[float]]:
    """Each figure with the ends of its interval; subjects are drawn with replacement."""
    rng = np.random.default_rng(0)
    groups = [counts[subjects == subject] for subject in np.unique(subjects)]
    draws = [
        figures(np.concatenate([groups[one] for one in rng.integers(len(groups), size=len(groups))]))
        for _ in range(2000)
    ]
    ends = np.quantile(draws, [0.025, 0.975], axis=0)
    return {
        name: [round(float(value), 1) for value in row]
        for name, row in zip(NAMES, np.column_stack([figures(counts), *ends]), strict=True)
    }


def choose(
    recognizer: Recognizer, dataset: Dataset, windows: list[float], costs: list[float]
) -> tuple[dict[str, float], list[dict[str, Any]]]:
    """The best window and switch cost for the test part, and the figures of all."""
    recordings = recordings_of(dataset)
    some = np.random.default_rng(0).permutation(len(recordings))[:MOST]
    chosen = [recordings[one][1:] for one in some]
    tried = []
    for window in windows:
        answers = [answers_in(recognizer, recording, window) for recording, _ in chosen]
        for cost in costs:
            counts = [
                score(recording, true, smoothed(recognizer, recording, told, cost * window / HOP))
                for (recording, true), told in zip(chosen, answers, strict=True)
            ]
            row = dict(zip(NAMES, np.round(figures(np.concatenate(counts)), 1).tolist(), strict=True))
            tried.append({"window": window, "cost": cost, **row})
            print(f"  {dataset.address} {dataset.split}, window {window:g} s, cost {cost:g}: {row}", flush=True)
    best = max(tried, key=lambda row: sum(row[name] for name in NAMES))
    return {"window": best["window"], "cost": best["cost"]}, tried


def cut_by_hand(recognizer: Recognizer, dataset: Dataset) -> dict[str, float]:
    """Percent of clips that are named rightly with the cuts known: all persons together, and each alone."""
    together, alone = [], []
    for clip in dataset.test:
        name = dataset.classes[clip.label]
        together.append(recognizer.predict(clip).label == name)
        for person in np.flatnonzero(clip.validity.any((1, 2))).tolist():
            alone.append(recognizer.predict(clip.on_persons([person])).label == name)
    return {"together": round(100 * float(np.mean(together)), 1), "alone": round(100 * float(np.mean(alone)), 1)}


def measure_split(args: argparse.Namespace, split: str | None) -> tuple[dict[str, Any], list[Any]]:
    """One split: what was chosen, how good single clips are, and the counts of both settings."""
    dataset = load_dataset(args.data, split=split)
    about: dict[str, Any] = {"split": dataset.split}
    settings: dict[str, Any] = {"package": {"window": None, "cost": SWITCH_COST}}
    if args.run:
        final = Recognizer.from_pretrained(args.run)
    else:
        stem = Path(args.folder, f"{args.data}-{split or 'first'}")
        held = sorted(set(dataset.train.subjects.tolist()))[3::4]
        start = SCRATCH if args.data in SEEN_BY_BASE else FINAL
        without = train(dataset, Path(f"{stem}-held-out"), start, "--validation_subjects", str(held))
        chosen, tried = choose(without, dataset.hold_out(held), args.windows, args.costs)
        settings["chosen"] = chosen
        about |= {"held_out_subjects": held, "chosen": chosen, "tried": tried}
        final = train(dataset, Path(f"{stem}-final"), FINAL)
    counts = [score_test(final, dataset, **setting) for setting in settings.values()]
    return about | {
        "package": {"window": final._inputs.window, "cost": SWITCH_COST},
        "clips_cut_by_hand": cut_by_hand(final, dataset),
    }, counts


def main() -> None:
    """Measure all splits, print and write the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data")
    parser.add_argument("folder")
    parser.add_argument("--splits", nargs="+", default=[None])
    parser.add_argument("--run")
    parser.add_argument("--windows", type=float, nargs="+", default=[1.0, 2.0, 4.0, 8.0])
    parser.add_argument("--costs", type=float, nargs="+", default=[0.0, 0.5, 1.0, 2.0, 4.0])
    args = parser.parse_args()
    warnings.simplefilter("ignore", JointwiseWarning)
    splits, counts = zip(*(measure_split(args, split) for split in args.splits), strict=True)
    result: dict[str, Any] = {"data": args.data, "run": args.run}
    for name, found in zip(("at_package", "at_chosen"), zip(*counts, strict=True), strict=False):
        subjects, values = (np.concatenate(part) for part in zip(*found, strict=True))
        result[name] = {
            "timelines": len(subjects),
            "subjects": len(np.unique(subjects)),
            **with_intervals(subjects, values),
        }
        print(args.data, name, result[name], flush=True)
    result["splits"] = splits
    name = f"{args.data}-{Path(args.run).parent.name}" if args.run else args.data
    out = Path("results", "timelines", f"{name}.json")
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
