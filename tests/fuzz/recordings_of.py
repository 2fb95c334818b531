"""A small real file of every format, written by the test of its reader or by what jointwise itself writes."""

import io
import pickle
import re
from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from helpers import detected
from helpers.recordings import FORMATS as SHARED
from helpers.viewed import WAVE, synthetic_clip
from jointwise.data.formats import npz, skeleton
from jointwise.data.synthetic.generate import generate
from jointwise.report.export import figures_of
from jointwise.report.export.bvh import as_bvh

MOST_BYTES = 200_000  # of a shared sample: what takes long is tried less often
RNG = np.random.default_rng(0)


def _tests(name: str) -> Any:
    """The module that tests a reader, which knows how its files look."""
    return import_module(f"data.formats.test_{name}")


def _detector(writer: Callable[[Path, Any], Path], layout: str) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        made = writer(folder, detected.listed(layout)[:6])
        if made.is_dir():  # few frames are enough
            for file in sorted(made.iterdir())[3:]:
                file.unlink()
        return made

    return write


def _npz(folder: Path) -> Path:
    npz.write(folder / "clip.npz", next(iter(generate(subjects=(3,), cameras=(2,)))))
    return folder / "clip.npz"


def _npy(folder: Path) -> Path:
    np.save(folder / "clip.npy", RNG.normal(size=(9, 25, 3)).astype(np.float32))
    return folder / "clip.npy"


def _table(separator: str) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        tests = _tests("tables")
        names = ["frame", "time", *tests.header("{joint}_{axis}")]
        rows = [[t, t / 30, *tests.POINTS[t].ravel().tolist()] for t in range(4)]
        return tests.save(folder / ("clip.csv" if separator == "," else "clip.tsv"), names, rows, separator)

    return write


def _parquet(folder: Path) -> Path:
    import pyarrow.csv
    import pyarrow.parquet

    table = pyarrow.csv.read_csv(io.BytesIO(_table(",")(folder).read_bytes()))
    (folder / "clip.csv").unlink()
    pyarrow.parquet.write_table(table, folder / "clip.parquet")
    return folder / "clip.parquet"


def _mediapipe(folder: Path) -> Path:
    tests = _tests("mediapipe")
    frames = [
        {"frame": t, "timestamp_ms": 40 * t, "landmarks": tests.landmarks(tests.IMAGE[t]), "fps": 25} for t in range(3)
    ]
    return tests.write(folder / "clip.json", frames)


def _azure(folder: Path) -> Path:
    tests = _tests("depth_cameras")
    return tests.written(folder / "walk.json", tests.azure([[1], [1, 4], [4]]))


def _zed(folder: Path) -> Path:
    tests = _tests("depth_cameras")
    return tests.written(folder / "walk.json", tests.zed([[3], [3, 8], [8]], "zed18"))


def _skeleton(folder: Path) -> Path:
    skeleton.write(folder / _tests("skeleton").NAME, _tests("skeleton").random_sequence())
    return folder / _tests("skeleton").NAME


def _mat(compress: bool) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        tests = _tests("utd_mat")
        return tests.write(folder / "a3_s5_t2_skeleton.mat", compress, d_skel=tests.array())

    return write


def _wmft(folder: Path) -> Path:
    RNG.normal(size=(7, 75)).astype("<f4").tofile(folder / "S07_moderate_task12.bin")
    return folder / "S07_moderate_task12.bin"


def _aist(folder: Path) -> Path:
    (folder / "gBR_sBM.pkl").write_bytes(pickle.dumps({"keypoints3d": RNG.normal(size=(5, 17, 3))}))
    return folder / "gBR_sBM.pkl"


def _bvh(folder: Path) -> Path:
    (figure,), _ = figures_of(synthetic_clip(WAVE))
    (folder / "walk.bvh").write_text(as_bvh(figure))
    return folder / "walk.bvh"


def _trc(folder: Path) -> Path:
    tests = _tests("marker_files")
    return tests.trc(folder / "walk.trc", list(tests.BODY), tests.body())


def _c3d(folder: Path) -> Path:
    tests = _tests("marker_files")
    return tests.c3d(folder / "walk.c3d", list(tests.BODY), tests.body())


def _pose(version: float) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        tests = _tests("pose_format")
        return tests.pose(folder / "walk.pose", version, tests.BODY, tests.two_persons())

    return write


# name of the format, and of the sample if there are several -> writer of a file, or of a folder of frames
SAMPLES: dict[str, Callable[[Path], Path]] = {
    "npz": _npz,
    "npy": _npy,
    "table": _table(","),
    "table-tsv": _table("\t"),
    **({"parquet": _parquet} if find_spec("pyarrow") else {}),
    "mediapipe": _mediapipe,
    "azure_kinect": _azure,
    "zed": _zed,
    "skeleton": _skeleton,
    "utd_mat": _mat(False),
    "utd_mat-compressed": _mat(True),
    "sbu": lambda folder: _tests("sbu_format").save(folder, _tests("sbu_format").lines()),
    "wmft": _wmft,
    "aist": _aist,
    "bvh": _bvh,
    "trc": _trc,
    "c3d": _c3d,
    "pose": _pose(0.1),
    "pose-0": _pose(0.0),
    **{f"{form}-{writer.__name__}-{layout}": _detector(writer, layout) for writer, layout, form in detected.CASES},
}


def shared_samples() -> list[Path]:
    """Files that other programs wrote, where they are beside the repository; of the frames in a folder the first."""
    files = sorted(SHARED.rglob("*"), reverse=True) if SHARED.is_dir() else []
    small = [file for file in files if file.is_file() and file.stat().st_size < MOST_BYTES and file.suffix != ".md"]
    kinds = {(file.parent, re.sub(r"\d+", "", file.name)): file for file in small}
    return sorted(kinds.values())
