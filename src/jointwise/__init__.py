"""Self-supervised learning on 3D human skeletons, and recognisers of human action made from it."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jointwise.datasets import load_dataset
    from jointwise.formats import read
    from jointwise.recognizer import Recognizer
    from jointwise.sequence import Sequence

__version__ = "0.1.0"
__all__ = ["Recognizer", "Sequence", "load_dataset", "read"]

_HOME = {
    "Recognizer": "jointwise.recognizer",
    "Sequence": "jointwise.sequence",
    "load_dataset": "jointwise.datasets",
    "read": "jointwise.formats",
}


def __getattr__(name: str) -> Any:
    """Imports the public names when they are first used, so that `import jointwise` costs nothing."""
    if name not in _HOME:
        raise AttributeError(f"module 'jointwise' has no attribute '{name}'")
    return getattr(importlib.import_module(_HOME[name]), name)
