"""What the documents tell a reader to do works as it stands there."""

import re
import shlex
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path

import pytest
import yaml

from jointwise.cli import run as jointwise
from jointwise.config.layers import make_config
from jointwise.config.schema import Config
from jointwise.config.systems import systems
from jointwise.data.dataset import load_dataset
from jointwise.data.datasets import DATASETS
from jointwise.data.datasets.folder import Settings
from jointwise.data.skeletons import SKELETONS
from jointwise.evaluation.protocols import PROTOCOLS
from jointwise.model.encoders import AXES
from jointwise.model.heads import POOLINGS
from jointwise.model.masks import MASKS
from jointwise.model.targets import TARGETS

DATA = Path(__file__).parents[1] / "docs" / "data.md"
METHOD = DATA.with_name("method.md")


def blocks(section: str, language: str) -> list[str]:
    """The code blocks of a language under a heading."""
    text = DATA.read_text().partition(f"\n## {section}\n")[2].partition("\n## ")[0]
    return [code for kind, code in re.findall(r"```(\w*)\n(.*?)```", text, re.DOTALL) if kind == language]


def test_the_example_of_a_folder_of_ones_own_runs_as_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("JOINTWISE_DATA", raising=False)
    (script,), (settings,), (commands,) = (blocks("A folder of your own", kind) for kind in ("python", "yaml", ""))
    exec(compile(script, str(DATA), "exec"), {})
    (tmp_path / "gestures" / "dataset.yaml").write_text(settings)
    for command in commands.splitlines():
        program, *arguments = shlex.split(command)
        assert program == "jointwise"
        jointwise(arguments)
    printed = capsys.readouterr().out
    assert "20 to train, 10 to test: every second subject is scored, 1 of 3: 2" in printed
    assert len(re.findall(r"^gestures/wave (left|right)/p\d-\d\.npz: wave ", printed, re.MULTILINE)) == 30
    dataset = load_dataset("gestures/")
    assert dataset.classes == ("wave left", "wave right")
    assert set(dataset.test.subjects) == {2}
    assert (tmp_path / "gestures-view.html").stat().st_size < 3e6


def test_the_page_names_every_data_set_layout_setting_and_split() -> None:
    text = DATA.read_text()
    for name, source in DATASETS.items():
        row = next(line for line in text.splitlines() if line.startswith(f"| `{name}` |"))
        assert all(f"`{split}`" in row for split in (min(source.splits), max(source.splits)))
        assert f"{source.count:,} / {len(source.description.classes)}" in row
        assert source.description.terms.startswith(
            row.rpartition("|")[0].rpartition("|")[2].strip().replace("free", "")
        )
    assert all(f"`{name}`" in text for name in SKELETONS)
    assert all(f"| `{name}` |" in text for name in Settings.__dataclass_fields__)


def test_the_yaml_of_the_page_is_yaml() -> None:
    (settings,) = blocks("A folder of your own", "yaml")
    assert set(yaml.safe_load(settings)) <= set(Settings.__dataclass_fields__)


# --- docs/method.md ---


def method() -> str:
    return METHOD.read_text()


def section_of_method(title: str) -> str:
    return method().partition(f"\n## {title}\n")[2].partition("\n## ")[0]


@pytest.mark.parametrize(
    ("section", "names"),
    [
        ("Masks: what the student does not see", MASKS),
        ("Networks", AXES),
        ("The systems of Table 1", systems()),
        ("Protocols", PROTOCOLS),
    ],
)
def test_every_entry_of_a_registry_has_its_row_in_the_method(section: str, names: Iterable[str]) -> None:
    rows = [line.partition("|")[2].partition("|")[0] for line in section_of_method(section).splitlines()]
    named = {name for row in rows for name in re.findall(r"`([\w-]+)`", row)}
    assert set(names) <= named


def test_every_pooling_and_target_is_named_in_the_method() -> None:
    assert all(f"`{name}`" in method() for name in (*POOLINGS, *TARGETS))


def test_the_table_of_systems_says_what_their_settings_say() -> None:
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in section_of_method("The systems of Table 1").splitlines()
        if line.startswith("| ") and "`" in line.split("|")[1]
    ]
    said = {re.sub(r".*`(\w+)`.*", r"\1", row[0]): row[1:5] for row in rows}
    for name in set(systems()) & set(said):
        config = make_config(name)
        axis, segment, hidden, predicts = said[name]
        assert axis.startswith(config.encoder.axis), name
        assert segment == str(config.clip.segment), name
        if config.predictor.use or config.decoder.use:
            assert hidden.startswith(config.mask.hidden), name
        assert predicts.startswith("teacher") == config.predictor.use, name
        assert ("joints" in predicts) == (config.decoder.use and config.decoder.target == "joints"), name
        assert ("motion" in predicts) == (config.decoder.use and config.decoder.target == "motion"), name


def test_what_the_method_points_at_in_the_code_is_there() -> None:
    places = re.findall(r"([\w/]+\.py):\s+([A-Za-z_.]+)", method())
    assert len(places) > 25
    for file, name in places:
        path = METHOD.parents[1] / ("" if file.startswith(("docs/", "tests/")) else "src/jointwise") / file
        for part in name.split("."):
            assert re.search(rf"^\s*(class |def )?{part}\b", path.read_text(), re.MULTILINE), f"{file}: {name}"


def test_the_settings_that_the_method_names_exist() -> None:
    known = asdict(Config())
    named = re.findall(r"`((?:clip|encoder|mask|predictor|decoder|teacher|loss|finetune|probe)\.\w+)", method())
    assert len(named) > 12
    for option in named:
        group, name = option.split(".")
        assert name in known[group], option


@pytest.mark.parametrize("page", [*METHOD.parent.glob("*.md"), METHOD.parents[1] / "README.md"])
def test_links_between_the_pages_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text()):
        assert (page.parent / target).exists(), target
