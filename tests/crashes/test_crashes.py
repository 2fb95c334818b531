"""Commands that are killed, or that the disk refuses, go on to the same end; `make crash-test` interrupts 200."""

import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from crashes.commands import COMMANDS
from crashes.driver import Case, Driver, Whole, as_table, cases_of
from crashes.faults import KINDS
from crashes.same import contents, difference
from helpers.processes import environment

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="asks /proc for the names of open files")
FEW = ("pretrain", "prepare", "pool")  # the others take longer
WRITER = """
import os, sys
from pathlib import Path
from crashes.faults import Watch
Watch(Path.cwd(), sys.argv[1], int(sys.argv[2]), lambda _what: None).install()
def write(name, text):
    with Path(name + ".new").open("w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    Path(name + ".new").rename(name)
for name in ("a", "b", "c"):
    try:
        write(name, "12345678")
    except OSError as error:
        print(name, error.strerror)
"""


def python(*words: str, folder: Path | None = None) -> subprocess.CompletedProcess[str]:
    variables = environment(PYTHONDONTWRITEBYTECODE="1")
    return subprocess.run([sys.executable, *words], env=variables, cwd=folder, text=True, capture_output=True)


@pytest.mark.slow
def test_commands_that_are_interrupted_go_on_to_the_same_end() -> None:
    ended = python("-m", "crashes", "12", "--only", *FEW)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "\n12 of 12\n" in ended.stdout


@pytest.mark.parametrize(
    ("kind", "at", "status", "told", "left"),
    [
        ("kill at an operation", 4, -9, "", {"a": "12345678"}),  # the first four: make, write, sync, rename
        ("kill at an operation", 7, -9, "", {"a": "12345678", "b.new": "12345678"}),
        ("short write, kill", 1, -9, "", {"a": "12345678", "b.new": "1234"}),
        ("disk full", 1, 0, "a No space left on device\nb No space", {"a.new": "1234"}),
        ("rename refused", 1, 0, "b Permission denied\nc Per", {"a": "12345678", "b.new": "12345678"}),
        ("folder read-only", 3, 0, "a Read-only file system\nb Read", {"a.new": "12345678"}),
    ],
)
def test_an_operation_is_broken_as_its_kind_says(
    tmp_path: Path, kind: str, at: int, status: int, told: str, left: dict[str, str]
) -> None:
    ended = python("-c", WRITER, kind, str(at), folder=tmp_path)
    assert ended.returncode == status, ended.stderr
    assert ended.stdout.startswith(told)
    assert left.items() <= {path.name: path.read_text() for path in tmp_path.iterdir()}.items()


def test_files_that_are_gone_new_or_other_are_told_and_times_are_not(tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text('{"step": 3, "seconds": 2.5, "costs": {"pretrain_seconds": 1}}')
    (tmp_path / "weights.safetensors").write_bytes(b"1")
    alone = contents(tmp_path)
    (tmp_path / "run.json").write_text('{"step": 3, "seconds": 9.5, "costs": {"pretrain_seconds": 2}}')
    assert difference(contents(tmp_path), alone) == ""
    (tmp_path / "run.json").write_text('{"step": 4}')
    (tmp_path / "weights.safetensors").rename(tmp_path / "weights.safetensors.unfinished")
    told = difference(contents(tmp_path), alone)
    for words in ("lacks weights.safetensors", "also has weights.safetensors.unfinished", "run.json differs step: 4"):
        assert words in told


class Known(Driver):
    """A driver whose commands have ten writes and two renames each."""

    def __init__(self) -> None:
        pass

    def whole(self, command: str) -> Whole:
        return Whole(Counter({"write": 10, "rename": 2}), 1.0, {})


def test_interruptions_are_spread_and_with_enough_of_them_every_operation_is_met() -> None:
    few, again, other = (cases_of(Known(), 200, seed) for seed in (0, 0, 1))
    assert len(few) == 200
    assert few == again != other
    assert {(case.command, case.kind) for case in few} == {(command, kind) for command in COMMANDS for kind in KINDS}
    many = cases_of(Known(), 1000, 0, ["prepare"])
    for kind, possible in {"short write, kill": 10, "rename refused": 2, "kill at an operation": 12}.items():
        assert sorted(case.at for case in many if case.kind == kind) == [*range(possible)]
    assert any(case.second is not None for case in few)


def test_the_table_counts_what_passed_of_what_was_tried() -> None:
    cases = [Case("pool", "disk full", at) for at in range(3)] + [Case("table", "disk full", 0)]
    rows = {line.split()[0]: line.split()[1:] for line in as_table(cases, cases[:1]).splitlines()[1:]}
    assert rows["pool"] == ["0/0", "0/0", "0/0", "2/3", "0/0", "0/0", "2/3"]
    assert rows["all"][-1] == "3/4"
