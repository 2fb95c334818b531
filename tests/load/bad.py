"""Requests that a page must refuse, or survive: each says how it was answered."""

import json
import logging
import random
import socket
import struct
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from fuzz.mutations import mutate
from helpers.served import JSON, Client, Reply, as_form
from load.good import stream_address

CORPUS = [
    (path.name, path.read_bytes())
    for path in sorted((Path(__file__).parents[1] / "corpus").rglob("*"))
    if path.is_file()
]
UPLOADS = "/api/recordings"
LOST = 0  # the status of a request whose answer nobody waits for, or that is hung up on
WAIT = 503  # an upload is asked to come again in a moment
QUIET = logging.Logger("load", logging.CRITICAL + 1)  # of connections that are broken off
LARGE = 51_000_000  # bytes: more than an upload may have
HOST = b"\r\nhost: 127.0.0.1\r\n"
PATHS = ("..%2f..%2fetc%2fpasswd", "%2e%2e/%2e%2e/app.py", "../../../etc/passwd", "..%5c..%5cx", "%00", "/etc/passwd")
NO_JSON = (b"", b"{", b"[" * 100_000, b'{"name": "\xff"}', b'{"name": "\\ud800"}', b"9" * 5000, b'{"name": NaN}')
NO_HTTP = (
    b"\x16\x03\x01\x02\x00\x01" * 20,
    b"GET / HTTP/9.9\r\n\r\n",
    b"GET /" + b"\0" * 10 + b" HTTP/1.1" + HOST + b"\r\n",
    b"POST /api/data HTTP/1.1" + HOST + b"content-length: -5\r\n\r\n",
    b"POST /api/data HTTP/1.1" + HOST + b"content-length: 5\r\ncontent-length: 6\r\n\r\nabcdef",
    b"GET /api/about HTTP/1.1\r\nhost: evil.example" + HOST + b"\r\n",
)
NO_FORM = (
    (b"abc", "multipart/form-data"),
    (b"abc", "multipart/form-data; boundary=a"),
    (b'--a\r\ncontent-disposition: form-data; name="files"\r\n\r\nx\r\n--a--\r\n', "multipart/form-data; boundary=a"),
    (b'--a\r\ncontent-disposition: form-data; name="files"; filename="x"\r\n\r\n', "multipart/form-data; boundary=a"),
    (b"files=1", "application/x-www-form-urlencoded"),
    (b"{}", "application/json"),
)
NO_FRAMES = (
    "",
    "no frame",
    b"\0\xff\xfe",
    "[" * 100_000,
    '{"end"' + "[" * 5000,
    "9" * 5000,
    '{"time": NaN, "positions": [[NaN, 1, 2]]}',
    '{"time": 1e308, "persons": [{"id": [1], "positions": [[1e400, 0, 0]]}]}',
    json.dumps({"time": 0, "persons": [{"id": n, "positions": []} for n in range(2000)]}),
    json.dumps({"time": 0, "positions": [[0, 0, 0]] * 5000}),
)


@dataclass(frozen=True)
class Bad:
    """What bad requests are made of.

    Args:
        page: Who is asked.
        files: Names and contents of files that can be read.
        layout: A layout that streams may have.
        frames: Frames of a stream.
    """

    page: Client
    files: list[tuple[str, bytes]]
    layout: str
    frames: list[str]


def ask(page: Client, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None) -> int:
    """The status of an answer that says what is wrong; what was opened is closed again."""
    reply = page.ask(method, path, body, headers)
    if reply.status == 201:
        _close(page, reply)
    elif reply.status >= 400:
        assert 0 < len(reply.detail) < 20_000
    return reply.status


def _close(page: Client, reply: Reply) -> None:
    for one in reply.json.get("recordings", ()):
        page.ask("DELETE", f"{UPLOADS}/{one['id']}")


def send(page: Client, *parts: bytes, hang_up: bool = False, pause: float = 0.0) -> int:
    """Sends bytes; the status of the answer."""
    answer = b""
    with socket.create_connection(("127.0.0.1", page.port), 150) as client, suppress(ConnectionError):
        for part in parts:
            client.sendall(part)
            time.sleep(pause)
        if hang_up:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # no farewell
            return LOST
        while b"\r\n" not in answer and (more := client.recv(4096)):
            answer += more
    return int(answer.split(b" ")[1]) if answer.startswith(b"HTTP/") else LOST


