"""The local page, served in a thread of the test, and a small client for it."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import uvicorn

from jointwise.cli.serve_command import _config, _listen
from jointwise.serve.app import create_app
from jointwise.serve.desk import Desk

BOUNDARY = "a-boundary-of-parts"
JSON = {"content-type": "application/json"}


@dataclass
class Reply:
    """What the page answered."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def detail(self) -> str:
        return str(self.json["detail"])


def as_form(files: list[tuple[str, bytes]]) -> tuple[bytes, dict[str, str]]:
    """Files as the body of an upload, and its headers."""
    parts = b"".join(
        f'--{BOUNDARY}\r\ncontent-disposition: form-data; name="files"; filename="{name}"\r\n\r\n'.encode()
        + content
        + b"\r\n"
        for name, content in files
    )
    return parts + f"--{BOUNDARY}--\r\n".encode(), {"content-type": f"multipart/form-data; boundary={BOUNDARY}"}


@dataclass
class Client:
    """Asks a page.

    Args:
        port: Its port on this machine.
    """

    port: int

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}/"

    def ask(self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None) -> Reply:
        """A request; anything but bytes is sent as JSON."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=60)
        sent = dict(headers or {})
        if body is not None and not isinstance(body, bytes | Iterator):
            body, sent = json.dumps(body).encode(), JSON | sent
        try:
            connection.request(method, path, body, sent, encode_chunked=isinstance(body, Iterator))
            answer = connection.getresponse()
            return Reply(answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read())
        finally:
            connection.close()

    def get(self, path: str) -> Reply:
        return self.ask("GET", path)

    def upload(self, *files: Path | tuple[str, bytes], query: str = "") -> Reply:
        """Upload files, by their own names or by others."""
        named = [(one.name, one.read_bytes()) if isinstance(one, Path) else one for one in files]
        return self.ask("POST", f"/api/recordings{query}", *as_form(named))

    def open(self, *files: Path | tuple[str, bytes]) -> str:
        """Upload files that are one recording; its key."""
        reply = self.upload(*files)
        assert reply.status == 201, reply.body
        (recording,) = reply.json["recordings"]
        return str(recording["id"])


@dataclass
class Served(Client):
    """A page that is served by this process.

    Args:
        port: Its port on this machine.
        desk: What is open on it.
    """

    desk: Desk

    def clear(self) -> None:
        """Close all recordings."""
        for one in self.desk.all():
            self.desk.close(one.key)


@contextmanager
def serving(desk: Desk) -> Iterator[Served]:
    """The page of a desk, served on a free port of this machine."""
    listening = _listen("127.0.0.1", 0)
    server = uvicorn.Server(_config(create_app(desk), desk.limits))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    while not server.started and thread.is_alive():
        time.sleep(0.01)
    try:
        yield Served(listening.getsockname()[1], desk)
    finally:
        server.should_exit = True
        thread.join(10)
        listening.close()
