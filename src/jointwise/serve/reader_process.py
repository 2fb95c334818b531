"""The process that reads uploads. It has limits of memory and time, and may crash without harm to the page.

A line of JSON on stdin names a folder; a line on stdout says which recordings are in it. It ends with stdin.
"""

from __future__ import annotations

import json
import math
import os
import sys
from pathlib import Path
from typing import Any

from jointwise.data.formats import detect, npz, read, recordings_in
from jointwise.errors import JointwiseError, first_few

READ = "read"  # the folder, beside that of the uploaded files, into which recordings are written


def limit_memory(most: int) -> None:
    """Lets this process take no more memory; where the system has no such limit, nothing happens.

    Args:
        most: Bytes.
    """
    try:
        import resource
    except ImportError:  # Windows
        return
    resource.setrlimit(resource.RLIMIT_AS, (most, most))


def limit_time(seconds: float) -> None:
    """Ends this process after some seconds, even where nobody waits for it any more; 0: never.

    Args:
        seconds: Seconds from now.
    """
    import signal

    if hasattr(signal, "alarm"):
        signal.alarm(math.ceil(seconds))


def read_upload(folder: Path, options: dict[str, Any]) -> dict[str, Any]:
    """Reads the recordings among uploaded files, and writes each as .npz.

    Args:
        folder: Holds `files`, the folder of the uploaded files; `read` is made in it.
        options: What the user says of them, as `jointwise.read` takes it.

    Returns:
        `recordings`: name and file of each; `problems`: what is wrong with others, as sentences.
    """
    files = folder / "files"
    (folder / READ).mkdir()
    found = recordings_in(files)
    uploaded = sorted(path for path in files.rglob("*") if path.is_file())
    recordings: list[dict[str, str]] = []
    problems: list[str] = []
    for number, path in enumerate(found or uploaded):
        name = path.name if path != files else f"{uploaded[0].name} and {len(uploaded) - 1} more"
        if path == files and len(uploaded) == 1:
            name = uploaded[0].name
        target = folder / READ / f"{number}.npz"
        try:
            detect(path)  # says why where nothing was found
            npz.write(target, read(path, **options))
        except JointwiseError as error:
            problems.append(_without_place(str(error), files, name))
        except MemoryError:
            problems.append(
                f"{name}: reading it takes more memory than an upload may. Cut it, or use the command line."
            )
        except Exception as error:
            problems.append(f"{name}: unexpected {type(error).__name__}: {error}. Please report it.")
        else:
            recordings.append({"name": name, "file": target.name})
    rest = [path.name for path in uploaded if found and not any(path == one or one in path.parents for one in found)]
    if rest:
        problems.append(f"no recordings: {first_few(rest)}.")
    return {"recordings": recordings, "problems": problems}


def _without_place(message: str, files: Path, name: str) -> str:
    """A message with the names that the user knows in place of the folder that uploads lie in."""
    return message.replace(f"{files}{os.sep}", "").replace(str(files), name)


def main() -> None:
    """Answers line after line."""
    limit_memory(int(sys.argv[1]))
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # whatever a library prints is no answer
    for line in sys.stdin:
        asked = json.loads(line)
        limit_time(asked["seconds"])
        answer = read_upload(Path(asked["folder"]), asked["options"])
        limit_time(0)
        print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    main()
