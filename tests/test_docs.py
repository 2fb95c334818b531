"""What the documents tell a reader to do works as it stands there."""

import re
import shlex
from pathlib import Path

import pytest
import yaml

from jointwise.cli import run as jointwise
from jointwise.datasets import DATASETS, load_dataset
from jointwise.datasets.folder import Settings
from jointwise.skeletons import SKELETONS

DATA = Path(__file__).parents[1] / "docs" / "data.md"


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
