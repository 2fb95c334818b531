"""From a folder of NTU files to a store: several processes, interruptions, damaged files, skip lists, the summary."""

import hashlib
import json
import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from dataclasses import asdict
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import pytest

from jointwise.cli import run as jointwise
from jointwise.data import synthetic
from jointwise.data.centring import PREPARATION
from jointwise.data.dataset import load_dataset, prepare
from jointwise.data.datasets import DATASETS, store_path
from jointwise.data.store import workers
from jointwise.data.store.build import EMPTY, ROWS, ShowProgress
from jointwise.data.store.header import VERSION
from jointwise.data.store.reader import Store
from jointwise.errors import DataError, ReadError

TITLE = "Samples with missing skeletons"


@pytest.fixture(scope="module")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """24 actions of subjects 1 (trains) and 3 (is scored) before two cameras: 96 real .skeleton files. Read only."""
    folder = tmp_path_factory.mktemp("recordings") / "nturgb+d_skeletons"
    synthetic.write_files(folder, subjects=(1, 3), cameras=(1, 2))
    return folder


@pytest.fixture
def root(recordings: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of `recordings` that a test may damage."""
    monkeypatch.setenv("JOINTWISE_DATA", str(tmp_path / "stores"))
    return shutil.copytree(recordings, tmp_path / recordings.name)


def fingerprint() -> str:
    return Store(store_path("ntu60")).fingerprint


def stop_after(count: int) -> ShowProgress:
    def progress(things: Iterable[Any], _count: int, _title: str) -> Iterator[Any]:
        for place, thing in enumerate(things):
            if place == count:
                raise KeyboardInterrupt
            yield thing

    return progress


def killed(code: str, enough: Callable[[str], bool]) -> str:
    """Runs code in a process of its own and kills it at the first line it prints that is enough; returns that line."""
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        line = next(line.strip() for line in process.stdout if enough(line.strip()))
        process.send_signal(signal.SIGKILL)
    return line


def counting(seen: list[int]) -> ShowProgress:
    def progress(things: Iterable[Any], count: int, _title: str) -> Iterable[Any]:
        seen.append(count)
        return things

    return progress


@pytest.mark.slow
def test_several_processes_make_the_same_store(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    prepare("ntu60", root)
    alone = fingerprint()
    monkeypatch.setattr(workers, "_ITEMS_PER_WORKER", 1)
    assert prepare("ntu60", root, workers=2).stored == 96
    assert fingerprint() == alone


@pytest.mark.slow
@pytest.mark.parametrize("after", [1, 50, 95])
def test_an_interrupted_prepare_is_continued_and_makes_the_same_store(root: Path, after: int) -> None:
    prepare("ntu60", root)
    whole, seen = fingerprint(), []
    with pytest.raises(KeyboardInterrupt):
        prepare("ntu60", root, progress=stop_after(after))
    assert fingerprint() == whole  # the store that was there is still there
    prepare("ntu60", root, progress=counting(seen))
    assert seen == [96 - after]
    assert fingerprint() == whole


def test_a_store_that_was_begun_is_continued_while_the_same_recording_gives_the_same_rows(root: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        prepare("ntu60", root, progress=stop_after(1))
    description = asdict(DATASETS["ntu60"].description)
    del description["metres"]
    before = hashlib.sha256(json.dumps([VERSION, ROWS, PREPARATION, "NTU RGB+D 60", description]).encode()).hexdigest()
    assert (store_path("ntu60").with_name("ntu60.unfinished") / "begun.txt").read_text() == before


@pytest.mark.slow
def test_a_killed_prepare_loses_a_few_files_at_most(root: Path) -> None:
    slow = (
        "import time, jointwise.data.dataset as d, jointwise.data.store.writer as w\n"
        "w._SAVE_EVERY = 0.1\n"
        "def progress(things, count, title):\n"
        "    for i, thing in enumerate(things):\n"
        "        print(i, flush=True)\n"
        "        time.sleep(0.01)\n"
        "        yield thing\n"
        f"d.prepare('ntu60', {str(root)!r}, progress=progress)\n"
    )
    killed(slow, lambda line: line == "80")
    seen: list[int] = []
    prepare("ntu60", root, progress=counting(seen))
    resumed = fingerprint()
    assert 0 < seen[0] <= 96 - 80 + 11  # 80 were written, at most 11 of them since the last saving
    prepare("ntu60", root)
    assert fingerprint() == resumed


def test_when_a_worker_is_killed_what_was_read_is_kept(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "_ITEMS_PER_WORKER", 1)
    monkeypatch.setattr(workers, "_BATCH_ITEMS", 4)

    def ended(things: Iterable[Any], _count: int, _title: str) -> Iterable[Any]:
        for number, thing in enumerate(things):
            for process in multiprocessing.active_children() if number == 10 else ():
                process.kill()
                process.join()
            yield thing

    with pytest.raises(ReadError, match=r"ended from outside.*What was read is kept.*--workers 1"):
        prepare("ntu60", root, workers=2, progress=ended)
    seen: list[int] = []
    assert prepare("ntu60", root, progress=counting(seen)).stored == 96
    assert seen[0] <= 86


def half_a_message(self: Connection, message: bytes) -> None:
    """Connection._send of a process that is killed while it sends."""
    os.write(self.fileno(), bytes(message[: len(message) // 2]))
    os.kill(os.getpid(), signal.SIGKILL)


def end_while_sending(item: int) -> int:
    if multiprocessing.parent_process() is not None:
        Connection._send = half_a_message  # type: ignore[attr-defined]
    return item


def test_a_worker_that_is_killed_while_it_sends_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "_ITEMS_PER_WORKER", 1)
    with pytest.raises(ReadError, match=r"ended from outside"):
        list(workers.run_in_order(end_while_sending, [*range(100)], lambda _: 1, 2))


@pytest.mark.skipif(sys.platform != "linux", reason="asks /proc who is there")
def test_workers_end_when_the_process_that_writes_is_killed(root: Path) -> None:
    endless = (
        "import multiprocessing, time, jointwise.data.dataset as d, jointwise.data.store.workers as w\n"
        "def progress(things, count, title):\n"
        "    for thing in things:\n"
        "        print(*(process.pid for process in multiprocessing.active_children()), flush=True)\n"
        "        time.sleep(60)\n"
        "        yield thing\n"
        "if __name__ == '__main__':\n"
        "    w._ITEMS_PER_WORKER = 1\n"
        f"    d.prepare('ntu60', {str(root)!r}, workers=2, progress=progress)\n"
    )
    other = Path("/proc", killed(endless, lambda line: Path("/proc", line, "stat").is_file()))
    deadline = time.monotonic() + 30
    while other.is_dir() and (other / "stat").read_text().split()[2] != "Z" and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not other.is_dir() or (other / "stat").read_text().split()[2] == "Z"


def test_damaged_files_are_listed_and_only_they_are_read_again(root: Path) -> None:
    files = sorted(root.glob("*.skeleton"))
    good = {place: files[place].read_bytes() for place in (3, 40, 41)}
    files[3].write_bytes(good[3][: len(good[3]) // 2])
    files[40].write_bytes(b"")
    files[41].write_bytes(os.urandom(2000))
    with pytest.raises(DataError) as caught:
        prepare("ntu60", root)
    message = str(caught.value)
    assert "3 of 96 recordings cannot be used" in message
    assert all(files[place].name in message for place in good)
    listed = store_path("ntu60").with_name("ntu60.bad.txt")
    assert str(listed) in message
    assert listed.read_text().split() == [files[place].stem for place in (3, 40, 41)]
    for place, content in good.items():
        files[place].write_bytes(content)
    seen: list[int] = []
    assert prepare("ntu60", root, progress=counting(seen)).bad == []
    assert seen == [3]
    mended = fingerprint()
    prepare("ntu60", root)
    assert fingerprint() == mended


def test_skip_bad_leaves_damaged_files_out_and_the_summary_names_them(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = sorted(root.glob("*.skeleton"))[7]
    file.write_bytes(file.read_bytes()[:5000])
    jointwise(["prepare", "ntu60", "--root", str(root), "--skip-bad", "--workers", "1"])
    printed = capsys.readouterr().out
    assert "95 of 96" in printed
    assert "1: damaged" in printed
    assert file.name in printed
    assert Store(store_path("ntu60")).summary["left_out"] == {"damaged": 1}


def test_skip_lists_in_the_root_and_on_the_command_line_are_honoured(root: Path, tmp_path: Path) -> None:
    files = sorted(root.glob("*.skeleton"))
    official = "NTU_RGBD_samples_with_missing_skeletons.txt"
    (root / official).write_text(f"{TITLE}\n\n{files[0].stem}\n{files[1].stem}\r\nS017C003P020R002A060\n")
    (tmp_path / "mine.txt").write_text(f"{files[2].name}\n")
    files[0].write_bytes(b"\x00" * 100)  # never opened
    summary = prepare("ntu60", root, skip_list=tmp_path / "mine.txt")
    assert summary.left_out == {f"named in {official}": 2, "named in mine.txt": 1}
    assert summary.lists == ["NTU_RGBD_samples_with_missing_skeletons.txt", "mine.txt"]
    assert (summary.read, summary.stored) == (96, 93)
    names = set(Store(store_path("ntu60")).names.tolist())
    assert not names & {files[place].stem for place in (0, 1, 2)}


def test_a_skip_list_that_matches_nothing_or_is_missing_is_an_error(root: Path, tmp_path: Path) -> None:
    (tmp_path / "other.txt").write_text("a1_s1_t1\n")
    with pytest.raises(DataError, match=r"other\.txt: not one of its lines names a recording of ntu60"):
        prepare("ntu60", root, skip_list=tmp_path / "other.txt")
    with pytest.raises(DataError, match=r"nowhere\.txt: the skip list cannot be read .*Check --skip-list"):
        prepare("ntu60", root, skip_list=tmp_path / "nowhere.txt")


def test_files_without_a_body_are_left_out_and_counted(root: Path) -> None:
    file = sorted(root.glob("*.skeleton"))[0]
    file.write_text("2\r\n0\r\n0\r\n")
    summary = prepare("ntu60", root)
    assert summary.left_out == {EMPTY: 1}
    assert summary.stored == 95


def test_the_summary_adds_up_what_cleaning_dropped(root: Path) -> None:
    lines = sorted(root.glob("*A001.skeleton"))[0].read_text().splitlines()
    body = lines[2 : 2 + 27]  # of the first frame: the line of the body, the count of joints, 25 joints
    ghost = [body[0].replace(body[0].split()[0], "72057594037999999"), *body[1:]]
    lines[1 : 2 + 27] = ["2", *body, *ghost]
    sorted(root.glob("*A001.skeleton"))[0].write_text("\n".join(lines) + "\n")
    summary = prepare("ntu60", root)
    assert summary.cleaned == {"tracks of at most 11 frames": 1}
    dataset = load_dataset("ntu60")
    assert (len(dataset.train), len(dataset.test)) == (48, 48)
    assert {part.persons for part in dataset.test} == {1, 2}
    assert {sequence.camera for sequence in load_dataset("ntu60", split="xview").test} == {1}


@pytest.mark.parametrize("largest", [8 << 20, 600_000])
def test_memory_does_not_grow_with_the_number_or_the_size_of_files(
    root: Path, monkeypatch: pytest.MonkeyPatch, largest: int
) -> None:
    """Workers are never more than a few recordings, and a few megabytes of files, ahead of the writing.

    Also where the first of them is the slowest, and all others are done.
    """
    monkeypatch.setattr(workers, "_ITEMS_PER_WORKER", 1)
    monkeypatch.setattr(workers, "_BATCH_ITEMS", 4)
    monkeypatch.setattr(workers, "_BATCH_BYTES", largest)
    alive = most = 0
    run_batch = workers._run_batch

    def counted(work: Any, items: list[Any]) -> list[Any]:
        nonlocal alive, most
        assert len(items) == 1 or sum(item.stat().st_size for item in items) <= largest
        alive += len(items)
        most = max(most, alive)
        return run_batch(work, items)

    def written(things: Iterable[Any], _count: int, _title: str) -> Iterable[Any]:
        nonlocal alive
        for thing in things:
            alive -= 1
            yield thing

    class Late(Future[Any]):
        """Has its result at once and says so to nobody who does not wait for it."""

        waited = False

        def done(self) -> bool:
            return False

        def result(self, timeout: float | None = None) -> Any:
            self.waited = True
            return super().result(timeout)

    class Worker:
        """The third worker is the process that writes."""

        count = 0

        def __init__(self, work: Any) -> None:
            self.work = work
            self.sent: list[Late] = []
            Worker.count += 1
            assert Worker.count <= 2

        def __enter__(self) -> "Worker":
            return self

        def __exit__(self, *_: object) -> None:
            pass

        def unfinished(self) -> int:
            return sum(not future.waited for future in self.sent)

        def send(self, batch: list[Any]) -> Late:
            future = Late()
            future.set_result(workers._run_batch(self.work, batch))
            self.sent.append(future)
            return future

    monkeypatch.setattr(workers, "_run_batch", counted)
    monkeypatch.setattr(workers, "_Worker", Worker)
    assert prepare("ntu60", root, workers=3, progress=written).stored == 96
    assert alive == 0
    assert most <= (2 * workers._QUEUED_BATCHES + workers._UNWRITTEN_BATCHES) * 4


def test_prepare_prints_counts_classes_layout_splits_and_terms(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    jointwise(["prepare", "ntu60", "--root", str(root)])
    printed = capsys.readouterr().out
    for expected in ("96 of 96", "60", "25 (ntu25)", "split xsub", "48 to train, 48 to test", "split xsub-quarter"):
        assert expected in printed
    assert Store(store_path("ntu60")).description.terms in printed
