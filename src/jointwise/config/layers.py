"""The one place where settings are laid over each other and become a Config.

Each layer changes some values of those below it: defaults ← recipe of the data ← steps for an own folder ← system ←
`--quick` ← file (`--config`) ← command line ← what a run has fixed. A system lies over the recipe, so that no size of
data changes what makes it that system.
"""

from __future__ import annotations

import copy
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, fields, is_dataclass
from functools import cache
from pathlib import Path
from typing import Any, get_args, get_type_hints

import msgspec

from jointwise.config.recipes import quick_settings, recipes
from jointwise.config.schema import Config
from jointwise.config.systems import systems
from jointwise.data.typed_files import KINDS, parse_as, read_as
from jointwise.errors import ConfigError, unknown

Settings = dict[str, Any]  # nested: {"encoder": {"width": 64}}


@dataclass(frozen=True)
class Layer:
    """Some settings, and where they come from.

    Args:
        source: For messages: a file, or empty for the command line.
        settings: Nested settings; every key is known.
    """

    source: str
    settings: Settings

    def describe(self, name: str) -> str:
        """How a message names one of its settings: `--encoder.width`, or the file and `encoder.width`."""
        return f"{self.source}: {name}" if self.source else f"--{name}"


@dataclass(frozen=True)
class Fixed:
    """Settings of the run that a command starts from or continues.

    Args:
        run: Its folder, for messages.
        settings: What was decided when it was trained. A file or a command line that says otherwise is refused.
        base: What it was run with, but may be changed.
    """

    run: Path
    settings: Settings
    base: Settings = field(default_factory=dict)


def make_config(
    system: str | None,
    recipe: str = "",
    *,
    quick: bool = False,
    file: Path | None = None,
    options: Mapping[str, Any] | None = None,
    fixed: Fixed | None = None,
    sizes: Settings | None = None,
) -> Config:
    """Lay all layers over each other.

    Args:
        system: Name of a shipped system; None where a run has fixed everything, or where there is no encoder.
        recipe: Name of the recipe of the data; one that is not shipped means the defaults.
        quick: Whether to take the sizes with which everything works and nothing is learned.
        file: YAML file of settings.
        options: Settings by name, as values or as text: {"encoder.width": 64} or {"encoder": {"width": "64"}}.
        fixed: What the run that is used has decided.
        sizes: What follows from the size of the data; it lies over the recipe.

    Returns:
        The checked Config.

    Raises:
        ConfigError: A system or setting is unknown, a value has the wrong type, values do not go together, or a value
            differs from what a run has fixed.
    """
    known = asdict(Config())
    below = [Layer("the defaults", known)]
    if recipe in recipes():
        below.append(read_layer(recipes()[recipe]))
    if sizes:
        below.append(Layer("", sizes))
    if system is not None:
        if system not in systems():
            raise ConfigError(unknown("system", system, systems()))
        below += [Layer("", {"system": system}), read_layer(systems()[system])]
    if quick:
        below.append(read_layer(quick_settings()))
    user_layers = [read_layer(file)] if file is not None else []
    for layer in user_layers:
        if system is not None and layer.settings.get("system", system) != system:
            raise ConfigError(
                f"{file}: is for system '{layer.settings['system']}', but '{system}' is to be trained. Leave `system` "
                "out of it."
            )
    user_layers.append(Layer("", _nested(options or {})))
    check_keys(user_layers[-1].settings, known, "")
    if fixed is None:
        return _build([*below, *user_layers])
    below.append(Layer(str(fixed.run), fixed.base))
    decided = Layer(str(fixed.run), fixed.settings)
    _check_against(fixed, [*below, decided], user_layers)
    return _build([*below, *user_layers, decided])


