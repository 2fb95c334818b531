"""`jointwise serve`: it prints where it is, ends quietly, and says what keeps it from starting."""

import asyncio
import os
import re
import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from jointwise import cli
from jointwise.cli.serve_command import _address, _listen
from jointwise.errors import CheckpointError, ConfigError


def test_a_port_that_is_taken_is_told_with_another_one() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ConfigError, match=rf"port {port}: .*--port {port + 1}"):
            cli.run(["serve", "--port", str(port)])


@pytest.mark.parametrize(
    ("words", "error", "message"),
    [
        (["--port", "99999"], ConfigError, "--port 99999"),
        (["--host", "no such host", "--port", "0"], ConfigError, "no such address"),
        (["--compare", "other"], ConfigError, "jointwise serve RUN --compare"),
        (["nowhere", "--port", "0"], CheckpointError, "nowhere"),
    ],
)
def test_what_cannot_be_served_is_told(words: list[str], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        cli.run(["serve", *words])


@pytest.mark.parametrize(
    ("host", "words"), [("127.0.0.1", r"http://127\.0\.0\.1:\d+/"), ("0.0.0.0", "port .* every address .* http://127")]
)
def test_the_address_that_is_printed_is_one_that_can_be_opened(host: str, words: str) -> None:
    with socket.create_server((host, 0)) as listening:
        assert re.fullmatch(rf"{words}.*", _address(listening))


def test_an_answer_is_sent_at_once_and_not_held_back_until_the_other_side_has_confirmed_a_part_of_it() -> None:
    """Linux would hold it back for 40 ms, which is longer than most answers take."""

    async def delays(listening: socket.socket) -> bool:
        connected: asyncio.Queue[asyncio.StreamWriter] = asyncio.Queue()
        async with await asyncio.start_server(lambda _, writer: connected.put_nowait(writer), sock=listening):
            _, other = await asyncio.open_connection(*listening.getsockname())
            accepted = await connected.get()
            delayed = not accepted.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
            for writer in (accepted, other):
                writer.close()
                await writer.wait_closed()
            return delayed

    with _listen("127.0.0.1", 0) as listening:
        assert not asyncio.run(delays(listening))


def test_a_package_that_is_missing_is_told_with_the_command_that_brings_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    with pytest.raises(ConfigError, match=r"serve needs uvicorn: pip install 'jointwise\[serve\]'"):
        cli.run(["serve"])


@pytest.mark.slow
def test_it_prints_its_address_answers_there_and_ends_quietly_with_ctrl_c(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "jointwise", "serve", "--port", "0"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    address = re.search(r"http://127\.0\.0\.1:\d+/", process.stdout.readline())
    assert address is not None
    with urllib.request.urlopen(f"{address[0]}api/about", timeout=30) as reply:
        assert b'"models":[]' in reply.read()
    process.send_signal(signal.SIGINT)
    out, errors = process.communicate(timeout=30)
    assert (process.returncode, out.strip(), errors) == (0, "", "")
