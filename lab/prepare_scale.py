"""Seconds and peak memory of `jointwise prepare`, for growing numbers of NTU files and for a prepared array.

python lab/prepare_scale.py [WORKERS]
"""

import os
import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path

import numpy as np

from jointwise.data import synthetic

WORKERS = sys.argv[1] if len(sys.argv) > 1 else "1"


def measure(folder: Path, *arguments: str) -> str:
    """Run `jointwise prepare`; its seconds and the peak memory of the process that writes."""
    start = time.perf_counter()
    environment = os.environ | {"JOINTWISE_DATA": str(folder / "stores")}
    process = subprocess.Popen(
        [sys.executable, "-m", "jointwise", "prepare", *arguments], env=environment, stdout=subprocess.DEVNULL
    )
    _, status, usage = os.wait4(process.pid, 0)
    assert status == 0, arguments
    return f"{time.perf_counter() - start:6.1f} s, {usage.ru_maxrss / 1024:6.0f} MB"


def write_arrays(file: Path, rows: int) -> None:
    """Write an uncompressed .npz file in the form of CTR-GCN.

    Row by row, because the peak memory of a child process starts with that of its parent at the fork.
    """
    labels = np.eye(60, dtype=np.float32)
    with zipfile.ZipFile(file, "w") as archive:
        for part, count in (("train", rows), ("test", 60)):
            for key, width in ((f"x_{part}", (300, 150)), (f"y_{part}", (60,))):
                with archive.open(f"{key}.npy", "w", force_zip64=True) as member:
                    header = {"descr": "<f4", "fortran_order": False, "shape": (count, *width)}
                    np.lib.format.write_array_header_1_0(member, header)
                    for row in range(count):
                        random = np.random.default_rng(row).normal(size=width).astype(np.float32)
                        member.write(random.tobytes() if key[0] == "x" else labels[row % 60].tobytes())


with tempfile.TemporaryDirectory() as place:
    folder = Path(place)
    for subjects in (2, 8):
        root = folder / f"ntu-{subjects}"
        count = synthetic.write_files(root, subjects=range(1, subjects + 1))
        size = sum(file.stat().st_size for file in root.iterdir()) / 1e6
        print(
            f"{count} NTU files, {size:.0f} MB: {measure(folder, 'ntu60', '--root', str(root), '--workers', WORKERS)}"
        )
    for rows in (100, 4000):
        file = folder / f"NTU60_CS-{rows}.npz"
        write_arrays(file, rows)
        print(f"{rows} + 60 rows of a prepared array, {file.stat().st_size / 1e6:.0f} MB: {measure(folder, str(file))}")
