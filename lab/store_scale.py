"""Cost of a store as data grow: bytes on disk, seconds to open it, microseconds per random access.

python lab/store_scale.py [LARGEST]

The stores have index, names, digests and parts of all their sequences; the sequences share the rows of a small file of
positions, because the disk should hold a million of them. Every size is opened in a process of its own.
"""

import json
import subprocess
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path

import numpy as np

from jointwise.prepare import PREPARATION
from jointwise.skeletons import NTU25
from jointwise.store import INDEX, TEST, TRAIN, VERSION, Description, fingerprint

FRAMES, SHARED = 60, 100  # of a sequence; sequences that have rows of their own
LARGEST = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
OPEN = """
import random, sys, time
from pathlib import Path
import numpy, jointwise.datasets as datasets, jointwise.store as store
start = time.perf_counter()
opened = store.Store(Path(sys.argv[1]))
seconds = time.perf_counter() - start
data = datasets.Dataset.of(opened, "synthetic")
whole = time.perf_counter() - start
random.seed(0)
places = [random.randrange(len(data.train)) for _ in range(2000)]
data.train[0]
start = time.perf_counter()
for place in places:
    data.train[place]
access = time.perf_counter() - start
start = time.perf_counter()
data.check_trainable()
check = time.perf_counter() - start
print(f"{seconds:.3f} | {whole:.3f} | {access / len(places) * 1e6:.0f} | {check:.2f} |")
"""


def write(path: Path, count: int) -> int:
    """Writes a store of `count` sequences; returns its bytes."""
    path.mkdir()
    random = np.random.default_rng(0)
    index = np.zeros(count, INDEX)
    index["row"] = np.arange(count) % SHARED * FRAMES
    index["frames"], index["persons"], index["fps"] = FRAMES, 1, 30
    index["label"], index["subject"], index["camera"] = np.arange(count) % 60, random.integers(1, 107, count), 1
    np.save(path / "positions.npy", random.normal(size=(SHARED * FRAMES, 25, 3)).astype("<f4"))
    np.save(path / "valid.npy", np.ones((SHARED * FRAMES, 25), bool))
    digests = np.array([f"{number:032x}" for number in range(count)])
    np.save(path / "index.npy", index)
    np.save(path / "digests.npy", digests)
    np.save(path / "names.npy", np.array([f"S001C001P{number:012d}" for number in range(count)]))
    np.save(path / "parts.npy", np.where(index["subject"] % 2, TRAIN, TEST).astype(np.int8)[:, None])
    about = asdict(Description("synthetic", NTU25, tuple(f"class {label}" for label in range(60))))
    header = {"version": VERSION, "description": about, "preparation": PREPARATION, "splits": {"xsub": "as drawn"}}
    header |= {"fingerprint": fingerprint(digests, index), "revision": "", "summary": {}}
    (path / "store.json").write_text(json.dumps(header))
    return sum(file.stat().st_size for file in path.iterdir())


print("| sequences | MB on disk | s to open | s with its parts | µs per random access | s to check the split |")
print("|---|---|---|---|---|---|")
with tempfile.TemporaryDirectory() as folder:
    count = 1000
    while count <= LARGEST:
        path = Path(folder) / str(count)
        size = write(path, count)
        runs = [
            subprocess.run([sys.executable, "-c", OPEN, str(path)], capture_output=True, text=True) for _ in range(3)
        ]
        assert not any(run.returncode for run in runs), runs[0].stderr
        columns = zip(*([float(part) for part in run.stdout.split("|")[:-1]] for run in runs), strict=True)
        best = [min(column) for column in columns]
        print(f"| {count:,} | {size / 1e6:.1f} | {best[0]:.3f} | {best[1]:.3f} | {best[2]:.0f} | {best[3]:.2f} |")
        count *= 10
