"""What is asked of every request: its address, how many uploads there are, and how long its body may take."""

import asyncio
import socket
from typing import Any

import pytest

from helpers.served import Served, serving
from jointwise.serve.desk import Desk
from jointwise.serve.guard import Guard
from jointwise.serve.limits import Limits
from jointwise.serve.models import Models


def answer_of(guard: Guard, headers: dict[str, str], path: str = "/") -> int:
    """The status with which a guard answers a request."""
    sent: list[Any] = []

    messages = iter([{"type": "http.request", "body": b""}])

    async def receive() -> Any:
        return next(messages, None) or await asyncio.sleep(10)  # the client stays

    async def send(message: Any) -> None:
        sent.append(message)

    raw = [(key.encode(), value.encode()) for key, value in headers.items()]
    scope = {"type": "http", "method": "POST", "path": path, "headers": raw}
    asyncio.run(guard(scope, receive, send))
    return int(sent[0]["status"])


async def fine(_scope: Any, _receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200})
    await send({"type": "http.response.body", "body": b""})


def test_a_page_for_other_machines_takes_addresses_and_its_own_name_but_no_other() -> None:
    guard = Guard(fine, "desk.local", Limits())
    names = ("desk.local:80", "192.168.0.7", "[fe80::1]:80", "localhost", "evil.example")
    assert [answer_of(guard, {"host": name}) for name in names] == [200, 200, 200, 200, 403]


@pytest.mark.parametrize("origin", ["http://[", "null", "http://evil.example", "http://localhost/x", "localhost"])
def test_an_origin_that_is_not_this_page_is_refused(origin: str) -> None:
    guard = Guard(fine, "127.0.0.1", Limits())
    assert answer_of(guard, {"host": "localhost", "origin": "http://localhost"}) == 200
    assert answer_of(guard, {"host": "localhost", "origin": origin}) == 403


def test_uploads_beyond_the_limit_are_asked_to_wait() -> None:
    statuses: list[int] = []

    async def nested(_scope: Any, _receive: Any, send: Any) -> None:
        statuses.append(await asyncio.to_thread(answer_of, guard, {"host": "localhost"}, "/api/recordings"))
        await fine(_scope, _receive, send)

    guard = Guard(nested, "127.0.0.1", Limits(uploads=1))
    assert answer_of(guard, {"host": "localhost"}, "/api/recordings") == 200
    assert statuses == [503]
    assert guard._uploads == 0


def said_to(page: Served, sent: bytes) -> bytes:
    """What is said to a client that sends something, and then nothing more, until it is hung up on."""
    with socket.create_connection(("127.0.0.1", page.port), 10) as client:
        client.sendall(sent)
        return b"".join(iter(lambda: client.recv(65536), b""))


@pytest.mark.slow
def test_a_client_that_stops_in_the_middle_of_a_body_is_not_waited_for() -> None:
    with serving(Desk(Models(), Limits(body_seconds=0.3, upload_bytes=1000))) as page:
        for head, status in (
            (b"PUT /api/recordings/x/spans HTTP/1.1\r\ncontent-type: application/json\r\ncontent-length: 99", 408),
            (
                b"POST /api/recordings HTTP/1.1\r\ncontent-type: multipart/form-data; boundary=a\r\ncontent-length: 99",
                408,
            ),
            (b"POST /api/recordings HTTP/1.1\r\ncontent-length: 60000000", 413),
        ):
            answer = said_to(page, head + b"\r\nhost: localhost\r\n\r\n--a\r\n")
            assert answer.startswith(f"HTTP/1.1 {status} ".encode())
            assert b'{"detail": "' in answer
        assert page.get("/api/about").status == 200


def test_an_answer_may_take_longer_than_the_question() -> None:
    sent: list[Any] = []

    async def slow(_scope: Any, receive: Any, send: Any) -> None:
        await receive()
        leaves = asyncio.create_task(receive())
        await asyncio.wait({leaves}, timeout=0.2)
        sent.append(leaves.done())
        leaves.cancel()
        await fine(_scope, receive, send)

    assert answer_of(Guard(slow, "localhost", Limits(body_seconds=0.05)), {"host": "localhost"}) == 200
    assert sent == [False], "the application heard that the client had gone"
