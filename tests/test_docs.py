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
from jointwise.config.systems import SYSTEMS, systems
from jointwise.data.dataset import load_dataset
from jointwise.data.datasets import DATASETS
from jointwise.data.datasets.folder_settings import Settings
from jointwise.data.skeletons import SKELETONS
from jointwise.evaluation.protocols import PROTOCOLS
from jointwise.model.encoders import AXES
from jointwise.model.heads import POOLINGS
from jointwise.model.masks import MASKS
from jointwise.model.targets import TARGETS

ROOT = Path(__file__).parents[1]
DATA = ROOT / "docs" / "data.md"
METHOD = ROOT / "docs" / "method.md"
RESULTS = ROOT / "docs" / "results.md"
OWN_RECORDINGS = ROOT / "docs" / "how-to" / "train-on-your-own-recordings.md"
WITHOUT_LABELS = ROOT / "docs" / "how-to" / "pre-train-without-labels.md"
TOP = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "lab/LOG.md")]
PAGES = [*sorted((ROOT / "docs").rglob("*.md")), *TOP]
DECISIONS = sorted((ROOT / "docs" / "decisions").glob("[0-9]*.md"))


def blocks(page: Path, language: str) -> list[str]:
    """The code blocks of a language on a page."""
    found = re.findall(r"^```(\w*)\n(.*?)^```", page.read_text("utf-8"), re.DOTALL | re.MULTILINE)
    return [code for kind, code in found if kind == language]


@pytest.mark.slow
def test_the_example_of_a_folder_of_ones_own_runs_as_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("JOINTWISE_DATA", raising=False)
    (script,), (settings,), (commands,) = (blocks(OWN_RECORDINGS, kind) for kind in ("python", "yaml", ""))
    exec(compile(script, str(OWN_RECORDINGS), "exec"), {})
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


@pytest.mark.slow
def test_the_example_of_recordings_without_labels_runs_as_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("JOINTWISE_DATA", raising=False)
    (script,) = blocks(WITHOUT_LABELS, "python")
    exec(compile(script, str(WITHOUT_LABELS), "exec"), {})
    exec(compile(blocks(OWN_RECORDINGS, "python")[0], str(OWN_RECORDINGS), "exec"), {})
    commands, next_command, *_ = blocks(WITHOUT_LABELS, "")
    for command in (commands + next_command).splitlines():
        jointwise([*shlex.split(command)[1:], *(["--quick"] if "finetune" in command else [])])
    printed = capsys.readouterr().out
    assert "archive: 20 to train, 0 to test (all recordings train, nothing is scored)" in printed
    assert "held-out training recordings, 10% of them by content, for losses: 2 of 20" in printed


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
    (settings,) = blocks(OWN_RECORDINGS, "yaml")
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
        ("The systems of Table 1", [system.name for system in SYSTEMS]),
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
    cells = {re.sub(r".*`(\w+)`.*", r"\1", row[0]): row[1:5] for row in rows}
    for name in set(systems()) & set(cells):
        config = make_config(name)
        axis, segment, hidden, predicts = cells[name]
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


# --- all pages ---


def headings(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    text = re.sub(r"^```.*?^```", "", page.read_text("utf-8"), flags=re.DOTALL | re.MULTILINE)
    titles = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_between_the_pages_lead_somewhere(page: Path) -> None:
    for target, anchor in re.findall(r"\]\((?!https?:)([^)#\s]*)#?([^)\s]*)\)", page.read_text("utf-8")):
        linked = (page.parent / target).resolve() if target else page
        assert linked.exists(), target
        assert not anchor or anchor in headings(linked), f"{target}#{anchor}"


@pytest.mark.parametrize("folder", ["api", "decisions", "how-to", "tutorials"])
def test_an_index_lists_every_page_of_its_folder(folder: str) -> None:
    index = (ROOT / "docs" / folder / "README.md").read_text("utf-8")
    pages = {path.name for path in (ROOT / "docs" / folder).glob("*.md")} - {"README.md"}
    assert pages <= set(re.findall(r"\]\(([\w-]+\.md)\)", index))


def test_decisions_are_numbered_without_a_gap_and_say_why_and_what_was_rejected() -> None:
    assert [int(path.name[:3]) for path in DECISIONS] == list(range(1, len(DECISIONS) + 1))
    for path in DECISIONS:
        text = path.read_text("utf-8")
        assert text.startswith(f"# {path.name[:3]} "), path.name
        assert all(f"**{part}.**" in text for part in ("Choice", "Reason", "Rejected")), path.name


def test_the_readme_is_one_page_whose_results_are_rows_of_the_rendered_table() -> None:
    lines = (ROOT / "README.md").read_text("utf-8").splitlines()
    assert len(lines) <= 120
    rows = [line for line in lines if line.startswith("| ")]
    assert 3 < len(rows) <= 2 + 6, "a head, a rule, and at most six rows"
    table = RESULTS.read_text("utf-8").partition("<!-- results results/few-labels/utd-mhad -->")[2]
    assert set(rows) <= set(table.partition("<!-- end of results -->")[0].splitlines())


def test_the_architecture_page_names_every_room_of_the_package() -> None:
    (tree,) = (code for code in blocks(ROOT / "docs" / "architecture.md", "") if code.startswith("src/jointwise/"))
    rooms = {path.name for path in (ROOT / "src" / "jointwise").iterdir() if not path.name.startswith("_")}
    assert set(re.findall(r"^  (\w+(?:\.py)?)", tree, re.MULTILINE)) - {"__init__.py"} == rooms - {"py.typed"}


def test_the_files_that_the_architecture_page_draws_exist() -> None:
    (tree,) = (code for code in blocks(ROOT / "docs" / "architecture.md", "") if code.startswith("src/jointwise/"))
    room = ""
    for line in tree.splitlines()[1:]:
        indent, names = len(line) - len(line.lstrip()), re.split(r"\s{2,}", line.strip())[0].split()
        if not names:
            continue
        if indent == 2:
            room = names[0] if names[0].endswith("/") else ""
            names = names[:1]
        for name in (name for name in names if "*" not in name and re.search(r"[./]", name)):
            path = ROOT / "src" / "jointwise" / ("" if indent == 2 else room) / name
            assert path.exists(), path


def test_the_log_has_a_date_and_a_verdict_for_every_entry_newest_first() -> None:
    entries = re.split(r"^## ", (ROOT / "lab" / "LOG.md").read_text("utf-8"), flags=re.MULTILINE)[1:]
    latest = []
    for entry in entries:
        _, _, dates, _, verdict = entry.splitlines()[:5]
        found = re.findall(r"\d{4}-\d\d-\d\d", dates)
        assert found, entry.splitlines()[0]
        assert verdict.startswith("**Verdict: "), entry.splitlines()[0]
        latest.append(max(found))
    assert latest == sorted(latest, reverse=True)
