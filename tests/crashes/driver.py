"""Interrupts a command, goes on as its user would, and looks whether anything was lost or done twice."""

import importlib
import os
import random
import select
import shutil
import signal
import sys
import time
import traceback
from collections import Counter
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from crashes.commands import COMMANDS, GO_ON, Notes, fork_stages, write_template
from crashes.faults import KINDS, Watch
from crashes.same import content, contents, difference
from helpers import tiny

LONGEST = 300.0  # seconds of a command; a table has seven trainings and evaluations
MOMENTS = "kill at a moment"


@dataclass(frozen=True)
class Ended:
    """How a command ended.

    Args:
        status: Of its process; negative: the signal that ended it.
        output: What it printed.
        notes: What `Notes` and `Watch` noted.
        seconds: How long it took.
    """

    status: int
    output: str
    notes: tuple[str, ...]
    seconds: float

    def noted(self, word: str) -> set[str]:
        """What stands behind a word in the notes."""
        return {line.removeprefix(word) for line in self.notes if line.startswith(word)}


@dataclass(frozen=True)
class Case:
    """One interruption.

    Args:
        command: Name of the command.
        kind: Name of the kind of interruption.
        at: Number of the operation, from 0; of a kill at a moment, the share of the time that the command takes alone.
        second: The same of the command that goes on, which may be done before; None: that one is left alone.
    """

    command: str
    kind: str
    at: float
    second: float | None = None

    def __str__(self) -> str:
        second = "" if self.second is None else f" {self.second:g}"
        return f"{self.command} '{self.kind}' {self.at:g}{second}"


@dataclass(frozen=True)
class Whole:
    """A command that nothing interrupted.

    Args:
        operations: Kind of operation on a file -> how many there were.
        seconds: How long it took.
        contents: The files afterwards, as `contents` returns them.
    """

    operations: Counter[str]
    seconds: float
    contents: dict[str, Any]

    def possible(self, kind: str) -> int:
        """How many operations a kind can meet."""
        return sum(self.operations[what] for what in KINDS[kind].breaks)


def run(words: tuple[str, ...]) -> int:
    """Run a command as the process `jointwise` does; returns the exit status."""
    from jointwise.cli import main

    sys.argv = ["jointwise", *words]
    status: object = 1
    try:
        main()
        status = 0
    except SystemExit as error:
        status = error.code
    except BaseException:
        traceback.print_exc()
    with suppress(BaseException):
        sys.stdout.flush()
        sys.stderr.flush()
    return status if isinstance(status, int) else int(status is not None)


