"""Gives cases to worker processes, starts a worker again when it dies, and counts how the cases end."""

import json
import math
import queue
import selectors
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from fuzz.worker import SECONDS
from helpers.processes import environment

FINE = ("valid", "our error")
CLASSES = (*FINE, "foreign", "hang", "blow-up", "crash", "code run")
CHUNK = 50  # cases of a target in a row
Request = tuple[str, int, int, int, str | None]  # target, first case, last case + 1, seed, folder of a found input


@dataclass
class Outcomes:
    """How cases ended.

    Args:
        counts: Target -> class -> cases.
        bad: (target, case or folder, class, details) of those that ended badly.
    """

    counts: dict[str, Counter[str]] = field(default_factory=dict)
    bad: list[tuple[str, int | str, str, str]] = field(default_factory=list)

    def add(self, request: Request, case: int, kind: str, why: str) -> None:
        """Count a case."""
        self.counts.setdefault(request[0], Counter())[kind] += 1
        if kind not in FINE:
            self.bad.append((request[0], request[4] or case, kind, why))

    def total(self) -> Counter[str]:
        """Class -> cases."""
        return sum(self.counts.values(), Counter())


def write_samples(root: Path, names: Iterable[str]) -> None:
    """Write the real files of targets, each into a folder of its own."""
    from fuzz.targets import TARGETS

    for name in names:
        (root / name).mkdir(parents=True)
        TARGETS[name].write(root / name)


class Worker:
    """A process that runs cases; a new one takes its place when it dies."""

    def __init__(self, samples: Path) -> None:
        self.samples = samples
        self.process: subprocess.Popen[bytes] | None = None

    def _start(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable, "-m", "fuzz.worker", str(self.samples)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            bufsize=0,  # a line that waits in a buffer would not be seen by `select`
            env=environment(PYTHONDONTWRITEBYTECODE="1"),
        )

    def run(self, request: Request) -> Iterator[tuple[int, str, str]]:
        """The outcome of each case of a request."""
        name, case, end, seed, found = request
        while case < end:
            fresh = self.process is None
            self.process = self.process or self._start()
            assert self.process.stdin is not None
            self.process.stdin.write(json.dumps([name, case, end, seed, found]).encode() + b"\n")
            self.process.stdin.flush()
            while answer := self._answer(60 * SECONDS if fresh else 12 * SECONDS):  # None or empty: no answer comes
                fresh = False
                if answer == b"null\n":
                    return
                number, kind, why = json.loads(answer)
                case = number + 1
                yield number, kind, why
            self.close()
            late = answer is None
            yield case, "hang" if late else "crash", "the process had to be ended" if late else "the process died"
            case += 1

    def _answer(self, seconds: float) -> bytes | None:
        """The next line; empty where the process has died, None where it says nothing for so long."""
        assert self.process is not None
        assert self.process.stdout is not None
        with selectors.DefaultSelector() as waiting:
            waiting.register(self.process.stdout, selectors.EVENT_READ)
            return self.process.stdout.readline() if waiting.select(seconds) else None

    def close(self) -> None:
        """End the process."""
        if self.process is not None:
            self.process.kill()
            self.process.communicate()
            self.process = None


def run_requests(
    samples: Path,
    requests: Iterable[Request],
    jobs: int,
    tell: Callable[[str], None] = lambda _: None,
    minutes: float = math.inf,
) -> Outcomes:
    """Run cases in several processes.

    Args:
        samples: What `write_samples` wrote.
        requests: What to run.
        jobs: Number of processes.
        tell: Gets a line for each case that ends badly, when it does.
        minutes: After them no further request is begun.
    """
    waiting: queue.SimpleQueue[Request | None] = queue.SimpleQueue()
    for request in [*requests, *[None] * jobs]:
        waiting.put(request)
    outcomes, lock = Outcomes(), threading.Lock()
    end = time.monotonic() + 60 * minutes

    def work() -> None:
        worker = Worker(samples)
        while (request := waiting.get()) and time.monotonic() < end:
            for answer in worker.run(request):
                with lock:
                    outcomes.add(request, *answer)
                    if answer[1] not in FINE:
                        tell(f"{request[0]}, case {answer[0]}: {answer[1]}: {answer[2]}")
        worker.close()

    with ThreadPoolExecutor(jobs) as pool:
        for done in [pool.submit(work) for _ in range(jobs)]:
            done.result()  # raises what a thread has raised, lest fewer inputs look like no faults
    return outcomes


def requests_for(weights: dict[str, int], inputs: int, seed: int) -> list[Request]:
    """Requests for about so many inputs, divided among targets by their weights."""
    each = {name: -(-inputs * weight // sum(weights.values())) for name, weight in weights.items()}
    return [
        (name, begin, min(begin + CHUNK, each[name]), seed, None)
        for begin in range(0, max(each.values()), CHUNK)
        for name in weights
        if begin < each[name]
    ]


def as_table(outcomes: Outcomes) -> str:
    """One row per target, and their sum."""
    width = max(map(len, outcomes.counts))
    rows = [*sorted(outcomes.counts.items()), ("all", outcomes.total())]
    lines = [f"{'':{width}} " + " ".join(f"{name:>9}" for name in ("inputs", *CLASSES))]
    for name, counts in rows:
        lines.append(
            f"{name:{width}} " + " ".join(f"{number:>9}" for number in (counts.total(), *(counts[c] for c in CLASSES)))
        )
    return "\n".join(lines)
