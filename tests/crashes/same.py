"""Whether two folders hold the same, apart from times, places and what a resumed run cannot know."""

import json
from pathlib import Path
from typing import Any

import numpy as np

_LOGS = (".html", ".log")  # pages show times, logs each start
_LEFT = ("journal.jsonl", "begun.txt")  # a store that was stopped in its last moment keeps them; nobody reads them
_VARYING = {
    *("created", "commit", "command", "versions", "device_name"),
    *("effective_rank", "ema_momentum"),  # of the part of an epoch that one process has seen
}


def content(path: Path) -> Any:
    """What a file holds, without what two equal runs do not have in common."""
    if path.suffix in _LOGS:
        return None
    if path.suffix == ".json":
        return _lasting(json.loads(path.read_text()))
    if path.suffix == ".jsonl":
        lines = [_lasting(json.loads(line)) for line in path.read_text().splitlines()]
        if path.name == "test_scorings.jsonl":  # a score that was taken twice is noted twice
            return sorted({json.dumps(line, sort_keys=True) for line in lines})
        return lines
    if path.suffix == ".md":
        return [line for line in path.read_text().partition("## Costs")[0].splitlines() if line.startswith("|")]
    if path.suffix == ".npz":
        with np.load(path) as arrays:
            return {name: (arrays[name].dtype.str, arrays[name].tobytes()) for name in arrays.files}
    return path.read_bytes()


def _lasting(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _lasting(inside) for key, inside in value.items() if not _varies(key)}
    return [_lasting(inside) for inside in value] if isinstance(value, list) else value


def _varies(key: str) -> bool:
    return key in _VARYING or "seconds" in key or "memory" in key


def contents(folder: Path) -> dict[str, Any]:
    """Every file below a folder, by its path there, with its content."""
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.name not in _LEFT)
    return {str(path.relative_to(folder)): content(path) for path in files}


def difference(found: dict[str, Any], expected: dict[str, Any]) -> str:
    """The first differences in words; empty where there are none."""
    missing = [f"lacks {name}" for name in expected if name not in found]
    added = [f"also has {name}" for name in found if name not in expected]
    other = [
        f"{name} differs{_where(found[name], expected[name])}"
        for name in expected
        if name in found and found[name] != expected[name]
    ]
    return "; ".join([*missing, *added, *other][:5])


def _where(found: Any, expected: Any) -> str:
    """Where two contents of JSON differ, with both values; empty for other files."""
    if isinstance(found, dict) and isinstance(expected, dict):
        key = next((key for key in {**found, **expected} if found.get(key) != expected.get(key)), "")
        return f" {key}{_where(found.get(key), expected.get(key))}"
    return "" if isinstance(found, bytes) else f": {str(found)[:200]}, alone {str(expected)[:200]}"
