"""LOG.md, 'A new class from one to five clips': actions taught by 1, 2 and 5 clips against 1-NN on raw coordinates.

Run: python lab/enroll.py DATA FOLDER held-out|final, DATA utd-mhad or sbu, FOLDER with the runs of unknown_actions.py
(three seeds, each without the classes that it draws; of SBU, seed k has fold k + 1). `held-out` scores every fourth
training subject, on which all was chosen; `final` scores test subjects and writes results/enroll/DATA.json.
"""

import json
import sys
import warnings
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from jointwise import Recognizer, load_dataset
from jointwise.data.clips import ClipCutter
from jointwise.data.dataset import Dataset
from jointwise.evaluation import knn
from jointwise.evaluation.features import RAW_FRAMES, extract, raw_features
from jointwise.evaluation.paired import paired_interval
from jointwise.inference.taught import Space, Taught

SEEDS = 3
DRAWS = 20
SHOTS = (1, 2, 5)
METHODS = ("run", "base", "raw 1-NN", "raw in the run's way")


def features_of(recognizer: Recognizer, sequences: Any) -> tuple[Tensor, Tensor | None]:
    """Features (n, F) of recordings, and log probabilities (n, K) of a model with classes."""
    sequences = list(sequences)
    rows = torch.from_numpy(np.stack([recognizer.features(sequence, "joints") for sequence in sequences]))
    if not recognizer.classes:
        return rows, None
    answers = recognizer.predict(sequences)
    scores = [[answer.probabilities[name] for name in recognizer.classes] for answer in answers]
    return rows, torch.tensor(scores).clamp(min=1e-30).log()


def prototypes(space: Space, features: Tensor, shots: list[np.ndarray]) -> dict[str, Tensor]:
    """The prototype of each taught action."""
    return {str(place): space.prototype(features[chosen]) for place, chosen in enumerate(shots)}


def taught_scores(space: Space, features: Tensor, known: Tensor | None, queries: np.ndarray, shots: Any) -> Tensor:
    """Logits of the queries, as the package gives them."""
    taught = Taught(space, prototypes(space, features, shots))
    return taught.logits(features[queries], None if known is None else known[queries])


def nearest_scores(features: Tensor, queries: np.ndarray, clips: list[np.ndarray]) -> Tensor:
    """Similarity of the queries to the nearest clip of each class."""
    labels = torch.repeat_interleave(torch.tensor([len(some) for some in clips]))
    return knn.nearest_scores(features[np.concatenate(clips)], labels, features[queries], len(clips))


def measure(dataset: Dataset, run: Path, seed: int) -> list[dict[str, Any]]:
    """Accuracy of each method, task, number of shots and scored subject, as a mean over draws."""
    model = Recognizer.from_pretrained(run, "cpu")
    base = Recognizer.from_pretrained("base", "cpu")
    ids = np.concatenate([dataset.train.ids, dataset.test.ids])
    train = np.arange(len(ids)) < len(dataset.train)
    names = np.array(dataset.classes)[np.concatenate([dataset.train.labels, dataset.test.labels])]
    subjects = np.concatenate([dataset.train.subjects, dataset.test.subjects])
    own, probabilities = features_of(model, (dataset.store[int(place)] for place in ids))
    general, _ = features_of(base, (dataset.store[int(place)] for place in ids))
    raw = extract(
        raw_features(dataset.skeleton.root_index), ClipCutter.from_store(dataset.store, RAW_FRAMES), torch.tensor(ids)
    )
    known = list(model.classes)
    new = sorted(set(dataset.classes) - set(known))
    learned = [np.flatnonzero(train & (names == name)) for name in known]
    labels = torch.repeat_interleave(torch.tensor([len(some) for some in learned]))
    ways = {
        kind: Space.fitted(rows[np.concatenate(learned)], labels, len(known))
        for kind, rows in (("run", own), ("raw", functional.normalize(raw)))
    }
    alone = {kind: Space(way.mean, way.axes, way.gains, way.known[:0]) for kind, way in ways.items()}
    synthetic = load_dataset("synthetic")
    their, _ = features_of(base, synthetic.train)
    fitted = Space.fitted(their, torch.from_numpy(synthetic.train.labels), len(synthetic.classes))
    plain = Space(fitted.mean, fitted.axes, fitted.gains, fitted.known[:0])
    found = []
    for task, classes in (("new", new), ("all", [*known, *new])):
        queries = np.flatnonzero(~train & np.isin(names, classes))
        for shots in SHOTS:
            hits: dict[str, list[np.ndarray]] = {method: [] for method in METHODS}
            for draw in range(DRAWS):
                draws = np.random.default_rng([seed, shots, draw])
                every = {
                    name: draws.choice(np.flatnonzero(train & (names == name)), shots, replace=False)
                    for name in [*new, *known]
                }
                taught = [every[name] for name in new]
                unit = functional.normalize(raw)
                if task == "new":
                    scores = {
                        "run": taught_scores(alone["run"], own, None, queries, taught),
                        "base": taught_scores(plain, general, None, queries, taught),
                        "raw 1-NN": nearest_scores(raw, queries, taught),
                        "raw in the run's way": taught_scores(alone["raw"], unit, None, queries, taught),
                    }
                else:
                    few = [every[name] for name in classes]
                    scores = {
                        "run": taught_scores(ways["run"], own, probabilities, queries, taught),
                        "base": taught_scores(plain, general, None, queries, few),
                        "raw 1-NN": nearest_scores(raw, queries, [*learned, *taught]),
                        "raw 1-NN, few of all": nearest_scores(raw, queries, few),
                    }
                for method, values in scores.items():
                    right = np.array(classes)[values.argmax(1).numpy()] == names[queries]
                    hits.setdefault(method, []).append(right)
            for method, draws_of in hits.items():
                if not draws_of:
                    continue
                mean = np.mean(draws_of, 0)
                taught_ones = np.isin(names[queries], new)
                found.append(
                    {
                        "seed": seed,
                        "task": task,
                        "shots": shots,
                        "method": method,
                        "accuracy": float(mean.mean()),
                        "of_new": float(mean[taught_ones].mean()),
                        "of_known": float(mean[~taught_ones].mean()) if task == "all" else None,
                        "subjects": {
                            str(subject): float(mean[subjects[queries] == subject].mean())
                            for subject in np.unique(subjects[queries])
                        },
                    }
                )
    return found


