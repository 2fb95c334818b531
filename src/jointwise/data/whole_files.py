"""Files that are written as a whole: whatever ends the process, a reader sees the old file or the new one."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from jointwise.data.locks import hold, is_locked
from jointwise.errors import writing


@contextmanager
def whole_file(path: Path, mode: str = "w", errors: str | None = None) -> Iterator[IO[Any]]:
    """A file for the block to write, which gets its name, in place of an earlier one, when all of it is on the disk.

    An error in the block leaves the earlier file, and nothing beside it.

    Args:
        path: The file; its folder is made if needed.
        mode: `w` for text in UTF-8, `wb` for bytes.
        errors: What becomes of characters that are none, as for `open`.

    Raises:
        StorageError: It cannot be written.
    """
    unfinished = path.with_name(path.name + ".unfinished")
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        if is_locked(unfinished):  # somebody writes it: the last to finish wins
            unfinished = path.with_name(f"{path.name}.{os.getpid()}-{threading.get_ident()}.unfinished")
        try:
            with unfinished.open(mode, encoding=None if "b" in mode else "utf-8", errors=errors) as file:
                hold(file)
                yield file
                file.flush()
                os.fsync(file.fileno())
            unfinished.replace(path)
        except BaseException:
            with suppress(OSError):  # a disk that refuses to write may refuse this too
                unfinished.unlink(missing_ok=True)
            raise


def write_text(path: Path, text: str, errors: str | None = None) -> None:
    """Writes text as a whole.

    Args:
        path: The file; its folder is made if needed.
        text: Its content.
        errors: As for `whole_file`.

    Raises:
        StorageError: It cannot be written.
    """
    with whole_file(path, errors=errors) as file:
        file.write(text)


def append_line(path: Path, line: str) -> None:
    """Appends a line to a file with JSON on each line. A last line that was cut off is dropped.

    Args:
        path: The file; its folder is made if needed.
        line: Without a line break.

    Raises:
        StorageError: It cannot be written.
    """
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("ab+") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - 1))
            if file.read(1) not in (b"", b"\n"):
                file.seek(0)
                content = file.read()
                if content.endswith(b"}"):  # it lacks only its end of line; `read_lines` believes it, too
                    file.write(b"\n")
                else:
                    file.truncate(content.rfind(b"\n") + 1)
            file.write(f"{line}\n".encode())
