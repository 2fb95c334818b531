"""Settings: what is shipped builds, layers lie in order, and a mistake names the option and the nearest right one."""

from dataclasses import asdict
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
import yaml

from helpers import tiny
from jointwise.cli.arguments import describe_settings
from jointwise.config.layers import (
    Fixed,
    all_settings,
    build_config,
    check_keys,
    make_config,
    merge,
    read_layer,
    to_settings,
)
from jointwise.config.recipes import recipe_of, recipes
from jointwise.config.schema import Config
from jointwise.config.systems import systems
from jointwise.data.datasets import DATASETS
from jointwise.errors import ConfigError

DEFAULTS = asdict(Config())
SHIPPED = Path(str(resources.files("jointwise"))) / "config"
FILES = {str(path.relative_to(SHIPPED)): path for path in sorted(SHIPPED.rglob("*.yaml"))}


def build(*words: str) -> Config:
    return make_config(None, options=tiny.options_of(*words))


def file_of(folder: Path, settings: Any) -> Path:
    path = folder / "mine.yaml"
    path.write_text(settings if isinstance(settings, str) else yaml.safe_dump(settings))
    return path


# --- what is shipped ---


@pytest.mark.parametrize("name", FILES)
def test_every_shipped_file_builds_over_the_defaults_and_loses_nothing(name: str) -> None:
    settings = read_layer(FILES[name]).settings
    assert settings
    assert to_settings(build_config(settings)) == merge(DEFAULTS, settings)


def test_every_shipped_file_is_a_system_a_recipe_or_quick() -> None:
    assert set(FILES.values()) == {*systems().values(), *recipes().values(), SHIPPED / "quick.yaml"}
    assert set(recipes()) <= set(DATASETS)


@pytest.mark.parametrize("system", systems())
def test_every_system_builds_and_keeps_its_name(system: str) -> None:
    for quick in (False, True):
        config = make_config(system, "utd-mhad", quick=quick)
        assert config.system == system
        assert config.segments * config.clip.segment == config.clip.frames


@pytest.mark.parametrize("data", [*DATASETS, "other"])
def test_every_recipe_goes_with_the_final_system(data: str) -> None:
    assert make_config("spatial_segments_decoder", data).system == "spatial_segments_decoder"


def test_a_folder_of_ones_own_takes_the_recipe_for_small_data(tmp_path: Path) -> None:
    assert recipe_of(f"{tmp_path}/") in recipes()
    assert recipe_of("ntu60") == "ntu60"


# --- layers ---


def test_layers_lie_in_order_defaults_recipe_system_quick_file_options_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def width(**layers: Any) -> int:
        return make_config("s", **layers).encoder.width

    layers = {"d": {"width": 8, "depth": 7}, "s": {"width": 16}, "quick": {"width": 24}}
    files = {name: tmp_path / f"{name}.yaml" for name in layers}
    for name, encoder in layers.items():
        files[name].write_text(yaml.safe_dump({"encoder": encoder}))
    monkeypatch.setattr("jointwise.config.layers.systems", lambda: {"s": files["s"]})
    monkeypatch.setattr("jointwise.config.layers.recipes", lambda: {"d": files["d"]})
    monkeypatch.setattr("jointwise.config.layers.quick_settings", lambda: files["quick"])
    mine = file_of(tmp_path, {"encoder": {"width": 32}})
    assert width(recipe="unknown") == 16
    assert width(recipe="d") == 16  # what makes it that system stays
    assert make_config("s", "d").encoder.depth == 7  # where the system says nothing, the recipe does
    assert width(recipe="d", quick=True) == 24
    assert width(recipe="d", quick=True, file=mine) == 32
    assert width(recipe="d", quick=True, file=mine, options={"encoder.width": "40"}) == 40
    fixed = Fixed(tmp_path, {"encoder": {"width": 48}})
    assert width(recipe="d", quick=True, fixed=fixed) == 48
    assert width(recipe="d", quick=True, options={"encoder.width": "48"}, fixed=fixed) == 48


