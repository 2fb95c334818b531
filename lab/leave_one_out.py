"""LOG.md, 'A set that pre-training has never seen': six starts, few labels, one labelled data set left out at a time.

python lab/leave_one_out.py FOLDER [--sets NAME …] [--seeds N …] [--labels 1shot …] [--starts …] [--quick]
python lab/leave_one_out.py FOLDER --draw PICTURE        (accuracy over clips per class, from the results)
python lab/leave_one_out.py FOLDER --show                (the same as tables, and differences with their intervals)

FOLDER holds the data sets as they are shipped to the authors (precog16/, utd-mhad/ …). Results lie in
results/leave-one-out/<set>/<start>; what is there already is not repeated, and an interrupted training goes on.
"""

import argparse
import os
from collections import defaultdict
from pathlib import Path

import numpy as np
from scipy import stats

from jointwise.cli import run as jointwise
from jointwise.data.datasets import DATASETS, is_prepared
from jointwise.evaluation.paired import paired_interval
from jointwise.evaluation.results import read_results
from jointwise.report.tables.text_table import Grid

LABELLED = ("utd-mhad", "wmft", "sbu", "precog16", "uiprmd_kinect", "msrdaily", "utkinect", "hdm05_11")
UNLABELLED = ("cmu", "reactidle", "bandai")  # too few classes, or actors that nobody can tell apart
STARTS = {
    "without": "a pool without the set",
    "alone": "the set alone",
    "both": "the pool, then the set",
    "scratch": "random weights",
    "scratch-long": "random weights, as many steps as with pre-training",
    "raw": "raw coordinates",
}
PROTOCOLS = ("knn", "finetune", "semi")
LABELS = ("1shot", "2shot", "5shot", "1.0")
RESULTS = Path("results/leave-one-out")
RUNS = Path("runs/leave-one-out")
SIZES = [
    *("--encoder.width", "64", "--encoder.heads", "4", "--clip.frames", "32"),
    *("--finetune.lr", "1e-3", "--finetune.hidden", "512", "--finetune.steps", "300"),
    *("--scratch.lr", "1e-3", "--scratch.hidden", "512"),
    *("--execution.precision", "bf16", "--execution.log_every", "100"),
]
POOL_STEPS = ("--pretrain.steps", "3000")
FURTHER_STEPS = ("--pretrain.steps", "1500")
SCRATCH_STEPS = ("--scratch.steps", "300")
LONG_STEPS = ("--scratch.steps", "3300")  # else pre-training might win by its steps alone


def address(name: str, folder: Path) -> str:
    """What --data takes: a registered name, whose recordings are prepared here, or a folder."""
    if name not in DATASETS:
        return f"{folder / name}/"
    if not is_prepared(name):
        jointwise(["prepare", name, "--root", str(folder / name)])
    return name


def unless_there(product: Path, run: Path, command: list[str]) -> None:
    """Run a command that has not made its product yet; one that was interrupted goes on."""
    if not product.exists():
        jointwise([*command, "--run", str(run), *(["--resume"] if (run / "config.yaml").is_file() else [])])


def pretrained(start: str, name: str, seed: int, folder: Path, sizes: list[str]) -> Path | None:
    """The run that a start begins from, trained where it is not there yet; None: there is none."""
    if start not in ("without", "alone", "both"):
        return None
    run = RUNS / name / f"{start}-seed{seed}"
    begin, data, steps = "recommended", address(name, folder), POOL_STEPS
    if start == "without":
        data = ",".join(address(other, folder) for other in (*LABELLED, *UNLABELLED) if other != name)
    if start == "both":
        begin, steps = str(pretrained("without", name, seed, folder, sizes)), FURTHER_STEPS
    if "--quick" in sizes:
        steps = ()
    settled = ["--quick"] if "--quick" in sizes else []
    command = ["pretrain", begin, "--data", data, "--seed", str(seed), *steps]
    unless_there(run / "model" / "config.json", run, [*command, *(sizes if start != "both" else settled)])
    return run


def judge(start: str, name: str, seed: int, labels: str, folder: Path, sizes: list[str]) -> None:
    """Score one start with some labels: frozen, fine-tuned, and with pseudo-labels."""
    run = pretrained(start, name, seed, folder, sizes)
    place = RESULTS / name / start
    about = ["--data", address(name, folder), "--seed", str(seed), "--labels", labels]
    known = {(result["protocol"], result["labels"], result["seed"]) for result in results_in(place)}
    if run or start == "raw":
        for protocol in ("knn", "semi") if start == "raw" else ("knn",):
            if (protocol, labels, seed) not in known:
                start_of = [str(run) if run else "raw"]
                jointwise(["evaluate", *start_of, "--protocol", protocol, *about, "--results", str(place)])
    if start == "raw":
        return
    settings = sizes if run is None else [word for word in sizes if word == "--quick"] or finetune_sizes(sizes)
    protocols: list[tuple[str, list[str]]] = [("finetune", []), ("semi", ["--unlabelled", "pseudo"])]
    if run is None and "--quick" not in sizes:
        settings = [*settings, *(LONG_STEPS if start == "scratch-long" else SCRATCH_STEPS)]
    if start == "scratch-long":
        protocols = protocols[:1]
    for protocol, extra in protocols:
        if (protocol, labels, seed) not in known:
            target = RUNS / name / f"{start}-{protocol}-{labels}-seed{seed}"
            command = ["finetune", str(run or "recommended"), *about, *extra, *settings, "--results", str(place)]
            unless_there(target / "results", target, command)


