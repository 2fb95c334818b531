"""What it costs to read .c3d files in another process: time with it / time without, in one run.

python lab/c3d_apart.py
"""

import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import ezc3d
import numpy as np

from jointwise.data.formats import c3d
from jointwise.data.formats.files import FETCH_AGAIN
from jointwise.data.native.c3d import read_c3d
from jointwise.data.native.files import read_apart

SIZES = ((30, 200), (60, 3000), (100, 20_000))  # markers, frames


def write(path: Path, markers: int, frames: int) -> None:
    content = ezc3d.c3d()
    content["parameters"]["POINT"]["RATE"]["value"] = [100]
    content["parameters"]["POINT"]["LABELS"]["value"] = tuple(f"M{number}" for number in range(markers))
    content["data"]["points"] = np.ones((4, markers, frames))
    content.write(str(path))


def seconds(work: Callable[[], object], times: int) -> float:
    start = time.perf_counter()
    for _ in range(times):
        work()
    return (time.perf_counter() - start) / times


def main() -> None:
    texts = (*c3d._TEXTS, *c3d._COMPUTED)
    with tempfile.TemporaryDirectory() as place:
        path = Path(place, "clip.c3d")
        for markers, frames in SIZES:
            write(path, markers, frames)
            times = max(1, 20_000_000 // path.stat().st_size // 3)

            def apart() -> object:
                return read_apart(path, c3d._WORK, c3d._MEMORY_TIMES, FETCH_AGAIN, texts=texts)

            def here() -> object:
                return read_c3d(str(path), texts)

            first, _ = seconds(apart, 1), here()
            pairs = [(seconds(apart, times), seconds(here, times)) for _ in range(5)]
            ratios = sorted(one / other for one, other in pairs)
            print(
                f"{path.stat().st_size / 1e6:6.2f} MB: {1000 * min(p[0] for p in pairs):7.1f} ms, ratio "
                f"{ratios[2]:.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f} in 5 pairs), first file {first:.2f} s"
            )


if __name__ == "__main__":
    main()