def check_options(options: Mapping[str, Any]) -> None:
    """Check the names and the kinds of settings, each on its own: what goes together is known later.

    Args:
        options: Settings by name, as values or as text.

    Raises:
        ConfigError: A setting is unknown, or its value is of the wrong kind.
    """
    known = asdict(Config())
    check_keys(_nested(options), known, "")
    for name in options:
        alone = _nested({name: options[name]})
        try:
            msgspec.convert(_get(alone, name), _type_of(name), strict=False)
        except (msgspec.ValidationError, UnicodeEncodeError):
            _build([Layer("the defaults", known), Layer("", alone)])  # says what is wrong


def build_config(settings: Settings, source: str = "") -> Config:
    """The Config of a saved dictionary, such as that of a model card.

    Args:
        settings: Nested settings. What is missing takes its default: the run was made before the setting existed.
        source: Their file, for messages.

    Returns:
        The checked Config.

    Raises:
        ConfigError: A setting is unknown, has the wrong type, or does not go together with another.
    """
    check_keys(settings, asdict(Config()), "")
    return _build([Layer(source, settings)])


def to_settings(config: Config) -> Settings:
    """The nested dictionary of a Config, as written to config.yaml."""
    return asdict(config)


def merge(base: Settings, change: Settings) -> Settings:
    """A copy of nested settings with some values changed.

    Args:
        base: What is changed.
        change: The new values, in their places.

    Returns:
        The changed copy.
    """
    merged = copy.deepcopy(base)
    for key, value in change.items():
        both_nested = isinstance(value, dict) and isinstance(merged.get(key), dict)
        merged[key] = merge(merged[key], value) if both_nested else value
    return merged


def check_keys(settings: Settings, known: Settings, place: str, prefix: str = "") -> None:
    """Check that every key of nested settings exists.

    Args:
        settings: What to check.
        known: Nested settings with every key there is.
        place: Where the settings come from, for messages; may be empty.
        prefix: What stands before the keys in messages.

    Raises:
        ConfigError: A key is unknown (names the nearest), or a value stands in the place of a group.
    """
    before = f"{place}: " if place else ""
    for key, value in settings.items():
        if key not in known:
            raise ConfigError(before + unknown("option", f"{prefix}{key}", [prefix + name for name in known]))
        if isinstance(known[key], dict):
            if not isinstance(value, dict):
                raise ConfigError(f"{before}{prefix}{key} groups options, but is given the value {value!r}.")
            check_keys(value, known[key], place, f"{prefix}{key}.")


def read_layer(path: Path) -> Layer:
    """Read a YAML file of settings.

    Args:
        path: The file: nested settings.

    Returns:
        Its settings, every key known.

    Raises:
        ConfigError: The file is missing, no YAML or no mapping, or a key is unknown.
    """
    settings = read_as(path, dict[str, Any], ConfigError, "Check --config: it is a YAML file of options.")
    check_keys(settings, asdict(Config()), str(path))
    return Layer(str(path), settings)


@dataclass(frozen=True)
class SettingInfo:
    """What is known of one setting.

    Args:
        name: Dotted name, `encoder.width`.
        type: What values it takes: `INT`, `FLOAT | NULL`, or the choices as `all|hidden`.
        default: Its value where no layer sets it.
        help: What it is.
        group: What the settings of its group are about; empty for those of no group.
    """

    name: str
    type: str
    default: Any
    help: str
    group: str


@cache
def all_settings() -> tuple[SettingInfo, ...]:
    """Every setting, in the order of the schema; within a group the settings of its own come first."""
    return tuple(_walk(Config(), "", ""))


def _walk(group: Any, prefix: str, about: str) -> Iterator[SettingInfo]:
    """The settings of a group, those of the groups inside it last."""
    inside = []
    for item in fields(group):
        value = getattr(group, item.name)
        name = f"{prefix}{item.name}"
        if is_dataclass(value):
            inside.append((value, f"{name}.", item.metadata["help"]))
        elif name not in ("system", "quick"):  # what the command says by itself
            kind = "|".join(_choices(name)) or str(item.type).replace("None", "null").upper()
            yield SettingInfo(name, kind, value, item.metadata["help"], about)
    for inner in inside:
        yield from _walk(*inner)