def test_what_a_run_was_executed_with_may_change_and_what_it_fixed_may_not(tmp_path: Path) -> None:
    fixed = Fixed(tmp_path, {"encoder": {"width": 48}}, base={"execution": {"log_every": 3, "checkpoint_every": 5}})
    config = make_config(None, options={"execution.log_every": "4"}, fixed=fixed)
    assert (config.execution.log_every, config.execution.checkpoint_every) == (4, 5)
    with pytest.raises(ConfigError, match=rf"--encoder\.width 56: this was decided when {tmp_path} was trained \(48\)"):
        make_config(None, options={"encoder.width": "56"}, fixed=fixed)
    mine = file_of(tmp_path, {"encoder": {"width": 56}})
    with pytest.raises(ConfigError, match=r"mine\.yaml: encoder\.width 56: this was decided"):
        make_config(None, file=mine, fixed=fixed)


def test_a_layer_changes_its_own_values_only(tmp_path: Path) -> None:
    base = make_config(tiny.SYSTEM)
    changed = make_config(tiny.SYSTEM, file=file_of(tmp_path, {"encoder": {"depth": 1}}))
    assert to_settings(changed) == merge(to_settings(base), {"encoder": {"depth": 1}})
    assert base.encoder.depth == 5


def test_what_is_written_to_config_yaml_builds_the_same_config() -> None:
    config = tiny.config("--validation_subjects", "[1,3]", "--teacher.momentum", "0.9")
    assert build_config(yaml.safe_load(yaml.safe_dump(to_settings(config)))) == config


def test_values_arrive_with_their_types() -> None:
    config = build("--pretrain.lr", "1e-4", "--pretrain.augment.crop=0.7", "--validation_subjects", "[1, 3]")
    assert (config.pretrain.lr, config.pretrain.augment.crop, config.validation_subjects) == (1e-4, 0.7, [1, 3])
    assert build("--teacher.momentum", "null").teacher.momentum is None
    assert build("--execution.compile", "true").execution.compile is True


def test_settings_that_a_saved_dictionary_does_not_know_take_their_defaults() -> None:
    assert build_config({"system": "mamp", "encoder": {"width": 64}}).encoder.heads == 8


# --- mistakes ---


@pytest.mark.parametrize(
    ("option", "nearest"),
    [("encoder.widht", "encoder.width"), ("pretrain.step", "pretrain.steps"), ("mask.ration", "mask.ratio")],
)
def test_an_unknown_setting_names_the_nearest(option: str, nearest: str) -> None:
    with pytest.raises(ConfigError, match=f"unknown option '{option}': did you mean '{nearest}'"):
        make_config(None, options={option: "3"})
    group, name = option.split(".")
    with pytest.raises(ConfigError, match=f"unknown option '{option}': did you mean '{nearest}'"):
        build_config({group: {name: 3}})


def test_an_unknown_system_names_the_nearest() -> None:
    with pytest.raises(ConfigError, match="unknown system 'supervised_segment': did you mean 'supervised_segments'"):
        make_config("supervised_segment", "tiny")


def test_an_unknown_key_in_a_file_names_file_and_nearest(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"mine\.yaml: unknown option 'encoder\.dept': did you mean 'encoder\.depth'"):
        read_layer(file_of(tmp_path, {"encoder": {"dept": 3}}))
    with pytest.raises(ConfigError, match="unknown option 'encodr': did you mean 'encoder'"):
        check_keys({"encodr": {}}, DEFAULTS, "here")


def test_a_value_in_the_place_of_a_group_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"mine\.yaml: encoder groups options, but is given the value 3"):
        read_layer(file_of(tmp_path, {"encoder": 3}))
    with pytest.raises(ConfigError, match="encoder groups options"):
        make_config(None, options={"encoder": "3"})


