"""The figures of the benchmark: which step is repeated, in which variants, and which ratio is aimed at.

There are five groups. `yardstick`: ratios to the plain implementation. `scaling`: how cost grows with the work.
`stores`, `shards`: how cost grows with the data, in one store and in many. `gpu`: every system and batch size on a GPU.
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
from jointwise.config.systems import FINAL, RECOMMENDED, systems
from jointwise.data import synthetic
from jointwise.data.dataset import prepare
from jointwise.data.formats import skeleton as skeleton_format
from jointwise.data.randomness import Draws
from jointwise.report.tables.bench_figures import PLAIN, PRECISIONS


class BenchDevice(NamedTuple):
    """Where a variant runs.

    Args:
        device: CPU or GPU.
        compiled: Whether the transformer blocks are compiled (torch.compile).
    """

    device: torch.device
    compiled: bool = False


MakeStep = Callable[[BenchDevice], Step]


@dataclass(frozen=True)
class Figure:
    """One line of the benchmark.

    Args:
        name: Its name.
        variants: Name -> what makes the step that is repeated; `plain` is the yardstick.
        handles: How many things a step handles, and what they are: (32, "clip").
        target_ratio: Ratio to the yardstick that the best other variant must reach.
        most_seconds: Seconds that a step may take.
        threads: Threads of torch; None: torch's own choice.
        point: The curve that it is a point of, and the place on it.
    """

    name: str
    variants: dict[str, MakeStep]
    handles: tuple[int, str]
    target_ratio: float | None = None
    most_seconds: float | None = None
    threads: int | None = None
    point: tuple[str, int] | None = None


def _steps(stage: str, system: str, target_ratio: float | None, clips: int = 32, beside: str | None = None) -> Figure:
    """A stage of a system on the `ntu-like` workload; beside: system of the yardstick, where it is another one."""
    config = settings(system)
    beside = beside or system
    fast: Callable[..., Step] = getattr(workload, f"{stage}_step")
    plain: Callable[..., Step] = getattr(workload, f"plain_{stage}_step")

    def in_precision(precision: str) -> MakeStep:
        return lambda on: fast(Workload(clips, device=on.device), config, precision, on.compiled)

    variants: dict[str, MakeStep] = {PLAIN: lambda on: plain(Workload(clips, device=on.device), settings(beside))}
    variants |= {precision: in_precision(precision) for precision in PRECISIONS}
    return Figure(f"{stage} {system}", variants, (clips, "clip"), target_ratio)


def _cut_plain(on: BenchDevice) -> Step:
    work = Workload(device=on.device)
    config = settings("mamp_published")
    work.cutter  # noqa: B018  made before the clock runs
    return lambda number: discard(workload.plain_clips(work, config, number))


def _cut(on: BenchDevice) -> Step:
    work = Workload(device=on.device)
    augment = asdict(settings("mamp_published").pretrain.augment)
    cutter = work.cutter
    return lambda number: discard(cutter.random(work.ids, Draws(work.ids, 0, "clips", number), **augment).persons())


def discard(_result: object) -> None:
    """Drop the result of an expression: steps return nothing."""


@lru_cache
def _temporary(purpose: str) -> TemporaryDirectory[str]:
    """A folder that is deleted when the process ends."""
    return TemporaryDirectory(prefix=f"jointwise-{purpose}-")


def _recordings(subjects: int) -> list[Path]:
    """`.skeleton` files of generated recordings, 72 of each subject: one person, in a sixth of them two."""
    folder = Path(_temporary("recordings").name)
    synthetic.write_files(folder, subjects=range(1, subjects + 1))
    os.sync()  # without it, the first variant to save would wait for these files as well
    return sorted(folder.glob("*.skeleton"))


def _read_with(reader: Callable[[Path], object]) -> MakeStep:
    def make(_on: BenchDevice) -> Step:
        paths = _recordings(1)
        return lambda _number: discard([reader(path) for path in paths])

    return make


def _prepare(files: Path) -> None:
    prepare("ntu60", files)


def _prepare_with(workers: int) -> Callable[[Path], None]:
    """The command `prepare` in a fresh process: workers load what their parent has loaded, so it should be little."""
    words = ("-m", "jointwise", "prepare", "ntu60", "--workers", str(workers), "--root")
    return lambda files: _run(*words, str(files))


def _to_store(prepare_folder: Callable[[Path], None], subjects: int) -> MakeStep:
    """Prepares the recordings of some subjects, each time into a store of its own."""

    def make(_on: BenchDevice) -> Step:
        folder = _recordings(subjects)[0].parent

        def step(number: int) -> None:
            os.environ["JOINTWISE_DATA"] = f"{_temporary('stores').name}/{number}"
            prepare_folder(folder)

        return step

    return make


def _run(*arguments: str) -> None:
    subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL)


def _python(*arguments: str) -> MakeStep:
    return lambda _on: lambda _number: _run(*arguments)


SPACETIME = "mamp_published"
YARDSTICK = (
    _steps("pretrain", FINAL, 6.0),
    _steps("pretrain", SPACETIME, 5.0),
    _steps("pretrain", RECOMMENDED, 25.0, beside=FINAL),  # how much less it takes to pre-train than the report
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
    Figure("import jointwise", {"fp32": _python("-c", "import jointwise")}, (1, "process"), most_seconds=0.3),
    Figure("jointwise --help", {"fp32": _python("-m", "jointwise", "--help")}, (1, "process"), most_seconds=1.0),
)


def _scaled(curve: str, value: int, clips: int = 4, **work: int) -> Figure:
    """A step of the final system's pre-training where one size differs from `ntu-like`."""
    sizes = {"width": "encoder.width", "depth": "encoder.depth"}
    options = {sizes[curve]: value} if curve in sizes else {}
    config = settings(FINAL, work.get("frames", 120), options)

    def make(on: BenchDevice) -> Step:
        return workload.pretrain_step(Workload(clips, device=on.device, **work), config, "bf16", on.compiled)

    return Figure(f"{curve} {value}", {"bf16": make}, (clips, "clip"), point=(curve, value))


