"""Fields of the groups of settings, with their help text, and checks of their values."""

from __future__ import annotations

from dataclasses import field
from typing import Any

from jointwise.errors import ConfigError


def setting(default: Any, help: str) -> Any:
    """A field of a settings group, with its default and the text that `--help-options` shows.

    Args:
        default: Its value where no layer sets it; a list is copied for each Config.
        help: What it is: unit, range, meaning of special values.
    """
    if isinstance(default, list):
        return field(default_factory=lambda: list(default), metadata={"help": help})
    return field(default=default, metadata={"help": help})


def group(of: type[Any], help: str) -> Any:
    """A field that holds a group of settings.

    Args:
        of: The dataclass of the group.
        help: What its settings are about.
    """
    return field(default_factory=of, metadata={"help": help})


def check_at_least(least: float, group: str, **values: float) -> None:
    """Check that settings are not too small.

    Args:
        least: The smallest value.
        group: Where the settings stand, for the message.
        values: The settings by name.

    Raises:
        ConfigError: One is smaller, or is not a number.
    """
    for name, value in values.items():
        if not value >= least:
            raise ConfigError(f"{group}: {name} {value} must be at least {least:g}.")


def check_share(group: str, below_one: bool = False, **values: float) -> None:
    """Check that settings lie between 0 and 1.

    Args:
        group: Where the settings stand, for the message.
        below_one: Whether 1 itself is too large.
        values: The settings by name.

    Raises:
        ConfigError: One does not.
    """
    for name, value in values.items():
        if not 0 <= value <= 1 or (below_one and value == 1):
            raise ConfigError(f"{group}: {name} {value} must lie between 0 and 1{', below 1' if below_one else ''}.")
