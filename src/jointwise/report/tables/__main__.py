"""`python -m jointwise.report.tables DOCUMENT|RESULTS…`: tables from result files.

A document gets fresh tables where it has places for them. Of a folder of results all tables are printed.
"""

from __future__ import annotations

import sys
from pathlib import Path

from jointwise.evaluation.results import read_results
from jointwise.report.tables.tables import KINDS, render_into, tables


def main(names: list[str]) -> None:
    """Renders tables into documents, and prints those of folders."""
    for path in map(Path, names):
        if not path.is_dir():
            render_into(path)
            continue
        shown = [result for result in read_results(path) if result["split"]["is_test"]]
        for name, grid in tables(shown).items():
            if grid.rows:
                print(f"## {KINDS[name].heading}\n\n{grid.to_markdown()}")


if __name__ == "__main__":
    main(sys.argv[1:])
