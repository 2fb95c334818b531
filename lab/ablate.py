"""LOG.md, 'What decides accuracy': one change at a time, judged on held-out training subjects of UTD-MHAD.

python lab/ablate.py GROUP… [--seeds N] [--subjects 1 3 5 7]   (no GROUP: list them)

Every condition is pre-trained without one training subject, small (width 64) and short, and judged on that subject by
nearest neighbour and linear probe on frozen features and by fine-tuning with a tenth of the labels. One line of JSON
for each in lab/ablations.jsonl; conditions that are there already are not repeated.
"""

import argparse
import json
import shutil
import tempfile
import time
from functools import cache
from pathlib import Path

import torch

from jointwise import load_dataset
from jointwise.config.layers import make_config
from jointwise.config.schema import Config
from jointwise.stages.evaluate import evaluate
from jointwise.stages.finetune import finetune
from jointwise.stages.pretrain import pretrain
from jointwise.training.checkpoint import read_json

OUT = Path(__file__).parent / "ablations.jsonl"
SMALL = (
    "--clip.frames 16 --encoder.width 64 --encoder.depth 4 --encoder.heads 4 --predictor.depth 1 --decoder.depth 1 "
    "--pretrain.steps 400 --finetune.steps 150 --finetune.lr 1e-3 --finetune.hidden 256 --scratch.steps 400 "
    "--scratch.lr 1e-3 --scratch.hidden 256 --probe.linear.steps 500 --execution.log_every 50"
)
TOGETHER = "--encoder.axis factorised --decoder.normalisation axis-over-time"
FINAL, TEMPORAL = "spatial_segments_decoder", "temporal_segments_decoder"

GROUPS: dict[str, list[tuple[str, str]]] = {  # group -> (system, options)
    "base": [(FINAL, "")],
    "axis": [
        (TEMPORAL, ""),
        ("spacetime_segments_decoder", ""),
        (FINAL, "--encoder.axis factorised"),
    ],
    "together": [(FINAL, TOGETHER), (FINAL, f"{TOGETHER} --clip.segment 8")],
    "frames": [(FINAL, f"{TOGETHER} --clip.frames 32 --clip.segment {segment}") for segment in (4, 8, 16)],
    "decoder": [("spatial_segments", ""), ("spatial_segments", "--encoder.axis factorised")],
    "systems": [("mamp", ""), ("sjepa", ""), ("temporal_segments", "")],
    "objectives": [  # equal steps; slim at three learning rates, the lowest is the shipped one
        (system, f"--pretrain.steps 1000 {change}".rstrip())
        for system, change in (
            (FINAL, ""),
            ("mamp", ""),
            ("report_code", ""),
            ("slim", "--pretrain.lr 1e-3 --pretrain.final_lr 5e-4"),
            ("slim", "--pretrain.lr 1e-3 --pretrain.final_lr 5e-4 --clip.segment 4"),
            ("slim", "--pretrain.lr 3e-4 --pretrain.final_lr 0"),
            ("slim", "--pretrain.lr 1e-4 --pretrain.final_lr 0"),
        )
    ],
    "mask": [
        (FINAL, f"--mask.strategy {name} --mask.ratio {ratio}")
        for name, ratio in (
            ("random", 0.4),
            ("random", 0.75),
            ("random", 0.9),
            ("motion", 0.6),
            ("joint-frame", 0.6),
            ("joint-frame", 0.75),
            ("tube", 0.6),
        )
    ],
    "ema": [(FINAL, f"--teacher.momentum {momentum}") for momentum in (0.9, 0.996, 0.9999)],
    "weights": [
        (FINAL, f"--loss.latent {latent} --loss.reconstruction {rebuilt}")
        for latent, rebuilt in ((0, 1), (0.1, 1), (1, 0.1))
    ],
    "target": [
        (FINAL, f"--decoder.target {target} --decoder.region {region} --decoder.normalisation {normalisation}")
        for target, region, normalisation in (
            ("joints", "hidden", "none"),
            ("joints", "all", "axis-over-time"),
            ("motion", "hidden", "none"),
            ("motion", "hidden", "token"),
            ("motion", "hidden", "axis-over-time"),
        )
    ],
    "teacher": [(FINAL, change) for change in ("--teacher.normalise none", "--teacher.blocks 2", "--teacher.blocks 4")],
    "depth": [(FINAL, f"--predictor.depth {depth} --decoder.depth {depth}") for depth in (2, 3)],
    "augment": [
        (FINAL, f"--pretrain.augment.{change} --finetune.augment.{change}")
        for change in ("mirror 0", "scale 0", "bones 0.1", "rotation 0", "rotation 0.6")
    ],
    "segment": [(system, f"--clip.segment {segment}") for system in (FINAL, TEMPORAL) for segment in (8, 2, 1)],
    "finetune": [
        (FINAL, f"--finetune.{change}")
        for change in (
            "layer_decay 0.7",
            "layer_decay 1.0",
            "drop_path 0",
            "drop_path 0.3",
            "average 0.1",
            "average 0.5",
            "steps 400",
            "lr 3e-4",
        )
    ],
    "scratch": [
        (system, f"--scratch.steps {steps} --scratch.drop_path {drop}")
        for system, steps, drop in (
            ("supervised_segments", 150, 0.1),
            ("supervised_segments", 550, 0.1),
            ("supervised_segments", 550, 0.3),
            (FINAL, 550, 0.1),
        )
    ]
    + [("supervised_segments", "--scratch.steps 550 --scratch.lr 3e-4")],
}

