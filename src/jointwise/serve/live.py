"""A live stream over a WebSocket: the lines of `jointwise stream` as messages, in both directions."""

from __future__ import annotations

import json
from typing import Annotated, Any

from fastapi import FastAPI, Query, WebSocket, WebSocketDisconnect
from fastapi.exceptions import WebSocketException
from starlette.concurrency import run_in_threadpool

from jointwise.errors import JointwiseError
from jointwise.inference.recognizer import Recognizer
from jointwise.inference.stream import Stream
from jointwise.inference.stream_lines import event_as_json, frame_of
from jointwise.serve.desk import Desk
from jointwise.serve.messages import Reading
from jointwise.serve.models import names_actions

POLICY_VIOLATION, TRY_AGAIN = 1008, 1013  # codes with which a WebSocket is closed


def add_stream(app: FastAPI, desk: Desk) -> None:
    """Adds the WebSocket `/api/stream`.

    A message is a frame, as a line of `jointwise stream`; what the stream says comes back as messages. The message
    `{"end": true}` ends it: the last answers come, and then the WebSocket is closed. What is said of the frames
    (`layout`, `fps`, `units`, `up`) stands in the address.

    Args:
        app: Gets the WebSocket.
        desk: Its first model answers.
    """
    open_streams = 0

    @app.websocket("/api/stream")
    async def stream(socket: WebSocket, reading: Annotated[Reading, Query()]) -> None:
        nonlocal open_streams
        recognizer = desk.models.recognizer
        if recognizer is None or not names_actions(recognizer):
            raise WebSocketException(POLICY_VIOLATION, "no model names actions: jointwise serve RUN.")
        if open_streams >= desk.limits.streams:
            raise WebSocketException(TRY_AGAIN, f"{open_streams} streams are open, which is the limit.")
        open_streams += 1
        try:
            await socket.accept()
            await _answer(socket, recognizer, reading)
        except WebSocketDisconnect:
            pass
        finally:
            open_streams -= 1


async def _answer(socket: WebSocket, recognizer: Recognizer, reading: Reading) -> None:
    """Answers frames until the other side ends; a frame is text, or the same text as bytes."""
    live = recognizer.stream(**reading.options())
    count = 0
    while True:
        message = await socket.receive()
        if message["type"] == "websocket.disconnect":
            return
        count += 1
        try:
            line = message.get("text") or (message.get("bytes") or b"").decode()
            if line.strip().startswith('{"end"') and json.loads(line) == {"end": True}:
                break
            answers = await run_in_threadpool(_push, live, line)
        except (JointwiseError, ValueError, RecursionError) as error:
            answers = [{"error": str(error), "line": count}]
        for answer in answers:
            await _say(socket, answer)
    for event in await run_in_threadpool(live.close):
        await _say(socket, event_as_json(event))
    await socket.close()


async def _say(socket: WebSocket, answer: dict[str, Any]) -> None:
    """Sends an answer; in ASCII, as ids come back as they were sent, and not all of them have an encoding."""
    await socket.send_text(json.dumps(answer))


def _push(live: Stream, line: str) -> list[dict[str, Any]]:
    """What a stream says to a line."""
    return [event_as_json(event) for event in live.push(**frame_of(line))]
