"""What is asked of every request before it is answered: where it comes from, and how large it is."""

from __future__ import annotations

import asyncio
import ipaddress
import json
from typing import Any
from urllib.parse import urlsplit

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from jointwise.serve.limits import Limits

LOOPBACK = ("localhost", "127.0.0.1", "::1")
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cache-control": "no-store",
}
UPLOADS = "/api/recordings"
_DRAINED = 8  # times the limit that is read, and dropped, of what is too large


class Guard:
    """Lets a request through only where it is addressed to this page, comes from this page, and is not too large.

    A page of somebody else cannot use this one: neither as another origin, nor by a name of its own that it lets point
    to this machine (DNS rebinding).

    Args:
        app: What answers.
        host: The host that the page is served on. Where it is no loopback address, requests may name it, or any
            address in numbers, which no other page can let point here.
        limits: How large a request may be.
    """

    def __init__(self, app: ASGIApp, host: str, limits: Limits) -> None:
        self._app, self._limits = app, limits
        self._host = host
        self._uploads = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers or refuses a request."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        headers = {key.decode("latin-1"): value.decode("latin-1") for key, value in scope["headers"]}
        problem = self._foreign(headers)
        is_upload = scope["type"] == "http" and scope["method"] == "POST" and scope["path"] == UPLOADS
        if problem is not None:
            await _refuse(scope, receive, send, 403, problem)
        elif scope["type"] == "websocket":
            await self._app(scope, receive, send)
        elif is_upload and self._uploads >= self._limits.uploads:
            await _refuse(scope, receive, send, 503, f"{self._uploads} uploads are being read. Try again in a moment.")
        else:
            self._uploads += is_upload
            try:
                await self._within(scope, receive, send, headers, is_upload)
            finally:
                self._uploads -= is_upload

    def _foreign(self, headers: dict[str, str]) -> str | None:
        """Why a request does not come from this page; None where it does."""
        host = headers.get("host", "")
        if not self._known(host):
            return f"this page is not served as '{host}'. Open the address that jointwise serve has printed."
        origin = headers.get("origin")
        if origin is not None and origin.partition("://")[2] != host:
            return f"requests of {origin} are refused: only this page itself may ask."
        if headers.get("sec-fetch-site") == "cross-site" and headers.get("sec-fetch-mode") != "navigate":
            return "requests of other pages are refused: only this page itself may ask."
        return None

    def _known(self, host: str) -> bool:
        try:
            name = urlsplit(f"//{host}").hostname
        except ValueError:
            return False
        if name in LOOPBACK or self._host in LOOPBACK or name is None:
            return name in LOOPBACK
        return name == self._host.lower() or _is_address(name)

    async def _within(
        self, scope: Scope, receive: Receive, send: Send, headers: dict[str, str], is_upload: bool
    ) -> None:
        """Answers, as long as the body is not larger than it may be, and does not take longer."""
        most = self._limits.upload_bytes if is_upload else self._limits.body_bytes
        body = _Body(receive, most, self._limits.body_seconds)
        started = False

        async def sending(message: Message) -> None:
            nonlocal started
            if body.over and not started:
                return
            if message["type"] == "http.response.start":
                started = True
                said = message.get("headers", [])
                named = {key.decode("latin-1").lower() for key, _ in said}  # a page may have a policy of its own
                own = [(key.encode(), value.encode()) for key, value in HEADERS.items() if key not in named]
                message["headers"] = [*said, *own]
            await send(message)

        length = headers.get("content-length", "0")
        if not length.isdecimal() or int(length) > most:
            body.problem = body.too_large
        else:
            try:
                await self._app(scope, body.receive, sending)
            except Exception:
                if not body.over:
                    raise
        if body.problem is not None and not started:
            await body.drop(_DRAINED * most)
            if not body.gone:
                await _refuse(scope, receive, send, *body.problem)


class _Body:
    """The body of a request as it comes: counted, and waited for no longer than it may take.

    Args:
        receive: Gives the messages of the request.
        most: Bytes that it may have.
        seconds: Time that it may take from now.
    """

    def __init__(self, receive: Receive, most: int, seconds: float) -> None:
        self._receive, self._most = receive, most
        self._until = asyncio.get_running_loop().time() + seconds
        self._count = 0
        self._ended = False
        self.gone = False
        self.problem: tuple[int, str] | None = None
        self.too_large = (
            413,
            f"this is larger than {most / 1e6:g} MB, the limit. Cut it, or convert it on the command line.",
        )
        self._too_slow = 408, f"the rest of this did not come within {seconds:g} seconds. Send it again."

    @property
    def over(self) -> bool:
        """Whether nothing that the application answers is sent any more: it was refused, or nobody is there."""
        return self.gone or self.problem is not None

    async def receive(self) -> Message:
        """The next message; for the application, a body that is refused has broken off."""
        message = await self._next()
        self._count += len(message.get("body", b""))
        if self._count > self._most:
            self.problem = self.too_large
        return {"type": "http.disconnect"} if self.problem is not None else message

    async def _next(self) -> Message:
        if self._ended:  # what comes now is the end of the connection, however late
            return await self._receive()
        try:
            async with asyncio.timeout_at(self._until):
                message = await self._receive()
        except TimeoutError:
            self.problem = self.problem or self._too_slow
            self._ended = True
            return {"type": "http.disconnect"}
        self.gone = message["type"] == "http.disconnect"
        self._ended = self.gone or not message.get("more_body", False)
        return message

    async def drop(self, most: int) -> None:
        """Reads on, and keeps nothing: a browser shows an answer only when it could send all it had.

        Args:
            most: Bytes that are read at most.
        """
        while most > 0 and not self._ended:
            most -= len((await self._next()).get("body", b""))


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


async def _refuse(scope: Scope, receive: Receive, send: Send, status: int, detail: str) -> None:
    """Answers with a sentence; a stream is closed before it is opened."""
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.close", "code": 1008, "reason": detail[:120]})
        return
    body = json.dumps({"detail": detail}).encode()
    headers: dict[str, Any] = {**HEADERS, "content-type": "application/json", "connection": "close"}
    own = [(key.encode(), value.encode()) for key, value in headers.items()]
    await send({"type": "http.response.start", "status": status, "headers": own})
    await send({"type": "http.response.body", "body": body})
