"""Sees every change that this process makes below a folder, and breaks one: by a kill, or as a disk would refuse it."""

import builtins
import errno
import io
import mmap
import os
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC
_EVENTS = {
    "os.mkdir": "make",
    "os.rename": "rename",
    "os.link": "make",
    "os.symlink": "make",
    "os.remove": "remove",
    "os.rmdir": "remove",
    "os.chmod": "change",
    "os.utime": "change",
}
_ALL = ("make", "rename", "remove", "change", "write", "sync")


@dataclass(frozen=True)
class Kind:
    """A kind of interruption.

    Args:
        breaks: The operations that it can meet; none: it comes from outside, at a moment.
        number: The error of the operating system; 0: the process is killed.
        half: Whether the first half of what is written still reaches the file.
    """

    breaks: tuple[str, ...]
    number: int = 0
    half: bool = False


KINDS = {
    "kill at a moment": Kind(()),
    "kill at an operation": Kind(_ALL),
    "short write, kill": Kind(("write",), half=True),
    "disk full": Kind(("make", "write", "sync"), errno.ENOSPC, half=True),
    "rename refused": Kind(("rename",), errno.EACCES),
    "folder read-only": Kind(_ALL, errno.EROFS),
}


class Watch:
    """Counts the operations on files below a folder, in this process and those it forks, and breaks them from one on.

    A kill meets one operation. An error meets that one and all later ones of its kind: a full disk stays full.

    Args:
        folder: Only files below it count.
        kind: Name of the kind of interruption; empty: nothing is broken.
        at: Which of the operations that the kind meets is the first to be broken, from 0.
        note: Gets the kind of every operation.
    """

    def __init__(self, folder: Path, kind: str, at: int, note: Callable[[str], None]) -> None:
        self.folder = str(folder.resolve())
        self.kind = KINDS.get(kind, Kind(()))
        self.at = at
        self.note = note
        self.broken = False
        self.count = mmap.mmap(-1, 8)  # shared with what is forked

    def install(self) -> None:
        """Begin; it lasts as long as the process."""
        sys.addaudithook(self._hear)
        real_sync = os.fsync

        def fsync(file: Any) -> None:
            path = os.readlink(f"/proc/self/fd/{file if isinstance(file, int) else file.fileno()}")
            if self.inside(path):
                self.meet("sync", path)
            real_sync(file)

        os.fsync = fsync
        opened = self._opener(io.open)
        builtins.open = io.open = opened  # type: ignore[assignment]
        for name in ("numpy.lib.format", "numpy.lib._format_impl"):  # arrays go through `write` like all else
            if hasattr(sys.modules.get(name), "isfileobj"):
                sys.modules[name].isfileobj = lambda _file: False  # type: ignore[attr-defined]

    def inside(self, path: Any, folder: Any = None) -> bool:
        """Whether an operation is on a file below the folder; folder: the descriptor that a path is relative to."""
        if not isinstance(path, str | bytes | os.PathLike):
            return False
        base = os.readlink(f"/proc/self/fd/{folder}") if isinstance(folder, int) and folder >= 0 else os.getcwd()
        return os.path.join(base, os.fsdecode(path)).startswith(self.folder + os.sep)

    def _hear(self, event: str, args: tuple[Any, ...]) -> None:
        if event == "open" and isinstance(args[2], int) and args[2] & _WRITES and self.inside(args[0]):
            self.meet("make", args[0])
        elif event in _EVENTS and self.inside(args[0], args[-1] if event in ("os.remove", "os.rmdir") else None):
            self.meet(_EVENTS[event], args[0])

    def due(self, what: str) -> bool:
        """Count an operation; whether it is to be broken."""
        self.note(what)
        if what not in self.kind.breaks:
            return False
        number = int.from_bytes(self.count[:], "little")
        self.count[:] = (number + 1).to_bytes(8, "little")
        return number == self.at or (number > self.at and self.kind.number != 0)

    def meet(self, what: str, path: Any) -> None:
        """Count an operation, and break it if it is due."""
        if self.due(what):
            self.strike(path)

    def strike(self, path: Any) -> NoReturn:
        """Kill this process, or raise the error of the operating system."""
        self.note("struck")
        self.broken = True
        if not self.kind.number:
            os.kill(os.getpid(), signal.SIGKILL)
        raise OSError(self.kind.number, os.strerror(self.kind.number), os.fsdecode(path))

    def _opener(self, real: Callable[..., Any]) -> Callable[..., Any]:
        watch = self

        class Raw(io.FileIO):
            """A file whose writing is watched."""

            def write(self, data: Any) -> int:
                if watch.due("write"):
                    if watch.kind.half and not watch.broken:
                        super().write(bytes(data)[: len(bytes(data)) // 2])
                    watch.strike(self.name)
                return super().write(data)

            def truncate(self, size: int | None = None) -> int:
                watch.meet("write", self.name)
                return super().truncate(size)

        def opened(
            file: Any,
            mode: str = "r",
            buffering: int = -1,
            encoding: str | None = None,
            errors: str | None = None,
            newline: str | None = None,
            closefd: bool = True,
            opener: Any = None,
        ) -> Any:
            if not set(mode) & set("wax+") or not watch.inside(file) or buffering == 0:
                return real(file, mode, buffering, encoding, errors, newline, closefd, opener)
            raw = Raw(file, mode.replace("b", "").replace("t", ""), closefd, opener)
            buffer = io.BufferedRandom(raw) if "+" in mode else io.BufferedWriter(raw)
            if "b" in mode:
                return buffer
            text = io.TextIOWrapper(buffer, encoding, errors, newline)
            text.mode = mode
            return text

        return opened
