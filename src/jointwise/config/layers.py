"""Settings in layers: a recipe of the data, a system, a file and the command line each change some of the defaults."""

from __future__ import annotations

import copy
import re
from dataclasses import asdict, fields, is_dataclass
from pathlib import Path
from typing import Any

import yaml

from jointwise.config.schema import Config
from jointwise.config.systems import quick_settings, recipes, systems
from jointwise.errors import ConfigError, unknown

Settings = dict[str, Any]


def check_keys(settings: Settings, known: Settings, place: str, prefix: str = "") -> None:
    """Raises ConfigError, naming the nearest known key, for a key of `settings` that `known` has not."""
    for key, value in settings.items():
        if key not in known:
            raise ConfigError(f"{place}: {unknown('option', prefix + key, [prefix + name for name in known])}")
        if isinstance(known[key], dict):
            if not isinstance(value, dict):
                raise ConfigError(f"{place}: {prefix}{key} groups options, but is given the value {value!r}.")
            check_keys(value, known[key], place, f"{prefix}{key}.")


def merge(base: Settings, change: Settings) -> Settings:
    """A copy of `base` with the values of `change` in their places, nested mappings merged."""
    merged = copy.deepcopy(base)
    for key, value in change.items():
        merged[key] = (
            merge(merged[key], value) if isinstance(value, dict) and isinstance(merged.get(key), dict) else value
        )
    return merged


def read_settings(path: Path) -> Settings:
    """The nested mapping in a YAML file, keys checked. Raises ConfigError for a file that is missing or no mapping."""
    try:
        settings = yaml.safe_load(path.read_text("utf-8")) or {}
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror}). Check --config.") from error
    except (ValueError, yaml.YAMLError) as error:
        raise ConfigError(f"{path}: not valid YAML: {error}") from error
    if not isinstance(settings, dict):
        raise ConfigError(f"{path}: expected a mapping of options, found {type(settings).__name__}.")
    check_keys(settings, asdict(Config()), str(path))
    return settings


def layered_settings(system: str, data: str, quick: bool = False, file: Path | None = None) -> Settings:
    """Defaults ← the recipe of the data ← the system ← `quick` ← the user's file; the command line comes after.

    The system comes after the recipe: what makes it that system (the mask of MAMP, say) no size of data changes.

    Raises ConfigError for an unknown system (naming the nearest) or a file with unknown keys.
    """
    if system not in systems():
        raise ConfigError(unknown("system", system, systems()))
    layers = [recipes()[data]] if data in recipes() else []
    layers.append(systems()[system])
    if quick:
        layers.append(quick_settings())
    if file is not None:
        layers.append(file)
    settings = merge(asdict(Config()), {"system": system})
    for layer in layers:
        settings = merge(settings, read_settings(layer))
    if settings["system"] != system:
        raise ConfigError(
            f"{file}: is for system '{settings['system']}', but '{system}' is to be trained. Leave `system` out of it."
        )
    return settings


def _options(settings: Settings, prefix: str = "") -> list[str]:
    names = []
    for key, value in settings.items():
        names += _options(value, f"{prefix}{key}.") if isinstance(value, dict) else [prefix + key]
    return names


def _parser() -> Any:
    from jsonargparse import ArgumentParser  # takes a third of a second to import, and only training commands need it

    parser = ArgumentParser(exit_on_error=False, add_help=False)
    parser.add_class_arguments(Config, None)
    return parser


def build_config(settings: Settings, options: list[str] | None = None) -> Config:
    """The Config of nested `settings`, changed by command-line `options` such as ["--encoder.width", "128"].

    Raises ConfigError for an unknown option (naming the nearest) and for a value of the wrong type.
    """
    from jsonargparse import ArgumentError

    known = [name for name in _options(asdict(Config())) if name != "system"]  # a name, not a setting
    for option in options or []:
        name = option.removeprefix("--").partition("=")[0]
        if option.startswith("--") and name not in known:
            raise ConfigError(unknown("option", name, known))
    parser = _parser()
    try:
        parser.parse_object(settings)  # names the option and its type when a value in a file is wrong
        parser.set_defaults(_flat(settings))
        parsed = parser.parse_args(options or [])
        built = parser.instantiate(parsed)
    except (ArgumentError, TypeError, ValueError) as error:
        raise ConfigError(_plainly(str(error))) from error
    return Config(**{item.name: getattr(built, item.name) for item in fields(Config)})


def _plainly(message: str) -> str:
    """A message of the option parser in words for people who do not write Python."""
    message = re.sub(r'Parser key "([^"]+)":\s*', r"option \1: ", message)
    message = re.sub(r"typing\.Literal\[(.*?)\]", r"one of \1", message)
    names = {"int": "whole number", "float": "number", "bool": "true or false", "list": "list such as [7]"}
    names |= {"str": "text"}
    return re.sub(r"<class '(\w+)'>", lambda match: names.get(match[1], match[1]), message)


def _flat(settings: Settings, prefix: str = "") -> Settings:
    flat: Settings = {}
    for key, value in settings.items():
        flat |= _flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {prefix + key: value}
    return flat


def options_help() -> str:
    """The help text of all `--group.option value` settings."""
    text: str = _parser().format_help()
    return text[text.index("\n\n") + 2 :] if "\n\n" in text else text


def to_settings(config: Config) -> Settings:
    """The nested mapping of a Config, as written to config.yaml."""
    assert is_dataclass(config)
    return asdict(config)