SCALING = (
    *(_scaled("frames", frames, frames=frames) for frames in (32, 60, 120, 240, 480)),
    *(_scaled("joints", joints, joints=joints) for joints in (15, 25, 50, 133)),
    *(_scaled("persons", persons, persons=persons) for persons in (1, 2)),
    *(_scaled("width", width) for width in (64, 128, 256, 512)),
    *(_scaled("depth", depth) for depth in (2, 5, 10)),
)


def _of_stores(
    curve: str, make_step: Callable[[Path], Step], handles: tuple[int, str] = (1, "store"), most: float | None = None
) -> list[Figure]:
    """One operation on stores of more and more sequences."""

    def of_size(count: int) -> MakeStep:
        def make(_on: BenchDevice) -> Step:
            path = Path(_temporary("store").name) / str(count)
            # written by another process, so that the memory measured is that of the operation
            _run("-m", stores.__name__, str(path), str(count))
            return make_step(path)

        return make

    return [
        Figure(f"{curve}, {count:,} sequences", {"fp32": of_size(count)}, handles, None, most, point=(curve, count))
        for count in stores.SIZES
    ]


STORES = (
    *_of_stores("open", stores.opening, most=0.2),
    *_of_stores("read at random", stores.reading, (stores.ACCESSES, "sequence")),
    *_of_stores("check the split", stores.checking),
)


def _of_shards(
    curve: str,
    make_step: Callable[[Path], Step],
    handles: tuple[int, str] = (1, "store"),
    sizes: tuple[int, ...] = stores.SHARDS,
    rows: str = "shared",
) -> list[Figure]:
    """One operation on stores in more and more shards of two hours each."""

    def of_size(count: int) -> MakeStep:
        def make(_on: BenchDevice) -> Step:
            path = Path(_temporary("shards").name) / str(count)
            _run("-m", stores.__name__, str(path), str(count), rows)  # by another process, as above
            return make_step(path)

        return make

    return [
        Figure(f"{curve}, {2 * count:,} hours", {"fp32": of_size(count)}, handles, threads=1, point=(curve, 2 * count))
        for count in sizes
    ]


CLIPS = (stores.BATCH, "clip")
SHARDS = (
    *_of_shards("open shards", stores.opening_shards),
    *_of_shards("shuffle an epoch", stores.shuffling, (1, "epoch")),
    *_of_shards("cut clips of shards", stores.cutting, CLIPS),
    *_of_shards("cut clips from a cold disk", stores.cutting_from_disk, CLIPS, (stores.ON_DISK,), "whole"),
    *_of_shards("measure sizes", stores.measuring),
)


def _on_gpu(stage: str, system: str, clips: int, curve: str | None = None) -> Figure:
    """A stage of a system in bf16, without a yardstick."""
    fast: Callable[..., Step] = getattr(workload, f"{stage}_step")
    name = f"{curve or 'systems'}: {stage} {system}" + (f", {clips} clips" if curve else "")
    variants: dict[str, MakeStep] = {
        "bf16": lambda on: fast(Workload(clips, device=on.device), settings(system), "bf16", on.compiled),
    }
    return Figure(name, variants, (clips, "clip"), point=(curve, clips) if curve else None)


GPU = (
    *(_on_gpu("pretrain", system, 128) for system in sorted(systems()) if not system.startswith("supervised")),
    *(_on_gpu("finetune", system, 48) for system in ("supervised", "supervised_segments", SPACETIME, FINAL)),
    *(_on_gpu("pretrain", FINAL, clips, "batch size") for clips in (32, 64, 128, 256, 512)),
)
GROUPS = {"yardstick": YARDSTICK, "scaling": SCALING, "stores": STORES, "shards": SHARDS, "gpu": GPU}
FIGURES: dict[str, Figure] = {figure.name: figure for group in GROUPS.values() for figure in group}
