"""The process `jointwise serve`, in a folder of its own, and what it takes: memory, processes, open files."""

import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import jointwise
from helpers.served import Client


@dataclass
class Use:
    """What a page takes at a moment.

    Args:
        bytes: Memory of its process, resident.
        readers: Memory of the processes that read uploads for it, together.
        files: Open files of its process, connections included.
        states: State of each process that it has started, such as `S`, or `Z` for one that nobody has taken leave of.
    """

    bytes: int
    readers: int
    files: int
    states: list[str]


class Page(Client):
    """`jointwise serve` as a process.

    Args:
        run: The run that it serves.
        place: An empty folder; the page has its working directory and its temporary files in it.
    """

    def __init__(self, run: Path, place: Path) -> None:
        self.place = place
        for name in ("tmp", "cwd"):
            (place / name).mkdir(parents=True)
        source = str(Path(jointwise.__file__).parents[1])
        self._errors = (place / "errors.txt").open("wb")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "jointwise", "serve", str(run.resolve()), "--port", "0"],
            cwd=place / "cwd",
            env=os.environ | {"TMPDIR": str(place / "tmp"), "OMP_NUM_THREADS": "1", "PYTHONPATH": source},
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
        )
        assert self.process.stdout is not None
        said = self.process.stdout.readline()
        found = re.search(r"http://127\.0\.0\.1:(\d+)/", said)
        assert found is not None, said + self.errors
        super().__init__(int(found[1]))

    @property
    def errors(self) -> str:
        """What it has printed on stderr."""
        return (self.place / "errors.txt").read_text("utf-8", "replace")

    @property
    def left_files(self) -> list[str]:
        """Files in its working directory and among its temporary files."""
        return [str(path.relative_to(self.place)) for name in ("tmp", "cwd") for path in (self.place / name).rglob("*")]

    def children(self) -> dict[int, str]:
        """The processes that it has started, by number, with their states."""
        found = {}
        for path in Path("/proc").glob("[0-9]*/stat"):
            try:
                state, parent, *_ = path.read_text().rpartition(")")[2].split()
            except OSError:  # it has ended
                continue
            if int(parent) == self.process.pid:
                found[int(path.parent.name)] = state
        return found

    def use(self) -> Use:
        """What it takes now."""
        children = self.children()
        pid, files = self.process.pid, len(os.listdir(f"/proc/{self.process.pid}/fd"))
        return Use(_resident(pid), sum(map(_resident, children)), files, list(children.values()))

    def end(self) -> list[str]:
        """Ends it with Ctrl-C; says what it left behind, or how else it ended."""
        children = self.children()
        self.process.send_signal(signal.SIGINT)
        try:
            status = self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.kill()
            return ["it did not end with Ctrl-C"]
        finally:
            self._errors.close()
        until = time.monotonic() + 5
        while (left := [pid for pid in children if Path(f"/proc/{pid}").exists()]) and time.monotonic() < until:
            time.sleep(0.05)
        problems = [f"process {pid} is left" for pid in left]
        problems += [f"{name} is left" for name in self.left_files]
        return problems + ([f"Ctrl-C ended it with {status}"] if status else [])

    def kill(self) -> None:
        """Ends it in any case."""
        self.process.kill()
        self.process.wait()
        self._errors.close()
        if self.process.stdout is not None:
            self.process.stdout.close()


def _resident(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0
