"""What is fuzzed: real files in a folder, and the code that reads them. Every reader and every file that we write."""

import json
import shutil
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

import yaml

from fuzz.recordings_of import SAMPLES, shared_samples
from helpers import made_results, mamp_reference, own_folder, stores, tiny
from jointwise.config.layers import build_config, read_layer, to_settings
from jointwise.data.dataset import Dataset
from jointwise.data.datasets import source_of_file
from jointwise.data.datasets.folder import source_of
from jointwise.data.datasets.source import DataSource
from jointwise.data.formats import detect, read
from jointwise.data.layouts import load_layout
from jointwise.data.skeletons import skeleton_of
from jointwise.data.store.build import read_skip_list
from jointwise.data.store.join import join_stores
from jointwise.data.store.reader import Store
from jointwise.data.store.writer import StoreWriter
from jointwise.errors import JointwiseError
from jointwise.evaluation.results import read_results, save_result
from jointwise.inference.recognizer import Recognizer
from jointwise.inference.stream_lines import frame_of
from jointwise.report.page import render_page
from jointwise.report.page.reading import read_result, read_run
from jointwise.report.tables.bench_figures import bench_table
from jointwise.report.tables.scratch_steps import scratch_steps
from jointwise.report.tables.tables import tables
from jointwise.stages.finetune import finetune
from jointwise.stages.mamp_checkpoint import import_mamp
from jointwise.stages.pretrain import pretrain
from jointwise.training.checkpoint import Checkpoint
from jointwise.training.device import pick_device
from jointwise.training.model_card import Calibration
from jointwise.training.model_folder import load_trained_on, save_calibration
from jointwise.training.run_folder import read_log, read_run_settings

WALK = tiny.walk(0, 1, 1)
SMALL = ("--encoder.width", "8", "--encoder.depth", "1", "--pretrain.steps", "4", "--scratch.steps", "4")


@dataclass(frozen=True)
class Target:
    """Real files, and what reads them.

    Args:
        write: Writes the files into a folder.
        read: Reads them from it.
        damaged: Patterns of the files that are damaged.
        weight: How many more inputs it gets than others.
    """

    write: Callable[[Path], Any]
    read: Callable[[Path], Any]
    damaged: tuple[str, ...] = ("**/*",)
    weight: int = 1

    def files(self, folder: Path) -> list[Path]:
        """The files that are damaged."""
        found = {file for pattern in self.damaged for file in folder.glob(pattern) if file.is_file()}
        return sorted(found)


# --- recordings ---


def _read_recording(folder: Path, form: str) -> None:
    place = next(path for path in (folder, *sorted(folder.rglob("*"))) if _is_recording(path))
    with suppress(JointwiseError):
        detect(place)
    read(place, format=form)


def _is_recording(path: Path) -> bool:
    return path.is_file() or (path.is_dir() and sum(file.is_file() for file in path.iterdir()) > 1)


def _copy(file: Path, folder: Path) -> None:
    shutil.copy(file, folder / file.name)


def _read_detected(folder: Path) -> None:
    read(next(folder.iterdir()))


# --- data sets ---


def _own_folder(folder: Path) -> None:
    own_folder.gestures(folder / "own", each=2, joints=7)
    names = [f"{label}/{number:02d}" for label in ("nod", "wave") for number in range(2)]
    rows = "".join(f"{name},{name[:3]},{number}\n" for number, name in enumerate(names))
    (folder / "own" / "labels.csv").write_text(f"file,label,subject\n{rows}")
    layout = {"joints": [f"joint_{number}" for number in range(7)], "bones": [["joint_0", "joint_1", "joint_2"]]}
    layout |= {"root": "joint_0", "up": "y", "mirror": [["joint_3", "joint_4"]], "aliases": {"joint_5": ["a", "b"]}}
    (folder / "own" / "layout.yaml").write_text(yaml.safe_dump(layout | {"about": "seven", "coordinates": 3}))
    about = {"skeleton": "layout.yaml", "fps": 30, "units": "m", "up": "y", "test_subjects": [1, 3], "terms": "free"}
    (folder / "own" / "dataset.yaml").write_text(yaml.safe_dump({**about, "labels": "labels.csv", "cleaning": "none"}))


def _own_folder_by_pattern(folder: Path) -> None:
    own_folder.gestures(folder / "own", each=2, joints=7)
    about = {"subject_pattern": r"(\d+)\.npz", "class_level": 1, "test_files": ["nod/00.npz"]}
    (folder / "own" / "dataset.yaml").write_text(yaml.safe_dump(about))


