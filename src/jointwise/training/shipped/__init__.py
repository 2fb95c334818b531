"""The models that come with the package, a model folder for each. It imports nothing: names are found at once."""

from __future__ import annotations

from pathlib import Path

SHIPPED = Path(__file__).parent


def shipped_models() -> tuple[str, ...]:
    """Names of the models that come with the package."""
    return tuple(sorted(card.parent.name for card in SHIPPED.glob("*/config.json")))