def _nested(options: Mapping[str, Any]) -> Settings:
    """{"encoder.width": 64} as {"encoder": {"width": 64}}; text such as [1, 3] becomes a list."""
    nested: Settings = {}
    for name, value in options.items():
        if isinstance(value, str) and value.startswith("["):
            value = parse_as(value, list[Any], f"--{name} {value:.80}", ConfigError, "Write a list such as [7].", True)
        for key in reversed(name.split(".")):
            value = {key: value}
        nested = merge(nested, value)
    return nested


def leaves(settings: Settings, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """(dotted name, value) of nested settings.

    Args:
        settings: Nested settings.
        prefix: What stands before the names.
    """
    for key, value in settings.items():
        if isinstance(value, dict):
            yield from leaves(value, f"{prefix}{key}.")
        else:
            yield prefix + key, value


def _get(settings: Settings, name: str) -> Any:
    value: Any = settings
    for key in name.split("."):
        if not isinstance(value, dict) or key not in value:
            return None
        value = value[key]
    return value


def _build(layers: list[Layer]) -> Config:
    settings: Settings = {}
    for layer in layers:
        settings = merge(settings, layer.settings)
    try:
        # not strict: the command line gives text, and YAML takes 1e-4 for text
        config: Config = msgspec.convert(settings, Config, strict=False)
    except msgspec.ValidationError as error:
        raise ConfigError(_explain(str(error), settings, layers)) from error
    except UnicodeEncodeError as error:
        sources = " or ".join(dict.fromkeys(layer.source or "the command line" for layer in layers))
        raise ConfigError(f"{sources}: a setting is no text ({error.reason}). Write it again.") from error
    for name, value in leaves(asdict(config)):
        if isinstance(value, float) and not math.isfinite(value):
            raise ConfigError(f"{_source(layers, name).describe(name)} {value}: expected a finite number.")
    return config


def _source(layers: list[Layer], name: str) -> Layer:
    """The highest layer that sets a name, to null too."""
    return next((layer for layer in reversed(layers) if name in dict(leaves(layer.settings))), layers[-1])


def _explain(message: str, settings: Settings, layers: list[Layer]) -> str:
    """msgspec's message in words for people who do not write Python: which layer, which setting, what is expected."""
    found = re.search(r"`\$\.([\w.]+)", message)
    if found is None:
        return message
    name = found[1]
    value = _get(settings, name)
    source = _source(layers, name)
    choices = _choices(name)
    if choices:
        return unknown(f"value of {source.describe(name)}", value, choices)
    types = re.search(r"Expected `([^`]+)`", message)
    expected = [KINDS.get(kind, kind) for kind in types[1].split(" | ")] if types else [message]
    return f"{source.describe(name)} {value}: expected {' or '.join(expected)}."


def _choices(name: str) -> tuple[str, ...]:
    """The values that a setting may have, where these are few; else none."""
    return tuple(choice for choice in get_args(_type_of(name)) if isinstance(choice, str))


def _type_of(name: str) -> Any:
    """The type of a setting or of a group of settings."""
    kind: Any = Config
    for key in name.split("."):
        kind = get_type_hints(kind)[key]
    return kind


def _check_against(fixed: Fixed, trained: list[Layer], user_layers: list[Layer]) -> None:
    """Raise ConfigError for a value in `user_layers` that differs from what the run has fixed."""
    names = {name for name, _ in leaves(fixed.settings)}
    for layer in user_layers:
        user_values = {name: value for name, value in leaves(layer.settings) if name in names}
        if not user_values:
            continue
        before = to_settings(_build(trained))
        for name, value in user_values.items():
            now = to_settings(_build([*trained, Layer(layer.source, _nested({name: value}))]))
            if _get(now, name) != _get(before, name):
                raise ConfigError(
                    f"{layer.describe(name)} {value}: this was decided when {fixed.run} was trained "
                    f"({_get(before, name)}). Leave it out."
                )
