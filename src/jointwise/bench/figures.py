"""The figures of the benchmark: what is repeated, plainly and as the package does it, and the ratio promised.

Four groups: `yardstick`, ratios to the plain way; `scaling`, how cost grows with the work; `stores`, with the data;
`gpu`, every system and batch size on a GPU.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import torch

from jointwise.bench import plain_data, stores, workload
from jointwise.bench.workload import Step, Workload, settings
from jointwise.config.systems import systems
from jointwise.data import synthetic
from jointwise.data.dataset import prepare
from jointwise.data.formats import skeleton as skeleton_format
from jointwise.data.randomness import Draws
from jointwise.report.tables.bench_figures import PLAIN, PRECISIONS


class Where(NamedTuple):
    """Where a way runs, and whether the transformer blocks are compiled."""

    device: torch.device
    compiled: bool = False


Maker = Callable[[Where], Step]


@dataclass(frozen=True)
class Figure:
    """One line of the benchmark.

    ways: name (`plain` is the yardstick) -> what makes, somewhere, the step that is repeated. handles: how many
    clips or files a step handles, of what. least: ratio to the yardstick that the best other way must reach. most:
    seconds that it may take. threads: None is torch's own choice. place: the curve it is a point of, and where.
    """

    name: str
    ways: dict[str, Maker]
    handles: tuple[int, str]
    least: float | None = None
    most: float | None = None
    threads: int | None = None
    place: tuple[str, int] | None = None


def _steps(stage: str, system: str, least: float | None, clips: int = 32) -> Figure:
    """A stage of a system on the `ntu-like` workload."""
    config, batch = settings(system), (clips, "clip")
    fast: Callable[..., Step] = getattr(workload, f"{stage}_step")
    plain: Callable[..., Step] = getattr(workload, f"plain_{stage}_step")

    def maker(precision: str) -> Maker:
        return lambda where: fast(Workload(clips, device=where.device), config, precision, where.compiled)

    ways = {PLAIN: lambda where: plain(Workload(clips, device=where.device), config)}
    return Figure(f"{stage} {system}", ways | {name: maker(name) for name in PRECISIONS}, batch, least)


def _cut_plain(where: Where) -> Step:
    work, config = Workload(device=where.device), settings("mamp_published")
    work.cutter  # noqa: B018  made before the clock runs
    return lambda number: void(workload.plain_clips(work, config, number))


def _cut(where: Where) -> Step:
    work, augment = Workload(device=where.device), asdict(settings("mamp_published").pretrain.augment)
    cutter = work.cutter
    return lambda number: void(cutter.random(work.ids, Draws(work.ids, 0, "clips", number), **augment).persons())


def void(_result: object) -> None:
    """Steps return nothing."""


@lru_cache
def _temporary(purpose: str) -> TemporaryDirectory[str]:
    """A folder that is deleted when the process ends."""
    return TemporaryDirectory(prefix=f"jointwise-{purpose}-")


def _recordings(subjects: int) -> list[Path]:
    """`.skeleton` files of generated recordings, 72 of each subject: one person, in a sixth of them two."""
    folder = Path(_temporary("recordings").name)
    synthetic.write_files(folder, subjects=range(1, subjects + 1))
    os.sync()  # or the first to save would wait for these files as well
    return sorted(folder.glob("*.skeleton"))


def _read_with(reader: Callable[[Path], object]) -> Maker:
    def make(_where: Where) -> Step:
        paths = _recordings(1)
        return lambda _number: void([reader(path) for path in paths])

    return make


def _prepare(files: Path) -> None:
    prepare("ntu60", files)


def _prepare_with(workers: int) -> Callable[[Path], None]:
    """The command, in a process that has loaded nothing else: workers load what it has."""
    words = ("-m", "jointwise", "prepare", "ntu60", "--workers", str(workers), "--root")
    return lambda files: _run(*words, str(files))


def _to_store(preparing: Callable[[Path], None], subjects: int) -> Maker:
    """What prepares the recordings of some subjects, each time into a store of its own."""

    def make(_where: Where) -> Step:
        folder = _recordings(subjects)[0].parent

        def step(number: int) -> None:
            os.environ["JOINTWISE_DATA"] = f"{_temporary('stores').name}/{number}"
            preparing(folder)

        return step

    return make


def _run(*arguments: str) -> None:
    subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL)


def _python(*arguments: str) -> Maker:
    return lambda _where: lambda _number: _run(*arguments)


FINAL, SPACETIME = "spatial_segments_decoder", "mamp_published"
YARDSTICK = (
    _steps("pretrain", FINAL, 6.0),
    _steps("pretrain", SPACETIME, 5.0),
    _steps("pretrain", "recommended", None),
    _steps("finetune", FINAL, 2.5),
    _steps("finetune", SPACETIME, 5.0, clips=16),  # the yardstick needs 11 GB for as many
    _steps("inference", FINAL, 2.5),
    _steps("inference", SPACETIME, 5.0),
    Figure("cut and augment clips", {PLAIN: _cut_plain, "fp32": _cut}, (32, "clip"), 4.0, threads=1),
    Figure(
        "read .skeleton files",
        {PLAIN: _read_with(plain_data.read_skeleton), "fp32": _read_with(skeleton_format.read)},
        (72, "file"),
        4.0,
        threads=1,
    ),
    Figure(
        ".skeleton files to store",  # the yardstick only reads them
        {PLAIN: _read_with(plain_data.read_skeleton), "fp32": _to_store(_prepare, 1)},
        (72, "file"),
        4.0,
        threads=1,
    ),
    Figure(
        ".skeleton files to store, 2 workers for 1",
        {PLAIN: _to_store(_prepare_with(1), 40), "fp32": _to_store(_prepare_with(2), 40)},
        (2880, "file"),
        1.8,
        threads=1,
    ),
    Figure("import jointwise", {"fp32": _python("-c", "import jointwise")}, (1, "process"), most=0.3),
    Figure("jointwise --help", {"fp32": _python("-m", "jointwise", "--help")}, (1, "process"), most=1.0),
)


def _scaled(curve: str, value: int, clips: int = 4, **work: int) -> Figure:
    """A step of the final system's pre-training where one size differs from `ntu-like`."""
    sizes = {"width": "encoder.width", "depth": "encoder.depth"}
    options = {sizes[curve]: value} if curve in sizes else {}
    config = settings(FINAL, work.get("frames", 120), options)

    def make(where: Where) -> Step:
        return workload.pretrain_step(Workload(clips, device=where.device, **work), config, "bf16", where.compiled)

    return Figure(f"{curve} {value}", {"bf16": make}, (clips, "clip"), place=(curve, value))