@pytest.mark.parametrize("text", ["encoder: [", "- a\n- b", "just text", "\t"])
def test_a_file_that_is_no_mapping_is_named(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigError, match=r"(?s)mine\.yaml: damaged.*Check --config"):
        read_layer(file_of(tmp_path, text))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"gone\.yaml: cannot be read \(No such file or directory\)\. Check --config"):
        read_layer(tmp_path / "gone.yaml")


@pytest.mark.parametrize(
    ("option", "value", "expected"),
    [
        ("encoder.width", "wide", "a whole number"),
        ("pretrain.steps", "1.5", "a whole number"),
        ("pretrain.lr", "fast", "a number"),
        ("teacher.momentum", "slow", "a number or null"),
        ("execution.compile", "perhaps", "true or false"),
        ("validation_subjects", "[a]", "a whole number"),
        ("validation_subjects", "7", "a list such as"),
    ],
)
def test_a_value_of_the_wrong_type_names_option_value_and_what_is_expected(
    tmp_path: Path, option: str, value: str, expected: str
) -> None:
    with pytest.raises(ConfigError, match=rf"--{option} .*{value.strip('[]')}.*: expected {expected}"):
        build(f"--{option}", value)
    group, _, name = option.rpartition(".")
    content = {name: yaml.safe_load(value)}
    with pytest.raises(ConfigError, match=rf"mine\.yaml: {option} .*{value.strip('[]')}.*: expected {expected}"):
        make_config(None, file=file_of(tmp_path, {group: content} if group else content))


@pytest.mark.parametrize("value", ["nan", "inf", "-inf"])
def test_a_number_is_finite(tmp_path: Path, value: str) -> None:
    with pytest.raises(ConfigError, match=r"--teacher\.horizon -?(nan|inf): expected a finite number"):
        build("--teacher.horizon", value.removeprefix("-"))
    with pytest.raises(
        ConfigError, match=r"mine\.yaml: loss\.latent .*: expected a finite number|latent .* at least 0"
    ):
        make_config(None, file=file_of(tmp_path, {"loss": {"latent": float(value)}}))


def test_null_is_blamed_on_the_layer_that_says_it(tmp_path: Path) -> None:
    for content, message in (
        ({"clip": {"frames": None}}, r"mine\.yaml: clip\.frames None: expected a whole number"),
        ({"mask": {"hidden": None}}, r"value of .*mine\.yaml: mask\.hidden"),
    ):
        with pytest.raises(ConfigError, match=message):
            make_config(tiny.SYSTEM, "synthetic", file=file_of(tmp_path, content))


def test_a_choice_names_the_nearest_and_all() -> None:
    with pytest.raises(ConfigError, match=r"value of --mask\.hidden 'droped': did you mean 'dropped'\? Known: dropped"):
        build("--mask.hidden", "droped")


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


@pytest.mark.parametrize("option", ["pretrain.beta2", "finetune.drop_path", "scratch.dropout"])
def test_a_share_of_all_that_would_leave_nothing_is_refused(option: str) -> None:
    tiny.config(f"--{option}", "0.99")
    with pytest.raises(ConfigError, match=r"1\.0 must lie between 0 and 1, below 1"):
        tiny.config(f"--{option}", "1")


@pytest.mark.parametrize("scale", ["0", "-1", "inf", "nan"])
def test_coordinates_are_divided_by_a_number_above_0(scale: str) -> None:
    with pytest.raises(ConfigError, match=r"clip\.scale"):
        tiny.config("--clip.scale", scale)


# --- help ---


def test_the_list_of_settings_has_every_setting_with_help() -> None:
    def names(settings: dict[str, Any], prefix: str = "") -> list[str]:
        return [
            name
            for key, value in settings.items()
            for name in (names(value, f"{prefix}{key}.") if isinstance(value, dict) else [prefix + key])
        ]

    assert {setting.name for setting in all_settings()} == set(names(DEFAULTS)) - {"system", "quick"}
    assert all(setting.help and setting.type for setting in all_settings())
    text = describe_settings()
    assert all(f"--{setting.name} " in text for setting in all_settings())
