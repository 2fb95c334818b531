"""LAB.md, 'the committed table': paired differences of top-1 with 95 % intervals. Run: python lab/paired.py"""

from pathlib import Path

from jointwise.metrics import Measurement, bootstrap_interval
from jointwise.results import read_hits

RESULTS, SEEDS = Path("results/utd-mhad"), (0, 1)
PAIRS = (("0.1", "supervised_segments"), ("0.1", "spatial_segments_decoder"), ("1.0", "supervised_segments"))

for labels, other in PAIRS:
    differences = []
    for seed in SEEDS:
        ours = read_hits(RESULTS / f"spatial_segments_decoder-finetune-{labels}-seed{seed}.json", 1)
        theirs = read_hits(RESULTS / f"{other}-scratch-finetune-{labels}-seed{seed}.json", 1)
        differences.append(Measurement(ours.hits - theirs.hits, ours.subjects))
    mean = sum(float(difference.hits.mean()) for difference in differences) / len(differences)
    low, high = bootstrap_interval(differences)
    print(
        f"labels {labels}, pre-trained - {other} from scratch: {100 * mean:+.1f} ({100 * low:.1f} to {100 * high:.1f})"
    )
