"""Does keeping freed memory pay? Reading and preparing NTU files with and without it, in turns, a process each.

`python lab/kept_memory.py [PAIRS]` prints the ratio with / without of the CPU time: median, least and greatest.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from jointwise.data import synthetic

RUN = """
import sys, time
from pathlib import Path
from jointwise.data.datasets.ntu import NTU60
from jointwise.data.formats import skeleton
from jointwise.data.store import build, workers

task, kept, files, store = sys.argv[1], sys.argv[2] == "kept", Path(sys.argv[3]), Path(sys.argv[4])
if not kept:
    workers._keep_freed_memory = lambda: None
paths = sorted(files.glob("*.skeleton"))
skeleton.read(paths[0])
begin = time.process_time()
if task == "read":
    workers._keep_freed_memory()
    for path in paths:
        skeleton.read(path)
else:
    build.build_store(store, NTU60, files)
print(time.process_time() - begin)
"""


def seconds(task: str, kept: bool, folder: Path, run: int) -> float:
    """CPU seconds of one process that reads or prepares all files."""
    words = [task, "kept" if kept else "returned", str(folder / "files"), str(folder / f"store{run}-{kept}")]
    done = subprocess.run(
        [sys.executable, "-c", RUN, *words],
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    return float(done.stdout)


def main(pairs: int) -> None:
    """Writes 360 files, then times both tasks, the two ways in turns."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        synthetic.write_files(folder / "files", subjects=(1, 2, 3, 4, 5))
        for task in ("read", "prepare"):
            ratios = []
            for run in range(pairs):
                order = (True, False) if run % 2 else (False, True)
                taken = {kept: seconds(task, kept, folder, run) for kept in order}
                ratios.append(taken[True] / taken[False])
            print(f"{task}: {statistics.median(ratios):.3f} ({min(ratios):.3f} to {max(ratios):.3f}), {pairs} pairs")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 9)