def upload_of(bad: Bad, name: str = "clip.npz") -> tuple[bytes, bytes]:
    """Head and body of an upload of a file that can be read."""
    body, headers = as_form([(name, bad.files[0][1])])
    lines = [f"{key}: {value}" for key, value in headers.items()]
    head = "\r\n".join([f"POST {UPLOADS} HTTP/1.1", "host: 127.0.0.1", *lines, f"content-length: {len(body)}"])
    return f"{head}\r\n\r\n".encode(), body


def damaged(rng: random.Random, bad: Bad) -> int:
    """A file that can be read, damaged; or one that fuzzing has found, as it is."""
    if rng.random() < 0.3:
        return ask(bad.page, "POST", UPLOADS, *as_form([rng.choice(CORPUS)]))
    (name, content), (_, other) = rng.choice(bad.files), rng.choice(bad.files)
    return ask(bad.page, "POST", UPLOADS, *as_form([(name, mutate(content, name, rng, other))]))


def of_others(rng: random.Random, bad: Bad) -> int:
    """From another page, or to another name."""
    foreign = {"host": "evil.example"}, {"origin": "http://evil.example"}, {"sec-fetch-site": "cross-site"}
    method, path = rng.choice((("GET", "/api/about"), ("POST", UPLOADS), ("GET", "/")))
    return ask(bad.page, method, path, headers=rng.choice((*foreign, {"origin": "null"}, {"host": ""})))


