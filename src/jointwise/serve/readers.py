"""Uploads become recordings: kept in a folder of their own, read by another process, and deleted."""

from __future__ import annotations

import re
import shutil
import tempfile
import threading
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any

from jointwise.data.formats import npz
from jointwise.data.native.process import LimitedProcess, WorkEnded, WorkFailed, WorkLate
from jointwise.data.sequence import Sequence
from jointwise.errors import ReadError, StorageError
from jointwise.serve.limits import Limits
from jointwise.serve.reader_process import READ

_WORK = "jointwise.serve.reader_process:read_upload"
_LONGEST = 200  # bytes of a name: file systems take 255


@dataclass(frozen=True)
class Upload:
    """What was read of an upload.

    Args:
        recordings: The recordings; `source` is the name of each.
        problems: What is wrong with other files of it, as sentences.
    """

    recordings: tuple[Sequence, ...]
    problems: tuple[str, ...]


def label_of(name: str) -> str:
    """The name of an uploaded file, as a name in a folder of ours.

    Readers tell some formats, and the order of frames, by names. So the last part of the name is kept, without
    anything that means something to a file system.

    Args:
        name: As the browser says it.

    >>> label_of("../../etc/.passwd"), label_of("C:\\\\clips\\\\wave 3.bvh"), label_of("")
    ('passwd', 'wave 3.bvh', 'file')
    """
    last = re.split(r"[/\\]", name)[-1]
    plain = re.sub(r"[^\w .,+()=@-]", "_", last).lstrip(". ")
    return plain.encode()[-_LONGEST:].decode(errors="ignore").lstrip(". ") or "file"


class Readers:
    """The processes that read uploads; each is started when it is needed, and again after it had to be ended.

    Args:
        limits: How many, and what each may take.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._free = threading.Semaphore(limits.readers)
        self._idle: list[LimitedProcess] = []
        self._lock = threading.Lock()

    def read(self, files: Iterable[tuple[str, IO[bytes]]], options: dict[str, Any]) -> Upload:
        """Reads uploaded files.

        Args:
            files: (name, content) of each; a name is a label, never a path.
            options: What the user says of them, as `jointwise.read` takes it.

        Returns:
            The recordings among them.

        Raises:
            ReadError: None of them is a recording, or reading took too long or ended the process.
            StorageError: The disk refuses.
        """
        with tempfile.TemporaryDirectory(prefix="jointwise-", ignore_cleanup_errors=True) as place:
            folder = Path(place)
            try:
                names = self._keep(folder / "files", files)
            except OSError as error:
                reason = error.strerror or error
                raise StorageError(f"this upload cannot be kept: {reason}. Free space for temporary files.") from error
            with self._free:
                answer = self._ask(folder, options, names)
            found = tuple(
                replace(npz.read(folder / READ / Path(one["file"]).name), source=str(one["name"]))
                for one in answer["recordings"]
            )
        problems = tuple(map(str, answer["problems"]))
        if not found:
            raise ReadError("\n".join(problems) or "no file was uploaded.")
        return Upload(found, problems)

    @staticmethod
    def _keep(folder: Path, files: Iterable[tuple[str, IO[bytes]]]) -> list[str]:
        """Writes the files under names that are none twice."""
        folder.mkdir()
        names: list[str] = []
        for number, (name, content) in enumerate(files):
            label = label_of(name)
            label = label if not (folder / label).exists() else f"{number}-{label}"
            with (folder / label).open("xb") as file:
                shutil.copyfileobj(content, file, 1 << 20)
            names.append(label)
        return names

    def _ask(self, folder: Path, options: dict[str, Any], names: list[str]) -> dict[str, Any]:
        """What a process says of a folder. Raises ReadError where it says nothing."""
        with self._lock:
            process = self._idle.pop() if self._idle else LimitedProcess(_WORK)
        what = names[0] if len(names) == 1 else f"these {len(names)} files"
        try:
            answer, _ = process.ask(
                {"folder": str(folder), "options": options}, self._limits.read_seconds, self._limits.read_bytes
            )
        except WorkLate as late:
            raise ReadError(f"{what}: the process that read it {late}, so it was given up. Cut it.") from late
        except (WorkEnded, WorkFailed) as ended:
            raise ReadError(
                f"{what}: the process that read it {ended}: it is damaged, or takes more memory than an upload may. "
                "jointwise doctor FILE, on the command line, may say more."
            ) from ended
        finally:
            with self._lock:
                self._idle.append(process)
        return answer

    def warm(self) -> None:
        """Starts one process, so that the first upload need not wait for it."""
        with self._lock:
            if not self._idle:
                self._idle.append(LimitedProcess(_WORK))
            self._idle[0].start()

    def close(self) -> None:
        """Ends the processes."""
        with self._lock:
            while self._idle:
                self._idle.pop().close()
