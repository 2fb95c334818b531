"""Reads uploads, in a process with limits of memory and time, which may crash without harm to the page."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from jointwise.data.formats import detect, npz, read, recordings_in
from jointwise.data.native.process import Answer
from jointwise.errors import JointwiseError, first_few

READ = "read"  # the folder, beside that of the uploaded files, into which recordings are written


def read_upload(folder: str, options: dict[str, Any]) -> Answer:
    """Reads the recordings among uploaded files, and writes each as .npz.

    Args:
        folder: Holds `files`, the folder of the uploaded files; `read` is made in it.
        options: What the user says of them, as `jointwise.read` takes it.

    Returns:
        `recordings`: name and file of each; `problems`: what is wrong with others, as sentences. No arrays.
    """
    place = Path(folder)
    files = place / "files"
    (place / READ).mkdir()
    found = recordings_in(files)
    uploaded = sorted(path for path in files.rglob("*") if path.is_file())
    recordings: list[dict[str, str]] = []
    problems: list[str] = []
    for number, path in enumerate(found or uploaded):
        name = path.name if path != files else f"{uploaded[0].name} and {len(uploaded) - 1} more"
        if path == files and len(uploaded) == 1:
            name = uploaded[0].name
        target = place / READ / f"{number}.npz"
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
    return {"recordings": recordings, "problems": problems}, []


def _without_place(message: str, files: Path, name: str) -> str:
    """A message with the names that the user knows in place of the folder that uploads lie in."""
    return message.replace(f"{files}{os.sep}", "").replace(str(files), name)
