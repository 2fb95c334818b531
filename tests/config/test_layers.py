"""Settings: every shipped file builds and runs, layers lie in order, every mistake names the nearest right."""

from dataclasses import asdict
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
import yaml

from helpers import tiny
from jointwise.config.layers import (
    build_config,
    check_keys,
    layered_settings,
    merge,
    options_help,
    read_settings,
    recipes,
    to_settings,
)
from jointwise.config.schema import Config
from jointwise.config.systems import systems
from jointwise.data.dataset import Dataset
from jointwise.data.datasets import DATASETS
from jointwise.errors import ConfigError
from jointwise.stages.finetune import finetune
from jointwise.stages.pretrain import pretrain

SHIPPED = Path(str(resources.files("jointwise"))) / "config"
FILES = {str(path.relative_to(SHIPPED)): path for path in sorted(SHIPPED.rglob("*.yaml"))}
DEFAULTS = asdict(Config())


def build(*options: str) -> Config:
    return build_config(DEFAULTS, list(options))


def file_of(folder: Path, settings: Any) -> Path:
    path = folder / "mine.yaml"
    path.write_text(settings if isinstance(settings, str) else yaml.safe_dump(settings))
    return path


# --- what is shipped ---


@pytest.mark.parametrize("name", FILES)
def test_every_shipped_file_builds_over_the_defaults(name: str) -> None:
    settings = read_settings(FILES[name])
    assert settings
    config = build_config(merge(DEFAULTS, settings))
    assert to_settings(config) == merge(DEFAULTS, settings)  # and nothing in it was lost or changed


def test_every_shipped_file_is_a_system_a_recipe_or_quick() -> None:
    assert set(FILES.values()) == {*systems().values(), *recipes().values(), SHIPPED / "quick.yaml"}
    assert set(recipes()) <= set(DATASETS)


@pytest.mark.parametrize("data", [*DATASETS, "other"])
@pytest.mark.parametrize("quick", [False, True])
@pytest.mark.parametrize("system", systems())
def test_every_system_builds_for_every_data_set(system: str, data: str, quick: bool) -> None:
    config = build_config(layered_settings(system, data, quick))
    assert config.system == system
    assert config.segments * config.clip.segment == config.clip.frames


@pytest.mark.parametrize("system", systems())
def test_every_system_runs_two_steps_of_what_it_can_do_at_quick_size(
    system: str, dataset: Dataset, tmp_path: Path
) -> None:
    two = [word for stage in ("pretrain", "finetune", "scratch") for word in (f"--{stage}.steps", "2")]
    config = build_config(layered_settings(system, "tiny", quick=True), two)
    start = None
    if config.predictor.use or config.decoder.use:
        start = tmp_path / "pretrain"
        pretrain(config, dataset, 0, start)
    assert finetune(config, dataset, 0, "1.0", tmp_path / "finetune", start).is_file()


# --- layers ---


def test_layers_lie_in_order_defaults_recipe_system_quick_file_options(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def width(*options: str, **layers: Any) -> int:
        return build_config(layered_settings("s", **layers), list(options)).encoder.width

    layers = {"d": {"width": 8, "depth": 7}, "s": {"width": 16}, "quick": {"width": 24}}
    files = {name: tmp_path / f"{name}.yaml" for name in layers}
    for name, encoder in layers.items():
        files[name].write_text(yaml.safe_dump({"encoder": encoder}))
    monkeypatch.setattr("jointwise.config.layers.systems", lambda: {"s": files["s"]})
    monkeypatch.setattr("jointwise.config.layers.recipes", lambda: {"d": files["d"]})
    monkeypatch.setattr("jointwise.config.layers.quick_settings", lambda: files["quick"])
    mine = file_of(tmp_path, {"encoder": {"width": 32}})
    assert width(data="unknown") == 16
    assert width(data="d") == 16  # what makes it that system stays
    assert layered_settings("s", "d")["encoder"]["depth"] == 7  # where the system is silent, the recipe speaks
    assert width(data="d", quick=True) == 24
    assert width(data="d", quick=True, file=mine) == 32
    assert width("--encoder.width", "40", data="d", quick=True, file=mine) == 40


def test_a_layer_changes_its_own_values_only(tmp_path: Path) -> None:
    base = layered_settings(tiny.SYSTEM, "x")
    changed = layered_settings(tiny.SYSTEM, "x", file=file_of(tmp_path, {"encoder": {"depth": 1}}))
    assert changed == merge(base, {"encoder": {"depth": 1}})
    assert base["encoder"]["depth"] == 5


def test_what_is_written_to_config_yaml_builds_the_same_config() -> None:
    config = tiny.config("--validation_subjects", "[1,3]", "--teacher.momentum", "0.9")
    assert build_config(yaml.safe_load(yaml.safe_dump(to_settings(config)))) == config


def test_values_arrive_with_their_types() -> None:
    config = build("--pretrain.lr", "1e-4", "--pretrain.augment.crop=0.7", "--validation_subjects", "[1, 3]")
    assert (config.pretrain.lr, config.pretrain.augment.crop, config.validation_subjects) == (1e-4, 0.7, [1, 3])
    assert build("--teacher.momentum", "null").teacher.momentum is None


# --- mistakes ---


@pytest.mark.parametrize(
    ("option", "nearest"),
    [("--encoder.widht", "encoder.width"), ("--pretrain.step", "pretrain.steps"), ("--mask.ration", "mask.ratio")],
)
def test_an_unknown_option_names_the_nearest(option: str, nearest: str) -> None:
    for given in ([option, "3"], [f"{option}=3"]):
        with pytest.raises(ConfigError, match=f"unknown option '{option[2:]}': did you mean '{nearest}'"):
            build(*given)


def test_an_unknown_system_names_the_nearest() -> None:
    with pytest.raises(ConfigError, match="unknown system 'supervised_segment': did you mean 'supervised_segments'"):
        layered_settings("supervised_segment", "tiny")


def test_an_unknown_key_in_a_file_names_file_and_nearest(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"mine\.yaml: unknown option 'encoder\.dept': did you mean 'encoder\.depth'"):
        read_settings(file_of(tmp_path, {"encoder": {"dept": 3}}))
    with pytest.raises(ConfigError, match="unknown option 'encodr': did you mean 'encoder'"):
        check_keys({"encodr": {}}, DEFAULTS, "here")


def test_a_value_in_the_place_of_a_group_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"mine\.yaml: encoder groups options, but is given the value 3"):
        read_settings(file_of(tmp_path, {"encoder": 3}))


