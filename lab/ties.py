"""LOG.md, 'Logits of bf16 tie': what ties of the best scores cost in committed results. python lab/ties.py"""

from collections import defaultdict
from pathlib import Path

import numpy as np

from jointwise.evaluation.metrics import top_k_hits
from jointwise.evaluation.results import read_results
from jointwise.report.tables.grouping import Result

FOLDERS = [folder for folder in sorted(Path("results").iterdir()) if folder.name != "bench"]


def cost(result: Result) -> tuple[float, float]:
    """What ties cost one result.

    Returns:
        Share of the clips whose best score several classes have, and top-1 with ties broken evenly, less top-1.
    """
    with np.load(result["path"].with_suffix(".npz"), allow_pickle=False) as clips:
        scores, labels = clips["scores"], clips["labels"]
    best = scores == scores.max(1, keepdims=True)
    fair = best[np.arange(len(labels)), labels] / best.sum(1)
    return float((best.sum(1) > 1).mean()), float(fair.mean() - top_k_hits(scores, labels, 1).mean())


costs = defaultdict(list)
for folder in FOLDERS:
    for result in read_results(folder):
        if "top1" in result["scores"]:
            costs[result["protocol"], result["precision"]].append((*cost(result), str(result["path"])))
for (protocol, precision), rows in sorted(costs.items()):
    tied, lost, paths = zip(*rows, strict=True)
    print(f"{protocol} {precision}: {len(rows)} results, {100 * np.mean(tied):.2f} % of clips tied,", end=" ")
    print(f"{100 * np.mean(lost):.2f} points lost on average, {100 * max(lost):.2f} at most ({paths[np.argmax(lost)]})")