def _read_source(source: DataSource) -> None:
    found = source.recordings(None)
    index = stores_index(source, [found.read(item) for item in found.items.values()])
    source.split(index, list(found.items))


def stores_index(source: DataSource, sequences: list[Any]) -> Any:
    """The index that a store of these sequences would have, as far as splits look at it."""
    import numpy as np

    from jointwise.data.store.reader import INDEX, UNKNOWN

    index = np.zeros(len(sequences), INDEX)
    for entry, sequence in zip(index, sequences, strict=True):
        for name in ("label", "subject", "camera"):
            value = getattr(sequence, name)
            entry[name] = UNKNOWN if value is None else value
    return index


def _read_prepared(folder: Path, name: str) -> None:
    _read_source(source_of_file(folder / name))


def _stgcn(folder: Path) -> None:
    tests = import_module("data.datasets.test_prepared_stgcn")
    tests.save(folder, "train", tests.rows(3, 0), [0, 1, 2])
    tests.save(folder, "val", tests.rows(2, 1), [1, 2], first=11)


def _pyskl(folder: Path) -> None:
    tests = import_module("data.datasets.test_prepared_pickles")
    tests.dump(folder, tests.pickled())


def _prepared_npz(folder: Path) -> None:
    tests = import_module("data.datasets.test_prepared_arrays")
    tests.save(folder, tests.arrays())


# --- stores ---


def _store(folder: Path, first: int = 1) -> Path:
    pairs = [(tiny.walk(label, subject, 1), subject > first) for label in range(3) for subject in (first, first + 1)]
    return stores.write_store(folder / f"store-{first}", tiny.SOURCE.description, pairs)


def _joined(folder: Path) -> None:
    join_stores(folder / "joined", [_store(folder), _store(folder, 3)], "joined", None)
    header = folder / "joined" / "store.json"
    header.write_text(header.read_text().replace(str(folder), ".."))


def _read_store(path: Path) -> None:
    store = Store(path)
    dataset = Dataset.of(store, "x")
    for part in (dataset.train, dataset.test):
        [part.labels, part.subjects, part.names, part.digests, *(len(sequence.positions) for sequence in part)]
    if not store.joined:
        store.valid_share()


def _journal(folder: Path) -> None:
    try:
        with StoreWriter(folder / "x", tiny.SOURCE.description, made_from="a test") as writer:
            for subject in (1, 2, 3):
                sequence = tiny.walk(0, subject, 1)
                writer.add(sequence.source, sequence, {"cut": 1}, stamp="1")
            writer.leave_out("gone", "empty", "2")
            raise KeyboardInterrupt
    except KeyboardInterrupt:
        pass


def _read_journal(folder: Path) -> None:
    copy = folder.with_name("copy")
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(folder, copy)
    with StoreWriter(copy / "x", tiny.SOURCE.description, made_from="a test") as writer:
        names = [name for name, entry in writer.entries.items() if "left_out" not in entry]
        writer.table(names)
        stamps = [entry["stamp"] for entry in writer.entries.values()]
        assert all(isinstance(stamp, str) for stamp in stamps)


# --- runs, models, results ---


def _data(folder: Path) -> Dataset:
    pairs = [(sequence, sequence.subject in (2, 4)) for sequence in tiny.sequences() if "_t1" in sequence.source]
    return Dataset.of(Store(stores.write_store(folder.with_name("data"), tiny.SOURCE.description, pairs)), "tiny")


def _pretrained(folder: Path) -> None:
    dataset = _data(folder)
    pretrain(tiny.config(*SMALL), dataset, 0, folder / "run")


def _classifier(folder: Path) -> None:
    dataset = _data(folder)
    finetune(tiny.config(*SMALL), dataset, 0, "1.0", folder / "run")
    save_calibration(folder / "run", Calibration(1.5, 0.4, "subjects 3", 9, 0.9, 0.1, 0.05, 0.1))


def _read_run(folder: Path) -> None:
    run = folder / "run"
    problems = []
    for part in (read_run_settings, read_log, load_trained_on, _read_checkpoint, _use_model, _report):
        try:
            part(run)
        except JointwiseError as error:
            problems.append(error)
    if problems:
        raise problems[0]


def _read_checkpoint(run: Path) -> None:
    state = Checkpoint(run / "checkpoint")
    if state.exists():
        state.state()


