"""LOG.md, 'What recommended is': settings chosen on held-out training subjects of UTD-MHAD, one change at a time.

python lab/recommended.py GROUP… [--seeds N] [--subjects 1 3 5 7] [--labels 2shot …] [--show]   (no GROUP: list them)

Every condition is pre-trained without one training subject (width 64), then judged on that subject: nearest neighbour
on frozen features, fine-tuning, and fine-tuning with pseudo-labels. One line of JSON each in lab/recommended.jsonl;
conditions that are there already are not repeated.
"""

import argparse
import json
import shutil
import tempfile
import time
from pathlib import Path

import torch
from ablate import precision, top1

from jointwise import load_dataset
from jointwise.config.layers import make_config
from jointwise.config.schema import Config
from jointwise.data.dataset import Dataset
from jointwise.stages.evaluate import evaluate
from jointwise.stages.finetune import finetune
from jointwise.stages.pretrain import pretrain

OUT = Path(__file__).parent / "recommended.jsonl"
SMALL = (
    "--clip.frames 32 --clip.segment 8 --encoder.width 64 --encoder.heads 4 --predictor.depth 2 --decoder.depth 2 "
    "--pretrain.steps 1000 --finetune.steps 300 --finetune.lr 1e-3 --finetune.hidden 512 --scratch.steps 300 "
    "--scratch.lr 1e-3 --scratch.hidden 512 --execution.log_every 100 --probe.pooling joint-phases"
)
SPACETIME, FACTORISED, SPATIAL = (
    "spacetime_segments_decoder",
    "spacetime_segments_decoder --encoder.axis factorised",
    "spatial_segments_decoder",
)
MOTION = "--clip.input place+motion"
TRUNK = f"{MOTION} --objective cross_prediction --decoder.region hidden"
RELATIVE = TRUNK.replace("place+motion", "relative+motion")
CHEAP = (
    f"{MOTION} --objective cross_prediction --decoder.region hidden --decoder.normalisation axis-over-time "
    "--teacher.blocks 3 --pretrain.final_lr 0 --pretrain.steps 3000"
)

GROUPS: dict[str, list[str]] = {  # group -> system and options; "scratch" before a system: no pre-training
    "scratch": [f"scratch {system} {extra}" for system in (SPACETIME, FACTORISED) for extra in ("", MOTION)],
    "input": [f"{system} {extra}" for system in (SPACETIME, FACTORISED) for extra in ("", MOTION)],
    "raw": ["raw"],
    "factorised": [f"{FACTORISED} {CHEAP}"],
    "spacetime": [f"{SPACETIME} {CHEAP}"],
    "published": [f"{SPACETIME} {MOTION} --pretrain.steps 1000"],
    "trunk": [
        f"{SPACETIME} {TRUNK} {change}".strip()
        for change in (
            "",
            "--decoder.normalisation axis-over-time",
            "--teacher.blocks 3",
            "--predictor.share 1.0",
        )
    ],
    "long": [f"{SPACETIME} {TRUNK} --pretrain.steps 3000 --pretrain.final_lr 0"],
    "long-factorised": [f"{FACTORISED} {TRUNK} --pretrain.steps 3000 --pretrain.final_lr 0"],
    "relative": [f"{SPACETIME} {RELATIVE} --pretrain.steps 3000 --pretrain.final_lr 0"],
    "relative-baseline": [f"scratch {SPACETIME} --clip.input relative+motion"],
    "baseline": [f"scratch {SPACETIME} {MOTION}", f"scratch {FACTORISED} {MOTION}"],
}


def settings(words: list[str], subject: int) -> Config:
    """The config of a condition, one training subject held out."""
    system, *options = words
    arguments = f"{SMALL} --execution.precision {precision()}".split() + options
    arguments += ["--validation_subjects", f"[{subject}]"]
    named = {name.removeprefix("--"): value for name, value in zip(arguments[::2], arguments[1::2], strict=True)}
    return make_config(system, "utd-mhad", options=named)


def measure(condition: str, subject: int, seed: int, labels: list[str], dataset: Dataset) -> dict[str, float]:
    """Train one condition and judge it on the held-out subject: top-1 in per cent, and seconds of pre-training."""
    words = condition.split()
    folder = Path(tempfile.mkdtemp())
    scores: dict[str, float] = {}
    run = None
    if words[0] == "raw":
        for few in labels:
            path = evaluate(None, "knn", dataset, settings([SPATIAL], subject), seed, few, results=folder)[-1]
            scores[f"knn {few}"] = top1(path)
        return scores
    if words[0] == "scratch":
        config = settings(words[1:], subject)
    else:
        config = settings(words, subject)
        run = folder / "run"
        start = time.process_time()
        pretrain(config, dataset, seed, run)
        scores["pretrain s"] = round(time.process_time() - start)
        for few in labels:
            scores[f"knn {few}"] = top1(evaluate(run, "knn", dataset, config, seed, few)[0])
    for few in labels:
        scores[f"finetune {few}"] = top1(finetune(config, dataset, seed, few, folder / few, run))
        path = finetune(config, dataset, seed, few, folder / f"semi-{few}", run, unlabelled="pseudo")
        scores[f"semi {few}"] = top1(path)
    shutil.rmtree(folder)
    return scores


def show(groups: list[str]) -> None:
    """Print the conditions of the groups as Markdown: means over subjects and seeds."""
    lines = [json.loads(line) for line in OUT.read_text().splitlines()]
    for group in groups or GROUPS:
        for condition in GROUPS[group]:
            found = [line for line in lines if line["condition"] == condition]
            columns = list(dict.fromkeys(name for line in found for name in line["scores"]))
            cells = []
            for column in columns:
                values = [line["scores"][column] for line in found if column in line["scores"]]
                cells.append(f"{column} {sum(values) / len(values):.1f} ({len(values)})")
            print(f"{group}: {condition}: " + ", ".join(cells))


def main() -> None:
    """Run the conditions of the given groups that are not in the file yet."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("groups", nargs="*", metavar="GROUP", help=", ".join(GROUPS))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--subjects", type=int, nargs="+", default=[1, 3, 5, 7])
    parser.add_argument("--labels", nargs="+", default=["2shot"])
    parser.add_argument("--show", action="store_true", help="print means of the conditions in the file")
    args = parser.parse_args()
    if args.show:
        return show(args.groups)
    if not args.groups:
        parser.print_help()
    torch.set_num_threads(1)
    dataset = load_dataset("utd-mhad")
    for group in args.groups:
        for seed in args.seeds:
            for subject in args.subjects:
                for condition in GROUPS[group]:
                    about = {"condition": condition, "subject": subject, "seed": seed, "labels": args.labels}
                    lines = [json.loads(line) for line in OUT.read_text().splitlines()] if OUT.exists() else []
                    if any(all(line[key] == value for key, value in about.items()) for line in lines):
                        continue
                    line = json.dumps(about | {"scores": measure(condition, subject, seed, args.labels, dataset)})
                    with OUT.open("a") as file:
                        file.write(line + "\n")
                    print(line, flush=True)


if __name__ == "__main__":
    main()
