"""Systems: every settings file has its entry, and one file and one entry are all that a new system needs."""

import re
from pathlib import Path
from typing import Any

import pytest
import torch

from helpers.made_results import make
from jointwise.config import systems
from jointwise.config.layers import make_config
from jointwise.config.systems import FINAL, SYSTEMS, System, default_systems, in_order, line_style
from jointwise.data.dataset import Dataset
from jointwise.evaluation.results import read_results, save_result
from jointwise.report.tables.grouping import group_results

HOW_TO = Path(__file__).parents[2] / "docs" / "how-to" / "add-a-system.md"


def test_every_entry_has_its_settings_file() -> None:
    """A file without an entry is a system too: it comes last in tables."""
    names = [system.name for system in SYSTEMS]
    assert set(names) <= set(systems.systems())
    assert len(set(names)) == len(names)
    assert FINAL in names


def test_the_default_systems_are_those_of_table_1() -> None:
    assert default_systems() == [system.name for system in SYSTEMS if system.in_table_1]


def test_an_unknown_system_comes_last_and_has_a_line() -> None:
    assert in_order(["newcomer", "recommended", "mamp", "newcomer"]) == ["mamp", "recommended", "newcomer"]
    assert line_style("newcomer") == (7, "dashed")


@pytest.fixture
def added(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> System:
    """The system of the how-to page, added by its file and its line after those of Table 1."""
    text = HOW_TO.read_text()
    (settings,), (entry,) = (re.findall(rf"```{kind}\n(.*?)```", text, re.DOTALL) for kind in ("yaml", "python"))
    (name,) = re.findall(r"config/systems/(\w+)\.yaml", text)
    file = tmp_path / f"{name}.yaml"
    file.write_text(settings)
    shipped = systems.shipped
    beside = {"systems": {name: file}}  # as if it lay beside the others
    monkeypatch.setattr(systems, "shipped", lambda folder: shipped(folder) | beside.get(folder, {}))
    names: dict[str, Any] = {"System": System}
    exec(compile(f"from __future__ import annotations\n{entry}", str(HOW_TO), "exec"), names)
    system: System = names["SYSTEMS"][0]
    place = 1 + [shipped.name for shipped in SYSTEMS].index("mamp")
    monkeypatch.setattr(systems, "SYSTEMS", (*SYSTEMS[:place], system, *SYSTEMS[place:]))
    assert system.name == name
    return system


def test_a_system_added_by_its_file_and_its_line_is_built_ranked_and_drawn(
    added: System, dataset: Dataset, tmp_path: Path
) -> None:
    config = make_config(added.name)
    assert (config.system, config.encoder.axis, config.mask.strategy) == (added.name, "temporal", "tube")
    assert line_style(added.name) == (added.colour, added.stroke)
    assert in_order(["sjepa", added.name, "mamp"]) == ["mamp", added.name, "sjepa"]
    for name in ("sjepa", added.name, "mamp"):
        save_result(tmp_path / "results", make(dataset, system=name), torch.device("cpu"))
    groups = group_results(read_results(tmp_path / "results"))
    assert [group.condition.system for group in groups] == ["mamp", added.name, "sjepa"]
