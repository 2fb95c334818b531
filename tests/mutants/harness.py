"""Copies the source tree, puts one mutant at a time into the copy, and runs the tests that must notice it."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import pytest

from mutants.mutant import Mutant

ROOT = Path(__file__).parents[2]
COPIED = ("src", "tests", "conftest.py", "pyproject.toml", "docs", "README.md")  # some tests read pages
PACKAGE = Path("src", "jointwise")
OPTIONS = ("-x", "-q", "--tb=short", "-p", "no:cacheprovider", "-o", "addopts=--strict-markers --import-mode=importlib")
OUTPUT, CLOCK = "said.txt", "seconds.json"
# a mutant gets so many times the seconds of its tests without it, and a minute: a slow machine is no kill
_PATIENCE, _LEAST_SECONDS = 5, 60

KILLED, SURVIVED, LATE, BROKEN = "killed", "survived", "timed out", "broken"
KINDS = {0: SURVIVED, 1: KILLED}  # exit status of pytest; any other is no failed test


@dataclass(frozen=True)
class Outcome:
    """How the tests ended with a mutant.

    Args:
        area: What the mutant is about.
        mutant: The mutant.
        kind: KILLED: a test failed. SURVIVED: none did. LATE: they took far longer than without it. BROKEN: they did
            not run, as where the file cannot be imported.
        said: The end of their output.
    """

    area: str
    mutant: Mutant
    kind: str
    said: str


def copy_tree(root: Path, place: Path) -> None:
    """Copy what tests need.

    Args:
        root: The repository.
        place: A new folder.
    """
    place.mkdir(parents=True)
    for name in COPIED:
        if (root / name).is_dir():
            shutil.copytree(root / name, place / name, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
        elif (root / name).exists():
            shutil.copy(root / name, place / name)
    # compiled once; by content, because a mutant may have the size and the second of the file that it replaces
    hashed = ["-m", "compileall", "-q", "--invalidation-mode", "checked-hash", "src", "tests"]
    subprocess.run([sys.executable, *hashed], cwd=place, check=True)


class _Clock:
    """A plugin of pytest that writes how long the tests of each file take."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self.seconds: Counter[str] = Counter()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Count a step of a test."""
        self.seconds[report.nodeid.partition("::")[0].removeprefix("tests/")] += report.duration  # type: ignore[assignment]

    def pytest_sessionfinish(self) -> None:
        """Write what was counted."""
        (self.place / CLOCK).write_text(json.dumps(self.seconds))


def run_tests(place: Path, tests: Sequence[str], seconds: float | None) -> tuple[str, str]:
    """Run test files in a copy until one test fails, in a fork of this process.

    A fork has imported what this process has, such as PyTorch, which takes longer than most tests.

    Args:
        place: The copy.
        tests: Files, from `tests/` on, or single tests of them (`file::test`).
        seconds: When to give up; None: never.

    Returns:
        The kind of outcome, and the end of what was said.
    """
    assert "jointwise" not in sys.modules, "a fork would test what is imported here"
    sys.stdout.flush()
    process = os.fork()
    if not process:
        _be_pytest(place, tests)
    begun = time.monotonic()
    while not (ended := os.waitpid(process, os.WNOHANG))[0]:
        if seconds is not None and time.monotonic() - begun > seconds:
            break
        time.sleep(0.05)
    with suppress(ProcessLookupError):  # what tests have started ends with them
        os.killpg(process, signal.SIGKILL)
    if not ended[0]:
        os.waitpid(process, 0)
        return LATE, f"no end within {seconds:.0f} s"
    said = (place / OUTPUT).read_text("utf-8", "replace")
    return KINDS.get(os.waitstatus_to_exitcode(ended[1]), BROKEN), "\n".join(said.splitlines()[-15:])


def _be_pytest(place: Path, tests: Sequence[str]) -> NoReturn:
    """Become the process that runs test files in a copy."""
    status: int = pytest.ExitCode.INTERNAL_ERROR
    try:
        os.setsid()
        os.chdir(place)
        output = os.open(OUTPUT, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        for stream in (1, 2):
            os.dup2(output, stream)
        os.environ |= {"PYTHONPATH": str(place / "src"), "PYTHONDONTWRITEBYTECODE": "1"}
        sys.dont_write_bytecode = True
        sys.path.insert(0, str(place / "src"))
        files = [f"tests/{test}" for test in tests]
        status = pytest.main([*OPTIONS, f"--basetemp={place / 'temporary'}", *files], plugins=[_Clock(place)])
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def run_mutants(
    root: Path, place: Path, areas: Mapping[str, Iterable[Mutant]], tell: Callable[[str], None] = lambda _: None
) -> list[Outcome]:
    """Run every mutant.

    Args:
        root: The repository; nothing is written to it.
        place: A new folder, for the copy.
        areas: Name of each area -> its mutants.
        tell: Gets a line for each test run.

    Returns:
        The outcomes, in order.

    Raises:
        ValueError: The lines of a mutant are not in its file, or tests fail without one.
    """
    listed = [(area, mutant) for area, mutants in areas.items() for mutant in mutants]
    files = {mutant.file: (root / PACKAGE / mutant.file).read_text("utf-8") for _, mutant in listed}
    changed = [mutant.apply(files[mutant.file]) for _, mutant in listed]  # all of them, before anything is run
    copy_tree(root, place)
    tests = sorted({test for _, mutant in listed for test in mutant.tests.split()})
    kind, said = run_tests(place, tests, None)
    if kind != SURVIVED:
        raise ValueError(f"The tests fail without any mutant.\n{said}")
    seconds: dict[str, float] = json.loads((place / CLOCK).read_text())
    tell(f"{sum(seconds.values()):6.1f} s  all {len(tests)} test files pass without a mutant")
    outcomes = []
    for (area, mutant), source in zip(listed, changed, strict=True):
        file = place / PACKAGE / mutant.file
        file.write_text(source, "utf-8")
        begun = time.monotonic()
        needed = mutant.tests.split()
        limit = _PATIENCE * sum(seconds[test] for test in {test.partition("::")[0] for test in needed}) + _LEAST_SECONDS
        kind, said = run_tests(place, needed, limit)
        file.write_text(files[mutant.file], "utf-8")
        tell(f"{time.monotonic() - begun:6.1f} s  {kind:9}  {area}: {mutant.file}: {mutant.wrong}")
        outcomes.append(Outcome(area, mutant, kind, said))
    return outcomes


def as_table(outcomes: Sequence[Outcome]) -> str:
    """One row per area, and their sum; the kinds that nobody has are left out."""
    areas = list(dict.fromkeys(outcome.area for outcome in outcomes))
    counts = {area: Counter(outcome.kind for outcome in outcomes if outcome.area == area) for area in areas}
    counts["all"] = Counter(outcome.kind for outcome in outcomes)
    kinds = [KILLED, *(kind for kind in (LATE, SURVIVED, BROKEN) if counts["all"][kind])]
    width = max(map(len, counts))
    lines = [f"{'':{width}} " + " ".join(f"{name:>9}" for name in ("tried", *kinds))]
    for area, count in counts.items():
        numbers = (count.total(), *(count[kind] for kind in kinds))
        lines.append(f"{area:{width}} " + " ".join(f"{number:>9}" for number in numbers))
    return "\n".join(lines)