SCALING = (
    *(_scaled("frames", frames, frames=frames) for frames in (32, 60, 120, 240, 480)),
    *(_scaled("joints", joints, joints=joints) for joints in (15, 25, 50, 133)),
    *(_scaled("persons", persons, persons=persons) for persons in (1, 2)),
    *(_scaled("width", width) for width in (64, 128, 256, 512)),
    *(_scaled("depth", depth) for depth in (2, 5, 10)),
)


def _of_stores(
    curve: str, doing: Callable[[Path], Step], handles: tuple[int, str] = (1, "store"), most: float | None = None
) -> list[Figure]:
    """What is done to stores of more and more sequences."""

    def maker(count: int) -> Maker:
        def make(_where: Where) -> Step:
            path = Path(_temporary("store").name) / str(count)
            _run("-m", stores.__name__, str(path), str(count))  # elsewhere: memory is that of doing
            return doing(path)

        return make

    return [
        Figure(f"{curve}, {count:,} sequences", {"fp32": maker(count)}, handles, most=most, place=(curve, count))
        for count in stores.SIZES
    ]


STORES = (
    *_of_stores("open", stores.opening, most=0.2),
    *_of_stores("read at random", stores.reading, (stores.ACCESSES, "sequence")),
    *_of_stores("check the split", stores.checking),
)


def _on_gpu(stage: str, system: str, clips: int, curve: str | None = None) -> Figure:
    """A stage of a system in bf16, without a yardstick."""
    fast: Callable[..., Step] = getattr(workload, f"{stage}_step")
    name = f"{curve or 'systems'}: {stage} {system}" + (f", {clips} clips" if curve else "")
    ways: dict[str, Maker] = {
        "bf16": lambda where: fast(Workload(clips, device=where.device), settings(system), "bf16", where.compiled),
    }
    return Figure(name, ways, (clips, "clip"), place=(curve, clips) if curve else None)


GPU = (
    *(_on_gpu("pretrain", system, 128) for system in sorted(systems()) if not system.startswith("supervised")),
    *(_on_gpu("finetune", system, 48) for system in ("supervised", "supervised_segments", SPACETIME, FINAL)),
    *(_on_gpu("pretrain", FINAL, clips, "batch size") for clips in (32, 64, 128, 256, 512)),
)
GROUPS = {"yardstick": YARDSTICK, "scaling": SCALING, "stores": STORES, "gpu": GPU}
FIGURES: dict[str, Figure] = {figure.name: figure for group in GROUPS.values() for figure in group}