def too_large(rng: random.Random, bad: Bad) -> int:
    """An upload of more bytes than it may have, said or not."""

    def parts() -> Iterator[bytes]:
        yield b'--a\r\ncontent-disposition: form-data; name="files"; filename="large.npz"\r\n\r\n'
        yield from (b"x" * 1_000_000 for _ in range(LARGE // 1_000_000))

    headers = {"content-type": "multipart/form-data; boundary=a"}
    if rng.random() < 0.5:
        headers["content-length"] = str(LARGE)
        return ask(bad.page, "POST", UPLOADS, b"x" * LARGE, headers)
    return ask(bad.page, "POST", UPLOADS, parts(), headers)


def too_large_json(rng: random.Random, bad: Bad) -> int:
    """A large body where a small one belongs."""
    return ask(bad.page, "PUT", f"{UPLOADS}/x/spans", b"[" * 1_100_000, JSON)


def broken_off(rng: random.Random, bad: Bad) -> int:
    """An upload that ends in the middle, and the connection with it."""
    head, body = upload_of(bad)
    whole = head + body
    return send(bad.page, whole[: rng.randrange(len(whole))], hang_up=True)


def unfinished(rng: random.Random, bad: Bad) -> int:
    """An upload that stops in the middle; the connection stays."""
    head, body = upload_of(bad)
    return send(bad.page, head + body[: len(body) // 2])


def slow(rng: random.Random, bad: Bad) -> int:
    """An upload that comes in drops."""
    name = f"slow-{rng.random()}.npz"
    head, body = upload_of(bad, name)
    size = len(body) // 10 + 1
    parts = [body[begin : begin + size] for begin in range(0, len(body), size)]
    status = send(bad.page, head, *parts, pause=0.2)
    for one in bad.page.get(UPLOADS).json:
        if one["name"] == name:
            bad.page.ask("DELETE", f"{UPLOADS}/{one['id']}")
    return status


def path_in_address(rng: random.Random, bad: Bad) -> int:
    """Out of the folder of the page's files."""
    place = rng.choice(("static", "camera", "api/recordings"))
    return send(bad.page, f"GET /{place}/{rng.choice(PATHS)} HTTP/1.1".encode() + HOST + b"connection: close\r\n\r\n")


def path_in_name(rng: random.Random, bad: Bad) -> int:
    """Out of the folder of uploads."""
    name = rng.choice(("../../evil.npz", "/etc/evil.npz", "..\\..\\evil.npz", "....//evil.npz"))
    reply = bad.page.upload((name, bad.files[0][1]))
    if reply.status == 201:
        assert [one["name"] for one in reply.json["recordings"]] == ["evil.npz"]
        _close(bad.page, reply)
    return reply.status


def no_http(rng: random.Random, bad: Bad) -> int:
    """Bytes of something else."""
    return send(bad.page, rng.choice(NO_HTTP))


def no_json(rng: random.Random, bad: Bad) -> int:
    """A body that is no JSON, or not what is asked for."""
    method, path = rng.choice((("POST", "/api/classes"), ("PUT", f"{UPLOADS}/x/spans"), ("POST", "/api/data")))
    return ask(bad.page, method, path, rng.choice(NO_JSON), JSON)


def no_form(rng: random.Random, bad: Bad) -> int:
    """A body that is no form with files."""
    body, kind = rng.choice(NO_FORM)
    return ask(bad.page, "POST", UPLOADS, body, {"content-type": kind})


def many_files(rng: random.Random, bad: Bad) -> int:
    """More files than an upload may have."""
    return ask(bad.page, "POST", UPLOADS, *as_form([(f"{n}.json", b"{}") for n in range(1001)]))


def unknown(rng: random.Random, bad: Bad) -> int:
    """What is not there, or cannot be."""
    paths = (f"{UPLOADS}/x/view", f"{UPLOADS}/x/moment?start=0&end=1e999", "/nothing", "/api/classes?name=%ff%ed")
    return ask(bad.page, rng.choice(("GET", "DELETE", "PATCH", "TRACE")), rng.choice(paths))


def gone(rng: random.Random, bad: Bad) -> int:
    """Hangs up before the answer."""
    path = rng.choice(("/", "/static/three.min.js", "/api/dataset.zip"))
    return send(bad.page, f"GET {path} HTTP/1.1".encode() + HOST + b"\r\n", hang_up=True)


def stream_of_others(rng: random.Random, bad: Bad) -> int:
    """A stream from another page, or of joints that nobody knows."""
    address, origin = rng.choice(((bad.layout, "http://evil.example"), ("../../x", None)))
    try:
        with connect(stream_address(bad.page, address), origin=origin, open_timeout=60):  # type: ignore[arg-type]
            return 200
    except InvalidStatus as error:
        return error.response.status_code


def no_frames(rng: random.Random, bad: Bad) -> int:
    """Messages that are no frames, one of them too large for a message; 200 where all were answered."""
    with connect(stream_address(bad.page, bad.layout), open_timeout=60) as stream:
        for number in range(1, 8):
            stream.send(rng.choice(NO_FRAMES))
            answer = json.loads(stream.recv(60))
            if set(answer) != {"error", "line"} or answer["line"] != number:
                return 500
        if rng.random() < 0.5:
            return 200
        try:
            stream.send("x" * 1_100_000)
            stream.recv(60)
        except ConnectionClosed as closed:
            return 200 if closed.rcvd is not None and closed.rcvd.code == 1009 else 500
    return 500


def stream_broken_off(rng: random.Random, bad: Bad) -> int:
    """A stream whose answers nobody reads, and that ends without a farewell."""
    address = stream_address(bad.page, bad.layout)
    with suppress(ConnectionClosed), connect(address, open_timeout=60, logger=QUIET) as stream:
        for frame in bad.frames[: rng.randrange(1, len(bad.frames))]:
            stream.send(frame)
        stream.socket.shutdown(socket.SHUT_RDWR)
    return LOST


READ = {201, 400, 422, 409, WAIT}  # a damaged file may still be one
REFUSED = {400, 422}
Kind = Callable[[random.Random, Bad], int]
# What is asked: how it may be answered, and how often it is asked beside the others.
KINDS: dict[Kind, tuple[set[int], int]] = {
    damaged: (READ, 30),
    of_others: ({403}, 12),
    too_large: ({413, WAIT}, 3),
    too_large_json: ({413}, 4),
    broken_off: ({LOST}, 12),
    unfinished: ({408, WAIT}, 1),
    slow: ({201, 409, WAIT}, 4),
    path_in_address: ({404, 405}, 8),
    path_in_name: ({201, 409, WAIT}, 8),
    no_http: ({400, 403}, 8),
    no_json: (REFUSED, 12),
    no_form: ({*REFUSED, WAIT}, 8),
    many_files: ({400, WAIT}, 2),
    unknown: ({404, 405, 409, 422}, 8),
    gone: ({LOST}, 8),
    stream_of_others: ({403}, 6),
    no_frames: ({200}, 10),
    stream_broken_off: ({LOST}, 8),
}