class Driver:
    """Runs commands in forked processes, always in the same folder, so that all paths are alike.

    Args:
        place: An empty folder.
    """

    def __init__(self, place: Path) -> None:
        self.case, self.template = place / "case", place / "template"
        self.notes, self.output, self.modules = place / "notes", place / "output", place / "modules"
        self.wholes: dict[str, Whole] = {}

    def prepare(self) -> None:
        """Write what the commands start with."""
        import torch

        from jointwise.data.datasets import DATASETS
        from jointwise.data.store import writer

        torch.set_num_threads(1)
        writer._SAVE_EVERY = 0.0  # what is read is saved at once, not once a second
        DATASETS[tiny.NAME] = tiny.SOURCE
        os.environ["JOINTWISE_DATA"] = str(self.case / "data")
        self.case.mkdir()
        before = Path.cwd()
        os.chdir(self.case)
        write_template(self._call_well)
        os.chdir(before)
        self._import()
        self.case.rename(self.template)

    def _call_well(self, words: tuple[str, ...]) -> Ended:
        ended = self.call(words)
        if ended.status:
            raise RuntimeError(f"jointwise {' '.join(words)}: status {ended.status}\n{ended.output}")
        return ended

    def _import(self) -> bool:
        """Import what the last command did, so that its successors need not; whether there was anything."""
        new = set(self.modules.read_text().split()) - set(sys.modules)
        for name in sorted(new):
            with suppress(Exception):
                importlib.import_module(name)
        return bool(new & set(sys.modules))

    def call(self, words: tuple[str, ...], kind: str = "", at: int = 0, until: float | None = None) -> Ended:
        """Run a command.

        Args:
            words: The words after `jointwise`.
            kind: Name of the kind of interruption.
            at: The operation that is broken.
            until: Seconds after which it is killed.
        """
        self.notes.unlink(missing_ok=True)
        began = time.monotonic()
        alive, held = os.pipe()  # it is closed when the last process that the command started has ended
        process = os.fork()
        if process == 0:
            os.close(alive)
            os._exit(self._run(words, kind, at))
        os.close(held)
        if until is not None and not select.select([alive], [], [], until)[0]:
            os.kill(process, signal.SIGKILL)
        in_time = bool(select.select([alive], [], [], LONGEST)[0])
        if not in_time:
            os.kill(process, signal.SIGKILL)
        os.close(alive)
        status = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
        noted = self.notes.read_text().splitlines() if self.notes.is_file() else []
        noted += [] if in_time else ["hang"]
        return Ended(status, self.output.read_text(errors="replace"), tuple(noted), time.monotonic() - began)

    def _run(self, words: tuple[str, ...], kind: str, at: int) -> int:
        """What the forked process does."""
        out = os.open(self.output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND)
        for stream in (1, 2):
            os.dup2(out, stream)
        os.chdir(self.case)
        notes = Notes(self.notes)
        notes.install()
        fork_stages(notes, run)
        Watch(self.case, kind, at, notes).install()
        status = run(words)
        self.modules.write_text("\n".join(sorted(sys.modules)))
        return status

    def fresh(self, command: str) -> None:
        """Put what a command starts with into the folder of the case."""
        shutil.rmtree(self.case, ignore_errors=True)
        self.case.mkdir()
        for name in COMMANDS[command].needs:
            shutil.copytree(self.template / name, self.case / name)

    def whole(self, command: str) -> Whole:
        """The command without an interruption."""
        if command not in self.wholes:
            self.fresh(command)
            ended = self._call_well(COMMANDS[command].words)
            if self._import():  # again, to see how long it takes when it need not
                self.fresh(command)
                ended = self._call_well(COMMANDS[command].words)
            operations = Counter(line for line in ended.notes if " " not in line)
            self.wholes[command] = Whole(operations, ended.seconds, contents(self.case))
        return self.wholes[command]

    def try_case(self, case: Case) -> str:
        """Interrupt a command and go on; returns what is wrong with that, empty where nothing is."""
        command, whole = COMMANDS[case.command], self.whole(case.command)
        self.fresh(case.command)
        finished: set[str] = set()
        words = command.words
        interruptions = [case.at] if case.second is None else [case.at, case.second]
        for number, at in enumerate([*interruptions, None]):
            if at is None:
                ended = self.call(words)
            elif case.kind == MOMENTS:
                ended = self.call(words, until=at * whole.seconds)
            else:
                ended = self.call(words, case.kind, int(at))
            twice = finished & ended.noted("begins ")
            if twice:
                return f"done twice: {', '.join(sorted(twice)[:5])}"
            if ended.status == 1 and "without --resume" in ended.output:
                words = command.words
                ended = self.call(words)
            wrong = self._wrong_with_end(case, ended, at is not None)
            if not number and case.kind != MOMENTS and "struck" not in ended.notes:
                wrong = wrong or "it was not interrupted"
            if not ended.status and at is not None:  # it says that all is well, whatever the disk refused
                wrong = wrong or self._missing(whole)
            if wrong:
                return wrong
            finished |= ended.noted("finished ")
            if case.command == "prepare" and self._is_prepared(whole):
                finished.clear()  # a finished store is made again
            words = (*command.words, GO_ON) if command.resumes else command.words
        return difference(contents(self.case), whole.contents)

    def _missing(self, whole: Whole) -> str:
        """What a command that ended well did not write, or wrote otherwise; a cache may be missing."""
        expected = {name: held for name, held in whole.contents.items() if "/references/" not in name}
        found = contents(self.case)
        return difference({name: found[name] for name in expected if name in found}, expected)

    def _is_prepared(self, whole: Whole) -> bool:
        """Whether the store is finished."""
        (name,) = (name for name in whole.contents if name.endswith("/store.json"))
        path = self.case / name
        journal = path.with_name("journal.jsonl")
        return path.is_file() and not journal.exists() and content(path) == whole.contents[name]

    def _wrong_with_end(self, case: Case, ended: Ended, interrupted: bool) -> str:
        """What is wrong with the end of a command, which may have been interrupted; empty where nothing is."""
        if "hang" in ended.notes:
            return f"no end within {LONGEST:.0f} seconds: {_end_of(ended)}"
        told = ended.output + self._logs()
        if "Traceback" in told:
            return f"a traceback: {told[told.rindex('Traceback') :].strip().splitlines()[-1]}"
        if not interrupted:
            return f"it does not go on (status {ended.status}): {_end_of(ended)}" if ended.status else ""
        of_stage = (1,) if KINDS[case.kind].number or case.command == "table" else ()
        if ended.status not in (0, *of_stage, *(() if KINDS[case.kind].number else (-signal.SIGKILL,))):
            return f"status {ended.status}: {_end_of(ended)}"
        if ended.status == 1 and "jointwise: " not in ended.output:
            return f"no message: {_end_of(ended)}"
        return ""

    def _logs(self) -> str:
        return "".join(log.read_text(errors="replace") for log in sorted(self.case.glob("table/logs/*.log")))


