"""`python -m mutants [AREA …]`: try every mutant, print how many the tests kill, and each that they do not."""

import argparse
import importlib
import sys
import tempfile
from functools import partial
from pathlib import Path

from mutants.catalogue import AREAS
from mutants.harness import BROKEN, ROOT, SURVIVED, as_table, run_mutants

WARM = ("torch", "scipy.optimize", "scipy.stats", "sklearn.metrics")  # imported once, for all forks


def main() -> int:
    """The command; 1 where a mutant is not killed."""
    parser = argparse.ArgumentParser(prog="mutants", description=__doc__)
    parser.add_argument("areas", nargs="*", metavar="AREA", help=f"of {', '.join(AREAS)}; all by default")
    parser.add_argument(
        "--only", default="", metavar="TEXT", help="only mutants of which file, lines or phrase have it"
    )
    args = parser.parse_args()
    if unknown := set(args.areas) - set(AREAS):
        parser.error(f"no area {', '.join(sorted(unknown))}: {', '.join(AREAS)}")
    chosen = {
        area: [mutant for mutant in mutants if args.only in str(mutant)]
        for area, mutants in AREAS.items()
        if not args.areas or area in args.areas
    }
    for name in WARM:
        importlib.import_module(name)
    with tempfile.TemporaryDirectory() as place:
        try:
            outcomes = run_mutants(ROOT, Path(place, "copy"), chosen, partial(print, flush=True))
        except ValueError as error:
            print(error)
            return 1
    for outcome in outcomes:
        if outcome.kind in (SURVIVED, BROKEN):
            print(f"\n{outcome.kind}, {outcome.area}: {outcome.mutant}")
        if outcome.kind == BROKEN:
            print(outcome.said)
    print(f"\n{as_table(outcomes)}")
    return 0 if all(outcome.kind not in (SURVIVED, BROKEN) for outcome in outcomes) else 1


if __name__ == "__main__":
    sys.exit(main())
