"""What the page lets a browser ask for at most."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """What the page lets a browser ask for at most.

    Args:
        upload_bytes: Size of an upload.
        body_bytes: Size of any other request, and of a message of a stream.
        body_seconds: Time in which all of a request has to come.
        uploads: Uploads at once; one more is refused.
        readers: Processes that read uploads; other uploads wait for one.
        read_seconds: Time that reading an upload may take.
        read_bytes: Memory that reading an upload may take.
        recordings: Recordings that are open at once.
        frames: Frames of a recording, over all its persons.
        spans: Labelled spans of a recording.
        streams: Streams at once.
    """

    upload_bytes: int = 50_000_000
    body_bytes: int = 1_000_000
    body_seconds: float = 120.0
    uploads: int = 8
    readers: int = 2
    read_seconds: float = 60.0
    read_bytes: int = 4_000_000_000
    recordings: int = 24
    frames: int = 120_000
    spans: int = 5_000
    streams: int = 64