def _end_of(ended: Ended) -> str:
    return " / ".join(ended.output.strip().splitlines()[-3:])


def cases_of(driver: Driver, count: int, seed: int, commands: Iterable[str] = tuple(COMMANDS)) -> list[Case]:
    """So many interruptions, spread over commands, kinds, and the operations of each.

    Args:
        driver: Knows the operations of each command.
        count: How many; as soon as it is large enough, each operation is met by each kind, and the rest are moments.
        seed: Decides which.
        commands: Names of commands.
    """
    commands, kinds = list(commands), list(KINDS)
    room = {  # in turn, so that few cases are of all commands and all kinds
        (command, kind): driver.whole(command).possible(kind) if KINDS[kind].breaks else count
        for turn in range(len(kinds))
        for place, command in enumerate(commands)
        for kind in [kinds[(place + turn) % len(kinds)]]
    }
    share = dict.fromkeys(room, 0)
    for _ in range(min(count, sum(room.values()))):
        free = (cell for cell in room if share[cell] < room[cell])
        share[min(free, key=lambda cell: share[cell] / COMMANDS[cell[0]].weight)] += 1
    cases = []
    for (command, kind), number in share.items():
        rng = random.Random(f"{seed} {command} {kind}")
        for place in range(number):
            at, second = (place + rng.random()) / number, rng.random()
            if KINDS[kind].breaks:
                at, second = (float(int(share * room[command, kind])) for share in (at, second))
            cases.append(Case(command, kind, round(at, 4), round(second, 4) if place % 2 else None))
    return cases


def as_table(cases: Iterable[Case], failed: Iterable[Case]) -> str:
    """A row for each command, a column for each kind: passed / tried."""
    cases = list(cases)
    tried = Counter((case.command, case.kind) for case in cases)
    bad = Counter((case.command, case.kind) for case in failed)
    lines = [f"{'':10}" + "".join(f"{kind:>22}" for kind in (*KINDS, "all"))]
    for command in (*(command for command in COMMANDS if command in {case.command for case in cases}), "all"):
        row = []
        for kind in (*KINDS, "all"):
            cells = [cell for cell in tried if command in (cell[0], "all") and kind in (cell[1], "all")]
            total = sum(tried[cell] for cell in cells)
            row.append(f"{total - sum(bad[cell] for cell in cells)}/{total}")
        lines.append(f"{command:10}" + "".join(f"{cell:>22}" for cell in row))
    return "\n".join(lines)
