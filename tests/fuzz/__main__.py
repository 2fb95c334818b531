"""`python -m fuzz INPUTS`: fuzz every reader, print how the inputs ended, and keep those that ended badly."""

import argparse
import math
import resource
import sys
import tempfile
import time
from collections import Counter
from functools import partial
from pathlib import Path

from fuzz.harness import FINE, as_table, requests_for, run_requests, write_samples
from fuzz.targets import TARGETS
from fuzz.worker import damage


def main() -> int:
    """The command; 1 where an input ended badly."""
    parser = argparse.ArgumentParser(prog="fuzz", description=__doc__)
    parser.add_argument("inputs", type=int, nargs="?", default=1_000_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=2, help="processes")
    parser.add_argument("--minutes", type=float, default=math.inf, help="stop then")
    parser.add_argument("--only", default="", help="targets whose names begin so")
    parser.add_argument("--found", type=Path, default=Path("build/fuzz"), help="folder for inputs that ended badly")
    args = parser.parse_args()
    weights = {name: target.weight for name, target in TARGETS.items() if name.startswith(args.only)}
    with tempfile.TemporaryDirectory() as place:
        samples = Path(place, "samples")
        write_samples(samples, weights)
        start = time.monotonic()
        outcomes = run_requests(
            samples,
            requests_for(weights, args.inputs, args.seed),
            args.jobs,
            partial(print, flush=True),
            args.minutes,
        )
        took = time.monotonic() - start
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        print(as_table(outcomes))
        thousands = outcomes.total().total() / 1000
        worked = (used.ru_utime + used.ru_stime) / thousands
        print(f"1,000 inputs took {took / thousands:.1f} seconds, {worked:.1f} of them of a processor")
        seen: Counter[str] = Counter()
        for name, case, kind, why in sorted(outcomes.bad, key=str):
            cause = f"{kind}: {why.partition(': ')[0]}"
            seen[cause] += 1
            if seen[cause] <= 2 and isinstance(case, int):  # two of each kind are enough
                file, content = damage(TARGETS[name], samples / name, name, case, args.seed)
                kept = args.found / name / str(case) / file.relative_to(samples / name)
                kept.parent.mkdir(parents=True, exist_ok=True)
                kept.write_bytes(content)
                print(f"{kind}: {why}\n  {kept}")
        print("\n".join(f"{count:7}  {cause}" for cause, count in seen.most_common()))
    return 0 if set(outcomes.total()) <= set(FINE) else 1


if __name__ == "__main__":
    sys.exit(main())
