"""Good and bad requests side by side, at times that a seed decides; bounded in number and in time."""

import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from helpers.served import Client
from jointwise.data.sequence import Sequence
from load.bad import KINDS, Bad, Kind
from load.good import FRAMES, Measured, frames_of, recordings_of, stream, stream_alone, use
from load.page import Page, Use

LONGEST = 150.0  # seconds that requests may take after the last one has begun
LATER = 30.0  # seconds that a busy machine may take to put away what was open
ONCE = 24  # requests at once, streams aside


@dataclass
class Load:
    """What came of it.

    Args:
        good: Requests of a page as it is meant to be used.
        answers: Kind of bad request -> status -> how often.
        uses: What the page took: seconds from the begin of the traffic, and what.
        problems: What should not have been.
    """

    good: Measured = field(default_factory=Measured)
    answers: dict[str, Counter[int]] = field(default_factory=dict)
    uses: list[tuple[float, Use]] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def put_under_load(
    page: Page,
    sequences: list[Sequence],
    layout: str,
    place: Path,
    counts: tuple[int, int, int],
    seconds: float,
    left_out: tuple[Kind, ...] = (),
) -> Load:
    """Asks for everything alone, and then for all at once.

    Args:
        page: Who is asked.
        sequences: Recordings of the layout.
        layout: The joints that its model knows.
        place: An empty folder.
        counts: Uploads, streams and bad requests.
        seconds: Time over which they are spread. All streams last as long.
        left_out: Bad requests that are not made.
    """
    load, rng = Load(), random.Random(0)
    uploads, streams, bad = counts
    recordings = recordings_of(sequences, place)
    alone = [use(page, one, Measured()) for one in recordings]
    again = [use(page, one, Measured()) for one in recordings]
    assert alone == again, "the page does not even say the same twice when nobody else asks"
    frames = [frames_of(one) for one in sequences]
    said = [stream_alone(page, layout, one) for one in frames]
    made_of = Bad(page, [one.files[0] for one in recordings], layout, frames[0])

    def upload(number: int) -> None:
        which = number % len(recordings)
        if use(page, recordings[which], load.good) != alone[which]:
            load.good.wrong(f"upload {number}, {recordings[which].files[0][0]}: not what is said alone")

    def follow(number: int, begin: float) -> None:
        which = number % len(frames)
        times = iter([begin + (number / streams + n) * seconds / (FRAMES + 1) for n in range(FRAMES)])
        stream(page, layout, frames[which], said[which], lambda: wait_until(next(times)), load.good)

    weights = {kind: weight for kind, (_, weight) in KINDS.items() if kind not in left_out}
    kinds = rng.choices([*weights], [*weights.values()], k=bad)
    jobs = [(f"upload {number}", partial(upload, number)) for number in range(uploads)]
    for n, kind in enumerate(kinds):
        name = f"{kind.__name__} {n}"
        jobs.append((name, partial(refuse, load, made_of, kind, name)))
    rng.shuffle(jobs)
    load.uses.append((0.0, page.use()))  # before the streams
    begin = time.monotonic()
    threads = [_start(load, f"stream {number}", partial(follow, number, begin)) for number in range(streams)]
    free = threading.Semaphore(ONCE)
    for number, (name, job) in enumerate(jobs):
        wait_until(begin + seconds * number / len(jobs))
        if number % max(len(jobs) // 40, 1) == 0:
            load.uses.append((time.monotonic() - begin, page.use()))
        if not free.acquire(timeout=LONGEST):
            load.problems.append("requests are not answered any more")
            break
        threads.append(_start(load, name, job, free))
    for thread in threads:
        thread.join(max(begin + seconds + LONGEST - time.monotonic(), 0))
    load.problems += [f"{thread.name} has no end" for thread in threads if thread.is_alive()]
    load.problems += load.good.problems
    return load


def refuse(load: Load, made_of: Bad, kind: Kind, seed: str) -> None:
    """Asks something bad, and notes how it is answered."""
    status = kind(random.Random(seed), made_of)
    load.answers.setdefault(kind.__name__, Counter())[status] += 1
    if status not in KINDS[kind][0]:
        load.problems.append(f"{seed}: answered with {status}")


def wait_until(moment: float) -> None:
    """Waits until a moment of the clock that only goes on."""
    time.sleep(max(moment - time.monotonic(), 0))


def _start(load: Load, name: str, job: Callable[[], None], free: threading.Semaphore | None = None) -> threading.Thread:
    """A job in a thread; what it raises is a problem."""

    def run() -> None:
        try:
            job()
        except Exception as error:
            load.problems.append(f"{name}: {type(error).__name__}: {error}")
        finally:
            if free is not None:
                free.release()

    thread = threading.Thread(target=run, name=name, daemon=True)
    thread.start()
    return thread


def settled(page: Page, load: Load, seconds: float) -> None:
    """Notes what the page takes some time after the traffic, and, as problems, what stays open even later."""
    begin = time.monotonic()
    time.sleep(seconds)
    while (left := left_open(page, load)) and time.monotonic() < begin + seconds + LATER:
        time.sleep(0.2)
    load.uses.append((load.uses[-1][0] + time.monotonic() - begin, page.use()))
    load.problems += left
    if "Traceback" in page.errors:
        load.problems.append(page.errors[-3000:])


def left_open(page: Page, load: Load) -> list[str]:
    """What the page has not put away: recordings, files, connections, processes."""
    problems = []
    if (still := Client(page.port).get("/api/recordings").json) != []:
        problems.append(f"recordings that are still open: {[one['name'] for one in still]}")
    if left := page.left_files:
        problems.append(f"files that are left: {left}")
    use, first = page.use(), load.uses[0][1]
    if "Z" in use.states:
        problems.append(f"processes that nobody has taken leave of: {use.states}")
    if use.files > first.files + 2:  # the pipes of one more reader
        problems.append(f"{use.files} files are open, {first.files} were")
    return problems
