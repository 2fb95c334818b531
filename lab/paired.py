"""LAB.md: paired differences of top-1 with 95 % intervals, pre-trained against scratch. Run: python lab/paired.py"""

from pathlib import Path

import numpy as np

from jointwise.metrics import Measurement, bootstrap_interval
from jointwise.results import read_hits

FINAL, BASELINE = "spatial_segments_decoder", "supervised_segments"


def difference(folder: str, split: str, labels: str, other: str, seed: int) -> Measurement:
    """Hits of the pre-trained system minus those of `other` from scratch, clip by clip."""
    ours = read_hits(Path("results") / folder / f"{FINAL}-finetune-{split}{labels}-seed{seed}.json", 1)
    theirs = read_hits(Path("results") / folder / f"{other}-scratch-finetune-{split}{labels}-seed{seed}.json", 1)
    return Measurement(ours.hits - theirs.hits, ours.subjects)


def show(words: str, seeds: list[Measurement]) -> None:
    """The mean over seeds with its interval."""
    mean = sum(float(measurement.hits.mean()) for measurement in seeds) / len(seeds)
    low, high = bootstrap_interval(seeds)
    print(f"{words}: {100 * mean:+.1f} ({100 * low:.1f} to {100 * high:.1f})")


for labels, other in (("0.1", BASELINE), ("0.1", FINAL), ("1.0", BASELINE)):
    seeds = [difference("utd-mhad", "", labels, other, seed) for seed in (0, 1)]
    show(f"utd-mhad, labels {labels}, pre-trained - {other} from scratch", seeds)
for data, folds in (("sbu", 5), ("wmft", 4)):
    parts = [difference(data, f"fold{fold}-", "1.0", BASELINE, 0) for fold in range(1, folds + 1)]
    whole = Measurement(np.concatenate([p.hits for p in parts]), np.concatenate([p.subjects for p in parts]))
    show(f"{data}, {folds} folds, pre-trained - {BASELINE} from scratch", [whole])
