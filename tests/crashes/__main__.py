"""`python -m crashes COUNT`: interrupt commands at moments and at operations on files, and print how they went on."""

import argparse
import sys
import tempfile
import warnings
from pathlib import Path

from crashes.commands import COMMANDS
from crashes.driver import Case, Driver, as_table, cases_of
from crashes.faults import KINDS


def main() -> int:
    """The command; 1 where something was lost or done twice."""
    parser = argparse.ArgumentParser(prog="crashes", description=__doc__)
    parser.add_argument("count", type=int, nargs="?", default=200, help="interruptions")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", nargs="+", default=[*COMMANDS], choices=COMMANDS, help="commands")
    parser.add_argument(
        "--case",
        nargs="+",
        metavar="WORD",
        help=f"COMMAND KIND AT [SECOND]: this one alone, as a failure is printed; kinds: {', '.join(KINDS)}",
    )
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    failed = []
    with tempfile.TemporaryDirectory() as place:
        driver = Driver(Path(place))
        driver.prepare()
        one = [Case(args.case[0], args.case[1], *map(float, args.case[2:]))] if args.case else []
        cases = one or cases_of(driver, args.count, args.seed, args.only)
        for number, case in enumerate(cases, 1):
            print(f"\r{number}/{len(cases)}", end="", file=sys.stderr, flush=True)
            wrong = driver.try_case(case)
            if wrong:
                failed.append(case)
                print(f"\n{wrong}\n  again: python -m crashes --case {case}", flush=True)
        print(f"\n{as_table(cases, failed)}")
        print(f"{len(cases) - len(failed)} of {len(cases)}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
