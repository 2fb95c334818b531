"""Self-supervised learning on 3D human skeletons, and recognisers of human action made from it."""

from __future__ import annotations

import importlib
import importlib.metadata
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jointwise.data.dataset import load_dataset
    from jointwise.data.formats import formats, read
    from jointwise.data.formats.arrays import from_arrays
    from jointwise.data.sequence import Sequence
    from jointwise.errors import JointwiseError, JointwiseWarning
    from jointwise.inference.recognizer import Recognizer

__version__: str
__all__ = [
    "JointwiseError",
    "JointwiseWarning",
    "Recognizer",
    "Sequence",
    "formats",
    "from_arrays",
    "load_dataset",
    "read",
]

_HOME = {
    "JointwiseError": "jointwise.errors",
    "JointwiseWarning": "jointwise.errors",
    "Recognizer": "jointwise.inference.recognizer",
    "Sequence": "jointwise.data.sequence",
    "formats": "jointwise.data.formats",
    "from_arrays": "jointwise.data.formats.arrays",
    "load_dataset": "jointwise.data.dataset",
    "read": "jointwise.data.formats",
}


def __getattr__(name: str) -> Any:
    """Imports the public names when they are first used, so that `import jointwise` costs nothing."""
    if name == "__version__":
        return importlib.metadata.version("jointwise")
    if name not in _HOME:
        raise AttributeError(f"module 'jointwise' has no attribute '{name}'")
    return getattr(importlib.import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    """The public names, so that `dir` and completion show them before they are imported."""
    return sorted([*__all__, "__version__"])