@pytest.mark.parametrize("text", ["encoder: [", "- a\n- b", "just text", "\t"])
def test_a_file_that_is_no_mapping_is_named(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigError, match=r"mine\.yaml: (not valid YAML|expected a mapping)"):
        read_settings(file_of(tmp_path, text))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"gone\.yaml: cannot be read \(No such file or directory\)\. Check --config"):
        read_settings(tmp_path / "gone.yaml")


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("encoder.width", "wide"),
        ("pretrain.steps", "1.5"),
        ("pretrain.lr", "fast"),
        ("encoder.axis", "spatal"),
        ("validation_subjects", "[a]"),
    ],
)
def test_a_value_of_the_wrong_type_names_option_and_value(option: str, value: str) -> None:
    with pytest.raises(ConfigError, match=rf"(?s){option}.*{value.strip('[]')}"):
        build(f"--{option}", value)


@pytest.mark.parametrize(("key", "value"), [("width", "wide"), ("axis", "spatal")])
def test_a_value_of_the_wrong_type_in_a_file_names_option_and_value(tmp_path: Path, key: str, value: Any) -> None:
    settings = layered_settings(tiny.SYSTEM, "x", file=file_of(tmp_path, {"encoder": {key: value}}))
    with pytest.raises(ConfigError, match=rf"(?s)encoder\.{key}.*{value}"):
        build_config(settings)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--clip.frames", "30"), r"clip\.frames 30 is not a positive multiple of clip\.segment 4"),
        (("--clip.frames", "0"), r"clip\.frames 0 is not a positive multiple"),
        (("--encoder.width", "30"), r"encoder\.width 30 is not a multiple of encoder\.heads 8"),
        (("--mask.ratio", "1"), r"mask\.ratio 1\.0 must lie between 0 and 1"),
    ],
)
def test_values_that_do_not_go_together_name_their_options(options: tuple[str, ...], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        build(*options)


@pytest.mark.parametrize("options", [("stray",), ("--encoder.width",), ("-x", "3"), ("--encoder", "3")])
def test_words_that_are_no_option_are_refused(options: tuple[str, ...]) -> None:
    with pytest.raises(ConfigError):
        build(*options)


def test_the_help_lists_every_option() -> None:
    text = options_help()

    def names(settings: dict[str, Any], prefix: str = "") -> list[str]:
        return [
            name
            for key, value in settings.items()
            for name in (names(value, f"{prefix}{key}.") if isinstance(value, dict) else [prefix + key])
        ]

    assert [name for name in names(DEFAULTS) if f"--{name}" not in text] == []


@pytest.mark.parametrize("option", ["pretrain.beta2", "finetune.drop_path", "scratch.dropout"])
def test_a_share_of_all_that_would_leave_nothing_is_refused(option: str) -> None:
    tiny.config(f"--{option}", "0.99")
    with pytest.raises(ConfigError, match=r"1\.0 must lie between 0 and 1, below 1"):
        tiny.config(f"--{option}", "1")


@pytest.mark.parametrize("scale", ["0", "-1", "inf", "nan"])
def test_coordinates_are_divided_by_a_number_above_0(scale: str) -> None:
    with pytest.raises(ConfigError, match=r"clip\.scale"):
        tiny.config("--clip.scale", scale)
