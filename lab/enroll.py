"""LOG.md, 'A new class from one to five clips': actions taught by 1, 2 and 5 clips against 1-NN on raw coordinates.

Run: python lab/enroll.py DATA FOLDER held-out|final, DATA utd-mhad or sbu, FOLDER with the runs of unknown_actions.py
(three seeds, each without the classes that it draws; of SBU, seed k has fold k + 1). `held-out` scores every fourth
training subject, on which all was chosen; `final` scores test subjects and writes results/enroll/DATA.json.
"""

import json
import sys
import warnings
from dataclasses import replace
from functools import cache, partial
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
from jointwise.inference.enroll import some_of_each
from jointwise.inference.taught import Space, Taught

SEEDS = 3
DRAWS = 20
SHOTS = (1, 2, 5)


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


def without_known(space: Space) -> Space:
    """A space in which nothing is compared with known classes."""
    return replace(space, known=space.known[:0])


@cache
def of_base(data: str, split: str | None) -> Tensor:
    """Features of `base` of all recordings of a data set."""
    store = load_dataset(data, split=split).store
    return features_of(Recognizer.from_pretrained("base", "cpu"), (store[place] for place in range(len(store))))[0]


@cache
def base_space() -> Space:
    """The space that `base` is taught in, from some clips of `synthetic`."""
    part = load_dataset("synthetic").train
    chosen = some_of_each(part.labels)
    rows, _ = features_of(Recognizer.from_pretrained("base", "cpu"), (part[int(place)] for place in chosen))
    labels = torch.from_numpy(part.labels[chosen])
    return without_known(Space.fitted(rows, labels, int(labels.max()) + 1))


class Measured:
    """One seed: features of all clips under each method, and who is in which part.

    Args:
        dataset: The data.
        run: A run that does not know some of the classes.
    """

    def __init__(self, dataset: Dataset, run: Path) -> None:
        model = Recognizer.from_pretrained(run, "cpu")
        ids = np.concatenate([dataset.train.ids, dataset.test.ids])
        self.train = np.arange(len(ids)) < len(dataset.train)
        self.names = np.array(dataset.classes)[dataset.store.index["label"][ids]]
        self.subjects = dataset.store.index["subject"][ids]
        self.own, self.scores = features_of(model, (dataset.store[int(place)] for place in ids))
        self.general = of_base(dataset.address, dataset.split_name)[ids]
        cutter = ClipCutter.from_store(dataset.store, RAW_FRAMES)
        self.raw = functional.normalize(
            extract(raw_features(dataset.skeleton.root_index), cutter, torch.from_numpy(ids)), dim=1
        )
        self.known = list(model.classes)
        self.new = sorted(set(dataset.classes) - set(self.known))
        self.learned = [np.flatnonzero(self.train & (self.names == name)) for name in self.known]
        places = np.array([self.known.index(name) if name in self.known else -1 for name in self.names])
        chosen = some_of_each(np.where(self.train, places, -1))
        labels = torch.from_numpy(places[chosen])
        self.space = Space.fitted(self.own[chosen], labels, len(self.known))
        self.raw_space = without_known(Space.fitted(self.raw[chosen], labels, len(self.known)))

    def draw(self, name: str, shots: int, draws: np.random.Generator) -> np.ndarray:
        """Some training clips of a class."""
        return draws.choice(np.flatnonzero(self.train & (self.names == name)), shots, replace=False)

    def among_new(self, queries: np.ndarray, taught: list[np.ndarray]) -> dict[str, Tensor]:
        """Scores of each method among the taught actions only."""
        return {
            "run": taught_scores(without_known(self.space), self.own, None, queries, taught),
            "base": taught_scores(base_space(), self.general, None, queries, taught),
            "raw 1-NN": nearest_scores(self.raw, queries, taught),
            "raw in the run's way": taught_scores(self.raw_space, self.raw, None, queries, taught),
        }

    def among_all(self, queries: np.ndarray, taught: list[np.ndarray], few: list[np.ndarray]) -> dict[str, Tensor]:
        """Scores of each method among all actions; `few` are as many clips of each known one as of a taught one."""
        return {
            "run": taught_scores(self.space, self.own, self.scores, queries, taught),
            "raw 1-NN": nearest_scores(self.raw, queries, [*self.learned, *taught]),
            "base": taught_scores(base_space(), self.general, None, queries, [*few, *taught]),
            "raw 1-NN, few of all": nearest_scores(self.raw, queries, [*few, *taught]),
        }


def measure(dataset: Dataset, run: Path, seed: int) -> list[dict[str, Any]]:
    """Accuracy of each method, task, number of shots and scored subject, as a mean over draws."""
    clips = Measured(dataset, run)
    found = []
    for task, classes in (("new", clips.new), ("all", [*clips.known, *clips.new])):
        queries = np.flatnonzero(~clips.train & np.isin(clips.names, classes))
        names, subjects = clips.names[queries], clips.subjects[queries]
        for shots in SHOTS:
            hits: dict[str, list[np.ndarray]] = {}
            for draw in range(DRAWS):
                draws = np.random.default_rng([seed, shots, draw])
                taught, few = ([clips.draw(name, shots, draws) for name in some] for some in (clips.new, clips.known))
                scores = clips.among_new(queries, taught) if task == "new" else clips.among_all(queries, taught, few)
                for method, values in scores.items():
                    hits.setdefault(method, []).append(np.array(classes)[values.argmax(1).numpy()] == names)
            is_new = np.isin(names, clips.new)
            for method, rights in hits.items():
                mean = np.mean(rights, 0)
                row = {"seed": seed, "task": task, "shots": shots, "method": method, "accuracy": float(mean.mean())}
                if task == "all":
                    row |= {"of_new": float(mean[is_new].mean()), "of_known": float(mean[~is_new].mean())}
                of_subjects = {str(who): float(mean[subjects == who].mean()) for who in np.unique(subjects)}
                found.append(row | {"subjects": of_subjects})
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
                    values = [row[key] for row in some if row["method"] == method and key in row]
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
