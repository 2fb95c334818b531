"""The tutorials run as they stand, block after block in one folder, and what they show is what is printed."""

import contextlib
import io
import re
import runpy
import shlex
import subprocess
import sys
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from helpers.in_process import in_process
from jointwise import cli
from jointwise.cli import processes
from jointwise.errors import JointwiseWarning
from jointwise.model.build import OBJECTIVES

FOLDER = Path(__file__).parents[2] / "docs" / "tutorials"
PAGES = re.findall(r"^- \[[^\]]*\]\(([\w-]+\.md)\)", (FOLDER / "README.md").read_text("utf-8"), re.MULTILINE)
NOT_RUN = "not run here: "
IN_PROCESS = re.compile(r"(jointwise|python) [^|>;&]*")  # without what only a shell can do


@dataclass(frozen=True)
class Block:
    """A block of code: its language, its title ("" without one), and its text."""

    language: str
    title: str
    text: str


def blocks(page: str) -> list[Block]:
    found = re.findall(r'^```(\w*)(?: title="([^"]+)")?\n(.*?)^```$', page, re.DOTALL | re.MULTILINE)
    assert 2 * len(found) == len(re.findall(r"^```", page, re.MULTILINE)), "a block that is not understood"
    return [Block(*parts) for parts in found]


class Runner:
    """Does what a reader of a page does.

    `printed` is what the last block printed, in terminal and Python alike.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.names: dict[str, Any] = {}
        self.printed = ""

    def do(self, block: Block) -> None:
        if block.title.startswith(NOT_RUN):
            assert len(block.title) > len(NOT_RUN) + 10, "say why"
        elif block.title:
            (self.folder / block.title).write_text(block.text)
        elif block.language == "python":
            with self.kept():
                exec(compile(block.text, "page", "exec"), self.names)
        elif block.language == "bash":
            self.printed = ""
            for line in re.sub(r"(\\|\|)\n", r"\1 ", block.text).replace("\\ ", "").splitlines():
                self.command(line)
        else:
            assert block.language == "text", f"a block in '{block.language}'"
            self.check_shown(block.text)

    def command(self, line: str) -> None:
        if not IN_PROCESS.fullmatch(line):
            path = f"{Path(sys.executable).parent}:/usr/bin:/bin"
            source = str(Path(cli.__file__).parents[2])
            ran = subprocess.run(
                ["bash", "-euo", "pipefail", "-c", line],
                env={"PATH": path, "PYTHONPATH": source},
                capture_output=True,
                text=True,
                check=False,
            )
            assert ran.returncode == 0, ran.stderr
            self.printed += ran.stdout
            return
        program, *arguments = shlex.split(line)
        before = self.printed
        with self.kept():
            if program == "jointwise":
                cli.run(arguments)
            else:
                with pytest.MonkeyPatch.context() as patch:
                    patch.setattr(sys, "argv", arguments)
                    runpy.run_path(arguments[0], run_name="__main__")
        self.printed = before + self.printed

    @contextlib.contextmanager
    def kept(self) -> Iterator[None]:
        """Keeps what is printed. Warnings are words to the user, as in a terminal."""
        out = io.StringIO()
        with contextlib.redirect_stdout(out), warnings.catch_warnings():
            warnings.simplefilter("default", JointwiseWarning)
            yield
        self.printed = out.getvalue()

    def check_shown(self, text: str) -> None:
        """Every line of the page stands in what was printed, in this order."""
        place = 0
        for line in text.splitlines():
            found = self.printed.find(line, place)
            assert found >= 0, f"the page shows {line!r}, printed was:\n{self.printed}"
            place = found + len(line)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that all tutorials share, as their reader's."""
    return tmp_path_factory.mktemp("tutorials")


@pytest.fixture
def runner(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Runner]:
    """In that folder, with stages of tables in this process; objectives that a page adds are taken away again."""
    monkeypatch.chdir(folder)
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.delenv("JOINTWISE_DATA", raising=False)
    monkeypatch.setattr(processes, "start_process", lambda jobs: in_process)
    monkeypatch.setattr(processes, "PAUSE", 0)
    objectives = dict(OBJECTIVES)
    yield Runner(folder)
    OBJECTIVES.clear()
    OBJECTIVES.update(objectives)
    sys.modules.pop("make_gestures", None)


@pytest.mark.slow
@pytest.mark.parametrize("name", PAGES)
def test_a_tutorial_runs_as_it_stands(name: str, runner: Runner) -> None:
    for block in blocks((FOLDER / name).read_text("utf-8")):
        runner.do(block)


def test_what_a_page_shows_must_have_been_printed(tmp_path: Path) -> None:
    runner = Runner(tmp_path)
    runner.do(Block("python", "", "print('one'); print('two')"))
    runner.do(Block("text", "", "one\ntwo\n"))
    with pytest.raises(AssertionError, match="the page shows 'one'"):
        runner.do(Block("text", "", "two\none\n"))


def test_a_block_that_is_not_run_says_why(tmp_path: Path) -> None:
    Runner(tmp_path).do(Block("bash", f"{NOT_RUN}it needs a camera", "exit 1"))
    with pytest.raises(AssertionError, match="say why"):
        Runner(tmp_path).do(Block("bash", NOT_RUN, "exit 1"))
