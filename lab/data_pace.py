"""Reading `.skeleton` files and cutting clips: milliseconds of the package and of the plain variant, in turns.

python lab/data_pace.py

The figures are CPU times of one thread, the least of all repeats, which other programs on the machine disturb little.
"""

import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from jointwise.bench.plain_data import cut_clip, read_skeleton
from jointwise.data import synthetic
from jointwise.data.centring import prepare_sequence
from jointwise.data.clips import ClipCutter
from jointwise.data.formats import skeleton
from jointwise.data.randomness import Draws
from jointwise.data.skeletons import NTU25
from jointwise.data.store.reader import INDEX

REPEATS = 10
CLIPS = 32
FRAMES = 120
SEQUENCES = 2000


def least_milliseconds(variants: dict[str, Callable[[], object]], repeats: int) -> dict[str, float]:
    """Least CPU time of each variant, the variants in turns."""
    best = dict.fromkeys(variants, float("inf"))
    for _ in range(repeats):
        for name, variant in variants.items():
            start = time.thread_time()
            variant()
            best[name] = min(best[name], (time.thread_time() - start) * 1e3)
    return best


def with_orientations(path: Path) -> Path:
    """Write orientations of 7 digits into a file, as NTU's own files have; the package writes zeros."""
    random = np.random.default_rng(0)
    lines = []
    for words in (line.split() for line in path.read_text().splitlines()):
        if len(words) == 12:
            words[7:11] = [f"{value:.7g}" for value in random.uniform(-1, 1, 4)]
        lines.append(" ".join(words))
    path.write_text("\r\n".join(lines) + "\r\n", newline="")
    return path


def read_pace(folder: Path) -> None:
    synthetic.write_files(folder, subjects=(1,), cameras=(1,))
    files = [with_orientations(path) for path in sorted(folder.iterdir())]
    total = {"plain": 0.0, "package": 0.0}
    for file in files:
        variants = {"plain": lambda file=file: read_skeleton(file), "package": lambda file=file: skeleton.read(file)}
        for name, milliseconds in least_milliseconds(variants, REPEATS).items():
            total[name] += milliseconds / len(files)
    size = sum(file.stat().st_size for file in files) / len(files) / 1e3
    print(f"read, {size:.0f} kB: plain {total['plain']:.2f} ms, package {total['package']:.2f} ms per file")


def cut_pace() -> None:
    alone, pairs = (
        [prepare_sequence(s) for s in synthetic.generate(subjects=range(1, 8), cameras=(1,), actions=actions)]
        for actions in (range(20), range(20, 24))
    )
    random = np.random.default_rng(0)
    sequences = [(pairs if random.random() < 0.18 else alone)[place % 28] for place in range(SEQUENCES)]
    index = np.zeros(SEQUENCES, INDEX)
    index["frames"] = [s.frames for s in sequences]
    index["persons"] = [s.persons for s in sequences]
    index["row"] = np.cumsum([0, *(s.frames * s.persons for s in sequences[:-1])])
    rows = np.concatenate([s.positions.reshape(-1, 25, 3) for s in sequences])
    cutter = ClipCutter(rows, np.concatenate([s.validity.reshape(-1, 25) for s in sequences]), index, NTU25, FRAMES)
    own = [torch.from_numpy(s.positions) for s in sequences]
    two = [torch.cat([x, x.new_zeros(2 - len(x), *x.shape[1:])]) for x in own]
    ids = torch.from_numpy(random.permutation(SEQUENCES)[:CLIPS])
    generator = torch.Generator().manual_seed(0)
    variants: dict[str, Callable[[], object]] = {
        "plain, 2 slots": lambda: torch.stack([cut_clip(two[i], FRAMES, generator, 0.5, 0.3) for i in ids.tolist()]),
        "plain, own slots": lambda: [cut_clip(own[i], FRAMES, generator, 0.5, 0.3) for i in ids.tolist()],
        "package": lambda: cutter.random(ids, Draws(ids, 0, "clips", 0), 0.5, rotation=0.3),
        "package, mirrored and scaled too": lambda: cutter.random(
            ids, Draws(ids, 0, "clips", 0), 0.5, rotation=0.3, mirror=0.5, scale=0.1
        ),
    }
    print(f"cut, {index['persons'].mean():.2f} persons:", end=" ")
    times = least_milliseconds(variants, 10 * REPEATS)
    print(", ".join(f"{name} {each / CLIPS:.3f}" for name, each in times.items()), "ms per clip")


if __name__ == "__main__":
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as place:
        read_pace(Path(place))
    cut_pace()