def against(rows: list[dict[str, Any]], method: str, other: str, crossed: bool) -> dict[str, float]:
    """The difference of two methods: over seeds and subjects, or over folds."""

    def cells(name: str) -> np.ndarray:
        chosen = [row for row in rows if row["method"] == name]
        return np.array([list(row["subjects"].values()) if crossed else [row["accuracy"]] for row in chosen])

    interval = paired_interval(cells(method) - cells(other))
    return {"mean": interval.mean, "low": interval.low, "high": interval.high}


def main() -> None:
    """Measure all seeds, print a line of each method, and write the result of the final runs."""
    data, folder, part = sys.argv[1], Path(sys.argv[2]), sys.argv[3]
    warnings.simplefilter("ignore")  # which joints base has no place for, once for each recording
    rows: list[dict[str, Any]] = []
    left_out = []
    for seed in range(SEEDS):
        run = folder / f"{data}-seed{seed}-{part}"
        dataset = load_dataset(data, split=None if data == "utd-mhad" else f"fold{seed + 1}")
        if part == "held-out":
            dataset = dataset.hold_out(sorted(set(dataset.train.subjects.tolist()))[3::4])
        known = Recognizer.from_pretrained(run, "cpu").classes
        left_out.append(sorted(set(dataset.classes) - set(known)))
        rows += measure(dataset, run, seed)
    summary = []
    for task in ("new", "all"):
        for shots in SHOTS:
            some = [row for row in rows if row["task"] == task and row["shots"] == shots]
            compare = partial(against, some, crossed=data == "utd-mhad" and part == "final")
            for method in dict.fromkeys(row["method"] for row in some):
                opponent = "raw 1-NN, few of all" if (task, method) == ("all", "base") else "raw 1-NN"
                line = {"task": task, "shots": shots, "method": method, "opponent": opponent}
                for key in ("accuracy", "of_new", "of_known"):
                    values = [row[key] for row in some if row["method"] == method and row[key] is not None]
                    line |= {key: float(np.mean(values))} if values else {}
                line["difference"] = compare(method, opponent)
                summary.append(line)
                shown = ", ".join(
                    f"{key} {100 * line[key]:.1f}" for key in ("accuracy", "of_new", "of_known") if key in line
                )
                gap = " ".join(f"{100 * value:+.1f}" for value in line["difference"].values())
                print(f"{task}, {shots} shots, {method}: {shown}; against {opponent} {gap}", flush=True)
    if part == "final":
        out = Path("results", "enroll", f"{data}.json")
        out.parent.mkdir(parents=True, exist_ok=True)
        content = {"data": data, "left_out": left_out, "draws": DRAWS, "summary": summary, "seeds": rows}
        out.write_text(json.dumps(content, indent=1) + "\n")


if __name__ == "__main__":
    main()