WITH_ALL_LABELS = ("base", "axis", "together", "frames", "decoder", "systems", "finetune", "scratch")


@cache
def precision() -> str:
    """bf16 where the CPU has instructions for it, as the first conditions ran; else fp32."""
    return "bf16" if torch.cpu.get_capabilities().get("avx512_bf16") else "fp32"


@cache
def trained(system: str, options: str, subject: int, seed: int) -> tuple[Path, dict[str, float]]:
    """A run pre-trained without one subject, and the scores of its frozen features on that subject."""
    folder = Path(tempfile.mkdtemp())
    dataset, config = load_dataset("utd-mhad"), settings(system, options, subject)
    run = pretrain(config, dataset, seed, folder / "run")
    scores = {name: round(value, 4) for name, value in run["held_out"].items() if name != "split"}
    for pooling in ("mean", "joint-phases"):
        config.probe.pooling = pooling
        for protocol in ("knn", "linear"):
            (path,) = evaluate(folder / "run", protocol, dataset, config, seed)
            scores[f"{protocol} {pooling}"] = top1(path)
    return folder / "run", scores


def settings(system: str, options: str, subject: int) -> Config:
    """The small settings of a system with options, one training subject held out."""
    arguments = f"{SMALL} --execution.precision {precision()} {options} --validation_subjects [{subject}]".split()
    options = {name.removeprefix("--"): value for name, value in zip(arguments[::2], arguments[1::2], strict=True)}
    return make_config(system, "utd-mhad", options=options)


def top1(path: Path) -> float:
    """Top-1 accuracy of a result in per cent."""
    return round(100 * float(read_json(path)["scores"]["top1"]), 2)


def measure(group: str, system: str, options: str, subject: int, seed: int) -> dict[str, object]:
    """Trains one condition and judges it on the held-out subject."""
    start, folder = time.perf_counter(), Path(tempfile.mkdtemp())
    config, dataset = settings(system, options, subject), load_dataset("utd-mhad")
    run, scores = None, {}
    if group != "scratch":
        run, scores = trained(system, "" if group == "finetune" else options, subject, seed)
    stage = "finetune" if run else "scratch"
    for labels in ("0.1", "1.0") if group in WITH_ALL_LABELS else ("0.1",):
        path = finetune(config, dataset, seed, labels, folder / labels, run)
        scores = scores | {f"{stage} {labels}": top1(path)}
    shutil.rmtree(folder)
    about = {"group": group, "system": system, "options": options, "subject": subject, "seed": seed}
    return about | scores | {"precision": precision(), "seconds": round(time.perf_counter() - start)}


def show() -> None:
    """Print the conditions as Markdown: top-1 in per cent, means over subjects and seeds.

    In brackets: the change from `base`, over the subjects and seeds that both have.
    """
    lines = [json.loads(line) for line in OUT.read_text().splitlines()]
    names = [name for line in lines for name in line if name.split()[0] in ("knn", "linear", "finetune", "scratch")]
    columns = list(dict.fromkeys(names))
    places: dict[tuple[str, str, str], dict[tuple[int, int], dict[str, float]]] = {}
    for line in lines:
        key = line["group"], line["system"], line["options"]
        places.setdefault(key, {})[line["subject"], line["seed"]] = line
    base = places["base", FINAL, ""]
    print("| condition | subjects × seeds | " + " | ".join(columns) + " |")
    print("| --- " * (2 + len(columns)) + "|")
    for (group, system, options), runs in places.items():
        cells = []
        for column in columns:
            values = [run[column] for run in runs.values() if column in run]
            pairs = [
                run[column] - base[trial][column]
                for trial, run in runs.items()
                if column in run and column in base.get(trial, {})
            ]
            change = f" ({sum(pairs) / len(pairs):+.1f})" if pairs and runs is not base else ""
            cells.append(f"{sum(values) / len(values):.1f}{change}" if values else "–")
        name = f"{group}: {'' if system == FINAL else system} {options.replace('--', '')}".strip()
        print(f"| {name} | {len(runs)} | " + " | ".join(cells) + " |")


def main() -> None:
    """Run the conditions of the given groups that are not in the file yet."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("groups", nargs="*", metavar="GROUP", help=", ".join(GROUPS))
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--subjects", type=int, nargs="+", default=[1, 3, 5, 7])
    parser.add_argument("--show", action="store_true", help="print all conditions in the file as a Markdown table")
    args = parser.parse_args()
    if args.show:
        return show()
    if not args.groups:
        parser.print_help()
    torch.set_num_threads(1)
    for group in args.groups:
        for system, options in GROUPS[group]:
            for seed in range(args.seeds):
                for subject in args.subjects:
                    lines = OUT.read_text().splitlines() if OUT.exists() else []
                    done = [json.loads(line) for line in lines]
                    key = (group, system, options, subject, seed)
                    if any(tuple(d[k] for k in ("group", "system", "options", "subject", "seed")) == key for d in done):
                        continue
                    line = json.dumps(measure(*key))
                    with OUT.open("a") as file:
                        file.write(line + "\n")
                    print(line, flush=True)


if __name__ == "__main__":
    main()