def finetune_sizes(sizes: list[str]) -> list[str]:
    """The settings that a fine-tuning may choose; the others are those of its run."""
    pairs = zip(sizes[::2], sizes[1::2], strict=True)
    return [word for name, value in pairs if name.startswith(("--finetune", "--execution")) for word in (name, value)]


def results_in(place: Path) -> list[dict]:
    """The results in a folder, none where there is no folder."""
    return read_results(place) if place.is_dir() else []


def scores_of(start: str, protocol: str) -> dict[str, dict[str, dict[int, float]]]:
    """Top-1 in per cent of one start: by labels, set and seed. What is fine-tuned stands beside raw 1-NN."""
    scores: dict[str, dict[str, dict[int, float]]] = defaultdict(lambda: defaultdict(dict))
    for place in RESULTS.glob(f"*/{start}"):
        for result in read_results(place):
            if result["protocol"] == (protocol if start != "raw" or protocol != "finetune" else "knn"):
                scores[result["labels"]][place.parent.name][result["seed"]] = 100 * result["scores"]["top1"]
    return scores


def show() -> None:
    """Print the means of every set, and the differences to the pool without the set over the sets that have both."""
    for labels in LABELS:
        found = {(start, protocol): scores_of(start, protocol)[labels] for start in STARTS for protocol in PROTOCOLS}
        found = {row: sets for row, sets in found.items() if sets}
        if not found:
            continue
        names = [name for name in LABELLED if any(name in sets for sets in found.values())]
        rows = [
            (
                STARTS[start],
                protocol,
                *(f"{np.mean([*sets[name].values()]):.1f}" if name in sets else "–" for name in names),
            )
            for (start, protocol), sets in found.items()
        ]
        print(f"\n{labels}\n\n{Grid(('start', 'protocol', *names), rows).to_markdown()}")
        differences = []
        for (start, protocol), sets in found.items():
            for own in PROTOCOLS if start == "raw" else (protocol,):
                ours = found.get(("without", own), {})
                seeds = sorted(set.intersection(*(set(sets[name]) & set(ours[name]) for name in sets if name in ours)))
                cells = [[ours[name][seed] - sets[name][seed] for name in sets if name in ours] for seed in seeds]
                if start != "without" and cells and (start, protocol) != ("raw", "finetune"):
                    over = paired_interval(np.array(cells))
                    size = f"{len(seeds)} × {len(cells[0])} sets"
                    told = f"{over.mean:+.1f} ({over.low:+.1f} to {over.high:+.1f})"
                    differences.append((own, f"{STARTS[start]}, {protocol}", told, f"{over.p:.3f}", size))
        header = ("the pool without the set", "minus", "points (95 %)", "p, not corrected", "seeds")
        print(Grid(header, differences).to_markdown())


def draw(picture: Path) -> None:
    """Accuracy over clips per class, one curve for each start: means over sets with a t interval over sets."""
    import matplotlib.pyplot as plt

    figure, panels = plt.subplots(1, 3, figsize=(10, 3.4), sharey=True)
    for axes, protocol in zip(panels, PROTOCOLS, strict=True):
        for start, title in STARTS.items():
            scores = scores_of(start, protocol)
            columns = [labels for labels in LABELS if labels in scores]
            means = [np.array([np.mean([*seeds.values()]) for seeds in scores[labels].values()]) for labels in columns]
            half = [stats.t.ppf(0.975, len(m) - 1) * stats.sem(m) if len(m) > 1 else 0.0 for m in means]
            if columns:
                axes.errorbar(
                    columns, [m.mean() for m in means], half, label=f"{title} ({len(means[0])} sets)", capsize=3
                )
        axes.set(title=protocol, xlabel="labelled clips per class")
        axes.grid(alpha=0.3)
    panels[0].set_ylabel("top-1, %")
    panels[-1].legend(fontsize=7)
    figure.tight_layout()
    figure.savefig(picture)


def main() -> None:
    """Train and judge what is missing, or draw what is there."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--sets", nargs="+", default=LABELLED, choices=LABELLED)
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--labels", nargs="+", default=LABELS)
    parser.add_argument("--starts", nargs="+", default=tuple(STARTS), choices=STARTS)
    parser.add_argument("--quick", action="store_true", help="see that all works; the scores mean nothing")
    parser.add_argument("--draw", type=Path, metavar="PICTURE")
    parser.add_argument("--show", action="store_true", help="print tables of the results that are there")
    args = parser.parse_args()
    if args.show:
        return show()
    if args.draw:
        return draw(args.draw)
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    for seed in args.seeds:
        for name in args.sets:
            for labels in args.labels:
                for start in args.starts:
                    judge(start, name, seed, labels, args.folder, ["--quick"] if args.quick else SIZES)


if __name__ == "__main__":
    main()
