"""Requests of a page as it is meant to be used; each answer is compared with that to the same request alone."""

import io
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from websockets.sync.client import connect

from helpers.served import Client, Reply
from jointwise.data.formats import npz
from jointwise.data.sequence import Sequence

FPS = 30
FRAMES = 150  # of a stream
WAITS = 300  # times that an upload is tried again where the page asks to wait


@dataclass(frozen=True)
class Recording:
    """What is uploaded.

    Args:
        files: Name and content of each file.
        query: What is said of them.
    """

    files: tuple[tuple[str, bytes], ...]
    query: str = ""


def recordings_of(sequences: list[Sequence], folder: Any) -> list[Recording]:
    """Sequences as uploads: .npz, the same as an array whose joints are named in the address, and frame files."""
    found = []
    for number, sequence in enumerate(sequences):
        path = folder / f"{number}.npz"
        npz.write(path, sequence)
        found.append(Recording(((path.name, path.read_bytes()),)))
        array = io.BytesIO()
        np.save(array, sequence.positions[0])
        query = f"?layout={sequence.skeleton.name}&fps={FPS}"
        found.append(Recording(((f"{number}.npy", array.getvalue()),), query))
    frame = {"version": 1.3, "people": [{"person_id": [-1], "pose_keypoints_2d": [10.0, 20.0, 0.9] * 25}]}
    frames = ((f"walk_{n:012d}_keypoints.json", json.dumps(frame).encode()) for n in range(20))
    return [*found, Recording(tuple(frames), "?layout=body25")]


@dataclass
class Measured:
    """What happened to good requests.

    Args:
        seconds: Kind of request -> how long each took.
        problems: What was wrong with answers.
        waits: How often the page asked to wait.
    """

    seconds: dict[str, list[float]] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    waits: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def took(self, kind: str, seconds: float) -> None:
        """Note a request."""
        with self._lock:
            self.seconds.setdefault(kind, []).append(seconds)

    def wrong(self, problem: str) -> None:
        """Note what is wrong."""
        with self._lock:
            self.problems.append(problem)

    def waited(self) -> None:
        """Note that the page asked to wait."""
        with self._lock:
            self.waits += 1

    @contextmanager
    def timed(self, kind: str) -> Iterator[None]:
        """Note how long the block takes."""
        begin = time.perf_counter()
        yield
        self.took(kind, time.perf_counter() - begin)


def use(page: Client, recording: Recording, measured: Measured) -> list[Any]:
    """Opens a recording, looks at it and at a moment, labels it, closes it; what the page says, without its key."""
    for _ in range(WAITS):
        begin = time.perf_counter()
        reply = page.upload(*recording.files, query=recording.query)
        if reply.status not in (409, 503):  # too many are open, or are being read
            break
        measured.waited()
        time.sleep(0.1)
    measured.took("upload", time.perf_counter() - begin)
    said = [expect(reply, 201)]
    key = said[0]["recordings"][0]["id"]
    address = f"/api/recordings/{key}"
    with measured.timed("view"):
        said.append(expect(page.get(f"{address}/view"), 200))
    with measured.timed("moment"):
        said.append(expect(page.get(f"{address}/moment?start=0&end=0.5&person=0"), 200))
    spans = {"spans": [{"person": 0, "start": 0.1, "end": 0.4, "label": "wave", "corrected": True}]}
    with measured.timed("label"):
        said.append(expect(page.ask("PUT", f"{address}/spans", spans), 200))
    assert page.ask("DELETE", address).status == 204
    assert page.get(f"{address}/view").status == 404
    return list(json.loads(json.dumps(said).replace(key, "KEY")))


def expect(reply: Reply, status: int) -> Any:
    """What a reply says. Fails where it has another status."""
    assert reply.status == status, f"{reply.status} in place of {status}: {reply.body[:300]!r}"
    return reply.json


def frames_of(sequence: Sequence) -> list[str]:
    """A stream of the first person of a sequence, over and over again."""
    positions = sequence.positions[0].tolist()
    return [json.dumps({"time": n / FPS, "positions": positions[n % len(positions)]}) for n in range(FRAMES)]


def stream_address(page: Client, layout: str) -> str:
    """Where frames of a layout go."""
    return f"ws://127.0.0.1:{page.port}/api/stream?layout={layout}&fps={FPS}"


def stream_alone(page: Client, layout: str, frames: list[str]) -> list[list[Any]]:
    """What the page says to each frame of a stream, and, last, to its end.

    A message that is no frame follows each: its error comes after all that is said of the frame.
    """
    said: list[list[Any]] = []
    with connect(stream_address(page, layout)) as socket:
        for frame in frames:
            socket.send(frame)
            socket.send("no frame")
            said.append([])
            while "error" not in (event := json.loads(socket.recv(60))):
                said[-1].append(event)
        socket.send('{"end": true}')
        said.append([json.loads(message) for message in socket])
    return said


def stream(
    page: Client, layout: str, frames: list[str], alone: list[list[Any]], pause: Callable[[], object], took: Measured
) -> None:
    """Sends a stream with pauses; notes how long answers take, and what is not as it is alone."""
    with connect(stream_address(page, layout), open_timeout=60) as socket:
        for number, (frame, expected) in enumerate(zip(frames, alone[:-1], strict=True)):
            pause()
            begin = time.perf_counter()
            socket.send(frame)
            said = [json.loads(socket.recv(60)) for _ in expected]
            if expected:
                took.took("stream", time.perf_counter() - begin)
            if said != expected:
                took.wrong(f"stream, frame {number}: {said} in place of {expected}")
        socket.send('{"end": true}')
        if (said := [json.loads(message) for message in socket]) != alone[-1]:
            took.wrong(f"end of a stream: {said} in place of {alone[-1]}")