def _use_model(run: Path) -> None:
    recognizer = Recognizer.from_pretrained(run, device="cpu")
    recognizer.features(WALK)
    if recognizer.classes:
        recognizer.predict(WALK)


def _report(run: Path) -> None:
    render_page("fuzzed", [read_run(run)], [read_result(path) for path in sorted((run / "results").glob("*.json"))])


def _results(folder: Path) -> None:
    dataset = _data(folder)
    for seed in (0, 1):
        save_result(folder / "results", made_results.make(dataset, seed), pick_device("cpu"))


def _read_results(folder: Path) -> None:
    for path in sorted(folder.rglob("*.json")):
        render_page("fuzzed", [], [read_result(path)])
    for grid in tables(read_results(folder)).values():
        grid.to_markdown()


def _steps(folder: Path) -> None:
    (folder / "steps").mkdir()
    candidates = [{"steps": steps, "top1": 0.5, "clips": 9, "commit": "a"} for steps in (100, 200)]
    record = {"system": "mamp", "labels": "1.0", "scratch_steps": 100, "candidates": candidates, "split": "own"}
    (folder / "steps" / "mamp.json").write_text(json.dumps(record | {"seed": 0}))


def _bench(folder: Path) -> None:
    shutil.copy(Path(__file__).parents[2] / "results" / "bench" / "yardstick-cpu.json", folder / "bench.json")


# --- settings and other text ---


def _settings(folder: Path) -> None:
    (folder / "own.yaml").write_text(yaml.safe_dump(to_settings(tiny.config())))


def _layout(folder: Path) -> None:
    _copy(Path(import_module("jointwise.data.layouts").__file__ or "").parent / "mixamo.yaml", folder)


def _line(folder: Path) -> None:
    person = {"positions": [[0.1, 0.2, 2.0], None], "confidence": [0.9, None], "id": 1}
    (folder / "line.json").write_text(json.dumps({"time": 1.5, "persons": [person, person]}))


def _read_line(folder: Path) -> None:
    frame_of((folder / "line.json").read_text("utf-8", "replace"))


def _skip_list(folder: Path) -> None:
    (folder / "skip.txt").write_text("S001C001P001R001A001\nS001C001P001R001A002\n")


def _namespace(folder: Path) -> None:
    mamp_reference.save_checkpoint(folder / "mamp.pth", mamp_reference.random_state())


def _recordings() -> dict[str, Target]:
    made = {
        f"format {name}": Target(write, partial(_read_recording, form=name.partition("-")[0]))
        for name, write in SAMPLES.items()
    }
    shared = {
        f"shared {file.parent.name} {file.name}": Target(partial(_copy, file), _read_detected)
        for file in shared_samples()
    }
    return made | shared


TARGETS: dict[str, Target] = {
    **_recordings(),
    "own folder": Target(_own_folder, lambda f: _read_source(source_of(f / "own")), ("own/*.yaml", "own/*.csv"), 4),
    "own folder by pattern": Target(
        _own_folder_by_pattern, lambda f: _read_source(source_of(f / "own")), ("own/dataset.yaml",)
    ),
    "prepared npz": Target(_prepared_npz, partial(_read_prepared, name="mine.npz")),
    "prepared pkl": Target(_pyskl, partial(_read_prepared, name="ntu60_hrnet.pkl")),
    "prepared npy": Target(_stgcn, partial(_read_prepared, name="train_data_joint.npy")),
    "store": Target(_store, lambda f: _read_store(f / "store-1"), weight=4),
    "joined store": Target(_joined, lambda f: _read_store(f / "joined"), ("joined/store.json", "store-*/*")),
    "journal": Target(_journal, _read_journal),
    "pre-trained run": Target(_pretrained, _read_run, weight=2),
    "classifier": Target(_classifier, _read_run, weight=2),
    "results": Target(_results, _read_results, weight=2),
    "steps": Target(_steps, scratch_steps),
    "bench": Target(_bench, lambda f: bench_table(f / "bench.json")),
    "settings": Target(_settings, lambda f: build_config(read_layer(f / "own.yaml").settings)),
    "layout": Target(_layout, lambda f: skeleton_of(load_layout(f / "mixamo.yaml"))),
    "stream line": Target(_line, _read_line),
    "skip list": Target(_skip_list, lambda f: read_skip_list(f / "skip.txt")),
    "mamp checkpoint": Target(_namespace, lambda f: import_mamp(f / "mamp.pth")),
}
